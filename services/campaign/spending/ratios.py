"""What a public-fundraising body must spend, and may spend on itself, in a year (Charity Law art. 61). Pure.

Spending on charitable activities: at least 70 % of last year's income, or of the mean income of the three
years before. Management: at most 10 % of the year's whole spending. Who can't keep them reports to the bureau
and says so in public; nothing is refused here, the figures are shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPENT_LEAST_BP: Final = 7_000
MANAGEMENT_MOST_BP: Final = 1_000
WHOLE_BP: Final = 10_000
"""Shares are basis points: hundredths of a percent."""

YEARS_BACK: Final = 3


@dataclass(frozen=True, slots=True)
class YearFigures:
    """One year of an organisation by the ledger, in fen; a year of many refunds may be below zero."""

    income_fen: int = 0
    programme_fen: int = 0
    management_fen: int = 0
    spending_fen: int = 0
    """Everything that went out: programmes, management, fund-raising, other."""


@dataclass(frozen=True, slots=True)
class Ratios:
    """The shares of one year. None: there is nothing to take a share of."""

    year: YearFigures
    last_income_fen: int
    mean_income_fen: int
    spent_of_last_bp: int | None
    spent_of_mean_bp: int | None
    management_bp: int | None

    @property
    def spends_enough(self) -> bool | None:
        """At least 70 % of one of the two; None when neither year has an income."""
        shares = [each for each in (self.spent_of_last_bp, self.spent_of_mean_bp) if each is not None]
        return max(shares) >= SPENT_LEAST_BP if shares else None

    @property
    def management_within(self) -> bool | None:
        """At most 10 %; None when nothing was spent."""
        return None if self.management_bp is None else self.management_bp <= MANAGEMENT_MOST_BP


def ratios_of(year: int, years: Mapping[int, YearFigures]) -> Ratios:
    """The shares of a year, from its own figures and those of the three years before."""
    this = years.get(year, YearFigures())
    before = [years.get(year - back, YearFigures()).income_fen for back in range(1, YEARS_BACK + 1)]
    mean_fen = sum(before) // YEARS_BACK
    return Ratios(
        year=this,
        last_income_fen=before[0],
        mean_income_fen=mean_fen,
        spent_of_last_bp=_at_least(this.programme_fen, before[0]),
        spent_of_mean_bp=_at_least(this.programme_fen, mean_fen),
        management_bp=_at_most(this.management_fen, this.spending_fen),
    )


def _at_least(part_fen: int, whole_fen: int) -> int | None:
    """A share that must reach something, rounded down: it is never shown as reached a fen too early."""
    return part_fen * WHOLE_BP // whole_fen if whole_fen > 0 else None


def _at_most(part_fen: int, whole_fen: int) -> int | None:
    """A share that must not pass something, rounded up."""
    return -(-part_fen * WHOLE_BP // whole_fen) if whole_fen > 0 else None
