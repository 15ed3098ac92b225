"""`shanliu rehearse`: a surge on the running stack, with faults on request, judged against the goals.

It behaves as careful channels do: what is not accepted is sent again under the same transaction_id. So all of
it has to be counted in the end, once, whatever was killed or frozen meanwhile. The campaign and the channel
are its own and stay, marked as a rehearsal.
"""

import asyncio
import base64
import contextlib
import json
import signal
import sys
import tempfile
import time
import uuid
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from deploy.bench.donations import Series, signed_requests
from deploy.bench.http_load import Load
from deploy.bench.latency import P50_MS, P99_MS, Latency, latency_of
from deploy.bench.meters import machine
from deploy.bench.producing import produce_at_rate
from deploy.bench.report import Figure, Result, show
from deploy.bench.screens import Seen
from deploy.evening import plan
from deploy.local import state
from deploy.local.environment import own_environment
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Child, Command, Identity, Keeper, wait_until
from deploy.local.running import Running
from deploy.verify.judging import Verdict, verify
from deploy.verify.places import Places
from services.reporting.totals import CampaignState
from shared.broker import TOTALS, KafkaSettings

MOST: Final = 500_000
"""Donations of one rehearsal: they are signed beforehand, which holds for five minutes."""
LIVE_S: Final = 30.0
"""So soon after a fault the screens have to follow again (issue 3)."""
FOLLOWING_S: Final = 1.0
"""A screen follows when it lacks no more than what was accepted within this time."""
FROZEN_S: Final = 10.0
"""Longer than a consumer's session time-out: its partitions go to others, or wait for it."""
SCREENS_S: Final = 60.0
COUNTED_S: Final = 60.0
VERIFY_S: Final = 30.0
ALIASES: Final = {"worker": "donation-worker", "broker": "kafka", "database": "postgres"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to which process: kill (kill -9) or freeze (SIGSTOP, after FROZEN_S SIGCONT)."""

    deed: str
    process: str

    @property
    def name(self) -> str:
        """As it is asked for."""
        return f"{self.deed}-{self.process}"

    @classmethod
    def parse(cls, text: str, processes: Sequence[str]) -> "Fault":
        """Read "kill-donation-worker", "freeze-reporting", "kill-broker". Raises StackProblem."""
        deed, _, name = text.strip().partition("-")
        process = ALIASES.get(name, name)
        if deed not in {"kill", "freeze"} or process not in processes:
            raise StackProblem(
                f"{text!r} is no fault: kill- or freeze- and one of {', '.join([*processes, *ALIASES])}."
            )
        return cls(deed, process)


@dataclass(slots=True)
class Happened:
    """A fault as it happened. Times are time.monotonic_ns()."""

    fault: Fault
    at_ns: int


@dataclass
class Rehearsal:
    """One surge: where it goes, and what was noted of it."""

    stack: Running
    campaign_id: str
    channel: str
    key: bytes
    folder: Path
    keeper: Keeper
    positions: dict[int, dict[str, int]] = field(default_factory=dict)
    happened: list[Happened] = field(default_factory=list)

    @property
    def kafka(self) -> KafkaSettings:
        """The stack's broker."""
        return KafkaSettings(kafka_bootstrap_servers=self.stack.kafka, kafka_namespace="")

    async def surge(self, series: Series, by_http: int, by_kafka: int, seconds: float) -> list[int]:
        """Send both parts at steady rates; when each donation was accepted (monotonic ns; 0: never)."""
        requests = signed_requests(series, by_http, self.channel, self.key)
        records = list(series.records(by_kafka, first=by_http))
        load = Load(self.stack.urls["donation"], requests, patient=True)
        topic = f"intake.{self.channel}"
        accepted: list[list[int]] = [[], []]

        async def over_http() -> None:
            if requests:
                answers = await load.at_rate(by_http / seconds)
                pairs = zip(answers.answered_ns, answers.statuses, strict=True)
                accepted[0] = [at_ns if status == 202 else 0 for at_ns, status in pairs]

        async def from_kafka() -> None:
            if records:
                accepted[1] = await produce_at_rate(self.kafka, topic, records, by_kafka / seconds)

        await asyncio.gather(over_http(), from_kafka())
        return accepted[0] + accepted[1]

    async def inject(self, faults: Sequence[Fault], seconds: float) -> None:
        """Let the faults happen, evenly over the middle of the surge."""
        begun_s = time.monotonic()
        for index, fault in enumerate(faults, 1):
            await asyncio.sleep(max(0.0, begun_s + seconds * index / (len(faults) + 1) - time.monotonic()))
            identity = self._identity(fault.process)
            self.happened.append(Happened(fault, time.monotonic_ns()))
            process = identity.process()
            if process is None:
                raise StackProblem(f"{fault.process} does not run, so it can't be {fault.deed}d.")
            if fault.deed == "kill":
                process.kill()
            else:
                process.send_signal(signal.SIGSTOP)
                try:
                    await asyncio.sleep(FROZEN_S)
                finally:
                    process.send_signal(signal.SIGCONT)

    def _identity(self, name: str) -> Identity:
        """The process that has this name in the supervisor's table now."""
        found = state.read(self.stack.home)
        if found is None or name not in found.processes:
            raise StackProblem(f"The stack has no process {name}.")
        return found.processes[name].identity

    async def listen(self) -> None:
        """Note the positions of every state that the topic `totals` tells, until cancelled."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.stack.kafka, fetch_max_wait_ms=50)
        await consumer.start()
        try:
            consumer.assign([TopicPartition(TOTALS, number) for number in range(self.kafka.partitions)])
            async for record in consumer:
                told = CampaignState.model_validate_json(record.value)
                if told.campaign_id == self.campaign_id:
                    self.positions[told.version] = told.positions
        finally:
            await consumer.stop()

    async def open_screens(self, streams: int) -> Child:
        """Open streams in a process of their own; returns when each shows a number."""
        file = self.folder / "screens.json"
        url = f"{self.stack.urls['reporting']}/v1/campaigns/{self.campaign_id}/stream"
        command = Command(
            "screens",
            [sys.executable, "-m", "deploy.bench.screens", url, str(streams), str(file)],
            {**own_environment(), "PYTHONPATH": str(SOURCE)},
        )
        child = Child(command, self.folder / "screens.log", self.keeper)
        ready = file.with_suffix(".ready")
        if not await asyncio.to_thread(wait_until, ready.exists, SCREENS_S):
            child.stop()
            raise StackProblem(f"{streams} streams could not be opened within {SCREENS_S:.0f} s.")
        return child

    async def counted(self, donations: int) -> bool:
        """Wait until the screens' number has every donation; False when it hasn't after COUNTED_S."""
        url = f"{self.stack.urls['reporting']}/v1/campaigns/{self.campaign_id}/totals"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNTED_S), httpx.AsyncClient(timeout=5) as client:
                while True:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(url)).json()["donations"] >= donations:
                            return True
                    await asyncio.sleep(0.2)
        return False

    async def places_of(self, series: Series) -> list[tuple[int, str, int]]:
        """(number, source, sequence) of each donation that was booked."""
        dsn = self.stack.databases["donation"].replace("postgresql+asyncpg://", "postgresql://", 1)
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            rows = await connection.fetch(
                "SELECT transaction_id, source, sequence FROM donations WHERE channel = $1", self.channel
            )
        finally:
            await connection.close()
        start = f"{series.run}-"
        return [(int(row[0].removeprefix(start)), row[1], row[2]) for row in rows]


# ---------------------------------------------------------------- what came out, judged


def live_again_s(
    happened: Sequence[Happened], accepted_ns: Sequence[int], seen: Seen, per_second: float
) -> list[float]:
    """For each fault, how long after it a screen last lacked more than FOLLOWING_S of donations; 0: it never
    did. A window ends with the next fault.
    """
    accepted = sorted(at_ns for at_ns in accepted_ns if at_ns)
    allowed = per_second * FOLLOWING_S
    faults_ns = [each.at_ns for each in happened]
    found = [0.0] * len(happened)
    for stream in seen.arrivals:
        shown = 0
        for version, at_ns in stream:
            index = bisect_right(faults_ns, at_ns) - 1
            # Until this frame came, the screen had the number of the one before.
            if index >= 0 and bisect_right(accepted, at_ns) - shown > allowed:
                found[index] = max(found[index], (at_ns - faults_ns[index]) / 1e9)
            shown = int(seen.frames[version]["donations"])
    return found


def judge(
    rehearsal: Rehearsal,
    accepted_ns: Sequence[int],
    verdict: Verdict,
    latency: Latency,
    again_s: Sequence[float],
) -> Result:
    """What came out, with the goals."""
    result = Result("rehearsal")
    lines = verdict.campaigns.get(rehearsal.campaign_id, [])
    counted = min((line.sums.donations for line in lines), default=0)
    most = max((line.sums.donations for line in lines), default=0)
    sent, accepted = len(accepted_ns), sum(1 for at_ns in accepted_ns if at_ns)
    result.figures = [
        Figure("lost", max(0, accepted - counted), "donations", 0, "lower", f"{accepted:,} accepted"),
        Figure("double", max(0, most - sent), "donations", 0, "lower"),
    ]
    if accepted < sent:
        result.wrong.append(f"{sent - accepted} of {sent} donations were never accepted")
    result.wrong += [str(difference) for difference in verdict.findings]
    result.wrong += [f"{figure.name}: {figure.value:.0f}" for figure in result.figures if not figure.met]
    # With a fault the tail is the fault's: it is judged by how soon the screens follow again.
    faulty = bool(rehearsal.happened)
    worst = f"worst {latency.worst_ms:.0f} ms"
    result.figures += [
        Figure("accepted → frame p50", latency.p50_ms, "ms", None if faulty else P50_MS, "lower"),
        Figure("accepted → frame p99", latency.p99_ms, "ms", None if faulty else P99_MS, "lower", worst),
    ]
    for each, seconds in zip(rehearsal.happened, again_s, strict=True):
        figure = Figure(f"live again after {each.fault.name}", seconds, "s", LIVE_S, "lower")
        result.figures.append(figure)
        if not figure.met:
            result.wrong.append(f"{figure.name}: {seconds:.0f} s")
    result.details = {"campaign_id": rehearsal.campaign_id, "sent": sent, "accepted": accepted}
    return result


# ---------------------------------------------------------------- the run


@asynccontextmanager
async def prepared(stack: Running) -> AsyncIterator[Rehearsal]:
    """A launched campaign and a registered channel, both of this rehearsal alone."""
    mark = uuid.uuid4().hex[:8]
    campaign_id, channel = f"rehearsal-{mark}", f"rehearsal-{mark}"
    body = plan(campaign_id, datetime.now(UTC)) | {"title": f"演练 {mark}", "title_en": f"Rehearsal {mark}"}
    number = {"filing_number": f"演练 {mark}"}
    await _command(stack, "campaign", "desk", "/v1/campaigns", body)
    await _command(stack, "campaign", "desk", f"/v1/campaigns/{campaign_id}/file", number)
    await _command(stack, "campaign", "desk", f"/v1/campaigns/{campaign_id}/launch", {})
    new = {"channel": channel, "title": "演练", "limit_per_second": 1_000_000}
    answer = await _command(stack, "donation", "administrator", "/v1/channels", new)
    with tempfile.TemporaryDirectory(prefix="shanliu-rehearse-") as folder:
        keeper = Keeper(Path(folder) / "keeper.log")
        key = base64.b64decode(answer["secret"].removeprefix("whsec_"))
        try:
            yield Rehearsal(stack, campaign_id, channel, key, Path(folder), keeper)
        finally:
            keeper.close()


async def _command(
    stack: Running, service: str, role: str, path: str, body: dict[str, Any]
) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {stack.token(role)}", "idempotency-key": uuid.uuid4().hex}
    async with httpx.AsyncClient(base_url=stack.urls[service], timeout=15) as client:
        answer = await client.post(path, json=body, headers=headers)
    if not answer.is_success:
        raise StackProblem(f"POST {path}: {answer.status_code} {answer.text[:200]}")
    return answer.json()  # type: ignore[no-any-return]


async def rehearse(
    stack: Running,
    places: Places,
    *,
    rate: int,
    seconds: float,
    kafka_share: float,
    screens: int,
    faults: Sequence[Fault],
    say: Callable[[str], None],
) -> Result:
    """Play one surge and judge it. Raises StackProblem when it can't be played."""
    sent = int(rate * seconds)
    if not 0 < sent <= MOST:
        raise StackProblem(f"{sent:,} donations can't be sent at once; from 1 to {MOST:,}.")
    by_kafka = int(sent * kafka_share)
    async with prepared(stack) as rehearsal:
        await _shown(stack, rehearsal.campaign_id)
        series = Series.of(uuid.uuid4().hex[:8], rehearsal.campaign_id)
        listening = asyncio.create_task(rehearsal.listen())
        child = await rehearsal.open_screens(screens)
        say(f"{sent:,} donations in {seconds:.0f} s to {rehearsal.campaign_id}, {screens} screens")
        accepted_ns, _ = await asyncio.gather(
            rehearsal.surge(series, sent - by_kafka, by_kafka, seconds), rehearsal.inject(faults, seconds)
        )
        if not await rehearsal.counted(sum(1 for at_ns in accepted_ns if at_ns)):
            say(f"not all of it is counted after {COUNTED_S:.0f} s")
        await asyncio.to_thread(child.stop)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        seen = Seen.read(rehearsal.folder / "screens.json")
        verdict = await verify(places, rehearsal.campaign_id, wait_s=VERIFY_S)
        latency = latency_of(accepted_ns, await rehearsal.places_of(series), rehearsal.positions, seen)
        again_s = live_again_s(rehearsal.happened, accepted_ns, seen, rate)
        result = judge(rehearsal, accepted_ns, verdict, latency, again_s)
        result.details |= {"reconnects": seen.reconnects, "latency": asdict(latency)}
        return result


async def _shown(stack: Running, campaign_id: str) -> None:
    """Wait until the screens know the campaign."""
    url = f"{stack.urls['reporting']}/v1/campaigns/{campaign_id}/totals"
    async with asyncio.timeout(SCREENS_S), httpx.AsyncClient(timeout=5) as client:
        while not (await client.get(url)).is_success:  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.1)


def run(
    rate: int,
    minutes: float,
    kafka_share: float,
    screens: int,
    faults: str,
    *,
    as_json: bool,
    say: Callable[[str], None],
) -> bool:
    """Rehearse on the running stack and show what came out; True when nothing was lost, doubled or late."""
    stack = Running.find()
    found = state.read(stack.home)
    processes = sorted(found.processes) if found else []
    wanted = [Fault.parse(text, processes) for text in faults.split(",") if text.strip()]
    measured_on = machine()
    result = uvloop.run(
        rehearse(
            stack,
            Places.find(),
            rate=rate,
            seconds=minutes * 60,
            kafka_share=kafka_share,
            screens=screens,
            faults=wanted,
            say=say,
        )
    )
    if as_json:
        sys.stdout.write(json.dumps({"machine": measured_on, **result.as_json()}, ensure_ascii=False) + "\n")
    else:
        show(Console(highlight=False), [result], measured_on)
    return result.correct
