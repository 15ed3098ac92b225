"""A number can be recomputed by anybody: the version and the digest."""

import hashlib
import json

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.proof import PROVED, digest_of, version_of
from services.reporting.totals import Amounts

POSITIONS = {"intake.wechat/0": 41, "intake.alipay/3": 0, "campaign/1": 7}
AMOUNTS = Amounts(received_fen=1234, reversed_fen=34, donations=2, promised_fen=5_000, disbursed_fen=100)


def test_the_version_counts_every_event_read() -> None:
    assert version_of(POSITIONS) == 42 + 1 + 8
    assert version_of({}) == 0


@given(
    st.dictionaries(st.sampled_from(list(POSITIONS)), st.integers(0, 10**12)),
    st.sampled_from(list(POSITIONS)),
)
def test_the_version_grows_with_every_mark_that_moves(positions: dict[str, int], moved: str) -> None:
    later = {**positions, moved: positions.get(moved, -1) + 1}
    assert version_of(later) == version_of(positions) + 1


def test_a_third_party_recomputes_the_digest_from_the_documented_text() -> None:
    text = (
        '{"campaign_id":"gala","disbursed_fen":100,"donations":2,"positions":'
        '{"campaign/1":7,"intake.alipay/3":0,"intake.wechat/0":41},'
        '"promised_fen":5000,"received_fen":1234,"reversed_fen":34}'
    )
    assert digest_of("gala", POSITIONS, AMOUNTS) == hashlib.sha256(text.encode()).hexdigest()


def test_what_came_back_is_in_the_digest_where_something_did() -> None:
    text = (
        '{"campaign_id":"gala","disbursed_fen":100,"donations":2,"positions":{},'
        '"promised_fen":5000,"received_fen":1234,"returned_fen":40,"reversed_fen":34}'
    )
    returned = AMOUNTS.model_copy(update={"returned_fen": 40})
    assert digest_of("gala", {}, returned) == hashlib.sha256(text.encode()).hexdigest()


def test_the_order_in_which_sources_were_read_does_not_matter() -> None:
    reordered = dict(reversed(POSITIONS.items()))
    assert digest_of("gala", reordered, AMOUNTS) == digest_of("gala", POSITIONS, AMOUNTS)


def test_each_claim_changes_the_digest() -> None:
    claims = [AMOUNTS.model_copy(update={field: 9_999}) for field in PROVED]
    digests = {digest_of("gala", POSITIONS, claim) for claim in claims}
    digests |= {digest_of("另一场", POSITIONS, AMOUNTS), digest_of("gala", {**POSITIONS, "x/0": 1}, AMOUNTS)}
    assert digest_of("gala", POSITIONS, AMOUNTS) not in digests
    assert len(digests) == len(PROVED) + 2


def test_goods_in_kind_are_no_part_of_the_proof_of_money() -> None:
    goods = AMOUNTS.model_copy(update={"goods_received_fen": 9_999, "goods_distributed_fen": 1})
    assert digest_of("gala", POSITIONS, goods) == digest_of("gala", POSITIONS, AMOUNTS)


def test_the_digest_is_over_plain_json_numbers_and_unescaped_text() -> None:
    claim = {"campaign_id": "新年", "positions": {}, **dict.fromkeys(PROVED, 0)}
    expected = hashlib.sha256(
        json.dumps(claim, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()
    assert digest_of("新年", {}, Amounts()) == expected
