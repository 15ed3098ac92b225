"""Whether what a line says is in the books already: then it is not sent again, or is a conflict."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import booking
from services.donation import queries as donations
from services.donation.channels.directory import Channel
from services.donation.intake import DonationRequest, ReversalRequest, donation_id_of, reversal_id_of
from services.donation.statements import queries
from services.donation.statements.checking import Line


def _differences(row: Row[Any], message: DonationRequest) -> list[str]:
    return booking.differences(dict(row._mapping), message)  # noqa: SLF001 - public


class Standing(NamedTuple):
    """A line as it stands: bad when it can't be taken; `known` when it has been."""

    line: Line
    known: bool


async def standing(connection: AsyncConnection, channel: Channel, lines: Sequence[Line]) -> list[Standing]:
    """How these lines stand now, in their order."""
    ids = {
        line.number: donation_id_of(channel.name, line.message.transaction_id)
        for line in lines
        if isinstance(line.message, DonationRequest)
    }
    reversals = {
        line.number: reversal_id_of(channel.name, line.message.reversal_id)
        for line in lines
        if isinstance(line.message, ReversalRequest)
    }
    stored = await donations.stored_donations(connection, ids.values()) if ids else {}
    reversed_before = await queries.known_reversals(connection, reversals.values()) if reversals else set()
    found = []
    for line in lines:
        row = stored.get(ids[line.number]) if line.number in ids else None
        known = row is not None or reversals.get(line.number) in reversed_before
        reason = None
        if isinstance(line.message, DonationRequest):
            if not channel.may_give_to(line.message.campaign_id):
                reason = "the channel may not give to this campaign"
            elif row is not None and (differs := _differences(row, line.message)):
                reason = f"its id is in the books with another {', '.join(differs)}"
        if reason and line.verdict != "bad":
            line = replace(line, verdict="bad", message=None, reasons=(reason,))  # noqa: PLW2901 - the line as it stands
        found.append(Standing(line, known))
    return found
