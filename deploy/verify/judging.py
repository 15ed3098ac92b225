"""Compares what every place says with what the logs make of it at the same positions."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from deploy.local.problems import StackProblem
from deploy.verify.claims import (
    LEDGER,
    Claim,
    Silent,
    Tree,
    campaign_claims,
    digest_of,
    read_donation_database,
    reporting_claims,
    screen_claims,
    tree_digest_of,
)
from deploy.verify.logs import LogReader, Logs
from deploy.verify.organisations import wrong_places
from deploy.verify.places import Places
from deploy.verify.progress import Progress, untold
from deploy.verify.workbook import AMOUNTS, NAMES, Evidence, Mismatch, Sums, Workbook

SHOWN: Final = 10
"""Differences of one kind that are named one by one."""
RETRY_S: Final = 0.5
_COMPARED: Final = (*AMOUNTS, "donations")


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the logs say. `where`: as near as it can be named."""

    place: str
    where: str
    what: str
    campaign_id: str | None = None

    def __str__(self) -> str:
        campaign = f"{self.campaign_id}: " if self.campaign_id else ""
        return f"{campaign}{self.place}, {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Line:
    """A campaign's number as one place has it, and whether it is right there."""

    place: str
    sums: Sums
    exact: bool
    behind: int = 0
    """What the logs have for it above its positions."""
    late: int = 0
    """What of that has been there since the beginning."""


@dataclass(slots=True)
class Verdict:
    """Everything that was found. `campaigns`: the lines of each, the logs first."""

    campaigns: dict[str, list[Line]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    behind: list[Difference] = field(default_factory=list)
    """Places that are right at their positions, and have not come as far as they had to within the wait."""
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exact(self) -> bool:
        """True when every place has the number that the logs make at its positions, and has caught up."""
        return not self.findings

    @property
    def findings(self) -> list[Difference]:
        """Everything that keeps it from being exact."""
        return [*self.differences, *self.behind]

    @property
    def result(self) -> str:
        """The verdict in a line for people."""
        found = (("differences", self.differences), ("places behind the logs", self.behind))
        return ", ".join(f"{len(each)} {what}" for what, each in found if each) or "exact to the fen"

    def as_json(self) -> dict[str, Any]:
        """The verdict as one JSON object. The numbers of a campaign are those of the intake log."""
        return {
            "exact": self.exact,
            "seconds": round(self.seconds, 2),
            "campaigns": {
                campaign_id: {
                    **_as_json(lines[0].sums),
                    "exact": all(line.exact for line in lines),
                    "places": {
                        line.place: {**_as_json(line.sums), "exact": line.exact, "behind": line.behind}
                        for line in lines
                    },
                }
                for campaign_id, lines in self.campaigns.items()
            },
            "differences": [asdict(difference) for difference in self.differences],
            "behind": [asdict(behind) for behind in self.behind],
            "counts": self.counts,
            "notes": self.notes,
        }


def _as_json(sums: Sums) -> dict[str, int]:
    return {**asdict(sums), "net_fen": sums.net_fen}


async def verify(
    places: Places,
    campaign_id: str | None = None,
    *,
    wait_s: float = 0.0,
    progress: Progress = untold,
) -> Verdict:
    """Recompute every campaign's number, or that of one. Raises StackProblem when a place can't be read, or
    no service knows the one.

    A number is compared at the positions it is stated for, so that it may go on changing meanwhile. With
    `wait_s` everything that was on the logs at the beginning has to be counted everywhere by then.
    """
    begun_s = time.monotonic()
    due: dict[str, int] | None = None
    while True:
        with Workbook() as workbook:
            verdict = await _Judge(places, campaign_id, workbook, progress, due).judge()
            due = due or workbook.heads()
        late = sorted({line.place for lines in verdict.campaigns.values() for line in lines if line.late})
        waited_s = time.monotonic() - begun_s
        if not late or waited_s >= wait_s:
            break
        await asyncio.sleep(RETRY_S)
    if wait_s:
        verdict.behind = [
            Difference(place, "positions", f"still behind the logs after {waited_s:.0f} s") for place in late
        ]
    verdict.seconds = time.monotonic() - begun_s
    return verdict


class _Judge:
    def __init__(
        self,
        places: Places,
        only: str | None,
        workbook: Workbook,
        progress: Progress,
        due: dict[str, int] | None,
    ) -> None:
        self._places = places
        self._only = only
        self._workbook = workbook
        self._progress = progress
        self._due = due
        self._verdict = Verdict()

    async def judge(self) -> Verdict:
        """Take every claim first and read the logs afterwards: what a claim counts is on the log by then."""
        reporting, shown, uneven = await reporting_claims(self._places)
        shown = self._mine(shown)
        campaign, broken = await campaign_claims(self._places, self._workbook)
        claims = [*reporting, *campaign]
        claims = [claim for claim in claims if claim.campaign_id in self._mine([claim.campaign_id])]
        if self._only is not None and not claims:
            raise StackProblem(f"No service knows a campaign {self._only!r}.")
        answers = await screen_claims(self._places, shown)
        claims += [answer for answer in answers if isinstance(answer, Claim)]
        logs = await LogReader(self._places, self._workbook, self._progress).read()
        wrong_status = await read_donation_database(self._places, self._workbook, self._progress)
        self._workbook.decide(_tops(claims), self._progress)
        self._differ("reporting database", "minute_totals", uneven)
        self._differ("reporting database", "organisations", (await wrong_places(self._places))[:SHOWN])
        self._differ("donation database", "status", wrong_status)
        for where, what in broken[:SHOWN]:
            self._add(LEDGER, where, what)
        for silent in (answer for answer in answers if isinstance(answer, Silent)):
            self._add(silent.place, "the answer", silent.reason, silent.campaign_id)
        self._judge_logs(logs)
        self._judge_rows()
        self._judge_claims(claims)
        self._verdict.counts = self._workbook.counts()
        return self._verdict

    def _mine(self, campaigns: Iterable[str]) -> list[str]:
        return [each for each in campaigns if self._only in {None, each}]

    def _add(self, place: str, where: str, what: str, campaign_id: str | None = None) -> None:
        self._verdict.differences.append(Difference(place, where, what, campaign_id))

    def _differ(self, place: str, where: str, found: Iterable[str]) -> None:
        for what in found:
            self._add(place, where, what)

    # ------------------------------------------------------------ the logs in themselves

    def _judge_logs(self, logs: Logs) -> None:
        for topic, problem in logs.problems[:SHOWN]:
            self._add(topic, "chain", problem)
        for check, found in self._workbook.breaches(SHOWN, self._progress):
            place = "intake log" if check.startswith("unusable") else "donation.events"
            self._add(place, found, check)
        if logs.bad_events:
            shown = ", ".join(logs.bad_events[:3])
            self._verdict.notes.append(f"{len(logs.bad_events)} records are no events: {shown}")

    # ------------------------------------------------------------ row by row

    def _judge_rows(self) -> None:
        pairs = (
            (Evidence.INTAKE, Evidence.EVENTS),
            (Evidence.INTAKE, Evidence.DONATION_DATABASE),
            (Evidence.OUTBOX, Evidence.CAMPAIGN_EVENTS),
        )
        for number, (one, other) in enumerate(pairs, 1):
            with self._workbook.telling(self._progress, f"rows: {NAMES[other]}", number, len(pairs)):
                mismatches = self._workbook.mismatches(one, other, self._only, SHOWN)
            for mismatch in mismatches:
                where = f"{mismatch.source}:{mismatch.sequence}"
                self._add(NAMES[other], where, _in_words(mismatch), mismatch.campaign_id)

    # ------------------------------------------------------------ sums at the stated positions

    def _judge_claims(self, claims: Sequence[Claim]) -> None:
        campaigns = sorted({claim.campaign_id for claim in claims})
        for number, campaign_id in enumerate(campaigns, 1):
            mine = [claim for claim in claims if claim.campaign_id == campaign_id]
            with self._workbook.telling(self._progress, "sums of the campaigns", number, len(campaigns)):
                lines = [*self._lines_of_evidence(mine[0]), *(self._line_of(claim) for claim in mine)]
            self._verdict.campaigns[campaign_id] = lines

    def _lines_of_evidence(self, stated: Claim) -> list[Line]:
        """What the logs and the donation database make at the positions of one claim."""
        expected = self._expected(stated)
        lines = []
        for evidence in (Evidence.INTAKE, Evidence.EVENTS, Evidence.DONATION_DATABASE):
            sums = self._workbook.sums(evidence, stated.campaign_id, stated.positions)
            same = (sums.received_fen, sums.reversed_fen, sums.donations) == (
                expected.received_fen,
                expected.reversed_fen,
                expected.donations,
            )
            lines.append(Line(NAMES[evidence], expected if same else sums, same))
        return lines

    def _expected(self, claim: Claim) -> Sums:
        """Donations from the intake log, everything else from the campaign service's events."""
        intake = self._workbook.sums(Evidence.INTAKE, claim.campaign_id, claim.positions)
        spent = self._workbook.sums(claim.spending, claim.campaign_id, claim.positions)
        return replace(
            spent,
            received_fen=intake.received_fen,
            reversed_fen=intake.reversed_fen,
            donations=intake.donations,
        )

    def _line_of(self, claim: Claim) -> Line:
        expected = self._expected(claim)
        wrong = [
            f"{name} is {getattr(claim.sums, name)} instead of {getattr(expected, name)}"
            for name in _COMPARED
            if name not in claim.unsaid and getattr(claim.sums, name) != getattr(expected, name)
        ]
        if wrong:
            self._add(claim.place, self._where(claim), "; ".join(wrong), claim.campaign_id)
        elif claim.digest not in {None, digest_of(claim.campaign_id, claim.positions, expected)}:
            wrong = ["digest"]
            self._add(claim.place, "digest", "is not that of its number and positions", claim.campaign_id)
        elif claim.version not in {None, sum(sequence + 1 for sequence in claim.positions.values())}:
            wrong = ["version"]
            self._add(claim.place, "version", "is not that of its positions", claim.campaign_id)
        elif claim.tree is not None and (differs := self._tree_differs(claim, claim.tree)):
            wrong = [differs]
            self._add(claim.place, "the tree", differs, claim.campaign_id)
        behind = self._workbook.behind(claim.campaign_id, claim.positions)
        late = behind
        if behind and self._due is not None:
            late = self._workbook.late(claim.campaign_id, claim.positions, self._due)
        return Line(claim.place, claim.sums, not wrong, behind, late)

    def _tree_differs(self, claim: Claim, tree: Tree) -> str:
        """What of a campaign with its parts is not the sum of what the logs make of each; nothing: it is."""
        every = {
            campaign_id: self._expected(replace(claim, campaign_id=campaign_id))
            for campaign_id in (claim.campaign_id, *tree.parts)
        }
        names = [name for name in _COMPARED if name not in claim.unsaid]
        sums = {name: sum(getattr(each, name) for each in every.values()) for name in names}
        wrong = [
            f"{name} is {getattr(tree.sums, name)} instead of {fen}"
            for name, fen in sums.items()
            if getattr(tree.sums, name) != fen
        ]
        digests = {each: digest_of(each, claim.positions, expected) for each, expected in every.items()}
        if not wrong and tree.digest != tree_digest_of(claim.campaign_id, digests):
            wrong = ["the digest is not that of its parts"]
        return "; ".join(wrong)

    def _where(self, claim: Claim) -> str:
        """The sources whose part is wrong, where the place has its number in parts."""
        if not claim.by_source:
            return "total"
        expected = self._workbook.sums_by_source(Evidence.INTAKE, claim.campaign_id, claim.positions)
        wrong = [
            source
            for source in sorted({*expected, *claim.by_source})
            if claim.by_source.get(source, Sums()) != expected.get(source, Sums())
        ]
        return ", ".join(wrong) or "promised, disbursed, returned, transferred and goods"


def _tops(claims: Iterable[Claim]) -> dict[str, int]:
    """The furthest position that any claim states, by source."""
    tops: dict[str, int] = {}
    for claim in claims:
        for source, sequence in claim.positions.items():
            # What a service says of its own outbox may not have been published yet.
            if claim.spending is not Evidence.OUTBOX or source.startswith("intake."):
                tops[source] = max(sequence, tops.get(source, -1))
    return tops


def _in_words(mismatch: Mismatch) -> str:
    def amounts(values: tuple[int, ...]) -> str:
        names = (name.removesuffix("_fen").replace("_", " ") for name in AMOUNTS)
        named = zip(names, values, strict=True)
        return ", ".join(f"{fen} fen {name}" for name, fen in named if fen) or "nothing"

    if mismatch.found is None:
        assert mismatch.expected is not None
        return f"is missing, {amounts(mismatch.expected)}"
    if mismatch.expected is None:
        return f"has {amounts(mismatch.found)}, which nobody has sent"
    return f"has {amounts(mismatch.found)} instead of {amounts(mismatch.expected)}"
