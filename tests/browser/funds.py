"""Campaigns with money in their funds, for the console's pages: made by the desk, finance and channels."""

from typing import Any

from shared.broker import DONATION_EVENTS, KafkaSettings, Publisher
from tests.browser.consoles import Console
from tests.services.campaign.builders import Source, as_records
from tests.waiting import until

CITY = "suzhou"


async def done(answer: Any, status: int = 200) -> dict[str, Any]:
    """What a call has answered, which must have gone through."""
    awaited = await answer
    assert awaited.status_code == status, awaited.text
    body: dict[str, Any] = awaited.json()
    return body


async def register(console: Console) -> None:
    """The city's federation, once for all pages."""
    administrator = await console.person("administrator")
    body = {
        "organisation_id": CITY,
        "name": "苏州市慈善总会",
        "name_en": "Suzhou Charity Federation",
        "licence": "53320500509190000A",
        "contact": "0512-65221234",
        "query_method": "慈善中国、苏州慈善网",
    }
    answer = await administrator.post("campaign/v1/organisations", body)
    assert answer.status_code in {201, 409}, answer.text


def a_plan(**changes: Any) -> dict[str, Any]:
    """A complete plan; `...` leaves a field out."""
    plan = {
        "kind": "gala",
        "title": "第六届慈善晚会",
        "title_en": "The sixth charity gala",
        "organisation_id": CITY,
        "goal_fen": 5_000_000_000,
        "purpose": "为困难家庭的医疗与学业募集善款",
        "window_start": "2026-01-01T20:00:00+08:00",
        "window_end": "2099-02-28T20:00:00+08:00",
        "area": "江苏省苏州市",
        "responsible_person": "王某某",
        "account": "工商银行苏州分行 1102 0000 0000",
        "beneficiaries": "苏州市低保、低收入家庭的病人和学生",
        "uses": ["助医恤病", "助学圆梦", "情暖苏城"],
        "cost_fen": 30_000_000,
        "remainder": "用于相近的助医、助学项目",
        "contact": "0512-65221234",
        "query_method": "慈善中国、苏州慈善网",
    }
    return {name: value for name, value in (plan | changes).items() if value is not ...}


async def draft(console: Console, campaign_id: str, **changes: Any) -> dict[str, Any]:
    """A draft by the desk."""
    desk = await console.person("desk")
    return await done(
        desk.post("campaign/v1/campaigns", {"campaign_id": campaign_id, **a_plan(**changes)}), 201
    )


async def launched(console: Console, campaign_id: str, **changes: Any) -> None:
    """A campaign that was filed and launched."""
    await draft(console, campaign_id, **changes)
    desk = await console.person("desk")
    number = {"filing_number": f"备案-{campaign_id}", "on": "2026-01-05"}
    await done(desk.post(f"campaign/v1/campaigns/{campaign_id}/file", number))
    await done(desk.post(f"campaign/v1/campaigns/{campaign_id}/launch", {"on": "2026-01-06"}))


async def received(console: Console, campaign_id: str, *amounts_fen: int) -> None:
    """Donations as the donation service tells of them, until the fund has them."""
    wiring = console.services.wiring
    settings = KafkaSettings(kafka_bootstrap_servers=wiring.kafka, kafka_namespace=wiring.namespace)
    source = Source()
    events = [source.received(campaign_id, amount) for amount in amounts_fen]
    async with Publisher(settings) as publisher:
        await publisher.send_in_order(DONATION_EVENTS, source.partition, as_records(events))
    viewer = await console.person("viewer")

    async def there() -> bool:
        balance = await done(viewer.get(f"campaign/v1/campaigns/{campaign_id}/balance"))
        return bool(balance["received_fen"] == sum(amounts_fen))

    await until(there)


async def requested(console: Console, campaign_id: str, amount_fen: int, **changes: Any) -> str:
    """The id of a disbursement that finance has asked for."""
    body = {
        "amount_fen": amount_fen,
        "use": "助学圆梦",
        "title": "2026 年秋季助学金",
        "payee": "苏州市某某中学",
        "beneficiaries": 120,
        "beneficiary_unit": "person_times",
    }
    finance = await console.person("finance")
    path = f"campaign/v1/campaigns/{campaign_id}/disbursements"
    answer = await done(finance.post(path, body | changes), 201)
    return str(answer["disbursement_id"])


async def step(
    console: Console, person: str, path: str, name: str, body: Any = None, status: int = 200
) -> Any:
    """Take a step of what lies at a path of the campaign service, having read it."""
    operator = await console.person(person)
    read = await operator.get(f"campaign/v1/{path}")
    return await done(
        operator.post(f"campaign/v1/{path}/{name}", body, if_match=read.headers["ETag"]), status
    )
