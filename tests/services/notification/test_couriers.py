"""Couriers against servers on loopback: signed as companies check it, plain about what may have arrived."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import SecretStr

from services.notification.couriers.sms_aliyun import AliyunSms
from services.notification.couriers.sms_tencent import TencentSms
from services.notification.couriers.ways import Courier, CourierUnavailable, Letter, SmsLetter, WechatLetter
from services.notification.couriers.wechat import Tokens, Wechat
from services.notification.delivery import Answer, Outcome
from services.notification.settings import Settings
from tests.services.notification.providers import APP, APP_SECRET, KEY, KEY_ID, Company, company_running

pytestmark = pytest.mark.asyncio

SMS = SmsLetter("+8613812345678", "SMS_1234", (("name", "张 三+&=*~"), ("sum", "1,234.56元")))
WECHAT = WechatLetter(
    "o6_bmjrPTlm6", APP, "template-1", (("thing1", "慈善晚会"),), url="https://gift.example/x"
)


def later() -> float:
    return time.monotonic() + 60


def settings(url: str, provider: str = "aliyun", **values: Any) -> Settings:
    given = {
        "database_url": "postgresql+asyncpg://nobody@127.0.0.1/none",
        "address_key": base64.b64encode(b"k" * 32).decode(),
        "sms_provider": provider,
        "sms_sign_name": "善流",
        "aliyun_sms_url": url,
        "aliyun_access_key_id": KEY_ID,
        "aliyun_access_key_secret": KEY,
        "tencent_sms_url": url,
        "tencent_secret_id": KEY_ID,
        "tencent_secret_key": KEY,
        "tencent_sms_sdk_app_id": "1400006666",
        "wechat_url": url,
        "wechat_app_secrets": {APP: APP_SECRET},
        "provider_connect_timeout_s": 2,
        "provider_timeout_s": 2,
    }
    return Settings.model_validate({**given, **values})


def made(kind: str, told: Settings) -> tuple[Courier, Letter]:
    """A courier and a letter for it."""
    if kind == "wechat":
        return Wechat(told, Tokens(told.wechat_app_secrets)), WECHAT
    return (AliyunSms(told) if kind == "aliyun" else TencentSms(told)), SMS


@asynccontextmanager
async def courier_of(kind: str, **values: Any) -> AsyncIterator[tuple[Company, Courier, Letter]]:
    provider = kind if kind != "wechat" else "aliyun"
    async with company_running(provider) as company:
        courier, letter = made(kind, settings(company.url, provider, **values))
        await courier.ready()
        try:
            yield company, courier, letter
        finally:
            await courier.close()


KINDS = ["aliyun", "tencent", "wechat"]


async def test_alibaba_cloud_is_asked_as_it_checks() -> None:
    async with courier_of("aliyun") as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=later())
    assert answer == Answer(Outcome.ACCEPTED, provider_id="biz-1")
    (asked,) = company.sent
    assert (asked["PhoneNumbers"], asked["SignName"], asked["TemplateCode"]) == (
        "+8613812345678",
        "善流",
        "SMS_1234",
    )
    assert json.loads(asked["TemplateParam"]) == {"name": "张 三+&=*~", "sum": "1,234.56元"}


async def test_tencent_cloud_is_asked_as_it_checks() -> None:
    async with courier_of("tencent") as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=later())
    assert answer == Answer(Outcome.ACCEPTED, provider_id="serial-1")
    assert company.sent == [
        {
            "PhoneNumberSet": ["+8613812345678"],
            "SmsSdkAppId": "1400006666",
            "SignName": "善流",
            "TemplateId": "SMS_1234",
            "TemplateParamSet": ["张 三+&=*~", "1,234.56元"],
        }
    ]


@pytest.mark.parametrize("kind", ["aliyun", "tencent"])
async def test_a_wrong_secret_is_seen_by_the_company_and_ends_no_message(kind: str) -> None:
    """Were it final, a wrong setting would end every message of an evening."""
    wrong = {"aliyun_access_key_secret": "x", "tencent_secret_key": "x"}
    async with courier_of(kind, **wrong) as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=later())
    assert (company.refused_signatures, company.sent) == (1, [])
    assert answer.outcome is Outcome.REFUSED_FOR_NOW


async def test_a_template_message_of_wechat() -> None:
    async with courier_of("wechat") as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=later())
    assert answer == Answer(Outcome.ACCEPTED, provider_id="1")
    assert company.sent == [
        {
            "path": "/cgi-bin/message/template/send",
            "token": "token-1",
            "touser": "o6_bmjrPTlm6",
            "template_id": "template-1",
            "data": {"thing1": {"value": "慈善晚会"}},
            "url": "https://gift.example/x",
        }
    ]


async def test_a_subscription_message_of_wechat() -> None:
    async with courier_of("wechat") as (company, courier, _):
        letter = WechatLetter("o6_bmjrPTlm6", APP, "t", (("thing1", "x"),), subscribe=True)
        await courier.send(letter, not_after_s=later())
    (asked,) = company.sent
    assert asked["path"] == "/cgi-bin/message/subscribe/bizsend"
    assert not {"url", "page"} & asked.keys()


async def test_one_token_serves_all_workers_until_it_ends() -> None:
    async with company_running("aliyun") as company:
        told = settings(company.url)
        tokens = Tokens(told.wechat_app_secrets)
        couriers = [Wechat(told, tokens) for _ in range(8)]
        answers = await asyncio.gather(*(each.send(WECHAT, not_after_s=later()) for each in couriers))
        assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
        assert company.tokens_given == 1, "fetched by one while the others wait"
        await couriers[0].send(WECHAT, not_after_s=later())
        assert company.tokens_given == 1
        for each in couriers:
            await each.close()


@pytest.mark.parametrize("code", [40001, 40014, 42001])
async def test_a_token_that_was_withdrawn_is_replaced_at_once(code: int) -> None:
    async with courier_of("wechat") as (company, courier, letter):
        company.answers = [{"errcode": code, "errmsg": "token-1"}]
        assert (await courier.send(letter, not_after_s=later())).outcome is Outcome.ACCEPTED
        assert [each["token"] for each in company.sent] == ["token-1", "token-2"]
        company.answers = [{"errcode": code}, {"errcode": code}]
        answer = await courier.send(letter, not_after_s=later())
        assert answer == Answer(Outcome.REFUSED_FOR_NOW, f"wechat:{code}"), "and once only"


async def test_without_a_token_nothing_is_given_away() -> None:
    async with courier_of("wechat", wechat_app_secrets={APP: "wrong"}) as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=later())
    assert answer == Answer(Outcome.REFUSED_FOR_NOW, "wechat:token_40125")
    assert company.sent == []
    assert not courier.given_away


@pytest.mark.parametrize("kind", KINDS)
async def test_a_company_that_hangs_up_leaves_doubt(kind: str) -> None:
    async with courier_of(kind) as (company, courier, letter):
        company.answers = [None]
        answer = await courier.send(letter, not_after_s=later())
        assert answer == Answer(Outcome.UNKNOWN, "no_answer")
        assert len(company.sent) == 1, "it had it"
        assert (await courier.send(letter, not_after_s=later())).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "outcome"), [(502, Outcome.UNKNOWN), (429, Outcome.REFUSED_FOR_NOW), (200, Outcome.UNKNOWN)]
)
async def test_an_answer_without_words_is_doubt_unless_it_says_no(
    kind: str, status: int, outcome: Outcome
) -> None:
    async with courier_of(kind) as (company, courier, letter):
        company.answers = [status]
        assert await courier.send(letter, not_after_s=later()) == Answer(outcome, f"http_{status}")


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_that_is_too_long_is_not_read(kind: str) -> None:
    async with courier_of(kind) as (company, courier, letter):
        company.answers = [{"Code": "OK", "errcode": 0, "Message": "x" * 100_000}]
        assert (await courier.send(letter, not_after_s=later())).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
async def test_a_company_that_is_away_costs_no_second_message_an_attempt(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    told = settings(f"http://127.0.0.1:{port}", "tencent" if kind == "tencent" else "aliyun")
    courier, letter = made(kind, told)
    assert (await courier.send(letter, not_after_s=later())).outcome is Outcome.NOT_REACHED
    assert not courier.given_away
    with pytest.raises(CourierUnavailable):
        await courier.ready()
    with socket.create_server(("127.0.0.1", port)):
        await courier.ready()
    await courier.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_company_that_keeps_silent_is_waited_for_a_while_only(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        told = settings(url, "tencent" if kind == "tencent" else "aliyun", provider_timeout_s=0.3)
        courier, letter = made(kind, told)
        answer = await courier.send(letter, not_after_s=later())
        assert answer.outcome is (Outcome.NOT_REACHED if kind == "wechat" else Outcome.UNKNOWN)
        await courier.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_past_its_lease_nothing_is_given_away(kind: str) -> None:
    async with courier_of(kind) as (company, courier, letter):
        answer = await courier.send(letter, not_after_s=time.monotonic() - 1)
        assert answer == Answer(Outcome.NOT_REACHED, "lease_lost")
        assert company.sent == []


async def test_nothing_personal_or_secret_shows() -> None:
    shown = repr([SMS, WECHAT, Tokens({APP: SecretStr(APP_SECRET)})])
    for secret in ("13812345678", "o6_bmjrPTlm6", "张", APP_SECRET):
        assert secret not in shown
