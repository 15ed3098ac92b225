"""A campaign and its parts together: sums, ranking and proof."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.frames import PARTS_SHOWN, snapshot_of
from services.reporting.proof import tree_digest_of
from services.reporting.schemas import Totals
from services.reporting.totals import Amounts, CampaignState
from services.reporting.trees import sum_of, with_trees
from tests.services.reporting.builders import GALA, state

fen = st.integers(0, 10**15)
amounts = st.builds(Amounts, **dict.fromkeys(Amounts.model_fields, fen))


def part(number: int, received_fen: int) -> CampaignState:
    made = state(received_fen, campaign_id=f"part-{number}")
    plan = made.plan.model_copy(update={"parent_id": GALA, "part_kind": "team"})
    return made.model_copy(update={"plan": plan})


def test_a_parent_keeps_its_own_number_and_shows_its_tree_beside_it() -> None:
    parent = state(1_000)
    shown, *parts = with_trees([parent, part(1, 20), part(2, 300)])
    assert (shown.amounts, shown.digest) == (parent.amounts, parent.digest)
    assert shown.tree is not None
    assert shown.tree.amounts.received_fen == 1_320
    assert [each.campaign_id for each in shown.tree.parts] == ["part-2", "part-1"]
    assert [each.tree for each in parts] == [None, None]


def test_only_what_is_wanted_is_given_back() -> None:
    (shown,) = with_trees([state(1), part(1, 2)], {GALA})
    assert (shown.campaign_id, shown.tree is not None) == (GALA, True)


def test_a_campaign_without_parts_has_no_tree() -> None:
    (alone,) = with_trees([state(5)])
    assert alone.tree is None
    assert "tree" not in snapshot_of(alone)
    assert Totals.of(alone).tree is None


def test_the_digest_of_a_tree_is_recomputed_without_this_code() -> None:
    digests = {GALA: "a" * 64, "part-1": "b" * 64}
    text = f'{{"campaign_id":"{GALA}","digests":{json.dumps(digests, separators=(",", ":"))}}}'
    assert tree_digest_of(GALA, digests) == hashlib.sha256(text.encode()).hexdigest()


def test_any_part_that_changes_changes_the_digest_of_the_tree() -> None:
    one, other = (with_trees([state(5), part(1, number)])[0].tree for number in (1, 2))
    assert one is not None
    assert other is not None
    assert one.digest != other.digest


@given(st.lists(amounts, max_size=5))
def test_each_amount_is_added_up_by_itself(every: list[Amounts]) -> None:
    total = sum_of(every)
    for name in Amounts.model_fields:
        assert getattr(total, name) == sum(getattr(each, name) for each in every)
    assert total.net_fen == sum(each.net_fen for each in every)


def test_a_screen_gets_the_sums_and_the_first_parts_and_the_api_all() -> None:
    (shown, *_) = with_trees([state(0), *(part(number, number) for number in range(PARTS_SHOWN + 5))])
    frame = snapshot_of(shown)["tree"]
    assert (frame["count"], len(frame["parts"])) == (PARTS_SHOWN + 5, PARTS_SHOWN)
    assert frame["parts"][0]["net_fen"] == PARTS_SHOWN + 4
    assert frame["net_fen"] == sum(range(PARTS_SHOWN + 5))
    tree = Totals.of(shown).tree
    assert tree is not None
    assert (len(tree.parts), tree.digest) == (PARTS_SHOWN + 5, frame["digest"])
