"""Many donations in one request, and asking for one by the channel's own id."""

import asyncio
import json
from typing import Any

import pytest
from httpx import Response

from services.donation.batches import MAX_BATCH, MAX_BATCH_BYTES
from services.donation.intake import donation_id_of
from shared.broker import PublishFailed
from shared.gathering import Gatherer
from tests.services.donation.builders import a_donation, a_reversal, as_json, bearer, commanding
from tests.services.donation.places import Channel, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def send(channel: Channel, *donations: Any, **options: Any) -> Response:
    return await channel.post("donations/batch", {"donations": list(donations)}, **options)


def problem_of(answer: Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:shanliu:problem:{code}"
    return dict(answer.json())


async def lies_on_the_log(service: Service, channel: Channel) -> list[str]:
    records = await service.place.batch(channel.topic)
    return [json.loads(record.value or b"")["transaction_id"] for record in records]


async def test_every_good_item_is_with_the_broker_before_the_answer(service: Service) -> None:
    channel = await service.channel()
    bodies = [a_donation() for _ in range(MAX_BATCH)]
    answer = await send(channel, *bodies)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["accepted"], said["refused"], said["again"]) == (MAX_BATCH, 0, 0)
    assert [item["index"] for item in said["items"]] == list(range(MAX_BATCH))
    for item, body in zip(said["items"], bodies, strict=True):
        assert item["donation_id"] == str(donation_id_of(channel.name, body["transaction_id"]))
        assert (item["transaction_id"], item["status"]) == (body["transaction_id"], "accepted")
    assert sorted(await lies_on_the_log(service, channel)) == sorted(
        each["transaction_id"] for each in bodies
    )


async def test_an_item_of_a_batch_is_the_donation_it_is_alone(service: Service) -> None:
    channel, body = await service.channel(), a_donation(message="新年快乐", fee_fen=60)
    alone = await channel.give(body)
    together = await send(channel, body, message_id="msg_batch")
    assert together.json()["items"][0]["donation_id"] == alone.json()["donation_id"]
    again = await send(channel, body, message_id="msg_batch")
    assert again.json() == together.json(), "a repeated batch is harmless"
    await service.status(alone.json()["donation_id"], "held")
    stored = "SELECT count(*) FROM donations WHERE channel = :c"
    assert await service.place.value(stored, c=channel.name) == 1
    events = await service.place.log.events(channel.topic)
    assert len(events) == 1
    other = await send(channel, a_donation(), message_id="msg_batch")
    problem_of(other, 409, "webhook-id-reused")


async def test_a_bad_item_takes_no_other_with_it(service: Service) -> None:
    channel = await service.channel(campaigns=["gala"])
    good, known = a_donation(), a_donation()
    assert (await channel.give(known)).status_code == 202
    twice = as_json(a_donation()).decode().replace('"kind"', '"kind": "person", "kind"')
    deep = json.loads("[" * 20 + "]" * 20)
    items = [
        a_donation(amount_fen=0),
        good,
        {**known, "amount_fen": 1},
        a_donation(campaign_id="drive"),
        17,
        a_donation(message=deep),
        a_reversal("t"),
        good,
        {**good, "amount_fen": 1},
    ]
    content = as_json({"donations": items}).decode()[:-2] + f", {twice}]}}"
    answer = await channel.post("donations/batch", content.encode())
    assert answer.status_code == 200, answer.text
    found = answer.json()["items"]
    assert [
        each.get("problem", {}).get("type", "").removeprefix("urn:shanliu:problem:") for each in found
    ] == [
        "invalid-field",
        "",
        "conflict",
        "campaign-not-allowed",
        "malformed-json",
        "malformed-json",
        "unknown-type",
        "",
        "conflict",
        "duplicate-key",
    ]
    assert found[0]["problem"]["errors"][0]["field"] == "amount_fen"
    assert found[1]["donation_id"] == found[7]["donation_id"]
    assert {each["status"] for each in found} == {"accepted", "refused"}
    assert sorted(await lies_on_the_log(service, channel)) == sorted(
        [good["transaction_id"], known["transaction_id"]]
    )


async def test_what_the_broker_does_not_confirm_is_to_be_sent_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, bad, good = await service.channel(), a_donation(), a_donation()
    send_one = Gatherer.send

    async def unwilling(self: Gatherer, topic: str, value: bytes, key: bytes) -> None:
        if key == bad["transaction_id"].encode():
            raise PublishFailed("no")
        await send_one(self, topic, value, key)

    monkeypatch.setattr(Gatherer, "send", unwilling)
    first, second = (await send(channel, bad, good)).json()["items"]
    assert (first["status"], first["problem"]["status"]) == ("again", 503)
    assert second["status"] == "accepted"
    monkeypatch.undo()
    assert (await send(channel, bad, good)).json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b"[" * 100_000, 400, "malformed-json"),
        (b'{"donations": [NaN]}', 400, "malformed-json"),
        (b"\xff", 400, "malformed-json"),
        (b"[]", 422, "invalid-field"),
        (b"{}", 422, "invalid-field"),
        (b'{"donations": []}', 422, "invalid-field"),
        (b'{"donations": {}}', 422, "invalid-field"),
        (b'{"donations": [1], "x": 1}', 422, "invalid-field"),
        (b'{"donations": [1], "donations": [2]}', 422, "invalid-field"),
        (json.dumps({"donations": [0] * (MAX_BATCH + 1)}).encode(), 422, "invalid-field"),
        (b" " * (MAX_BATCH_BYTES + 1), 413, "too-large"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, bytes) else None,
)
async def test_what_is_no_batch_is_refused_as_a_whole(
    service: Service, one_channel: Channel, body: bytes, status: int, code: str
) -> None:
    problem_of(await one_channel.post("donations/batch", body), status, code)


async def test_a_batch_is_signed_as_a_whole_and_let_in_as_its_items_are(service: Service) -> None:
    channel = await service.channel(limit_per_second=3)
    problem_of(await send(channel, a_donation(), webhook_signature="v1,AAAA"), 401, "signature-wrong")
    problem_of(await send(channel, a_donation(), content_type="text/plain"), 415, "not-json")
    assert (await send(channel, *[a_donation() for _ in range(9)])).status_code == 200
    late = await send(channel, a_donation())
    problem_of(late, 429, "too-many")
    assert 1 <= int(late.headers["retry-after"]) <= 3, "nine at once are three seconds' worth"
    url, why = f"/v1/channels/{channel.name}/pause", {"reason": "x"}
    await service.http.post(url, json=why, headers=commanding())
    problem_of(await send(channel, a_donation()), 503, "channel-paused")
    assert len(await lies_on_the_log(service, channel)) == 9
    nobody = Channel(service, "nobody", channel.secret)
    problem_of(await send(nobody, a_donation()), 404, "unknown-channel")


# ---------------------------------------------------------------------------------------------- by its own id


async def ask(service: Service, channel: Channel, transaction_id: str, **headers: str | None) -> Response:
    signed = channel.signed(b"", content_type=None, **headers)
    return await service.http.get(f"/v1/channels/{channel.name}/donations/{transaction_id}", headers=signed)


async def test_a_channel_asks_for_its_donation_by_its_own_id(service: Service) -> None:
    channel, other, body = await service.channel(), await service.channel(), a_donation()
    problem_of(await ask(service, channel, body["transaction_id"]), 404, "unknown-donation")
    assert (await channel.give(body)).status_code == 202
    assert (await ask(service, channel, body["transaction_id"])).json()["status"] in {"accepted", "held"}

    async def held() -> Any:
        answer = (await ask(service, channel, body["transaction_id"])).json()
        return answer if answer["status"] == "held" else None

    view = await until(held)
    by_id = await service.http.get(f"/v1/donations/{view['donation_id']}")
    assert by_id.json() == view
    problem_of(await ask(service, other, body["transaction_id"]), 404, "unknown-donation")
    url = f"/v1/channels/{channel.name}/donations/{body['transaction_id']}"
    assert (await service.http.get(url, headers=bearer("viewer"))).json() == view
    assert "王小明" not in str(view)


async def test_who_did_not_sign_is_told_nothing(service: Service) -> None:
    channel, other, body = await service.channel(), await service.channel(), a_donation()
    assert (await channel.give(body)).status_code == 202
    transaction_id = body["transaction_id"]
    problem_of(await ask(service, channel, transaction_id, webhook_signature=None), 401, "signature-missing")
    problem_of(await ask(service, channel, transaction_id, webhook_timestamp="1"), 401, "signature-too-old")
    forged = other.signed(b"")["webhook-signature"]
    problem_of(await ask(service, channel, transaction_id, webhook_signature=forged), 401, "signature-wrong")
    url = f"/v1/channels/{channel.name}/donations/{transaction_id}"
    problem_of(await service.http.get(url, headers=bearer("nobody")), 401, "not-signed-in")
    problem_of(await service.http.get(url, headers=bearer("finance")), 403, "role-missing")
    problem_of(await service.http.get(url), 401, "signature-missing")
    nobody = f"/v1/channels/nobody/donations/{transaction_id}"
    problem_of(await service.http.get(nobody, headers=bearer("viewer")), 404, "unknown-channel")


async def test_asking_counts_towards_the_limit(service: Service) -> None:
    channel = await service.channel(limit_per_second=1)
    answers = await asyncio.gather(*(ask(service, channel, "t") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {404, 429}
