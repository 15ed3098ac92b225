"""No name, address or message reaches an event, a list or a log without consent."""

import asyncio
import io

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.broker import CONTACTS, consuming, make_broker, subscribe_batches
from tests.services.donation.builders import a_donation, a_donor, as_json, bearer, new_id
from tests.services.donation.places import Place, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")
PHONE = "+8613987654321"


async def test_an_evening_leaves_no_personal_data_in_a_log_an_event_or_a_list(
    service: Service, place: Place, written: io.StringIO
) -> None:
    mark = new_id("secret")
    donor = a_donor(
        display="anonymous",
        name=f"王{mark}",
        alias=f"小{mark}",
        contact={
            "email": f"{mark}@example.cn",
            "phone": PHONE,
            "wechat_openid": f"o-{mark}",
            "wechat_app_id": "wx0123456789abcdef",
        },
    )
    body = a_donation(donor=donor, message=f"加油{mark}", campaign_id=new_id("gala"))
    bad = [
        {**body, "amount_fen": 0},
        {**body, "donor": {**donor, "phone": mark}},
        {**body, "message": f"{mark}\u0000"},
        {**body, "currency": mark},
    ]
    channel = await service.channel()
    answers = [await channel.give(each) for each in (body, body, {**body, "amount_fen": 1}, *bad)]
    assert [answer.status_code for answer in answers] == [202, 202, 409, 422, 422, 422, 422]
    await service.place.put(channel.topic, {**body, "amount_fen": 2}, *bad, as_json(body)[:-1])
    donation_id = answers[0].json()["donation_id"]

    async def all_seen() -> bool:
        found = await service.place.letters(channel.topic)
        return len(found) == len(bad) + 1

    await until(all_seen)
    listed = await service.http.get("/v1/dead-letters", headers=bearer("viewer"))
    view = await service.status(donation_id, "held")
    await refused_by_the_database(place, body)

    for told in (*(answer.text for answer in answers), listed.text, str(view)):
        assert mark not in told
        assert PHONE not in told
    for topic in ("donation.events", "dead-letter", CONTACTS):
        records = [each for each in await service.place.log.records(topic) if each.value]
        found = [each for each in records if mark.encode() in each.value or PHONE.encode() in each.value]
        assert found == [], f"{topic}: a held donation tells nobody yet"
    metrics = (await service.http.get("/metrics")).text
    assert channel.name in metrics
    assert mark not in metrics
    text_written = written.getvalue()
    assert "batch_failed" in text_written, "the log was listened to"
    assert mark not in text_written
    assert PHONE not in text_written
    assert "王" not in text_written


async def refused_by_the_database(place: Place, body: dict[str, object]) -> None:
    """A batch that the database refuses, in the hands of a real subscriber, which logs it."""
    topic = await place.channel()
    async with place.engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE donations ADD CONSTRAINT refuse CHECK (message IS NULL) NOT VALID")
        )
    failed = asyncio.Event()

    async def work(records: object) -> None:
        try:
            await place.handler()(records)  # type: ignore[arg-type]
        except DBAPIError:
            failed.set()
            raise

    broker = make_broker(place.settings)
    subscribe_batches(broker, place.settings, work, group=new_id("refused"), topics=[topic])
    await place.put(topic, body)
    try:
        async with consuming(broker), asyncio.timeout(60):
            await failed.wait()
            async with place.engine.begin() as connection:
                await connection.execute(text("ALTER TABLE donations DROP CONSTRAINT refuse"))
            await place.log.until(len, topic)
    finally:
        async with place.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE donations DROP CONSTRAINT IF EXISTS refuse"))
