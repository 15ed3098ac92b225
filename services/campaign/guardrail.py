"""The guardrail of a fund: nothing is approved past what the fund has, nothing is paid that isn't there.

balance = received − reversed + transferred in − out − reserved − disbursed + returned, all in fen.
Approving reserves, paying turns the reserve into a disbursement; a transfer moves at its approval; what comes
back of a disbursement is the fund's again, and disbursed stays what went out. Pledges are promises and never
part of it. A refund that comes after an approval may push the balance below zero: the fund is then overdrawn,
and nothing more is approved until money has come in.
"""

from dataclasses import dataclass

from shared.refusals import Refused


@dataclass(frozen=True, slots=True)
class FundFigures:
    """What a fund has taken in and given out, in fen, each figure ≥ 0."""

    received_fen: int
    reversed_fen: int
    reserved_fen: int
    disbursed_fen: int
    transferred_in_fen: int = 0
    transferred_out_fen: int = 0
    returned_fen: int = 0

    @property
    def held_fen(self) -> int:
        """What lies in the account: received − reversed + transferred in − out − disbursed + returned."""
        moved_fen = self.transferred_in_fen - self.transferred_out_fen
        return self.received_fen - self.reversed_fen + moved_fen - self.disbursed_fen + self.returned_fen

    @property
    def balance_fen(self) -> int:
        """What can still be approved: held − reserved. Below zero the fund is overdrawn."""
        return self.held_fen - self.reserved_fen

    @property
    def remaining_fen(self) -> int:
        """The largest amount that can still be approved, never below zero."""
        return max(0, self.balance_fen)

    @property
    def overdrawn(self) -> bool:
        """More is reserved and has gone out than came in and was kept."""
        return self.balance_fen < 0


class PastBalance(Refused):
    """A disbursement or a transfer larger than what the fund has left."""

    code = "past-fund-balance"
    title = "The fund's balance does not cover the amount"


class PastHeld(Refused):
    """A payment larger than what lies in the account."""

    code = "past-fund-held"
    title = "The fund does not hold the money for this payment"


def require_covered(figures: FundFigures, amount_fen: int) -> None:
    """Raise PastBalance, with the remaining figure, unless the balance covers the amount.

    `figures` must have been read under the lock of the fund, or two approvals can both win.
    """
    if amount_fen > figures.remaining_fen:
        state = "is overdrawn" if figures.overdrawn else f"has {figures.remaining_fen} fen left"
        raise PastBalance(
            f"The fund {state}; {amount_fen} fen can't be approved. "
            "Ask for at most the remaining figure, or wait for money to come in.",
            remaining_fen=figures.remaining_fen,
            balance_fen=figures.balance_fen,
            amount_fen=amount_fen,
        )


def require_held(figures: FundFigures, amount_fen: int) -> None:
    """Raise PastHeld unless the account holds the approved amount (refunds may have come since)."""
    if amount_fen > figures.held_fen:
        raise PastHeld(
            f"Refunds came after the approval: the account holds {max(0, figures.held_fen)} fen. "
            "Pay when money has come in.",
            held_fen=figures.held_fen,
            amount_fen=amount_fen,
        )
