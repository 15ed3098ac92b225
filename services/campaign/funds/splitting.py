"""A donation that was given for several purposes, split over their funds to the fen. Pure.

What is split is what is left of the donation when the split is approved: its amount less its reversals by
then. The parts are amounts, which have to add up to it, or shares in basis points (10,000 are the whole),
which are rounded by the largest remainder. The part of the donation's own campaign stays where it is, the
others are transfers.

A reversal afterwards takes the whole amount out of the donation's own fund. Then too much lies in the other
parts' funds: the split is listed until corrections have brought it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.refusals import Refused

WHOLE_BP: Final = 10_000
"""Basis points of the whole."""
MAX_PARTS: Final = 20


class SplitState(StrEnum):
    """Where a split stands; only an approved one has moved money."""

    ASKED = "asked"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Part:
    """What one fund is to have: fen, or basis points of what is left."""

    campaign_id: str
    amount_fen: int | None = None
    share_bp: int | None = None


class PartsUnclear(Refused):
    """Parts that can't be what was meant."""

    code = "split-parts-unclear"
    title = "The parts are not clear"
    status = 422


class PartsDiffer(Refused):
    """Amounts that do not add up to the donation."""

    code = "split-parts-differ"
    title = "The parts are not what is left of the donation"


class NothingLeft(Refused):
    """A donation that went back as a whole."""

    code = "split-nothing-left"
    title = "Nothing is left of the donation"


class DonationSplit(Refused):
    """A second split of a donation."""

    code = "donation-split-already"
    title = "The donation has a split"


class SplitDecided(Refused):
    """A split that was approved or withdrawn already."""

    code = "split-decided"
    title = "The split is decided"


class NotApproved(Refused):
    """A correction of what has moved nothing."""

    code = "split-not-approved"
    title = "The split has not been approved"


class DonationNotRead(Refused):
    """A donation that the log has not shown yet."""

    code = "split-donation-not-read"
    title = "The donation was not found on the log"


class OtherFund(Refused):
    """A donation that came into another fund."""

    code = "split-other-fund"
    title = "The donation came into another campaign's fund"


class NotCounted(Refused):
    """A donation that the fund has not counted yet."""

    code = "split-donation-not-counted"
    title = "The fund has not counted the donation yet"


def require_clear(parts: Sequence[Part]) -> None:
    """Raise PartsUnclear unless each fund has one part, and all are amounts or all shares of the whole."""
    names = [part.campaign_id for part in parts]
    if len(set(names)) < len(names):
        raise PartsUnclear("Name each campaign once.", fields=["parts"])
    if all(part.amount_fen is not None and part.share_bp is None for part in parts):
        return
    shares = [part.share_bp for part in parts if part.share_bp is not None and part.amount_fen is None]
    if len(shares) < len(parts):
        raise PartsUnclear("Send amount_fen with every part, or share_bp with every part.", fields=["parts"])
    if sum(shares) != WHOLE_BP:
        raise PartsUnclear(
            f"The shares make {sum(shares)} of {WHOLE_BP} basis points.",
            fields=["parts"],
            shares_bp=sum(shares),
        )


def require_waiting(state: SplitState) -> None:
    """Raise SplitDecided unless it still waits for its second person."""
    if state is not SplitState.ASKED:
        raise SplitDecided(
            f"It is {state} already. What moved is moved back by corrections.", state=state.value
        )


def require_approved(state: SplitState) -> None:
    """Raise NotApproved unless the split has moved money."""
    if state is not SplitState.APPROVED:
        raise NotApproved(f"It is {state}: nothing has moved that could be brought back.", state=state.value)


def divide(left_fen: int, parts: Sequence[Part]) -> list[int]:
    """What each part gets, in fen; they add up to `left_fen`. Raises NothingLeft or PartsDiffer."""
    if left_fen <= 0:
        raise NothingLeft("The donation went back; withdraw the split.", left_fen=left_fen)
    if parts[0].share_bp is not None:
        return by_largest_remainder(left_fen, [part.share_bp or 0 for part in parts])
    amounts = [part.amount_fen or 0 for part in parts]
    if sum(amounts) != left_fen:
        raise PartsDiffer(
            f"The parts make {sum(amounts)} fen, {left_fen} fen are left of the donation. "
            "Withdraw this split and ask for one that adds up.",
            left_fen=left_fen,
            parts_fen=sum(amounts),
        )
    return amounts


def by_largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Divide `total` ≥ 0 in proportion to the weights (≥ 0, not all 0), each within one of its exact share;
    what rounding leaves goes to the largest remainders, of equal ones to the first.
    """
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: (-(total * weights[place] % whole), place))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


def too_much(given_fen: Sequence[int], reversed_fen: int) -> list[int]:
    """What each part has too much, in fen, after `reversed_fen` of what was split went back.

    What is still left is divided in proportion to what the parts were given.
    """
    left = max(0, sum(given_fen) - reversed_fen)
    should = by_largest_remainder(left, given_fen)
    return [given - wanted for given, wanted in zip(given_fen, should, strict=True)]
