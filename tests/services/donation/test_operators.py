"""What operators do with dead letters; and who may do what."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text

from services.donation.cloud_events import read_message
from services.donation.intake import Unusable, donation_id_of
from tests.services.donation.builders import a_donation, as_json, bearer, commanding, new_id
from tests.services.donation.places import Channel, Service
from tests.services.donation.topics import Put
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

ROUTES: list[tuple[str, str, set[str]]] = [
    ("POST", "/v1/channels", {"admin"}),
    ("GET", "/v1/channels", {"admin", "viewer", "desk", "finance"}),
    ("GET", "/v1/channels/nobody", {"admin", "viewer", "desk", "finance"}),
    ("PATCH", "/v1/channels/nobody", {"admin"}),
    ("POST", "/v1/channels/nobody/pause", {"admin"}),
    ("POST", "/v1/channels/nobody/resume", {"admin"}),
    ("POST", "/v1/channels/nobody/keys", {"admin"}),
    ("GET", "/v1/channels/nobody/keys", {"admin", "viewer", "desk", "finance"}),
    ("DELETE", "/v1/channels/nobody/keys/signing/1", {"admin"}),
    ("GET", "/v1/channels/nobody/changes", {"admin", "viewer", "desk", "finance"}),
    ("GET", "/v1/dead-letters", {"admin", "viewer", "desk", "finance"}),
    ("GET", "/v1/dead-letters/intake.nobody/0/0", {"admin", "finance"}),
    ("POST", "/v1/dead-letters/replay", {"admin", "desk"}),
    ("POST", "/v1/dead-letters/set-aside", {"admin", "desk", "finance"}),
    ("POST", "/v1/dead-letters/intake.nobody/0/0/replay", {"admin", "desk"}),
]


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
async def test_each_route_asks_for_its_role(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    for headers in ({}, bearer("nobody"), {"authorization": "Basic YTpi"}, {"authorization": "Bearer"}):
        answer = await service.http.request(method, path, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.json()["type"] == "urn:shanliu:problem:not-signed-in"
        assert answer.headers["www-authenticate"] == "Bearer"
    for person in ("admin", "desk", "viewer", "finance"):
        answer = await service.http.request(method, path, headers=bearer(person))
        if person in allowed:
            assert answer.status_code in {200, 400, 404, 422}, (person, answer.text)
        else:
            assert answer.status_code == 403, (person, answer.text)
            assert answer.json()["type"] == "urn:shanliu:problem:role-missing"


# ------------------------------------------------------------------------------------------ dead letters


async def dead(service: Service, channel: Channel, *bodies: bytes | Put) -> list[dict[str, Any]]:
    """Put bad records on the channel's topic; the listed letters, oldest first."""
    await service.place.put(channel.topic, *bodies)

    async def listed() -> list[dict[str, Any]]:
        found = await letters(service, channel, shown="all")
        return found if len(found) >= len(bodies) else []

    return await until(listed)


async def letters(service: Service, channel: Channel, **query: Any) -> list[dict[str, Any]]:
    answer = await service.http.get(
        "/v1/dead-letters", params={"limit": 500, **query}, headers=bearer("viewer")
    )
    assert answer.status_code == 200, answer.text
    return [each for each in reversed(answer.json()) if each["topic"] == channel.topic]


def path_of(letter: dict[str, Any]) -> str:
    return f"/v1/dead-letters/{letter['topic']}/{letter['partition']}/{letter['offset']}/replay"


async def test_a_dead_letter_is_listed_with_its_reason_and_position_and_without_its_content(
    service: Service,
) -> None:
    channel = await service.channel()
    secret = as_json(a_donation(amount_fen=0, 王小明="13800000000"))
    first, second = await dead(service, channel, secret, b"{")
    assert {key: first[key] for key in ("topic", "partition", "offset", "reason")} == {
        "topic": channel.topic,
        "partition": 0,
        "offset": 0,
        "reason": "invalid-field",
    }
    assert first["detail"].startswith("amount_fen: ")
    assert (first["replayed_at"], first["replayed_by"]) == (None, None)
    assert (second["offset"], second["reason"]) == (1, "malformed-json")
    for value in ("王小明", "13800000000"):
        assert value not in str(first)


async def test_a_long_list_can_be_continued(service: Service) -> None:
    channel = await service.channel()
    found = await dead(service, channel, *[b"{"] * 5)
    newest_first = [each["offset"] for each in reversed(found)]
    assert newest_first == [4, 3, 2, 1, 0]
    rest = await letters(service, channel, before=found[3]["failed_at"])
    assert [each["offset"] for each in rest] == [0, 1, 2]


@pytest.mark.parametrize(
    "query",
    [
        {"before": "2026-01-01T12:00:00"},
        {"before": "yesterday"},
        {"before": "0001-01-01T00:00:00+14:00"},
        {"before": "9999-12-31T23:59:59-14:00"},
        {"limit": 0},
        {"limit": 501},
        {"limit": "many"},
        {"shown": "none"},
    ],
    ids=str,
)
async def test_a_list_asked_for_wrong_is_refused(service: Service, query: dict[str, Any]) -> None:
    answer = await service.http.get("/v1/dead-letters", params=query, headers=bearer("viewer"))
    assert answer.status_code == 422, answer.text


async def test_a_letter_that_is_sent_again_gets_a_new_position_and_counts_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of a newer release of a channel, refused by the one that ran, taken by the next."""

    def refuse(body: bytes, *rest: Any, **options: Any) -> Any:
        if b"of-the-next-release" in body:
            raise Unusable("invalid-field", "not known yet")
        return read_message(body, *rest, **options)

    monkeypatch.setattr("services.donation.handlers.read_message", refuse)
    channel = await service.channel()
    body = a_donation(transaction_id=new_id("of-the-next-release"), campaign_id=new_id("gala"))
    header = ("traceparent", b"00-1")
    (letter,) = await dead(service, channel, Put(as_json(body), key=b"k", headers=[header, ("none", None)]))
    monkeypatch.undo()

    answers = await asyncio.gather(
        *(service.http.post(path_of(letter), headers=bearer("desk")) for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    (placed,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert placed["topic"] == channel.topic
    assert (placed["partition"], placed["offset"]) != (letter["partition"], letter["offset"])
    donation_id = donation_id_of(channel.name, body["transaction_id"])
    view = await service.status(donation_id, "held")
    assert view["position"] == {
        "source": f"{channel.topic}/{placed['partition']}",
        "sequence": placed["offset"],
    }
    at = (placed["partition"], placed["offset"])
    (again,) = [
        each for each in await service.place.batch(channel.topic) if (each.partition, each.offset) == at
    ]
    assert (again.key, again.value) == (b"k", as_json(body))
    origin = f"{channel.topic}/0:0".encode()
    assert list(again.headers) == [header, ("none", None), ("replay-of", origin)]

    assert await letters(service, channel) == []
    (shown,) = await letters(service, channel, shown="all")
    assert shown["replayed_by"] == "desk"
    assert datetime.fromisoformat(shown["replayed_at"]).tzinfo
    assert (await service.http.post(path_of(letter), headers=bearer("desk"))).status_code == 409
    assert len(await service.place.log.events(channel.topic)) == 1


async def test_a_letter_that_is_as_bad_as_before_is_a_letter_again(service: Service) -> None:
    channel = await service.channel()
    (letter,) = await dead(service, channel, Put(b"{", key=b"k"))
    placed = (await service.http.post(path_of(letter), headers=bearer("admin"))).json()

    async def buried_again() -> list[Any]:
        return await letters(service, channel)

    (again,) = await until(buried_again)
    assert (again["partition"], again["offset"]) == (placed["partition"], placed["offset"])
    assert await service.place.log.events(channel.topic) == []


@pytest.mark.parametrize(
    "place",
    [
        "intake.nobody/0/0",
        "intake.nobody/99/0",
        "intake.nobody/-1/-1",
        "intake.nobody/0/9223372036854775807",
        "intake.nobody/0/9223372036854775808",
        "intake.nobody/99999999999999999999/0",
        "intake.nobody/0/x",
        "%00/0/0",
        "%F0%9F%8E%89/0/0",
        "donation.events/0/0",
    ],
)
async def test_only_a_letter_that_is_there_can_be_sent_again(service: Service, place: str) -> None:
    answer = await service.http.post(f"/v1/dead-letters/{place}/replay", headers=bearer("desk"))
    assert answer.status_code in {404, 422}, answer.text


# ------------------------------------------------------------------- content, many at once, set aside


def place_of(letter: dict[str, Any]) -> dict[str, Any]:
    return {key: letter[key] for key in ("topic", "partition", "offset")}


async def test_the_content_is_shown_to_finance_alone_and_each_look_is_written_down(service: Service) -> None:
    channel = await service.channel()
    body = as_json(a_donation(amount_fen=0, transaction_id="of-the-dead"))
    letter, binary = await dead(service, channel, Put(body, key=b"k", headers=[("x", None)]), b"\xff{")
    path = path_of(letter).removesuffix("/replay")
    for person in ("viewer", "desk"):
        answer = await service.http.get(path, headers=bearer(person))
        assert answer.status_code == 403, answer.text
    assert (await service.http.get(path, headers=bearer("finance"))).status_code == 200
    shown = (await service.http.get(path, headers=bearer("admin"))).json()
    assert shown["value"] == {"text": body.decode(), "base64": None, "size_bytes": len(body), "cut": False}
    assert (shown["key"]["text"], shown["headers"]) == ("k", [{"name": "x", "value": None}])
    assert [each["person"] for each in shown["looks"]] == ["admin", "finance"]
    answer = await service.http.get(path_of(binary).removesuffix("/replay"), headers=bearer("finance"))
    assert (answer.json()["value"]["text"], answer.json()["value"]["base64"]) == (None, "/3s=")
    nothing = await service.http.get("/v1/dead-letters/intake.nobody/0/0", headers=bearer("finance"))
    assert nothing.status_code == 404


async def test_many_are_sent_again_or_set_aside_each_with_its_answer(service: Service) -> None:
    channel = await service.channel()
    first, second, third = await dead(service, channel, b"{", b"[", b"}")
    nobody = {"topic": "intake.nobody", "partition": 0, "offset": 0}

    async def command(what: str, person: str, **body: Any) -> list[Any]:
        answer = await service.http.post(f"/v1/dead-letters/{what}", json=body, headers=commanding(person))
        assert answer.status_code == 200, answer.text
        return [(each["outcome"], each["code"]) for each in answer.json()["items"]]

    aside = {"letters": [place_of(second), nobody], "reason": "a test of theirs"}
    assert await command("set-aside", "finance", **aside) == [
        ("done", None),
        ("not_done", "unknown-dead-letter"),
    ]
    assert [each["offset"] for each in await letters(service, channel)] == [0, 2]
    (shown,) = await letters(service, channel, shown="set_aside")
    assert (shown["set_aside_by"], shown["set_aside_reason"]) == ("finance", "a test of theirs")
    again = {"letters": [place_of(first), place_of(second), nobody]}
    assert await command("replay", "desk", **again) == [
        ("done", None),
        ("done", None),
        ("not_done", "unknown-dead-letter"),
    ]
    assert await command("replay", "desk", **again) == [
        ("not_done", "replayed"),
        ("not_done", "replayed"),
        ("not_done", "unknown-dead-letter"),
    ]
    assert await command("set-aside", "desk", letters=[place_of(first)], reason="x") == [
        ("not_done", "replayed")
    ]

    async def buried_again() -> Any:
        found = await letters(service, channel)
        return found if len(found) == 3 else None

    assert place_of(third) in [place_of(each) for each in await until(buried_again)]


async def test_a_list_goes_on_behind_letters_of_one_moment_and_is_narrowed(service: Service) -> None:
    channel = await service.channel()
    await dead(service, channel, *[b"{"] * 4, as_json(a_donation(amount_fen=0)))
    async with service.place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE dead_letters SET failed_at = '2030-01-01T00:00:00Z' WHERE source LIKE :s"),
            {"s": f"{channel.topic}/%"},
        )
    only = {"topic": channel.topic}
    newest = await service.http.get("/v1/dead-letters", params={"limit": 2, **only}, headers=bearer("viewer"))
    assert [each["offset"] for each in newest.json()] == [4, 3]
    rest = await letters(service, channel, after=newest.json()[-1]["cursor"], **only)
    assert [each["offset"] for each in rest] == [0, 1, 2]
    assert len(await letters(service, channel, reason="invalid-field", **only)) == 1
