"""What is booked by itself, and what can be read of it: every fund is the guardrail's, to the fen."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.campaign.announcements import Announcer
from services.campaign.handlers import book
from services.campaign.ledger.entries import POSTING_MAX_FEN
from shared.money import MAX_AMOUNT_FEN
from shared.positions import admit
from tests.services.campaign.books import an_approved, balances, read, require_exact, take
from tests.services.campaign.builders import DESK, FINANCE, Source, launched, new_campaign_id
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime(2026, 10, 5, 4, tzinfo=UTC)
LATE = datetime(2026, 10, 5, 16, 0, tzinfo=UTC)
"""Midnight in Asia/Shanghai: the next day."""


async def test_donations_and_reversals_become_one_entry_a_batch_source_day_and_campaign(
    service: Service,
) -> None:
    one, other = [await launched(service.operator(DESK)) for _ in range(2)]
    source = Source()
    await service.book(
        [
            source.received(one, 500, NOON),
            source.received(one, 700, NOON),
            source.received(other, 30, NOON),
            source.reversed(one, 200, NOON),
            source.received(one, 9, LATE),
        ]
    )
    page = await read(service, "/entries", journal=f"donations:{source.name}")
    assert page["next"] is None
    names = ("booked_on", "first_sequence", "last_sequence", "donations", "reversals")
    assert sorted(tuple(each[name] for name in names) for each in page["items"]) == [
        ("2026-10-05", 0, 3, 2, 1),
        ("2026-10-05", 2, 2, 1, 0),
        ("2026-10-06", 4, 4, 1, 0),
    ]
    assert [each["sequence"] for each in page["items"]] == [1, 2, 3]
    first = next(each for each in page["items"] if each["reversals"] == 1)
    assert (first["kind"], first["source"], first["recorded_by"]) == ("donations", source.name, "campaign")
    assert [
        (each["account"], each["campaign_id"], each["side"], each["amount_fen"]) for each in first["postings"]
    ] == [
        ("112201", one, "debit", 1200),
        ("410101", one, "credit", 1200),
        ("410101", one, "debit", 200),
        ("112201", one, "credit", 200),
    ]
    assert await balances(service, one) == {"112201": 1009, "410101": 1009}
    await require_exact(service)


async def test_a_payment_is_booked_with_it_and_an_approval_is_no_posting(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    await service.book([Source().received(campaign_id, 1000)])
    disbursement_id = await an_approved(service, campaign_id, 600)
    assert await balances(service, campaign_id) == {"112201": 1000, "410101": 1000}
    assert (
        await service.operator(FINANCE).decide(f"/disbursements/{disbursement_id}", "pay")
    ).status_code == 200
    assert await balances(service, campaign_id) == {
        "1002": -600,
        "112201": 1000,
        "410101": 1000,
        "5101": 600,
    }
    found = await service.rows(
        "SELECT kind, recorded_by FROM ledger_entries WHERE journal = 'books' AND subject::text = :id",
        id=disbursement_id,
    )
    assert found == [("disbursement", FINANCE)]
    funds = await read(service, "/funds", limit=200)
    (fund,) = [each for each in funds["items"] if each["campaign_id"] == campaign_id]
    assert fund == {
        "campaign_id": campaign_id,
        "received_fen": 1000,
        "reversed_fen": 0,
        "disbursed_fen": 600,
        "returned_fen": 0,
        "transferred_in_fen": 0,
        "transferred_out_fen": 0,
        "ledger_fen": 400,
        "reserved_fen": 0,
        "guardrail_balance_fen": 400,
        "equal": True,
    }


async def test_pledges_are_in_no_total(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    await service.pledge(campaign_id, 10_000)
    assert await balances(service, campaign_id) == {}


async def test_a_replay_books_nothing(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    events = [source.received(campaign_id, fen) for fen in (1, 20, 300)]
    await take(service, events[:2])
    await take(service, events)
    before = await read(service, "/entries", journal=f"donations:{source.name}")
    await take(service, events)
    await take(service, events[1:])
    assert await read(service, "/entries", journal=f"donations:{source.name}") == before
    assert [each["first_sequence"] for each in before["items"]] == [0, 2]
    assert (await balances(service, campaign_id))["410101"] == 321


async def test_marks_sums_and_entries_become_true_together_or_not_at_all(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    events = [Source().received(campaign_id, 5)]
    async with service.engine.connect() as connection:
        await book(connection, Announcer(partitions=4), await admit(connection, events))
        await connection.rollback()
    assert await balances(service, campaign_id) == {}
    await take(service, events)
    assert (await balances(service, campaign_id))["410101"] == 5


async def test_money_for_a_campaign_unknown_here_is_in_the_ledger(service: Service) -> None:
    unknown = new_campaign_id("unknown")
    await take(service, [Source().received(unknown, 5)])
    assert (await balances(service, unknown))["410101"] == 5
    await require_exact(service)


async def test_a_batch_larger_than_a_posting_can_hold_becomes_several(service: Service) -> None:
    campaign_id = new_campaign_id()
    source = Source()
    number = POSTING_MAX_FEN // MAX_AMOUNT_FEN + 1
    await take(service, [source.received(campaign_id, MAX_AMOUNT_FEN) for _ in range(number)])
    (entry,) = (await read(service, "/entries", journal=f"donations:{source.name}"))["items"]
    assert [each["amount_fen"] for each in entry["postings"]] == [
        *[POSTING_MAX_FEN] * 2,
        *[MAX_AMOUNT_FEN] * 2,
    ]
    assert (await balances(service, campaign_id))["410101"] == number * MAX_AMOUNT_FEN


async def test_a_trial_balance_is_of_a_day_and_of_a_position(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    await take(service, [source.received(campaign_id, 100, NOON)])
    then = (await read(service, "/trial-balance", campaign_id=campaign_id))["positions"]
    await take(service, [source.received(campaign_id, 23, LATE)])
    assert (await balances(service, campaign_id))["410101"] == 123
    assert (await balances(service, campaign_id, day="2026-10-05"))["410101"] == 100
    at = [f"{journal}:{sequence}" for journal, sequence in then.items()]
    assert (await balances(service, campaign_id, at=at))["410101"] == 100
    assert await balances(service, campaign_id, at=["books:0"]) == {}
    whole = await read(service, "/trial-balance")
    assert whole["difference_fen"] == 0
    assert whole["debit_fen"] > 0


async def test_a_statement_goes_on_where_its_part_before_ended(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    one, other = Source(0), Source(1)
    for source, fen, at in ((one, 1, LATE), (other, 20, NOON), (one, 300, NOON)):
        await take(service, [source.received(campaign_id, fen, at)])
    await take(service, [other.reversed(campaign_id, 4, LATE)])
    seen: list[tuple[str, int, int]] = []
    after: dict[str, str] = {}
    while True:
        page = await read(service, "/accounts/410101/statement", campaign_id=campaign_id, limit=2, **after)
        assert page["brought_forward_fen"] == (seen[-1][2] if seen else 0)
        seen += [(each["booked_on"], each["amount_fen"], each["balance_fen"]) for each in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert [each[0] for each in seen] == ["2026-10-05"] * 2 + ["2026-10-06"] * 2
    assert {each[1] for each in seen[:2]} == {20, 300}
    assert {each[1] for each in seen[2:]} == {1, 4}
    assert seen[1][2] == 320
    assert seen[-1][2] == 317


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/trial-balance", {"at": "books"}, "ledger-position-unusable"),
        ("/trial-balance", {"at": "books:-1"}, "ledger-position-unusable"),
        ("/trial-balance", {"at": "books:99999999999999999999"}, "ledger-position-unusable"),
        ("/accounts/410101/statement", {"after": "2026-10-05"}, "ledger-position-unusable"),
        ("/accounts/410101/statement", {"after": "x~1~1~books"}, "ledger-position-unusable"),
        ("/accounts/9999/statement", {}, "not-found"),
    ],
)
async def test_what_names_no_place_is_refused(
    service: Service, path: str, query: dict[str, str], code: str
) -> None:
    answer = await service.operator(FINANCE).get(f"/ledger{path}", **query)
    assert answer.status_code in {404, 422}
    assert answer.json()["type"] == f"urn:shanliu:problem:{code}"


async def test_two_payments_at_the_same_moment_follow_each_other_in_the_journal(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    await service.book([Source().received(campaign_id, 1000)])
    waiting = [await an_approved(service, campaign_id, 100) for _ in range(8)]
    finance = service.operator(FINANCE)
    answers = await asyncio.gather(
        *(finance.decide(f"/disbursements/{each}", "pay") for each in [*waiting, *waiting])
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes[:8] == [200] * 8
    assert set(codes[8:]) <= {409, 412}
    assert (await balances(service, campaign_id))["5101"] == 800
    await require_exact(service)


async def test_workers_of_different_sources_never_wait_for_each_other(service: Service) -> None:
    """One holds its journal and a half-done batch; the other, of the same campaign, goes through."""
    campaign_id = new_campaign_id()
    announcer = Announcer(partitions=4)
    one, two = Source(0), Source(1)
    async with service.engine.connect() as slow:
        first = [one.received(campaign_id, 1)]
        await book(slow, announcer, await admit(slow, first))
        await asyncio.wait_for(take(service, [two.received(campaign_id, 2)]), 3)
        await slow.commit()
    assert (await balances(service, campaign_id))["410101"] == 3


async def test_entries_and_postings_are_never_changed(service: Service) -> None:
    await take(service, [Source().received(new_campaign_id(), 1)])
    for statement in (
        "UPDATE ledger_entries SET note = 'other'",
        "UPDATE ledger_postings SET amount_fen = amount_fen + 1",
        "DELETE FROM ledger_entries",
        "DELETE FROM ledger_postings",
        "TRUNCATE ledger_entries, ledger_postings",
        "TRUNCATE ledger_postings",
    ):
        with pytest.raises(IntegrityError, match="what is booked stays"):
            await write(service, "books", statement)


async def write(service: Service, journal: str, *statements: str) -> None:
    """Write by hand, in one transaction."""
    async with service.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), {"j": journal} if ":j" in statement else {})


HEAD = "INSERT INTO ledger_journals VALUES (:j, 0, decode(repeat('00', 32), 'hex'))"
ENTRY = (
    "INSERT INTO ledger_entries (journal, sequence, kind, booked_on, event_on, recorded_at, recorded_by,"
    " confirmed_by, subject, note, hash) VALUES (:j, {sequence}, 'voucher', '2026-10-05', '2026-10-05',"
    " now(), 'wang', 'zhao', gen_random_uuid(), 'x', decode(repeat('00', 32), 'hex'))"
)
POSTING = (
    "INSERT INTO ledger_postings VALUES (:j, 1, {line}, '{day}', '{account}', {campaign}, '{side}', {fen})"
)


def posting(
    line: int, side: str, fen: int, *, account: str = "1002", campaign: str = "NULL", day: str = "2026-10-05"
) -> str:
    return POSTING.format(line=line, side=side, fen=fen, account=account, campaign=campaign, day=day)


@pytest.mark.parametrize(
    ("statements", "constraint"),
    [
        ([ENTRY.format(sequence=1)], "ledger_entries_balanced|not balanced"),
        (
            [ENTRY.format(sequence=1), posting(1, "debit", 5), posting(2, "credit", 4)],
            "ledger_entries_balanced|not balanced",
        ),
        (
            [
                ENTRY.format(sequence=1),
                posting(1, "debit", 5, campaign="'a'"),
                posting(2, "credit", 5, campaign="'b'"),
            ],
            "ledger_entries_balanced|not balanced",
        ),
        (
            [
                ENTRY.format(sequence=1),
                posting(1, "debit", 5, campaign="'a'"),
                posting(2, "credit", 5, campaign="'a'", account="410101"),
            ],
            "fund by hand",
        ),
        ([ENTRY.format(sequence=2)], "has none before it|not balanced"),
        ([ENTRY.format(sequence=1), posting(1, "debit", 0)], "ledger_postings_amount"),
        ([ENTRY.format(sequence=1), posting(1, "debit", 10**15 + 1)], "ledger_postings_amount"),
        ([ENTRY.format(sequence=1), posting(1, "debit", 5, account="9999")], "ledger_postings_account"),
        ([ENTRY.format(sequence=1), posting(1, "left", 5)], "ledger_postings_side"),
        (
            [
                ENTRY.format(sequence=1),
                posting(1, "debit", 5, day="2026-10-06"),
                posting(2, "credit", 5, day="2026-10-06"),
            ],
            "postings of another day",
        ),
        ([posting(1, "debit", 5)], "ledger_postings_entry"),
    ],
)
async def test_an_entry_that_must_not_exist_cannot_be_written(
    service: Service, statements: list[str], constraint: str
) -> None:
    journal = f"test-{uuid4().hex}"
    with pytest.raises(IntegrityError, match=constraint):
        await write(service, journal, HEAD, *statements)


async def test_a_posting_cannot_be_added_to_a_booked_entry_unless_it_stays_balanced(service: Service) -> None:
    source = Source()
    await take(service, [source.received(new_campaign_id(), 1)])
    journal = f"donations:{source.name}"
    with pytest.raises(IntegrityError, match="not balanced"):
        await write(service, journal, posting(3, "debit", 5))


async def test_the_guardrail_waits_for_no_booking(service: Service) -> None:
    """An approval is decided while a payment of another campaign holds the journal of all business."""
    one, other = [await launched(service.operator(DESK)) for _ in range(2)]
    await service.book([Source().received(one, 1000)])
    await service.book([Source().received(other, 1000)])
    async with service.engine.connect() as holder:
        await holder.execute(text("SELECT FROM ledger_journals WHERE journal = 'books' FOR UPDATE"))
        await asyncio.wait_for(an_approved(service, other, 10), 3)
        disbursement_id = await an_approved(service, one, 10)
        paying = asyncio.create_task(
            service.operator(FINANCE).decide(f"/disbursements/{disbursement_id}", "pay")
        )
        await until(service.somebody_waits_for_a_lock)
        assert not paying.done()
        await holder.rollback()
    assert (await paying).status_code == 200
