"""What happened to a fund and to its goods between two days, from the sums of its postings. Pure.

opening + each movement = closing, to the fen, because every posting on an account of a fund is in exactly one
line. Money and goods are two statements and are never added together; pledges are in neither.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from services.campaign.ledger.accounts import CHART, GOODS_COST, GOODS_INCOME, GOODS_LOSS, Side
from services.campaign.ledger.entries import Kind


class Line(StrEnum):
    """What moves a fund, or its goods."""

    RECEIVED = "received"
    REVERSED = "reversed"
    TRANSFERRED_IN = "transferred_in"
    TRANSFERRED_OUT = "transferred_out"
    SPENT = "spent"
    RETURNED = "returned"
    OTHER = "other"

    GOODS_RECEIVED = "goods_received"
    GOODS_REVERSED = "goods_reversed"
    GOODS_DISTRIBUTED = "goods_distributed"
    GOODS_RETURNED = "goods_returned"
    GOODS_LOST = "goods_lost"
    GOODS_OTHER = "goods_other"


_OF_MONEY: Final[Mapping[Kind, tuple[Line, Line]]] = {
    Kind.DONATIONS: (Line.RECEIVED, Line.REVERSED),
    Kind.CARRIED: (Line.RECEIVED, Line.REVERSED),
    Kind.DISBURSEMENT: (Line.OTHER, Line.SPENT),
    Kind.RETURN: (Line.RETURNED, Line.OTHER),
    Kind.TRANSFER: (Line.TRANSFERRED_IN, Line.TRANSFERRED_OUT),
}
"""For each kind of entry: the line when it makes the fund grow, and when it makes it shrink."""

_OF_GOODS: Final[Mapping[str, tuple[Line, Line]]] = {
    GOODS_INCOME: (Line.GOODS_RECEIVED, Line.GOODS_REVERSED),
    GOODS_COST: (Line.GOODS_RETURNED, Line.GOODS_DISTRIBUTED),
    GOODS_LOSS: (Line.GOODS_OTHER, Line.GOODS_LOST),
}
"""The same for each account that says why goods came or went."""


@dataclass(frozen=True, slots=True)
class Movement:
    """The sum of postings that differ in nothing a report shows. `before`: booked before its first day."""

    campaign_id: str
    account: str
    kind: Kind
    channel: str | None
    side: Side
    before: bool
    amount_fen: int

    @property
    def of_goods(self) -> bool:
        """Whether it changes what goods there are."""
        return self.account in _OF_GOODS

    @property
    def of_money(self) -> bool:
        """Whether it changes what the fund has in money."""
        return CHART[self.account].of_fund and not self.of_goods

    @property
    def growth_fen(self) -> int:
        """By how much the fund grows; below zero it shrinks."""
        return self.amount_fen if self.side is Side.CREDIT else -self.amount_fen

    @property
    def line(self) -> Line:
        """The line of its statement. No fund changes by hand; if one did, it would stand under other."""
        known = _OF_GOODS.get(self.account) or _OF_MONEY.get(self.kind, (Line.OTHER, Line.OTHER))
        return known[0] if self.side is Side.CREDIT else known[1]


@dataclass(slots=True)
class Statement:
    """A fund between two days, in fen: `closing_fen` is what the ledger has at the end of the second."""

    opening_fen: int = 0
    lines: defaultdict[Line, int] = field(default_factory=lambda: defaultdict(int))
    since_begin: defaultdict[Line, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def closing_fen(self) -> int:
        """What is left at the end of the last day."""
        return self.opening_fen + sum(self.lines.values())

    def add(self, movement: Movement) -> None:
        """Take a movement in."""
        self.since_begin[movement.line] += movement.growth_fen
        if movement.before:
            self.opening_fen += movement.growth_fen
        else:
            self.lines[movement.line] += movement.growth_fen


def of_money(movements: Iterable[Movement]) -> Statement:
    """The statement of the money."""
    return _statement(each for each in movements if each.of_money)


def of_goods(movements: Iterable[Movement]) -> Statement:
    """The statement of the goods, at their values."""
    return _statement(each for each in movements if each.of_goods)


def by_campaign(movements: Iterable[Movement]) -> dict[str, tuple[Statement, Statement]]:
    """The statements of money and of goods of each campaign, in the order of their ids."""
    found: defaultdict[str, list[Movement]] = defaultdict(list)
    for each in movements:
        found[each.campaign_id].append(each)
    return {
        campaign_id: (of_money(found[campaign_id]), of_goods(found[campaign_id]))
        for campaign_id in sorted(found)
    }


def _statement(movements: Iterable[Movement]) -> Statement:
    statement = Statement()
    for each in movements:
        statement.add(each)
    return statement
