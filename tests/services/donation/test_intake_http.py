"""The contract of intake over HTTP: 202 only for what the broker has, and a clear answer for all else."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.donation.intake import MAX_BODY_BYTES, donation_id_of, reversal_id_of
from shared.broker import Record
from tests.services.donation.bad_input import BAD, Bad
from tests.services.donation.builders import (
    MISSING,
    a_donation,
    a_donor,
    a_reversal,
    as_json,
    commanding,
    new_id,
)
from tests.services.donation.places import Channel, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["type"], body["status"]) == (f"urn:shanliu:problem:{code}", status)
    assert body["title"]
    assert body["detail"]
    return body


async def lies_on_the_log(service: Service, channel: Channel) -> list[Record]:
    return list(await service.place.batch(channel.topic))


# ---------------------------------------------------------------------------------------------- accepted


async def test_a_donation_is_accepted_when_the_broker_has_it(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    answer = await channel.give(body)
    assert answer.status_code == 202, answer.text
    donation_id = str(donation_id_of(channel.name, body["transaction_id"]))
    assert answer.json() == {"donation_id": donation_id, "status": "accepted"}
    (record,) = await lies_on_the_log(service, channel)
    assert record.value == as_json(body), "the channel's own bytes"
    assert record.key == body["transaction_id"].encode()


async def test_a_repeat_gets_the_same_answer_however_it_is_written(service: Service) -> None:
    channel, body = await service.channel(), a_donation(occurred_at="2026-01-01T08:00:00+08:00")
    first = await channel.give(body)
    again = [
        await channel.give(body),
        await channel.give(json.dumps(body, indent=2).encode()),
        await channel.give(dict(reversed(body.items()))),
        await channel.give({**body, "occurred_at": "2026-01-01T00:00:00Z", "message": None}),
        await channel.give({**body, "type": "donation"}),
    ]
    assert {answer.status_code for answer in again} == {202}
    assert [answer.json() for answer in again] == [first.json()] * 5
    await service.status(first.json()["donation_id"], "received", "held")
    stored = "SELECT count(*) FROM donations WHERE channel = :c"
    assert await service.place.value(stored, c=channel.name) == 1


async def test_a_reversal_is_accepted_and_repeated_alike(service: Service) -> None:
    channel, body = await service.channel(), a_reversal(new_id())
    for sent in (body, body, {key: value for key, value in body.items() if key != "type"}):
        answer = await channel.reverse(sent)
        assert answer.status_code == 202, answer.text
        reversal_id = str(reversal_id_of(channel.name, body["reversal_id"]))
        assert answer.json() == {"reversal_id": reversal_id, "status": "accepted"}
    assert {record.key for record in await lies_on_the_log(service, channel)} == {
        body["transaction_id"].encode()
    }


async def test_a_refund_lies_behind_its_donation_on_the_same_partition(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    assert (await channel.give(body)).status_code == 202
    assert (await channel.reverse(a_reversal(body["transaction_id"]))).status_code == 202
    donation, refund = await lies_on_the_log(service, channel)
    assert donation.partition == refund.partition
    assert donation.offset < refund.offset


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON ; charset=utf-8"])
async def test_json_may_be_named_in_its_usual_ways(service: Service, media_type: str) -> None:
    channel = await service.channel()
    assert (await channel.give(a_donation(), content_type=media_type)).status_code == 202


async def test_the_largest_body_is_accepted(service: Service) -> None:
    channel = await service.channel()
    assert (await channel.give(as_json(a_donation()).ljust(MAX_BODY_BYTES))).status_code == 202


# ---------------------------------------------------------------------------------------------- conflicts


async def test_another_content_under_a_known_transaction_is_a_conflict(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    accepted = (await channel.give(body)).json()
    answer = await channel.give({**body, "amount_fen": 1})
    problem = assert_problem(answer, 409, "conflict")
    assert problem["donation_id"] == accepted["donation_id"]
    assert "transaction_id" in problem["detail"]
    assert len(await lies_on_the_log(service, channel)) == 1


async def test_another_content_under_a_known_reversal_is_a_conflict(service: Service) -> None:
    channel, body = await service.channel(), a_reversal(new_id())
    accepted = (await channel.reverse(body)).json()
    problem = assert_problem(await channel.reverse({**body, "amount_fen": 1}), 409, "conflict")
    assert problem["reversal_id"] == accepted["reversal_id"]
    assert "donation_id" not in problem
    assert "reversal_id" in problem["detail"]


async def test_a_webhook_id_that_comes_again_with_the_same_body_is_a_repeat(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    answers = [await channel.give(body, message_id="msg_1") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()


async def test_a_webhook_id_that_comes_again_with_another_body_is_refused(service: Service) -> None:
    channel = await service.channel()
    assert (await channel.give(a_donation(), message_id="msg_1")).status_code == 202
    assert_problem(await channel.give(a_donation(), message_id="msg_1"), 409, "webhook-id-reused")
    assert_problem(await channel.reverse(a_reversal("t"), message_id="msg_1"), 409, "webhook-id-reused")
    other = await service.channel()
    assert (await other.give(a_donation(), message_id="msg_1")).status_code == 202, "ids are a channel's own"


async def test_a_captured_request_that_is_sent_again_books_nothing_new(service: Service) -> None:
    channel, content = await service.channel(), as_json(a_donation())
    headers = channel.signed(content)
    url = f"/v1/channels/{channel.name}/donations"
    answers = [await service.http.post(url, content=content, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    await service.status(answers[0].json()["donation_id"], "received", "held")
    stored = "SELECT count(*) FROM donations WHERE channel = :c"
    assert await service.place.value(stored, c=channel.name) == 1


# ------------------------------------------------------------------------------------------------ refused


async def test_an_unknown_channel_is_not_found(service: Service) -> None:
    channel = Channel(service, "nobody", "whsec_" + "A" * 44)
    assert_problem(await channel.give(a_donation()), 404, "unknown-channel")
    assert_problem(await channel.reverse(a_reversal("t")), 404, "unknown-channel")
    internal = Channel(service, "internal", "whsec_" + "A" * 44)
    assert_problem(await internal.give({"type": "release", "donation_id": "0" * 32}), 404, "unknown-channel")


async def test_a_request_that_is_not_signed_is_refused(service: Service) -> None:
    channel, other = await service.channel(), await service.channel()
    stale = datetime.now(UTC) - timedelta(minutes=5, seconds=5)
    cases: list[tuple[str, dict[str, str | None]]] = [
        ("signature-missing", {"webhook_id": None}),
        ("signature-missing", {"webhook_id": ""}),
        ("signature-missing", {"webhook_timestamp": None}),
        ("signature-missing", {"webhook_timestamp": ""}),
        ("signature-missing", {"webhook_signature": None}),
        ("signature-missing", {"webhook_signature": ""}),
        ("signature-missing", {"webhook_timestamp": "yesterday"}),
        ("signature-missing", {"webhook_id": "m" * 300}),
        ("signature-too-old", {"webhook_timestamp": str(int(stale.timestamp()))}),
        ("signature-too-old", {"webhook_timestamp": "0"}),
        ("signature-too-old", {"webhook_timestamp": "999999999999"}),
        ("signature-wrong", {"webhook_signature": "v1,AAAA"}),
        ("signature-wrong", {"webhook_signature": "v1,"}),
        ("signature-wrong", {"webhook_signature": "nonsense"}),
        ("signature-wrong", {"webhook_id": "msg_other"}),
        ("signature-wrong", {"webhook_signature": other.signed(b"x")["webhook-signature"]}),
    ]
    for code, headers in cases:
        answer = await channel.give(a_donation(), **headers)
        assert answer.headers["www-authenticate"] == "Standard-Webhooks"
        assert_problem(answer, 401, code)
    assert await lies_on_the_log(service, channel) == []


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature", "content-type"])
@pytest.mark.parametrize("value", [b"\xe9", b"v1,\xff\xfe", "王".encode(), b"\xc2\xb2", b"v1,\x80" * 50])
async def test_headers_that_are_not_ascii_are_refused_and_break_nothing(
    service: Service, name: str, value: bytes
) -> None:
    channel, content = await service.channel(), as_json(a_donation())
    headers = {key.encode(): text.encode() for key, text in channel.signed(content).items()}
    headers[name.encode()] = value
    answer = await service.http.post(
        f"/v1/channels/{channel.name}/donations", content=content, headers=list(headers.items())
    )
    assert answer.status_code == (415 if name == "content-type" else 401), answer.text


async def test_a_body_that_was_changed_on_the_way_is_refused(service: Service) -> None:
    channel, content = await service.channel(), as_json(a_donation())
    headers = channel.signed(content)
    url = f"/v1/channels/{channel.name}/donations"
    for changed in (content.replace(b"10000", b"90000"), content + b" ", content[:-1], b""):
        answer = await service.http.post(url, content=changed, headers=headers)
        assert_problem(answer, 401, "signature-wrong")


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
async def test_every_bad_body_gets_its_own_answer(service: Service, one_channel: Channel, bad: Bad) -> None:
    answer = await one_channel.give(bad.body)
    problem = assert_problem(answer, bad.status, bad.code)
    if bad.field is not None:
        assert problem["errors"][0]["field"] == bad.field
        assert problem["errors"][0]["message"]


async def test_no_bad_body_reached_the_log(service: Service, one_channel: Channel) -> None:
    assert await lies_on_the_log(service, one_channel) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (a_reversal("t", reversal_id=MISSING), "reversal_id"),
        (a_reversal("t", kind="gift"), "kind"),
        (a_reversal("t", amount_fen=0), "amount_fen"),
        (a_reversal("t", occurred_at="2026-01-01"), "occurred_at"),
        (a_reversal("t", currency="CNY"), "currency"),
    ],
)
async def test_a_bad_reversal_is_told_its_field(
    service: Service, one_channel: Channel, body: dict[str, Any], field: str
) -> None:
    problem = assert_problem(await one_channel.reverse(body), 422, "invalid-field")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_each_route_takes_its_own_kind(service: Service, one_channel: Channel) -> None:
    assert_problem(await one_channel.reverse(a_donation(type="donation")), 422, "unknown-type")
    assert_problem(await one_channel.give(a_reversal("t")), 422, "unknown-type")


async def test_all_wrong_fields_are_named_at_once(service: Service, one_channel: Channel) -> None:
    body = a_donation(amount_fen=0, currency="USD", donor=a_donor(kind="robot"), extra=1)
    problem = assert_problem(await one_channel.give(body), 422, "invalid-field")
    assert {error["field"] for error in problem["errors"]} == {
        "amount_fen",
        "currency",
        "donor.kind",
        "extra",
    }


@pytest.mark.parametrize("media_type", [None, "", "text/plain", "application/x-www-form-urlencoded"])
async def test_another_media_type_is_refused(
    service: Service, one_channel: Channel, media_type: str | None
) -> None:
    answer = await one_channel.give(a_donation(), content_type=media_type)
    assert_problem(answer, 415, "not-json")


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_method_is_refused(service: Service, one_channel: Channel, method: str) -> None:
    answer = await service.http.request(method, f"/v1/channels/{one_channel.name}/donations")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


# --------------------------------------------------------------------------------------- sizes and speeds


class Wire:
    """A connection on which a test writes what no client would."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, service: Service) -> "Wire":
        url = service.http.base_url
        return cls(*await asyncio.open_connection(url.host, url.port))

    def write(self, channel: Channel, body: bytes, **headers: str | None) -> None:
        lines = [f"POST /v1/channels/{channel.name}/donations HTTP/1.1", "host: donation"]
        lines += [f"{name}: {value}" for name, value in channel.signed(b"", **headers).items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self) -> int:
        async with asyncio.timeout(30):
            status_line = await self._reader.readline()
        return int(status_line.split()[1])

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


async def test_a_body_of_ten_megabytes_is_refused_before_it_is_read(
    service: Service, one_channel: Channel
) -> None:
    wire = await Wire.to(service)
    wire.write(one_channel, b"{" * 100, content_length=str(10 << 20))
    assert await wire.answer() == 413, "answered with almost all of it still to come"
    await wire.close()


async def test_a_body_without_a_length_is_refused_as_soon_as_it_is_too_large(
    service: Service, one_channel: Channel
) -> None:
    wire = await Wire.to(service)
    chunk = b"%x\r\n" % 4096 + b" " * 4096 + b"\r\n"
    wire.write(one_channel, chunk * 5, transfer_encoding="chunked")
    assert await wire.answer() == 413
    await wire.close()


async def test_a_body_of_ten_megabytes_sent_by_a_real_client_is_refused(
    service: Service, one_channel: Channel
) -> None:
    assert_problem(await one_channel.give(b" " * (10 << 20)), 413, "too-large")


async def test_a_body_that_does_not_come_is_not_waited_for(
    service: Service, one_channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.bodies.BODY_S", 0.1)
    wire = await Wire.to(service)
    wire.write(one_channel, b"{", content_length="100")
    assert await wire.answer() == 408
    await wire.close()


async def test_a_caller_who_hangs_up_is_not_an_error_of_ours(
    service: Service, one_channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    metric = f'shanliu_intake_requests_total{{channel="{one_channel.name}",status="400"}}'
    wire = await Wire.to(service)
    wire.write(one_channel, b"{", content_length="100")
    await wire.close()

    async def counted() -> bool:
        return metric in (await service.http.get("/metrics")).text

    await until(counted)
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_past_its_limit_a_channel_is_told_to_slow_down(service: Service) -> None:
    channel = await service.channel(limit_per_second=2)
    answers = await asyncio.gather(*(channel.give(a_donation()) for _ in range(10)))
    refused = [answer for answer in answers if answer.status_code != 202]
    assert 2 <= len(answers) - len(refused) <= 4
    for answer in refused:
        assert_problem(answer, 429, "too-many")
        assert answer.headers["retry-after"] == "1"
    other = await service.channel()
    assert (await other.give(a_donation())).status_code == 202


async def test_a_paused_channel_is_told_to_come_later(service: Service) -> None:
    channel = await service.channel()
    url, why = f"/v1/channels/{channel.name}", {"reason": "对账不符"}
    paused = await service.http.post(f"{url}/pause", json=why, headers=commanding())
    assert (paused.json()["state"], paused.json()["paused_reason"]) == ("paused", "对账不符")
    answer = await channel.give(a_donation())
    assert_problem(answer, 503, "channel-paused")
    assert answer.json()["detail"] == "This channel is paused (对账不符); send it later."
    assert int(answer.headers["retry-after"]) > 0
    assert_problem(await channel.give(a_donation(), webhook_signature="v1,AA"), 401, "signature-wrong")
    resumed = await service.http.post(f"{url}/resume", json={}, headers=commanding())
    assert (resumed.json()["state"], resumed.json()["paused_reason"]) == ("active", None)
    assert (await channel.give(a_donation())).status_code == 202


# ------------------------------------------------------------------------------------------- CloudEvents


async def test_a_cloud_event_is_taken_in_both_modes_and_is_the_same_donation(service: Service) -> None:
    channel, body = await service.channel(), a_donation()
    attributes = {"specversion": "1.0", "id": "e-1", "source": "/tills/7"}
    donation, reversal = (f"org.shanliu.intake.{kind}.v1" for kind in ("donation", "reversal"))
    event = {**attributes, "type": donation, "data": body}
    headers: dict[str, Any] = {f"ce-{name}": value for name, value in attributes.items()}
    answers = [
        await channel.give(body),
        await channel.give(event, content_type="application/cloudevents+json; charset=utf-8"),
        await channel.give(event),
        await channel.give(body, **headers, **{"ce-type": donation}),
    ]
    assert [answer.status_code for answer in answers] == [202] * 4
    assert {answer.json()["donation_id"] for answer in answers} == {
        str(donation_id_of(channel.name, body["transaction_id"]))
    }
    values = [json.loads(record.value or b"") for record in await lies_on_the_log(service, channel)]
    assert [value["transaction_id"] for value in values] == [body["transaction_id"]] * 4

    for wrong in (
        await channel.give({**event, "type": reversal}),
        await channel.reverse(event),
        await channel.give(body, **headers, **{"ce-type": reversal}),
    ):
        assert_problem(wrong, 422, "unknown-type")
    missing = await channel.give(body, **headers)
    assert assert_problem(missing, 422, "invalid-field")["errors"][0]["field"] == "type"
    assert_problem(await channel.give(event, content_type="application/cloudevents+avro"), 415, "not-json")
