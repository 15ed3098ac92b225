"""The ledger's rules alone: entries, days, the chain of hashes."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.ledger import chain
from services.campaign.ledger.accounts import CHART, INVENTORY, AccountClass, Side
from services.campaign.ledger.entries import (
    POSTING_MAX_FEN,
    FundByHand,
    Kind,
    Posting,
    Unbalanced,
    day_of,
    of_disbursement,
    of_donations,
    of_return,
    require_balanced,
    require_no_fund,
    turned,
)
from services.campaign.ledger.periods import booking_day, month_of, next_month
from shared import hash_chain
from shared.events.campaigns import SpendingCategory
from tests.services.campaign.builders import Source

POSTINGS: list[dict[str, Any]] = [
    {"account": "112201", "campaign_id": "gala-2026", "side": "debit", "amount_fen": 12_345},
    {"account": "410101", "campaign_id": "gala-2026", "side": "credit", "amount_fen": 12_345},
]
ENTRY: dict[str, Any] = {
    "journal": "donations:intake.wechat/0",
    "sequence": 1,
    "kind": "donations",
    "booked_on": date(2026, 12, 31),
    "event_on": date(2026, 12, 31),
    "recorded_at": datetime(2026, 12, 31, 12, 0, 0, 5, tzinfo=UTC),
    "recorded_by": "campaign",
    "confirmed_by": None,
    "source": "intake.wechat/0",
    "first_sequence": 0,
    "last_sequence": 41,
    "donations": 40,
    "reversals": 0,
    "subject": None,
    "reverses": None,
    "note": None,
}
ENCODED = (
    '{"booked_on":"2026-12-31","donations":40,"event_on":"2026-12-31","first_sequence":0,'
    '"journal":"donations:intake.wechat/0","kind":"donations","last_sequence":41,"postings":'
    '[{"account":"112201","amount_fen":12345,"campaign_id":"gala-2026","side":"debit"},'
    '{"account":"410101","amount_fen":12345,"campaign_id":"gala-2026","side":"credit"}],'
    '"recorded_at":"2026-12-31T12:00:00.000005Z","recorded_by":"campaign","reversals":0,"sequence":1,'
    '"source":"intake.wechat/0"}'
)
REVERSAL = ENTRY | {
    "journal": "books",
    "sequence": 7,
    "kind": "reversal",
    "recorded_by": "陈",
    "confirmed_by": "王",
    "source": None,
    "first_sequence": None,
    "last_sequence": None,
    "donations": None,
    "reversals": None,
    "subject": UUID("019ad1f0-0000-7000-8000-000000000001"),
    "reverses": 3,
    "note": '记错"科目"\n',
}
FEES = [
    {"account": "5301", "campaign_id": None, "side": "credit", "amount_fen": 10**15},
    {"account": "1002", "campaign_id": None, "side": "debit", "amount_fen": 10**15},
]


def test_the_encoding_is_the_stated_one() -> None:
    assert chain.encode(ENTRY, POSTINGS).decode() == ENCODED
    assert (
        chain.next_hash(hash_chain.NO_HASH, ENTRY, POSTINGS)
        == hashlib.sha256(bytes(32) + ENCODED.encode()).digest()
    )


@pytest.mark.parametrize(
    ("previous", "entry", "postings", "expected"),
    [
        (
            hash_chain.NO_HASH,
            ENTRY,
            POSTINGS,
            "bb1df4d3d00ee844702fa37e7d72b1e04b76b885ff40f679af51c806dd1798b3",
        ),
        (b"\x01" * 32, ENTRY, POSTINGS, "e46417eb46fe6a605bac8b80c5a601fde6876d9974e06ade22dadff08fe49970"),
        (
            hash_chain.NO_HASH,
            REVERSAL,
            FEES,
            "d0252516bf64a9b6df319b3d89d4c6f854616ddd34b75a6e5e921dbe9b01c496",
        ),
    ],
)
def test_the_hashes_are_the_stated_ones(
    previous: bytes, entry: dict[str, Any], postings: list[dict[str, Any]], expected: str
) -> None:
    """Never to be changed: every booked entry would seem to be."""
    assert chain.next_hash(previous, entry, postings).hex() == expected


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
sequences = st.integers(0, 2**63 - 1)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "journal": texts,
    "sequence": sequences,
    "kind": texts,
    "booked_on": st.dates(),
    "event_on": st.dates(),
    "recorded_at": st.datetimes(timezones=st.just(UTC)),
    "recorded_by": texts,
    "confirmed_by": st.none() | texts,
    "source": st.none() | texts,
    "first_sequence": st.none() | sequences,
    "last_sequence": st.none() | sequences,
    "donations": st.none() | sequences,
    "reversals": st.none() | sequences,
    "subject": st.none() | st.uuids(),
    "reverses": st.none() | sequences,
    "note": st.none() | texts,
}
LINE: dict[str, st.SearchStrategy[Any]] = {
    "account": texts,
    "campaign_id": st.none() | texts,
    "side": st.sampled_from(["debit", "credit"]),
    "amount_fen": st.integers(1, POSTING_MAX_FEN),
}
entries = st.fixed_dictionaries(FIELDS)
lines = st.lists(st.fixed_dictionaries(LINE), min_size=2, max_size=4)


def test_every_field_is_hashed() -> None:
    assert set(FIELDS) == set(chain.ENTRY_FIELDS)
    assert set(LINE) == set(chain.POSTING_FIELDS)


@given(st.data(), entries, lines, st.binary(min_size=32, max_size=32))
def test_any_change_of_any_field_changes_the_hash(
    data: st.DataObject, entry: dict[str, Any], postings: list[dict[str, Any]], previous: bytes
) -> None:
    before = chain.next_hash(previous, entry, postings)
    field = data.draw(st.sampled_from(sorted(FIELDS)))
    changed = data.draw(FIELDS[field].filter(lambda value: value != entry[field]))
    assert chain.next_hash(previous, entry | {field: changed}, postings) != before
    at = data.draw(st.integers(0, len(postings) - 1))
    name = data.draw(st.sampled_from(sorted(LINE)))
    other = data.draw(LINE[name].filter(lambda value: value != postings[at][name]))
    spoilt = [line | {name: other} if number == at else line for number, line in enumerate(postings)]
    assert chain.next_hash(previous, entry, spoilt) != before
    assert chain.next_hash(previous, entry, postings[:-1]) != before
    assert chain.next_hash(previous, entry, [*postings, postings[0]]) != before
    flipped = bytes([previous[0] ^ 1]) + previous[1:]
    assert chain.next_hash(flipped, entry, postings) != before


@given(entries, lines)
def test_whoever_has_the_encoding_can_read_the_entry(
    entry: dict[str, Any], postings: list[dict[str, Any]]
) -> None:
    said = json.loads(chain.encode(entry, postings))
    assert said["sequence"] == entry["sequence"]
    assert said.get("note") == entry["note"]
    assert [line["amount_fen"] for line in said["postings"]] == [line["amount_fen"] for line in postings]


# ---------------------------------------------------------------- entries


def surplus(postings: tuple[Posting, ...]) -> int:
    return sum(each.amount_fen * (1 if each.side is Side.DEBIT else -1) for each in postings)


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from(["a", "b"]),
            st.integers(1, 10**13),
            st.integers(0, 100).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)),
        ),
        max_size=40,
    )
)
def test_a_batch_is_summed_up_to_the_fen_and_each_entry_is_balanced(
    given_: list[tuple[bool, str, int, datetime]],
) -> None:
    source = Source()
    events = [
        (source.received if comes_in else source.reversed)(campaign_id, fen, at)
        for comes_in, campaign_id, fen, at in given_
    ]
    made = of_donations(events)
    for entry in made:
        require_balanced(entry.postings)
        assert all(1 <= each.amount_fen <= POSTING_MAX_FEN for each in entry.postings)
    assert len({(each.event_on, each.postings[0].campaign_id) for each in made}) == len(made)
    for campaign_id in ("a", "b"):
        income = [
            each
            for entry in made
            for each in entry.postings
            if (each.account, each.campaign_id) == ("410101", campaign_id)
        ]
        net = sum(fen if comes_in else -fen for comes_in, each, fen, _ in given_ if each == campaign_id)
        assert -surplus(tuple(income)) == net
    assert sum((each.donations or 0) + (each.reversals or 0) for each in made) == len(events)
    assert sorted(made, key=lambda each: (each.event_on, each.postings[0].campaign_id or "")) == made


def test_an_empty_batch_is_no_entry() -> None:
    assert of_donations([]) == []


@pytest.mark.parametrize(
    ("category", "account"), [("programme", "5101"), ("management", "5201"), ("fundraising", "5301")]
)
def test_a_disbursement_is_an_expense_of_its_campaign_and_what_comes_back_lowers_it(
    category: SpendingCategory, account: str
) -> None:
    subject, day = UUID(int=1), date(2026, 2, 1)
    paid = of_disbursement(subject, "gala", 600, category=category, paid_by="wang", paid_on=day)
    assert paid.postings == (
        Posting(account, "gala", Side.DEBIT, 600),
        Posting("1002", "gala", Side.CREDIT, 600),
    )
    assert (paid.subject, paid.event_on, paid.recorded_by, paid.journal) == (subject, day, "wang", "books")
    back = of_return(
        UUID(int=2),
        "gala",
        600,
        category=category,
        returned_on=day,
        recorded_by="feng",
        confirmed_by="zhao",
        reason="退汇",
    )
    assert (back.kind, back.subject) == (Kind.RETURN, UUID(int=2))
    assert (back.recorded_by, back.confirmed_by, back.note) == ("feng", "zhao", "退汇")
    assert set(back.postings) == set(turned(paid.postings))


def test_a_reversal_of_a_reversal_is_the_entry() -> None:
    postings = (Posting("5301", None, Side.DEBIT, 6), Posting("1002", None, Side.CREDIT, 6))
    assert surplus((*postings, *turned(postings))) == 0
    assert turned(turned(postings)) == postings


@pytest.mark.parametrize(
    ("postings", "campaign_id", "difference_fen"),
    [
        ([Posting("1002", None, Side.DEBIT, 5)], None, 5),
        ([Posting("1002", "a", Side.DEBIT, 5), Posting("1002", "b", Side.CREDIT, 5)], "a", 5),
        ([Posting("1002", "a", Side.CREDIT, 5), Posting("5301", None, Side.DEBIT, 5)], "a", -5),
    ],
)
def test_what_is_not_balanced_in_each_fund_is_refused_with_the_difference(
    postings: list[Posting], campaign_id: str | None, difference_fen: int
) -> None:
    with pytest.raises(Unbalanced) as refused:
        require_balanced(postings)
    assert refused.value.facts == {"campaign_id": campaign_id, "difference_fen": difference_fen}


@pytest.mark.parametrize("number", CHART)
def test_only_what_a_fund_or_a_store_has_can_not_be_posted_by_hand(number: str) -> None:
    of_fund = CHART[number].kind in {AccountClass.NET_ASSETS, AccountClass.INCOME, AccountClass.EXPENSE}
    assert of_fund == (number >= "3")
    require_no_fund([Posting(number, None, Side.DEBIT, 1)])
    if of_fund or number == INVENTORY:
        with pytest.raises(FundByHand):
            require_no_fund([Posting(number, "gala", Side.DEBIT, 1)])
    else:
        require_no_fund([Posting(number, "gala", Side.DEBIT, 1)])


# ---------------------------------------------------------------- days


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 1, 31, 15, 59, 59, tzinfo=UTC), date(2026, 1, 31)),
        (datetime(2026, 1, 31, 16, tzinfo=UTC), date(2026, 2, 1)),
        (datetime.max.replace(tzinfo=UTC), date.max),
        (datetime.min.replace(tzinfo=UTC), date.min),
    ],
)
def test_a_day_is_one_of_shanghai_and_no_time_is_too_late_to_have_one(moment: datetime, day: date) -> None:
    assert day_of(moment) == day


DAYS = st.dates(date(2000, 1, 1), date(2199, 1, 1))


@given(DAYS, st.none() | DAYS)
def test_nothing_is_booked_in_a_closed_month_nor_before_it_happened(
    event_on: date, closed: date | None
) -> None:
    closed = closed and month_of(closed)
    booked = booking_day(event_on, closed)
    assert booked >= event_on
    assert closed is None or month_of(booked) > closed
    if closed is None or month_of(event_on) > closed:
        assert booked == event_on
    else:
        assert booked.day == 1
        assert month_of(booked - timedelta(days=1)) == closed


def test_a_year_ends() -> None:
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert next_month(date(2026, 1, 1)) == date(2026, 2, 1)
