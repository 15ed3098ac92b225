"""An organisation's year from before the ledger, as its audited account has it. Pure.

Art. 61 compares a year with the three before it, and the ledger begins somewhere. Finance states such a year,
another person confirms it. The ledger prevails: a year that it has is not stated, and where it learns of one
later (a campaign that is given to the organisation) its figures are used again, without anybody's doing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.campaign.days import today_of
from services.campaign.spending.ratios import YEARS_BACK, YearFigures
from shared.refusals import Refused

FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199


class StatementState(StrEnum):
    """Where a statement stands, which one person records and another confirms."""

    ASKED = "asked"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Basis(StrEnum):
    """What the figures of a year rest on."""

    LEDGER = "ledger"
    STATED = "stated"
    NONE = "none"


class YearNotOver(Refused):
    """A statement of the running year or of one that is still to come."""

    code = "stated-year-not-over"
    title = "The year is not over"
    status = 422


class PartsExceedSpending(Refused):
    """More for programmes and management than was spent at all."""

    code = "stated-year-parts-exceed-spending"
    title = "The parts are more than the whole spending"
    status = 422


class YearInLedger(Refused):
    """A statement of a year whose income or expense the ledger has."""

    code = "stated-year-in-ledger"
    title = "The ledger has this year"


class YearStated(Refused):
    """A second statement of a year."""

    code = "stated-year-exists"
    title = "The year is stated already"


class StatementDecided(Refused):
    """Confirming or withdrawing what doesn't wait."""

    code = "stated-year-decided"
    title = "The statement does not wait for anybody"


@dataclass(frozen=True, slots=True)
class YearUsed:
    """A year's figures, and what they rest on; without a basis they are 0."""

    basis: Basis
    figures: YearFigures


def require_over(year: int, now: datetime) -> None:
    """Raise YearNotOver unless the year has ended in Asia/Shanghai: before, no account of it is audited."""
    last = today_of(now).year - 1
    if year > last:
        raise YearNotOver(
            f"year is at most {last}; what comes after is in the ledger.", fields=["year"], last_year=last
        )


def require_parts(figures: YearFigures) -> None:
    """Raise PartsExceedSpending unless programmes and management are within the year's spending."""
    parts_fen = figures.programme_fen + figures.management_fen
    if parts_fen > figures.spending_fen:
        raise PartsExceedSpending(
            f"programme_fen and management_fen are {parts_fen} together; spending_fen, which has them and all"
            " else that went out, is at least that.",
            fields=["programme_fen", "management_fen", "spending_fen"],
            parts_fen=parts_fen,
        )


def require_not_in_ledger(year: int, ledger: Mapping[int, YearFigures]) -> None:
    """Raise YearInLedger when the ledger has an income or an expense of the organisation in the year."""
    found = ledger.get(year)
    if found is not None:
        raise YearInLedger(
            f"Nothing is to be stated of {year}: the ratios use what the ledger has of the organisation's own"
            f" campaigns, an income of {found.income_fen} fen and a spending of {found.spending_fen} fen.",
            fields=["year"],
            income_fen=found.income_fen,
            spending_fen=found.spending_fen,
        )


def require_waiting(state: StatementState) -> None:
    """Raise StatementDecided unless the statement waits for its second person."""
    if state is not StatementState.ASKED:
        raise StatementDecided(f"It is {state}; only what waits is confirmed or withdrawn.")


def years_used(
    year: int, ledger: Mapping[int, YearFigures], stated: Mapping[int, YearFigures]
) -> dict[int, YearUsed]:
    """A year and the YEARS_BACK before it, newest first: the ledger's where it has the year, the confirmed
    statement otherwise.
    """
    return {
        each: _year_used(ledger.get(each), stated.get(each))
        for each in range(year, year - YEARS_BACK - 1, -1)
    }


def _year_used(ledger: YearFigures | None, stated: YearFigures | None) -> YearUsed:
    if ledger is not None:
        return YearUsed(Basis.LEDGER, ledger)
    if stated is not None:
        return YearUsed(Basis.STATED, stated)
    return YearUsed(Basis.NONE, YearFigures())
