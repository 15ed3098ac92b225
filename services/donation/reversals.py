"""What a reversal may do to its donation: a pure rule."""

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """What becomes of a reversal."""

    APPLY = "applied"
    WAIT = "pending"
    REFUSE = "refused"


@dataclass(frozen=True, slots=True)
class Reversible:
    """A donation as a reversal sees it; `reversed_fen` is what went back before."""

    amount_fen: int
    reversed_fen: int
    counts: bool

    @property
    def remaining_fen(self) -> int:
        """What can still go back."""
        return self.amount_fen - self.reversed_fen


def decide(donation: Reversible | None, amount_fen: int) -> Decision:
    """A reversal waits for a donation that isn't there yet, or is held: a total never goes down for money
    that never went in. More than what remains of a donation can't go back: a person has to look.
    """
    if donation is None or not donation.counts:
        return Decision.WAIT
    return Decision.APPLY if amount_fen <= donation.remaining_fen else Decision.REFUSE
