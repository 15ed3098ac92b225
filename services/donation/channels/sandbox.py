"""What a sandbox sends: checked and answered like money, kept in a table of its own, and never any.

Nothing of it goes to a topic, so nothing of it can be booked, counted, thanked for or shown. Of each message
the amount and a digest are kept, nothing of the donor. It says "received" at once and whatever its campaign
is: a partner tries it out before the campaign is launched. What does not come by itself is asked for by the
beginning of the transaction_id (of a reversal: the reversal_id):

  sandbox-held-…      202, and its status is held
  sandbox-conflict-…  409, as if it had come before with other content
  sandbox-429-…       429 with Retry-After, the first time; sent again it is accepted
  sandbox-503-…       503 with Retry-After, the same way
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import structlog
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.channels import queries
from services.donation.intake import DonationRequest, ReversalRequest
from services.donation.reversals import Decision, Reversible, decide
from shared.problems import Problem

log = structlog.get_logger(__name__)

KEPT: Final = timedelta(days=30)
MAX_KEPT: Final = 100_000
"""Messages of one sandbox; the oldest go first."""
PRUNE_S: Final = 600.0

Asked: TypeAlias = Literal["held", "conflict", "429", "503"]
_BY_PREFIX: Final[dict[str, Asked]] = {
    "sandbox-held-": "held",
    "sandbox-conflict-": "conflict",
    "sandbox-429-": "429",
    "sandbox-503-": "503",
}
_RETRY: Final = {"Retry-After": "1"}


def asked_for(own_id: str) -> Asked | None:
    """What the beginning of a message's own id asks the sandbox to answer."""
    return next((asked for prefix, asked in _BY_PREFIX.items() if own_id.startswith(prefix)), None)


@dataclass(frozen=True, slots=True)
class Stands:
    """Where a sandbox's donation stands. `sequence`: its place among the sandbox's messages."""

    channel: str
    sequence: int
    held: bool
    amount_fen: int
    reversed_fen: int


@dataclass(frozen=True, slots=True)
class Went:
    """What became of a sandbox's reversal: pending (its donation has not come yet), applied or refused."""

    donation_id: UUID
    status: Literal["pending", "applied", "refused"]
    amount_fen: int


class Sandbox:
    """The messages of all sandboxes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(
        self,
        channel: str,
        message: DonationRequest | ReversalRequest,
        subject: UUID,
        donation_id: UUID,
        digest: bytes,
    ) -> None:
        """Keep a message. Raises Problem: 409 for other content under a known id, or what its id asks for."""
        own_id = message.reversal_id if isinstance(message, ReversalRequest) else message.transaction_id
        asked = asked_for(own_id)
        if asked == "conflict":
            raise _conflict()
        row = {
            "channel": channel,
            "kind": message.type,
            "subject": subject,
            "donation_id": donation_id,
            "amount_fen": message.amount_fen,
            "digest": digest,
            "state": {"held": "held", "429": "asked-again", "503": "asked-again"}.get(asked or "", "taken"),
        }
        async with self._engine.begin() as connection:
            known = await queries.keep_sandboxed(connection, row)
        if known is None:
            _refuse_once(asked)
        elif known.digest != digest:
            raise _conflict()

    async def status(self, donation_id: UUID) -> Stands | None:
        """Where a donation stands; None when no sandbox knows it."""
        async with self._engine.connect() as connection:
            rows = await queries.sandboxed(connection, donation_id)
        return stands(rows)

    async def reversal(self, reversal_id: UUID) -> Went | None:
        """What became of a reversal; None when no sandbox knows it."""
        async with self._engine.connect() as connection:
            donation_id = await queries.sandboxed_donation_of(connection, reversal_id)
            rows = await queries.sandboxed(connection, donation_id) if donation_id else []
        return went(rows, reversal_id)

    async def keep_short(self) -> None:
        """Prune until cancelled. Several processes may do it at once."""
        while True:
            try:
                async with self._engine.begin() as connection:
                    await queries.prune_sandboxes(connection, datetime.now(UTC) - KEPT, MAX_KEPT)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("sandboxes_not_pruned", error=repr(error)[:200])
            await asyncio.sleep(PRUNE_S)


def went(rows: Sequence[Row[Any]], reversal_id: UUID) -> Went | None:
    """What became of one of the reversals of a donation, from all messages about that, in order."""
    counting = [row for row in rows if row.state != "asked-again"]
    mine = next((row for row in counting if row.subject == reversal_id), None)
    if mine is None:
        return None
    now = stands(rows)
    if now is None or now.held:
        return Went(mine.donation_id, "pending", mine.amount_fen)
    before = stands([row for row in rows if row.kind == "donation" or row.message_id < mine.message_id])
    until = stands([row for row in rows if row.kind == "donation" or row.message_id <= mine.message_id])
    assert before is not None
    assert until is not None
    applied = until.reversed_fen > before.reversed_fen
    return Went(mine.donation_id, "applied" if applied else "refused", mine.amount_fen)


def stands(rows: Sequence[Row[Any]]) -> Stands | None:
    """Where a donation stands, from its message and those of its reversals, in the order they came."""
    donation = next((row for row in rows if row.kind == "donation" and row.state != "asked-again"), None)
    if donation is None:
        return None
    reversed_fen = 0
    for row in rows:
        if row.kind == "reversal" and row.state != "asked-again":
            before = Reversible(donation.amount_fen, reversed_fen, donation.state == "taken")
            if decide(before, row.amount_fen) is Decision.APPLY:
                reversed_fen += row.amount_fen
    return Stands(
        donation.channel, donation.message_id, donation.state == "held", donation.amount_fen, reversed_fen
    )


def _refuse_once(asked: Asked | None) -> None:
    if asked == "429":
        raise Problem(429, "too-many", "The sandbox was asked to say so; slow down.", headers=_RETRY)
    if asked == "503":
        detail = "The sandbox was asked to say so. Send the same transaction_id again."
        raise Problem(503, "not-confirmed", detail, headers=_RETRY)


def _conflict() -> Problem:
    detail = "This id came before with other content. Nothing was booked for this one."
    return Problem(409, "conflict", detail)
