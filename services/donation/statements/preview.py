"""What a file comes to, for who confirms it: counts, sums, numbers of lines, never their content."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import BaseModel, Field

from services.donation.intake import DonationRequest
from services.donation.statements.amounts import read_fen
from services.donation.statements.checking import Line
from services.donation.statements.profiles import Profile

SHOWN: Final = 20
MAX_CAMPAIGNS: Final = 200


class Sum(BaseModel):
    """How many, and how much in fen."""

    count: int = Field(default=0, ge=0)
    amount_fen: int = Field(default=0, ge=0)

    def add(self, amount_fen: int) -> None:
        """One more."""
        self.count += 1
        self.amount_fen += amount_fen


class BadLine(BaseModel):
    """A line that can't be taken, by its number in the file, and why."""

    line: int
    reasons: list[str]


class Preview(BaseModel):
    """What confirming would do. `known`: lines that are in the books already; `repeated`: that stand in the
    file before; both are taken once. `notice`: lines that the profile wants looked at.
    """

    lines: int = 0
    donations: Sum = Field(default_factory=Sum, description="new ones")
    reversals: Sum = Field(default_factory=Sum, description="new ones")
    known: int = 0
    repeated: int = 0
    passed_over: int = 0
    bad: int = 0
    campaigns: dict[str, Sum] = Field(default_factory=dict, description="the new donations, by campaign")
    first_at: datetime | None = None
    last_at: datetime | None = None
    bad_lines: list[BadLine] = Field(default_factory=list, description=f"the first {SHOWN}")
    notice: int = 0
    notice_lines: list[int] = Field(default_factory=list, description=f"the first {SHOWN}")
    warnings: list[str] = Field(default_factory=list)

    @property
    def good(self) -> int:
        """Lines that say something of ours, in the books already or not."""
        return self.donations.count + self.reversals.count + self.known + self.repeated


class Previewing:
    """Adds lines up to a preview."""

    def __init__(self, profile: Profile) -> None:
        self.preview = Preview()
        self._profile = profile
        self._in_file = Sum()

    def add(self, line: Line, known: bool) -> None:  # noqa: FBT001 - whether it is in the books
        """One more line."""
        preview = self.preview
        preview.lines += 1
        if line.notice:
            preview.notice += 1
            preview.notice_lines = [*preview.notice_lines, line.number][:SHOWN]
        if line.verdict == "bad":
            preview.bad += 1
            if len(preview.bad_lines) < SHOWN:
                preview.bad_lines.append(BadLine(line=line.number, reasons=list(line.reasons)))
        elif line.verdict == "passed_over":
            preview.passed_over += 1
        else:
            self._add_message(line, known)

    def _add_message(self, line: Line, known: bool) -> None:  # noqa: FBT001 - whether it is in the books
        preview, message = self.preview, line.message
        assert message is not None
        is_donation = isinstance(message, DonationRequest)
        if is_donation:
            self._in_file.add(message.amount_fen)
        if line.verdict == "repeated":
            preview.repeated += 1
        elif known:
            preview.known += 1
        elif isinstance(message, DonationRequest):
            preview.donations.add(message.amount_fen)
            self._of_campaign(message.campaign_id).add(message.amount_fen)
        else:
            preview.reversals.add(message.amount_fen)
        preview.first_at = min(preview.first_at or message.occurred_at, message.occurred_at)
        preview.last_at = max(preview.last_at or message.occurred_at, message.occurred_at)

    def _of_campaign(self, campaign_id: str) -> Sum:
        campaigns = self.preview.campaigns
        name = campaign_id if campaign_id in campaigns or len(campaigns) < MAX_CAMPAIGNS else "…"
        return campaigns.setdefault(name, Sum())

    def finish(self, trailer: Sequence[Mapping[str, str]], unknown_campaigns: Sequence[str]) -> Preview:
        """The preview, with what a person should know before they confirm."""
        preview = self.preview
        if not preview.lines:
            preview.warnings.append("The file has no lines.")
        if unknown_campaigns:
            preview.warnings.append(
                f"Will be held, nobody knows the campaign: {', '.join(unknown_campaigns)}."
            )
        if preview.notice:
            preview.warnings.append(f"{preview.notice} lines are of a kind that a person should look at.")
        if self._profile.totals:
            preview.warnings += self._differences(trailer)
        return preview

    def _differences(self, trailer: Sequence[Mapping[str, str]]) -> list[str]:
        """Where the line of totals says something else than the lines."""
        totals = self._profile.totals
        assert totals is not None
        line = next((each for each in trailer if _first(each).startswith(totals.begins)), None)
        if line is None:
            return ["The line of totals is missing: is the file whole?"]
        warnings = []
        for column, unit, ours in (
            (totals.amount, self._profile.amount.unit, self._in_file.amount_fen),
            (totals.count, "fen", self._in_file.count),
        ):
            if column is None:
                continue
            try:
                said = read_fen(line.get(column, ""), "yuan" if unit == "yuan" else "fen")
            except ValueError as error:
                warnings.append(f"The line of totals: {column}: {error}.")
                continue
            if said != ours:
                warnings.append(f"The line of totals says {said} under {column}, the donations make {ours}.")
        return warnings


def _first(line: Mapping[str, str]) -> str:
    return next(filter(None, line.values()), "")
