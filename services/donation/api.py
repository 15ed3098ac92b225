"""Where a donation stands, for channels and operators that ask by HTTP."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import queries
from services.donation.accepting import Acceptance, within_limit
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox, Stands
from services.donation.channels.schemas import CHANNEL
from services.donation.channels.signed import signed_by
from services.donation.intake import IDENTIFIER, donation_id_of, reversal_id_of
from shared.access import require
from shared.problems import Problem, answers

router = APIRouter(prefix="/v1")


@dataclass(frozen=True, slots=True)
class Parts:
    """What these routes work with; app.py puts it into the application's state."""

    engine: AsyncEngine
    acceptance: Acceptance
    directory: Directory
    sandbox: Sandbox


async def _parts(request: Request) -> Parts:
    return request.app.state.parts  # type: ignore[no-any-return]


Wired = Annotated[Parts, Depends(_parts)]


class DonationView(BaseModel):
    """Where a donation stands. `position`: the record that made it count (or held it)."""

    donation_id: UUID
    status: str = Field(description="accepted | received | held | refused | reversed")
    position: dict[str, Any] | None = None
    held_reason: str | None = None
    conflicted: bool = Field(default=False, description="another content came under its transaction_id")
    reversed_fen: int = 0


class ReversalView(BaseModel):
    """Where a reversal stands. Times in UTC, the amount in fen."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reversal_id": "0b6f2f0e-54b5-5c55-8a53-6f3d3c1f9a11",
                    "donation_id": "6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b30",
                    "status": "applied",
                    "kind": "refund",
                    "amount_fen": 345,
                    "applied_at": "2027-01-02T01:00:00Z",
                }
            ]
        }
    )

    reversal_id: UUID = Field(description="ours, as the reversal was answered with")
    donation_id: UUID | None = Field(default=None, description="null while the reversal is only accepted")
    status: str = Field(description="accepted | pending (its donation has not come yet) | applied | refused")
    kind: str | None = Field(default=None, description="refund | chargeback | void")
    amount_fen: int | None = None
    applied_at: datetime | None = None


@router.get(
    "/donations/{donation_id}",
    tags=["donations"],
    summary="Where a donation stands",
    responses=answers(Problem(404, "unknown-donation", "Not known here.")),
)
async def donation(parts: Wired, donation_id: UUID) -> DonationView:
    """Nothing about the donor: the id can be derived from the channel's transaction_id."""
    return await _status(parts, donation_id)


@router.get(
    "/channels/{channel}/donations/{transaction_id}",
    tags=["donations"],
    summary="Where a channel's donation stands, by its transaction_id",
)
async def donation_of(
    request: Request,
    parts: Wired,
    channel: Annotated[str, Path(pattern=CHANNEL)],
    transaction_id: Annotated[str, Path(pattern=IDENTIFIER)],
) -> DonationView:
    """For the channel itself, signed as Standard Webhooks says over an empty body, or for an operator with a
    token (viewer, desk). A paused channel may ask as well.
    """
    await _may_ask(request, parts, channel)
    return await _status(parts, donation_id_of(channel, transaction_id))


@router.get(
    "/channels/{channel}/reversals/{reversal_id}",
    tags=["donations"],
    summary="Where a channel's reversal stands, by the channel's own id of it",
    responses=answers(Problem(404, "unknown-reversal", "Not known here.")),
)
async def reversal_of(
    request: Request,
    parts: Wired,
    channel: Annotated[str, Path(pattern=CHANNEL)],
    reversal_id: Annotated[str, Path(pattern=IDENTIFIER)],
) -> ReversalView:
    """Asked as for a donation: signed over an empty body, or with an operator's token (viewer, desk)."""
    await _may_ask(request, parts, channel)
    own = reversal_id_of(channel, reversal_id)
    async with parts.engine.connect() as connection:
        row = await queries.reversal_status(connection, own)
    if row is not None:
        return ReversalView.model_validate(row, from_attributes=True)
    if (tried := await parts.sandbox.reversal(own)) is not None:
        return ReversalView(
            reversal_id=own, donation_id=tried.donation_id, status=tried.status, amount_fen=tried.amount_fen
        )
    if parts.acceptance.has_accepted_reversal(own):
        return ReversalView(reversal_id=own, status="accepted")
    raise Problem(404, "unknown-reversal", "Not known here. If it was accepted just now, ask again shortly.")


async def _may_ask(request: Request, parts: Parts, channel: str) -> None:
    """Raise Problem unless the channel itself asks, signed and within its limit, or an operator."""
    known = await parts.directory.find(channel)
    if "authorization" in request.headers:
        await require("viewer", "desk")(request)
    if known is None:
        raise Problem(404, "unknown-channel", "No such channel.")
    if "authorization" not in request.headers:
        known, _ = await signed_by(parts.directory, known, request.headers, b"")
        within_limit(known)


async def _status(parts: Parts, donation_id: UUID) -> DonationView:
    async with parts.engine.connect() as connection:
        row = await queries.donation_status(connection, donation_id)
    if row is not None:
        return _view(donation_id, row)
    if (stands := await parts.sandbox.status(donation_id)) is not None:
        return _tried(donation_id, stands)
    if parts.acceptance.has_accepted(donation_id):
        return DonationView(donation_id=donation_id, status="accepted")
    raise Problem(404, "unknown-donation", "Not known here. If it was accepted just now, ask again shortly.")


def _view(donation_id: UUID, row: Any) -> DonationView:
    released = row.release_source is not None
    source = row.release_source if released else row.source
    sequence = row.release_sequence if released else row.sequence
    fully = row.reversed_fen == row.amount_fen
    status = row.status if row.status != "received" else "reversed" if fully else "received"
    return DonationView(
        donation_id=donation_id,
        status=status,
        position={"source": source, "sequence": sequence},
        held_reason=row.held_reason if status == "held" else None,
        conflicted=row.conflicted,
        reversed_fen=row.reversed_fen,
    )


def _tried(donation_id: UUID, stands: Stands) -> DonationView:
    """A sandbox's donation: as if it were one. Its position is in no topic."""
    fully = stands.reversed_fen == stands.amount_fen
    return DonationView(
        donation_id=donation_id,
        status="held" if stands.held else "reversed" if fully else "received",
        position={"source": f"sandbox.{stands.channel}", "sequence": stands.sequence},
        held_reason="not_launched" if stands.held else None,
        reversed_fen=stands.reversed_fen,
    )
