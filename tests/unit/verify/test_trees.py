"""A campaign with its parts, as GET totals tells of it, against what the logs make of each."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from deploy.verify.claims import TOTALS, Claim, Tree, digest_of, tree_digest_of
from deploy.verify.judging import _Judge
from deploy.verify.places import Places
from deploy.verify.workbook import Evidence, Sums, Workbook

PLACE = {"intake.wechat/0": 9}
PARENT, ONE, TWO = Sums(received_fen=1_000, donations=1), Sums(received_fen=20, donations=1), Sums()


@pytest.fixture
def judge() -> Iterator[_Judge]:
    """With a parent's donation of 1,000 fen and one of 20 fen to one of its two parts."""
    with Workbook() as workbook:
        workbook.add_facts(
            Evidence.INTAKE, [("gala", "intake.wechat/0", 1, 1_000, 0), ("one", "intake.wechat/0", 2, 20, 0)]
        )
        places = Places.__new__(Places)
        yield _Judge(places, None, workbook, lambda *_: None, None)


def a_tree(parts: tuple[str, ...] = ("one", "two"), received_fen: int = 1_020) -> Tree:
    digests = {
        name: digest_of(name, PLACE, sums)
        for name, sums in (("gala", PARENT), ("one", ONE), ("two", TWO))
        if name in {"gala", *parts}
    }
    sums = Sums(received_fen=received_fen, donations=2)
    return Tree(parts, sums, tree_digest_of("gala", digests))


def differs(judge: _Judge, tree: Tree) -> str:
    return judge._tree_differs(Claim(TOTALS, "gala", PARENT, PLACE, tree=tree), tree)


def test_the_sum_of_a_campaign_and_its_parts_holds(judge: _Judge) -> None:
    assert differs(judge, a_tree()) == ""


def test_a_fen_too_many_is_named(judge: _Judge) -> None:
    assert differs(judge, a_tree(received_fen=1_021)) == "received_fen is 1021 instead of 1020"


def test_a_part_that_is_left_out_is_missed_in_the_sums(judge: _Judge) -> None:
    assert "instead of 1000" in differs(judge, a_tree(("two",)))


def test_a_digest_of_other_parts_is_named(judge: _Judge) -> None:
    tree = replace(a_tree(), digest=a_tree(("one",)).digest)
    assert differs(judge, tree) == "the digest is not that of its parts"
