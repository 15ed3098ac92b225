"""Donors who were erased (Personal Information Protection Law art. 47): nobody writes to them any more.

The erasure may be read before the address is, which comes by a topic of its own, so it stays written down. A
message that is in a provider's hands at that moment can't be called back.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.events import DonorDataErased

_NOTE: Final = text(
    "INSERT INTO erased (subject) SELECT DISTINCT unnest(CAST(:subjects AS uuid[])) ON CONFLICT DO NOTHING"
)
_FORGET: Final = (
    text("DELETE FROM contacts WHERE donation_id IN (SELECT subject FROM erased)"),
    text("DELETE FROM receipt_contacts WHERE mail_id IN (SELECT subject FROM erased)"),
)
_END: Final = (
    text(
        "UPDATE messages SET state = 'dropped', reason = 'donor_erased', next_attempt_at = NULL,"
        " changed_at = now() WHERE donation_id = ANY(:subjects) AND state IN ('waiting', 'pending', 'retry')"
    ),
    text(
        "UPDATE notices SET state = 'failed', reason = 'donor_erased', next_attempt_at = NULL, letter = NULL,"
        " changed_at = now() WHERE notice_id = ANY(:subjects) AND state IN ('pending', 'retry')"
    ),
)
# What a partner has not had yet goes out without the name; it is signed when it is sent.
_UNNAME: Final = text(
    "UPDATE webhook_events SET body = convert_to(CAST("
    "CAST(convert_from(body, 'UTF8') AS jsonb) #- '{data,shown_name}' AS text), 'UTF8')"
    " WHERE event_id = ANY(:event_ids)"
)


async def erase(connection: AsyncConnection, events: Sequence[DonorDataErased]) -> None:
    """Forget where these donors are reached, in the transaction that has moved the marks."""
    subjects = [event.data.donation_id for event in events]
    subjects += [mail_id for event in events for mail_id in event.data.receipt_mail_ids]
    await connection.execute(_NOTE, {"subjects": subjects})
    for statement in _END:
        await connection.execute(statement, {"subjects": subjects})
    await forget(connection)
    event_ids = [event_id for event in events for event_id in event.data.event_ids]
    await connection.execute(_UNNAME, {"event_ids": event_ids})


async def forget(connection: AsyncConnection) -> None:
    """Delete the addresses that came after their erasure; there are a few days' addresses in all."""
    for statement in _FORGET:
        await connection.execute(statement)
