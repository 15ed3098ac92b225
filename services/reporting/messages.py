"""Donors' messages on the screens: what was approved stays until withdrawn, the newest of each campaign."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.tally import MessageEvent
from shared.events import DonorMessageApproved

KEPT: Final = 200
"""Of each campaign: four times what a screen gets, so that withdrawals leave no gap in it."""

# Two workers may prune one campaign; so seldom that the second waits for the first.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.messages'))")
_PUT: Final = text(
    "INSERT INTO messages (message_id, campaign_id, shown_name, text, approved_at)"
    " SELECT * FROM unnest(CAST(:message_id AS uuid[]), CAST(:campaign_id AS text[]),"
    " CAST(:shown_name AS text[]), CAST(:text AS text[]), CAST(:approved_at AS timestamptz[])) AS told (id)"
    " WHERE NOT EXISTS (SELECT FROM erased_donors e WHERE e.donation_id = told.id)"
    " ON CONFLICT (message_id) DO UPDATE SET approved_at = excluded.approved_at"
)
_WITHDRAW: Final = text("DELETE FROM messages WHERE message_id = ANY(:ids)")
_PRUNE: Final = text(
    """
    DELETE FROM messages m USING (
        SELECT last.campaign_id, last.approved_at, last.message_id
        FROM unnest(CAST(:campaigns AS text[])) AS asked (campaign_id)
        CROSS JOIN LATERAL (
            SELECT * FROM messages n WHERE n.campaign_id = asked.campaign_id
            ORDER BY n.approved_at DESC, n.message_id DESC OFFSET :kept LIMIT 1
        ) AS last
    ) AS beyond
    WHERE m.campaign_id = beyond.campaign_id
      AND (m.approved_at, m.message_id) <= (beyond.approved_at, beyond.message_id)
    """
)
_COLUMNS: Final = ("message_id", "campaign_id", "shown_name", "text", "approved_at")


async def write(connection: AsyncConnection, changes: Mapping[UUID, MessageEvent]) -> None:
    """Write what became of messages, the newest of each, in the transaction that has moved the marks."""
    await connection.execute(_LOCK)
    approved = [event.data for event in changes.values() if isinstance(event, DonorMessageApproved)]
    withdrawn = changes.keys() - {data.message_id for data in approved}
    if withdrawn:
        await connection.execute(_WITHDRAW, {"ids": list(withdrawn)})
    if approved:
        columns = {name: [getattr(data, name) for data in approved] for name in _COLUMNS}
        await connection.execute(_PUT, columns)
        campaigns = sorted({data.campaign_id for data in approved})
        await connection.execute(_PRUNE, {"campaigns": campaigns, "kept": KEPT})
