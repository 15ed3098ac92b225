"""A donor asks to see what is known, and to have it erased: on the real broker, database and service."""

from datetime import date, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.donation.models import metadata
from services.donation.privacy.keeping import voucher_kept_until
from services.donation.republishing import republish
from shared.broker import CONTACTS, DONATION_EVENTS, INTAKE_INTERNAL
from shared.dead_letters import DeadLetter
from shared.events import (
    DonationReceived,
    DonorDataErased,
    DonorMessageApproved,
    DonorMessageWithdrawn,
    Event,
)
from tests.services.donation.builders import a_donation, a_donor, as_json, bearer, commanding, new_id
from tests.services.donation.places import Channel, Service
from tests.services.donation.receipt_books import HANDLER, receipt_books
from tests.services.donation.test_moderation import approval, decide, told_as, waiting
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

MAY_KEEP_THE_NAME = {"receipts", "receipt_files"}
"""What docs/personal-data.md says that the law has kept."""


async def post(service: Service, path: str, body: Any = None, person: str = "finance") -> Any:
    return await service.http.post(path, json=body, headers=commanding(person))


async def look(service: Service, what: str, **body: Any) -> Any:
    answer = await service.http.post(f"/v1/personal-data/{what}", json=body, headers=bearer("finance"))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def erase(service: Service, *ids: str) -> Any:
    asked = await post(service, "/v1/erasures", {"donation_ids": list(ids), "reference": "PIPL-2027-0012"})
    assert asked.status_code == 201, asked.text
    done = await post(service, f"/v1/erasures/{asked.json()['erasure_id']}/carry-out", person="approver")
    assert done.status_code == 200, done.text
    return done.json()


async def erased_event(service: Service, donation_id: str) -> DonorDataErased:
    async def told() -> list[Event]:
        log = await service.place.log.events(INTAKE_INTERNAL)
        return [each for each in log if isinstance(each, DonorDataErased) and each.subject == donation_id]

    event = (await until(told))[0]
    assert isinstance(event, DonorDataErased)
    return event


async def tables_with(service: Service, *marks: str) -> set[str]:
    """The tables of which a row says one of these, in a text, a JSON document or in bytes."""
    found = set()
    for table in metadata.sorted_tables:
        for mark in marks:
            in_bytes = mark.encode().hex()
            if await service.place.rows(
                f"SELECT 1 FROM {table.name} t WHERE t::text LIKE :said OR t::text LIKE :bytes LIMIT 1",
                said=f"%{mark}%",
                bytes=f"%{in_bytes}%",
            ):
                found.add(table.name)
    for (letter,) in await service.place.rows("SELECT letter FROM dead_letters"):
        if any(mark.encode() in (DeadLetter.model_validate_json(letter).value or b"") for mark in marks):
            found.add("dead_letters")
    return found


async def records_with(service: Service, topic: str, mark: str) -> int:
    records = await service.place.log.records(topic)
    return sum(mark.encode() in (record.value or b"") for record in records)


async def test_an_erased_donor_is_known_nowhere_but_where_the_law_has_it_and_the_money_stays(
    service: Service,
) -> None:
    channel, mark = await service.channel(), new_id("secret")
    books = await receipt_books(service.place)
    await service.place.set_campaign(books.campaign_id, "launched")
    email = f"{mark}@example.cn"
    donor = a_donor(name=f"王{mark}", alias=f"小{mark}", contact={"email": email, "phone": "+8613987650001"})
    body = a_donation(donor=donor, message=f"加油{mark}", campaign_id=books.campaign_id)
    donation_id = (await channel.give(body)).json()["donation_id"]
    await service.status(donation_id, "received")
    await service.place.put(channel.topic, as_json({**body, "amount_fen": 0}))
    await waiting(service, books.campaign_id, 1)
    await decide(service, approval(donation_id))
    await told_as(service, donation_id, DonorMessageApproved)
    issued = await post(service, "/v1/receipts", {"donation_ids": [donation_id], "handler": HANDLER})
    number, code = issued.json()["number"], issued.json()["check_code"]
    paper = await service.http.get(f"/v1/receipts/{number}/pdf", headers=bearer("finance"))
    assert paper.status_code == 200, paper.text

    async def buried() -> bool:
        return len(await service.place.letters(channel.topic)) == 1

    await until(buried)
    (found,) = (await look(service, "find", email=email.upper()))["items"]
    assert found["donation_id"] == donation_id
    (known,) = (await look(service, "export", donation_ids=[donation_id]))["donations"]
    assert (known["donor_name"], known["contact"]["email"]) == (f"王{mark}", email)
    assert (known["message"], known["receipts"][0]["donor_name"]) == (f"加油{mark}", f"王{mark}")
    held_before = await tables_with(service, mark)
    assert {"donations", "receipts", "dead_letters", "idempotency_keys"} <= held_before

    done = await erase(service, donation_id)

    (restricted,) = done["restricted"]
    assert restricted["number"] == number
    until_day = date.fromisoformat(restricted["kept_until"])
    assert until_day == voucher_kept_until(datetime.fromisoformat(issued.json()["issued_at"]))
    assert await tables_with(service, mark, email, "13987650001") <= MAY_KEEP_THE_NAME
    event = await erased_event(service, donation_id)
    assert len(event.data.event_ids) == 2, "the donation's own, and the message's approval"
    assert len(event.data.receipt_mail_ids) == 1
    assert mark not in event.model_dump_json()
    await told_as(service, donation_id, DonorMessageApproved, DonorMessageWithdrawn)
    await brought_back(service, channel, body, mark, event)
    await restricted_receipt(service, number, code)
    (again,) = (await look(service, "export", donation_ids=[donation_id]))["donations"]
    assert (again["donor_name"], again["contact"], again["message"]) == (None, None, None)
    assert again["amount_fen"] == body["amount_fen"]
    looks = await service.place.rows(
        "SELECT person, act, sought_by FROM personal_data_looks"
        " WHERE :id = ANY(donation_ids) ORDER BY number",
        id=donation_id,
    )
    assert looks == [
        ("finance", "find", "email"),
        ("finance", "export", "donation_id"),
        ("finance", "export", "donation_id"),
    ]


async def brought_back(
    service: Service, channel: Channel, body: dict[str, Any], mark: str, event: DonorDataErased
) -> None:
    """Nothing brings the name back: not the channel's repeat, not its topic read again from its beginning,
    not the events sent again from the tables.
    """
    counted = {topic: await records_with(service, topic, mark) for topic in (DONATION_EVENTS, CONTACTS)}
    assert (await channel.give(body)).status_code == 202
    await service.place.work(channel.topic)
    await service.place.work(INTAKE_INTERNAL)
    await republish(service.place.engine, service.place.publisher, f"{channel.topic}/0")
    for partition in range(4):
        for topic in (channel.topic, INTAKE_INTERNAL):
            await republish(service.place.engine, service.place.publisher, f"{topic}/{partition}")
    log = await service.place.log.events(channel.topic)
    mine = [each for each in log if isinstance(each, DonationReceived) and each.subject == event.subject]
    assert len(mine) >= 3, "it was told again"
    assert {each.data.amount_fen for each in mine} == {body["amount_fen"]}
    assert [each.data.shown_name is not None for each in mine] == [True] + [False] * (len(mine) - 1)
    for topic, count in counted.items():
        assert await records_with(service, topic, mark) == count, topic
    conflicts = await service.place.rows(
        "SELECT 1 FROM conflicts WHERE donation_id = :id", id=event.data.donation_id
    )
    assert conflicts == [], "still a repeat"
    assert await tables_with(service, mark) <= MAY_KEEP_THE_NAME


async def restricted_receipt(service: Service, number: str, code: str) -> None:
    """It stays in its series, and names its donor to nobody."""
    shown = (await service.http.get(f"/v1/receipts/{number}", headers=bearer("finance"))).json()
    assert (shown["donor_name"], shown["state"]) == (None, "valid")
    assert shown["restricted_until"] is not None
    paper = await service.http.get(f"/v1/receipts/{number}/pdf", headers=bearer("finance"))
    assert (paper.status_code, paper.json()["type"]) == (409, "urn:shanliu:problem:restricted")
    check = await service.http.get(f"/v1/receipts/check/{number}", params={"code": code})
    assert (check.status_code, check.json()["donor"]) == (200, None)


async def test_an_erasure_that_is_read_before_its_donation_is_done_when_that_comes(service: Service) -> None:
    """As when all of intake is read again into an empty database."""
    channel, mark = await service.channel(), new_id("secret")
    campaign_id = await service.place.campaign()
    body = a_donation(donor=a_donor(name=f"王{mark}"), campaign_id=campaign_id)
    donation_id = (await channel.give(body)).json()["donation_id"]
    await service.status(donation_id, "received")
    await erase(service, donation_id)
    event = await erased_event(service, donation_id)
    async with service.place.engine.begin() as connection:
        for table in ("erased_donations", "donations"):
            await connection.exec_driver_sql(f"DELETE FROM {table} WHERE donation_id = '{donation_id}'")

    await service.place.work(INTAKE_INTERNAL)
    (told,) = await service.place.rows(
        "SELECT source, sequence FROM erased_donations WHERE donation_id = :id", id=event.data.donation_id
    )
    assert told == (event.source, event.sequence)
    await service.place.work(channel.topic)

    async def gone() -> bool:
        rows = await service.place.rows(
            "SELECT erased_at IS NOT NULL FROM donations WHERE donation_id = :id", id=event.data.donation_id
        )
        return rows == [(True,)]

    await until(gone)
    assert "donations" not in await tables_with(service, mark)


async def test_two_people_erase_and_nobody_else(service: Service) -> None:
    channel = await service.channel()
    donation_id = (await channel.give(a_donation(campaign_id=new_id("gala")))).json()["donation_id"]
    await service.status(donation_id, "held")
    body = {"donation_ids": [donation_id], "reference": "PIPL-1"}
    for person in ("viewer", "desk", "moderator", "approver"):
        assert (await post(service, "/v1/erasures", body, person)).status_code == 403, person
        for what in ("find", "export"):
            answer = await service.http.post(
                f"/v1/personal-data/{what}", json={"donation_ids": [donation_id]}, headers=bearer(person)
            )
            assert answer.status_code == 403, (person, what)
    asked = (await post(service, "/v1/erasures", body, "admin")).json()
    path = f"/v1/erasures/{asked['erasure_id']}"
    assert (await post(service, f"{path}/carry-out", person="finance")).status_code == 403
    same = await post(service, f"{path}/carry-out", person="admin")
    assert (same.status_code, same.json()["type"]) == (403, "urn:shanliu:problem:same-person")
    assert (await post(service, f"{path}/refuse", person="approver")).json()["state"] == "refused"
    late = await post(service, f"{path}/carry-out", person="approver")
    assert (late.status_code, late.json()["type"]) == (409, "urn:shanliu:problem:already-decided")
    assert await service.place.value("SELECT donor_name FROM donations WHERE donation_id = :d", d=donation_id)
    await erase(service, donation_id)
    twice = await post(service, "/v1/erasures", body)
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:shanliu:problem:already-erased")
    nobody = await post(service, "/v1/erasures", body | {"donation_ids": [str(uuid4())]})
    assert (nobody.status_code, nobody.json()["type"]) == (404, "urn:shanliu:problem:unknown-donation")
    listed = (await service.http.get("/v1/erasures", headers=bearer("approver"))).json()["items"]
    assert {each["state"] for each in listed if donation_id in each["donation_ids"]} == {"done", "refused"}


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "a@example.cn", "phone": "+8613800000000"}, {"name": "王小明"}, {"email": "nobody"}],
    ids=str,
)
async def test_a_search_names_exactly_one_field(service: Service, body: dict[str, Any]) -> None:
    answer = await service.http.post("/v1/personal-data/find", json=body, headers=bearer("finance"))
    assert answer.status_code == 422, answer.text
    assert "example.cn" not in answer.text


async def test_requests_are_listed_part_by_part_and_by_how_they_stand(service: Service) -> None:
    channel = await service.channel()
    donation_id = (await channel.give(a_donation(campaign_id=new_id("gala")))).json()["donation_id"]
    await service.status(donation_id, "held")
    body = {"donation_ids": [donation_id], "reference": new_id("PIPL")}
    first, second, third = [
        (await post(service, "/v1/erasures", body)).json()["erasure_id"] for _ in range(3)
    ]
    refused = await post(service, f"/v1/erasures/{second}/refuse", person="approver")
    assert refused.json()["state"] == "refused"
    found: list[str] = []
    asked: dict[str, Any] = {"state": "asked", "limit": 1}
    while first not in found:
        answer = await service.http.get("/v1/erasures", params=asked, headers=bearer("approver"))
        (item,) = answer.json()["items"]
        found.append(item["erasure_id"])
        asked["after"] = answer.json()["next"]
    assert found == [third, first]
