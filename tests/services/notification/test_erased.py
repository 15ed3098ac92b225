"""A donor who was erased: no address stays, nothing more is sent, and a partner's copy has no name."""

import json
from uuid import uuid4

import pytest

from deploy.local.mailcatcher.mailbox import Mode
from shared.events import DonorDataErased, Event
from shared.events.donations import DonorDataErasedData
from tests.services.notification.builders import AT, GALA, address_of, contact
from tests.services.notification.conftest import World
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def erased(world: World, donation_id: object, **fields: object) -> Event:
    data = DonorDataErasedData.model_validate(
        {"donation_id": donation_id, "channel": "wechat", "campaign_id": GALA, "erased_at": AT, **fields}
    )
    return world.intake.event(DonorDataErased, data)


async def tables_with(world: World, *marks: str) -> set[str]:
    tables = [
        row[0] for row in await world.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    ]
    found = set()
    for table in tables:
        for mark in marks:
            like = {"said": f"%{mark}%", "bytes": f"%{mark.encode().hex()}%"}
            if await world.rows(
                f"SELECT 1 FROM {table} t WHERE t::text LIKE :said OR t::text LIKE :bytes LIMIT 1",
                **like,
            ):
                found.add(table)
    return found


async def test_who_waits_to_be_thanked_is_forgotten_and_never_written_to(world: World) -> None:
    world.mailbox.behave(Mode.REJECT_451, count=1)
    mail_id, event_id, mark = uuid4(), f"intake.wechat/9:{uuid4().int % 10**6}", f"名{uuid4().hex}"
    donation_id = await world.donate(name=mark)

    async def tried() -> bool:
        return bool(await world.rows("SELECT 1 FROM attempts WHERE donation_id = :id", id=donation_id))

    await until(tried)
    await world.change(
        "UPDATE messages SET next_attempt_at = now() + interval '1 hour', state = 'retry', lease_until = NULL"
        " WHERE donation_id = :id",
        id=donation_id,
    )
    await world.change(
        "INSERT INTO receipt_contacts VALUES (:id, :email, :name, now() + interval '1 day')",
        id=mail_id,
        email=address_of(donation_id),
        name=mark,
    )
    body = json.dumps({"id": event_id, "data": {"shown_name": mark, "amount_fen": 1}}, ensure_ascii=False)
    await world.change(
        "INSERT INTO webhook_events VALUES (:id, 'org.shanliu.donation.received.v1', :c, :body, now())",
        id=event_id,
        c=GALA,
        body=body.encode(),
    )
    assert {"contacts", "receipt_contacts", "webhook_events"} <= await tables_with(world, mark)
    event = erased(world, donation_id, event_ids=[event_id], receipt_mail_ids=[mail_id])
    await world.tell(event)
    await world.counted(event)
    assert await tables_with(world, mark, address_of(donation_id)) == set()
    assert await world.state(donation_id) == "dropped"
    (kept,) = await world.rows("SELECT body FROM webhook_events WHERE event_id = :id", id=event_id)
    assert json.loads(bytes(kept[0])) == {"id": event_id, "data": {"amount_fen": 1}}
    await world.another_is_thanked()
    assert world.mails(donation_id) == []


async def test_an_address_that_comes_after_the_erasure_is_not_kept(world: World) -> None:
    donation_id, mark = uuid4(), f"名{uuid4().hex}"
    event = erased(world, donation_id)
    await world.tell(event)
    await world.counted(event)
    await world.leave(contact(donation_id, name=mark))
    await world.tell(world.intake.received(donation_id))
    await world.another_is_thanked()
    assert await tables_with(world, mark, address_of(donation_id)) == set()
    assert world.mails(donation_id) == []
