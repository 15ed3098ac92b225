"""One thank-you for one donation that counts, whatever order things arrive in and how often."""

import asyncio
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer

from services.notification.settings import Settings
from services.notification.thanks import message_id
from shared.broker import CONTACTS, DEAD_LETTER, DONATION_EVENTS, NOTIFICATION_EVENTS
from shared.dead_letters import DeadLetter
from shared.events import NotificationDelivered, decode_event
from tests.services.notification.builders import GALA, NAME, address_of, contact
from tests.services.notification.conftest import World, running
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_donor_who_left_a_contact_is_thanked_once(world: World) -> None:
    donation_id = await world.donate()
    await world.reaches(donation_id, "delivered")

    (mail,) = world.mails(donation_id)
    assert mail.recipients == (address_of(donation_id),)
    assert mail.message_id == f"<{message_id(donation_id)}@shanliu.example>"
    assert NAME in mail.text
    assert "1,234.56" in mail.text
    assert "第六届新年慈善晚会" in mail.subject

    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationDelivered)
    assert told.data.model_dump() == {
        "message_id": message_id(donation_id),
        "donation_id": donation_id,
        "campaign_id": GALA,
        "way": "mail",
        "attempts": 1,
        "reason": None,
    }
    assert not await world.contact_is_kept(donation_id)


async def record_with(settings: Settings, topic: str, content: bytes) -> bytes:
    """The first record of a topic that holds `content`."""
    consumer = AIOKafkaConsumer(
        settings.topic(topic), bootstrap_servers=settings.servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            async for record in consumer:
                if record.value is not None and content in record.value:
                    return bytes(record.value)
    finally:
        await consumer.stop()
    raise AssertionError("a consumer that is not stopped doesn't end")


async def test_the_others_are_told_on_kafka(world: World) -> None:
    donation_id = await world.donate()
    event = decode_event(await record_with(world.settings, NOTIFICATION_EVENTS, str(donation_id).encode()))
    assert isinstance(event, NotificationDelivered)
    assert event.source.startswith("notification/")


@pytest.mark.parametrize("contact_first", [True, False], ids=["contact first", "event first"])
async def test_the_contact_and_the_event_may_come_in_either_order(
    world: World, *, contact_first: bool
) -> None:
    donation_id = uuid4()
    received = world.intake.received(donation_id)
    if contact_first:
        await world.leave(contact(donation_id))
        await until(lambda: world.contact_is_kept(donation_id))
        await world.tell(received)
    else:
        await world.tell(received)
        await world.reaches(donation_id, "waiting")
        await world.leave(contact(donation_id))
    await world.reaches(donation_id, "delivered")
    assert len(world.mails(donation_id)) == 1


async def test_repeats_of_everything_bring_no_second_mail_and_no_contact_back(world: World) -> None:
    donation_id = uuid4()
    received, left = world.intake.received(donation_id), contact(donation_id)
    await world.leave(left)
    await world.tell(received)
    await world.reaches(donation_id, "delivered")
    for _ in range(3):
        await world.leave(left)
        await world.tell(received)
    await world.another_is_thanked()
    assert len(world.mails(donation_id)) == 1
    assert not await world.contact_is_kept(donation_id)


async def test_events_that_come_too_early_count_when_their_rightful_copy_comes(world: World) -> None:
    first, second = uuid4(), uuid4()
    earlier, later = world.intake.received(first), world.intake.received(second)
    await world.leave(contact(first), contact(second))
    await world.tell(later, earlier)
    await world.reaches(first, "delivered")
    assert await world.state(second) is None
    await world.tell(later, earlier, later)
    await world.reaches(second, "delivered")
    assert len(world.mails(first)) == len(world.mails(second)) == 1


async def test_a_donation_without_a_contact_has_no_message(world: World) -> None:
    donation_id = uuid4()
    received = world.intake.received(donation_id, has_contact=False)
    await world.tell(received)
    await world.counted(received)
    assert await world.state(donation_id) is None


async def test_a_held_donation_is_thanked_when_it_is_released(world: World) -> None:
    donation_id = uuid4()
    held = world.intake.held(donation_id)
    await world.leave(contact(donation_id))
    await world.tell(held)
    await world.another_is_thanked()
    assert world.mails(donation_id) == []

    await world.tell(world.internal.received(donation_id, released=True))
    await world.reaches(donation_id, "delivered")
    assert len(world.mails(donation_id)) == 1


async def test_a_conflict_brings_no_mail_beside_the_donation_s_own(world: World) -> None:
    donation_id = await world.donate()
    await world.reaches(donation_id, "delivered")
    never_counted = uuid4()
    await world.leave(contact(donation_id, email="other@example.com"), contact(never_counted))
    await world.tell(world.intake.conflicted(donation_id), world.intake.conflicted(never_counted))
    await world.another_is_thanked()
    assert len(world.mails(donation_id)) == 1
    assert world.mails(never_counted) == []
    assert world.mailbox.find(to="other@example.com") == []


async def test_who_got_everything_back_before_the_mail_is_not_thanked(world: World) -> None:
    donation_id = uuid4()
    refunds = [world.internal.reversed(donation_id, 100_000), world.internal.reversed(donation_id, 23_456)]
    await world.tell(*refunds)
    await world.counted(*refunds)
    await world.tell(world.intake.received(donation_id))
    await world.leave(contact(donation_id))
    await world.reaches(donation_id, "withdrawn")
    await world.another_is_thanked()
    assert world.mails(donation_id) == []
    assert await world.news(donation_id) == []
    assert not await world.contact_is_kept(donation_id)


async def test_who_got_a_part_back_is_thanked_and_told(world: World) -> None:
    donation_id = uuid4()
    refund = world.internal.reversed(donation_id, 23_456)
    await world.tell(refund)
    await world.counted(refund)
    await world.tell(world.intake.received(donation_id))
    await world.leave(contact(donation_id))
    await world.reaches(donation_id, "delivered")
    (mail,) = world.mails(donation_id)
    assert "其中 234.56 元已退回" in mail.text


async def test_a_mail_waits_until_its_campaign_is_known(world: World) -> None:
    donation_id = uuid4()
    await world.leave(contact(donation_id))
    await world.tell(world.intake.received(donation_id, campaign_id="unheard-of"))
    due = "SELECT next_attempt_at > now() + interval '1 s' FROM messages WHERE donation_id = :id"

    async def stepped_back() -> bool:
        return await world.rows(due, id=donation_id) == [(True,)]

    await until(stepped_back)
    launched = world.campaigns.launched("unheard-of")
    await world.tell(launched)
    await world.counted(launched)
    await world.change("UPDATE messages SET next_attempt_at = now() WHERE donation_id = :id", id=donation_id)
    await world.reaches(donation_id, "delivered")
    assert await world.rows("SELECT attempts FROM messages WHERE donation_id = :id", id=donation_id) == [(1,)]


async def test_the_mail_names_the_campaign_as_its_last_event_does(world: World) -> None:
    old, new = (
        world.campaigns.launched("renamed", title="旧名"),
        world.campaigns.launched("renamed", title="新名 =?utf-8?q?x?="),
    )
    await world.tell(old, new)
    await world.counted(new)
    donation_id = uuid4()
    await world.leave(contact(donation_id))
    await world.tell(world.intake.received(donation_id, campaign_id="renamed"))
    await world.reaches(donation_id, "delivered")
    (mail,) = world.mails(donation_id)
    assert mail.subject == "感谢您的捐赠：新名 =?utf-8?q?x?= / Thank you for your donation"


@pytest.mark.parametrize(
    "name",
    ["张\r\nBcc: other@example.com", "\r\n.\r\nMAIL FROM:<x@example.com>", "<script>", "\0" * 9, "名" * 999],
)
async def test_a_hostile_name_reaches_nobody_else(world: World, name: str) -> None:
    received_before = world.mailbox.received
    donation_id = await world.donate(name=name)
    await world.reaches(donation_id, "delivered")
    assert world.mailbox.received == received_before + 1
    (mail,) = world.mails(donation_id)
    assert mail.recipients == (address_of(donation_id),)
    assert "<script>" not in mail.html
    assert b"\r\nBcc:" not in mail.raw


@pytest.mark.parametrize("topic", [DONATION_EVENTS, CONTACTS])
async def test_a_record_that_can_not_be_used_does_not_stop_the_batch_around_it(
    world: World, topic: str
) -> None:
    bad = b'{"donation_id": "secret@example.com"}'
    placed = await world.publisher.send(topic, bad, partition=0)
    donation_id = await world.donate()
    await world.reaches(donation_id, "delivered")
    origin = b'"topic":"%b","partition":0,"offset":%d' % (topic.encode(), placed.offset)
    letter = DeadLetter.model_validate_json(await record_with(world.settings, DEAD_LETTER, origin))
    assert letter.value == (bad if topic == DONATION_EVENTS else None), "a contact is not kept for ever"
    assert "secret" not in letter.detail


async def test_two_processes_share_the_work_and_nobody_is_thanked_twice(world: World) -> None:
    donations: list[UUID] = [uuid4() for _ in range(100)]
    received_before = world.mailbox.received
    statement = "SELECT count(*) FROM messages WHERE donation_id = ANY(:ids) AND state = 'delivered'"

    async def all_are_delivered() -> bool:
        return await world.rows(statement, ids=donations) == [(100,)]

    async with running(world.settings):
        await world.leave(*(contact(each) for each in donations))
        await world.tell(*(world.intake.received(each) for each in donations))
        await until(all_are_delivered, deadline_s=60)
    assert [len(world.mails(each)) for each in donations] == [1] * 100
    assert world.mailbox.received == received_before + 100
