"""A campaign's life is played, and copied at three moments; what its events book into each copy is what the
service itself has written since.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.replaying import UNKNOWN, replay
from shared import database
from shared.events import Event
from tests.databases import Databases
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    Source,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service, short_type

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = ("campaigns", "funds", "thresholds", "disbursements", "disbursement_returns", "fund_transfers")
COLUMNS = (
    "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)"
    " FROM information_schema.columns WHERE table_name = :name AND is_generated = 'NEVER'"
)
FACTS = {
    "campaign": "SELECT state, filing_number, filed_on, launched_on, closed_on, settled_on, goal_fen,"
    " closed_at, settled_at FROM campaigns",
    "thresholds": "SELECT kind, threshold_fen, reached_at IS NOT NULL FROM thresholds",
    "disbursements": "SELECT disbursement_id, state, amount_fen, returned_fen, use, category, beneficiaries,"
    " paid_on FROM disbursements",
    "transfers": "SELECT transfer_id, kind, state, amount_fen, from_campaign_id, to_campaign_id, decided_on"
    " FROM fund_transfers",
    "returns": "SELECT return_id, state, amount_fen, returned_on FROM disbursement_returns",
    "ledger": "SELECT e.subject, e.kind, e.event_on, p.account, p.side, p.amount_fen FROM ledger_entries e"
    " JOIN ledger_postings p USING (journal, sequence) WHERE e.journal = 'books'",
}


@dataclass
class Copy:
    """All rows at a moment, and how many events it had told by then."""

    rows: dict[str, str]
    told: int
    booked: set[Any]


@dataclass
class Life:
    campaign_id: str
    copies: dict[str, Copy] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, set[Any]] = field(default_factory=dict)


async def facts(engine: AsyncEngine) -> dict[str, set[Any]]:
    async with engine.connect() as connection:
        return {
            name: {tuple(row) for row in await connection.execute(text(asked))}
            for name, asked in FACTS.items()
        }


async def copied(service: Service, campaign_id: str) -> Copy:
    rows: dict[str, str] = {}
    async with service.engine.connect() as connection:
        for table in TABLES:
            columns = (await connection.execute(text(COLUMNS), {"name": table})).scalar_one()
            asked = f"SELECT coalesce(json_agg(r), '[]') FROM (SELECT {columns} FROM {table}) r"
            found = (await connection.execute(text(asked))).scalar_one()
            rows[table] = json.dumps(found)
    booked = {line[0] for line in (await facts(service.engine))["ledger"]}
    return Copy(rows, len(await service.outbox(campaign_id)), booked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(apart: Service) -> Life:
    campaign_id = new_campaign_id()
    life, desk, finance = Life(campaign_id), apart.operator(DESK), apart.operator(FINANCE)
    approver, path = apart.operator(APPROVER), f"/campaigns/{campaign_id}"

    async def asked(amount_fen: int) -> str:
        answer = await finance.post(f"{path}/disbursements", a_disbursement(amount_fen))
        return f"/disbursements/{answer.json()['disbursement_id']}"

    async def done(answer: Any) -> None:
        assert answer.is_success, answer.text

    async def moved(amount_fen: int) -> str:
        wanted = {"to_campaign_id": other, "amount_fen": amount_fen, "reason": "归口"}
        answer = await finance.post(f"{path}/transfers", wanted)
        return f"/transfers/{answer.json()['transfer_id']}"

    other = await launched(desk)
    await done(await desk.post("/campaigns", a_campaign(campaign_id, goal_fen=1_000)))
    life.copies["a draft"] = await copied(apart, campaign_id)
    await done(await desk.post(f"{path}/file", {"filing_number": f"BA-{campaign_id}"}))
    await done(await desk.post(f"{path}/launch"))
    await apart.book([Source().received(campaign_id, 1_300)])
    paid, withdrawn, misdirected = await asked(600), await asked(100), await moved(200)
    life.copies["two requests"] = await copied(apart, campaign_id)
    await done(await approver.decide(misdirected, "approve"))
    await done(await approver.decide(withdrawn, "approve"))
    await done(await approver.decide(paid, "approve"))
    await done(await finance.decide(withdrawn, "withdraw", {"reason": "不再需要"}))
    await done(await desk.post(f"{path}/pause"))
    await done(await finance.decide(paid, "pay"))
    await done(await finance.decide(paid, "return", {"amount_fen": 100, "reason": "未用完"}))
    life.copies["a return waits"] = await copied(apart, campaign_id)
    await done(await approver.decide(paid, "return/confirm"))
    await done(await approver.decide(await moved(100), "approve"))
    late = await asked(500)
    await done(await approver.decide(late, "approve"))
    await done(await finance.decide(late, "pay"))
    await done(await desk.post(f"{path}/close"))
    await done(await finance.decide(path, "settle"))
    life.events, life.facts = await apart.outbox(campaign_id), await facts(apart.engine)
    return life


@pytest_asyncio.fixture(loop_scope="module")
async def empty(databases: Databases) -> AsyncIterator[AsyncEngine]:
    engine = database.create_engine(await asyncio.to_thread(databases.fresh, "campaign"), "replaying")
    yield engine
    await engine.dispose()


LOST = {
    "a draft": ["disbursement.approved", "disbursement.withdrawn"],
    "two requests": [],
    "a return waits": [],
}
NAMELESS = {"a draft": 2, "two requests": 1, "a return waits": 1}


@pytest.mark.parametrize("moment", LOST)
async def test_what_its_events_say_is_what_the_service_has_written(
    life: Life, empty: AsyncEngine, moment: str
) -> None:
    copy = life.copies[moment]
    async with empty.begin() as connection:
        for table, rows in copy.rows.items():
            columns = (await connection.execute(text(COLUMNS), {"name": table})).scalar_one()
            put = (
                f"INSERT INTO {table} ({columns}) SELECT {columns}"
                f" FROM json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json))"
            )
            await connection.execute(text(put), {"rows": rows})
    async with empty.begin() as connection:
        replayed = await replay(connection, life.events[copy.told :])
    assert [short_type(event) for event in replayed.lost] == LOST[moment]
    assert len(replayed.nameless) == NAMELESS[moment]
    lost = {event.data.disbursement_id for event in replayed.lost if hasattr(event.data, "disbursement_id")}
    found = await facts(empty)
    for name, wanted in life.facts.items():
        there = {row for row in wanted if row[0] not in lost}
        if name == "ledger":
            there = {row for row in there if row[0] not in copy.booked}
        assert found[name] == there, name
    payees = "SELECT count(*) FROM disbursements WHERE payee = :unknown"
    async with empty.connect() as connection:
        assert (await connection.execute(text(payees), {"unknown": UNKNOWN})).scalar_one() == NAMELESS[moment]
