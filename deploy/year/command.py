"""`shanliu demo --scenario year-2023`: plays the year on the local stack; its figures must come out right."""

import asyncio
import time
from typing import Final

import asyncpg
import httpx

from deploy.demo import on_a_stack
from deploy.local.launcher import Meter
from deploy.local.problems import Report, StackProblem
from deploy.local.running import Running
from deploy.year.office import Office, YearFailed
from deploy.year.online import ScaleRefused, played
from deploy.year.player import Player
from deploy.year.scenario import year_2023

ROLES: Final = ("desk", "approver", "finance", "administrator")
QUIET_S: Final = 5.0
"""Between two lines of progress."""


def run_year(*, once: bool, scale: int, say: Report, meter: Meter) -> int:
    """The whole year; the exit code."""
    begun = time.monotonic()
    try:
        played(year_2023(), scale)
    except ScaleRefused as refused:
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


async def _year(stack: Running, *, once: bool, scale: int, say: Report, begun: float) -> int:
    del once
    progress = Progress(say)
    credentials = stack.credentials
    office = Office(stack.urls, {role: stack.token(role) for role in ROLES}, progress)
    player = Player(
        office,
        year_2023(),
        scale=scale,
        secrets=credentials.channels,
        kafka=stack.kafka.split(","),
        namespace=stack.namespace,
        intake_url=stack.urls["donation"],
        told=progress,
    )
    try:
        await player.play()
        say(f"{time.monotonic() - begun:.1f} s, {office.commands} commands")
        return 0
    finally:
        credentials.save(stack.home.secrets_file)
        await office.close()
