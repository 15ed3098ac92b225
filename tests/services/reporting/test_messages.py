"""Donors' messages: the newest of what was approved, and nothing that was withdrawn."""

import json
import time

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.messages import KEPT
from services.reporting.settings import Settings
from services.reporting.totals import MESSAGES_SHOWN
from shared.broker import CAMPAIGN_EVENTS, DONATION_EVENTS, INTAKE_INTERNAL, Publisher
from tests.services.reporting.builders import GALA, CampaignSource, Source, donation_id, message
from tests.services.reporting.processes import screens, serving, working
from tests.services.reporting.test_counting import counted, launched, state_of
from tests.services.reporting.test_worker import publish
from tests.waiting import until


async def shown(engine: AsyncEngine) -> list[str]:
    return [each.text for each in (await state_of(engine)).messages]


async def test_a_message_is_shown_from_its_approval_to_its_withdrawal(engine: AsyncEngine) -> None:
    await launched(engine)
    source, other = Source(topic=INTAKE_INTERNAL), Source(1, topic=INTAKE_INTERNAL)
    first, second = source.approved(1, "甲", "张三"), other.approved(2, "乙")
    await counted(engine, [first, second])
    assert (await state_of(engine)).messages == (message(2, "乙"), message(1, "甲", "张三"))
    gone = source.withdrawn(1)
    await counted(engine, [gone], [first, gone])
    assert await shown(engine) == ["乙"]
    later = message(3).at
    await counted(engine, [source.approved(1, "甲", at=later), other.withdrawn(2), source.withdrawn(7)])
    assert await shown(engine) == ["甲"]
    await counted(engine, [other.approved(2, "乙"), other.withdrawn(2), other.approved(2, "乙")])
    assert await shown(engine) == ["甲", "乙"], "the last of a batch counts"


async def test_the_newest_are_kept_and_more_than_are_shown(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source(topic=INTAKE_INTERNAL)
    events = [source.approved(number, str(number)) for number in range(1, KEPT + 31)]
    await counted(engine, events[:100], events[100:])
    assert await shown(engine) == [str(KEPT + 30 - place) for place in range(MESSAGES_SHOWN)]
    async with engine.connect() as connection:
        kept = (await connection.execute(text("SELECT count(*), min(approved_at) FROM messages"))).one()
    assert tuple(kept) == (KEPT, message(31).at)
    await counted(engine, [source.withdrawn(KEPT + 30)])
    assert await shown(engine) == [str(KEPT + 29 - place) for place in range(MESSAGES_SHOWN)]


async def test_what_is_approved_reaches_the_screens_and_what_is_withdrawn_leaves_them(
    settings: Settings, publisher: Publisher
) -> None:
    await publish(publisher, CAMPAIGN_EVENTS, 0, CampaignSource().launched())
    source = Source(topic=INTAKE_INTERNAL)
    async with (
        working(settings),
        serving(settings) as served,
        httpx.AsyncClient(base_url=served.base_url) as client,
    ):

        async def listed(etag: str = "") -> httpx.Response:
            headers = {"if-none-match": etag}
            return await client.get(f"/v1/campaigns/{GALA}/messages", headers=headers)

        async def known() -> bool:
            return (await listed()).status_code == 200

        await until(known, deadline_s=30)
        async with screens(served.port, GALA) as (screen,):

            def told(field: str) -> list[object]:
                changes = [json.loads(data) for event, _, data in screen.frames if event == "change"]
                return [each for change in changes for each in change.get(field, ())]

            await publish(publisher, DONATION_EVENTS, 0, source.approved(1, "愿平安", "张三"))
            await until(lambda: bool(told("messages_new")), deadline_s=20)
            expected = json.loads(message(1, "愿平安", "张三").model_dump_json())
            answer = await listed()
            assert answer.json() == {"campaign_id": GALA, "messages": [expected]}
            assert answer.headers["cache-control"] == "public, max-age=1"
            assert (await listed(answer.headers["etag"])).status_code == 304
            began_s = time.monotonic()
            await publish(publisher, DONATION_EVENTS, 0, source.withdrawn(1))
            await until(lambda: bool(told("messages_gone")), deadline_s=20)
            assert told("messages_gone") == [str(donation_id(1))]
            assert time.monotonic() - began_s < 15, "a second where nothing else runs"
            assert (await listed(answer.headers["etag"])).json()["messages"] == []
