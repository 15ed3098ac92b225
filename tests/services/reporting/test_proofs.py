"""A photographed screen: its digest says which donations it counted. Names leave with their donations."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries as projection
from services.reporting.handlers import count
from services.reporting.proving import queries
from services.reporting.settings import Settings
from services.reporting.totals import CampaignState
from tests.services.reporting.builders import GALA, CampaignSource, Source, state
from tests.services.reporting.processes import asking
from tests.waiting import until


async def test_a_shown_number_is_found_by_what_was_typed(settings: Settings, engine: AsyncEngine) -> None:
    source = Source()
    async with engine.begin() as connection:
        await count(connection, [CampaignSource().launched(), source.received(1_000), source.reversed(300)])
    (shown,) = await projection.read_states(engine)
    async with asking(settings) as client:
        typed = f"{shown.digest[:4]} {shown.digest[4:10].upper()}"
        proofs = f"/v1/campaigns/{GALA}/proofs"

        async def kept() -> bool:
            return (await client.get(f"{proofs}/{typed}")).status_code == 200

        await until(kept, deadline_s=30)
        answer = await client.get(f"{proofs}/{typed}")
        found = answer.json()
        assert (found["version"], found["digest"], found["positions"]) == (
            shown.version,
            shown.digest,
            shown.positions,
        )
        assert (found["net_fen"], found["donations"], found["recomputed"]) == (700, 1, True)
        assert answer.headers["cache-control"] == "public, max-age=86400"
        page = await client.get("/verify", params={"campaign": GALA, "digest": typed})
        assert (page.status_code, "7.00" in page.text, shown.digest in page.text) == (200, True, True)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE shown_states SET donations = 2"))
        assert (await client.get(f"{proofs}/{typed}")).json()["recomputed"] is False
        rows = [("0" * 8, 404), ("not-hex!", 422), ("1234567", 422)]
        for wrong, status in rows:
            assert (await client.get(f"{proofs}/{wrong}")).status_code == status
            page = await client.get("/verify", params={"campaign": GALA, "digest": wrong})
            assert (page.status_code, 'role="alert"' in page.text) == (status, True)
        assert (await client.get("/verify")).status_code == 200


def at(version: int, as_of: datetime) -> CampaignState:
    return state(version * 100, positions={"intake.wechat/0": version - 1}, as_of=as_of)


async def test_what_is_old_is_thinned_to_the_last_of_each_minute_and_what_was_pinned(
    engine: AsyncEngine,
) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    week = now - timedelta(days=8)
    year = now - timedelta(days=500)
    async with engine.begin() as connection:
        await queries.keep(
            connection, [at(1, year), at(3, week), at(4, week), at(5, week), at(6, now), at(7, now)]
        )
        await queries.keep(connection, [at(2, year), at(4, week)], pinned=True)
    assert await queries.prune(engine, now) == 2
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT version FROM shown_states ORDER BY version"))
        assert list(rows.scalars()) == [2, 4, 5, 6, 7]


async def test_a_donation_given_back_leaves_the_list_whichever_is_read_first(engine: AsyncEngine) -> None:
    early, other = Source(1), Source(0)
    async with engine.begin() as connection:
        await count(connection, [CampaignSource().launched(), early.reversed(500, number=7)])
        await count(
            connection,
            [
                other.received(500, number=7, name="王五"),
                other.received(600, number=8, name="赵六"),
                other.received(700, number=9, name="钱七"),
            ],
        )
        await count(connection, [early.reversed(1, number=9)])
    (shown,) = await projection.read_states(engine)
    assert [donor.name for donor in shown.recent] == ["赵六"]
    assert len(shown.dropped) == 2
    await projection.prune_arrivals(engine, datetime.now(UTC) + timedelta(days=3))
    (shown,) = await projection.read_states(engine)
    assert [donor.name for donor in shown.recent] == ["赵六"], "kept while the donation is among the newest"
