"""WeChat Pay's notices: proved, opened and put in the words of intake. `wechatpayv3` signs them."""

import base64
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpayv3 import WeChatPay, WeChatPayType

from services.donation.intake import DonationRequest, ReversalRequest
from services.donation.schemes.notices import BadNotice, Meaning, NoMoney
from services.donation.schemes.settings import WechatpaySettings
from services.donation.schemes.wechatpay import Keys, read
from tests.companies import (
    MISSING,
    Notice,
    Wechatpay,
    a_certificate,
    a_key,
    pem,
    private_pem,
    public_pem,
)

COMPANY = Wechatpay()
SETTINGS = WechatpaySettings.model_validate(COMPANY.settings())


def keys_of(*companies: Wechatpay, apiv3: tuple[str, ...] = (COMPANY.apiv3,)) -> Keys:
    held = {each.serial: public_pem(each.key) for each in companies or (COMPANY,)}
    return Keys(lambda serial: [held[serial]] if serial in held else [], apiv3)


def understood(
    notice: Notice,
    settings: WechatpaySettings = SETTINGS,
    keys: Keys | None = None,
    now: datetime | None = None,
) -> Meaning:
    return read(settings, keys or keys_of(), notice.headers, notice.body, now or datetime.now(UTC))


def refused(notice: Notice, **given: Any) -> tuple[int, str]:
    with pytest.raises(BadNotice) as caught:
        understood(notice, **given)
    return caught.value.status, caught.value.code


# ------------------------------------------------------------------------------------------ what it means


def test_a_payment_is_a_donation_of_the_company_s_own_number() -> None:
    told = COMPANY.transaction(success_time="2026-11-26T20:15:00+08:00")
    donation = understood(COMPANY.payment(told))
    assert isinstance(donation, DonationRequest)
    assert donation.transaction_id == told["transaction_id"]
    assert donation.amount_fen == 12345
    assert donation.campaign_id == "gala"
    assert donation.occurred_at == datetime(2026, 11, 26, 12, 15, tzinfo=UTC)
    assert donation.donor.shown_name is None, "anonymous unless the donor said otherwise"
    assert donation.donor.contact is None


def test_the_order_s_attach_says_what_the_donor_chose() -> None:
    told = COMPANY.transaction(attach="c:flood-2026;n:王小明;d:n;m:加油;w:1;l:zh")
    donation = understood(COMPANY.payment(told))
    assert isinstance(donation, DonationRequest)
    assert (donation.campaign_id, donation.donor.shown_name, donation.message) == (
        "flood-2026",
        "王小明",
        "加油",
    )
    assert donation.donor.contact is not None
    assert donation.donor.contact.wechat_openid == told["payer"]["openid"]
    assert donation.donor.contact.wechat_app_id == COMPANY.appid


def test_a_refund_is_a_reversal_of_its_part() -> None:
    told = COMPANY.refunded("4200000001")
    reversal = understood(COMPANY.refund(told))
    assert isinstance(reversal, ReversalRequest)
    assert (reversal.reversal_id, reversal.transaction_id) == (told["refund_id"], "4200000001")
    assert (reversal.kind, reversal.amount_fen) == ("refund", 2345)


@pytest.mark.parametrize("state", ["CLOSED", "ABNORMAL", "PROCESSING"])
def test_a_refund_that_did_not_happen_moves_nothing(state: str) -> None:
    told = COMPANY.refunded("4200000001", refund_status=state, success_time=MISSING)
    assert understood(COMPANY.refund(told)) == NoMoney(f"REFUND.{state}")


@pytest.mark.parametrize("state", ["NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR"])
def test_a_payment_that_is_none_moves_nothing(state: str) -> None:
    assert understood(COMPANY.payment(COMPANY.transaction(trade_state=state))) == NoMoney(state)


def test_a_notice_of_another_kind_moves_nothing() -> None:
    assert understood(COMPANY.notice({}, "COUPON.USE", "coupon")) == NoMoney("COUPON.USE")


# ------------------------------------------------------------------------------------------ who may say it


def test_the_library_understands_the_same_notice_alike() -> None:
    """What these tests sign and encrypt is what `wechatpayv3` checks and opens."""
    notice = COMPANY.payment(told := COMPANY.transaction())
    library = WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=COMPANY.mchid,
        private_key=private_pem(a_key(9)),
        cert_serial_no="444F4864EA9B34415B000000000000000000000000",
        apiv3_key=COMPANY.apiv3,
        appid=COMPANY.appid,
        public_key=public_pem(COMPANY.key),
        public_key_id=COMPANY.serial,
    )
    assert library.callback(headers=notice.headers, body=notice.body)["resource"] == told


def test_old_and_new_platform_keys_count_beside_each_other() -> None:
    old, new = COMPANY, Wechatpay(key=a_key(6), serial="PUB_KEY_ID_NEW")
    keys = keys_of(old, new)
    for company in (old, new):
        assert isinstance(understood(company.payment(), keys=keys), DonationRequest)
    swapped = replace(new.payment(), headers=new.payment().headers | {"wechatpay-serial": old.serial})
    assert refused(swapped, keys=keys) == (401, "signature-wrong")


def test_a_platform_certificate_counts_as_long_as_it_is_valid() -> None:
    key = a_key(6)
    certificate = a_certificate("Tenpay.com", key, valid_days=(-10, 10))
    company = Wechatpay(key=key, serial=f"{certificate.serial_number:X}")
    keys = Keys(lambda serial: [pem(certificate)] if serial == company.serial else [], [company.apiv3])
    assert isinstance(understood(company.payment(), keys=keys), DonationRequest)
    later = datetime.now(UTC) + timedelta(days=11)
    notice = company.payment()
    signed_later = company.signed(notice.body, at=later)
    assert refused(signed_later, keys=keys, now=later) == (401, "signature-wrong")


def test_the_apiv3_key_may_be_changed_while_notices_are_under_way() -> None:
    new = replace(COMPANY, apiv3="f" * 32)
    keys = keys_of(apiv3=(new.apiv3, COMPANY.apiv3))
    for company in (COMPANY, new):
        assert isinstance(understood(company.payment(), keys=keys), DonationRequest)
    assert refused(COMPANY.payment(), keys=keys_of(apiv3=(new.apiv3,))) == (422, "unusable-notice")
    assert refused(COMPANY.payment(), keys=keys_of(apiv3=("short",))) == (422, "unusable-notice")


def test_a_probe_of_our_checking_is_answered_as_forged() -> None:
    notice = COMPANY.payment()
    probe = "WECHATPAY/SIGNTEST/" + notice.headers["wechatpay-signature"]
    assert refused(replace(notice, headers=notice.headers | {"wechatpay-signature": probe})) == (
        401,
        "signature-wrong",
    )


@pytest.mark.parametrize(
    ("code", "header", "value"),
    [
        ("signature-missing", "wechatpay-serial", ""),
        ("signature-missing", "wechatpay-timestamp", ""),
        ("signature-missing", "wechatpay-timestamp", "yesterday"),
        ("signature-missing", "wechatpay-nonce", ""),
        ("signature-missing", "wechatpay-signature", ""),
        ("signature-missing", "wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3"),
        ("signature-too-old", "wechatpay-timestamp", "1"),
        ("signature-too-old", "wechatpay-timestamp", "999999999999"),
        ("unknown-serial", "wechatpay-serial", "PUB_KEY_ID_OTHER"),
        ("signature-wrong", "wechatpay-nonce", "other"),
        ("signature-wrong", "wechatpay-nonce", "\u00e9"),
        ("signature-wrong", "wechatpay-signature", "AAAA"),
        ("signature-wrong", "wechatpay-signature", "no base64"),
    ],
)
def test_a_header_that_is_wrong_proves_nothing(code: str, header: str, value: str) -> None:
    notice = COMPANY.payment()
    assert refused(replace(notice, headers=notice.headers | {header: value})) == (401, code)


def test_five_minutes_are_allowed_either_way() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    for off_s in (-300, 300):
        at = now + timedelta(seconds=off_s)
        assert isinstance(understood(COMPANY.signed(COMPANY.payment().body, at=at), now=now), DonationRequest)
    for off_s in (-301, 301):
        at = now + timedelta(seconds=off_s)
        code = refused(COMPANY.signed(COMPANY.payment().body, at=at), now=now)
        assert code == (401, "signature-too-old")


def test_a_body_that_was_changed_or_signed_by_another_key_proves_nothing() -> None:
    notice = COMPANY.payment()
    assert refused(replace(notice, body=notice.body.replace(b"SUCCESS", b"success"))) == (
        401,
        "signature-wrong",
    )
    assert refused(replace(COMPANY, key=a_key(7)).payment()) == (401, "signature-wrong")


# -------------------------------------------------------------------------------------- what can't be booked


@pytest.mark.parametrize(
    "changes",
    [
        {"mchid": "1900000110"},
        {"mchid": MISSING},
        {"transaction_id": ""},
        {"transaction_id": "a b"},
        {"success_time": "yesterday"},
        {"success_time": (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")},
        {"amount": MISSING},
        {"amount": {"total": 0}},
        {"amount": {"total": 1.5}},
        {"amount": {"total": "12345"}},
        {"amount": {"total": True}},
        {"amount": {"total": 1, "currency": "HKD"}},
        {"trade_state": MISSING},
    ],
    ids="-".join,
)
def test_a_payment_that_is_not_the_merchant_s_or_not_whole_is_not_taken(changes: dict[str, Any]) -> None:
    assert refused(COMPANY.payment(COMPANY.transaction(**changes))) == (422, "unusable-notice")


def test_a_payment_through_another_application_is_not_taken_when_the_channel_names_its_own() -> None:
    settings = WechatpaySettings.model_validate(COMPANY.settings(appids=["wx0000000000000000"]))
    assert refused(COMPANY.payment(), settings=settings) == (422, "unusable-notice")


def test_a_resource_that_can_t_be_opened_is_not_taken() -> None:
    notice = json.loads(COMPANY.payment().body)
    for changes in (
        {"algorithm": "AES"},
        {"ciphertext": "!"},
        {"ciphertext": base64.b64encode(b"x" * 40).decode()},
        {"nonce": "short"},
        {"associated_data": "refund"},
        {"nonce": None},
    ):
        body = json.dumps(notice | {"resource": notice["resource"] | changes}).encode()
        assert refused(COMPANY.signed(body))[0] == 422
    assert refused(COMPANY.signed(json.dumps(notice | {"resource": []}).encode()))[0] == 422
    assert refused(COMPANY.signed(b"[]")) == (400, "malformed-json")


@given(st.binary(max_size=300), st.dictionaries(st.sampled_from(list(COMPANY.payment().headers)), st.text()))
def test_whatever_comes_is_refused_and_nothing_breaks(body: bytes, headers: dict[str, str]) -> None:
    with pytest.raises(BadNotice):
        understood(Notice(body, COMPANY.payment().headers | headers))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=10,
    ),
    st.sampled_from(["", *COMPANY.transaction()]),
)
def test_whatever_is_signed_is_taken_or_told_why_not(value: Any, name: str) -> None:
    told = COMPANY.transaction() | {name: value} if name else value
    with contextlib.suppress(BadNotice):
        understood(COMPANY.payment(told) if name else COMPANY.notice(told, "TRANSACTION.SUCCESS", "x"))
