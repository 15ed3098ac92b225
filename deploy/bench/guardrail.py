"""How long an approval takes when a fund has a million donations booked: over HTTP, until its answer.

The donations go through the campaign service's own booking (marks, sums, ledger, milestones) into its
database; then a budget is put in force, and disbursements are asked for and approved one after the other by
two people, on one fund, which is the guardrail's worst case: everything waits for the one lock.
"""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import httpx

from deploy.bench.ground import ANSWER_S, Base, Ground, prepared
from deploy.bench.report import Figure, Result, percentile
from services.campaign.announcements import Announcer
from services.campaign.handlers import count
from shared import database
from shared.events import DonationReceived
from shared.events.donations import DonationReceivedData

CAMPAIGN: Final = "bench"
GOAL_MS: Final = 20.0
BATCH: Final = 2_000
CHANNELS: Final = ("alipay", "ecny", "unionpay", "wechat")
AMOUNT_FEN: Final = 1_000
APPROVALS: Final = 600
WARM_UP: Final = 100
USE: Final = "助学圆梦"
"""One of the uses of the evening's plan, which the ground launches with."""


def batches(donations: int, partitions: int, at: datetime) -> Iterator[list[DonationReceived]]:
    """Donation events of every channel and partition in turn, BATCH of one source at a time."""
    sources = [f"intake.{channel}/{number}" for channel in CHANNELS for number in range(partitions)]
    reached = dict.fromkeys(sources, -1)
    for first in range(0, donations, BATCH):
        source = sources[first // BATCH % len(sources)]
        batch = []
        for _ in range(min(BATCH, donations - first)):
            previous = reached[source]
            reached[source] = sequence = previous + 1
            data = DonationReceivedData.model_construct(
                donation_id=uuid.uuid4(),
                channel=source.removeprefix("intake.").partition("/")[0],
                campaign_id=CAMPAIGN,
                amount_fen=AMOUNT_FEN,
                occurred_at=at,
                received_at=at,
                donor_kind="person",
            )
            place = (source, sequence, previous if previous >= 0 else None)
            event: DonationReceived = DonationReceived.at(*place, subject="bench", time=at, data=data)
            batch.append(event)
        yield batch


async def book(ground: Ground, donations: int) -> None:
    """Book so many donations as the campaign service's worker does."""
    engine = database.create_engine(ground.wiring.databases["campaign"], "bench")
    announcer = Announcer(ground.wiring.partitions)
    try:
        for batch in batches(donations, ground.wiring.partitions, datetime.now(UTC)):
            async with engine.begin() as connection:
                await count(connection, announcer, batch)
    finally:
        await engine.dispose()


class Office:
    """The people who spend, over HTTP, each with a token of their own."""

    def __init__(self, ground: Ground, client: httpx.AsyncClient) -> None:
        self._client = client
        self._tokens = ground.credentials.operators

    async def send(
        self, person: str, path: str, body: dict[str, Any] | None = None, version: int | None = None
    ) -> dict[str, Any]:
        """One command and its answer."""
        headers = {
            "authorization": f"Bearer {self._tokens[person]}",
            "idempotency-key": uuid.uuid4().hex,
        } | ({} if version is None else {"if-match": f'"{version}"'})
        answer = (await self._client.post(path, json=body, headers=headers)).raise_for_status()
        return answer.json()  # type: ignore[no-any-return]

    async def balance(self) -> dict[str, Any]:
        """The fund's figures."""
        headers = {"authorization": f"Bearer {self._tokens['finance.chen']}"}
        answer = await self._client.get(f"/v1/campaigns/{CAMPAIGN}/balance", headers=headers)
        return answer.raise_for_status().json()  # type: ignore[no-any-return]

    async def approvals(self, number: int) -> list[float]:
        """Ask for and approve so many disbursements, one after the other; how long each approval took, ms."""
        wanted = {
            "amount_fen": 1,
            "use": USE,
            "payee": "示例学校",
            "beneficiaries": 1,
            "beneficiary_unit": "person_times",
        }
        took = []
        for _ in range(number):
            asked = await self.send("desk.lin", f"/v1/campaigns/{CAMPAIGN}/disbursements", wanted)
            path = f"/v1/disbursements/{asked['disbursement_id']}/approve"
            begun = time.perf_counter()
            await self.send("approver.wang", path, version=asked["version"])
            took.append((time.perf_counter() - begun) * 1000)
        return took


async def measure(base: Base, donations: int, approvals: int = APPROVALS) -> Result:
    """Approvals on a fund with so many donations booked."""
    result = Result("guardrail")
    async with prepared(base) as ground:
        await ground.start("campaign")
        await ground.launch(CAMPAIGN)
        await book(ground, donations)
        await base.checkpoint()
        url = ground.wiring.url("campaign")
        async with httpx.AsyncClient(base_url=url, timeout=ANSWER_S) as client:
            office = Office(ground, client)
            budget = {"lines": [{"use": USE, "amount_fen": 10**9}], "reason": "bench"}
            path = f"/v1/campaigns/{CAMPAIGN}/budget"
            asked = await office.send("desk.lin", path, budget)
            await office.send("approver.wang", f"{path}/confirm", version=asked["version"])
            await office.approvals(WARM_UP)
            took = sorted(await office.approvals(approvals))
            balance = await office.balance()
    expected = {
        "donations": donations,
        "received_fen": donations * AMOUNT_FEN,
        "reserved_fen": approvals + WARM_UP,
        "balance_fen": donations * AMOUNT_FEN - approvals - WARM_UP,
    }
    result.wrong += [
        f"{name} is {balance[name]}, not {value}"
        for name, value in expected.items()
        if balance[name] != value
    ]
    booked = f"{donations:,} booked"
    result.figures = [
        Figure("approval p50", percentile(took, 0.5), "ms", note=booked),
        Figure("approval p99", percentile(took, 0.99), "ms", GOAL_MS, "lower", note=booked),
    ]
    result.details = {"donations": donations, "approvals": approvals, "worst_ms": took[-1]}
    return result
