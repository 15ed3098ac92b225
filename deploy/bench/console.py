"""How long the operations console takes to answer, with a million donations stored.

One person opens each page and everything that page asks the services for, one request after the other, as the
list stands when it is opened and as it is searched; until the last byte, through the console.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, get_args

import httpx

from deploy.bench.ground import ANSWER_S, Base, Ground, prepared
from deploy.bench.report import Figure, Result, percentile
from deploy.bench.stored import fill
from deploy.local.services import BY_NAME
from services.console import accounts
from services.console.passwords import hash_password
from shared import database
from shared.access import Role

CAMPAIGN: Final = "bench"
GOAL_MS: Final = 300.0
VISITS: Final = 40
WARM_UP: Final = 3
PERSON: Final = "bench"
PASSWORD: Final = "only-for-the-benchmark"  # noqa: S105 - of a database that is gone afterwards
OF_CAMPAIGN: Final = f"/api/campaign/v1/campaigns/{CAMPAIGN}"
PAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "tonight": (
        "/",
        "/api/reporting/v1/operations",
        "/api/console/health",
        "/api/reporting/v1/campaigns",
        f"/api/reporting/v1/campaigns/{CAMPAIGN}/minutes",
    ),
    "screens": ("/screens", "/api/reporting/v1/screens"),
    "campaigns": ("/campaigns", "/api/campaign/v1/campaigns?limit=50", OF_CAMPAIGN, f"{OF_CAMPAIGN}/balance"),
    "placards": (
        "/placards",
        f"{OF_CAMPAIGN}/pledges?limit=50",
        f"{OF_CAMPAIGN}/promised",
        f"/api/campaign/v1/pledges/due?campaign_id={CAMPAIGN}&within_days=-1&limit=50",
    ),
    "messages": (
        "/messages",
        "/api/donation/v1/messages/campaigns",
        f"/api/donation/v1/messages?campaign_id={CAMPAIGN}&state=waiting&limit=50",
        f"/api/donation/v1/messages/rules/{CAMPAIGN}",
    ),
    "donations": ("/donations", "/api/donation/v1/donations?limit=50"),
    "donations, searched": (
        "/api/donation/v1/donations?limit=50&transaction_id_ends=543210",
        "/api/donation/v1/donations?limit=50&amount_fen=54321",
        "/api/donation/v1/donations?limit=50&day={day}",
        "/api/donation/v1/donations?limit=50&day={day}&amount_fen=54321",
    ),
    "one donation": ("/api/donation/v1/donations/{donation_id}",),
    "held": ("/held", "/api/donation/v1/held?limit=50", "/api/donation/v1/conflicts?limit=50"),
    "dead letters": ("/dead-letters", "/api/donation/v1/dead-letters?limit=50"),
    "spending": (
        "/spending",
        "/api/campaign/v1/disbursements?limit=50",
        f"{OF_CAMPAIGN}/balance",
        f"{OF_CAMPAIGN}/budget",
    ),
    "reconciliation": (
        "/reconciliation",
        "/api/donation/v1/reconciliation/shares",
        "/api/donation/v1/reconciliation/days?limit=50",
        "/api/donation/v1/reconciliation/breaks?state=open&limit=50",
        "/api/donation/v1/reconciliation/missing-bills",
    ),
    "disclosure": ("/disclosure", "/api/campaign/v1/disclosure/calendar?limit=50"),
    "personal data": ("/personal-data", "/api/donation/v1/erasures?limit=50"),
    "channels": ("/channels", "/api/donation/v1/channels"),
    "partners": ("/partners", "/api/notification/v1/webhook-endpoints?limit=50"),
    "audit": ("/audit", "/api/console/audit?limit=50"),
    "accounts": ("/accounts", "/api/console/accounts?limit=50"),
}
"""What each page asks for. `{day}` and `{donation_id}`: of one donation among those stored."""


async def measure(base: Base, donations: int, visits: int = VISITS) -> Result:
    """Every page, `visits` times, in turn; any answer but 200 makes the result wrong."""
    async with prepared(base) as ground:
        await ground.start(*BY_NAME)
        await ground.launch(CAMPAIGN)
        return await measure_on(ground, donations, visits, WARM_UP)


async def measure_on(ground: Ground, donations: int, visits: int, warm_up: int) -> Result:
    """The same on a system that runs, with the campaign; `warm_up` visits before them are forgotten."""
    result = Result("console")
    await fill(ground, donations)
    await ground.base.checkpoint()
    await _account(ground)
    async with httpx.AsyncClient(base_url=ground.wiring.url("console"), timeout=ANSWER_S) as client:
        signed_in = await client.post("/sign-in", data={"person": PERSON, "password": PASSWORD})
        if signed_in.status_code != 303:
            result.wrong.append(f"sign-in: {signed_in.status_code}")
        names = await _names(ground)
        await _visit(client, names, warm_up, result)
        took = await _visit(client, names, visits, result)
    every = sorted(ms for page in took.values() for answers in page.values() for ms in answers)
    result.figures.append(Figure("answers p50", percentile(every, 0.5), "ms", note=f"{donations:,} stored"))
    result.figures.append(Figure("answers p95", percentile(every, 0.95), "ms", GOAL_MS, "lower"))
    for page, answers in took.items():
        slowest, times = max(answers.items(), key=lambda each: percentile(sorted(each[1]), 0.95))
        result.figures.append(
            Figure(f"{page} p95", percentile(sorted(times), 0.95), "ms", GOAL_MS, "lower", slowest[:60])
        )
    result.details = {page: {path: max(times) for path, times in each.items()} for page, each in took.items()}
    return result


async def _account(ground: Ground) -> None:
    password_hash = await asyncio.to_thread(hash_password, PASSWORD)
    engine = database.create_engine(ground.wiring.databases["console"], "bench")
    async with database.disposing(engine), engine.begin() as connection:
        await accounts.add(connection, PERSON, get_args(Role), {}, password_hash=password_hash)


async def _names(ground: Ground) -> dict[str, str]:
    statement = "SELECT {} FROM donations WHERE transaction_id = 'stored-500'"
    return {
        "donation_id": str(await ground.value("donation", statement.format("donation_id"))),
        "day": str(
            await ground.value(
                "donation", statement.format("(occurred_at AT TIME ZONE 'Asia/Shanghai')::date")
            )
        ),
    }


async def _visit(
    client: httpx.AsyncClient, names: Mapping[str, str], visits: int, result: Result
) -> dict[str, dict[str, list[float]]]:
    """Page → request → how long each answer took, ms."""
    took: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(visits):
        for page, requests in PAGES.items():
            for request in requests:
                begun = time.perf_counter()
                answer: Any = await client.get(request.format_map(names))
                took[page][request].append((time.perf_counter() - begun) * 1000)
                if answer.status_code != 200:
                    result.wrong.append(f"{request}: {answer.status_code} {answer.text[:100]}")
    result.wrong = sorted(set(result.wrong))
    return took
