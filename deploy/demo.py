"""`shanliu demo`: a gala on the local stack, and with --once the proof that nothing is lost or doubled."""

import asyncio
import json
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import asyncpg
import httpx

from deploy.evening import Evening, EveningFailed, Expected, Stage
from deploy.local import launcher
from deploy.local.credentials import Credentials
from deploy.local.databases import parse_url
from deploy.local.layout import Home, Ports
from deploy.local.problems import Report, StackProblem
from deploy.local.running import Running
from deploy.screen import Screen
from deploy.verify.judging import verify
from deploy.verify.places import Places

SCREEN_S: Final = 60
"""How long the screen may take to show the exact total after the last donation was accepted."""
SHOWN_DIFFERENCES: Final = 5
TRICKLE_S: Final = 1.5
"""Pause between the donations that keep the screen alive until Ctrl-C."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out of an evening. Amounts in fen; `lost` and `double` count donations."""

    donations: int
    total_fen: int
    screen_total_fen: int
    lost: int
    double: int
    seconds: float


def run_demo(*, once: bool, donations: int, say: Report, meter: launcher.Meter) -> int:
    """The whole demo of an evening; the exit code."""
    begun = time.monotonic()

    def play(stack: Running) -> int:
        try:
            return asyncio.run(_evening(stack, once=once, donations=donations, say=say, begun=begun))
        except (EveningFailed, httpx.HTTPError, OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise StackProblem(f"The evening failed: {type(error).__name__}: {error}") from error

    return on_a_stack(play, say, meter)


def on_a_stack(play: Callable[[Running], int], say: Report, meter: launcher.Meter) -> int:
    """Play on the running stack, or on one that is started for it and stopped after it; the exit code."""
    home = Home.from_environment()
    if launcher.running(home) is not None:
        launcher.up(home, say, meter)
        say("a stack is running already: the demo uses it and leaves it running")
        return play(Running.find())
    launcher.prepare(home, Ports.from_environment(), say, meter)
    started = launcher.Launcher(home, say, tied=True)
    try:
        started.wait_ready()
        return play(Running.find())
    finally:
        say("stopping everything")
        started.stop()


async def _evening(stack: Running, *, once: bool, donations: int, say: Report, begun: float) -> int:
    async with _evening_on(stack, say) as evening:
        await evening.prepare()
        say(f"screen            {stack.urls['reporting']}/screens/{evening.expected.campaign_id}")
        if not once:
            for what, address in stack.addresses.items():
                say(f"{what:<17} {address}")
            from deploy.accounts import show_first  # noqa: PLC0415 - needs the services' libraries

            show_first(say)
        screen = Screen(f"{stack.urls['reporting']}/v1/campaigns/{evening.expected.campaign_id}/stream")
        following = asyncio.create_task(screen.follow())
        try:
            await evening.play(donations)
            say(f"receipt           {evening.check_address}")
            proof, problems = await prove(stack, evening.expected, screen, begun)
            _tell(proof, problems, say)
            if once:
                sys.stdout.write(json.dumps(asdict(proof)) + "\n")
                sys.stdout.flush()
            else:
                await _until_stopped(stack, evening, say)
            return 1 if problems else 0
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


@asynccontextmanager
async def _evening_on(stack: Running, say: Report) -> AsyncIterator[Evening]:
    credentials = Credentials.load_or_make(stack.home.secrets_file)
    stage = Stage(
        donation=stack.urls["donation"],
        campaign=stack.urls["campaign"],
        reporting=stack.urls["reporting"],
        kafka=stack.kafka.split(","),
        kafka_namespace=stack.namespace,
        tokens={role: stack.token(role) for role in ("desk", "approver", "finance", "administrator")},
    )
    evening = Evening(stage, credentials.channels, seed=secrets.randbits(32), say=say)
    try:
        yield evening
    finally:
        # The channels' secrets are told once, when they are registered.
        credentials.save(stack.home.secrets_file)
        await evening.close()


def _tell(proof: Proof, problems: list[str], say: Report) -> None:
    if problems:
        say(f"NOT PROVED: {len(problems)} differences, the first of them:")
        for problem in problems[:SHOWN_DIFFERENCES]:
            say(f"  {problem}")
        say("`shanliu verify` lists them all")
    else:
        say(
            f"{proof.donations} donations, {proof.total_fen / 100:,.2f} yuan: the screen, the logs, "
            "the services' books and what was sent agree to the fen"
        )


async def _until_stopped(stack: Running, evening: Evening, say: Report) -> None:
    """Keep a trickle of donations coming until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    say("a donation comes every moment; Ctrl-C stops everything")
    while not stop.is_set():
        if launcher.running(stack.home) is None:
            raise StackProblem(f"The stack has stopped; see {stack.home.logs / 'supervisor.log'}.")
        try:
            await evening.donate_by_http(1)
        except (EveningFailed, httpx.HTTPError) as error:
            # Somebody may try out what a killed service does: the next donation comes all the same.
            say(f"a donation was not accepted: {error!r:.200}")
        try:
            async with asyncio.timeout(TRICKLE_S):
                await stop.wait()
        except TimeoutError:
            continue


# ---------------------------------------------------------------- the proof


async def prove(stack: Running, expected: Expected, screen: Screen, begun: float) -> tuple[Proof, list[str]]:
    """Wait for the screen, then compare it and every service's own books to what was sent.

    The reasons why it isn't proved come with it; none when everything agrees.
    """
    wanted = {
        "net_fen": expected.total_fen,
        "donations": expected.donations,
        "promised_fen": expected.promised_fen,
        "disbursed_fen": expected.disbursed_fen,
        "returned_fen": expected.returned_fen,
        "goods_received_fen": expected.goods_received_fen,
        "goods_distributed_fen": expected.goods_distributed_fen,
    }
    arrived = await screen.until(SCREEN_S, **wanted)
    problems = [] if arrived else [_difference("the screen", wanted, screen.state)]
    lost, double = await _compare_donations(stack, expected)
    if lost or double:
        problems.append(f"{lost} donations are lost, {double} are there twice")
    problems += await _compare_services(stack, expected)
    verdict = await verify(Places.find(), expected.campaign_id, wait_s=SCREEN_S)
    problems += [str(difference) for difference in verdict.findings]
    proof = Proof(
        donations=expected.donations,
        total_fen=expected.total_fen,
        screen_total_fen=int(screen.state.get("net_fen", -1)),
        lost=lost,
        double=double,
        seconds=round(time.monotonic() - begun, 1),
    )
    return proof, problems


def _difference(where: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    parts = [f"{name} {found.get(name)} instead of {value}" for name, value in wanted.items()]
    different = [part for part, name in zip(parts, wanted, strict=True) if found.get(name) != wanted[name]]
    return f"{where} shows {', '.join(different)}"


async def _compare_donations(stack: Running, expected: Expected) -> tuple[int, int]:
    """How many of the accepted donations the donation service hasn't got with their amount, and how many
    it has more than once (or that nobody sent).
    """
    rows = await _ask(
        stack,
        "donation",
        "SELECT channel, transaction_id, amount_fen FROM donations WHERE campaign_id = $1",
        expected.campaign_id,
    )
    found = [((row["channel"], row["transaction_id"]), row["amount_fen"]) for row in rows]
    unique = dict(found)
    lost = sum(unique.get(key) != amount_fen for key, amount_fen in expected.accepted.items())
    strangers = sum(key not in expected.accepted for key in unique)
    return lost, len(found) - len(unique) + strangers


async def _compare_services(stack: Running, expected: Expected) -> list[str]:
    """What each service's public interface says of the evening, against what was sent."""
    campaign = expected.campaign_id
    reports = f"{stack.urls['reporting']}/v1/campaigns/{campaign}/totals"
    balances = f"{stack.urls['campaign']}/v1/campaigns/{campaign}/balance"
    headers = {"authorization": f"Bearer {stack.token('finance')}"}
    async with httpx.AsyncClient(timeout=10) as http:
        totals = (await http.get(reports)).raise_for_status().json()
        balance = await _settled(http, balances, headers, expected)
    received_fen = sum(expected.accepted.values())
    wanted = {
        "received_fen": received_fen,
        "reversed_fen": expected.refunded_fen,
        "net_fen": expected.total_fen,
        "donations": expected.donations,
        "promised_fen": expected.promised_fen,
        "disbursed_fen": expected.disbursed_fen,
        "returned_fen": expected.returned_fen,
        "goods_received_fen": expected.goods_received_fen,
        "goods_distributed_fen": expected.goods_distributed_fen,
    }
    booked = {
        name: wanted[name] for name in ("received_fen", "reversed_fen", "disbursed_fen", "returned_fen")
    }
    problems = []
    for where, target, found in (("reporting", wanted, totals), ("campaign", booked, balance)):
        if any(found.get(name) != value for name, value in target.items()):
            problems.append(_difference(where, target, found))
    return problems


async def _settled(
    http: httpx.AsyncClient, url: str, headers: dict[str, str], expected: Expected
) -> dict[str, Any]:
    """The fund's balance, once it has followed the donations; the last one when it doesn't in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SCREEN_S
    while True:
        answer = await http.get(url, headers=headers)
        balance: dict[str, Any] = answer.raise_for_status().json()
        net_fen = balance.get("received_fen", 0) - balance.get("reversed_fen", 0)
        if net_fen == expected.total_fen or loop.time() > deadline:
            return balance
        await asyncio.sleep(0.1)


async def _ask(stack: Running, service: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    url = parse_url(stack.databases[service]).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False), timeout=10)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()
