"""What may be done with a report: drafted by one, published by another, corrected by a later one. Pure.

drafted → published by another person, or drafted → withdrawn. What is published stays as it is and is
followed by at most one correction; what a correction says is again corrected by a correction.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from services.campaign.disclosure.calendar import Obligation
from shared.events.documents import MAX_WIRE_BYTES, ReportKind, wire_bytes
from shared.refusals import Refused


class ReportState(StrEnum):
    """Where a report stands."""

    DRAFTED = "drafted"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class NotAsked(Refused):
    """A report that is in no calendar."""

    code = "report-not-in-calendar"
    title = "The calendar has no such report"
    status = 422


class PeriodNotOver(Refused):
    """A report on days in which something can still happen."""

    code = "report-period-not-over"
    title = "The days of the report are not over"


class PeriodRefused(Refused):
    """A last day that the kind of report does not have."""

    code = "report-period-refused"
    title = "The report can't end on this day"
    status = 422


class ReportExists(Refused):
    """A second report for the same days."""

    code = "report-exists"
    title = "There is a report on these days"


class ReportStepNotAllowed(Refused):
    """The report's state has no such step."""

    code = "report-step-not-allowed"
    title = "The report can't take this step from its state"


class DigestDiffers(Refused):
    """What the second person has read is not what would be published."""

    code = "report-digest-differs"
    title = "What was read is not what was drafted"


class CorrectedAlready(Refused):
    """A correction of what a later report stands in the place of."""

    code = "report-corrected"
    title = "A later report stands in its place"


class NothingChanged(Refused):
    """A correction that says the same."""

    code = "report-correction-empty"
    title = "The correction changes nothing"


class ReportTooLarge(Refused):
    """More than one event can carry."""

    code = "report-too-large"
    title = "The report is too large"


class LedgerNotExact(Refused):
    """Books that nobody may report from."""

    code = "ledger-not-exact"
    title = "The ledger is not exact"


def obligation_of(obligations: Iterable[Obligation], kind: ReportKind, period_from: date) -> Obligation:
    """The obligation a report belongs to. Raises NotAsked."""
    begun = [each for each in obligations if each.kind == kind]
    for each in begun:
        if each.period_from == period_from:
            return each
    days = ", ".join(str(each.period_from) for each in begun[-5:])
    raise NotAsked(
        f"Look at the calendar: {kind} reports begin on {days or 'no day yet'}.",
        fields=["kind", "period_from"],
    )


def last_day(obligation: Obligation, asked: date | None, today: date) -> date:
    """The last day a report covers: its obligation's; of a final report a later one if it is asked for.

    Raises PeriodRefused, or PeriodNotOver: what is published about a day must be all of it.
    """
    day = asked or obligation.period_to
    if obligation.kind == "final":
        if day < obligation.period_to:
            raise PeriodRefused(
                f"The campaign ended on {obligation.period_to}; the final report covers all of it.",
                fields=["period_to"],
            )
    elif day != obligation.period_to:
        raise PeriodRefused(
            f"It covers the days up to {obligation.period_to}. Leave period_to out.", fields=["period_to"]
        )
    if day >= today:
        raise PeriodNotOver(
            f"Its last day is {day}; draw it up from the day after.", period_to=day.isoformat()
        )
    return day


def require_state(state: ReportState, needed: ReportState) -> None:
    """Raise ReportStepNotAllowed unless the report is in the state."""
    if state is not needed:
        raise ReportStepNotAllowed(
            f"The report is {state}; this is done with one that is {needed}. Read it again.",
            state=state.value,
        )


def require_read(digest: str, read_digest: str) -> None:
    """Raise DigestDiffers unless what the second person has read is what was drafted."""
    if digest != read_digest:
        raise DigestDiffers(
            "Read the report, and send the digest that stands in it.", fields=["digest"], digest=digest
        )


def require_fits(content: bytes) -> None:
    """Raise ReportTooLarge unless an event can carry it."""
    size = wire_bytes(content)
    if size > MAX_WIRE_BYTES:
        raise ReportTooLarge(
            f"It has {size} bytes, {MAX_WIRE_BYTES} go out. Shorten its remarks, or report for the parts.",
            bytes=size,
        )


def require_exact(difference_fen: int) -> None:
    """Raise LedgerNotExact unless debits equal credits."""
    if difference_fen:
        raise LedgerNotExact(
            f"Debits and credits differ by {difference_fen} fen. Run GET /v1/ledger/check, and report later.",
            difference_fen=difference_fen,
        )
