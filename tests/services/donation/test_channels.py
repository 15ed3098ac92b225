"""The register of channels: who is in it, with which keys, and who changed what."""

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from httpx import AsyncClient, Response
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.services.donation.builders import a_donation, as_json, bearer, commanding, new_id
from tests.services.donation.conftest import serving
from tests.services.donation.places import Channel, Service
from tests.services.donation.topics import Put
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

WECHAT = {"campaign_id": "gala", "mchid": "1900000109"}


async def register(service: Service, **fields: Any) -> Response:
    new = {"channel": new_id("ch"), "title": "微信支付", **fields}
    return await service.http.post("/v1/channels", json=new, headers=commanding())


async def add_key(service: Service, channel: str, **fields: Any) -> Response:
    return await service.http.post(f"/v1/channels/{channel}/keys", json=fields, headers=commanding())


async def keys(service: Service, channel: str) -> dict[str, dict[str, Any]]:
    answer = await service.http.get(f"/v1/channels/{channel}/keys", headers=bearer("viewer"))
    return {key["key_id"]: key for key in answer.json()}


async def changes(service: Service, channel: str) -> list[dict[str, Any]]:
    answer = await service.http.get(f"/v1/channels/{channel}/changes", headers=bearer("viewer"))
    return list(reversed(answer.json()["items"]))


def refused(answer: Response, status: int, code: str, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:shanliu:problem:{code}"
    if field is not None:
        assert field in [error["field"] for error in answer.json()["errors"]], answer.text


# ---------------------------------------------------------------------------------------------- channels


async def test_a_channel_is_registered_with_all_that_is_known_of_it(service: Service) -> None:
    said = {
        "scheme": "wechatpay",
        "settings": WECHAT,
        "limit_per_second": 50,
        "organisation_id": "suzhou",
        "campaigns": ["gala", "drive", "gala"],
        "contact": "陈工 0512-1234",
    }
    made = await register(service, **said)
    assert made.status_code == 201, made.text
    body = made.json()
    assert body["secret"] is None, "a payment company signs with its own key"
    assert body["topic"] == f"intake.{body['channel']}"
    read = await service.http.get(f"/v1/channels/{body['channel']}", headers=bearer("viewer"))
    assert read.json() == {key: value for key, value in body.items() if key != "secret"}
    assert {key: read.json()[key] for key in said} == {**said, "campaigns": ["drive", "gala"]}
    assert (read.headers["etag"], read.json()["state"], read.json()["sandbox"]) == ('"1"', "active", False)
    listed = (await service.http.get("/v1/channels", headers=bearer("desk"))).json()
    assert read.json() in listed
    (only,) = await changes(service, body["channel"])
    assert (only["person"], only["what"]) == ("admin", "registered")


async def test_a_channel_s_secret_is_shown_once_and_stored_sealed(service: Service) -> None:
    channel = await service.channel(title="微信支付")
    url = f"/v1/channels/{channel.name}"
    for path in ("/v1/channels", url, f"{url}/keys", f"{url}/changes"):
        assert (
            channel.secret.removeprefix("whsec_")
            not in (await service.http.get(path, headers=bearer("admin"))).text
        )
    sealed = await service.place.value("SELECT sealed FROM channel_keys WHERE channel = :c", c=channel.name)
    assert channel.secret.removeprefix("whsec_").encode() not in sealed
    assert (await channel.give(a_donation())).status_code == 202


async def test_a_command_repeated_with_its_key_has_one_effect_and_shows_no_secret_again(
    service: Service,
) -> None:
    headers, new = commanding(), {"channel": new_id("ch"), "title": "x"}
    first, again = [await service.http.post("/v1/channels", json=new, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == {**first.json(), "secret": None}
    url, headers = f"/v1/channels/{new['channel']}/keys", commanding()
    first, again = [await service.http.post(url, json={}, headers=headers) for _ in range(2)]
    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == {**first.json(), "secret": None}
    assert (await keys(service, new["channel"])).keys() == {"1", "2"}
    kept = await service.place.rows("SELECT CAST(answer AS text) FROM idempotency_keys")
    assert not [row for row in kept if "whsec_" in row[0]]
    refused(await service.http.post(url, json={}, headers=bearer("admin")), 400, "idempotency-key-missing")


async def test_a_name_can_be_taken_once(service: Service) -> None:
    channel = await service.channel()
    refused(await register(service, channel=channel.name), 409, "channel-exists", "channel")
    assert (await channel.give(a_donation())).status_code == 202, "its secret is still the first"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"channel": "internal"}, "channel"),
        ({"channel": ""}, "channel"),
        ({"channel": "A"}, "channel"),
        ({"channel": "a.b"}, "channel"),
        ({"channel": "a/../b"}, "channel"),
        ({"channel": "-a"}, "channel"),
        ({"channel": "a" * 33}, "channel"),
        ({"channel": "a\n"}, "channel"),
        ({"channel": None}, "channel"),
        ({"title": ""}, "title"),
        ({"title": "x" * 65}, "title"),
        ({"title": "微\u0000信"}, "title"),
        ({"title": "\u202e信微"}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"limit_per_second": 0}, "limit_per_second"),
        ({"limit_per_second": 10**6 + 1}, "limit_per_second"),
        ({"limit_per_second": 1.5}, "limit_per_second"),
        ({"secret": "whsec_mine"}, "secret"),
        ({"scheme": "fax"}, "scheme"),
        ({"settings": {"mchid": "1900000109"}}, "settings"),
        ({"scheme": "wechatpay"}, "settings"),
        ({"scheme": "wechatpay", "settings": {**WECHAT, "mchid": "x"}}, "settings.mchid"),
        ({"campaigns": ["Gala"]}, "campaigns"),
        ({"campaigns": ["g"] * 1001}, "campaigns"),
        ({"organisation_id": "a b"}, "organisation_id"),
        ({"sandbox": True, "limit_per_second": 101}, "limit_per_second"),
        ({"sandbox": True, "scheme": "kafka"}, "sandbox"),
    ],
    ids=str,
)
async def test_a_channel_can_not_be_registered_wrong(
    service: Service, change: dict[str, Any], field: str
) -> None:
    body = {"channel": new_id("ch"), "title": "微信支付", **change}
    content = json.dumps(body).encode()
    headers = commanding() | {"content-type": "application/json"}
    answer = await service.http.post("/v1/channels", content=content, headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(field)


async def test_the_broker_s_clock_says_when_a_channel_s_donation_came(service: Service) -> None:
    channel = await service.channel(title="微信支付")
    await service.place.put(channel.topic, Put(as_json(a_donation()), timestamp_ms=1))
    (record,) = await service.place.batch(channel.topic)
    assert record.timestamp > 1_700_000_000_000


async def test_what_is_named_changes_and_stands_in_the_record(service: Service) -> None:
    channel = await service.channel(title="旧名", contact="陈工")
    url, admin = f"/v1/channels/{channel.name}", bearer("admin")
    patch = {"title": "新名", "contact": "李工", "campaigns": ["gala"]}
    changed = await service.http.patch(url, json=patch, headers=admin | {"if-match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert {key: changed.json()[key] for key in patch} == patch
    assert (changed.json()["limit_per_second"], changed.headers["etag"]) == (20_000, '"2"')
    late = await service.http.patch(url, json={"title": "别名"}, headers=admin | {"if-match": '"1"'})
    refused(late, 412, "version-changed")
    same = await service.http.patch(url, json=patch, headers=admin)
    assert same.json()["version"] == 2, "what stays as it is is no change"
    record = (await changes(service, channel.name))[-1]
    assert (record["person"], record["what"]) == ("admin", "changed")
    assert record["detail"] == {
        "title": {"from": "旧名", "to": "新名"},
        "contact": "changed",
        "campaigns": {"from": None, "to": ["gala"]},
    }
    freed = await service.http.patch(url, json={"campaigns": None}, headers=admin)
    assert freed.json()["campaigns"] is None


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"scheme": "kafka"}, "scheme"),
        ({"sandbox": True}, "sandbox"),
        ({"channel": "other"}, "channel"),
        ({"state": "paused"}, "state"),
        ({"title": None}, "title"),
        ({"limit_per_second": None}, "limit_per_second"),
        ({"settings": {"x": 1}}, "settings.x"),
    ],
    ids=str,
)
async def test_what_stays_can_not_be_changed(
    service: Service, one_channel: Channel, patch: dict[str, Any], field: str
) -> None:
    url = f"/v1/channels/{one_channel.name}"
    answer = await service.http.patch(url, json=patch, headers=bearer("admin"))
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE channels SET sandbox = NOT sandbox WHERE channel = '{}'",
        "UPDATE channels SET scheme = 'kafka' WHERE channel = '{}'",
        "UPDATE channel_changes SET person = 'x' WHERE channel = '{}'",
        "DELETE FROM channel_changes WHERE channel = '{}'",
    ],
)
async def test_the_database_itself_holds_what_stays(service: Service, statement: str) -> None:
    channel = await service.channel(title="x")
    with pytest.raises(DBAPIError, match=r"append-only|stays"):
        await service.place.rows(statement.format(channel.name))


@pytest.mark.parametrize("name", ["nobody", "%00", "a" * 5_000])
async def test_only_a_channel_that_is_there_can_be_paused(service: Service, name: str) -> None:
    answer = await service.http.post(f"/v1/channels/{name}/pause", json={"reason": "x"}, headers=commanding())
    assert answer.status_code in {404, 422}, answer.text


async def test_a_pause_needs_its_reason_and_both_ends_are_on_the_record(service: Service) -> None:
    channel = await service.channel()
    url = f"/v1/channels/{channel.name}"
    refused(
        await service.http.post(f"{url}/pause", json={}, headers=commanding()), 422, "invalid-field", "reason"
    )
    await service.http.post(f"{url}/pause", json={"reason": "对账不符"}, headers=commanding())
    await service.http.post(f"{url}/resume", json={"reason": "已核对"}, headers=commanding())
    record = [(each["what"], each["detail"]) for each in await changes(service, channel.name)]
    assert record[-2:] == [("paused", {"reason": "对账不符"}), ("resumed", {"reason": "已核对"})]


async def test_a_paused_channel_keeps_what_it_has_sent(service: Service) -> None:
    channel = await service.channel()
    donation_id = (await channel.give(a_donation())).json()["donation_id"]
    await service.http.post(f"/v1/channels/{channel.name}/pause", json={"reason": "x"}, headers=commanding())
    assert (await channel.give(a_donation())).status_code == 503
    assert (await service.status(donation_id, "held"))["held_reason"] == "unknown_campaign"


# -------------------------------------------------------------------------------------------------- keys


async def test_a_new_secret_counts_beside_the_old_one_on_every_process(service: Service) -> None:
    old = await service.channel()
    settings = service.place.settings.model_copy(update={"roles": "api"})
    async with serving(settings) as url, AsyncClient(base_url=url, timeout=20) as http:
        elsewhere = Service(service.place, http)
        assert (await old.at(elsewhere).give(a_donation())).status_code == 202
        added = (await add_key(service, old.name)).json()
        new = Channel(service, old.name, added["secret"])

        async def counts_there() -> bool:
            return (await new.at(elsewhere).give(a_donation())).status_code == 202

        await until(counts_there, deadline_s=30)
        for each in (old, old.at(elsewhere), new):
            assert (await each.give(a_donation())).status_code == 202
        shown = await keys(service, old.name)
        overlap = datetime.fromisoformat(shown["1"]["valid_until"]) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=59) < overlap <= timedelta(hours=24)
        assert shown["2"]["valid_until"] is None

        ended = await service.http.delete(f"/v1/channels/{old.name}/keys/signing/1", headers=bearer("admin"))
        assert ended.status_code == 204
        assert (await old.give(a_donation())).status_code == 401

        async def ended_there() -> bool:
            return (await old.at(elsewhere).give(a_donation())).status_code == 401

        await until(ended_there, deadline_s=30)
        assert (await new.at(elsewhere).give(a_donation())).status_code == 202
    assert not (await keys(service, old.name))["1"]["counts"]
    sealed = "SELECT sealed FROM channel_keys WHERE channel = :c AND key_id = '1'"
    assert await service.place.value(sealed, c=old.name) == b"", "its secret is forgotten"
    assert [each["what"] for each in await changes(service, old.name)] == ["key-added", "key-revoked"]
    again = await service.http.delete(f"/v1/channels/{old.name}/keys/signing/1", headers=bearer("admin"))
    refused(again, 404, "not-found")


async def test_without_an_overlap_the_old_secret_ends_at_once(service: Service) -> None:
    old = await service.channel()
    added = (await add_key(service, old.name, overlap_hours=0)).json()
    assert (await old.give(a_donation())).status_code == 401
    assert (await Channel(service, old.name, added["secret"]).give(a_donation())).status_code == 202


async def test_an_overlap_that_is_over_ends_the_old_secret_without_a_word(service: Service) -> None:
    old = await service.channel()
    added = (await add_key(service, old.name, overlap_hours=1)).json()
    past = "UPDATE channel_keys SET valid_until = now() - interval '1 s' WHERE channel = :c AND key_id = '1'"
    async with service.place.engine.begin() as connection:
        await connection.execute(text(past), {"c": old.name})

    async def over() -> bool:
        return (await old.give(a_donation())).status_code == 401

    await until(over, deadline_s=30)
    assert (await Channel(service, old.name, added["secret"]).give(a_donation())).status_code == 202


async def test_keys_that_count_at_once_are_few(service: Service) -> None:
    channel = await service.channel()
    answers = [await add_key(service, channel.name) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [201] * 7 + [409]
    refused(answers[-1], 409, "too-many-keys")
    assert (await add_key(service, channel.name, overlap_hours=0)).status_code == 201


async def test_commands_at_the_same_moment_make_keys_of_their_own(service: Service) -> None:
    channel = await service.channel()
    answers = await asyncio.gather(*(add_key(service, channel.name) for _ in range(5)))
    assert sorted(answer.json()["key_id"] for answer in answers) == ["2", "3", "4", "5", "6"]


def certificate(key: Any, *, days: int = 30) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 0x5157F09EFDC096DE15EBE81A47057A72)
    dated = builder.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    return dated.sign(key, hashes.SHA256())


def pem(made: x509.Certificate) -> str:
    return made.public_bytes(serialization.Encoding.PEM).decode()


async def test_a_company_s_keys_are_read_and_told_apart(service: Service) -> None:
    key = rsa.generate_private_key(65537, 2048)
    made = certificate(key)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    channel = (await register(service, scheme="wechatpay", settings=WECHAT)).json()["channel"]
    added = await add_key(service, channel, purpose="platform", key=pem(made))
    assert added.status_code == 201, added.text
    body = added.json()
    assert (body["key_id"], body["secret"]) == ("5157F09EFDC096DE15EBE81A47057A72", None)
    assert body["fingerprint"] == made.fingerprint(hashes.SHA256()).hex()
    assert datetime.fromisoformat(body["valid_until"]) == made.not_valid_after_utc
    refused(await add_key(service, channel, purpose="platform", key=pem(made)), 409, "key-known", "key_id")
    unnamed = await add_key(service, channel, purpose="platform", key=public.decode())
    refused(unnamed, 422, "key-unusable", "key_id")
    named = {"purpose": "platform", "key": public.decode(), "key_id": "PUB_KEY_ID_0114"}
    assert (await add_key(service, channel, **named)).status_code == 201
    assert (await add_key(service, channel, purpose="apiv3", key="k" * 32)).json()["key_id"] == "1"
    assert (await add_key(service, channel, purpose="apiv3", key="l" * 32)).json()["key_id"] == "2"
    shown = await keys(service, channel)
    assert shown[body["key_id"]]["valid_until"] == body["valid_until"], "rotated by the company, not by us"
    assert (shown["1"]["valid_until"] is None, shown["2"]["fingerprint"]) == (False, None)
    assert "kkkk" not in str(shown)


async def test_what_is_no_key_of_that_purpose_is_refused(service: Service) -> None:
    key = rsa.generate_private_key(65537, 2048)
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    channel = (await register(service, scheme="wechatpay", settings=WECHAT)).json()["channel"]
    cases: list[tuple[str, dict[str, Any]]] = [
        ("purpose", {"purpose": "signing"}),
        ("key", {"purpose": "platform"}),
        ("key", {"purpose": "platform", "key": "nonsense"}),
        ("key", {"purpose": "platform", "key": private}),
        ("key", {"purpose": "platform", "key": pem(certificate(key, days=-1))}),
        ("key", {"purpose": "platform", "key": pem(certificate(weak))}),
        ("key", {"purpose": "platform", "key": pem(certificate(ec.generate_private_key(ec.SECP256R1())))}),
        ("key", {"purpose": "platform", "key": pem(certificate(key)) * 6}),
        ("key", {"purpose": "platform", "key": pem(certificate(key)) + private}),
        ("key", {"purpose": "apiv3", "key": "k" * 31}),
        ("key", {"purpose": "apiv3", "key": "k" * 33}),
        ("key", {"purpose": "apiv3", "key": "密" * 32}),
    ]
    for field, body in cases:
        answer = await add_key(service, channel, **body)
        refused(answer, 422, "key-unusable", field)
        assert "MII" not in answer.text
    assert await keys(service, channel) == {}
    partner = await service.channel()
    refused(await add_key(service, partner.name, key="whsec_mine"), 422, "key-unusable", "key")
    refused(await add_key(service, partner.name, overlap_hours=721), 422, "invalid-field", "overlap_hours")


async def test_no_secret_reaches_a_log(service: Service, written: io.StringIO) -> None:
    channel = await service.channel(title="微信支付")
    wechat = (await register(service, scheme="wechatpay", settings=WECHAT)).json()["channel"]
    apiv3 = new_id("apiv3")[:32].ljust(32, "x")
    added = await add_key(service, channel.name)
    answers = [
        await add_key(service, wechat, purpose="apiv3", key=apiv3),
        await add_key(service, wechat, purpose="apiv3", key=apiv3 + "x"),
        await add_key(service, wechat, purpose="platform", key=apiv3),
        await channel.give(a_donation(), webhook_signature="v1,AAAA"),
        await channel.give(a_donation()),
    ]
    assert [answer.status_code for answer in answers] == [201, 422, 422, 401, 202]
    told = written.getvalue() + "".join(answer.text for answer in answers)
    told += (await service.http.get("/metrics")).text
    assert written.getvalue(), "the log was listened to"
    for secret in (channel.secret[6:], added.json()["secret"][6:], apiv3):
        assert secret not in told
