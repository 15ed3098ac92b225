"""A donor is thanked once, by one way, in an operator's words; by the companies' servers of the tests."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from httpx import AsyncClient
from pydantic import SecretStr

from deploy.local.mailcatcher.mailbox import Mode
from services.notification.quiet import SHANGHAI
from services.notification.settings import Settings
from services.notification.thanks import message_id
from shared.events import NotificationDeliveredByWay, NotificationFailedByWay
from tests.services.notification.builders import GALA, contact
from tests.services.notification.conftest import World, bearer, running, surroundings
from tests.services.notification.providers import APP, APP_SECRET, KEY, KEY_ID, Company, company_running
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
SMS = {
    "way": "sms",
    "template_id": "SMS_1234",
    "parameters": [{"name": "name", "value": "{name}"}, {"name": "sum", "value": "{amount}元"}],
}
WECHAT = {"way": "wechat", "app_id": APP, "template_id": "t-1", "data": {"thing1": "{title}"}}


def phone() -> str:
    """A mobile of its own for each donor."""
    return f"+861{3_000_000_000 + uuid4().int % 1_000_000_000}"


class Providers:
    """The running service, its surroundings, and the companies it sends by."""

    def __init__(self, world: World, api: AsyncClient, company: Company) -> None:
        self.world = world
        self.api = api
        self.company = company

    async def write(self, content: dict[str, Any], language: str = "zh", **fields: Any) -> dict[str, Any]:
        """The next version of a template."""
        body = {"language": language, "content": content, "based_on": 0, **fields}
        headers = bearer("li") | {"idempotency-key": str(uuid4())}
        answer = await self.api.post("/v1/templates", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        written: dict[str, Any] = answer.json()
        return written

    async def donate(self, **left: Any) -> UUID:
        """A donation whose donor left a phone or an openid, and no mail address."""
        return await self.world.donate(email=None, **left)

    def sent_to(self, address: str) -> list[dict[str, Any]]:
        """What the company was asked to send to an address."""
        return [each for each in self.company.sent if address in str(each)]


def by_every_way(settings: Settings, url: str) -> Settings:
    """The same settings with providers, awake all night."""
    return settings.model_copy(
        update={
            "sms_provider": "aliyun",
            "sms_sign_name": "善流",
            "aliyun_sms_url": url,
            "aliyun_access_key_id": KEY_ID,
            "aliyun_access_key_secret": SecretStr(KEY),
            "wechat_url": url,
            "wechat_app_secrets": {APP: SecretStr(APP_SECRET)},
            "sms_quiet": "",
            "wechat_quiet": "",
            "sms_rate_per_s": 500.0,
            "wechat_rate_per_s": 500.0,
            "provider_timeout_s": 2.0,
            "provider_connect_timeout_s": 2.0,
            "daily_limit": 3,
            "sms_reply_secret": SecretStr("the-secret-in-the-address"),
            "public_url": "https://gift.example",
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started_providers(common_settings: Settings) -> AsyncIterator[Providers]:
    async with company_running("aliyun") as company:
        settings = by_every_way(common_settings, company.url)
        async with surroundings(settings) as world, running(world.settings) as api:
            await world.launch()
            there = Providers(world, api, company)
            await there.write(SMS)
            await there.write(WECHAT)
            yield there


@pytest.fixture
def providers(started_providers: Providers) -> Providers:
    started_providers.world.mailbox.behave(Mode.ACCEPT)
    started_providers.company.answers.clear()
    return started_providers


async def test_a_donor_with_a_phone_is_thanked_by_a_short_message(providers: Providers) -> None:
    world, number = providers.world, phone()
    donation_id = await providers.donate(phone=number)
    await world.reaches(donation_id, "delivered")
    (asked,) = providers.sent_to(number)
    assert (asked["SignName"], asked["TemplateCode"]) == ("善流", "SMS_1234")
    assert asked["TemplateParam"] == '{"name": "张三丰", "sum": "1,234.56元"}'
    assert world.mails(donation_id) == []
    (told,) = await world.news(donation_id)
    assert isinstance(told, NotificationDeliveredByWay)
    assert (told.data.way, told.data.message_id) == ("sms", message_id(donation_id))
    shown = (await providers.api.get(f"/v1/messages/{donation_id}", headers=bearer("wu"))).json()
    assert (shown["way"], shown["contact"]) == ("sms", None)
    assert shown["history"][0]["provider_id"].startswith("biz-")
    assert not await world.contact_is_kept(donation_id)


async def test_what_the_company_reports_of_a_short_message_stands_with_its_attempt(
    providers: Providers,
) -> None:
    donation_id = await providers.donate(phone=phone())
    await providers.world.reaches(donation_id, "delivered")
    path = f"/v1/messages/{donation_id}"

    async def attempt() -> Any:
        shown = (await providers.api.get(path, headers=bearer("wu"))).json()
        assert shown["state"] == "delivered"
        return shown["history"][0]

    biz_id = (await attempt())["provider_id"]
    assert (await attempt())["arrived"] is None
    report = {"biz_id": biz_id, "success": False, "err_code": "MK:0004", "err_msg": "13812345678"}
    strangers = [{"biz_id": "of-nobody", "success": True, "err_code": "DELIVERED"}, {"biz_id": biz_id}, 7]
    wrong = await providers.api.post("/v1/sms-reports/aliyun/guessed", json=[report])
    assert (wrong.status_code, (await attempt())["arrived"]) == (404, None)
    address = "/v1/sms-reports/{}/the-secret-in-the-address"
    for _ in range(2):
        said = await providers.api.post(address.format("aliyun"), json=[report, *strangers])
        assert (said.status_code, said.json()) == (200, {"code": 0, "msg": "OK"})
    noted = await attempt()
    assert (noted["arrived"], noted["report"]) == (False, "MK:0004")
    in_time = {"sid": biz_id, "report_status": "SUCCESS", "errmsg": "DELIVRD"}
    said = await providers.api.post(address.format("tencent"), json=[in_time])
    assert said.json() == {"result": 0, "errmsg": "OK"}
    noted = await attempt()
    assert (noted["arrived"], noted["report"]) == (True, "DELIVRD")


async def test_a_donor_known_to_wechat_is_thanked_there(providers: Providers) -> None:
    openid = f"o{uuid4().hex}"
    donation_id = await providers.donate(wechat_openid=openid, wechat_app_id=APP, phone=phone())
    await providers.world.reaches(donation_id, "delivered")
    (asked,) = providers.sent_to(openid)
    assert asked["data"] == {"thing1": {"value": "第六届新年慈善晚会"}}


async def test_a_donor_with_several_ways_is_thanked_by_one(providers: Providers) -> None:
    world, number, openid = providers.world, phone(), f"o{uuid4().hex}"
    donation_id = await world.donate(phone=number, wechat_openid=openid, wechat_app_id=APP)
    await world.reaches(donation_id, "delivered")
    assert len(world.mails(donation_id)) == 1
    world.mailbox.behave(Mode.REJECT_550, count=1)
    failed = await world.donate(phone=number, wechat_openid=openid, wechat_app_id=APP)
    await world.reaches(failed, "failed")
    await world.another_is_thanked()
    assert providers.sent_to(number) == providers.sent_to(openid) == [], "not even when the first one fails"


async def test_without_a_way_or_a_template_it_fails_and_says_so(providers: Providers) -> None:
    world = providers.world
    stranger = await providers.donate(wechat_openid=OPENID, wechat_app_id="wx-of-somebody-else")
    await world.reaches(stranger, "failed")
    assert await world.rows("SELECT reason FROM messages WHERE donation_id = :id", id=stranger) == [
        ("no_way",)
    ]
    place = "campaign_id = '' AND way = 'sms'"
    await world.change(f"UPDATE templates SET replaced_at = now() WHERE {place}")
    try:
        number = phone()
        unwritten = await providers.donate(phone=number)
        await world.reaches(unwritten, "failed")
        (told,) = await world.news(unwritten)
        assert isinstance(told, NotificationFailedByWay)
        assert told.data.reason == "no_template"
        assert providers.sent_to(number) == []
    finally:
        await world.change(f"UPDATE templates SET replaced_at = NULL WHERE {place}")


async def test_what_failed_without_a_template_is_sent_again_together_once_there_is_one(
    providers: Providers,
) -> None:
    world, campaign = providers.world, f"c-{uuid4().hex[:12]}"
    await world.tell(world.campaigns.launched(campaign))
    numbers = [phone() for _ in range(3)]
    donations = [uuid4() for _ in numbers]
    place = "campaign_id = '' AND way = 'sms'"

    async def resend(key: str, person: str = "li", **fields: Any) -> Any:
        body = {"reason": "no_template", "campaign_id": campaign, "way": "sms", **fields}
        headers = bearer(person) | {"idempotency-key": key}
        answer = await providers.api.post("/v1/messages/resend", json=body, headers=headers)
        return answer.json() if answer.status_code == 202 else answer.status_code

    await world.change(f"UPDATE templates SET replaced_at = now() WHERE {place}")
    try:
        for donation_id, number in zip(donations, numbers, strict=True):
            left = contact(donation_id, email=None, phone=number, campaign_id=campaign)
            await world.leave(left)
            await world.tell(world.intake.received(donation_id, campaign_id=campaign))
        for donation_id in donations:
            await world.reaches(donation_id, "failed")
        assert await resend("early") == {"queued": 0, "left": 0}, "they would fail again"
    finally:
        await world.change(f"UPDATE templates SET replaced_at = NULL WHERE {place}")
    assert await resend("nobody", "wu") == 403
    assert await resend("others", campaign_id="c-other") == {"queued": 0, "left": 0}
    assert await resend("mails", way="mail") == {"queued": 0, "left": 0}
    for _ in range(2):
        assert await resend("first", limit=2) == {"queued": 2, "left": 1}
    assert await resend("second") == {"queued": 1, "left": 0}
    for donation_id, number in zip(donations, numbers, strict=True):
        await world.reaches(donation_id, "delivered")
        assert len(providers.sent_to(number)) == 1


async def test_a_message_in_doubt_is_never_sent_again_by_itself(providers: Providers) -> None:
    number = phone()
    providers.company.answers = [None]
    donation_id = await providers.donate(phone=number)
    await providers.world.reaches(donation_id, "uncertain")
    await providers.world.reaches(await providers.donate(phone=phone()), "delivered")
    assert len(providers.sent_to(number)) == 1


async def test_refused_for_now_is_tried_again_and_for_good_is_not(providers: Providers) -> None:
    number, bad = phone(), phone()
    providers.company.answers = [{"Code": "isv.BUSINESS_LIMIT_CONTROL"}]
    donation_id = await providers.donate(phone=number)
    await providers.world.reaches(donation_id, "delivered")
    assert len(providers.sent_to(number)) == 2
    providers.company.answers = [{"Code": "isv.MOBILE_NUMBER_ILLEGAL"}]
    refused = await providers.donate(phone=bad)
    await providers.world.reaches(refused, "failed")
    reason = "SELECT reason FROM messages WHERE donation_id = :id"
    assert await providers.world.rows(reason, id=refused) == [("aliyun:isv.MOBILE_NUMBER_ILLEGAL",)]


async def test_a_donors_language_and_campaign_choose_the_text(providers: Providers) -> None:
    world = providers.world
    text = "{name}, {title}: {amount}. {organisation} {unsubscribe}"
    chinese = {"way": "mail", "subject": "感谢您，{name}", "text": text}
    await providers.write(chinese, campaign_id=GALA)
    fallen_back = await world.donate(language="en", name="Ada")
    await world.reaches(fallen_back, "delivered")
    (mail,) = world.mails(fallen_back)
    assert "Ada, 第六届新年慈善晚会: 1,234.56" in mail.text, "a Chinese text, filled in in Chinese"
    assert b"Content-Language: zh-CN" in mail.raw
    assert 'lang="zh-CN"' in mail.html
    await providers.write(chinese, campaign_id=GALA, based_on=1, retired=True)
    english = {"way": "mail", "subject": "Thank you, {name}", "text": text}
    await providers.write(english, "en", campaign_id=GALA)
    donation_id = await world.donate(language="en", name="Ada")
    await world.reaches(donation_id, "delivered")
    (mail,) = world.mails(donation_id)
    assert mail.subject == "Thank you, Ada"
    assert "6th New Year Charity Gala: 1,234.56" in mail.text
    assert "https://gift.example/unsubscribe/" in mail.html
    built_in = await world.donate()
    await world.reaches(built_in, "delivered")
    assert "感谢您的捐赠" in world.mails(built_in)[0].subject, "nobody wrote a Chinese one"


async def test_no_more_messages_a_day_than_the_limit(providers: Providers) -> None:
    world, number = providers.world, phone()
    donations = [await providers.donate(phone=number) for _ in range(5)]

    async def all_ended() -> bool:
        return {await world.state(each) for each in donations} <= {"delivered", "dropped"}

    await until(all_ended)
    states = sorted([str(await world.state(each)) for each in donations])
    assert states == ["delivered"] * 3 + ["dropped"] * 2
    assert len(providers.sent_to(number)) == 3
    reasons = "SELECT DISTINCT reason FROM messages WHERE donation_id = ANY(:ids) AND state = 'dropped'"
    assert await world.rows(reasons, ids=donations) == [("enough_today",)]
    kept = "SELECT count(*) FROM contacts WHERE donation_id = ANY(:ids)"
    assert await world.rows(kept, ids=donations) == [(0,)]
    await world.change("UPDATE daily_counts SET day = day - 2")
    tomorrow = await providers.donate(phone=number)
    await world.reaches(tomorrow, "delivered")

    async def forgotten() -> bool:
        return await world.rows("SELECT count(*) FROM daily_counts WHERE day < current_date - 1") == [(0,)]

    await until(forgotten)


async def test_the_link_in_a_mail_ends_the_mails_to_its_address(providers: Providers) -> None:
    world, address = providers.world, f"{uuid4().hex}@example.com"
    first = await world.donate(email=address)
    await world.reaches(first, "delivered")
    raw = world.mails(first)[0].raw.decode("ascii").replace("\r\n ", "")
    link = raw.partition("List-Unsubscribe: <https://gift.example")[2].partition(">")[0]
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in raw
    page = await providers.api.get(link)
    assert (page.status_code, page.headers["referrer-policy"]) == (200, "no-referrer")
    assert '<form method="post">' in page.text
    second = await world.donate(email=address)
    await world.reaches(second, "delivered")  # opening the page ended nothing

    one_click = {"content-type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        done = await providers.api.post(link, content="List-Unsubscribe=One-Click", headers=one_click)
        assert done.status_code == 200
    third = await world.donate(email=address.upper())
    await world.reaches(third, "dropped")
    assert world.mails(third) == []
    assert await world.rows("SELECT reason FROM messages WHERE donation_id = :id", id=third) == [
        ("unsubscribed",)
    ]
    assert not await world.contact_is_kept(third)
    kept = await world.rows("SELECT encode(address_hash, 'escape') FROM unsubscribed")
    assert address not in str(kept)
    assert (await providers.api.post(f"{link[:-2]}xx")).status_code == 404


async def test_an_answer_to_a_short_message_ends_them(providers: Providers) -> None:
    number = phone()
    replies = [{"phone_number": number[3:], "content": "TD", "send_time": "20270101000000"}]
    wrong = await providers.api.post("/v1/sms-replies/aliyun/guessed", json=replies)
    assert wrong.status_code == 404
    taken = await providers.api.post("/v1/sms-replies/aliyun/the-secret-in-the-address", json=replies)
    assert taken.json() == {"code": 0, "msg": "OK"}
    donation_id = await providers.donate(phone=number)
    await providers.world.reaches(donation_id, "dropped")
    assert providers.sent_to(number) == []


async def test_a_contact_by_phone_is_deleted_after_seven_days_too(providers: Providers) -> None:
    world, donation_id = providers.world, uuid4()
    await world.leave(contact(donation_id, email=None, phone=phone()))
    await until(lambda: world.contact_is_kept(donation_id))
    kept = "SELECT expires_at - received_at = interval '7 days' FROM contacts WHERE donation_id = :id"
    assert await world.rows(kept, id=donation_id) == [(True,)]
    age = "SET received_at = received_at - interval '8 days', expires_at = expires_at - interval '8 days'"
    await world.change(f"UPDATE contacts {age} WHERE donation_id = :id", id=donation_id)

    async def gone() -> bool:
        return not await world.contact_is_kept(donation_id)

    await until(gone)


async def test_in_quiet_hours_messages_wait_and_then_go(own_settings: Settings) -> None:
    now = datetime.now(UTC).astimezone(SHANGHAI)
    around = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    async with company_running("aliyun") as company:
        quiet = by_every_way(own_settings, company.url).model_copy(update={"sms_quiet": around})
        async with surroundings(quiet) as world:
            await world.launch()
            async with running(world.settings) as api:
                there = Providers(world, api, company)
                await there.write(SMS)
                waiting = await there.donate(phone=phone())
                await world.reaches(waiting, "pending")
                await world.another_is_thanked()  # mail has no quiet hours
                await asyncio.sleep(0)
                assert await world.state(waiting) == "pending"
                assert company.sent == []
            awake = world.settings.model_copy(update={"sms_quiet": ""})
            async with running(awake):
                await world.reaches(waiting, "delivered")
    assert len(company.sent) == 1
