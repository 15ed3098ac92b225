"""A process dies while a company has its message, and what a process writes to its log by every way."""

from pathlib import Path

import pytest

from tests.services.notification.builders import NAME
from tests.services.notification.conftest import ADDRESS_KEY, World
from tests.services.notification.providers import APP, APP_SECRET, KEY, company_running
from tests.services.notification.test_by_every_way import by_every_way, phone
from tests.services.notification.test_death import lines_of, process
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

OPENID = "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"
_TEMPLATES = """
INSERT INTO templates (template_id, campaign_id, way, app_id, language, version, content, retired, written_by,
    written_at)
VALUES (gen_random_uuid(), '', 'sms', '', 'zh', 1, CAST(:sms AS jsonb), false, 'li', now()),
    (gen_random_uuid(), '', 'wechat', :app, 'zh', 1, CAST(:wechat AS jsonb), false, 'li', now())
"""


async def write_templates(world: World) -> None:
    """What operators would have written."""
    sms = '{"way": "sms", "template_id": "SMS_1", "parameters": [{"name": "name", "value": "{name}"}]}'
    wechat = f'{{"way": "wechat", "app_id": "{APP}", "template_id": "t", "data": {{"name1": "{{name}}"}}}}'
    await world.change(_TEMPLATES, sms=sms, wechat=wechat, app=APP)


@pytest.mark.parametrize("way", ["sms", "wechat"])
async def test_a_message_the_process_died_over_is_doubt_and_never_two(
    apart: World, tmp_path: Path, way: str
) -> None:
    async with company_running("aliyun") as company:
        settings = by_every_way(apart.settings, company.url)
        await write_templates(apart)
        await apart.launch()
        company.speaking.clear()
        left = {"phone": phone()} if way == "sms" else {"wechat_openid": OPENID, "wechat_app_id": APP}
        donation_id = await apart.donate(email=None, **left)

        async def given_away() -> bool:
            return len(company.sent) == 1

        with (tmp_path / "log").open("wb") as stdout:
            async with process(settings, stdout) as first:
                await until(given_away, deadline_s=30)
                first.kill()
                await first.wait()
            company.speaking.set()
            async with process(settings, stdout):
                await apart.reaches(await apart.donate(email=None, phone=phone()), "delivered")
                assert await apart.state(donation_id) == "sending", "its lease has not run out"
                await apart.change("UPDATE messages SET lease_until = now() WHERE state = 'sending'")
                await apart.reaches(donation_id, "uncertain")
                await apart.reaches(await apart.donate(email=None, phone=phone()), "delivered")
        assert len(company.sent) == 3, "each of the three once"


async def test_no_log_line_holds_an_address_or_a_secret_by_any_way(apart: World, tmp_path: Path) -> None:
    """At its most talkative. The phone stands in a query, the token in another; secrets sign and are sent."""
    async with company_running("aliyun") as company:
        settings = by_every_way(apart.settings, company.url)
        await write_templates(apart)
        await apart.launch()
        number, log = phone(), tmp_path / "log"
        with log.open("wb") as stdout:
            async with process(settings.model_copy(update={"log_level": "debug"}), stdout):
                await apart.reaches(await apart.donate(email=None, phone=number), "delivered")
                company.answers = [None, {"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": number}]
                await apart.reaches(await apart.donate(email=None, phone=number), "uncertain")
                await apart.reaches(await apart.donate(email=None, phone=number), "failed")
                company.answers = [{"errcode": 40001}]
                weixin = await apart.donate(email=None, wechat_openid=OPENID, wechat_app_id=APP)
                await apart.reaches(weixin, "delivered")
        lines = await lines_of(log)
        assert lines.count("attempt_ended") == 4
        for secret in (
            number[3:],
            OPENID,
            NAME,
            KEY,
            APP_SECRET,
            "token-",
            ADDRESS_KEY.get_secret_value(),
            "the-secret-in-the-address",
        ):
            assert secret not in lines
