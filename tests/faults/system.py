"""The whole system as processes, with the handles that a fault needs, and the judge of what came out."""

import asyncio
import dataclasses
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.evening import plan
from deploy.local.credentials import Credentials
from deploy.local.kafka import LocalKafka
from deploy.local.layout import unused_ports
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import Child, Command
from deploy.local.services import BY_NAME, Services
from shared.broker import DONATION_WORKER_GROUP, REPORTING_GROUP
from tests.faults.surge import AMOUNT_FEN, Surge

LIVE_AGAIN_S: Final = 30
"""So soon after a fault everything has to be counted (issue 3)."""
PATIENCE_S: Final = 60
GROUPS: Final = {"donation-worker": DONATION_WORKER_GROUP, "reporting-worker": REPORTING_GROUP}
CHANNEL: Final = "faulty"


class System:
    """All processes of one namespace. Blocking calls of the local stack run in threads."""

    def __init__(
        self, services: Services, kafka: LocalKafka | None, postgres: LocalPostgres, credentials: Credentials
    ) -> None:
        self.services = services
        self._kafka = kafka
        self.postgres = postgres
        self._credentials = credentials
        self._secret = ""
        self._http = httpx.AsyncClient(timeout=10)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # ---------------------------------------------------------------- load

    async def prepare(self) -> None:
        """Register the channel of the surges."""
        new = {"channel": CHANNEL, "title": "故障演练"}
        self._secret = (await self._command("administrator", "donation", "/v1/channels", new))["secret"]

    async def surge(self) -> Surge:
        """A surge on a new, launched campaign."""
        campaign = f"fault-{uuid.uuid4().hex[:12]}"
        await self._command("desk.lin", "campaign", "/v1/campaigns", plan(campaign, datetime.now(UTC)))
        await self._command(
            "desk.lin", "campaign", f"/v1/campaigns/{campaign}/file", {"filing_number": campaign}
        )
        await self._command("desk.lin", "campaign", f"/v1/campaigns/{campaign}/launch", {})
        url, wiring = self.services.wiring.url("donation"), self.services.wiring
        return Surge(url, wiring.kafka, wiring.namespace, CHANNEL, self._secret, campaign)

    async def _command(self, person: str, service: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {
            "authorization": f"Bearer {self._credentials.operators[person]}",
            "idempotency-key": uuid.uuid4().hex,
        }
        answer = await self._http.post(self.services.wiring.url(service) + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()  # type: ignore[no-any-return]

    # ---------------------------------------------------------------- faults

    async def kill_and_restart(self, name: str) -> None:
        """Kill -9, and start again as the supervisor would."""
        await asyncio.to_thread(self.services.kill, name)
        await asyncio.to_thread(self.services.restart, name)

    @asynccontextmanager
    async def second(self, name: str) -> AsyncIterator[None]:
        """A second process of the same service beside the first, in the same consumer group."""
        wiring = self.services.wiring
        ports = {**wiring.ports, BY_NAME[name].port_name: unused_ports(1)[0]}
        beside = Services(dataclasses.replace(wiring, ports=ports), self.services.logs / "second")
        beside.logs.mkdir(exist_ok=True)
        beside.start([name])
        try:
            await asyncio.to_thread(beside.wait_ready, [name])
            await self.members(name, 2)
            yield
        finally:
            await asyncio.to_thread(beside.stop)

    async def members(self, name: str, count: int) -> None:
        """Wait until the consumer group of a worker is stable with so many members."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.services.wiring.kafka, request_timeout_ms=5000)
        await admin.start()
        group = self.services.wiring.namespace + GROUPS[name]

        async def stable() -> bool:
            try:
                answers = await admin.describe_consumer_groups([group])
            except KafkaError:
                return False  # a broker that is busy with what went wrong
            _, _, state, _, _, members, *_ = answers[0].groups[0]
            return state == "Stable" and len(members) == count

        try:
            await until(stable, f"{count} members of {name}")
        finally:
            await admin.close()

    @asynccontextmanager
    async def halting_worker(self, line: str, by: str, file: Path) -> AsyncIterator["HaltingWorker"]:
        """The donation worker replaced by one that halts itself at a line."""
        await asyncio.to_thread(self.services.child("donation-worker").stop)
        environment = self.services.wiring.environment(BY_NAME["donation-worker"])
        child = Child(
            Command(
                name="halting-worker",
                argv=[sys.executable, "-m", "tests.faults.halting_worker"],
                environment={
                    **environment,
                    "HTTP_PORT": str(unused_ports(1)[0]),
                    "HALT_AT": line,
                    "HALT_BY": by,
                    "HALT_FILE": str(file),
                },
            ),
            self.services.logs / "halting-worker.log",
        )
        try:
            await self.members("donation-worker", 1)
            yield HaltingWorker(child, file)
        finally:
            await asyncio.to_thread(child.stop)
            if not self.services.child("donation-worker").running:
                await asyncio.to_thread(self.services.restart, "donation-worker")

    async def worker_takes_over(self) -> None:
        """Start the ordinary worker again; return when the group is its alone."""
        await asyncio.to_thread(self.services.restart, "donation-worker")
        await self.members("donation-worker", 1)

    async def kill_broker(self, for_s: float) -> None:
        """Kill -9 the one broker, and start it again after a while."""
        assert self._kafka is not None, "there are several"
        await asyncio.to_thread(self._kafka.kill)
        await asyncio.sleep(for_s)
        await asyncio.to_thread(self._kafka.start)

    async def restart_database(self) -> None:
        """Stop PostgreSQL in immediate mode (a crash: it recovers from its log) and start it."""
        await asyncio.to_thread(self.postgres.stop, "immediate")
        await asyncio.to_thread(self.postgres.start)

    @asynccontextmanager
    async def database_refuses_writes(self) -> AsyncIterator[None]:
        """Every new transaction is read-only for a while: what a full disk does to writes."""
        await self.administer("ALTER SYSTEM SET default_transaction_read_only = on")
        await self.administer("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            await self.administer(
                "SET default_transaction_read_only = off; ALTER SYSTEM RESET default_transaction_read_only"
            )
            await self.administer("SELECT pg_reload_conf()")

    async def administer(self, statements: str) -> None:
        """Do something as the database's administrator."""
        connection = await asyncpg.connect(self.postgres.admin_url.replace("+asyncpg", ""))
        try:
            for statement in statements.split(";"):
                await connection.execute(statement)
        finally:
            await connection.close()

    async def batches_failed(self) -> None:
        """Wait until the donation worker has had a batch that failed since now."""
        before = await self._metric("donation-worker", "shanliu_batch_failures_total")

        async def more() -> bool:
            return await self._metric("donation-worker", "shanliu_batch_failures_total") > before

        await until(more, "a batch that fails")

    async def throw_in(self, values: Sequence[bytes]) -> None:
        """Publish raw records to the channel's topic."""
        producer = AIOKafkaProducer(bootstrap_servers=self.services.wiring.kafka, acks="all")
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(f"{self.services.wiring.namespace}intake.{CHANNEL}", value)
        finally:
            await producer.stop()

    # ---------------------------------------------------------------- what came out

    async def dead_letters(self) -> int:
        """How many dead letters the donation service has."""
        return int((await self.rows("donation", "SELECT count(*) FROM dead_letters"))[0][0])

    async def counted(self, surge: Surge) -> tuple[int, int]:
        """(donations, net fen) as a screen is told; (0, 0) while reporting does not answer."""
        url = f"{self.services.wiring.url('reporting')}/v1/campaigns/{surge.campaign_id}/totals"
        try:
            answer = await self._http.get(url, timeout=3)
        except httpx.HTTPError:
            return 0, 0
        if answer.status_code != 200:
            return 0, 0
        totals = answer.json()
        return totals["donations"], totals["net_fen"]

    async def counted_at_least(self, surge: Surge, donations: int) -> None:
        """Wait until so many donations are counted."""

        async def enough() -> bool:
            return (await self.counted(surge))[0] >= donations

        await until(enough, f"{donations} donations counted")

    async def judge(self, surge: Surge) -> None:
        """Nothing lost, nothing double, no gap, everybody alive: within LIVE_AGAIN_S."""
        wanted = (len(surge.acknowledged), surge.total_fen)

        async def exact() -> bool:
            return await self.counted(surge) == wanted

        await until(exact, f"{wanted} on the screen", LIVE_AGAIN_S, lambda: self._report(surge))
        campaign = (surge.campaign_id,)
        stored = await self.rows(
            "donation",
            "SELECT count(*), sum(amount_fen) FROM donations WHERE campaign_id = $1 AND status = 'received'",
            *campaign,
        )
        assert tuple(stored[0]) == wanted
        sent = await self.rows(
            "donation", "SELECT transaction_id FROM donations WHERE campaign_id = $1", *campaign
        )
        assert {row[0] for row in sent} == surge.acknowledged
        await until(lambda: self._fund_has(surge), "the fund's balance", LIVE_AGAIN_S)
        waiting = (
            "SELECT count(*) FROM gaps JOIN marks USING (source) WHERE marks.sequence < awaited_sequence"
        )
        assert (await self.rows("reporting", waiting))[0][0] == 0
        for name in self.services.children:
            await until(lambda name=name: asyncio.to_thread(self.services.ready, name), f"{name} ready")  # type: ignore[misc]

    async def _fund_has(self, surge: Surge) -> bool:
        path = f"/v1/campaigns/{surge.campaign_id}/balance"
        headers = {"authorization": f"Bearer {self._credentials.operators['desk.lin']}"}
        try:
            answer = await self._http.get(self.services.wiring.url("campaign") + path, headers=headers)
        except httpx.HTTPError:
            return False
        return answer.is_success and answer.json()["received_fen"] == surge.total_fen

    async def _report(self, surge: Surge) -> str:
        """Where the numbers stand, for a failure's message."""
        stored = await self.rows(
            "donation", "SELECT count(*) FROM donations WHERE campaign_id = $1", surge.campaign_id
        )
        marks = await self.rows("reporting", "SELECT source, sequence FROM marks ORDER BY source")
        heads = await self.rows(
            "donation", "SELECT source, max(sequence) FROM donations GROUP BY source ORDER BY source"
        )
        alive = {name: child.running for name, child in self.services.children.items()}
        return json.dumps(
            {
                "acknowledged": len(surge.acknowledged),
                "counted": await self.counted(surge),
                "stored": stored[0][0],
                "marks": dict(marks),
                "heads": dict(heads),
                "alive": alive,
                "amount": AMOUNT_FEN,
            }
        )

    async def rows(self, service: str, statement: str, *values: Any) -> list[Any]:
        """What a service's database answers."""
        url = self.services.wiring.databases[service].replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    async def _metric(self, name: str, metric: str) -> float:
        text = (await self._http.get(f"{self.services.wiring.url(name)}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith((metric + " ", metric + "{"))]
        return sum(float(line.rpartition(" ")[2]) for line in lines)


class HaltingWorker:
    """A worker that halts itself, see tests/faults/halting_worker.py."""

    def __init__(self, child: Child, file: Path) -> None:
        self._child = child
        self._file = file

    async def halted(self) -> None:
        """Wait until it has halted."""

        async def stands() -> bool:
            if not self._file.exists():
                return False
            return (
                not self._child.running or psutil.Process(self._child.pid).status() == psutil.STATUS_STOPPED
            )

        await until(stands, "the worker halts")

    def wake(self) -> None:
        """Let it go on where it stood; one that was killed stays dead."""
        if self._child.running:
            self._child.thaw()


async def until(
    condition: Callable[[], Awaitable[bool]],
    what: str,
    limit_s: float = PATIENCE_S,
    report: Callable[[], Awaitable[str]] | None = None,
) -> None:
    """Ask until it holds; after `limit_s` fail, saying what was waited for."""
    deadline_s = time.monotonic() + limit_s
    while not await condition():
        if time.monotonic() > deadline_s:
            detail = f": {await report()}" if report else ""
            raise AssertionError(f"not within {limit_s} s: {what}{detail}")
        await asyncio.sleep(0.1)
