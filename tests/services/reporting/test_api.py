"""The HTTP interface: totals and their ETag, minutes, operations and who may see them, pages."""

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.proof import PROVED
from services.reporting.settings import Settings
from shared.broker import INTAKE_INTERNAL, Publisher, ensure_topic
from tests.services.reporting.builders import EVENING, GALA, CampaignSource, Source
from tests.services.reporting.processes import asking
from tests.waiting import until

TOKEN = "a-token-of-the-desk"


@pytest.fixture
def guarded(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with an operators' file: one viewer, and two whose roles are not valid everywhere."""
    grants = [{"organisation": "county", "roles": ["viewer", "finance"]}]
    people = [
        {"person": "chen", "roles": ["viewer"], "token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()},
        {"person": "gu", "roles": [], "token_sha256": hashlib.sha256(b"no-role").hexdigest()},
        {
            "person": "li",
            "roles": [],
            "grants": grants,
            "token_sha256": hashlib.sha256(b"of-a-county").hexdigest(),
        },
    ]
    file = tmp_path / "operators.json"
    file.write_text(json.dumps(people), "utf-8")
    return settings.model_copy(update={"operators_file": file})


@pytest.fixture
async def evening(engine: AsyncEngine) -> None:
    campaign, wechat, alipay = CampaignSource(), Source(0, "wechat"), Source(1, "alipay")
    now = datetime.now(UTC)
    async with engine.begin() as connection:
        await count(
            connection,
            [
                campaign.launched(),
                campaign.pledged(54_750_000_00),
                campaign.disbursed(1_000),
                wechat.received(30_000, received_at=now, name="张三"),
                wechat.reversed(10_000),
                wechat.held(5_000),
                alipay.received(500, received_at=now),
                alipay.conflicted(),
            ],
        )


@pytest.fixture
async def federation(engine: AsyncEngine) -> None:
    """A city with a county; each has a campaign, the county's is read before the county is."""
    campaign, other, wechat = CampaignSource(), CampaignSource(1), Source(0, "wechat")
    async with engine.begin() as connection:
        await count(
            connection,
            [
                campaign.registered("suzhou", name="苏州市慈善总会", name_en="Suzhou", licence="A1"),
                campaign.launched("city", organisation_id="suzhou"),
                other.launched("county", organisation_id="gusu", title="<b>姑苏</b>"),
                wechat.received(1_234_00, campaign_id="city"),
                wechat.received(2_00, campaign_id="county"),
                other.pledged(70_00, "county"),
                other.goods_received(900_00, "county"),
            ],
        )
        await count(
            connection,
            [
                campaign.registered("gusu", "suzhou"),
                campaign.registered("gusu", "suzhou", version=2, name="<姑苏区>慈善会"),
            ],
        )


async def test_what_counties_have_rolls_up_to_their_city(settings: Settings, federation: None) -> None:
    async with asking(settings) as client:
        answer = await client.get("/v1/organisations/suzhou/totals")
        listed = (await client.get("/v1/organisations")).json()["organisations"]
        unknown = await client.get("/v1/organisations/nowhere/totals")
        headers = {"If-None-Match": answer.headers["etag"]}
        again = await client.get("/v1/organisations/suzhou/totals", headers=headers)
    city = answer.json()
    assert (city["total"]["net_fen"], city["total"]["promised_fen"]) == (1_236_00, 70_00)
    assert (city["total"]["goods_received_fen"], city["own"]["goods_received_fen"]) == (900_00, 0)
    assert (city["own"]["net_fen"], city["licence"]) == (1_234_00, "A1")
    assert [(line["organisation_id"], line["name"]) for line in city["below"]] == [("gusu", "<姑苏区>慈善会")]
    claim = {name: city["total"][name] for name in (*PROVED, "returned_fen")}
    proof = json.dumps(
        {"organisation_id": "suzhou", "positions": city["positions"], **claim},
        sort_keys=True,
        separators=(",", ":"),
    )
    assert city["digest"] == hashlib.sha256(proof.encode()).hexdigest()
    assert [(line["organisation_id"], line["level"]) for line in listed] == [("suzhou", 1), ("gusu", 2)]
    assert answer.headers["cache-control"] == "public, max-age=1"
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:shanliu:problem:unknown-organisation")
    assert again.status_code == 304


async def test_the_pages_of_organisations_show_the_promises_apart(
    settings: Settings, federation: None
) -> None:
    async with asking(settings) as client:
        city, county, everything, nobody = [
            await client.get(f"/organisations{place}") for place in ("/suzhou", "/gusu", "", "/nowhere")
        ]
    assert "1,236.00" in city.text
    assert "其中本级</span> 1,234.00" in city.text
    assert "&lt;姑苏区&gt;慈善会" in city.text
    assert "&lt;b&gt;姑苏&lt;/b&gt;" in county.text
    assert "苏州市慈善总会" in county.text
    assert (everything.status_code, everything.text.count('scope="row"')) == (200, 2)
    assert nobody.status_code == 404
    assert "script-src 'self'" in city.headers["content-security-policy"]


async def known(client: httpx.AsyncClient) -> httpx.Response:
    async def there() -> bool:
        return (await client.get(f"/v1/campaigns/{GALA}/totals")).status_code == 200

    await until(there)
    return await client.get(f"/v1/campaigns/{GALA}/totals")


@pytest.mark.usefixtures("evening")
async def test_the_totals_can_be_checked_by_whoever_reads_them(settings: Settings) -> None:
    async with asking(settings) as client:
        totals = (await known(client)).json()
    assert (totals["received_fen"], totals["reversed_fen"], totals["net_fen"]) == (30_500, 10_000, 20_500)
    assert (totals["promised_fen"], totals["disbursed_fen"], totals["donations"]) == (5_475_000_000, 1_000, 2)
    assert totals["version"] == sum(sequence + 1 for sequence in totals["positions"].values())
    named = (
        "campaign_id",
        "positions",
        "received_fen",
        "reversed_fen",
        "promised_fen",
        "disbursed_fen",
        "donations",
    )
    claim = {field: totals[field] for field in named}
    canonical = json.dumps(claim, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert totals["digest"] == hashlib.sha256(canonical.encode()).hexdigest()
    assert [channel["channel"] for channel in totals["channels"]] == ["alipay", "wechat"]


@pytest.mark.usefixtures("evening")
async def test_a_cache_may_keep_the_totals_for_a_second_and_ask_again_by_etag(settings: Settings) -> None:
    async with asking(settings) as client:
        first = await known(client)
        assert first.headers["cache-control"] == "public, max-age=1"
        assert first.headers["access-control-allow-origin"] == "*"
        again = await client.get(
            f"/v1/campaigns/{GALA}/totals", headers={"if-none-match": first.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        other = await client.get(f"/v1/campaigns/{GALA}/totals", headers={"if-none-match": '"other"'})
        assert other.status_code == 200


@pytest.mark.usefixtures("evening")
async def test_minutes_are_given_by_channel_and_within_bounds(settings: Settings) -> None:
    async with asking(settings) as client:
        await known(client)
        minutes = f"/v1/campaigns/{GALA}/minutes"
        asked = {"from": EVENING.isoformat(), "to": EVENING.isoformat()}
        rows = (await client.get(minutes, params=asked)).json()["minutes"]
        assert {(row["channel"], row["received_fen"], row["reversed_fen"]) for row in rows} == {
            ("wechat", 30_000, 10_000),
            ("alipay", 500, 0),
        }
        assert (await client.get(minutes)).json()["minutes"] == [], "nothing was given in the last hour"
        for wrong in (
            {"from": "2020-01-01T00:00:00Z"},
            {"from": "yesterday"},
            {"from": "2026-01-01T00:00:00"},
        ):
            refused = await client.get(minutes, params=wrong)
            assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.usefixtures("evening")
async def test_operations_show_what_needs_a_hand(guarded: Settings, publisher: Publisher) -> None:
    viewer = {"authorization": f"Bearer {TOKEN}"}
    await ensure_topic(guarded, INTAKE_INTERNAL)
    for _ in range(3):
        await publisher.send(INTAKE_INTERNAL, b"{}")
    async with asking(guarded) as client:
        await known(client)

        async def lag_known() -> bool:
            return (await client.get("/v1/operations", headers=viewer)).json()["lag_error"] is None

        await until(lag_known, deadline_s=20)
        seen = (await client.get("/v1/operations", headers=viewer)).json()
    (campaign,) = seen["campaigns"]
    assert (campaign["campaign_id"], campaign["title"]) == (GALA, "第五届新年慈善晚会")
    assert (seen["held_open"], seen["conflicts"], seen["dead_letters"]["count"]) == (1, 1, 0)
    assert campaign["pace"][0]["donations_per_minute"] == 2
    assert {channel["channel"]: channel["held_open"] for channel in campaign["channels"]} == {
        "wechat": 1,
        "alipay": 0,
    }
    assert seen["newest_age_s"] < 60
    waiting = {(each["group"], each["topic"]): each["records"] for each in seen["lag"]}
    assert waiting["donation-worker", "intake.internal"] == 3, "also of a channel that nobody has read yet"


@pytest.mark.usefixtures("evening")
async def test_operations_are_for_operators_only(guarded: Settings) -> None:
    async with asking(guarded) as client:
        nobody = await client.get("/v1/operations")
        assert (nobody.status_code, nobody.json()["type"]) == (401, "urn:shanliu:problem:not-signed-in")
        stranger = await client.get("/v1/operations", headers={"authorization": "Bearer no-role"})
        assert stranger.status_code == 403
        viewer = await client.get("/v1/operations", headers={"authorization": f"Bearer {TOKEN}"})
        assert viewer.status_code == 200
        assert (await known(client)).status_code == 200, "totals are public all the same"


@pytest.mark.usefixtures("evening")
async def test_pages_allow_nothing_from_elsewhere(settings: Settings) -> None:
    async with asking(settings) as client:
        await known(client)
        for path, status in (
            ("/", 200),
            (f"/screens/{GALA}", 200),
            ("/screens/none", 404),
        ):
            page = await client.get(path)
            assert page.status_code == status, path
            assert page.headers["content-type"].startswith("text/html")
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "://" not in page.text.replace("http://www.w3.org/", ""), (
                "a page loads nothing from elsewhere"
            )


@pytest.mark.usefixtures("evening")
async def test_what_lies_before_us_may_keep_the_audiences_page(settings: Settings) -> None:
    async with asking(settings) as client:
        await known(client)
        phone = f"/screens/{GALA}?layout=phone"
        first = await client.get(phone)
        again = await client.get(phone, headers={"if-none-match": first.headers["etag"]})
        wall = await client.get(
            f"/screens/{GALA}?layout=hall", headers={"if-none-match": first.headers["etag"]}
        )
        early = await client.get("/screens/none?layout=phone")
    assert first.headers["cache-control"] == "public, max-age=5"
    assert (again.status_code, again.content, wall.status_code) == (304, b"", 200)
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]
    assert (early.status_code, early.headers["cache-control"]) == (404, "no-cache")


async def test_public_pages_may_be_kept_as_long_as_the_totals_and_lead_nowhere_that_is_not(
    settings: Settings,
) -> None:
    async with asking(settings) as client:
        for path in ("/", "/organisations", "/reports"):
            first = await client.get(path)
            again = await client.get(path, headers={"if-none-match": first.headers["etag"]})
            assert first.headers["cache-control"] in {"public, max-age=1", "public, max-age=5"}
            assert (again.status_code, again.content) == (304, b"")
            ways = re.findall(r'href="(/[a-z]*)"', first.text.partition("</nav>")[0])
            assert [way for way in ways if (await client.get(way)).status_code != 200] == []
            assert len(ways) == 4
        for path in ("/organisations/none", "/reports/none"):
            missing = await client.get(path)
            assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-cache")


async def test_static_files_are_asked_about_by_etag_or_kept_by_digest(settings: Settings) -> None:
    async with asking(settings) as client:
        file = await client.get("/static/screen.css")
        assert file.headers["cache-control"] == "no-cache"
        etag = file.headers["etag"]
        again = await client.get("/static/screen.css", headers={"if-none-match": etag})
        assert again.status_code == 304
        page = (await client.get("/screens/none")).text
        addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
        assert len(addresses) > 15
        for address in addresses:
            lasting = await client.get(address)
            assert (lasting.status_code, lasting.headers["cache-control"]) == (
                200,
                "public, max-age=31536000, immutable",
            )
        other = re.sub("@[0-9a-f]{16}", f"@{16 * '0'}", addresses[0])
        assert (await client.get(other)).headers["cache-control"] == "no-cache"
        for path in ("/static/../pages.py", "/static/%2e%2e/templates/screen.html", "/static/none.js"):
            assert (await client.get(path)).status_code == 404


async def test_unknown_campaigns_are_problems(settings: Settings) -> None:
    async with asking(settings) as client:
        for path in ("totals", "minutes"):
            unknown = await client.get(f"/v1/campaigns/none/{path}")
            assert (unknown.status_code, unknown.json()["status"]) == (404, 404)
