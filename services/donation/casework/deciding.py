"""Whether a held donation may be let go on, and how much of a donation may be taken back: pure rules."""

from dataclasses import dataclass

from shared.refusals import Refused


class NotHeld(Refused):
    """There is nothing to decide."""

    code = "not-held"
    title = "The donation is not held"


class CampaignUnknown(Refused):
    """Money can't count for what nobody knows."""

    code = "campaign-unknown"
    title = "Nobody knows its campaign"


class NotLaunched(Refused):
    """Nothing is received for a campaign before its launch (Charity Law art. 24)."""

    code = "not-launched"
    title = "Its campaign is not launched"


class Decided(Refused):
    """Somebody has decided otherwise."""

    code = "already-decided"
    title = "It was decided before"


class StillHeld(Refused):
    """What does not count can't be taken back."""

    code = "still-held"
    title = "The donation is held"


class NotPending(Refused):
    """There is nothing to set aside."""

    code = "not-pending"
    title = "The reversal does not wait"


class DonationKnown(Refused):
    """It goes on by itself."""

    code = "donation-known"
    title = "Its donation is here"


class TooMuchBack(Refused):
    """More than remains."""

    code = "reversal-too-large"
    title = "More goes back than remains of the donation"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A donation as it is decided on: `status` as stored, its campaign's status now (None: unknown), and what
    was decided about it before.
    """

    status: str
    campaign_status: str | None
    decision: str | None


def require_releasable(waiting: Waiting) -> None:
    """Raise NotHeld, Decided, CampaignUnknown or NotLaunched unless a person may let it count now.

    A person may go past what holds it for a time or by a rule of ours: a paused or closed campaign, a channel
    that may not give to it.
    """
    _require_held(waiting)
    if waiting.campaign_status is None:
        raise CampaignUnknown("Register the campaign under this id, or refuse the donation.")
    if waiting.campaign_status == "filed":
        raise NotLaunched("It goes on by itself when the campaign is launched.")


def require_refusable(waiting: Waiting) -> None:
    """Raise NotHeld or Decided unless it may be refused: it will never count, and the money is to go back."""
    _require_held(waiting)


def _require_held(waiting: Waiting) -> None:
    if waiting.status != "held":
        raise NotHeld(f"It is {waiting.status}.")
    if waiting.decision is not None:
        raise Decided("Its release is on its way.")


def back_fen(status: str, amount_fen: int, gone_fen: int, asked_fen: int | None) -> int:
    """How much goes back; `gone_fen` went back before or is on its way. Raises StillHeld, TooMuchBack."""
    if status != "received":
        raise StillHeld("It does not count, so nothing can be taken back: refuse it instead.")
    remaining_fen = amount_fen - gone_fen
    wanted_fen = remaining_fen if asked_fen is None else asked_fen
    if not 0 < wanted_fen <= remaining_fen:
        raise TooMuchBack(
            f"At most {remaining_fen} fen remain of it.", fields=["amount_fen"], remaining_fen=remaining_fen
        )
    return wanted_fen


def require_set_aside(status: str, donation_status: str | None) -> None:
    """Only a reversal that would wait for ever: its donation is not here (None), or was refused. Raises
    NotPending, DonationKnown.
    """
    if status != "pending":
        raise NotPending(f"It is {status}.")
    if donation_status in {"held", "received"}:
        raise DonationKnown(f"The donation is {donation_status}: the reversal follows it by itself.")
