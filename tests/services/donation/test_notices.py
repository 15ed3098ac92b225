"""Payment companies' notices on the real parts: a lost, repeated, late and forged one of each kind."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from services.donation.accepting import Acceptance
from services.donation.app import PUBLISH_TIMEOUT_S
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.schemes.notices_api import NoticesApi
from services.donation.schemes.refunds import Refunds
from shared.broker import Publisher
from shared.database import create_engine, disposing
from shared.gathering import Gatherer
from shared.secret_box import SecretBox
from tests.companies import Alipay, Notice, Unionpay, Wechatpay, a_key, public_pem
from tests.services.donation.merchants import Merchant, add_key, merchant
from tests.services.donation.places import Service
from tests.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # schemathesis's plugin seeds `random`
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]
once = pytest_asyncio.fixture(scope="module", loop_scope="package")

Any_ = Merchant[Wechatpay] | Merchant[Alipay] | Merchant[Unionpay]


@once
async def campaign(service: Service) -> str:
    return await service.place.campaign()


@once
async def wechat(service: Service, campaign: str) -> Merchant[Wechatpay]:
    return await merchant(service, Wechatpay(), campaign)


@once
async def ali(service: Service, campaign: str) -> Merchant[Alipay]:
    return await merchant(service, Alipay(), campaign)


@once
async def union(service: Service, campaign: str) -> Merchant[Unionpay]:
    return await merchant(service, Unionpay(), campaign)


each_scheme = pytest.mark.parametrize("scheme", ["wechat", "ali", "union"])


@pytest.fixture
def of(request: pytest.FixtureRequest, scheme: str) -> Any_:
    """The merchant of a scheme."""
    found: Any_ = request.getfixturevalue(scheme)
    return found


def a_payment(of: Any_) -> tuple[str, Notice]:
    """A payment of 123.45 yuan: its number and its notice."""
    if isinstance(of.company, Wechatpay):
        told = of.company.transaction()
        return told["transaction_id"], of.company.payment(told)
    if isinstance(of.company, Alipay):
        trade = of.company.trade()
        return trade["trade_no"], Notice(of.company.notice(trade))
    fields = of.company.payment()
    return fields["queryId"], Notice(of.company.notice(fields))


def a_refund(of: Any_, transaction_id: str) -> Notice:
    """The notice that 23.45 yuan of it went back."""
    if isinstance(of.company, Wechatpay):
        return of.company.refund(of.company.refunded(transaction_id))
    if isinstance(of.company, Alipay):
        trade = of.company.trade(trade_no=transaction_id)
        return Notice(of.company.notice(of.company.refunded(trade, "23.45")))
    return Notice(of.company.notice(of.company.refund(transaction_id)))


def assert_taken(of: Any_, answer: Response) -> None:
    """The one answer after which the company does not send again."""
    expected = {"wechatpay": (204, ""), "alipay": (200, "success"), "unionpay": (200, "ok")}[of.scheme]
    assert (answer.status_code, answer.text) == expected


def assert_not_taken(of: Any_, answer: Response, status: int) -> None:
    """An answer after which the company sends again, in the company's own form."""
    assert answer.status_code == status, answer.text
    if of.scheme == "wechatpay":
        assert answer.json()["code"] == "FAIL"
        assert answer.json()["message"]
    elif of.scheme == "alipay":
        assert answer.text == "fail"
    else:
        assert answer.text != "ok"


# ----------------------------------------------------------------------------- once, repeated, out of order


@each_scheme
async def test_a_payment_is_booked_once_however_often_it_is_told(of: Any_) -> None:
    transaction_id, notice = a_payment(of)
    for _ in range(3):
        assert_taken(of, await of.told(notice))
    await of.donation(transaction_id, "received")
    assert [row for row in await of.donations() if row[0] == transaction_id] == [(transaction_id, 12345)]


@each_scheme
async def test_a_part_that_went_back_is_booked_once_however_often_it_is_told(of: Any_) -> None:
    transaction_id, notice = a_payment(of)
    assert_taken(of, await of.told(notice))
    refund = a_refund(of, transaction_id)
    for _ in range(3):
        assert_taken(of, await of.told(refund))
    await of.until_reversed(transaction_id, 2345)


@each_scheme
async def test_a_refund_that_comes_before_its_payment_waits_for_it(of: Any_) -> None:
    transaction_id, notice = a_payment(of)
    assert_taken(of, await of.told(a_refund(of, transaction_id)))
    assert await of.reversed_fen(transaction_id) == 0
    assert_taken(of, await of.told(notice))
    await of.donation(transaction_id, "received", "reversed")
    await of.until_reversed(transaction_id, 2345)


async def test_alipay_s_sums_become_refunds_in_any_order(ali: Merchant[Alipay]) -> None:
    trade = ali.company.trade()
    notices = {
        fee: ali.company.notice(ali.company.refunded(trade, fee)) for fee in ("30.00", "80.00", "123.45")
    }
    assert_taken(ali, await ali.told(notices["80.00"]))
    assert_taken(ali, await ali.told(notices["30.00"]))
    assert_taken(ali, await ali.told(ali.company.notice(trade)))
    await ali.until_reversed(trade["trade_no"], 8000)
    assert_taken(ali, await ali.told(notices["80.00"]))
    for _ in range(2):
        assert_taken(ali, await ali.told(notices["123.45"]))
    await ali.until_reversed(trade["trade_no"], 12345)
    steps = "SELECT refunded_fen, amount_fen FROM alipay_refunds WHERE transaction_id = :t ORDER BY 1"
    assert await ali.service.place.rows(steps, t=trade["trade_no"]) == [(8000, 8000), (12345, 4345)]
    assert await ali.service.place.letters(ali.topic) == []


async def test_alipay_s_refunds_bear_the_numbers_of_its_bill(ali: Merchant[Alipay]) -> None:
    """A number is unique to a trade: where another trade has it, the trade and the sum stand in for it."""
    first, second = ali.company.trade(), ali.company.trade()
    number = f"R{first['trade_no']}"
    for trade in (first, second):
        refund = ali.company.refunded(trade, "10.00", out_biz_no=number)
        for notice in (trade, refund, refund):
            assert_taken(ali, await ali.told(ali.company.notice(notice)))
        await ali.until_reversed(trade["trade_no"], 1000)
    known = "SELECT reversal_id FROM alipay_refunds WHERE transaction_id = :t"
    assert await ali.service.place.value(known, t=first["trade_no"]) == number
    assert await ali.service.place.value(known, t=second["trade_no"]) == f"{second['trade_no']}-1000"
    assert await ali.service.place.letters(ali.topic) == []


async def test_alipay_s_sums_that_come_at_the_same_moment_add_up(ali: Merchant[Alipay]) -> None:
    trade = ali.company.trade()
    sums = [f"{fen / 100:.2f}" for fen in range(1000, 12001, 1000)]
    notices = [ali.company.notice(ali.company.refunded(trade, each)) for each in sums]
    answers = await asyncio.gather(ali.told(ali.company.notice(trade)), *map(ali.told, notices + notices))
    for answer in answers:
        assert_taken(ali, answer)
    await ali.until_reversed(trade["trade_no"], 12000)
    assert await ali.service.place.letters(ali.topic) == []


async def test_each_tiny_amount_of_a_shop_is_a_donation_of_the_shop(service: Service, campaign: str) -> None:
    shop = await merchant(service, Alipay(), campaign, donor_kind="company", donor_name="观前街糕团店")
    trades = [shop.company.trade(total_amount=f"0.{fen:02d}") for fen in range(1, 31)]
    for answer in await asyncio.gather(*(shop.told(shop.company.notice(each)) for each in trades)):
        assert_taken(shop, answer)

    async def all_booked() -> bool:
        return sorted(row[1] for row in await shop.donations()) == list(range(1, 31))

    await until(all_booked)
    named = "SELECT DISTINCT donor_name, donor_kind, donor_display FROM donations WHERE channel = :c"
    assert await service.place.rows(named, c=shop.name) == [("观前街糕团店", "company", "name")]


@each_scheme
async def test_what_contradicts_an_earlier_notice_is_written_down_and_acknowledged(of: Any_) -> None:
    """To send it again would not mend it: a person has to look."""
    transaction_id, notice = a_payment(of)
    assert_taken(of, await of.told(notice))
    assert_taken(of, await of.told(of_other_amount(of, transaction_id)))

    async def written_down() -> Any:
        return await of.conflicts(transaction_id)

    assert await until(written_down) == [999]
    assert (transaction_id, 12345) in await of.donations(), "no money moved"


def of_other_amount(of: Any_, transaction_id: str) -> Notice:
    if isinstance(of.company, Wechatpay):
        amount = {"total": 999, "currency": "CNY"}
        return of.company.payment(of.company.transaction(transaction_id=transaction_id, amount=amount))
    if isinstance(of.company, Alipay):
        trade = of.company.trade(trade_no=transaction_id, total_amount="9.99")
        return Notice(of.company.notice(trade))
    return Notice(of.company.notice(of.company.payment(queryId=transaction_id, txnAmt="999")))


async def test_what_moves_no_money_is_acknowledged_and_books_nothing(
    wechat: Merchant[Wechatpay], ali: Merchant[Alipay], union: Merchant[Unionpay]
) -> None:
    closed = wechat.company.refunded("4200000001", refund_status="CLOSED")
    before = [await each.on_the_log() for each in (wechat, ali, union)]
    assert_taken(wechat, await wechat.told(wechat.company.refund(closed)))
    unpaid = ali.company.trade(trade_status="WAIT_BUYER_PAY")
    assert_taken(ali, await ali.told(ali.company.notice(unpaid)))
    failed = union.company.payment(respCode="05")
    assert_taken(union, await union.told(union.company.notice(failed)))
    assert [await each.on_the_log() for each in (wechat, ali, union)] == before


# ------------------------------------------------------------------------------------------- forged, late


def forgeries(of: Any_) -> list[Notice]:
    """What somebody else could send: signed by another key, changed on its way, or not signed."""
    _, notice = a_payment(of)
    changed = replace(notice, body=notice.body.replace(b"12345", b"99999").replace(b"123.45", b"999.99"))
    if isinstance(of.company, Wechatpay):
        headers = notice.headers
        return [
            replace(of.company, key=a_key(7)).payment(),
            replace(changed, body=notice.body + b" "),
            replace(notice, headers=headers | {"wechatpay-serial": "PUB_KEY_ID_OTHER"}),
            replace(notice, headers=headers | {"wechatpay-signature": "WECHATPAY/SIGNTEST/AAAA"}),
            replace(notice, headers={}),
        ]
    if isinstance(of.company, Alipay):
        other = replace(of.company, key=a_key(7))
        return [Notice(other.notice(other.trade())), changed, Notice(b"app_id=1&trade_status=TRADE_SUCCESS")]
    fields = of.company.payment()
    stranger = Unionpay(name="041@1@某某商户@1")
    return [
        Notice(of.company.notice(fields, a_key(7))),
        Notice(stranger.notice(stranger.payment())),
        changed,
        Notice(b"merId=777290058110048&respCode=00"),
    ]


@each_scheme
async def test_a_forged_notice_is_refused_and_leaves_nothing_behind(of: Any_) -> None:
    before = await of.on_the_log()
    for forged in forgeries(of):
        assert_not_taken(of, await of.told(forged), 401)
    assert await of.on_the_log() == before


async def test_a_late_notice_of_wechat_pay_is_refused_and_its_next_sending_is_taken(
    wechat: Merchant[Wechatpay],
) -> None:
    told = wechat.company.transaction()
    late = wechat.company.payment(told, at=datetime.now(UTC) - timedelta(minutes=6))
    assert_not_taken(wechat, await wechat.told(late), 401)
    assert_taken(wechat, await wechat.told(wechat.company.payment(told)))
    await wechat.donation(told["transaction_id"], "received")


async def test_a_late_notice_of_the_others_is_taken(ali: Merchant[Alipay], union: Merchant[Unionpay]) -> None:
    """Paid a day ago: nothing they sign bounds a notice's age, and they try for a day."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    trade = ali.company.trade(gmt_payment=f"{yesterday:%Y-%m-%d %H:%M:%S}")
    assert_taken(ali, await ali.told(ali.company.notice(trade)))
    await ali.donation(trade["trade_no"], "received")
    fields = union.company.payment(txnTime=f"{yesterday:%Y%m%d%H%M%S}")
    assert_taken(union, await union.told(union.company.notice(fields)))
    await union.donation(fields["queryId"], "received")


async def test_a_notice_is_refused_where_it_does_not_belong(
    service: Service, wechat: Merchant[Wechatpay], ali: Merchant[Alipay]
) -> None:
    _, notice = a_payment(wechat)
    nobody = Merchant(service, "nobody", wechat.company)
    assert_not_taken(nobody, await nobody.told(notice), 404)
    other = Merchant(service, ali.name, wechat.company)
    assert_not_taken(other, await other.told(notice), 404)


@each_scheme
async def test_another_merchant_s_notice_is_refused_though_the_company_signed_it(of: Any_) -> None:
    company = of.company
    if isinstance(company, Wechatpay):
        notice = company.payment(company.transaction(mchid="1900000999"))
    elif isinstance(company, Alipay):
        notice = Notice(company.notice(company.trade(app_id="2021000000000999")))
    else:
        notice = Notice(company.notice(company.payment(merId="777290058110999")))
    assert_not_taken(of, await of.told(notice), 422)


@each_scheme
async def test_a_body_that_is_too_large_is_refused(of: Any_) -> None:
    _, notice = a_payment(of)
    assert_not_taken(of, await of.told(replace(notice, body=notice.body.ljust(20_000))), 413)


async def test_a_key_that_was_added_a_moment_ago_counts(
    service: Service, wechat: Merchant[Wechatpay]
) -> None:
    """The company begins with a new key: the old one goes on, the new one counts within a second."""
    new = replace(wechat.company, key=a_key(6), serial="PUB_KEY_ID_0119000001092026112600382047000002")
    told = new.transaction()
    assert_not_taken(wechat, await wechat.told(new.payment(told)), 401)
    await add_key(service, wechat.name, "platform", new.serial, public_pem(new.key))

    async def taken() -> bool:
        return (await wechat.told(new.payment(told))).status_code == 204

    await until(taken)
    assert_taken(wechat, await wechat.told(wechat.company.payment()))


# ------------------------------------------------------------------------------------ paused, broker away


@each_scheme
async def test_a_paused_channel_has_its_notices_sent_again(of: Any_) -> None:
    await of.set(state="paused")
    transaction_id, notice = a_payment(of)
    answer = await of.told(notice)
    await of.set(state="active")
    assert_not_taken(of, answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert_taken(of, await of.told(notice))
    await of.donation(transaction_id, "received")


@pytest.fixture
def closed_port() -> str:
    """Nobody listens: what connects is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def notices_at(
    service: Service, *, broker: str | None = None, database: str | None = None
) -> AsyncIterator[Service]:
    """The notices' routes with the service's channels and another broker, or another database."""
    place = service.place
    known = place.settings.model_copy(update={"kafka_bootstrap_servers": broker} if broker else {})
    directory = Directory(place.engine, SecretBox(known.channel_key.get_secret_value()))
    publisher = Publisher(known, timeout_s=PUBLISH_TIMEOUT_S) if broker else place.publisher
    acceptance = Acceptance(Gatherer(publisher, known.partitions, 0), Sandbox(service.place.engine), 100)
    engine = create_engine(database or known.database_url, "tests")
    app = Starlette(routes=NoticesApi(directory, acceptance, Refunds(engine)).routes())
    async with (
        disposing(engine),
        AsyncClient(transport=ASGITransport(app), base_url="http://donation") as http,
    ):
        yield Service(place, http)
    if broker:
        await publisher.__aexit__(None, None, None)


@each_scheme
async def test_a_notice_the_broker_did_not_take_is_lost_to_nobody(of: Any_, closed_port: str) -> None:
    """It is answered so that the company sends it again, and the next sending is booked."""
    transaction_id, notice = a_payment(of)
    async with notices_at(of.service, broker=closed_port) as away:
        assert_not_taken(of, await of.at(away).told(notice), 503)
    assert_taken(of, await of.told(notice))
    await of.donation(transaction_id, "received")


async def test_a_refund_that_was_written_down_and_not_published_is_mended_by_the_next(
    ali: Merchant[Alipay], closed_port: str
) -> None:
    trade = ali.company.trade()
    assert_taken(ali, await ali.told(ali.company.notice(trade)))
    async with notices_at(ali.service, broker=closed_port) as away:
        lost = ali.company.notice(ali.company.refunded(trade, "30.00"))
        assert_not_taken(ali, await ali.at(away).told(lost), 503)
    assert_taken(ali, await ali.told(ali.company.notice(ali.company.refunded(trade, "80.00"))))
    await ali.until_reversed(trade["trade_no"], 8000)


async def test_payments_are_taken_while_the_database_is_away_and_alipay_s_refunds_are_sent_again(
    ali: Merchant[Alipay], closed_port: str
) -> None:
    trade = ali.company.trade()
    url = f"postgresql+asyncpg://nobody:x@{closed_port}/nowhere"
    refund = ali.company.notice(ali.company.refunded(trade, "23.45"))
    async with notices_at(ali.service, database=url) as away:
        assert_taken(ali, await ali.at(away).told(ali.company.notice(trade)))
        assert_not_taken(ali, await ali.at(away).told(refund), 503)
    assert_taken(ali, await ali.told(refund))
    await ali.until_reversed(trade["trade_no"], 2345)


async def test_money_for_a_campaign_the_channel_may_not_give_to_is_held(
    service: Service, campaign: str
) -> None:
    """It has been paid: to refuse it would only lose sight of it."""
    of = await merchant(service, Alipay(), campaign)
    await of.set(campaigns=["other"])
    trade = of.company.trade()
    assert_taken(of, await of.told(of.company.notice(trade)))
    await of.donation(trade["trade_no"], "held")


# ------------------------------------------------------------------------------------------ whatever comes


@each_scheme
async def test_whatever_is_sent_gets_an_answer_that_is_not_a_mistake(of: Any_) -> None:
    _, notice = a_payment(of)
    path, base_url = f"/v1/channels/{of.name}/{of.scheme}", str(of.service.http.base_url)
    names = st.sampled_from([*notice.headers, "content-type", "x-other"])
    values = st.binary(max_size=40).filter(lambda value: all(byte > 31 and byte != 127 for byte in value))
    parts = st.sampled_from(notice.body.split(b"&"))
    bodies: Any = st.binary(max_size=2_000) | st.lists(parts, max_size=30).map(b"&".join)

    def all_of_them() -> None:
        with httpx.Client(base_url=base_url, timeout=20) as http:

            @settings(
                max_examples=25,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            @given(body=bodies, changes=st.dictionaries(names, values, max_size=3))
            def answered(body: bytes, changes: dict[str, bytes]) -> None:
                headers = {name.encode(): value.encode() for name, value in notice.headers.items()}
                headers |= {name.encode(): value.strip() for name, value in changes.items()}
                answer = http.post(path, content=body, headers=list(headers.items()))
                assert answer.status_code in {200, 204, 400, 401, 413}, answer.text

            answered()

    await asyncio.to_thread(all_of_them)
