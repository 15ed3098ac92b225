"""What the command shows: progress and a table for people, one JSON object for programs."""

import asyncio
import json
import sys
import time
from typing import Final

from rich.console import Console
from rich.table import Table

from deploy.verify.judging import Line, Verdict, verify
from deploy.verify.places import Places
from deploy.verify.shown import Shown, verify_shown
from shared.money import format_yuan

SILENT_S: Final = 2.0
"""Shorter waits need no explaining."""
EVERY_S: Final = {True: 0.1, False: 2.0}
"""On a terminal the line is written over; elsewhere each one stays."""
WIDTH: Final = 72


class Meter:
    """Says what is being done, and since when, when it takes a while."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun_s = self._told_s = time.monotonic()
        self._told = False

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note progress: `done` of `total` (0: unknown) of `what`."""
        now_s = time.monotonic()
        if now_s - self._begun_s < SILENT_S or now_s - self._told_s < EVERY_S[self._console.is_terminal]:
            return
        self._told_s, self._told = now_s, True
        share = f" {done:,} of {total:,}" if total else ""
        end = "\r" if self._console.is_terminal else "\n"
        line = f"  {now_s - self._begun_s:.0f} s: {what}{share}"
        self._console.print(line.ljust(WIDTH), end=end, markup=False)

    def clear(self) -> None:
        """Wipe the line."""
        if self._told and self._console.is_terminal:
            self._console.print(" " * WIDTH, end="\r")


def run(campaign_id: str | None, wait_s: float, *, as_json: bool, console: Console) -> bool:
    """Verify and show what was found; True when everything is exact. Raises StackProblem."""
    meter = Meter(console)
    verdict = asyncio.run(verify(Places.find(), campaign_id, wait_s=wait_s, progress=meter))
    meter.clear()
    if as_json:
        sys.stdout.write(json.dumps(verdict.as_json(), ensure_ascii=False) + "\n")
    else:
        show(Console(highlight=False), verdict)
    return verdict.exact


def run_shown(campaign_id: str, digest: str, *, ids: bool, as_json: bool, console: Console) -> bool:
    """Find a number that was shown by its digest, add it up again, and say which donations it counted; True
    when it comes out the same. Raises StackProblem.
    """
    meter = Meter(console)
    found = asyncio.run(verify_shown(Places.find(), campaign_id, digest, meter))
    meter.clear()
    if as_json:
        sys.stdout.write(json.dumps(found.as_json(ids=ids), ensure_ascii=False) + "\n")
    else:
        show_shown(Console(highlight=False), found, ids=ids)
    return found.exact


def show_shown(console: Console, found: Shown, *, ids: bool) -> None:
    """Print what was shown beside what the logs make of it, and where the donations lie."""
    proof = found.proof
    console.print(
        f"{proof['campaign_id']}, version {proof['version']}, shown at {proof['as_of']}", style="bold"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("", "shown", "from the logs"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for name in ("received_fen", "reversed_fen", "net_fen", "promised_fen", "disbursed_fen"):
        amounts = format_yuan(proof[name]), format_yuan(getattr(found.sums, name))
        table.add_row(name.removesuffix("_fen") + " ¥", *amounts)
    table.add_row("donations", f"{proof['donations']:,}", f"{found.sums.donations:,}")
    console.print(table)
    places = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("source", "donations", "from", "to", "read up to"):
        places.add_column(heading, justify="left" if heading == "source" else "right", no_wrap=True)
    for each in found.counted:
        numbers = (f"{each.donations:,}", str(each.first), str(each.last))
        places.add_row(each.source, *numbers, str(proof["positions"][each.source]))
    console.print(places)
    console.print(f"  digest {proof['digest']}", style="dim", soft_wrap=True)
    for each_id in found.donations if ids else ():
        console.print(each_id, markup=False)
    result = "the logs make the same number" if found.exact else f"the logs make {found.digest}"
    console.print(f"  {result}", style="green" if found.exact else "bold red", soft_wrap=True)


def show(console: Console, verdict: Verdict) -> None:
    """Print each campaign's number as every place has it, then the differences."""
    for campaign_id, lines in verdict.campaigns.items():
        table = Table(
            title=campaign_id, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0)
        )
        table.add_column("place", no_wrap=True)
        table.add_column("", no_wrap=True)
        for heading in ("received ¥", "reversed ¥", "net ¥", "donations", "behind"):
            table.add_column(heading, justify="right", no_wrap=True)
        for line in lines:
            table.add_row(*_cells(line))
        console.print(table)
    for difference in verdict.findings:
        console.print(f"  {difference}", style="red", markup=False, soft_wrap=True)
    for note in verdict.notes:
        console.print(f"  {note}", style="dim", markup=False, soft_wrap=True)
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in verdict.counts.items())
    console.print(f"  {counts}; {verdict.seconds:.1f} s", style="dim", markup=False, soft_wrap=True)
    console.print(f"  {verdict.result}", style="green" if verdict.exact else "bold red")


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.place,
        "[green]exact[/]" if line.exact else "[bold red]differs[/]",
        format_yuan(line.sums.received_fen),
        format_yuan(line.sums.reversed_fen),
        format_yuan(line.sums.net_fen),
        f"{line.sums.donations:,}",
        f"{line.behind:,}" if line.behind else "",
    )
