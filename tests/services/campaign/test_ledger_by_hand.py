"""Vouchers, openings, reversals and closes: two people, once, never past a closed month, also at one
moment.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import day_of, of_donations
from services.campaign.ledger.periods import month_of
from tests.services.campaign.books import (
    a_voucher,
    an_approved,
    balances,
    booked,
    drafted,
    read,
    require_exact,
    take,
)
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_APPROVER,
    SECOND_FINANCE,
    VIEWER,
    Source,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

TODAY = day_of(datetime.now(UTC))
"""Of when the tests are collected: it may be yesterday when they run."""
THIS_MONTH = month_of(TODAY)
LAST_MONTH = month_of(THIS_MONTH - timedelta(days=1))
BEFORE_LAST = month_of(LAST_MONTH - timedelta(days=1))


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


def in_month(month: date, day: int) -> datetime:
    return datetime(month.year, month.month, day, 4, tzinfo=UTC)


def settled(campaign_id: str, amount_fen: int) -> list[dict[str, Any]]:
    """A channel has paid out what it owed a campaign."""
    return [
        {"account": "1002", "campaign_id": campaign_id, "side": "debit", "amount_fen": amount_fen},
        {"account": "112201", "campaign_id": campaign_id, "side": "credit", "amount_fen": amount_fen},
    ]


async def entry(service: Service, sequence: int) -> dict[str, Any]:
    page = await read(service, "/entries", journal="books", after=sequence - 1, limit=1)
    found: dict[str, Any] = page["items"][0]
    return found


async def test_a_voucher_is_written_by_one_and_booked_by_another(apart: Service) -> None:
    campaign_id = await launched(apart.operator(DESK))
    await take(apart, [Source().received(campaign_id, 1000)])
    draft_id = await drafted(apart, day=str(TODAY), postings=settled(campaign_id, 900))
    assert await balances(apart, campaign_id) == {"112201": 1000, "410101": 1000}
    own = await apart.operator(FINANCE).post(f"/ledger/drafts/{draft_id}/book")
    assert problem(own) == (403, "same-person")
    done = await apart.operator(APPROVER).post(f"/ledger/drafts/{draft_id}/book", if_match='"1"')
    assert (done.status_code, done.headers["etag"], done.json()["state"]) == (200, '"2"', "booked")
    assert await balances(apart, campaign_id) == {"1002": 900, "112201": 100, "410101": 1000}
    found = await entry(apart, done.json()["sequence"])
    assert (found["kind"], found["recorded_by"], found["confirmed_by"]) == ("voucher", FINANCE, APPROVER)
    assert found["subject"] == draft_id
    again = await apart.operator(SECOND_APPROVER).post(f"/ledger/drafts/{draft_id}/book")
    assert problem(again) == (409, "ledger-draft-decided")
    await require_exact(apart)


async def test_a_repeated_command_books_once(apart: Service) -> None:
    draft_id = await drafted(apart)
    approver = apart.operator(APPROVER)
    first = await approver.post(f"/ledger/drafts/{draft_id}/book", key=f"key-{draft_id}")
    second = await approver.post(f"/ledger/drafts/{draft_id}/book", key=f"key-{draft_id}")
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()


async def test_what_was_decided_on_an_older_version_is_refused(apart: Service) -> None:
    draft_id = await drafted(apart)
    answer = await apart.operator(APPROVER).post(f"/ledger/drafts/{draft_id}/book", if_match='"7"')
    assert problem(answer) == (412, "version-changed")


async def test_a_discarded_draft_is_never_booked_and_stays_readable(apart: Service) -> None:
    draft_id = await drafted(apart)
    assert (await apart.operator(FINANCE).post(f"/ledger/drafts/{draft_id}/discard")).status_code == 200
    answer = await apart.operator(APPROVER).post(f"/ledger/drafts/{draft_id}/book")
    assert problem(answer) == (409, "ledger-draft-decided")
    assert (await read(apart, f"/drafts/{draft_id}"))["state"] == "discarded"
    discarded = await read(apart, "/drafts", state="discarded", limit=200)
    assert draft_id in [each["draft_id"] for each in discarded["items"]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"postings": [{"account": "1002", "side": "debit", "amount_fen": 1}]}, (422, "invalid-request")),
        (
            {
                "postings": [
                    {"account": "5301", "side": "debit", "amount_fen": 2},
                    {"account": "1002", "side": "credit", "amount_fen": 1},
                ]
            },
            (422, "ledger-unbalanced"),
        ),
        (
            {
                "postings": [
                    {"account": "1002", "campaign_id": "one", "side": "debit", "amount_fen": 1},
                    {"account": "1002", "campaign_id": "other", "side": "credit", "amount_fen": 1},
                ]
            },
            (422, "ledger-unbalanced"),
        ),
        (
            {
                "postings": [
                    {"account": "1002", "campaign_id": "one", "side": "debit", "amount_fen": 1},
                    {"account": "410101", "campaign_id": "one", "side": "credit", "amount_fen": 1},
                ]
            },
            (422, "ledger-fund-by-hand"),
        ),
        ({"postings": settled("nobody-knows-it", 1)}, (404, "not-found")),
        ({"day": str(TODAY + timedelta(days=2))}, (422, "ledger-day-refused")),
        ({"day": "1999-12-31"}, (422, "ledger-day-refused")),
        ({"note": " "}, (422, "invalid-request")),
    ],
)
async def test_a_voucher_that_cannot_be_is_refused_when_it_is_written(
    apart: Service, changes: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = await apart.operator(FINANCE).post("/ledger/vouchers", a_voucher(**changes))
    assert answer.status_code == expected[0], answer.text
    if expected[1] != "invalid-request":
        assert problem(answer) == expected


async def test_each_step_needs_its_role(apart: Service) -> None:
    draft_id = await drafted(apart)
    month = f"{LAST_MONTH:%Y-%m}"
    for person, path, body in [
        (DESK, "/ledger/vouchers", a_voucher()),
        (APPROVER, "/ledger/vouchers", a_voucher()),
        (VIEWER, f"/ledger/drafts/{draft_id}/book", None),
        (DESK, f"/ledger/drafts/{draft_id}/book", None),
        (APPROVER, f"/ledger/drafts/{draft_id}/discard", None),
        (APPROVER, f"/ledger/periods/{month}/close", None),
        (DESK, f"/ledger/periods/{month}/confirm", None),
    ]:
        assert problem(await apart.operator(person).post(path, body)) == (403, "role-missing"), (person, path)


async def test_opening_balances_are_booked_once_and_again_after_their_reversal(apart: Service) -> None:
    first, second = [await drafted(apart, "openings", amount_fen=5000) for _ in range(2)]
    approver = apart.operator(APPROVER)
    done = await approver.post(f"/ledger/drafts/{first}/book")
    assert done.status_code == 200
    assert problem(await approver.post(f"/ledger/drafts/{second}/book")) == (409, "ledger-opening-booked")
    third = await apart.operator(FINANCE).post("/ledger/openings", a_voucher())
    assert problem(third) == (409, "ledger-opening-booked")
    await reversed_(apart, done.json()["sequence"])
    assert (await approver.post(f"/ledger/drafts/{second}/book")).status_code == 200
    await require_exact(apart)


async def written_reversal(service: Service, sequence: int, journal: str = "books") -> Any:
    body = {"journal": journal, "sequence": sequence, "note": "记错科目"}
    return await service.operator(FINANCE).post("/ledger/reversals", body)


async def reversed_(service: Service, sequence: int) -> int:
    written = await written_reversal(service, sequence)
    assert written.status_code == 201, written.text
    done = await service.operator(APPROVER).post(f"/ledger/drafts/{written.json()['draft_id']}/book")
    assert done.status_code == 200, done.text
    made: int = done.json()["sequence"]
    return made


async def test_a_correction_turns_the_entry_and_names_it_with_its_reason(apart: Service) -> None:
    campaign_id = await launched(apart.operator(DESK))
    await take(apart, [Source().received(campaign_id, 1000)])
    sequence = await booked(apart, postings=settled(campaign_id, 700))
    reversal = await entry(apart, await reversed_(apart, sequence))
    assert (reversal["kind"], reversal["reverses"], reversal["note"]) == ("reversal", sequence, "记错科目")
    assert {each["side"] + each["account"] for each in reversal["postings"]} == {"credit1002", "debit112201"}
    assert await balances(apart, campaign_id) == {"1002": 0, "112201": 1000, "410101": 1000}
    assert problem(await written_reversal(apart, sequence)) == (409, "ledger-already-reversed")
    assert problem(await written_reversal(apart, reversal["sequence"])) == (409, "ledger-not-reversible")


async def test_what_an_event_has_booked_is_never_reversed_by_hand(apart: Service) -> None:
    campaign_id = await launched(apart.operator(DESK))
    source = Source()
    await take(apart, [source.received(campaign_id, 1000)])
    answer = await written_reversal(apart, 1, f"donations:{source.name}")
    assert problem(answer) == (409, "ledger-not-reversible")
    disbursement_id = await an_approved(apart, campaign_id, 100)
    await apart.operator(FINANCE).decide(f"/disbursements/{disbursement_id}", "pay")
    ((sequence,),) = await apart.rows(
        "SELECT sequence FROM ledger_entries WHERE subject::text = :id", id=disbursement_id
    )
    assert problem(await written_reversal(apart, sequence)) == (409, "ledger-not-reversible")
    assert problem(await written_reversal(apart, 10**6)) == (404, "not-found")


async def test_two_corrections_at_the_same_moment_leave_one(apart: Service) -> None:
    sequence = await booked(apart)
    drafts = [(await written_reversal(apart, sequence)).json()["draft_id"] for _ in range(4)]
    answers = await asyncio.gather(
        *(
            apart.operator(person).post(f"/ledger/drafts/{draft_id}/book")
            for draft_id in drafts
            for person in (APPROVER, SECOND_APPROVER)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    found = await apart.rows("SELECT count(*) FROM ledger_entries WHERE reverses = :it", it=sequence)
    assert found == [(1,)]
    await require_exact(apart)


# ---------------------------------------------------------------- periods, in the order of the file


async def test_a_month_is_closed_by_two_people_and_never_again_open(apart: Service) -> None:
    month = f"{BEFORE_LAST:%Y-%m}"
    finance = apart.operator(FINANCE_AND_APPROVER)
    early = await apart.operator(APPROVER).post(f"/ledger/periods/{month}/confirm")
    assert problem(early) == (409, "ledger-month-not-closing")
    asked = await finance.post(f"/ledger/periods/{month}/close")
    assert (asked.json()["state"], asked.headers["etag"]) == ("closing", '"1"')
    again = await apart.operator(FINANCE).post(f"/ledger/periods/{month}/close")
    assert problem(again) == (409, "ledger-month-closing")
    assert problem(await finance.post(f"/ledger/periods/{month}/confirm")) == (403, "same-person")
    answers = await asyncio.gather(
        *(
            apart.operator(person).post(f"/ledger/periods/{month}/confirm")
            for person in (APPROVER, SECOND_APPROVER, FINANCE, SECOND_FINANCE, ADMINISTRATOR)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4
    for step in ("close", "confirm"):
        answer = await apart.operator(SECOND_FINANCE).post(f"/ledger/periods/{month}/{step}")
        assert problem(answer) == (409, "ledger-month-closed")
    for statement in (
        "UPDATE ledger_periods SET state = 'closing', confirmed_by = NULL, confirmed_at = NULL",
        "DELETE FROM ledger_periods",
    ):
        with pytest.raises(Exception, match="what is booked stays"):
            await apart.rows(statement)
    assert (await read(apart, "/periods"))["closed"] == str(BEFORE_LAST)


async def test_the_running_month_cannot_be_closed(apart: Service) -> None:
    answer = await apart.operator(FINANCE).post(f"/ledger/periods/{THIS_MONTH:%Y-%m}/close")
    assert problem(answer) == (409, "ledger-month-not-over")


async def test_an_event_of_a_closed_month_is_booked_on_the_first_open_day_and_keeps_its_own(
    apart: Service,
) -> None:
    campaign_id, source = new_campaign_id(), Source()
    events = [source.received(campaign_id, 7, in_month(BEFORE_LAST, 9))]
    events += [source.received(campaign_id, 80, in_month(LAST_MONTH, 9))]
    await take(apart, events)
    page = await read(apart, "/entries", journal=f"donations:{source.name}")
    assert [(each["booked_on"], each["event_on"]) for each in page["items"]] == [
        (str(LAST_MONTH), str(BEFORE_LAST.replace(day=9))),
        (str(LAST_MONTH.replace(day=9)), str(LAST_MONTH.replace(day=9))),
    ]
    sequence = await booked(apart, day=str(BEFORE_LAST.replace(day=20)))
    assert (await entry(apart, sequence))["booked_on"] == str(LAST_MONTH)
    await require_exact(apart)


async def test_a_close_waits_for_the_booking_that_has_begun_and_the_next_one_sees_it(apart: Service) -> None:
    """Two workers and a close at one moment: no entry gets into the month once it is closed."""
    month = f"{LAST_MONTH:%Y-%m}"
    assert (await apart.operator(FINANCE).post(f"/ledger/periods/{month}/close")).status_code == 200
    one, two = Source(0), Source(1)
    campaign_id = new_campaign_id()
    at = in_month(LAST_MONTH, 15)
    async with apart.engine.connect() as begun:
        (place,) = await bookkeeping.book(begun, of_donations([one.received(campaign_id, 1, at)]))
        closing = asyncio.create_task(apart.operator(APPROVER).post(f"/ledger/periods/{month}/confirm"))
        await until(apart.somebody_waits_for_a_lock)
        later = asyncio.create_task(take(apart, [two.received(campaign_id, 2, at)]))
        assert not closing.done()
        await begun.rollback()
    assert place.booked_on == day_of(at)
    assert (await closing).status_code == 200
    await later
    found = await apart.rows(
        "SELECT booked_on, event_on FROM ledger_entries WHERE source = :source", source=two.name
    )
    assert found == [(THIS_MONTH, day_of(at))]
