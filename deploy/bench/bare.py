"""What the pipeline is measured against: bare aiokafka + asyncpg loops doing the same writes.

The same JSON in and out, the same tables with the same constraints and indexes, the same statements, the
same deduplication, the same number of processes. What a loop like this has not got is what the services
add: validation, dead letters, holding, conflicts, reversals, marks, order of publishing, bounded retries,
time series, recent donors, metrics, health.

    python -m deploy.bench.bare worker | campaign | reporting
"""

import asyncio
import json
import os
import sys
import uuid
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from services.donation.queries import COLUMNS
from shared.broker import (
    CAMPAIGN_GROUP,
    DONATION_EVENTS,
    DONATION_WORKER_GROUP,
    REPORTING_GROUP,
    KafkaSettings,
)

MAX_RECORDS: Final = 2_000
POLL_MS: Final = 50
FETCH_WAIT_MS: Final = 500
"""aiokafka's default: what has arrived is given out at once all the same."""
CHANNEL: Final = "bench"
CONTACT: Final = ("email", "phone", "wechat_openid", "wechat_app_id", "language")
HEADERS: Final = [("content-type", b"application/cloudevents+json")]
Batch = Mapping[TopicPartition, list[ConsumerRecord[bytes, bytes]]]

_INSERT: Final = (
    f"INSERT INTO donations ({', '.join(COLUMNS)})"  # noqa: S608 - names of our own
    f" SELECT * FROM unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(COLUMNS.values(), 1))})"
    " ON CONFLICT (donation_id) DO NOTHING RETURNING donation_id"
)
_SUMS: Final = "FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS x (c, s, r, n)"
_GROWN: Final = (
    "received_fen = t.received_fen + excluded.received_fen, donations = t.donations + excluded.donations"
)
_CAMPAIGN: Final = (
    "INSERT INTO fund_receipts AS t (campaign_id, source, received_fen, reversed_fen, donations, reversals)"
    f" SELECT c, s, r, 0, n, 0 {_SUMS} ON CONFLICT (campaign_id, source) DO UPDATE SET {_GROWN}"
)
_REPORTING: Final = (
    "INSERT INTO campaign_totals AS t (campaign_id, source, received_fen, donations, channel)"
    f" SELECT c, s, r, n, '{CHANNEL}' {_SUMS}"
    f" ON CONFLICT (campaign_id, channel, source) DO UPDATE SET {_GROWN}"
)
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:shanliu:donation")


def consumer_of(settings: KafkaSettings, topic: str, group: str) -> AIOKafkaConsumer:
    """A consumer that commits by hand."""
    return AIOKafkaConsumer(
        settings.topic(topic),
        bootstrap_servers=settings.servers,
        group_id=settings.topic(group),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )


async def work(settings: KafkaSettings, pool: "asyncpg.Pool[Any]") -> None:
    """Intake records → rows, once each → events."""
    consumer = consumer_of(settings, f"intake.{CHANNEL}", DONATION_WORKER_GROUP)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.servers, acks="all", linger_ms=0, max_batch_size=1 << 20
    )
    await producer.start()
    await consumer.start()
    while True:
        batch: Batch = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        if not batch:
            continue
        rows = [_row(partition, record) for partition, records in batch.items() for record in records]
        async with pool.acquire() as connection, connection.transaction():
            columns = [list(column) for column in zip(*rows, strict=True)]
            new = {row["donation_id"] for row in await connection.fetch(_INSERT, *columns)}
        await _publish(settings, producer, [row for row in rows if row[0] in new])
        await consumer.commit()


def _row(partition: TopicPartition, record: ConsumerRecord[bytes, bytes]) -> tuple[Any, ...]:
    body = json.loads(record.value or b"")
    donor = body["donor"]
    contact = donor.get("contact")
    return (
        uuid.uuid5(_NAMESPACE, f"{CHANNEL}\n{body['transaction_id']}"),
        CHANNEL,
        body["transaction_id"],
        body["campaign_id"],
        body["amount_fen"],
        body.get("fee_fen"),
        datetime.fromisoformat(body["occurred_at"]),
        datetime.fromtimestamp(record.timestamp / 1000, UTC),
        donor["kind"],
        donor.get("name"),
        donor.get("alias"),
        donor["display"],
        *((contact or {}).get(field) for field in CONTACT),
        body.get("message"),
        body.get("pledge_id"),
        f"intake.{CHANNEL}/{partition.partition}",
        record.offset,
        None,
        "received",
    )


def _event(row: tuple[Any, ...]) -> bytes:
    shown = row[9] if row[11] == "name" else row[10] if row[11] == "alias" else None
    received_at = row[7].isoformat()
    data = {
        "donation_id": str(row[0]),
        "channel": row[1],
        "campaign_id": row[3],
        "amount_fen": row[4],
        "occurred_at": row[6].isoformat(),
        "received_at": received_at,
        "donor_kind": row[8],
        "shown_name": shown,
        "has_contact": any(row[12:15]),
        "released": False,
    }
    event = {
        "specversion": "1.0",
        "id": f"{row[19]}:{row[20]}",
        "source": row[19],
        "type": "org.shanliu.donation.received.v1",
        "subject": str(row[0]),
        "time": received_at,
        "datacontenttype": "application/json",
        "sequence": f"{row[20]:019d}",
        "data": data,
    }
    return json.dumps(event, ensure_ascii=False).encode()


async def _publish(settings: KafkaSettings, producer: AIOKafkaProducer, rows: list[tuple[Any, ...]]) -> None:
    topic = settings.topic(DONATION_EVENTS)
    lists: defaultdict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
    for row in rows:
        lists[int(row[19].rpartition("/")[2])].append((str(row[0]).encode(), _event(row)))
    sent = []
    for partition, records in lists.items():
        batch = producer.create_batch()
        for key, value in records:
            if batch.append(key=key, value=value, timestamp=None, headers=HEADERS) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None, headers=HEADERS)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


async def add_up(settings: KafkaSettings, pool: "asyncpg.Pool[Any]", group: str, statement: str) -> None:
    """Events → one sum per campaign and source."""
    consumer = consumer_of(settings, DONATION_EVENTS, group)
    await consumer.start()
    while True:
        batch: Batch = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        if not batch:
            continue
        sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        for records in batch.values():
            for record in records:
                event = json.loads(record.value or b"")
                entry = sums[event["data"]["campaign_id"], event["source"]]
                entry[0] += event["data"]["amount_fen"]
                entry[1] += 1
        keys = sorted(sums)
        async with pool.acquire() as connection:
            await connection.execute(
                statement,
                [campaign for campaign, _ in keys],
                [source for _, source in keys],
                [sums[key][0] for key in keys],
                [sums[key][1] for key in keys],
            )
        await consumer.commit()


async def main(part: str) -> None:
    """Run one of the three loops until killed."""
    settings = KafkaSettings()
    url = os.environ["DATABASE_URL"].replace("postgresql+asyncpg://", "postgresql://", 1)
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        if part == "worker":
            await work(settings, pool)
        elif part == "campaign":
            await add_up(settings, pool, CAMPAIGN_GROUP, _CAMPAIGN)
        else:
            await add_up(settings, pool, REPORTING_GROUP, _REPORTING)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
