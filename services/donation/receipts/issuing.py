"""What finance does with receipts: each function is one command, in the transaction its caller has opened.

A refusal (Refused) leaves the transaction without effect, and so without a number.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.receipts import eligibility, queries
from services.donation.receipts.check_codes import new_check_code
from services.donation.receipts.eligibility import Candidate, Draft
from services.donation.receipts.numbering import ACCOUNTING_TIME, Number, year_of
from services.donation.receipts.telling import Teller
from shared import versions
from shared.refusals import NotFound, Refused

CHECK_PAGE: Final = "/receipts/check"
TRACE_PAGE: Final = "/receipts/trace"
"""Where the money of a receipt is followed (services/donation/trace)."""


class SeriesFull(Refused):
    """Seven digits number so many and no more."""

    code = "series-full"
    title = "The organisation has no number left this year"


class AlreadyVoid(Refused):
    """A receipt is voided once."""

    code = "already-void"
    title = "The receipt is void"


class AlreadyReplaced(Refused):
    """A receipt has one successor."""

    code = "already-replaced"
    title = "The receipt has been replaced"


class ReasonMissing(Refused):
    """Voiding needs a reason; what was void before keeps its own."""

    code = "void-reason"
    title = "The reason and the receipt's state don't fit"
    status = 422


class WaivedInFuture(Refused):
    """A donor can't have said it tomorrow."""

    code = "waived-in-the-future"
    title = "The day of the waiver lies ahead"
    status = 422


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a command, and the version of the receipt it was decided on (None: any)."""

    person: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Office:
    """Where receipts are issued. `public_url`: where anyone reaches this service, without a slash at its end;
    it stands in the QR code of every receipt. `teller`: who tells the others, last in each transaction.
    """

    public_url: str
    teller: Teller
    clock: Callable[[], datetime] = field(default=_now)

    async def issue(
        self,
        connection: AsyncConnection,
        actor: Actor,
        ids: Sequence[UUID],
        *,
        handler: str,
        anonymous: bool | None = None,
    ) -> str:
        """One receipt for these donations; its number. Raises what eligibility.draft raises, or NotFound."""
        found = await queries.lock_candidates(connection, ids)
        draft = eligibility.draft([_known(found, each) for each in ids], anonymous=anonymous)
        (numbered,) = await self._numbered(connection, actor, [draft], handler=handler)
        await queries.add_receipts(connection, [numbered.row], numbered.items)
        await self.teller.issued(connection, [numbered.number])
        return numbered.number

    async def issue_each(
        self, connection: AsyncConnection, actor: Actor, ids: Sequence[UUID], *, handler: str
    ) -> list[str | Refused]:
        """One receipt for each of these donations: its number, or why there can't be one."""
        found = await queries.lock_candidates(connection, ids)
        drafts: list[Draft | Refused] = []
        for each in ids:
            try:
                drafts.append(eligibility.draft([_known(found, each)]))
            except Refused as refused:
                drafts.append(refused)
        good = [each for each in drafts if isinstance(each, Draft)]
        written = await self._numbered(connection, actor, good, handler=handler)
        if written:
            items = [item for each in written for item in each.items]
            await queries.add_receipts(connection, [each.row for each in written], items)
            await self.teller.issued(connection, [each.number for each in written])
        numbers = iter(written)
        return [next(numbers).number if isinstance(each, Draft) else each for each in drafts]

    async def reissue(
        self,
        connection: AsyncConnection,
        actor: Actor,
        number: str,
        *,
        handler: str,
        reason: str | None,
        anonymous: bool | None = None,
    ) -> str:
        """A new receipt in the place of this one, which is voided if it was valid; the new one's number.
        It states what is left now: donations that went back whole are left out.
        """
        ids = [row.donation_id for row in await queries.items(connection, [number])]
        if not ids:
            raise NotFound("There is no receipt of this number.")
        found = await queries.lock_candidates(connection, ids)
        left = [found[each] for each in ids if found[each].net_fen > 0] or list(found.values())
        draft = eligibility.draft(left, anonymous=anonymous, replacing=number)
        # The number first: who holds the series' last receipt and waits for the series waits in a ring.
        (new,) = await self._numbered(connection, actor, [draft], handler=handler, replaces=number)
        old = await _locked(connection, actor, number)
        if old.replaced_by is not None:
            raise AlreadyReplaced(f"Reissue {old.replaced_by} instead.", replaced_by=old.replaced_by)
        if (reason is None) == old.valid:
            raise ReasonMissing(
                "Say why it is void." if old.valid else "It is void, and keeps the reason it was voided for.",
                fields=["reason"],
            )
        if reason is not None:
            await self._void(connection, actor, number, reason)
        await queries.add_receipts(connection, [new.row], new.items)
        if reason is not None:
            await self.teller.voided(connection, number)
        await self.teller.issued(connection, [new.number])
        return new.number

    async def void(self, connection: AsyncConnection, actor: Actor, number: str, *, reason: str) -> None:
        """Void a valid receipt."""
        old = await _locked(connection, actor, number)
        if not old.valid:
            raise AlreadyVoid("It keeps its reason. Reissue it, if the donor needs another.")
        await self._void(connection, actor, number, reason)
        await self.teller.voided(connection, number)

    async def waive(
        self, connection: AsyncConnection, actor: Actor, donation_id: UUID, *, waived_on: date, note: str
    ) -> Row[Any]:
        """Record that a donor gives up the receipt of a donation."""
        donation = _known(await queries.lock_candidates(connection, [donation_id]), donation_id)
        now = self.clock()
        if waived_on > now.astimezone(ACCOUNTING_TIME).date():
            raise WaivedInFuture("Give the day on which the donor said so.", fields=["waived_on"])
        if donation.receipt is not None:
            raise eligibility.ReceiptExists(
                f"It is on {donation.receipt}: void that first.", receipt=donation.receipt
            )
        if donation.waived:
            raise eligibility.ReceiptWaived("It has been recorded before.")
        row = {"donation_id": donation_id, "waived_on": waived_on, "note": note}
        return await queries.add_waiver(connection, row | {"recorded_by": actor.person, "recorded_at": now})

    async def withdraw_waiver(self, connection: AsyncConnection, actor: Actor, waiver_id: int) -> Row[Any]:
        """Note that the donor wants a receipt after all."""
        row = await queries.withdraw_waiver(connection, waiver_id, actor.person, self.clock())
        if row is None:
            raise NotFound("There is no open waiver of this id.")
        return row

    async def _void(self, connection: AsyncConnection, actor: Actor, number: str, reason: str) -> None:
        await queries.void_receipt(connection, number, reason=reason, person=actor.person, now=self.clock())

    async def _numbered(
        self,
        connection: AsyncConnection,
        actor: Actor,
        drafts: Sequence[Draft],
        *,
        handler: str,
        replaces: str | None = None,
    ) -> list["Numbered"]:
        """Take a number for each draft, in order; series are locked in the order of their codes."""
        now = self.clock()
        year = year_of(now)
        taken: dict[str, Iterator[tuple[Number, datetime]]] = {}
        for code, count in sorted(Tally(draft.code for draft in drafts).items()):
            numbers = await queries.take_numbers(connection, code, year, count, now)
            if numbers is None:
                raise SeriesFull("Register another code for the organisation's receipts.", code=code)
            taken[code] = iter([(number, numbers.issued_at) for number in numbers.numbers])
        common = {"handler": handler, "issued_by": actor.person, "replaces": replaces}
        return [self._filled(draft, *next(taken[draft.code]), common) for draft in drafts]

    def _filled(
        self, draft: Draft, number: Number, issued_at: datetime, common: dict[str, Any]
    ) -> "Numbered":
        check_code = new_check_code()
        asked = urlencode({"number": str(number), "code": check_code})
        row = {
            "code": number.code,
            "year": number.year,
            "serial": number.serial,
            "organisation": draft.organisation,
            "licence": draft.licence,
            "purpose": draft.purpose,
            "donor_kind": draft.donor_kind,
            "donor_name": draft.donor_name,
            "shown_name": draft.shown_name,
            "amount_fen": draft.amount_fen,
            "donations": len(draft.items),
            "donated_from": draft.donated_from,
            "donated_to": draft.donated_to,
            "issued_at": issued_at,
            "check_code": check_code,
            "check_address": f"{self.public_url}{CHECK_PAGE}?{asked}",
            "valid": True,
            "version": 1,
            **common,
        }
        items = [
            {"number": str(number), "donation_id": donation_id, "valid": True, "amount_fen": amount_fen}
            for donation_id, amount_fen in draft.items.items()
        ]
        return Numbered(str(number), row, items)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A receipt that has its number and is not written yet: its row, and those of its donations."""

    number: str
    row: dict[str, Any]
    items: list[dict[str, Any]]


def _known(found: Mapping[UUID, Candidate], donation_id: UUID) -> Candidate:
    donation = found.get(donation_id)
    if donation is None:
        raise NotFound("There is no donation of this id.", donation_id=str(donation_id))
    return donation


async def _locked(connection: AsyncConnection, actor: Actor, number: str) -> Row[Any]:
    row = await queries.lock_receipt(connection, number)
    if row is None:
        raise NotFound("There is no receipt of this number.")
    versions.require_version(row.version, actor.expected_version)
    return row
