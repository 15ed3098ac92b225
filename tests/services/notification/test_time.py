"""What time does: contacts are deleted after seven days, leases run out, and nothing waits for ever.

Time passes by changing what the rows say of it; the service's upkeep runs every tenth of a second here.
"""

from uuid import UUID, uuid4

import pytest

from deploy.local.mailcatcher.mailbox import Mode
from shared.events import NotificationFailed
from tests.services.notification.builders import contact
from tests.services.notification.conftest import World
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EIGHT_DAYS = "interval '8 days'"


async def contact_is_gone(world: World, donation_id: UUID) -> bool:
    return not await world.contact_is_kept(donation_id)


async def test_a_contact_nobody_asked_for_is_deleted_after_seven_days(world: World) -> None:
    donation_id = uuid4()
    await world.leave(contact(donation_id))
    await until(lambda: world.contact_is_kept(donation_id))
    age = f"SET received_at = received_at - {EIGHT_DAYS}, expires_at = expires_at - {EIGHT_DAYS}"
    await world.change(f"UPDATE contacts {age} WHERE donation_id = :id", id=donation_id)
    await until(lambda: contact_is_gone(world, donation_id))


async def test_a_contact_stays_seven_days_for_a_mail_that_failed(world: World) -> None:
    world.mailbox.behave(Mode.REJECT_550, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "failed")
    kept = "SELECT expires_at - received_at = interval '7 days' FROM contacts WHERE donation_id = :id"
    assert await world.rows(kept, id=donation_id) == [(True,)]


async def test_a_message_whose_contact_never_came_fails_after_seven_days(world: World) -> None:
    donation_id = uuid4()
    await world.tell(world.intake.received(donation_id))
    await world.reaches(donation_id, "waiting")
    await world.change(
        f"UPDATE messages SET created_at = created_at - {EIGHT_DAYS} WHERE donation_id = :id", id=donation_id
    )
    await world.reaches(donation_id, "failed")
    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationFailed)
    assert told.data.reason == "no_contact"


async def test_a_message_whose_contact_may_be_kept_no_longer_fails_at_its_next_turn(world: World) -> None:
    donation_id = uuid4()
    await world.leave(contact(donation_id))
    await world.tell(world.intake.received(donation_id, campaign_id="never-heard-of"))

    async def steps_back() -> bool:
        due = "SELECT next_attempt_at > now() FROM messages WHERE donation_id = :id"
        return await world.rows(due, id=donation_id) == [(True,)]

    await until(steps_back)
    await world.change("DELETE FROM contacts WHERE donation_id = :id", id=donation_id)
    await world.change("UPDATE messages SET next_attempt_at = now() WHERE donation_id = :id", id=donation_id)
    await world.reaches(donation_id, "failed")
    (told,) = await world.news(donation_id)
    assert told.data.reason == "no_contact"


async def test_only_a_message_whose_lease_ran_out_becomes_uncertain(world: World) -> None:
    world.mailbox.behave(Mode.HANG)
    held, lost = await world.donate(), await world.donate()
    await world.reaches(held, "sending")
    await world.reaches(lost, "sending")
    await world.change("UPDATE messages SET lease_until = now() WHERE donation_id = :id", id=lost)
    await world.reaches(lost, "uncertain")
    assert await world.state(held) == "sending"

    # The process was not dead after all: its answer takes the doubt away, and no second mail is sent.
    world.mailbox.behave(Mode.ACCEPT)
    await world.reaches(lost, "delivered")
    await world.reaches(held, "delivered")
    assert len(world.mails(lost)) == len(world.mails(held)) == 1
    assert await world.rows("SELECT outcome FROM attempts WHERE donation_id = :id", id=lost) == [
        ("accepted",)
    ]


async def test_a_contact_left_apart_from_its_message_is_found(world: World) -> None:
    """A process that died between its commit and the joining of the two leaves them so."""
    donation_id = uuid4()
    await world.tell(world.intake.received(donation_id))
    await world.reaches(donation_id, "waiting")
    await world.change(
        "INSERT INTO contacts VALUES (:id, 'left@example.com', NULL, now(), now() + interval '7 days')",
        id=donation_id,
    )
    await world.reaches(donation_id, "delivered")


async def test_an_answer_is_written_down_although_the_database_dropped_every_connection(world: World) -> None:
    world.mailbox.behave(Mode.HANG)
    donation_id = await world.donate()
    await world.reaches(donation_id, "sending")

    async def given_away() -> bool:
        return len(world.mails(donation_id)) == 1

    await until(given_away)
    await world.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    world.mailbox.behave(Mode.ACCEPT)
    await world.reaches(donation_id, "delivered")
    await world.another_is_thanked()
    assert len(world.mails(donation_id)) == 1
