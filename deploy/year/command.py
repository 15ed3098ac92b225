"""`shanliu demo --scenario year-2023`: plays the year on the local stack; its figures must come out right."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from deploy.accounts import show_first
from deploy.demo import on_a_stack
from deploy.local.launcher import Meter, running
from deploy.local.problems import Report, StackProblem
from deploy.local.running import Running
from deploy.verify.judging import Verdict, verify
from deploy.verify.places import Places
from deploy.year import online
from deploy.year.check import Figure, figures
from deploy.year.office import Office, YearFailed
from deploy.year.player import Player
from deploy.year.reading import Reader
from deploy.year.scenario import year_2023

VERIFY_S: Final = 60.0
SHOWN_DIFFERENCES: Final = 10
PROJECTS: Final = (
    "(*) a project is a programme or an emergency appeal that is no part of another; the annual report's"
    " 活动数 counts every campaign with movements, parts and events too"
)
PEOPLE: Final = (
    "those whom `shanliu token` lists with an organisation belong to the evening's; the year's organisations"
    " are new, and desk.lin, finance.chen and approver.wang work for all of them"
)
LOOK_S: Final = 2.0
ROLES: Final = ("desk", "approver", "finance", "administrator")
QUIET_S: Final = 5.0
"""Between two lines of progress."""


def run_year(*, once: bool, scale: int, say: Report, meter: Meter) -> int:
    """The whole year; the exit code."""
    begun = time.monotonic()
    try:
        online.played(year_2023(), scale)
    except online.ScaleRefused as refused:
        raise StackProblem(str(refused)) from refused

    def play(stack: Running) -> int:
        try:
            return asyncio.run(_year(stack, once=once, scale=scale, say=say, begun=begun))
        except* (YearFailed, httpx.HTTPError, OSError, TimeoutError, asyncpg.PostgresError) as errors:
            first = errors.exceptions[0]
            raise StackProblem(f"The year failed: {type(first).__name__}: {first}") from errors

    return on_a_stack(play, say, meter)


class Progress:
    """Says how far a step is, every QUIET_S, and how long it took."""

    def __init__(self, say: Report) -> None:
        self._say = say
        self._what = ""
        self._begun_s = self._told_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note that `done` of `total` are done."""
        now_s = time.monotonic()
        if what != self._what:
            self._what, self._begun_s, self._told_s = what, now_s, now_s
        if done >= total:
            self._say(f"{what:<22} {total:>8,}   {now_s - self._begun_s:6.1f} s")
            self._what = ""
        elif now_s - self._told_s > QUIET_S:
            self._told_s = now_s
            self._say(f"{what:<22} {done:>8,} of {total:,}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a year. `seconds`: from the start of the command, the stack's start included."""

    run: str
    scale: int
    donations: int
    commands: int
    figures: list[Figure]
    verdict: Verdict
    seconds: float

    @property
    def right(self) -> bool:
        """Every figure is the seed's, and every number is proved."""
        return all(each.equal for each in self.figures) and self.verdict.exact

    def as_json(self) -> dict[str, Any]:
        """One object for programs; amounts in fen."""
        return {
            "scenario": "year-2023",
            "run": self.run,
            "scale": self.scale,
            "donations": self.donations,
            "commands": self.commands,
            "right": self.right,
            "figures": [{**asdict(each), "equal": each.equal} for each in self.figures],
            "verified": {
                "exact": self.verdict.exact,
                "campaigns": len(self.verdict.campaigns),
                "differences": [str(each) for each in self.verdict.findings[:SHOWN_DIFFERENCES]],
                "seconds": round(self.verdict.seconds, 1),
            },
            "seconds": round(self.seconds, 1),
        }


async def _year(stack: Running, *, once: bool, scale: int, say: Report, begun: float) -> int:
    progress = Progress(say)
    office = Office(stack.urls, {role: stack.token(role) for role in ROLES}, progress)
    player = Player(
        office,
        year_2023(),
        scale=scale,
        secrets=stack.credentials.channels,
        kafka=stack.kafka.split(","),
        namespace=stack.namespace,
        intake_url=stack.urls["donation"],
        told=progress,
    )
    try:
        played = await player.play()
        reading = await Reader(office, year_2023(), played).read()
    finally:
        # The channels' secrets are told once, when they are registered.
        stack.credentials.save(stack.home.secrets_file)
        await office.close()
    say("verifying every campaign's number from the logs, the databases and the screens")
    verdict = await verify(Places.find(), wait_s=VERIFY_S)
    outcome = Outcome(
        played.run,
        scale,
        played.donations,
        office.commands,
        figures(reading, scale),
        verdict,
        time.monotonic() - begun,
    )
    _show(outcome, say)
    if once:
        sys.stdout.write(json.dumps(outcome.as_json(), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    elif outcome.right:
        await _until_stopped(stack, say)
    return 0 if outcome.right else 1


def _show(outcome: Outcome, say: Report) -> None:
    """The table of the figures on stderr, then what verify found."""
    console = Console(stderr=True, highlight=False)
    table = Table(title="2023", title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.add_column("figure")
    table.add_column("report", justify="right")
    for heading in ("stated", "system"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for each in outcome.figures:
        mark = "[green]equal[/]" if each.equal else "[bold red]differs[/]"
        table.add_row(each.what, each.report, each.stated_text, each.found_text, mark)
    console.print(table)
    say(PROJECTS)
    for difference in outcome.verdict.findings[:SHOWN_DIFFERENCES]:
        console.print(f"  {difference}", style="red", markup=False, soft_wrap=True)
    equal = sum(each.equal for each in outcome.figures)
    say(f"{equal} of {len(outcome.figures)} figures are the report's, to the fen")
    verdict = outcome.verdict
    say(f"{len(verdict.campaigns)} campaigns verified in {verdict.seconds:.1f} s: {verdict.result}")
    say(f"{outcome.donations:,} donations, {outcome.commands:,} commands, {outcome.seconds:.1f} s")


async def _until_stopped(stack: Running, say: Report) -> None:
    """Leave everything up to be looked at until Ctrl-C."""
    for what, address in stack.addresses.items():
        say(f"{what:<17} {address}")
    show_first(say)
    say(PEOPLE)
    say("Ctrl-C stops everything")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        if running(stack.home) is None:
            raise StackProblem(f"The stack has stopped; see {stack.home.logs / 'supervisor.log'}.")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await stop.wait()
