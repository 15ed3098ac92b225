"""A campaign's life is played, and what people decide beside it; each is copied at some moments, and what its
events book into each copy is what the service itself has written since.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.replaying import replay
from services.campaign.replaying.replayed import UNKNOWN, Given, Partly, Replayed, splits_of
from shared import database
from shared.events import DonationReceived, DonationReversed, Event, decode_event
from tests.databases import Databases
from tests.services.campaign import store
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    SECOND_DESK,
    Source,
    a_campaign,
    a_disbursement,
    a_pledge,
    a_release,
    launched,
    new_campaign_id,
    some_goods,
)
from tests.services.campaign.conftest import Service, short_type
from tests.services.campaign.test_decisions import a_change, a_remainder
from tests.services.campaign.test_splits import a_split, asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = (
    "campaigns",
    "funds",
    "thresholds",
    "disbursements",
    "disbursement_returns",
    "goods_gifts",
    "goods_items",
    "goods_movements",
    "goods_movement_items",
    "pledges",
    "pledge_corrections",
    "pledge_releases",
    "campaign_decisions",
    "split_donations",
    "split_reversals",
    "donation_splits",
    "donation_split_parts",
    "fund_transfers",
)
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
    "uses": "SELECT campaign_id, uses FROM campaigns",
    "pledges": "SELECT pledge_id, state, amount_fen, due_on, promised_on, placard, shown_name, goods,"
    " quantity, unit, basis, released_fen FROM pledges",
    "corrections": "SELECT pledge_id FROM pledge_corrections WHERE state = 'asked'",
    "releases": "SELECT pledge_id, state, report_reference, public_statement FROM pledge_releases",
    "gifts": "SELECT gift_id, state, value_fen, received_on, shown_name FROM goods_gifts",
    "items": "SELECT item_id, description, category, quantity, value_fen, left_quantity, left_fen, basis,"
    " batch, expires_on FROM goods_items",
    "movements": "SELECT movement_id, kind, state, value_fen, happened_on, cause, use, beneficiaries,"
    " distribution_id, gift_id FROM goods_movements",
    "moved": "SELECT movement_id, item_id, quantity, value_fen, left_quantity, left_fen"
    " FROM goods_movement_items",
    "decisions": "SELECT decision_id, kind, state, uses_before, uses_after, to_campaign_id, moved_fen,"
    " decided_on, public_statement FROM campaign_decisions",
    "splits": "SELECT split_id, donation_id, state, left_fen, settled_fen, decided_on FROM donation_splits",
    "parts": "SELECT split_id, campaign_id, given_fen FROM donation_split_parts WHERE given_fen > 0",
    "split donations": "SELECT donation_id, source, sequence, campaign_id, amount_fen FROM split_donations",
    "split reversals": "SELECT source, sequence, donation_id, amount_fen, kind FROM split_reversals",
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
    given: dict[UUID, Given] = field(default_factory=dict)


async def facts(engine: AsyncEngine) -> dict[str, set[Any]]:
    async with engine.connect() as connection:
        return {
            name: {_hashable(row) for row in await connection.execute(text(wanted))}
            for name, wanted in FACTS.items()
        }


def _hashable(row: Any) -> Any:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


async def copied(service: Service, campaign_id: str) -> Copy:
    rows: dict[str, str] = {}
    async with service.engine.connect() as connection:
        for table in TABLES:
            columns = (await connection.execute(text(COLUMNS), {"name": table})).scalar_one()
            rows_of = f"SELECT coalesce(json_agg(r), '[]') FROM (SELECT {columns} FROM {table}) r"
            found = (await connection.execute(text(rows_of))).scalar_one()
            rows[table] = json.dumps(found)
    booked = {line[0] for line in (await facts(service.engine))["ledger"]}
    return Copy(rows, len(await service.outbox(campaign_id)), booked)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def life(apart: Service) -> Life:
    campaign_id = new_campaign_id()
    life, desk, finance = Life(campaign_id), apart.operator(DESK), apart.operator(FINANCE)
    approver, path = apart.operator(APPROVER), f"/campaigns/{campaign_id}"

    async def wanted(amount_fen: int) -> str:
        answer = await finance.post(f"{path}/disbursements", a_disbursement(amount_fen))
        return f"/disbursements/{answer.json()['disbursement_id']}"

    async def done(answer: Any) -> None:
        assert answer.is_success, answer.text

    async def moved(amount_fen: int) -> str:
        body = {"to_campaign_id": other, "amount_fen": amount_fen, "reason": "归口"}
        answer = await finance.post(f"{path}/transfers", body)
        return f"/transfers/{answer.json()['transfer_id']}"

    other = await launched(desk)
    await done(await desk.post("/campaigns", a_campaign(campaign_id, goal_fen=1_000)))
    life.copies["a draft"] = await copied(apart, campaign_id)
    await done(await desk.post(f"{path}/file", {"filing_number": f"BA-{campaign_id}"}))
    await done(await desk.post(f"{path}/launch"))
    await apart.book([Source().received(campaign_id, 1_300)])
    paid, withdrawn, misdirected = await wanted(600), await wanted(100), await moved(200)
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
    late = await wanted(500)
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
    replayed = await put_back(empty, copy, life)
    assert [short_type(event) for event in replayed.lost] == LOST[moment]
    assert len(replayed.partly[Partly.PAYMENT]) == NAMELESS[moment]
    lost = {event.data.disbursement_id for event in replayed.lost if hasattr(event.data, "disbursement_id")}
    await compare(empty, copy, life, lost)
    payees = "SELECT count(*) FROM disbursements WHERE payee = :unknown"
    async with empty.connect() as connection:
        assert (await connection.execute(text(payees), {"unknown": UNKNOWN})).scalar_one() == NAMELESS[moment]


async def put_back(engine: AsyncEngine, copy: Copy, life: Life) -> Replayed:
    """The rows of a copy, and what was told since."""
    async with engine.begin() as connection:
        for table, rows in copy.rows.items():
            columns = (await connection.execute(text(COLUMNS), {"name": table})).scalar_one()
            put = (
                f"INSERT INTO {table} ({columns}) SELECT {columns}"
                f" FROM json_populate_recordset(CAST(NULL AS {table}), CAST(:rows AS json))"
            )
            await connection.execute(text(put), {"rows": rows})
    async with engine.begin() as connection:
        return await replay(connection, life.events[copy.told :], life.given)


async def compare(engine: AsyncEngine, copy: Copy, life: Life, lost: set[Any]) -> None:
    found = await facts(engine)
    for name, wanted in life.facts.items():
        there = {row for row in wanted if row[0] not in lost}
        if name == "ledger":
            there = {row for row in there if row[0] not in copy.booked}
        assert found[name] == there, name


# ---------------------------------------------------------------- what people decide beside it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(apart: Service) -> Life:
    """Pledges, goods, a donation that is split, other uses, and what is left: each asked for by one person,
    and decided by another.
    """
    desk, finance, approver = (apart.operator(person) for person in (DESK, FINANCE, APPROVER))
    second, campaign_id, taker = apart.operator(SECOND_DESK), await launched(desk), await launched(desk)
    office, path, donation_id = Life(campaign_id), f"/campaigns/{campaign_id}", uuid4()

    async def done(answer: Any) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    async def copy(moment: str) -> None:
        office.copies[moment] = await copied(apart, campaign_id)

    source = Source()
    gift = source.received(campaign_id, 1_001, donation_id=donation_id)
    back = source.reversed(campaign_id, 1, donation_id=donation_id)
    await apart.book([gift, back, source.received(campaign_id, 500)])
    assert isinstance(gift, DonationReceived)
    assert isinstance(back, DonationReversed)
    now = {"time": datetime.now(UTC)}  # the builder's is of another year
    office.given = {donation_id: Given(gift.model_copy(update=now), [back.model_copy(update=now)])}
    await copy("nothing is asked for")
    cash = f"/pledges/{await apart.entered(campaign_id, 2_000, placard='17')}"
    boxes = f"/pledges/{await apart.entered(campaign_id, 900, goods=some_goods(9), display='anonymous')}"
    medicine = await store.entered(apart, campaign_id, store.an_item(), store.an_item(5, 77, category="food"))
    await copy("all is entered")
    await done(await second.decide(cash, "confirm", {"amount_fen": 2_000}))
    await done(await second.decide(boxes, "confirm", {"amount_fen": 900}))
    await done(await finance.decide(f"/goods-gifts/{medicine['gift_id']}", "confirm", {"value_fen": 1_077}))
    corrected = {**a_pledge(2_100, placard="18"), "reason": "读错"}
    await done(await desk.decide(cash, "correction", corrected))
    await done(await desk.decide(boxes, "release", a_release()))
    box = medicine["items"][0]["item_id"]
    out = await store.asked(apart, f"{path}/goods-distributions", store.a_distribution(box, 4))
    parts = a_split(donation_id, {campaign_id: 3_333, taker: 6_667}, "share_bp")
    split = await asked(apart, campaign_id, parts)
    change = await done(await finance.post(f"{path}/changes-of-use", a_change()))
    await copy("all is asked for")
    await done(await second.decide(cash, "correction/confirm", {"amount_fen": 2_100}))
    await done(await approver.decide(boxes, "release/approve"))
    await done(await store.approved(apart, out))
    await done(await approver.decide(f"/splits/{split['split_id']}", "approve"))
    await done(await approver.decide(f"/decisions/{change['decision_id']}", "approve"))
    await copy("half is done")
    await store.done(apart, f"/goods-movements/{out}/returns", store.a_return(box, 1))
    await store.done(apart, f"{path}/goods-write-offs", store.a_write_off(box, 2))
    reversal = store.a_reversal(box, 3)
    await store.done(apart, f"/goods-gifts/{medicine['gift_id']}/reversals", reversal)
    await done(await desk.post(f"{path}/close"))
    rest = await done(await finance.post(f"{path}/remainders", a_remainder(taker)))
    await done(await approver.decide(f"/decisions/{rest['decision_id']}", "approve"))
    office.events, office.facts = await apart.outbox(campaign_id), await facts(apart.engine)
    assert splits_of(office.events) == {donation_id}
    return office


PARTLY = {
    "nothing is asked for": {"pledges": 2, "releases of pledges": 1, "gifts of goods": 1}
    | {"movements of goods": 4, "split donations": 1, "decisions": 2},
    "all is entered": {
        "releases of pledges": 1,
        "movements of goods": 4,
        "split donations": 1,
        "decisions": 2,
    },
    "all is asked for": {"movements of goods": 3, "decisions": 1},
    "half is done": {"movements of goods": 3, "decisions": 1},
}
"""What is booked with less than its row should have, by the moment of the copy."""


@pytest.mark.parametrize("moment", PARTLY)
async def test_what_people_have_decided_is_there_again_to_the_fen_and_to_the_piece(
    office: Life, empty: AsyncEngine, moment: str
) -> None:
    copy = office.copies[moment]
    replayed = await put_back(empty, copy, office)
    assert replayed.lost == []
    assert {what.value: len(which) for what, which in replayed.partly.items()} == PARTLY[moment]
    await compare(empty, copy, office, set())


async def test_what_can_not_be_booked_is_given_back_and_takes_nothing_with_it(
    office: Life, empty: AsyncEngine
) -> None:
    """Without its donation a split is not known; a placard that is on another pledge; medicine of a release
    that did not tell its batch.
    """
    copy = office.copies["nothing is asked for"]
    office = Life(office.campaign_id, office.copies, [_older(event) for event in office.events], office.facts)
    await put_back(empty, Copy(copy.rows, len(office.events), copy.booked), office)
    async with empty.begin() as connection:
        await connection.execute(text(TAKEN), {"campaign_id": office.campaign_id})
        replayed = await replay(connection, office.events[copy.told :])
    assert [short_type(event) for event in replayed.lost] == [
        *("pledge.made", "goods.received", "pledge.corrected", "goods.distributed", "funds.transferred"),
        *("goods.returned", "goods.written-off", "goods.reversed"),
    ]
    assert {what.value: len(which) for what, which in replayed.partly.items()} == {
        "pledges": 1,
        "releases of pledges": 1,
        "decisions": 2,
    }


TAKEN = (
    "INSERT INTO pledges (pledge_id, campaign_id, state, version, company, display, shown_name, amount_fen,"
    " promised_on, due_on, placard, entered_by, entered_at, written_by) VALUES (gen_random_uuid(),"
    " :campaign_id, 'entered', 1, 'a', 'name', 'a', 1, '2026-01-01', '2026-01-01', '17', 'a', now(), 'a')"
)


def _older(event: Event) -> Event:
    """As a release wrote it that told no batch."""
    said = json.loads(event.to_bytes())
    for item in said["data"].get("items", []):
        item.pop("batch", None)
    return decode_event(json.dumps(said).encode())
