"""Alipay's notices: proved and put in the words of intake. `python-alipay-sdk` signs and checks them."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.intake import DonationRequest
from services.donation.schemes.alipay import fen_of, read
from services.donation.schemes.notices import BadNotice, Meaning, NoMoney, RefundedSoFar
from services.donation.schemes.settings import AlipaySettings
from tests.companies import MISSING, Alipay, a_certificate, a_key, pem, public_pem

COMPANY = Alipay()
KEY = public_pem(COMPANY.key)
SETTINGS = AlipaySettings.model_validate(COMPANY.settings())


def understood(
    body: bytes,
    settings: AlipaySettings = SETTINGS,
    keys: tuple[str, ...] = (KEY,),
    now: datetime | None = None,
) -> Meaning:
    return read(settings, keys, body, now or datetime.now(UTC))


def told(**changes: Any) -> Meaning:
    return understood(COMPANY.notice(COMPANY.trade(**changes)))


def refused(body: bytes, **given: Any) -> tuple[int, str]:
    with pytest.raises(BadNotice) as caught:
        understood(body, **given)
    return caught.value.status, caught.value.code


# ------------------------------------------------------------------------------------------ what it means


def test_a_payment_is_a_donation_of_alipay_s_own_number() -> None:
    trade = COMPANY.trade(gmt_payment="2026-11-26 20:15:00")
    donation = understood(COMPANY.notice(trade))
    assert isinstance(donation, DonationRequest)
    assert (donation.transaction_id, donation.amount_fen) == (trade["trade_no"], 12345)
    assert donation.campaign_id == "gala"
    assert donation.occurred_at == datetime(2026, 11, 26, 12, 15, tzinfo=UTC)
    assert donation.donor.shown_name is None


def test_success_and_finished_are_the_same_donation() -> None:
    trade = COMPANY.trade()
    later = trade | {
        "trade_status": "TRADE_FINISHED",
        "notify_id": "other",
        "notify_time": "2027-03-01 00:00:00",
    }
    assert understood(COMPANY.notice(trade)) == understood(COMPANY.notice(later))


@pytest.mark.parametrize("state", ["WAIT_BUYER_PAY", "TRADE_CLOSED", "TRADE_PENDING"])
def test_a_trade_that_was_not_paid_moves_nothing(state: str) -> None:
    assert told(trade_status=state, gmt_payment=MISSING) == NoMoney(state)


def test_a_notice_that_is_of_no_trade_moves_nothing() -> None:
    assert told(notify_type="dut_user_sign") == NoMoney("NOT_A_TRADE")


def test_the_order_s_passback_says_what_the_donor_chose() -> None:
    """It is encoded once more than the form: Alipay asks for that when an order is made."""
    passback = quote_plus("c:flood-2026;n:王 小明;d:n;m:100%25 加油")
    donation = told(passback_params=passback)
    assert isinstance(donation, DonationRequest)
    assert (donation.campaign_id, donation.donor.shown_name) == ("flood-2026", "王 小明")
    assert donation.message == "100% 加油"


def test_each_tiny_amount_of_a_consumption_donation_is_the_shop_s() -> None:
    shop = AlipaySettings.model_validate(COMPANY.settings(donor_kind="company", donor_name="观前街糕团店"))
    for total in ("0.01", "0.02", "0.10"):
        trade = COMPANY.trade(total_amount=total, receipt_amount=total)
        donation = understood(COMPANY.notice(trade), shop)
        assert isinstance(donation, DonationRequest)
        assert donation.amount_fen == round(float(total) * 100)
        assert (donation.donor.kind, donation.donor.shown_name) == ("company", "观前街糕团店")


def test_a_refund_says_how_much_went_back_so_far() -> None:
    trade = COMPANY.trade()
    fields = COMPANY.refunded(trade, "23.45", gmt_refund="2026-11-26 20:15:00.143", out_biz_no="R-1")
    expected = RefundedSoFar(trade["trade_no"], 2345, "2026-11-26T20:15:00+08:00", "R-1")
    assert understood(COMPANY.notice(fields)) == expected
    finished = fields | {"trade_status": "TRADE_FINISHED"}
    assert understood(COMPANY.notice(finished)) == expected


@pytest.mark.parametrize("number", ["", "退款1", "a b", "x" * 65])
def test_a_refund_s_number_that_is_no_identifier_is_not_used(number: str) -> None:
    refunded = understood(COMPANY.notice(COMPANY.refunded(COMPANY.trade(), "1.00", out_biz_no=number)))
    assert isinstance(refunded, RefundedSoFar)
    assert refunded.refund_id is None


def test_a_trade_that_was_paid_and_is_closed_went_back_whole() -> None:
    trade = COMPANY.trade()
    for fields in (
        COMPANY.refunded(trade, "123.45"),
        {**trade, "trade_status": "TRADE_CLOSED", "gmt_close": trade["gmt_payment"]},
    ):
        refunded = understood(COMPANY.notice(fields))
        assert isinstance(refunded, RefundedSoFar)
        assert refunded.refunded_fen == 12345


def test_a_refund_of_nothing_is_a_payment() -> None:
    assert isinstance(told(refund_fee="0.00"), DonationRequest)


@given(st.integers(min_value=1, max_value=10**13))
def test_yuan_are_read_to_the_fen(fen: int) -> None:
    yuan = Decimal(fen) / 100
    assert fen_of(f"{yuan:.2f}", "total_amount") == fen


@pytest.mark.parametrize(
    "yuan", ["", "1.234", "-1.00", "1e3", "１.00", " 1.00", "NaN", "1,000.00", "9" * 13, "1."]
)
def test_what_is_no_amount_is_told(yuan: str) -> None:
    with pytest.raises(BadNotice):
        fen_of(yuan, "total_amount")


# ------------------------------------------------------------------------------------------ who may say it


def test_the_library_checks_the_same_notice_alike() -> None:
    fields = dict(parse_qsl(COMPANY.notice(COMPANY.trade()).decode(), keep_blank_values=True))
    signature = fields.pop("sign")
    assert COMPANY.library.verify(dict(fields), signature) is True
    assert COMPANY.library.verify(fields | {"total_amount": "1.00"}, signature) is False


@pytest.mark.parametrize("form", ["PEM", "bare base64", "certificate"])
def test_the_key_may_be_given_in_each_usual_form(form: str) -> None:
    text = {
        "PEM": KEY,
        "bare base64": "".join(KEY.splitlines()[1:-1]),
        "certificate": pem(a_certificate("Alipay", COMPANY.key)),
    }[form]
    assert isinstance(understood(COMPANY.notice(COMPANY.trade()), keys=(text,)), DonationRequest)


def test_old_and_new_keys_count_beside_each_other_and_a_bad_one_hinders_none() -> None:
    new = replace(COMPANY, key=a_key(6))
    keys = ("no key", public_pem(new.key), KEY)
    for company in (COMPANY, new):
        assert isinstance(understood(company.notice(company.trade()), keys=keys), DonationRequest)


def test_a_notice_that_was_changed_proves_nothing() -> None:
    body = COMPANY.notice(COMPANY.trade())
    for changed in (
        body.replace(b"total_amount=123.45", b"total_amount=999.99"),
        body + b"&more=1",
        body.replace(b"&sign_type=RSA2", b"&sign_type=RSA"),
        body.replace(b"&sign_type=RSA2", b""),
        urlencode(COMPANY.trade()).encode(),
        replace(COMPANY, key=a_key(7)).notice(COMPANY.trade()),
    ):
        status, code = refused(changed)
        assert (status, code[:10]) == (401, "signature-")
    assert refused(body, keys=()) == (401, "signature-wrong")


def test_a_form_that_is_none_is_told() -> None:
    for body in (
        b"\xff",
        b"a",
        b"a=1&a=2",
        b"a=%ff&sign=x",
        b"&".join(b"f%d=1" % n for n in range(200)),
    ):
        assert refused(body) == (400, "malformed-form")


def test_a_notice_in_gbk_is_read_as_it_says() -> None:
    fields = COMPANY.trade(charset="GBK", subject="慈善晚会")
    library = COMPANY.library
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
    # The library signs text as UTF-8; what is signed of a GBK notice are its own bytes.
    signature = library._sign(_AsGbk(text))
    body = urlencode({**fields, "sign": signature, "sign_type": "RSA2"}, encoding="gbk").encode()
    assert isinstance(understood(body), DonationRequest)


class _AsGbk(str):
    """A text whose bytes are GBK."""

    __slots__ = ()

    def encode(self, *_: Any, **__: Any) -> bytes:
        return super().encode("gbk")


def test_a_late_notice_is_taken_as_the_first_would_have_been() -> None:
    """Nothing in what is signed bounds a notice's age: it is sent for 25 hours."""
    body = COMPANY.notice(COMPANY.trade())
    assert understood(body) == understood(body, now=datetime.now(UTC) + timedelta(days=2))


# -------------------------------------------------------------------------------------- what can't be booked


@pytest.mark.parametrize(
    "changes",
    [
        {"app_id": "2021000000000002"},
        {"trade_no": MISSING},
        {"trade_no": "a-b"},
        {"trade_status": MISSING},
        {"total_amount": MISSING},
        {"total_amount": "0.00"},
        {"total_amount": "1.005"},
        {"gmt_payment": MISSING},
        {"gmt_payment": "2026-02-30 00:00:00"},
        {"gmt_payment": "2099-01-01 00:00:00"},
        {"refund_fee": "123.46", "gmt_refund": "2026-11-26 20:15:00.143"},
        {"refund_fee": "1.00", "gmt_refund": "yesterday"},
    ],
    ids=lambda changes: "-".join(
        f"{name}={value}" if value is not MISSING else name for name, value in changes.items()
    ),
)
def test_a_trade_that_is_not_the_channel_s_or_not_whole_is_not_taken(changes: dict[str, Any]) -> None:
    assert refused(COMPANY.notice(COMPANY.trade(**changes))) == (422, "unusable-notice")


def test_money_that_went_to_another_account_is_not_taken() -> None:
    settings = AlipaySettings.model_validate(COMPANY.settings(seller_id="2088000000000002"))
    assert refused(COMPANY.notice(COMPANY.trade()), settings=settings) == (422, "unusable-notice")


@given(st.binary(max_size=300) | st.text(alphabet="abc=&%;+charsetign0", max_size=100).map(str.encode))
def test_whatever_comes_is_refused_and_nothing_breaks(body: bytes) -> None:
    with pytest.raises(BadNotice):
        understood(body)


@given(
    st.dictionaries(
        st.sampled_from([*COMPANY.trade(), "passback_params", "refund_fee"]), st.text(max_size=50)
    )
)
def test_whatever_is_signed_is_taken_or_told_why_not(fields: dict[str, str]) -> None:
    with contextlib.suppress(BadNotice):
        understood(COMPANY.notice({**COMPANY.trade(), "passback_params": "", **fields}))
