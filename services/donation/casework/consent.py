"""A donor takes the consent to be named back, without taking money back (Charity Law art. 82).

The donation's row stays as it came, for a repeat of the channel's is known by it; a row of its own says that
its donor is anonymous from now on. Its record on `intake.internal` has the position of the event.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import queries as donations
from services.donation.casework.commands import UnknownDonation
from services.donation.casework.models import consent_withdrawals
from services.donation.casework.schemas import ConsentWithdrawn
from services.donation.moderation import queries as moderation
from services.donation.moderation.queries import NewDecision
from shared.refusals import Refused

RULE: Final = "consent_withdrawn"
"""The cause of a message's withdrawal with its donor's consent."""


class NobodyNamed(Refused):
    """There is nothing to take back."""

    code = "nobody-named"
    title = "The donor is named nowhere"


class AlreadyWithdrawn(Refused):
    """The same word twice."""

    code = "already-withdrawn"
    title = "The consent was withdrawn before"


class Asked(NamedTuple):
    """The record of a withdrawal, and where it lies. `at`: when the broker took it (UTC)."""

    donation_id: UUID
    source: str
    sequence: int
    at: datetime


async def withdraw(
    connection: AsyncConnection, person: str, donation_id: UUID, reason: str
) -> ConsentWithdrawn:
    """Write down that the donor is not to be named any more; a message that is shown goes with the name.
    Raises UnknownDonation, NobodyNamed, AlreadyWithdrawn.
    """
    donation = (await donations.lock_donations(connection, [donation_id])).get(donation_id)
    if donation is None:
        raise UnknownDonation("Look for it: GET /v1/donations.")
    if donation.donor_display == "anonymous":
        raise NobodyNamed("It came without a name to show.")
    if await withdrawn(connection, [donation_id]):
        raise AlreadyWithdrawn("The donor is anonymous everywhere.")
    now = datetime.now(UTC)
    message = (await moderation.lock_messages(connection, [donation_id])).get(donation_id)
    if message is not None and message.state == "approved":
        gone = NewDecision(donation_id, message.version + 1, "refuse", "withdrawn", RULE)
        await moderation.add_decisions(connection, [gone], None, now)
    row = {"donation_id": donation_id, "reason": reason, "withdrawn_by": person, "withdrawn_at": now}
    await connection.execute(insert(consent_withdrawals).values(**row))
    return ConsentWithdrawn(donation_id=donation_id)


_WITHDRAWN: Final = text("SELECT donation_id FROM consent_withdrawals WHERE donation_id = ANY(:ids)")
_OF: Final = text(
    "SELECT reason, withdrawn_by, withdrawn_at FROM consent_withdrawals WHERE donation_id = :donation_id"
)
_UNSENT: Final = text(
    "SELECT donation_id FROM consent_withdrawals WHERE sent_at IS NULL ORDER BY withdrawn_at LIMIT :rows"
)
_SENT: Final = text("UPDATE consent_withdrawals SET sent_at = now() WHERE donation_id = :donation_id")
_TOLD: Final = (
    "SELECT w.donation_id, w.withdrawn_at, w.source, w.sequence, w.booked_at, d.campaign_id, d.channel"
    " FROM consent_withdrawals w JOIN donations d USING (donation_id)"
)
TOLD_AT: Final = text(_TOLD + " WHERE w.source = :source AND w.sequence = ANY(:sequences)")
"""What stands at some positions of a source, to be told again."""
_LOCK: Final = text(_TOLD + " WHERE w.donation_id = ANY(:ids) ORDER BY w.donation_id FOR UPDATE OF w")
_BOOK: Final = text(
    "UPDATE consent_withdrawals SET source = :source, sequence = :sequence, booked_at = :booked_at"
    " WHERE donation_id = :donation_id"
)


async def withdrawn(connection: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these donations whose donors are not to be named any more."""
    return set((await connection.execute(_WITHDRAWN, {"ids": list(ids)})).scalars())


async def withdrawal_of(connection: AsyncConnection, donation_id: UUID) -> Row[Any] | None:
    """Who withdrew the consent for the donor, when and why; None: nobody has."""
    return (await connection.execute(_OF, {"donation_id": donation_id})).one_or_none()


async def unsent(connection: AsyncConnection, rows: int) -> list[UUID]:
    """Withdrawals that the broker has not confirmed, the oldest first."""
    return list((await connection.execute(_UNSENT, {"rows": rows})).scalars())


async def mark_sent(connection: AsyncConnection, donation_id: UUID) -> None:
    """The broker has it."""
    await connection.execute(_SENT, {"donation_id": donation_id})


async def book(connection: AsyncConnection, asked: Sequence[Asked]) -> list[Mapping[str, Any]]:
    """Give withdrawals the positions of their first records; gives back the rows of those whose events are
    to be told from here.
    """
    rows = await connection.execute(_LOCK, {"ids": [each.donation_id for each in asked]})
    known = {row.donation_id: dict(row._mapping) for row in rows}  # noqa: SLF001 - public
    told: list[Mapping[str, Any]] = []
    for each in asked:
        row = known.get(each.donation_id)
        if row is None:
            continue
        if row["source"] is None:
            row |= {"source": each.source, "sequence": each.sequence, "booked_at": each.at}
            named = ("donation_id", "source", "sequence", "booked_at")
            await connection.execute(_BOOK, {name: row[name] for name in named})
        if (row["source"], row["sequence"]) == (each.source, each.sequence):
            told.append(row)
    return told
