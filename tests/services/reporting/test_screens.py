"""The screens process: streams over real connections, resumed, ended, and never stale."""

import asyncio
import json
import time

import httpx
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.settings import Settings
from services.reporting.totals import CampaignState
from shared.broker import CAMPAIGN_EVENTS, DONATION_EVENTS, TOTALS, Publisher
from tests.services.reporting.builders import GALA, CampaignSource, Source, state
from tests.services.reporting.processes import screens, serving, working
from tests.services.reporting.test_worker import publish
from tests.waiting import until


async def tell(publisher: Publisher, *states: CampaignState) -> None:
    for each in states:
        await publisher.send(TOTALS, each.model_dump_json().encode(), key=each.campaign_id.encode())


async def launched(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await count(connection, [CampaignSource().launched()])


def at(received_fen: int) -> CampaignState:
    """What a worker publishes when so much has been received, one fen an event."""
    return state(received_fen, positions={"campaign/0": 0, "intake.wechat/0": received_fen - 1})


async def test_a_donation_reaches_the_screen(settings: Settings, publisher: Publisher) -> None:
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    source = Source()
    async with working(settings), serving(settings) as served:
        async with httpx.AsyncClient(base_url=served.base_url) as client:

            async def known() -> bool:
                return (await client.get(f"/v1/campaigns/{GALA}/totals")).status_code == 200

            await until(known, deadline_s=30)
        async with screens(served.port, GALA) as (screen,):
            await publish(publisher, DONATION_EVENTS, 0, source.received(12_345, name="张三"))
            await until(lambda: len(screen.ids) >= 2, deadline_s=20)
            event, _, data = next(frame for frame in screen.frames if frame[0] == "change")
            change = json.loads(data)
            assert (event, change["net_fen"], change["donations"]) == ("change", 12_345, 1)
            assert [donor["name"] for donor in change["recent"]] == ["张三"]


async def test_three_hundred_screens_get_every_frame(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await launched(engine)
    async with serving(settings) as served, screens(served.port, GALA, count=300) as watching:
        for amount in range(1, 31):
            await tell(publisher, at(amount))
        last = str(at(30).version)
        await until(lambda: all(screen.ids[-1] == last for screen in watching), deadline_s=60)
        assert len({tuple(screen.ids) for screen in watching}) == 1, "all have seen the same frames"
        assert len({tuple(screen.frames[1:]) for screen in watching}) <= 2, "at most heartbeats differ"
        ids = [int(identity) for identity in watching[0].ids]
        assert ids == sorted(set(ids))


async def test_a_stale_state_of_a_stalled_worker_is_ignored(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await launched(engine)
    async with serving(settings) as served, screens(served.port, GALA) as (screen,):
        await tell(publisher, at(1_000), at(400), at(999), at(1_001))
        await until(lambda: screen.ids[-1] == str(at(1_001).version), deadline_s=20)
        shown = [json.loads(data)["net_fen"] for _, identity, data in screen.frames if identity]
        assert 400 not in shown
        assert shown == sorted(shown)


async def test_a_screen_resumes_where_it_was(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await launched(engine)
    async with serving(settings) as served:
        async with screens(served.port, GALA) as (screen,):
            await tell(publisher, at(1))
            await until(lambda: screen.ids[-1] == str(at(1).version), deadline_s=20)
        async with screens(served.port, GALA) as (other,):
            await tell(publisher, at(2))
            await until(lambda: other.ids[-1] == str(at(2).version), deadline_s=20)
        async with screens(served.port, GALA, last_event_id=screen.ids[-1]) as (back,):
            assert [event for event, _, _ in back.frames] == ["change"]
            assert back.ids == [str(at(2).version)]
        async with screens(served.port, GALA, last_event_id="987654321") as (stranger,):
            assert [event for event, _, _ in stranger.frames] == ["snapshot"]


async def test_a_restarted_process_shows_the_number_at_once(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await launched(engine)
    async with engine.begin() as connection:
        await count(connection, [Source().received(700)])
    async with serving(settings) as served, screens(served.port, GALA) as (screen,):
        assert json.loads(screen.frames[0][2])["net_fen"] == 700


async def test_what_no_worker_published_is_found_in_the_database(
    settings: Settings, engine: AsyncEngine
) -> None:
    """A worker killed between its commit and its publish."""
    await launched(engine)
    async with serving(settings) as served, screens(served.port, GALA) as (screen,):
        async with engine.begin() as connection:
            await count(connection, [Source().received(700)])
        await until(lambda: len(screen.ids) == 2, deadline_s=30)
        assert json.loads(screen.frames[-1][2])["net_fen"] == 700


async def test_a_screen_hears_a_heartbeat(settings: Settings, engine: AsyncEngine) -> None:
    await launched(engine)
    async with serving(settings) as served, screens(served.port, GALA) as (screen,):
        await until(lambda: any(event == "heartbeat" for event, _, _ in screen.frames), deadline_s=30)


async def test_open_streams_end_at_once_when_the_process_stops(
    settings: Settings, engine: AsyncEngine
) -> None:
    await launched(engine)
    async with serving(settings) as served, screens(served.port, GALA, count=20) as watching:
        before = time.monotonic()
        await served.stop(within_s=30)
        assert time.monotonic() - before < 8
        await until(lambda: all(screen.ended for screen in watching), deadline_s=30)


async def test_unknown_campaigns_and_too_many_streams_are_refused_in_words(
    settings: Settings, engine: AsyncEngine
) -> None:
    await launched(engine)
    few = settings.model_copy(update={"max_streams": 2})
    async with serving(few) as served, httpx.AsyncClient(base_url=served.base_url) as client:
        unknown = await client.get("/v1/campaigns/none-such/stream")
        assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:shanliu:problem:unknown-campaign")
        async with screens(served.port, GALA, count=2):
            full = await client.get(f"/v1/campaigns/{GALA}/stream")
            assert (full.status_code, full.headers["retry-after"]) == (503, "5")
            assert full.json()["type"] == "urn:shanliu:problem:too-many-streams"

        async def free_again() -> bool:
            async with client.stream("GET", f"/v1/campaigns/{GALA}/stream") as answer:
                return answer.status_code == 200

        await until(free_again, deadline_s=30)


async def test_a_screen_that_does_not_read_is_given_up_and_the_others_go_on(
    settings: Settings, engine: AsyncEngine, publisher: Publisher
) -> None:
    await launched(engine)
    async with serving(settings) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1)
        writer.write(f"GET /v1/campaigns/{GALA}/stream HTTP/1.1\r\nhost: screen\r\n\r\n".encode())
        async with (
            screens(served.port, GALA) as (screen,),
            httpx.AsyncClient(base_url=served.base_url) as client,
        ):
            amount = 0
            title = "长" * 200_000

            async def given_up() -> bool:
                """Plans change, so each frame is a snapshot of 600 kB: soon more than the system buffers."""
                nonlocal amount
                amount += 1
                renamed = at(amount)
                plan = renamed.plan.model_copy(update={"title": title + str(amount)})
                await tell(publisher, renamed.model_copy(update={"plan": plan}))
                metrics = (await client.get("/metrics")).text
                return 'shanliu_reporting_streams_ended_total{why="slow"} 1.0' in metrics

            await until(given_up, deadline_s=30)
            last = str(at(amount).version)
            await until(lambda: screen.ids[-1] == last, deadline_s=30)
        writer.close()
        assert not reader.at_eof()
