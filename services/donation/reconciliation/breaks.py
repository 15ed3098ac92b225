"""What people and the follower do to breaks: resolve one with a reason, have what is missing here booked."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Channel
from services.donation.intake import FROM_CHANNELS, DonationRequest, ReversalRequest, parse
from services.donation.queries import known_of
from services.donation.reconciliation.models import break_history, breaks
from services.donation.schemes import passback
from services.donation.schemes.settings import SETTINGS_OF, NoticeSettings
from shared.problems import Problem
from shared.refusals import NotFound, Refused

NOTICES: Final = ("wechatpay", "alipay", "unionpay")
"""Schemes whose orders say what a payment is for, in the bill as in the notice."""
_NOBODY: Final[Mapping[str, Any]] = {"donor": {"kind": "person", "display": "anonymous"}}


class BreakClosed(Refused):
    """A break that is no longer open."""

    code = "break-closed"
    title = "The break is closed"


class NothingMissing(Refused):
    """A break that no booking can mend."""

    code = "nothing-missing"
    title = "Nothing is missing here"


class CampaignUndecided(Refused):
    """A donation that nobody has said a campaign for."""

    code = "campaign-undecided"
    title = "Which campaign it is for is not known"
    status = 422


class CampaignUnknown(Refused):
    """A campaign's id that was mistyped: what is booked for it could only be held."""

    code = "campaign-unknown"
    title = "No campaign has this id"
    status = 422


async def require_known(connection: AsyncConnection, campaign_id: str) -> None:
    """Raise CampaignUnknown, because what is decided for a break stays so."""
    if not (await known_of(connection, [campaign_id], [])).states:
        raise CampaignUnknown(
            "Look at the campaign's id again; a draft is known here once it is filed.", fields=["campaign_id"]
        )


async def lock_open(connection: AsyncConnection, break_id: int) -> Row[Any]:
    """An open break, locked until the end of the transaction. Raises NotFound, BreakClosed."""
    wanted = select(breaks).where(breaks.c.break_id == break_id).with_for_update()
    row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NotFound("There is no break of this number.")
    if row.state != "open":
        raise BreakClosed(f"{row.closed_by} closed it: {row.reason}.", state=row.state)
    return row


async def note(connection: AsyncConnection, row: Row[Any], who: str, what: str, reason: str | None) -> None:
    """Add a line to a break's history."""
    await connection.execute(
        insert(break_history).values(
            break_id=row.break_id,
            at=datetime.now(UTC),
            who=who,
            what=what,
            reason=reason,
            ours_fen=row.ours_fen,
            theirs_fen=row.theirs_fen,
        )
    )


async def resolve(connection: AsyncConnection, break_id: int, person: str, reason: str) -> None:
    """Close a break by a person's word. It opens again when the amounts become others."""
    row = await lock_open(connection, break_id)
    closed = {"state": "resolved", "closed_at": datetime.now(UTC), "closed_by": person, "reason": reason}
    closed["said"] = None
    await connection.execute(update(breaks).where(breaks.c.break_id == break_id).values(closed))
    await note(connection, row, person, "resolved", reason)


def campaign_of(row: Row[Any], channel: Channel, usual: str | None) -> str | None:
    """What a missing donation is for: what was decided before, what its order says, `usual`, what the
    channel's settings say, or the one campaign that the channel may give to; None: nobody has said.
    """
    if row.campaign_id is not None:
        return str(row.campaign_id)
    if channel.scheme in NOTICES:
        return str(_order(row, channel, usual)["campaign_id"])
    if usual is None and channel.campaigns and len(channel.campaigns) == 1:
        return next(iter(channel.campaigns))
    return usual


def _order(row: Row[Any], channel: Channel, usual: str | None = None) -> Mapping[str, Any]:
    """What the donor's order says, read as the notice that did not come would have been."""
    if channel.scheme not in NOTICES:
        return _NOBODY
    settings = SETTINGS_OF[channel.scheme].model_validate(channel.settings)
    assert isinstance(settings, NoticeSettings)
    return passback.read(row.said or "", settings.model_copy(update={"campaign_id": usual} if usual else {}))


async def decide_campaign(
    connection: AsyncConnection, row: Row[Any], channel: Channel, usual: str | None
) -> str | None:
    """The campaign that a missing donation is booked for, from now on always the same one: asked for twice
    it must be the same donation. Raises CampaignUndecided.
    """
    if row.kind != "missing_here":
        return None
    decided = campaign_of(row, channel, usual)
    if decided is None:
        raise CampaignUndecided("Say which campaign the money is for.", fields=["campaign_id"])
    if decided != row.campaign_id:
        chosen = update(breaks).where(breaks.c.break_id == row.break_id).values(campaign_id=decided)
        await connection.execute(chosen)
    return decided


def booking_of(row: Row[Any], channel: Channel, campaign_id: str | None) -> DonationRequest | ReversalRequest:
    """What the channel would have sent, as its bill has it: the very same, so that a notice that comes after
    all is a repeat. Notices state no fee, so there it stays with the bill. Raises NothingMissing.
    """
    if row.kind == "missing_here":
        fields = {
            **_order(row, channel),
            "transaction_id": row.transaction_id,
            "campaign_id": campaign_id,
            "amount_fen": row.theirs_fen,
            "currency": "CNY",
            "occurred_at": row.occurred_at.isoformat(),
        }
        if channel.scheme not in NOTICES and row.fee_fen is not None and 0 <= row.fee_fen <= row.theirs_fen:
            fields["fee_fen"] = row.fee_fen
        message = parse(json.dumps(fields).encode(), datetime.now(UTC), FROM_CHANNELS)
        assert isinstance(message, DonationRequest)
        return message
    if row.kind == "refund_missing_here":
        return ReversalRequest.model_construct(
            reversal_id=row.reversal_id,
            transaction_id=row.transaction_id,
            kind="refund",
            amount_fen=row.theirs_fen,
            occurred_at=row.occurred_at,
            reason="对账补记",
        )
    raise NothingMissing("Only what is missing here can be booked.", kind=row.kind)


async def ask(
    acceptance: Acceptance, channel: Channel, message: DonationRequest | ReversalRequest
) -> Problem | None:
    """Put it on the channel's topic; gives back why that was refused. Raises Problem of status 503 when the
    broker does not take it: then it is asked for again.
    """
    try:
        await acceptance.take(channel, message)
    except Problem as problem:
        if problem.status == 503:
            raise
        return problem
    return None


async def asked(
    connection: AsyncConnection, rows: Sequence[tuple[Row[Any], Problem | None]], who: str
) -> None:
    """Write down that these were asked for, and what was not taken."""
    ids = [row.break_id for row, _ in rows]
    await connection.execute(
        update(breaks).where(breaks.c.break_id.in_(ids)).values(asked_at=datetime.now(UTC))
    )
    for row, problem in rows:
        await note(
            connection, row, who, "not_taken" if problem else "asked", problem.detail if problem else None
        )


_LATE: Final = text(
    """
    SELECT b.*, t.campaign_id AS usual_campaign_id FROM breaks b LEFT JOIN bill_terms t USING (channel)
    WHERE b.state = 'open' AND b.kind = 'missing_here' AND b.asked_at IS NULL AND b.opened_at <= :before
      AND NOT EXISTS (SELECT FROM donations d WHERE d.donation_id = b.subject)
    ORDER BY b.break_id LIMIT :rows
    """
)


async def late(connection: AsyncConnection, before: datetime, rows: int) -> Sequence[Row[Any]]:
    """Donations that only the bill knows, missed since `before`, not asked for yet; oldest first."""
    return (await connection.execute(_LATE, {"before": before, "rows": rows})).all()
