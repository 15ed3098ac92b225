"""Partners are told what happened: signed, filtered, in order on request, at least once, never in silence."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import AsyncClient
from standardwebhooks.webhooks import Webhook

from services.notification.quiet import SHANGHAI
from shared.events import Event
from tests.services.notification.builders import AT, GALA
from tests.services.notification.conftest import World, bearer
from tests.services.notification.partner import (
    RECEIVED,
    Call,
    Partner,
    ask,
    command,
    endless,
    hanging,
    order,
    partner_running,
    register,
    saying,
    wish,
)
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def partner(api: AsyncClient) -> AsyncIterator[Partner]:
    """A partner's server; what is registered for it is paused afterwards."""
    async with partner_running() as found:
        yield found
    if found.endpoint_id:
        await order(api, f"/v1/webhook-endpoints/{found.endpoint_id}/pause")


async def donated(world: World, donation_id: UUID | None = None, **fields: Any) -> Event:
    """A donation without a contact."""
    event = world.intake.received(donation_id or uuid4(), has_contact=False, **fields)
    await world.tell(event)
    return event


async def delivery_of(api: AsyncClient, partner: Partner, event_id: str, state: str) -> Any:
    """Wait until a partner's delivery of an event is in a state, and give back all of it."""

    async def found() -> Any:
        query = {"endpoint_id": partner.endpoint_id, "event_id": event_id, "state": state}
        return (await ask(api, "/v1/webhook-deliveries", **query))["items"]

    (item,) = await until(found, deadline_s=30)
    return await ask(api, f"/v1/webhook-deliveries/{item['delivery_id']}")


async def endpoint_is(api: AsyncClient, partner: Partner, **wanted: Any) -> Any:
    """Wait until the endpoint is as wanted."""

    async def so() -> Any:
        found = await ask(api, f"/v1/webhook-endpoints/{partner.endpoint_id}")
        return found if all(bool(found[name]) == value for name, value in wanted.items()) else None

    return await until(so, deadline_s=30)


async def test_a_donation_is_told_signed_and_without_what_is_nobodys_business(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner)
    event = await donated(world, shown_name="爱心人士", fee_fen=7)
    await partner.called(1)
    (told,) = partner.verified()
    assert partner.ids() == [event.id]
    assert told["id"] == event.id
    assert told["type"] == RECEIVED
    assert told["data"]["shown_name"] == "爱心人士"
    assert told["data"]["amount_fen"] == 123_456
    assert not {"fee_fen", "has_contact"} & told["data"].keys()
    (call,) = partner.calls
    assert (call.method, call.path) == ("POST", "/hooks")
    assert call.headers["host"] == f"127.0.0.1:{partner.port}"
    details = await delivery_of(api, partner, event.id, "delivered")
    (attempt,) = details["history"]
    assert (attempt["status"], attempt["outcome"]) == (204, "delivered")
    assert details["body"] == told


async def test_an_event_that_comes_again_is_told_once(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner)
    event = await donated(world)
    await world.tell(event)
    last = await donated(world)
    await partner.called(2)
    assert sorted(partner.ids()) == sorted([event.id, last.id])


async def test_what_was_not_asked_for_is_not_told(world: World, api: AsyncClient, partner: Partner) -> None:
    await register(api, partner, campaigns=["flood-2027"])
    await donated(world)
    event = await donated(world, campaign_id="flood-2027")
    other = world.intake.reversed(uuid4(), 1)
    await world.tell(other)
    last = await donated(world, campaign_id="flood-2027")
    await partner.called(2)
    assert sorted(partner.ids()) == sorted([event.id, last.id])


async def test_what_fails_is_tried_again_with_the_same_id(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner)
    partner.answer = saying(503, "重启中".encode(), retry_after="0")
    event = await donated(world)
    await partner.called(3)
    partner.answer = saying(200)
    details = await delivery_of(api, partner, event.id, "delivered")
    assert set(partner.ids()) == {event.id}
    assert len(partner.verified()) == len(partner.calls), "each attempt is signed for its own time"
    assert details["history"][-1]["answer"] == "重启中"
    assert details["history"][-1]["status"] == 503
    assert details["history"][0]["outcome"] == "delivered"


async def test_a_redirect_is_refused(world: World, api: AsyncClient, partner: Partner) -> None:
    async with partner_running() as elsewhere:
        await register(api, partner)
        partner.answer = saying(307, location=elsewhere.url())
        event = await donated(world)
        await partner.called(2)
        assert elsewhere.calls == []
        partner.answer = saying(200)
        details = await delivery_of(api, partner, event.id, "delivered")
        assert details["history"][-1]["outcome"] == "redirected"
        assert elsewhere.connections == 0


async def test_an_answer_without_an_end_is_cut_off(world: World, api: AsyncClient, partner: Partner) -> None:
    await register(api, partner)
    partner.answer = endless
    event = await donated(world)
    details = await delivery_of(api, partner, event.id, "delivered")
    (attempt,) = details["history"]
    assert len(attempt["answer"]) == 512
    assert attempt["duration_ms"] < 1_000, "it was not read until the time was over"


async def test_one_partner_that_hangs_delays_no_other(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    async with partner_running() as slow:
        await register(api, slow)
        slow.answer = hanging
        await register(api, partner)
        begun_s = asyncio.get_running_loop().time()
        events = [await donated(world) for _ in range(30)]
        await partner.called(30)
        assert sorted(partner.ids()) == sorted(event.id for event in events)
        assert asyncio.get_running_loop().time() - begun_s < 10
        await order(api, f"/v1/webhook-endpoints/{slow.endpoint_id}/pause")


async def ended_notices(world: World, query: str) -> Any:
    """The operational messages, once each has come to its end."""
    found = await world.rows(query)
    return found if found and not {each[2] for each in found} & {"pending", "sending", "retry"} else None


async def test_who_fails_is_slowed_told_once_and_told_again_when_well(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    owner = "slow.owner@partner.example"
    await register(api, partner, owner_email=owner)
    partner.answer = saying(500)
    events = [await donated(world) for _ in range(20)]
    await endpoint_is(api, partner, slowed_at=True)

    async def mails(number: int) -> Any:
        found = world.mailbox.find(to=owner)
        return found if len(found) >= number else None

    (mail,) = await until(lambda: mails(1), deadline_s=30)
    assert "slowed" in mail.subject
    by_live_lane = "SELECT way, purpose, state, letter FROM notices WHERE purpose LIKE 'webhook%'"
    lane = await until(lambda: ended_notices(world, by_live_lane), deadline_s=30)
    assert ("mail", "webhook_slowed", "delivered", None) in lane
    assert partner.endpoint_id in mail.text
    before = len(partner.calls)
    await partner.called(before + 2)
    partner.answer = saying(200)
    await endpoint_is(api, partner, slowed_at=False, waiting=False)
    assert {event.id for event in events} == set(partner.ids())
    mails_sent = await until(lambda: mails(2), deadline_s=30)
    assert [("slowed" in each.subject, "well again" in each.subject) for each in mails_sent] == [
        (True, False),
        (False, True),
    ]


async def test_what_is_given_up_stays_visible_and_is_sent_again_on_request(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner)
    partner.answer = saying(400, b"no such campaign")
    event = await donated(world)
    await partner.called(1)
    mine = "event_id = :id AND endpoint_id = :endpoint_id"
    values = {"id": event.id, "endpoint_id": partner.endpoint_id}

    async def nearly_given_up() -> bool:
        await world.change(
            f"UPDATE webhook_deliveries SET attempts = 14 WHERE {mine} AND state = 'retry' AND attempts < 14",
            **values,
        )
        ((attempts,),) = await world.rows(f"SELECT attempts FROM webhook_deliveries WHERE {mine}", **values)
        return int(attempts) >= 14

    await until(nearly_given_up)
    details = await delivery_of(api, partner, event.id, "exhausted")
    assert details["delivery"]["attempts"] == 16
    assert details["delivery"]["reason"] == "status_400"
    partner.answer = saying(200)
    path = f"/v1/webhook-deliveries/{details['delivery']['delivery_id']}/resend"
    answer = await api.post(path, headers=command("li"))
    assert answer.status_code == 202, answer.text
    details = await delivery_of(api, partner, event.id, "delivered")
    assert set(partner.ids()) == {event.id}
    assert (await api.post(path, headers=command("li"))).status_code == 409


async def test_gone_disables_and_resuming_replays_what_happened_since(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner, owner_email="gone@partner.example")
    partner.answer = saying(410)
    await donated(world)
    await endpoint_is(api, partner, disabled_at=True)
    since = datetime.now(UTC)
    source = world.intake
    missed = source.received(uuid4(), has_contact=False).model_copy(
        update={"time": since + timedelta(seconds=1)}
    )
    await world.tell(missed)
    await world.counted(missed)
    partner.answer = saying(200)
    await order(api, f"/v1/webhook-endpoints/{partner.endpoint_id}/resume")

    async def replayed() -> bool:
        return missed.id in partner.ids()

    await until(replayed, deadline_s=30)
    assert any("410" in each.subject for each in world.mailbox.find(to="gone@partner.example"))


async def test_a_replay_tells_again_from_a_date_with_the_same_ids(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    campaign = f"c{uuid4().hex[:8]}"
    early = [world.intake.received(uuid4(), has_contact=False, campaign_id=campaign) for _ in range(3)]
    late = [
        world.intake.received(uuid4(), has_contact=False, campaign_id=campaign).model_copy(
            update={"time": AT + timedelta(days=30)}
        )
        for _ in range(3)
    ]
    await world.tell(*early, *late)
    await world.counted(late[-1])
    await register(api, partner, campaigns=[campaign], ordered=True)
    path = f"/v1/webhook-endpoints/{partner.endpoint_id}/replays"
    asked = await order(api, path, {"since": (AT + timedelta(days=1)).isoformat()}, 202)
    await partner.called(3)

    async def ended() -> bool:
        (found,) = await ask(api, path)
        assert found["replay_id"] == asked["replay_id"]
        return found["ended_at"] is not None and found["found"] == 3

    await until(ended, deadline_s=30)
    assert partner.ids() == [event.id for event in late]
    assert len(partner.verified()) == 3


async def test_who_was_told_a_name_learns_that_it_is_withdrawn_and_is_never_sent_it_again(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    campaign, donation_id = f"c{uuid4().hex[:8]}", uuid4()
    types = [RECEIVED, "org.shanliu.donation.consent-withdrawn.v1"]
    endpoint_id = await register(api, partner, campaigns=[campaign], event_types=types)
    named = await donated(world, donation_id, campaign_id=campaign, shown_name="爱心人士")
    await partner.called(1)
    withdrawn = world.intake.unnamed(donation_id, campaign_id=campaign)
    await world.tell(withdrawn)
    await partner.called(2)
    first, told = partner.verified()
    assert first["data"]["shown_name"] == "爱心人士"
    assert (told["id"], told["type"]) == (withdrawn.id, types[1])
    assert told["data"]["donation_id"] == str(donation_id)
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/replays", {"since": AT.isoformat()}, 202)
    await partner.called(4)
    del first["data"]["shown_name"]
    assert [each for each in partner.verified()[2:] if each["id"] == named.id] == [first]


async def test_order_is_kept_for_each_campaign_and_a_stuck_one_holds_only_itself(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    stuck, free = f"s{uuid4().hex[:8]}", f"f{uuid4().hex[:8]}"
    refused = asyncio.Event()

    async def answer(call: Call, writer: asyncio.StreamWriter) -> None:
        is_stuck = json.loads(call.body)["data"]["campaign_id"] == stuck
        await saying(500 if is_stuck and not refused.is_set() else 200)(call, writer)

    partner.answer = answer
    await register(api, partner, campaigns=[stuck, free], ordered=True)
    told = [world.intake.received(uuid4(), has_contact=False, campaign_id=each) for each in [stuck, free] * 5]
    of_stuck, of_free = told[::2], told[1::2]
    await world.tell(*told)

    async def free_is_told() -> bool:
        return [each for each in partner.ids() if each in {event.id for event in of_free}] == [
            event.id for event in of_free
        ]

    await until(free_is_told, deadline_s=30)
    assert not {event.id for event in of_stuck[1:]} & set(partner.ids()), "nothing passes the first one"
    refused.set()

    async def all_told() -> bool:
        return of_stuck[-1].id in partner.ids()

    await until(all_told, deadline_s=30)
    seen = dict.fromkeys(each for each in partner.ids() if each in {event.id for event in of_stuck})
    assert list(seen) == [event.id for event in of_stuck]


async def test_both_secrets_sign_until_the_overlap_is_over(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    endpoint_id = await register(api, partner)
    old = partner.secret
    answer = await order(api, f"/v1/webhook-endpoints/{endpoint_id}/secret", {"overlap_hours": 1})
    await donated(world)
    await partner.called(1)
    (call,) = partner.calls
    assert len(call.headers["webhook-signature"].split(" ")) == 2
    Webhook(old).verify(call.body, call.headers)
    Webhook(answer["secret"]).verify(call.body, call.headers)
    await world.change(
        "UPDATE webhook_endpoints SET previous_until = now() WHERE endpoint_id = :id", id=endpoint_id
    )
    await donated(world)
    await partner.called(2)
    assert len(partner.calls[1].headers["webhook-signature"].split(" ")) == 1
    Webhook(answer["secret"]).verify(partner.calls[1].body, partner.calls[1].headers)


async def test_a_paused_partner_is_told_afterwards(world: World, api: AsyncClient, partner: Partner) -> None:
    endpoint_id = await register(api, partner)
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/pause")
    event = await donated(world)
    await world.counted(event)
    waits = await endpoint_is(api, partner, waiting=True)
    assert waits["oldest_waiting_at"] is not None
    assert partner.calls == []
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/resume")
    await partner.called(1)
    assert partner.ids() == [event.id]


async def test_why_an_endpoint_is_paused_or_disabled_is_shown(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    endpoint_id = await register(api, partner)
    path = f"/v1/webhook-endpoints/{endpoint_id}"

    async def reason() -> Any:
        return (await ask(api, path))["reason"]

    assert await reason() is None
    await order(api, f"{path}/pause", {"reason": "对方系统升级"})
    assert await reason() == "对方系统升级"
    await order(api, f"{path}/pause")
    assert await reason() == "对方系统升级"
    partner.answer = saying(410)
    await order(api, f"{path}/resume")
    assert await reason() is None
    await donated(world)
    await endpoint_is(api, partner, disabled_at=True)
    assert await reason() == "disabled_gone"


async def test_a_deleted_endpoint_is_told_nothing_more_and_keeps_its_log(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    endpoint_id = await register(api, partner)
    path = f"/v1/webhook-endpoints/{endpoint_id}"
    told = await donated(world)
    await delivery_of(api, partner, told.id, "delivered")
    await order(api, f"{path}/pause")
    waiting = await donated(world)
    await world.counted(waiting)
    assert (await api.delete(path, headers=command())).status_code == 428
    stale = await api.delete(path, headers=command(**{"if-match": '"1"'}))
    assert stale.status_code == 412
    headers = command(**{"if-match": (await api.get(path, headers=bearer("wu"))).headers["etag"]})
    answers = [await api.delete(path, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200], answers[0].text
    assert (answers[0].json()["state"], answers[1].json()) == ("deleted", answers[0].json())
    details = await delivery_of(api, partner, waiting.id, "cancelled")
    assert details["delivery"]["reason"] == "endpoint_deleted"
    secrets = await world.rows(
        "SELECT secret, previous_secret FROM webhook_endpoints WHERE endpoint_id = :id", id=endpoint_id
    )
    assert secrets == [(None, None)]
    later = await donated(world)
    await world.counted(later)
    log = await ask(api, "/v1/webhook-deliveries", endpoint_id=endpoint_id)
    assert [each["event_id"] for each in log["items"]] == [waiting.id, told.id]
    for step, body in (("/resume", None), ("/ping", None), ("/secret", {}), ("/pause", None)):
        refused = await api.post(f"{path}{step}", json=body, headers=command())
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (
            409,
            "webhook-endpoint-deleted",
        )
    listed = await ask(api, "/v1/webhook-endpoints", limit=200)
    assert endpoint_id not in [each["endpoint_id"] for each in listed["items"]]
    gone = await ask(api, "/v1/webhook-endpoints", state="deleted", limit=200)
    assert endpoint_id in [each["endpoint_id"] for each in gone["items"]]
    partner.endpoint_id = ""


async def test_a_replay_does_not_begin_in_the_future(api: AsyncClient, partner: Partner) -> None:
    endpoint_id = await register(api, partner)
    since = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    path = f"/v1/webhook-endpoints/{endpoint_id}/replays"
    refused = await api.post(path, json={"since": since}, headers=command())
    assert refused.status_code == 422
    assert [each["field"] for each in refused.json()["errors"]] == ["since"]
    assert await ask(api, path) == []


async def test_a_test_message_goes_out_at_once(api: AsyncClient, partner: Partner) -> None:
    endpoint_id = await register(api, partner)
    sent = await order(api, f"/v1/webhook-endpoints/{endpoint_id}/ping", status=202)
    await partner.called(1)
    (told,) = partner.verified()
    assert told["id"] == sent["event_id"] == partner.ids()[0]
    assert told["type"] == "org.shanliu.webhook.ping.v1"


async def test_what_waits_for_a_week_is_exhausted_and_what_ended_is_forgotten_in_time(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    owner = "waits@partner.example"
    endpoint_id = await register(api, partner, owner_email=owner)
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/pause")
    event = await donated(world)
    await world.counted(event)
    age = "UPDATE webhook_deliveries SET changed_at = changed_at - interval '{}' WHERE event_id = :id"
    await world.change(age.format("8 days"), id=event.id)
    details = await delivery_of(api, partner, event.id, "exhausted")
    assert details["delivery"]["reason"] == "waited_too_long"

    async def told() -> bool:
        return bool(world.mailbox.find(to=owner))

    await until(told, deadline_s=30)
    await world.change(age.format("31 days"), id=event.id)
    await world.change(
        "UPDATE webhook_events SET stored_at = stored_at - interval '31 days' WHERE event_id = :id",
        id=event.id,
    )

    async def forgotten() -> bool:
        return await world.rows("SELECT 1 FROM webhook_events WHERE event_id = :id", id=event.id) == []

    await until(forgotten, deadline_s=30)
    assert await world.rows("SELECT 1 FROM webhook_deliveries WHERE event_id = :id", id=event.id) == []


async def test_a_retry_after_holds_the_whole_endpoint(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    endpoint_id = await register(api, partner)
    partner.answer = saying(429, retry_after="3600")
    first = await donated(world)
    await delivery_of(api, partner, first.id, "retry")
    await endpoint_is(api, partner, not_before=True)
    calls = len(partner.calls)
    second = await donated(world)
    await world.counted(second)
    assert len(partner.calls) == calls
    partner.answer = saying(200)
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/resume")
    await delivery_of(api, partner, second.id, "delivered")


# ---------------------------------------------------------------- by HTTP


async def test_a_secret_is_shown_once_and_kept_sealed(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    headers = command()
    first = await api.post("/v1/webhook-endpoints", json=wish(partner), headers=headers)
    again = await api.post("/v1/webhook-endpoints", json=wish(partner), headers=headers)
    secret = first.json()["secret"]
    assert secret.startswith("whsec_")
    assert first.headers["cache-control"] == "no-store"
    assert again.json() == {**first.json(), "secret": None}
    endpoint_id = first.json()["endpoint_id"]
    kept = await world.rows("SELECT answer::text FROM idempotency_keys")
    stored = await world.rows("SELECT secret FROM webhook_endpoints WHERE endpoint_id = :id", id=endpoint_id)
    assert secret not in str(kept)
    assert secret.encode() not in bytes(stored[0][0])
    shown = await ask(api, f"/v1/webhook-endpoints/{endpoint_id}")
    assert secret not in str(shown)
    assert shown["owner_email"] == "o***@p***.example"
    await order(api, f"/v1/webhook-endpoints/{endpoint_id}/pause")


@pytest.mark.parametrize(
    ("person", "status"), [("wu", 403), ("li", 403), ("nobody", 401)], ids=["viewer", "desk", "nobody"]
)
async def test_only_an_administrator_registers(
    api: AsyncClient, partner: Partner, person: str, status: int
) -> None:
    answer = await api.post("/v1/webhook-endpoints", json=wish(partner), headers=command(person))
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:secret@example.com"}, "url"),
        ({"event_types": []}, "event_types"),
        ({"event_types": ["org.shanliu.donation.held.v1"]}, "event_types.0"),
        ({"campaigns": []}, "campaigns"),
        ({"campaigns": ["A B"]}, "campaigns.0"),
        ({"owner_email": "nobody"}, "owner_email"),
        ({"description": "two\nlines"}, "description"),
        ({"more": 1}, "more"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
async def test_what_is_wrong_is_named(
    api: AsyncClient, partner: Partner, fields: dict[str, Any], field: str
) -> None:
    answer = await api.post("/v1/webhook-endpoints", json=wish(partner, **fields), headers=command())
    assert answer.status_code == 422
    assert field in [each["field"] for each in answer.json()["errors"]]


async def test_a_change_needs_the_version_that_was_read(api: AsyncClient, partner: Partner) -> None:
    endpoint_id = await register(api, partner)
    path = f"/v1/webhook-endpoints/{endpoint_id}"
    read = await api.get(path, headers=bearer("wu"))
    body = wish(partner, ordered=True, campaigns=[GALA])
    assert (await api.put(path, json=body, headers=command())).status_code == 428
    changed = await api.put(path, json=body, headers=command(**{"if-match": read.headers["etag"]}))
    assert changed.status_code == 200
    assert (changed.json()["ordered"], changed.json()["campaigns"]) == (True, [GALA])
    stale = await api.put(path, json=body, headers=command(**{"if-match": read.headers["etag"]}))
    assert stale.status_code == 412


async def test_pages_of_deliveries_follow_each_other(
    world: World, api: AsyncClient, partner: Partner
) -> None:
    await register(api, partner)
    events = [await donated(world) for _ in range(5)]
    await partner.called(5)
    await delivery_of(api, partner, events[-1].id, "delivered")
    walked: list[str] = []
    page = await ask(api, "/v1/webhook-deliveries", endpoint_id=partner.endpoint_id, limit=2)
    while True:
        walked += [each["event_id"] for each in page["items"]]
        if page["next"] is None:
            break
        page = await ask(
            api, "/v1/webhook-deliveries", endpoint_id=partner.endpoint_id, limit=2, before=page["next"]
        )
    assert sorted(walked) == sorted(event.id for event in events)
    today = datetime.now(SHANGHAI).date()
    of_day = [
        await ask(api, "/v1/webhook-deliveries", endpoint_id=partner.endpoint_id, day=day.isoformat())
        for day in (today - timedelta(days=2), today)
    ]
    assert [len(page["items"]) for page in of_day] == [0, 5]
    health = await ask(api, f"/v1/webhook-endpoints/{partner.endpoint_id}")
    assert (health["waiting"], health["oldest_waiting_at"]) == (0, None)
    assert health["last_delivered_at"] is not None
    types = await ask(api, "/v1/webhook-event-types")
    assert RECEIVED in [each["type"] for each in types]


async def test_the_metrics_say_how_partners_do(world: World, api: AsyncClient, partner: Partner) -> None:
    await register(api, partner)
    await donated(world)
    await partner.called(1)
    metrics = (await api.get("/metrics")).text
    for name in (
        'shanliu_webhook_attempts_total{outcome="delivered"}',
        'shanliu_webhook_deliveries{state="pending"}',
        'shanliu_webhook_endpoints{state="active"}',
        "shanliu_webhook_attempt_seconds_count",
    ):
        assert name in metrics
