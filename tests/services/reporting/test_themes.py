"""Themes of campaigns' screens: who decides them, what is refused, what a page then wears."""

import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.settings import Settings
from tests.services.reporting.builders import GALA, CampaignSource
from tests.services.reporting.processes import asking
from tests.waiting import until

OCEAN = {"ground": "#04213a", "glow": "#0b4a78", "text": "#f2f9ff", "accent": "#8fd3ff", "number": "#ffffff"}
THEME = f"/v1/campaigns/{GALA}/theme"


def by(person: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {person}", **more}


@pytest.fixture
async def client(settings: Settings, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The gala of `city`; a desk of the city, one of another place, a viewer."""
    people: list[dict[str, Any]] = [
        {"person": "lin", "roles": [], "grants": [{"organisation": "city", "roles": ["desk"]}]},
        {"person": "li", "roles": [], "grants": [{"organisation": "elsewhere", "roles": ["desk"]}]},
        {"person": "chen", "roles": ["viewer"]},
    ]
    for each in people:
        each["token_sha256"] = hashlib.sha256(str(each["person"]).encode()).hexdigest()
    file = tmp_path / "operators.json"
    file.write_text(json.dumps(people), "utf-8")
    source = CampaignSource()
    async with engine.begin() as connection:
        await count(connection, [source.registered("city"), source.launched(organisation_id="city")])
    async with asking(settings.model_copy(update={"operators_file": file})) as client:

        async def known() -> bool:
            return (await client.get(f"/v1/campaigns/{GALA}/totals")).status_code == 200

        await until(known)
        yield client


def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (192, 108), (20, 90, 140)).save(content, "WEBP")
    return content.getvalue()


async def test_a_theme_is_decided_version_by_version_and_worn_by_the_pages(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    first = await client.get(THEME)
    assert (first.json()["version"], first.headers["etag"]) == (0, '"0"')
    assert "theme.css" not in (await client.get(f"/screens/{GALA}")).text
    taken = await client.put(f"{THEME}/picture", content=picture(), headers=by("lin"))
    assert taken.json() | {"bytes": 0} == {
        "digest": hashlib.sha256(picture()).hexdigest(),
        "media_type": "image/webp",
        "width": 192,
        "height": 108,
        "bytes": 0,
    }
    body = OCEAN | {"picture": taken.json()["digest"], "donation_url": "https://give.example.org/gala"}
    decided = await client.put(THEME, json=body, headers=by("lin", **{"if-match": '"0"'}))
    assert decided.status_code == 200, decided.text
    assert decided.json()["version"] == 1
    assert decided.json()["changed_by"] == "lin"
    assert 0 < decided.json()["veil"] < 1

    async def worn() -> bool:
        return f"/screens/{GALA}/theme.css?theme=1" in (await client.get(f"/screens/{GALA}")).text

    await until(worn, deadline_s=30)
    style = await client.get(f"/screens/{GALA}/theme.css?theme=1")
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    shown = await client.get(f"{THEME}/pictures/{body['picture']}")
    assert f"{THEME}/pictures/{body['picture']}" in style.text
    assert (shown.content, shown.headers["content-type"]) == (picture(), "image/webp")
    page = (await client.get(f"/screens/{GALA}?layout=phone")).text
    assert 'href="https://give.example.org/gala"' in page
    assert (await client.get(f"/screens/{GALA}/codes/donate.svg?theme=1")).headers[
        "content-type"
    ] == "image/svg+xml"

    late = await client.put(THEME, json=OCEAN, headers=by("lin", **{"if-match": '"0"'}))
    assert (late.status_code, late.json()["type"]) == (412, "urn:shanliu:problem:version-changed")
    assert (await client.put(THEME, json=OCEAN, headers=by("lin"))).status_code == 428
    again = await client.put(THEME, json=OCEAN, headers=by("lin", **{"if-match": '"1"'}))
    assert again.json()["version"] == 2
    history = (await client.get(f"{THEME}/history", headers=by("lin"))).json()["themes"]
    assert [(each["version"], each["changed_by"]) for each in history] == [(2, "lin"), (1, "lin")]
    with pytest.raises(DBAPIError, match="append-only"):
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE themes SET changed_by = 'nobody'"))


async def test_only_the_desk_of_the_campaigns_organisation_decides(client: httpx.AsyncClient) -> None:
    for person, status, code in (
        ("li", 403, "organisation-role-missing"),
        ("chen", 403, "role-missing"),
        ("nobody", 401, "not-signed-in"),
    ):
        for answer in (
            await client.put(THEME, json=OCEAN, headers=by(person, **{"if-match": "*"})),
            await client.put(f"{THEME}/picture", content=picture(), headers=by(person)),
            await client.get(f"{THEME}/history", headers=by(person)),
        ):
            assert (answer.status_code, answer.json()["type"]) == (status, f"urn:shanliu:problem:{code}")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"text": "#0b4a78"}, "contrast-too-low", "text"),
        ({"text": "red"}, "invalid-field", "text"),
        ({"css": "body{}"}, "invalid-field", "css"),
        ({"picture": "0" * 64}, "picture-unusable", "picture"),
        ({"donation_url": "javascript:alert(1)"}, "invalid-field", "donation_url"),
    ],
    ids=["contrast", "colour", "css", "picture", "address"],
)
async def test_a_theme_that_cannot_be_shown_is_refused_by_its_field(
    client: httpx.AsyncClient, changes: dict[str, Any], code: str, field: str
) -> None:
    answer = await client.put(THEME, json=OCEAN | changes, headers=by("lin", **{"if-match": "*"}))
    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:shanliu:problem:{code}")
    assert answer.json()["errors"][0]["field"] == field
    if code == "contrast-too-low":
        mended = OCEAN | {field: answer.json()["nearest"]}
        assert (await client.put(THEME, json=mended, headers=by("lin", **{"if-match": "*"}))).is_success


async def test_a_draft_is_seen_before_anybody_decides_it(client: httpx.AsyncClient) -> None:
    draft = quote(json.dumps(OCEAN))
    page = await client.get(f"/screens/{GALA}/preview?layout=lower&theme={draft}")
    assert page.status_code == 200
    assert "/theme.css?theme=%7B" in page.text
    assert "#04213a" in (await client.get(f"/screens/{GALA}/theme.css?theme={draft}")).text
    bad = quote(json.dumps(OCEAN | {"text": "#0b4a78"}))
    assert (await client.get(f"/screens/{GALA}/preview?theme={bad}")).json()["nearest"]
    assert (await client.get(f"/screens/{GALA}/preview?theme=7")).status_code == 404
    assert (await client.get(THEME)).json()["version"] == 0


async def test_what_is_no_picture_is_refused(client: httpx.AsyncClient) -> None:
    for content, status in ((b"<svg/>", 422), (b"\x89PNG" + bytes(200_001), 413)):
        answer = await client.put(f"{THEME}/picture", content=content, headers=by("lin"))
        assert answer.status_code == status
