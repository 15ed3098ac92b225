"""What the mail server's answers lead to: again, never again, or a person's decision."""

import re
from uuid import UUID

import pytest
from httpx import AsyncClient

from deploy.local.mailcatcher.mailbox import Mailbox, Mode
from deploy.local.mailcatcher.smtp import smtp_running
from services.notification.thanks import message_id
from shared.events import NotificationDelivered, NotificationFailed
from tests.services.notification.builders import address_of
from tests.services.notification.conftest import World, bearer, running
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def attempts_of(world: World, donation_id: UUID) -> list[tuple[str, str | None]]:
    """Outcome and reason of each attempt, in order."""
    statement = "SELECT outcome, reason FROM attempts WHERE donation_id = :id ORDER BY attempt"
    return [(row[0], row[1]) for row in await world.rows(statement, id=donation_id)]


async def test_refused_for_now_and_then_accepted_is_one_mail(world: World) -> None:
    world.mailbox.behave(Mode.REJECT_451, count=2)
    donation_id = await world.donate()
    await world.reaches(donation_id, "delivered")
    assert len(world.mails(donation_id)) == 1
    refused = ("refused_for_now", "smtp_451")
    assert await attempts_of(world, donation_id) == [refused, refused, ("accepted", None)]
    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationDelivered)
    assert told.data.attempts == 3


async def test_refused_for_now_again_and_again_fails_in_the_end(world: World) -> None:
    world.mailbox.behave(Mode.REJECT_451)
    donation_id = await world.donate()
    await world.reaches(donation_id, "failed")
    assert len(await attempts_of(world, donation_id)) == world.settings.attempts_max
    assert world.mails(donation_id) == []
    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationFailed)
    assert (told.data.attempts, told.data.reason) == (world.settings.attempts_max, "smtp_451")


async def test_refused_for_good_fails_at_once_and_harms_no_other(world: World) -> None:
    world.mailbox.behave(Mode.REJECT_550, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "failed")
    await world.another_is_thanked()
    assert await attempts_of(world, donation_id) == [("refused", "smtp_550")]
    assert world.mails(donation_id) == []
    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationFailed)
    assert address_of(donation_id) not in told.to_bytes().decode()


@pytest.mark.parametrize(
    "address", ["no address", "a@b\r\nRCPT TO:<other@example.com>", "张三@example.com", ""]
)
async def test_an_address_that_can_not_be_written_to_fails_visibly(world: World, address: str) -> None:
    received_before = world.mailbox.received
    donation_id = await world.donate(email=address)
    await world.reaches(donation_id, "failed")
    assert await attempts_of(world, donation_id) == [("refused", "bad_address")]
    assert world.mailbox.received == received_before


async def test_a_connection_lost_after_the_mail_was_given_is_doubt_and_never_two(world: World) -> None:
    world.mailbox.behave(Mode.DROP_AFTER_DATA, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "uncertain")
    await world.another_is_thanked()
    assert await attempts_of(world, donation_id) == [("unknown", "no_answer")]
    assert len(world.mails(donation_id)) == 1
    assert await world.news(donation_id) == []
    assert await world.contact_is_kept(donation_id)


async def test_an_answer_that_does_not_come_is_doubt_too(apart: World) -> None:
    settings = apart.settings.model_copy(update={"smtp_data_timeout_s": 0.3})
    apart.mailbox.behave(Mode.HANG, count=1)
    async with running(settings):
        await apart.launch()
        donation_id = await apart.donate()
        await apart.reaches(donation_id, "uncertain")
        await apart.another_is_thanked()
    assert await attempts_of(apart, donation_id) == [("unknown", "no_answer")]
    assert len(apart.mails(donation_id)) == 1


async def test_a_mail_server_that_is_away_costs_no_message_an_attempt(apart: World) -> None:
    mailbox = Mailbox()
    async with smtp_running(mailbox) as port:
        pass
    settings = apart.settings.model_copy(update={"smtp_port": port})
    async with running(settings) as api:

        async def was_noticed() -> bool:
            metrics = (await api.get("/metrics")).text
            return bool(re.search(r'relay_failures_total{reason="connection_lost"} [1-9]', metrics))

        await apart.launch()
        donation_id = await apart.donate()
        await until(was_noticed)
        assert await apart.state(donation_id) == "pending"
        async with smtp_running(mailbox, port):
            await apart.reaches(donation_id, "delivered")
    assert await attempts_of(apart, donation_id) == [("accepted", None)]
    assert len(mailbox.find(donation_id=str(donation_id))) == 1


async def test_a_person_may_have_a_mail_in_doubt_sent_again_once(world: World, api: AsyncClient) -> None:
    world.mailbox.behave(Mode.DROP_AFTER_DATA, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "uncertain")
    path, wish = f"/v1/messages/{donation_id}/resend", {"attempts": 1}
    answer = await api.post(path, json=wish, headers=bearer("li"))
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    await world.reaches(donation_id, "delivered")

    again = await api.post(path, json=wish, headers=bearer("li"))
    assert again.status_code == 409
    await world.another_is_thanked()
    first, second = world.mails(donation_id)
    assert first.message_id == second.message_id == f"<{message_id(donation_id)}@shanliu.example>"
    asked = "SELECT attempt, requested_by FROM attempts WHERE donation_id = :id ORDER BY attempt"
    assert await world.rows(asked, id=donation_id) == [(1, None), (2, "li")]
