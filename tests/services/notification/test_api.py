"""The operators' side: what they see, what they may do, and that a contact stays masked."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from deploy.local.mailcatcher.mailbox import Mode
from services.notification.quiet import SHANGHAI
from tests.services.notification.builders import GALA, address_of
from tests.services.notification.conftest import World, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def failed(world: World) -> UUID:
    """A donation whose mail was refused for good."""
    world.mailbox.behave(Mode.REJECT_550, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "failed")
    return donation_id


async def listed(api: AsyncClient, **query: Any) -> Any:
    answer = await api.get("/v1/messages", params=query, headers=bearer("wu"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_failed_message_is_listed_with_a_masked_contact(world: World, api: AsyncClient) -> None:
    donation_id = await failed(world)
    answer = await listed(api, state="failed", limit=500)
    (message,) = (each for each in answer["messages"] if each["donation_id"] == str(donation_id))
    assert message["contact"] == "d***@e***.com"
    assert message["campaign_id"] == GALA
    assert message["amount_fen"] == 123_456
    assert (message["state"], message["attempts"], message["reason"]) == ("failed", 1, "smtp_550")
    assert address_of(donation_id) not in str(answer)


async def test_one_message_comes_with_its_attempts_and_without_a_contact_once_delivered(
    world: World, api: AsyncClient
) -> None:
    world.mailbox.behave(Mode.REJECT_451, count=1)
    donation_id = await world.donate()
    await world.reaches(donation_id, "delivered")
    answer = await api.get(f"/v1/messages/{donation_id}", headers=bearer("wu"))
    message = answer.json()
    assert message["contact"] is None
    of_donation = await api.get(f"/v1/messages/of-donation/{donation_id}", headers=bearer("wu"))
    assert of_donation.json() == {"message": message}
    assert [each["outcome"] for each in message["history"]] == ["accepted", "refused_for_now"]


async def test_that_a_donation_has_no_message_is_an_ordinary_answer(api: AsyncClient) -> None:
    answer = await api.get(f"/v1/messages/of-donation/{uuid4()}", headers=bearer("wu"))
    assert (answer.status_code, answer.json()) == (200, {"message": None})


async def test_pages_follow_each_other_without_a_gap(world: World, api: AsyncClient) -> None:
    for _ in range(3):
        await failed(world)
    everything = [each["donation_id"] for each in (await listed(api, state="failed"))["messages"]]
    walked: list[str] = []
    page = await listed(api, state="failed", limit=1)
    while True:
        walked += [each["donation_id"] for each in page["messages"]]
        if page["next"] is None:
            break
        page = await listed(api, state="failed", limit=1, after=page["next"])
    assert walked == everything


async def test_messages_are_found_by_campaign_way_reason_and_day(world: World, api: AsyncClient) -> None:
    donation_id, other = await failed(world), await failed(world)
    today = datetime.now(SHANGHAI).date()
    await world.change(
        "UPDATE messages SET campaign_id = 'c-filtered', reason = 'aliyun:isv.X-1', way = 'sms', created_at ="
        " CAST(:day AS timestamp) AT TIME ZONE 'Asia/Shanghai' WHERE donation_id = :id",
        id=donation_id,
        day=datetime.combine(today, time()),
    )
    wanted: dict[str, Any] = {
        "campaign_id": "c-filtered",
        "reason": "aliyun:isv.X-1",
        "way": "sms",
        "day": today.isoformat(),
    }
    for query in ({}, *({name: value} for name, value in wanted.items() if name != "day"), wanted):
        found = (await listed(api, state="failed", limit=500, **query))["messages"]
        ids = {each["donation_id"] for each in found}
        assert str(donation_id) in ids
        assert (str(other) in ids) == (query == {}), query
    yesterday = (today - timedelta(days=1)).isoformat()
    for nothing in (
        {**wanted, "day": yesterday},
        {**wanted, "way": "mail"},
        {**wanted, "reason": "smtp_550"},
        {**wanted, "campaign_id": GALA},
    ):
        assert await listed(api, state="failed", **nothing) == {"messages": [], "next": None}
    answer = await api.get("/v1/messages/troubles", headers=bearer("wu"))
    (trouble,) = (each for each in answer.json() if each["campaign_id"] == "c-filtered")
    assert (trouble["way"], trouble["state"], trouble["reason"]) == ("sms", "failed", "aliyun:isv.X-1")
    assert (trouble["messages"], trouble["with_contact"]) == (1, 1)


@pytest.mark.parametrize(
    ("person", "status"), [("wu", 403), ("wang", 403), ("nobody", 401)], ids=["viewer", "finance", "nobody"]
)
async def test_only_the_desk_may_have_a_mail_sent_again(
    world: World, api: AsyncClient, person: str, status: int
) -> None:
    answer = await api.post(f"/v1/messages/{uuid4()}/resend", json={"attempts": 1}, headers=bearer(person))
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path",
    ["/v1/messages?state=failed", f"/v1/messages/{UUID(int=0)}", f"/v1/messages/of-donation/{UUID(int=0)}"],
)
async def test_nobody_looks_without_a_token_and_finance_not_at_all(api: AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 401
    assert (await api.get(path, headers=bearer("wang"))).status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/messages", 422),
        ("/v1/messages?state=lost", 422),
        ("/v1/messages?state=failed&limit=0", 422),
        ("/v1/messages?state=failed&limit=501", 422),
        ("/v1/messages?state=failed&after=x", 422),
        ("/v1/messages?state=failed&day=yesterday", 422),
        ("/v1/messages/x", 422),
        (f"/v1/messages/{UUID(int=0)}", 404),
    ],
)
async def test_a_wrong_question_gets_its_own_answer(api: AsyncClient, path: str, status: int) -> None:
    assert (await api.get(path, headers=bearer("wu"))).status_code == status


@pytest.mark.parametrize(
    "body", ["", "{", "{}", '{"attempts": "x"}', '{"attempts": -1}', '{"attempts": 1, "x": 1}']
)
async def test_a_malformed_wish_to_resend_changes_nothing(world: World, api: AsyncClient, body: str) -> None:
    donation_id = await failed(world)
    headers = bearer("li") | {"content-type": "application/json"}
    answer = await api.post(f"/v1/messages/{donation_id}/resend", content=body, headers=headers)
    assert answer.status_code in {400, 422}
    assert await world.state(donation_id) == "failed"


async def test_a_wish_that_can_not_be_granted_says_why(world: World, api: AsyncClient) -> None:
    async def refusal(donation_id: UUID, attempts: int) -> tuple[int, str]:
        path = f"/v1/messages/{donation_id}/resend"
        answer = await api.post(path, json={"attempts": attempts}, headers=bearer("li"))
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert await refusal(uuid4(), 1) == (404, "unknown-message")
    delivered = await world.donate()
    await world.reaches(delivered, "delivered")
    assert await refusal(delivered, 1) == (409, "not-in-doubt")
    donation_id = await failed(world)
    assert await refusal(donation_id, 0) == (409, "changed-meanwhile")
    await world.change("DELETE FROM contacts WHERE donation_id = :id", id=donation_id)
    assert await refusal(donation_id, 1) == (409, "contact-gone")


async def test_the_process_says_how_it_is(world: World, api: AsyncClient) -> None:
    assert (await api.get("/livez")).status_code == 200
    assert (await api.get("/readyz")).json() == {"status": "ready", "missing": []}
    await world.another_is_thanked()
    metrics = (await api.get("/metrics")).text
    for name in (
        'shanliu_notification_messages{state="pending"}',
        'shanliu_notification_oldest_seconds{state="uncertain"}',
        'shanliu_notification_attempts_total{outcome="accepted"}',
        "shanliu_notification_relay_up 1.0",
        "shanliu_notification_contacts",
    ):
        assert name in metrics
    assert "@example.com" not in metrics
