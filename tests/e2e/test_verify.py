"""`shanliu verify` on the real system: exact after an evening, and it names whatever is spoilt on purpose."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer

from deploy.bench.ground import Ground, prepared
from deploy.evening import KAFKA_CHANNEL, Evening, Stage, plan, some_donation
from deploy.local.problems import StackProblem
from deploy.verify.claims import digest_of
from deploy.verify.judging import Verdict, verify
from deploy.verify.shown import verify_shown
from deploy.verify.workbook import Sums
from tests.grounds import Base
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

DONATIONS = 120
PROCESSES = ("donation", "donation-worker", "campaign", "reporting-worker", "reporting")
SETTLED_S = 20


@dataclass
class Played:
    """A stack on which an evening has been played."""

    ground: Ground
    evening: Evening

    @property
    def campaign_id(self) -> str:
        return self.evening.expected.campaign_id

    async def verify(self, **options: Any) -> Verdict:
        return await verify(self.ground.places, **options)

    async def change(self, service: str, statement: str, *arguments: object) -> None:
        """Write into a service's database behind its back."""
        connection = await asyncpg.connect(self.ground.dsn(service))
        try:
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def command(self, person: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a command to the campaign service, on the version that is there."""
        headers = {
            "authorization": f"Bearer {self.ground.credentials.operators[person]}",
            "idempotency-key": uuid4().hex,
            "if-match": '"1"' if path.endswith("/approve") else "*",
        }
        async with httpx.AsyncClient() as client:
            answer = await client.post(self.ground.wiring.url("campaign") + path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def publish(self, topic: str, value: bytes, partition: int, key: bytes | None = None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.ground.kafka.servers)
        await producer.start()
        try:
            await producer.send_and_wait(self.ground.kafka.topic(topic), value, key=key, partition=partition)
        finally:
            await producer.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(base: Base) -> AsyncIterator[Played]:
    async with prepared(base) as ground, an_evening(ground) as evening:
        await evening.prepare()
        await evening.play(DONATIONS)
        yield Played(ground, evening)


@asynccontextmanager
async def an_evening(ground: Ground) -> AsyncIterator[Evening]:
    await ground.start(*PROCESSES)
    tokens = ground.credentials.operators
    stage = Stage(
        donation=ground.wiring.url("donation"),
        campaign=ground.wiring.url("campaign"),
        reporting=ground.wiring.url("reporting"),
        kafka=ground.kafka.servers,
        kafka_namespace=ground.wiring.namespace,
        tokens={
            "desk": tokens["desk.lin"],
            "approver": tokens["approver.wang"],
            "finance": tokens["finance.chen"],
            "administrator": tokens["administrator"],
        },
    )
    evening = Evening(stage, {}, seed=1, say=lambda _: None)
    try:
        yield evening
    finally:
        await evening.close()


def named(verdict: Verdict) -> list[tuple[str, str, str]]:
    return [(each.place, each.where, each.what) for each in verdict.findings]


async def test_after_an_evening_every_place_has_the_number_to_the_fen(played: Played) -> None:
    verdict = await played.verify(wait_s=SETTLED_S)
    assert named(verdict) == []
    lines = verdict.campaigns[played.campaign_id]
    expected = played.evening.expected
    assert {line.place for line in lines} == {
        "intake log",
        "donation.events",
        "donation database",
        "reporting database",
        "campaign database",
        "ledger",
        "stream",
        "GET totals",
    }
    for line in lines:
        assert line.exact
        assert line.sums.net_fen == expected.total_fen, line.place
        assert line.sums.donations == expected.donations, line.place
        # A promise is no posting.
        assert line.sums.promised_fen == (0 if line.place == "ledger" else expected.promised_fen), line.place
        assert line.sums.disbursed_fen == expected.disbursed_fen, line.place
        assert line.sums.returned_fen == expected.returned_fen > 0, line.place
        assert line.sums.goods_received_fen == expected.goods_received_fen > 0, line.place
        assert line.sums.goods_distributed_fen == expected.goods_distributed_fen > 0, line.place
    assert json.loads(json.dumps(verdict.as_json()))["exact"] is True


async def test_a_campaign_that_no_service_knows_is_not_exact(played: Played) -> None:
    with pytest.raises(StackProblem, match="No service knows a campaign 'no-such-campaign'"):
        await played.verify(campaign_id="no-such-campaign")


async def test_a_number_that_was_shown_says_which_donations_it_counted(played: Played) -> None:
    await played.verify(wait_s=SETTLED_S)
    address = f"{played.ground.wiring.url('reporting')}/v1/campaigns/{played.campaign_id}"
    async with httpx.AsyncClient() as client:
        shown = (await client.get(f"{address}/totals")).json()

        async def kept() -> bool:
            return (await client.get(f"{address}/proofs/{shown['digest']}")).is_success

        async with client.stream("GET", f"{address}/stream"):
            await until(kept)
    found = await verify_shown(played.ground.places, played.campaign_id, shown["digest"][:12].upper())
    assert found.exact
    assert found.sums.net_fen == shown["net_fen"]
    assert len(set(found.donations)) == shown["donations"] == sum(each.donations for each in found.counted)


async def test_erased_donors_leave_every_number_and_chain_as_it_was(played: Played) -> None:
    ground = played.ground
    connection = await asyncpg.connect(ground.dsn("donation"))
    rows = await connection.fetch(
        "SELECT donation_id, contact_email FROM donations WHERE contact_email IS NOT NULL"
        " AND donor_display <> 'anonymous' ORDER BY received_at DESC LIMIT 3"
    )
    before = (await played.verify(wait_s=SETTLED_S)).campaigns[played.campaign_id]
    async with httpx.AsyncClient(base_url=ground.wiring.url("donation")) as client:

        async def post(person: str, path: str, body: object = None) -> Any:
            headers = {"authorization": f"Bearer {ground.credentials.operators[person]}"}
            answer = await client.post(path, json=body, headers=headers | {"idempotency-key": uuid4().hex})
            assert answer.is_success, answer.text
            return answer.json()

        ids = [str(row["donation_id"]) for row in rows]
        asked = await post("finance.chen", "/v1/erasures", {"donation_ids": ids, "reference": "PIPL-1"})
        await post("approver.wang", f"/v1/erasures/{asked['erasure_id']}/carry-out")

    async def counted() -> bool:
        erased = "SELECT count(*) = 3 FROM erased_donors"
        return bool(await ground.value("reporting", erased))

    await until(counted)
    verdict = await played.verify(wait_s=SETTLED_S)
    assert named(verdict) == []
    assert [line.sums for line in verdict.campaigns[played.campaign_id]] == [line.sums for line in before]
    still = "SELECT count(*) FROM recent_donors JOIN erased_donors USING (donation_id) WHERE shown_name <> ''"
    assert await ground.value("reporting", still) == 0
    for table in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        for row in rows:
            said = f"SELECT count(*) FROM {table['tablename']} t WHERE t::text LIKE '%' || $1 || '%'"
            assert await connection.fetchval(said, row["contact_email"]) == 0, table["tablename"]
    await connection.close()


async def test_it_is_exact_while_donations_go_on_coming(played: Played) -> None:
    surge = asyncio.create_task(played.evening.donate_by_kafka(3_000))
    verdicts = [await played.verify()]
    while not surge.done():
        verdicts.append(await played.verify())
    await surge
    assert [named(verdict) for verdict in verdicts] == [[]] * len(verdicts)
    settled = await played.verify(wait_s=SETTLED_S)
    assert settled.campaigns[played.campaign_id][0].sums.net_fen == played.evening.expected.total_fen


async def test_a_donation_whose_channel_aborted_its_transaction_is_nowhere(played: Played) -> None:
    """It lies on the log all the same: whoever reads it must pass it by, the proof too."""
    topic = played.ground.kafka.topic(f"intake.{KAFKA_CHANNEL}")
    aborted = some_donation(random.Random(7), played.campaign_id, "aborted")
    channel = AIOKafkaProducer(bootstrap_servers=played.ground.kafka.servers, transactional_id=topic)
    async with channel:
        await channel.begin_transaction()
        for partition in range(played.ground.wiring.partitions):
            await channel.send_and_wait(topic, json.dumps(aborted).encode(), partition=partition)
        await channel.abort_transaction()
    await played.evening.donate_by_kafka(20)
    verdict = await played.verify(wait_s=SETTLED_S)
    assert named(verdict) == []
    assert verdict.campaigns[played.campaign_id][0].sums.donations == played.evening.expected.donations
    known = "SELECT EXISTS (SELECT FROM donations WHERE transaction_id = 'aborted')"
    assert await played.ground.value("donation", known) is False


Spoil = Callable[[Played], Awaitable[None]]


@dataclass(frozen=True)
class Spoiling:
    """A statement that spoils one place, the one that mends it, and where it must be found."""

    service: str
    spoil: str
    mend: str
    place: str
    what: str


ONE_DONATION = "(SELECT donation_id FROM donations WHERE held_reason IS NULL ORDER BY donation_id LIMIT 1)"
UNUSED = (
    "(SELECT source, sequence FROM"
    " (SELECT source, generate_series(0, max(sequence)) AS sequence FROM donations"
    "  WHERE channel = 'ecny' GROUP BY source) AS every LEFT JOIN donations d USING (source, sequence)"
    " WHERE d.donation_id IS NULL LIMIT 1) AS unused"
)
"""A position with a repeat or a bad record: nothing may count there."""
ONE_TOTAL = "(SELECT ctid FROM campaign_totals WHERE received_fen > 0 ORDER BY source LIMIT 1)"
FIRST_POSTINGS = "(journal, sequence) = (SELECT min(journal), 1 FROM ledger_journals) AND line <= 2"
LAST_ENTRY = (
    "(journal, sequence) = (SELECT journal, sequence FROM ledger_journals"
    " WHERE journal <> 'books' ORDER BY journal LIMIT 1)"
)


REMOVED = (
    f"CREATE TABLE kept_entries AS SELECT * FROM ledger_entries WHERE {LAST_ENTRY}",
    f"CREATE TABLE kept_postings AS SELECT * FROM ledger_postings WHERE {LAST_ENTRY}",
    (
        "DELETE FROM ledger_postings p USING kept_entries k"
        " WHERE p.journal = k.journal AND p.sequence = k.sequence"
    ),
    (
        "DELETE FROM ledger_entries e USING kept_entries k"
        " WHERE e.journal = k.journal AND e.sequence = k.sequence"
    ),
)
PUT_BACK = (
    "INSERT INTO ledger_entries SELECT * FROM kept_entries",
    "INSERT INTO ledger_postings SELECT * FROM kept_postings",
    "DROP TABLE kept_entries, kept_postings",
)


def _behind_the_triggers(*statements: str) -> str:
    """Statements of an owner who has switched off what guards the ledger."""
    tables = ("ledger_entries", "ledger_postings")
    off = [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables]
    on = [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables]
    return "; ".join([*off, *statements, *on])


ONE_RECEIPT = "(SELECT min(source) FROM fund_receipts WHERE donations > 0)"
SPOILINGS = {
    "a stored amount": Spoiling(
        "donation",
        f"UPDATE donations SET amount_fen = amount_fen + 1 WHERE donation_id = {ONE_DONATION}",
        f"UPDATE donations SET amount_fen = amount_fen - 1 WHERE donation_id = {ONE_DONATION}",
        "donation database",
        "instead of",
    ),
    "a donation that is gone": Spoiling(
        "donation",
        "CREATE TABLE kept AS SELECT * FROM donations"
        f" WHERE donation_id = {ONE_DONATION};"
        "DELETE FROM donations USING kept WHERE donations.donation_id = kept.donation_id",
        "INSERT INTO donations SELECT * FROM kept; DROP TABLE kept",
        "donation database",
        "is missing",
    ),
    "a donation that nobody sent": Spoiling(
        "donation",
        "INSERT INTO donations SELECT gen_random_uuid(), channel, 'made up', campaign_id, amount_fen,"
        " fee_fen, occurred_at, received_at, donor_kind, donor_name, donor_alias, donor_display,"
        f" contact_email, message, unused.source, unused.sequence, NULL, 'received' FROM {UNUSED}, donations"
        f" WHERE donation_id = {ONE_DONATION}",
        "DELETE FROM donations WHERE transaction_id = 'made up'",
        "donation database",
        "nobody has sent",
    ),
    "a deleted event's effect": Spoiling(
        "campaign",
        "UPDATE fund_receipts SET received_fen = received_fen - 100, donations = donations - 1"
        f" WHERE source = {ONE_RECEIPT}",
        "UPDATE fund_receipts SET received_fen = received_fen + 100, donations = donations + 1"
        f" WHERE source = {ONE_RECEIPT}",
        "campaign database",
        "donations is",
    ),
    "a total": Spoiling(
        "reporting",
        f"UPDATE campaign_totals SET received_fen = received_fen + 1 WHERE ctid = {ONE_TOTAL}",
        f"UPDATE campaign_totals SET received_fen = received_fen - 1 WHERE ctid = {ONE_TOTAL}",
        "reporting database",
        "received_fen is",
    ),
    "a minute": Spoiling(
        "reporting",
        "UPDATE minute_totals SET donations = donations + 1"
        " WHERE ctid = (SELECT min(ctid) FROM minute_totals)",
        "UPDATE minute_totals SET donations = donations - 1"
        " WHERE ctid = (SELECT max(ctid) FROM minute_totals)",
        "reporting database",
        "the minutes of",
    ),
    "goods that went out": Spoiling(
        "campaign",
        "UPDATE goods_movements SET value_fen = value_fen + 1 WHERE kind = 'distribution'",
        "UPDATE goods_movements SET value_fen = value_fen - 1 WHERE kind = 'distribution'",
        "campaign database",
        "goods_distributed_fen is",
    ),
    "goods in a store": Spoiling(
        "campaign",
        "UPDATE goods_items SET left_fen = left_fen - 1",
        "UPDATE goods_items SET left_fen = left_fen + 1",
        "ledger",
        "of goods in store",
    ),
    "whose a campaign is": Spoiling(
        "reporting",
        "UPDATE campaigns SET organisation_id = 'pingjiang' WHERE organisation_id = 'gusu'",
        "UPDATE campaigns SET organisation_id = 'gusu' WHERE organisation_id = 'pingjiang'",
        "reporting database",
        "belongs to pingjiang instead of gusu",
    ),
    "a county's place": Spoiling(
        "reporting",
        "UPDATE organisations SET parent_id = NULL WHERE organisation_id = 'pingjiang'",
        "UPDATE organisations SET parent_id = 'gusu' WHERE organisation_id = 'pingjiang'",
        "reporting database",
        "pingjiang stands below nobody instead of gusu",
    ),
    "a promise": Spoiling(
        "reporting",
        "UPDATE pledges SET amount_fen = amount_fen + 1"
        " WHERE pledge_id = (SELECT pledge_id FROM pledges ORDER BY pledge_id LIMIT 1)",
        "UPDATE pledges SET amount_fen = amount_fen - 1"
        " WHERE pledge_id = (SELECT pledge_id FROM pledges ORDER BY pledge_id LIMIT 1)",
        "reporting database",
        "promised_fen is",
    ),
    "a payment": Spoiling(
        "campaign",
        "UPDATE disbursements SET amount_fen = amount_fen + 1",
        "UPDATE disbursements SET amount_fen = amount_fen - 1",
        "campaign database",
        "disbursed_fen is",
    ),
    "a transfer that nobody has announced": Spoiling(
        "campaign",
        "INSERT INTO fund_transfers (transfer_id, kind, state, version, from_campaign_id, amount_fen,"
        " decided_on, reason, trustee, trust, asked_by, asked_at, decided_by, decided_at)"
        " SELECT gen_random_uuid(), 'trust', 'approved', 1, min(campaign_id), 1, current_date, 'made up',"
        " 'x', 'x', 'a', now(), 'b', now() FROM funds",
        "DELETE FROM fund_transfers WHERE reason = 'made up'",
        "campaign database",
        "transferred_out_fen is 1 instead of 0",
    ),
    "a posting": Spoiling(
        "campaign",
        _behind_the_triggers(
            f"UPDATE ledger_postings SET amount_fen = amount_fen + 1 WHERE {FIRST_POSTINGS}"
        ),
        _behind_the_triggers(
            f"UPDATE ledger_postings SET amount_fen = amount_fen - 1 WHERE {FIRST_POSTINGS}"
        ),
        "ledger",
        "its hash is not that of its content",
    ),
    "the end of a journal, with its head": Spoiling(
        "campaign",
        _behind_the_triggers(
            "CREATE TABLE kept_journals AS SELECT * FROM ledger_journals",
            *REMOVED,
            "UPDATE ledger_journals j SET sequence = j.sequence - 1,"
            " hash = coalesce((SELECT hash FROM ledger_entries e WHERE e.journal = j.journal"
            "  AND e.sequence = j.sequence - 1), decode(repeat('00', 32), 'hex'))"
            " FROM kept_entries k WHERE j.journal = k.journal",
        ),
        _behind_the_triggers(
            "UPDATE ledger_journals j SET sequence = k.sequence, hash = k.hash"
            " FROM kept_journals k WHERE j.journal = k.journal",
            *PUT_BACK,
            "DROP TABLE kept_journals",
        ),
        "ledger",
        "instead of",
    ),
    "a removed entry": Spoiling(
        "campaign",
        _behind_the_triggers(
            *REMOVED,
        ),
        _behind_the_triggers(*PUT_BACK),
        "ledger",
        "does not end with the entry",
    ),
}


@pytest.mark.parametrize("name", SPOILINGS)
async def test_what_is_spoilt_in_a_database_is_named(played: Played, name: str) -> None:
    spoiling = SPOILINGS[name]
    await played.change(spoiling.service, spoiling.spoil)
    spoilt = await played.verify()
    await played.change(spoiling.service, spoiling.mend)
    assert not spoilt.exact
    assert {each.place for each in spoilt.differences} == {spoiling.place}
    assert any(spoiling.what in each.what for each in spoilt.differences), named(spoilt)


async def test_money_that_changed_its_fund_is_the_same_in_the_events_the_tables_and_the_ledger(
    played: Played,
) -> None:
    other = f"homes-{uuid4().hex[:8]}"
    body = plan(other, datetime.now(UTC)) | {"kind": "emergency_appeal"}
    await played.command("desk.lin", "/v1/campaigns", body)
    await played.command("desk.lin", f"/v1/campaigns/{other}/launch", {})
    wanted = {"to_campaign_id": other, "amount_fen": 1, "reason": "归口"}
    asked = await played.command("finance.chen", f"/v1/campaigns/{played.campaign_id}/transfers", wanted)
    await played.command("approver.wang", f"/v1/transfers/{asked['transfer_id']}/approve", {})
    verdict = await played.verify(wait_s=SETTLED_S)
    assert named(verdict) == []
    for campaign_id, moved in ((played.campaign_id, (0, 1)), (other, (1, 0))):
        said = {
            line.place: (line.sums.transferred_in_fen, line.sums.transferred_out_fen)
            for line in verdict.campaigns[campaign_id]
        }
        assert said["campaign database"] == said["ledger"] == moved, said
        assert said["GET totals"] == (0, 0), "the public total does not know of it"


async def test_a_wrong_number_on_the_screen_is_named(played: Played) -> None:
    """A state with one fen too much on the topic `totals`: stream and GET show it, the databases don't."""
    ground, campaign_id = played.ground, played.campaign_id
    query = "SELECT max(sequence) FROM marks"
    assert await ground.value("reporting", query) is not None
    state = await _newest_state(played)
    state["amounts"]["received_fen"] += 1
    state["as_of"] = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    sums = Sums(**{name: fen for name, fen in state["amounts"].items() if name in Sums.__dataclass_fields__})
    state["digest"] = digest_of(campaign_id, state["positions"], sums)
    await played.publish("totals", json.dumps(state).encode(), 0, campaign_id.encode())

    async def shown() -> bool:
        return not (await played.verify()).exact

    await until(shown, deadline_s=20)
    verdict = await played.verify()
    assert {each.place for each in verdict.differences} == {"stream", "GET totals"}
    # Whatever is counted next is read from the database and shown as it is there.
    await played.evening.donate_by_http(1)
    assert named(await played.verify(wait_s=SETTLED_S)) == []


async def _newest_state(played: Played) -> dict[str, Any]:
    """What the reporting worker would publish of the campaign now."""
    from services.reporting import queries  # noqa: PLC0415 - only this test writes in a service's name
    from shared.database import create_engine, disposing  # noqa: PLC0415

    async with disposing(create_engine(played.ground.wiring.databases["reporting"], "test")) as engine:
        states = await queries.read_states(engine, [played.campaign_id])
    return json.loads(states[0].model_dump_json())  # type: ignore[no-any-return]


async def test_what_is_only_behind_is_told_apart(played: Played) -> None:
    """A donation that reporting is kept from counting: a lock, as of a migration, holds its batch."""
    assert named(await played.verify(wait_s=SETTLED_S)) == []
    donation = some_donation(random.Random(8), played.campaign_id, "late")
    connection = await asyncpg.connect(played.ground.dsn("reporting"))
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE marks IN EXCLUSIVE MODE")
            await played.publish(f"intake.{KAFKA_CHANNEL}", json.dumps(donation).encode(), 0, b"late")
            verdict = await played.verify(wait_s=2)
    finally:
        await connection.close()
    assert verdict.differences == []
    assert {each.place for each in verdict.behind} >= {"reporting database", "GET totals"}
    assert not verdict.exact
    assert named(await played.verify(wait_s=SETTLED_S)) == []
