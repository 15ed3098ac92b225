"""Registered screens, whole: their links, what operators put on air, who may, and what is on the record."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.settings import Settings
from tests.services.reporting.builders import GALA, CampaignSource, Source
from tests.services.reporting.processes import Screen, hosting, screens
from tests.waiting import until

WHY = {"reason": "节目换场"}


@pytest.fixture
def guarded(settings: Settings, tmp_path: Path) -> Settings:
    """A desk everywhere, a viewer, and a desk of one county alone."""
    people: list[dict[str, Any]] = [
        {"person": "lin", "roles": ["desk"]},
        {"person": "chen", "roles": ["viewer"]},
        {"person": "li", "roles": [], "grants": [{"organisation": "gusu", "roles": ["desk"]}]},
    ]
    for each in people:
        each["token_sha256"] = hashlib.sha256(str(each["person"]).encode()).hexdigest()
    file = tmp_path / "operators.json"
    file.write_text(json.dumps(people), "utf-8")
    return settings.model_copy(update={"operators_file": file})


@pytest.fixture
async def wechat(engine: AsyncEngine) -> Source:
    """A launched gala with 1,000 fen."""
    source = Source()
    async with engine.begin() as connection:
        await count(connection, [CampaignSource().launched(), source.received(1_000, name="张三")])
    return source


class Desk:
    """A person at the API."""

    def __init__(self, port: int, person: str = "lin") -> None:
        headers = {"authorization": f"Bearer {person}"}
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers)
        self._number = 0

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        self._number += 1
        keyed = {"idempotency-key": f"key-{self._number}", **headers}
        return await self.client.post(f"/v1/screens{path}", json=body, headers=keyed)

    async def done(self, path: str, body: Any) -> dict[str, Any]:
        answer = await self.post(path, body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def air(self, action: str, screen_id: str = "hall") -> dict[str, Any]:
        return await self.done(f"/{screen_id}/air", {"action": action, **WHY})

    async def record(self, screen_id: str = "hall") -> list[dict[str, Any]]:
        answer = await self.client.get(f"/v1/screens/{screen_id}/changes")
        return list(answer.json()["changes"][::-1])


@asynccontextmanager
async def desk_of(port: int, person: str = "lin") -> AsyncIterator[Desk]:
    desk = Desk(port, person)
    async with desk.client:
        yield desk


async def counted(engine: AsyncEngine, *events: Any) -> None:
    async with engine.begin() as connection:
        await count(connection, list(events))


def new(screen_id: str = "hall", **changes: Any) -> dict[str, Any]:
    return {"screen_id": screen_id, "title": "主会场大屏", "campaign_id": GALA, **changes}


def shown(screen: Screen) -> dict[str, Any]:
    """What a page that merges the frames has."""
    merged: dict[str, Any] = {}
    for event, _, data in screen.frames:
        if event in ("snapshot", "change"):
            merged = json.loads(data) if event == "snapshot" else merged | json.loads(data)
    return merged


async def test_a_screen_is_frozen_hidden_and_live_again_in_every_process(
    guarded: Settings, engine: AsyncEngine, wechat: Source
) -> None:
    """Two that have nothing in common but the database."""
    async with hosting(guarded) as here, hosting(guarded) as there, desk_of(here) as desk:
        link = (await desk.done("", new()))["link"]

        async def known_there() -> bool:
            return (await desk.client.get(f"http://127.0.0.1:{there}{link}")).status_code == 200

        await until(known_there, deadline_s=30)
        async with (
            screens(here, GALA, link=link) as (one,),
            screens(there, GALA, link=link) as (two,),
        ):
            assert (shown(one)["air"], shown(one)["campaign_id"], shown(one)["net_fen"]) == (
                "live",
                GALA,
                1_000,
            )
            frozen = await desk.air("freeze")
            await until(lambda: shown(one)["air"] == shown(two)["air"] == "frozen", deadline_s=30)
            await counted(engine, wechat.received(500))

            async def moved() -> bool:
                seen = (await desk.client.get("/v1/screens/hall")).json()
                return bool(seen["actual"]["net_fen"] == 1_500)

            await until(moved, deadline_s=30)
            assert [shown(each)["net_fen"] for each in (one, two)] == [1_000, 1_000]
            await desk.air("hide")
            await until(lambda: shown(one)["air"] == shown(two)["air"] == "hidden", deadline_s=30)
            await desk.air("live")
            await until(lambda: shown(one)["air"] == shown(two)["air"] == "live", deadline_s=30)
            await until(
                lambda: [shown(each)["net_fen"] for each in (one, two)] == [1_500, 1_500], deadline_s=30
            )
            assert frozen["frozen_at_version"] == frozen["shown"]["version"]
            record = await desk.record()
            assert [each["action"] for each in record] == ["created", "freeze", "hide", "live"]
            assert {each["person"] for each in record} == {"lin"}
            assert (record[-1]["net_before_fen"], record[-1]["net_after_fen"]) == (1_500, 1_500)
            with pytest.raises(DBAPIError, match="append-only"):
                async with engine.begin() as connection:
                    await connection.execute(text("UPDATE screen_changes SET person = 'nobody'"))


async def test_a_reversal_is_held_until_the_next_segment_with_both_numbers_on_the_record(
    guarded: Settings, engine: AsyncEngine, wechat: Source
) -> None:
    async with hosting(guarded) as port, desk_of(port) as desk:
        link = (await desk.done("", new(policy="held")))["link"]
        async with (
            screens(port, GALA, link=link) as (held,),
            screens(port, GALA) as (public,),
        ):
            await counted(engine, wechat.reversed(300))
            await until(lambda: shown(public)["net_fen"] == 700, deadline_s=30)

            async def on_record() -> bool:
                return bool((await desk.client.get("/v1/screens/hall")).json()["pending"])

            await until(on_record, deadline_s=30)
            assert shown(held)["net_fen"] == 1_000
            assert "hold" in [each["action"] for each in await desk.record()]
            await desk.air("segment")
            await until(lambda: shown(held)["net_fen"] == 700, deadline_s=30)
            record = await desk.record()
            hold, segment = record[-2:]
            assert (hold["person"], hold["net_before_fen"], hold["net_after_fen"]) == ("shanliu", 1_000, 700)
            assert (segment["action"], segment["person"], segment["reason"]) == ("segment", "lin", "节目换场")
            assert (segment["net_before_fen"], segment["net_after_fen"]) == (1_000, 700)
            assert (await desk.post("/hall/air", {"action": "segment", **WHY})).status_code == 409


async def test_a_process_that_starts_after_a_reversal_holds_what_the_others_have_shown(
    guarded: Settings, engine: AsyncEngine, wechat: Source
) -> None:
    async with hosting(guarded) as port, desk_of(port) as desk:
        link = (await desk.done("", new(policy="held")))["link"]

        async def kept() -> bool:
            async with engine.connect() as connection:
                return bool((await connection.execute(text("SELECT kept IS NOT NULL FROM screens"))).scalar())

        await until(kept, deadline_s=30)
    await counted(engine, wechat.reversed(300))
    async with hosting(guarded) as port, desk_of(port) as desk:

        async def known() -> bool:
            return bool((await desk.client.get("/v1/screens/hall")).json()["shown"])

        async def on_record() -> bool:
            return bool((await desk.record())[-1]["action"] == "hold")

        await until(known, deadline_s=30)
        async with screens(port, GALA, link=link) as (screen,):
            await until(on_record, deadline_s=30)
            states = [json.loads(data) for event, _, data in screen.frames if event != "heartbeat"]
            assert {state["net_fen"] for state in states} == {1_000}
            hold = (await desk.record())[-1]
            assert (hold["net_before_fen"], hold["net_after_fen"]) == (1_000, 700)


async def test_a_revoked_or_rotated_link_is_cut_off_and_answers_a_plain_page(
    guarded: Settings, engine: AsyncEngine, wechat: Source
) -> None:
    async with hosting(guarded) as port, desk_of(port) as desk:
        first = (await desk.done("", new()))["link"]
        token = first.removeprefix("/s/")
        async with engine.connect() as connection:
            kept = (await connection.execute(text("SELECT s::text FROM screens AS s"))).scalar_one()
            answers = (await connection.execute(text("SELECT answer FROM idempotency_keys"))).scalars().all()
        assert token not in kept + json.dumps(answers), "a link is shown once and kept nowhere"
        async with screens(port, GALA, link=first) as (screen,):
            second = (await desk.done("/hall/link", WHY))["link"]
            await until(lambda: screen.ended, deadline_s=30)
            assert screen.frames[-1][0] == "ended"
        gone = await desk.client.get(first)
        assert (gone.status_code, "失效" in gone.text, gone.headers["cache-control"]) == (
            404,
            True,
            "no-store",
        )
        assert (await desk.client.get(f"{first}/stream")).status_code == 404
        page = await desk.client.get(second)
        assert (page.status_code, f'data-stream="{second}/stream"' in page.text) == (200, True)
        assert f'data-campaign="{GALA}"' in page.text
        async with screens(port, GALA, link=second) as (screen,):
            assert (await desk.done("/hall/revoke", WHY))["linked"] is False
            await until(lambda: screen.ended, deadline_s=30)
        assert (await desk.client.get(second)).status_code == 404


async def test_who_may_what_and_how_it_is_refused(
    guarded: Settings, engine: AsyncEngine, wechat: Source
) -> None:
    await counted(engine, CampaignSource(1).registered("gusu"))
    async with hosting(guarded) as port, desk_of(port) as desk:
        made = await desk.post("", new(), **{"idempotency-key": "once"})
        again = await desk.post("", new(), **{"idempotency-key": "once"})
        assert (made.json()["link"] is None, again.json()["link"]) == (False, None)
        assert (await desk.post("", new())).json()["type"] == "urn:shanliu:problem:screen-exists"
        rows: list[tuple[str, str, Any, dict[str, str], int]] = [
            ("chen", "/hall/air", {"action": "freeze", **WHY}, {}, 403),
            ("li", "/hall/air", {"action": "freeze", **WHY}, {}, 403),
            ("li", "", new("county"), {}, 403),
            ("nobody", "/hall/air", {"action": "freeze", **WHY}, {}, 401),
            ("lin", "/none/air", {"action": "freeze", **WHY}, {}, 404),
            ("lin", "/hall/air", {"action": "freeze"}, {}, 422),
            ("lin", "/hall/air", {"action": "end_rehearsal", **WHY}, {}, 409),
            ("lin", "/hall/air", {"action": "hide", **WHY}, {"if-match": '"9"'}, 412),
        ]
        for person, path, body, headers, status in rows:
            async with desk_of(port, person) as other:
                answer = await other.post(
                    path, body, **{"idempotency-key": f"{person}{path}{status}"} | headers
                )
                assert (answer.status_code, person, path) == (status, person, path)
        async with desk_of(port, "li") as county:
            assert (await county.client.get("/v1/screens")).json() == {"screens": []}
        patch = {"title": "侧屏", "policy": "held"}
        unmatched = await desk.client.patch("/v1/screens/hall", json=patch)
        changed = await desk.client.patch("/v1/screens/hall", json=patch, headers={"if-match": '"1"'})
        assert (unmatched.status_code, changed.status_code, changed.headers["etag"]) == (428, 200, '"2"')
        assert (await desk.record())[-1]["detail"] == {
            "title": ["主会场大屏", "侧屏"],
            "policy": ["at_once", "held"],
        }


async def test_a_rehearsal_shows_sample_numbers_before_the_campaign_is_known(
    guarded: Settings, engine: AsyncEngine
) -> None:
    async with hosting(guarded) as port, desk_of(port) as desk:
        link = (await desk.done("", new()))["link"]
        assert (await desk.client.get(f"{link}/stream")).status_code == 404
        frozen = await desk.post("/hall/air", {"action": "freeze", **WHY})
        assert frozen.json()["type"] == "urn:shanliu:problem:nothing-shown"
        await desk.air("rehearse")
        async with screens(port, GALA, link=link) as (screen,):
            await until(lambda: shown(screen)["net_fen"] > 0, deadline_s=30)
            assert (shown(screen)["air"], shown(screen)["positions"]) == ("rehearsal", {})
            await counted(engine, CampaignSource().launched())
            await desk.air("end_rehearsal")
            await until(
                lambda: (shown(screen)["air"], shown(screen)["net_fen"]) == ("live", 0), deadline_s=30
            )
