"""One mail for each receipt, whatever order its event and its address come in and how often."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from deploy.local.mailcatcher.mailbox import Mail, Mode
from services.notification.couriers.ways import Way
from services.notification.quiet import SHANGHAI
from services.notification.settings import Settings
from shared.events import Contact, Event, ReceiptIssued, ReceiptVoided
from shared.events.receipts import ReceiptIssuedData, ReceiptVoidedData
from tests.services.notification.builders import AT, NAME, Source, address_of, contact
from tests.services.notification.conftest import World, bearer, running, surroundings
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPTS = Source("receipt/0")
_numbers = iter(range(1, 1_000))


def a_number() -> str:
    return f"SZCS-2024-{next(_numbers):07}"


def facts(number: str, mail_id: UUID | None, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "organisation": "苏州市慈善总会",
        "licence": "公募 53320500",
        "purpose": "第六届新年慈善晚会",
        "amount_fen": 123_456,
        "check_address": f"https://charity.example/receipts/check?number={number}&code=0123456789ABCDEF",
        "mail_id": mail_id,
        **more,
    }


def issued(number: str, mail_id: UUID | None, source: Source = RECEIPTS, **more: Any) -> Event:
    data = ReceiptIssuedData(**facts(number, mail_id, donation_ids=(uuid4(),), issued_at=AT, **more))
    return source.event(ReceiptIssued, data)


def voided(number: str, mail_id: UUID | None, **more: Any) -> Event:
    return RECEIPTS.event(ReceiptVoided, ReceiptVoidedData(**facts(number, mail_id, voided_at=AT, **more)))


def address(mail_id: UUID, **fields: Any) -> Contact:
    return contact(mail_id, receipt_mail_id=mail_id, **fields)


async def states(api: AsyncClient, number: str) -> list[tuple[str, str, str | None]]:
    answer = await api.get(f"/v1/receipt-mails/{number}", headers=bearer("wang"))
    assert answer.status_code == 200, answer.text
    return [(each["kind"], each["state"], each["reason"]) for each in answer.json()["mails"]]


async def reaches(api: AsyncClient, number: str, *wanted: tuple[str, str, str | None]) -> None:
    async def there() -> bool:
        return sorted(await states(api, number)) == sorted(wanted)

    await until(there)


def mails(world: World, mail_id: UUID) -> list[Mail]:
    return [each for each in world.mailbox.find() if str(mail_id) in each.message_id]


@pytest.mark.parametrize("first", ["event", "address"])
async def test_one_mail_whatever_comes_first_and_how_often(
    world: World, api: AsyncClient, first: str
) -> None:
    number, mail_id = a_number(), uuid4()
    event, where = issued(number, mail_id), address(mail_id)
    if first == "event":
        await world.tell(event)
        await reaches(api, number, ("issued", "waiting", None))
        await world.leave(where)
    else:
        await world.leave(where)
        await until(lambda: kept(world, mail_id))
        await world.tell(event)
    await reaches(api, number, ("issued", "delivered", None))

    await world.leave(where)
    await world.tell(event)
    other = uuid4()
    await world.leave(address(other))
    await world.tell(issued(number, other))  # later than all of the above, on the same partitions
    await reaches(api, number, ("issued", "delivered", None), ("issued", "delivered", None))
    (mail,) = mails(world, mail_id)
    assert mail.recipients == (address_of(mail_id),)
    for said in (NAME, number, "1,234.56", "苏州市慈善总会", f"check?number={number}&code=0123456789ABCDEF"):
        assert said in mail.text
    assert number in mail.subject
    assert b"List-Unsubscribe" not in mail.raw
    assert not await kept(world, mail_id)
    assert await world.rows("SELECT letter FROM notices WHERE notice_id = :id", id=mail_id) == [(None,)]


async def kept(world: World, mail_id: UUID) -> bool:
    return bool(await world.rows("SELECT 1 FROM receipt_contacts WHERE mail_id = :id", id=mail_id))


async def test_a_reissue_and_a_voiding_are_told(world: World, api: AsyncClient) -> None:
    old, new, by_new, by_void = a_number(), a_number(), uuid4(), uuid4()
    await world.leave(address(by_new), address(by_void))
    await world.tell(
        voided(old, None, replaced_by=new), issued(new, by_new, replaces=old), voided(new, by_void)
    )
    await reaches(api, new, ("replaced", "delivered", None), ("voided", "delivered", None))
    assert await states(api, old) == []
    assert f"原票据 {old} 作废" in mails(world, by_new)[0].text
    assert f"{new} 已经作废" in mails(world, by_void)[0].text
    assert f"{new} is void" in mails(world, by_void)[0].text


async def test_who_has_ended_the_thanks_is_told_of_a_receipt(world: World, api: AsyncClient) -> None:
    number, mail_id = a_number(), uuid4()
    hashed = world.settings.addressees.hash_of(Way.MAIL, address_of(mail_id))
    await world.change("INSERT INTO unsubscribed VALUES (:hash, 'link', now())", hash=hashed)
    await world.leave(address(mail_id))
    await world.tell(issued(number, mail_id))
    await reaches(api, number, ("issued", "delivered", None))


@pytest.mark.parametrize(
    ("mode", "email", "ended"),
    [
        pytest.param(Mode.REJECT_550, None, ("issued", "failed", "smtp_550"), id="refused"),
        pytest.param(Mode.DROP_AFTER_DATA, None, ("issued", "uncertain", "no_answer"), id="in doubt"),
        pytest.param(Mode.ACCEPT, "no address", ("issued", "failed", "bad_address"), id="no address"),
    ],
)
async def test_what_did_not_arrive_is_seen_and_not_sent_twice(
    world: World, api: AsyncClient, mode: Mode, email: str | None, ended: tuple[str, str, str | None]
) -> None:
    number, mail_id = a_number(), uuid4()
    world.mailbox.behave(mode, count=1)
    await world.leave(address(mail_id, **({"email": email} if email else {})))
    await world.tell(issued(number, mail_id))
    await reaches(api, number, ended)
    assert len(mails(world, mail_id)) == (1 if mode is Mode.DROP_AFTER_DATA else 0)


async def test_nobody_is_written_to_in_the_quiet_hours(own_settings: Settings) -> None:
    now, hour = datetime.now(SHANGHAI), timedelta(hours=1)
    hours = f"{now - hour:%H:%M}-{now + hour:%H:%M}"
    quiet = own_settings.model_copy(update={"mail_quiet": hours})
    number, mail_id, source = a_number(), uuid4(), Source("receipt/0")
    async with surroundings(quiet) as world:
        async with running(world.settings) as api:
            await world.leave(address(mail_id))
            await world.tell(issued(number, mail_id, source))
            await reaches(api, number, ("issued", "pending", None))
        assert mails(world, mail_id) == []
        async with running(world.settings.model_copy(update={"mail_quiet": ""})) as api:
            await reaches(api, number, ("issued", "delivered", None))


@pytest.mark.parametrize(
    ("kind", "said"), [("issued", "已经开具"), ("replaced", "已经换开"), ("voided", "已经作废")]
)
async def test_what_donors_read_can_be_looked_at(api: AsyncClient, kind: str, said: str) -> None:
    answer = await api.get("/v1/receipt-mails/preview", params={"kind": kind}, headers=bearer("wu"))
    shown = answer.json()
    assert said in shown["text"]
    assert said in shown["html"].replace('<strong style="color: #9e1b1b">', "")
    assert "SZCS-2027-0000124" in shown["subject"]
