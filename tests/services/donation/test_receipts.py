"""Receipts on the real database: numbers without gaps, one valid receipt a donation, nothing edited."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from services.donation.receipts import eligibility, issuing, queries
from services.donation.receipts.numbering import ACCOUNTING_TIME, Number
from shared import versions
from shared.refusals import NotFound, Refused
from tests.services.donation.places import Place
from tests.services.donation.receipt_books import FINANCE, HANDLER, ReceiptBooks, receipt_books

pytestmark = pytest.mark.asyncio(loop_scope="package")

NEW_YEAR = datetime(2026, 12, 31, 16, tzinfo=UTC)
"""Midnight in Shanghai."""


async def outcomes(*work: Awaitable[Any]) -> tuple[list[Any], list[BaseException]]:
    """Start all of it at once; what came out, and what was refused."""
    found = await asyncio.gather(*work, return_exceptions=True)
    refused = [each for each in found if isinstance(each, BaseException)]
    assert all(isinstance(each, Refused) for each in refused), refused
    return [each for each in found if not isinstance(each, BaseException)], refused


# ---------------------------------------------------------------- numbers


async def test_fifty_receipts_at_once_have_the_numbers_1_to_50(place: Place) -> None:
    books = await receipt_books(place)
    ids = await books.donations(50)
    numbers, refused = await outcomes(*(books.issue(each) for each in ids))
    assert refused == []
    year = datetime.now(ACCOUNTING_TIME).year
    assert sorted(Number.parse(each) for each in numbers) == [  # type: ignore[type-var]
        Number(books.code, year, serial) for serial in range(1, 51)
    ]
    assert await books.serials() == list(range(1, 51))


async def test_a_year_begins_at_midnight_in_shanghai_with_the_number_1(place: Place) -> None:
    books = await receipt_books(place, now=NEW_YEAR - timedelta(microseconds=1))
    before = [await books.issue(each) for each in await books.donations(2)]
    books.now = NEW_YEAR
    after = [await books.issue(each) for each in await books.donations(2)]
    assert [*before, *after] == [
        f"{books.code}-2026-0000001",
        f"{books.code}-2026-0000002",
        f"{books.code}-2027-0000001",
        f"{books.code}-2027-0000002",
    ]
    books.now = NEW_YEAR - timedelta(minutes=1)  # a clock that is behind still writes the old year's next
    assert await books.issue(await books.donation()) == f"{books.code}-2026-0000003"


async def test_a_later_number_never_has_an_earlier_time(place: Place) -> None:
    books = await receipt_books(place, now=NEW_YEAR + timedelta(minutes=1))
    await books.issue(await books.donation())
    books.now = NEW_YEAR + timedelta(seconds=1)
    second = await books.issue(await books.donation())
    assert (await books.receipt(second)).issued_at == NEW_YEAR + timedelta(minutes=1)


async def test_a_transaction_that_ends_in_the_middle_leaves_no_hole(place: Place) -> None:
    books = await receipt_books(place)
    first = await books.issue(await books.donation())
    lost = await books.donation()
    async with place.engine.connect() as connection:  # has its number, and never commits
        second = await books.office.issue(connection, FINANCE, [lost], handler=HANDLER)
        waiting = asyncio.create_task(books.issue(await books.donation()))
        await place.blocked(1)
        await connection.rollback()
    assert [first, await waiting] == [first, second]
    assert await books.issue(lost) == f"{second[:-1]}3"
    assert await books.serials() == [1, 2, 3]


async def test_a_refusal_leaves_no_hole(place: Place) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation())
    held = await books.donation(status="held", held_reason="closed")
    for unfit in (uuid4(), held):
        good = await books.donation()
        with pytest.raises(Refused):
            await books.issue(good, unfit)
    with pytest.raises(issuing.ReasonMissing):  # refused after the number was taken
        await books.reissue(number, None)
    assert await books.issue(await books.donation()) == f"{number[:-1]}2"
    assert await books.serials() == [1, 2]


async def test_a_series_that_is_full_refuses(place: Place) -> None:
    books = await receipt_books(place, now=NEW_YEAR)
    async with place.engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO receipt_series VALUES (:code, 2027, 9999999, now())"), {"code": books.code}
        )
    with pytest.raises(issuing.SeriesFull):
        await books.issue(await books.donation())


# ---------------------------------------------------------------- one valid receipt a donation


async def test_of_two_receipts_for_one_donation_at_the_same_moment_one_is_refused(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation()
    first, second = await books.donations(2)
    (number,), refused = await outcomes(
        books.issue(donation_id), books.issue(first, donation_id), books.issue(donation_id, second)
    )
    assert [type(each) for each in refused] == [eligibility.ReceiptExists] * 2
    assert all(each.facts["receipt"] == number for each in refused)  # type: ignore[attr-defined]
    assert await books.serials() == [1]


async def test_the_database_itself_refuses_a_second_valid_receipt(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation()
    await books.issue(donation_id)
    other = await books.issue(await books.donation())
    with pytest.raises(IntegrityError, match="receipt_items_one_valid"):
        async with place.engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO receipt_items VALUES (:number, :donation_id, true, 1)"),
                {"number": other, "donation_id": donation_id},
            )


async def test_a_receipt_and_a_refund_at_the_same_moment_agree(place: Place) -> None:
    books = await receipt_books(place)
    ids = await books.donations(10)
    numbers, _ = await outcomes(
        *(work for each in ids for work in (books.issue(each), books.refund(each, 4_000)))
    )
    for number in (each for each in numbers if each):
        row = await books.receipt(number)
        assert (row.amount_fen, row.overstated_fen) in {(6_000, 0), (10_000, 4_000)}


async def test_a_receipt_or_a_waiver_but_never_both(place: Place) -> None:
    books = await receipt_books(place)
    for donation_id in await books.donations(10):
        done, refused = await outcomes(books.issue(donation_id), books.waive(donation_id))
        assert (len(done), len(refused)) == (1, 1)


async def test_conflicted_held_waived_and_returned_donations_have_none(place: Place) -> None:
    books = await receipt_books(place)
    conflicted, returned, waived = await books.donations(3)
    await books.conflict(conflicted)
    await books.refund(returned, 10_000)
    waiver = await books.waive(waived)
    held = await books.donation(status="held", held_reason="not_launched")
    unknown = await books.donation(campaign_id="nobody-knows")
    ids = [conflicted, returned, waived, held, unknown, uuid4(), await books.donation()]
    *refused, number = await books.issue_each(ids)
    assert [type(each) for each in refused] == [
        eligibility.DonationConflicted,
        eligibility.NothingLeft,
        eligibility.ReceiptWaived,
        eligibility.DonationHeld,
        eligibility.OrganisationUnknown,
        NotFound,
    ]
    assert isinstance(number, str)
    await books.withdraw(waiver)
    assert await books.issue(waived) == f"{number[:-1]}2"
    with pytest.raises(NotFound):
        await books.withdraw(waiver)


async def test_two_hundred_receipts_in_one_command(place: Place) -> None:
    books, other = await receipt_books(place), await receipt_books(place)
    ids = [await (other if n % 5 == 0 else books).donation() for n in range(200)]
    numbers = await books.issue_each(ids)
    assert len(set(map(str, numbers))) == 200
    assert await books.serials() == list(range(1, 161))
    assert await other.serials() == list(range(1, 41))
    assert (
        numbers[1] == f"{books.code}-{datetime.now(ACCOUNTING_TIME).year}-0000001"
    )  # in the order they were asked for


# ---------------------------------------------------------------- void and reissue


async def test_what_is_voided_keeps_its_number_and_frees_its_donation(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation()
    number = await books.issue(donation_id)
    await books.void(number, "姓名有误")
    row = await books.receipt(number)
    assert (row.valid, row.version, row.void_reason, row.voided_by) == (False, 2, "姓名有误", FINANCE.person)
    with pytest.raises(issuing.AlreadyVoid):
        await books.void(number)
    assert await books.issue(donation_id) == f"{number[:-1]}2"


async def test_a_reissue_names_the_old_one_and_the_old_one_the_new(place: Place) -> None:
    books = await receipt_books(place)
    kept, returned, lessened = await books.donations(3)
    old = await books.issue(kept, returned, lessened)
    await books.refund(returned, 10_000)
    await books.refund(lessened, 1)
    assert (await books.receipt(old)).overstated_fen == 10_001
    new = await books.reissue(old, "部分退款")
    before, after = await books.receipt(old), await books.receipt(new)
    assert (before.valid, before.replaced_by, before.void_reason) == (False, new, "部分退款")
    assert (after.valid, after.replaces, after.amount_fen, after.overstated_fen) == (True, old, 19_999, 0)
    assert after.donations == 2
    with pytest.raises(eligibility.ReceiptExists):
        await books.reissue(old, None)
    await books.void(new)
    with pytest.raises(issuing.AlreadyReplaced):
        await books.reissue(old, None)
    assert (await books.receipt(await books.reissue(new, None))).replaces == new


async def test_what_went_back_whole_can_be_voided_but_not_reissued(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation()
    number = await books.issue(donation_id)
    await books.refund(donation_id, 10_000)
    with pytest.raises(eligibility.NothingLeft):
        await books.reissue(number)
    await books.void(number)
    assert (await books.receipt(number)).overstated_fen == 0


async def test_reissues_and_issues_at_the_same_moment_never_wait_for_each_other_in_a_ring(
    place: Place,
) -> None:
    books = await receipt_books(place)
    numbers = [await books.issue(each) for each in await books.donations(12)]
    fresh = await books.donations(12)
    done, refused = await outcomes(
        *(books.reissue(each) for each in numbers for _ in range(2)),
        *(books.issue(each) for each in fresh),
        *(books.void(each) for each in numbers[:4]),
    )
    made = [each for each in done if each is not None]
    assert await books.serials() == list(range(1, len(numbers) + len(made) + 1))
    replaced = [(await books.receipt(each)).replaces for each in made]
    assert set(Counter(each for each in replaced if each).values()) == {1}
    assert len(refused) >= 8


async def test_a_reissue_of_the_last_receipt_waits_for_an_issue_without_holding_it_up(place: Place) -> None:
    """The next receipt of a series refers to the last one: a reissue that held that while it waits for its
    number would wait in a ring with who has the number and needs the receipt.
    """
    books = await receipt_books(place)
    last = await books.issue(await books.donation())
    fresh = await books.donation()
    async with place.engine.connect() as connection:
        statement = text("SELECT 1 FROM receipt_series WHERE code = :code FOR UPDATE")
        await connection.execute(statement, {"code": books.code})
        issued = asyncio.create_task(books.issue(fresh))
        await place.blocked(1)
        reissued = asyncio.create_task(books.reissue(last))
        await place.blocked(2)
        await connection.rollback()
    assert [await issued, await reissued] == [f"{last[:-1]}2", f"{last[:-1]}3"]


async def test_a_command_decided_on_an_older_version_is_refused(place: Place) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation())
    await books.void(number)
    stale = issuing.Actor("finance.chen", expected_version=1)
    async with place.engine.begin() as connection:
        with pytest.raises(versions.VersionChanged):
            await books.office.reissue(connection, stale, number, handler=HANDLER, reason=None)


# ---------------------------------------------------------------- never edited


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE receipts SET donor_name = '王小敏' WHERE number = :number",
        "UPDATE receipts SET amount_fen = amount_fen + 1 WHERE number = :number",
        "UPDATE receipts SET serial = 7 WHERE number = :number",
        "UPDATE receipts SET valid = false WHERE number = :number",
        "UPDATE receipts SET void_reason = 'x', voided_by = 'x', voided_at = now() WHERE number = :number",
        "DELETE FROM receipts WHERE number = :number",
        "UPDATE receipt_items SET amount_fen = 1 WHERE number = :number",
        "UPDATE receipt_items SET valid = false WHERE number = :number",
        "DELETE FROM receipt_items WHERE number = :number",
        "UPDATE receipt_files SET pdf = '' WHERE number = :number",
        "DELETE FROM receipt_files WHERE number = :number",
    ],
)
async def test_what_was_issued_can_not_be_written_otherwise(place: Place, change: str) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation())
    async with place.engine.begin() as connection:
        await queries.keep_file(connection, number, b"%PDF")
    with pytest.raises(DBAPIError):
        async with place.engine.begin() as connection:
            await connection.execute(text(change), {"number": number})


async def test_a_number_can_not_be_written_before_the_one_before_it(place: Place) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation())
    columns = [name for (name,) in await place.rows(_WRITTEN_COLUMNS)]
    copied = ", ".join(":serial" if name == "serial" else name for name in columns)
    statement = (
        f"INSERT INTO receipts ({', '.join(columns)}) SELECT {copied} FROM receipts WHERE number = :number"
    )
    with pytest.raises(IntegrityError, match="receipts_no_gap"):
        async with place.engine.begin() as connection:
            await connection.execute(text(statement), {"number": number, "serial": 3})
    async with place.engine.begin() as connection:
        await connection.execute(text(statement), {"number": number, "serial": 2})


_WRITTEN_COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_name = 'receipts'"
    " AND table_schema = 'public' AND is_generated = 'NEVER'"
)


async def test_a_void_receipt_can_not_be_made_valid_again(place: Place) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation())
    await books.void(number)
    revived = "valid = true, version = 1, void_reason = NULL, voided_by = NULL, voided_at = NULL"
    with pytest.raises(DBAPIError, match="never edited"):
        async with place.engine.begin() as connection:
            await connection.execute(text(f"UPDATE receipts SET {revived} WHERE number = '{number}'"))


# ---------------------------------------------------------------- lists


async def test_receipts_are_listed_part_by_part(place: Place) -> None:
    books = await receipt_books(place)
    ids = await books.donations(7)
    numbers = [await books.issue(each) for each in ids]
    await books.void(numbers[1])
    await books.refund(ids[2], 1)
    await books.refund(ids[1], 1)  # of a void one: nothing to mend

    async def listed(rows: int = 50, after: str | None = None, **wanted: Any) -> list[str]:
        async with place.engine.connect() as connection:
            found = await queries.list_receipts(
                connection,
                queries.Filter(code=books.code, **wanted),
                after=Number.parse(after) if after else None,
                rows=rows,
            )
        return [row.number for row in found]

    assert await listed() == numbers
    assert await listed(3) == numbers[:3]
    assert await listed(3, numbers[2]) == numbers[3:6]
    assert await listed(3, numbers[6]) == []
    assert await listed(state="void") == [numbers[1]]
    assert await listed(state="valid") == [numbers[0], *numbers[2:]]
    assert await listed(state="overstated") == [numbers[2]]
    assert await listed(donation_id=ids[3]) == [numbers[3]]
    assert await listed(year=1999 + 2) == []


# ---------------------------------------------------------------- what campaigns say


async def test_the_newest_word_on_a_campaign_counts(place: Place) -> None:
    books = await receipt_books(place)
    await books.know(books.campaign_id, 3, title="慈善晚会（改）")
    await books.know(books.campaign_id, 2, title="慈善晚会（旧）")
    number = await books.issue(await books.donation())
    assert (await books.receipt(number)).purpose == "慈善晚会（改）"
    await books.know(books.campaign_id, 4, title="慈善晚会（再改）")
    assert (await books.receipt(number)).purpose == "慈善晚会（改）"


# ---------------------------------------------------------------- any interleaving

Step = tuple[str, tuple[int, ...]]
_donation = st.integers(0, 5)
_steps = st.one_of(
    st.tuples(st.just("issue"), st.lists(_donation, min_size=1, max_size=3, unique=True).map(tuple)),
    st.tuples(st.just("issue_each"), st.lists(_donation, min_size=1, max_size=6, unique=True).map(tuple)),
    st.tuples(st.just("refund"), st.tuples(_donation, st.sampled_from([1, 5_000, 10_000]))),
    st.tuples(st.just("void"), st.tuples(st.integers(0, 9))),
    st.tuples(st.just("reissue"), st.tuples(st.integers(0, 9), st.integers(0, 1))),
    st.tuples(st.just("waive"), st.tuples(_donation)),
    st.tuples(st.just("break_off"), st.tuples(_donation)),
)
_rounds = st.lists(st.lists(_steps, min_size=1, max_size=4), min_size=1, max_size=5)
"""Each round's steps start at the same moment; the next round begins when all have ended."""


class Broken(Exception):
    """The process died before its transaction was committed."""


class Play:
    """Six donations of one organisation, and what happens to them."""

    def __init__(self, books: ReceiptBooks, ids: list[UUID]) -> None:
        self.books = books
        self.ids = ids
        self.left_fen = dict.fromkeys(ids, 10_000)

    async def do(self, step: Step) -> None:
        """One step; a refusal is as good an answer as any."""
        name, asked = step
        with contextlib.suppress(Refused, Broken):
            await getattr(self, f"_{name}")(*asked)

    async def _issue(self, *donations: int) -> None:
        await self.books.issue(*(self.ids[each] for each in donations))

    async def _issue_each(self, *donations: int) -> None:
        await self.books.issue_each([self.ids[each] for each in donations])

    async def _refund(self, donation: int, amount_fen: int) -> None:
        donation_id = self.ids[donation]
        amount_fen = min(amount_fen, self.left_fen[donation_id])
        if amount_fen:
            self.left_fen[donation_id] -= amount_fen
            await self.books.refund(donation_id, amount_fen)

    async def _number(self, place: int) -> str:
        year = datetime.now(ACCOUNTING_TIME).year
        return str(Number(self.books.code, year, place + 1))

    async def _void(self, place: int) -> None:
        await self.books.void(await self._number(place))

    async def _reissue(self, place: int, is_void: int) -> None:
        await self.books.reissue(await self._number(place), None if is_void else "写错")

    async def _waive(self, donation: int) -> None:
        await self.books.waive(self.ids[donation])

    async def _break_off(self, donation: int) -> None:
        async with self.books.place.engine.begin() as connection:
            await self.books.office.issue(connection, FINANCE, [self.ids[donation]], handler=HANDLER)
            raise Broken


_BOOKS = """
    SELECT r.number, r.serial, r.valid, r.amount_fen, r.donations, r.replaces,
           array_agg(i.donation_id) AS ids, sum(i.amount_fen) AS items_fen
    FROM receipts r JOIN receipt_items i USING (number) WHERE r.code = :code
    GROUP BY r.number ORDER BY r.serial
"""


@settings(max_examples=30, database=None, print_blob=True)
@given(rounds=_rounds)
async def test_whatever_happens_at_the_same_moment_the_books_are_right(
    place: Place, rounds: list[list[Step]]
) -> None:
    """No number twice or missing, no donation on two valid receipts, each sum that of its donations, never
    more than was left, and no waived donation with a valid receipt.
    """
    books = await receipt_books(place)
    play = Play(books, await books.donations(6))
    for steps in rounds:
        await asyncio.gather(*(play.do(step) for step in steps))
    rows = await place.rows(_BOOKS, code=books.code)
    assert [serial for _, serial, *_ in rows] == list(range(1, len(rows) + 1))
    valid = [donation for _, _, is_valid, _, _, _, ids, _ in rows if is_valid for donation in ids]
    assert len(valid) == len(set(valid))
    for _, _, _, amount_fen, donations, _, ids, items_fen in rows:
        assert (amount_fen, donations) == (items_fen, len(ids))
    replaced = [replaces for *_, replaces, _, _ in rows if replaces]
    assert len(replaced) == len(set(replaced))
    assert not {number for number, _, is_valid, *_ in rows if is_valid} & set(replaced)
    await _compare_overstated(books, play, {row[0]: row for row in rows})
    waived = await place.rows(
        "SELECT donation_id FROM receipt_waivers WHERE donation_id = ANY(:ids) AND withdrawn_at IS NULL",
        ids=play.ids,
    )
    assert not {donation for (donation,) in waived} & set(valid)


async def _compare_overstated(books: ReceiptBooks, play: Play, rows: dict[str, tuple[Any, ...]]) -> None:
    """What finance is told to mend is what states more than is left."""
    async with books.place.engine.connect() as connection:
        wanted = queries.Filter(code=books.code, state="overstated")
        listed = await queries.list_receipts(connection, wanted, after=None, rows=200)
    told = {row.number: row.overstated_fen for row in listed}
    left = {
        number: amount_fen - sum(play.left_fen[donation] for donation in ids)
        for number, (_, _, is_valid, amount_fen, _, _, ids, _) in rows.items()
        if is_valid
    }
    assert told == {number: fen for number, fen in left.items() if fen}
    assert all(fen >= 0 for fen in left.values())
