"""Asynchronous notices of Alipay (支付宝异步通知): payments and refunds, consumption donations (消费捐) too.

The body is a form. Signed (RSA2: RSA-SHA256) is what the fields decode to, all but `sign` and `sign_type`,
sorted by name and joined as name=value by `&`. There is no serial number and no time in what is signed that
would bound its age: a notice may be sent again for 25 hours, and the same notice is the same donation
whenever it comes.

Refunds come to the same address, with `refund_fee`. That is the sum of all that went back of the trade until
then (总退款金额), not what this one refund was; see refunds.py.

Source: «异步通知说明» and «自行实现验签» of Alipay's open platform.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import unquote_plus

from services.donation.schemes import passback
from services.donation.schemes.keys import platform_keys, signature_bytes
from services.donation.schemes.notices import (
    BEIJING,
    Meaning,
    NoMoney,
    RefundedSoFar,
    donation,
    fields_of,
    forged,
    named,
    unusable,
)
from services.donation.schemes.settings import AlipaySettings
from shared.money import FEN_PER_YUAN, MAX_AMOUNT_FEN

NOTIFY_TYPE: Final = "trade_status_sync"
_PAID: Final = frozenset({"TRADE_SUCCESS", "TRADE_FINISHED"})
_CHARSET: Final = re.compile(rb"(?:^|&)charset=([A-Za-z0-9_-]{1,16})(?:&|$)")
_ENCODINGS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gbk": "gbk",
    "gb2312": "gb2312",
    "gb18030": "gb18030",
}
_YUAN: Final = re.compile(r"\d{1,13}(?:\.\d{1,2})?", re.ASCII)
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d{1,6})?", re.ASCII)
_REFUND: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_TRADE: Final = re.compile(r"[0-9A-Za-z]{8,48}", re.ASCII)


def read(settings: AlipaySettings, keys: Iterable[str], body: bytes, now: datetime) -> Meaning:
    """Check a notice and say what it means. `keys`: those that count; `now` in UTC.

    Raises BadNotice: 401 when it is not proved, 400 when it is no form, 422 when it can't be booked.
    """
    fields = fields_of(body, _encoding(body))
    _check_signature(keys, fields, now)
    if fields.get("app_id") != settings.app_id:
        raise unusable("app_id is another application's.")
    if settings.seller_id is not None and fields.get("seller_id") != settings.seller_id:
        raise unusable("seller_id is another account.")
    if fields.get("notify_type") != NOTIFY_TYPE:
        return NoMoney("NOT_A_TRADE")
    return _trade(fields, settings, now)


def signed_text(fields: Mapping[str, str]) -> str:
    """What Alipay signs."""
    return "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name not in ("sign", "sign_type"))


def fen_of(yuan: str, name: str) -> int:
    """Yuan with at most two decimals as fen, exactly."""
    try:
        fen = Decimal(yuan) * FEN_PER_YUAN if _YUAN.fullmatch(yuan) else Decimal("NaN")
    except InvalidOperation:
        fen = Decimal("NaN")
    if fen.is_nan() or fen > MAX_AMOUNT_FEN:
        raise unusable(f"{name} is not an amount in yuan.")
    return int(fen)


def _encoding(body: bytes) -> str:
    """The form says in a field of its own how its other fields are written."""
    match = _CHARSET.search(body)
    return _ENCODINGS.get(match[1].decode().lower(), "utf-8") if match else "utf-8"


def _check_signature(keys: Iterable[str], fields: Mapping[str, str], now: datetime) -> None:
    if not fields.get("sign"):
        raise forged("signature-missing", "sign is missing.")
    if fields.get("sign_type") != "RSA2":
        raise forged("signature-missing", "sign_type is not RSA2.")
    signed = signed_text(fields).encode(_ENCODINGS.get(fields.get("charset", "").lower(), "utf-8"))
    signature = signature_bytes(fields["sign"])
    if not any(key.signed(signature, signed, now) for key in platform_keys(keys)):
        raise forged("signature-wrong", "The signature does not fit the fields.")


def _trade(fields: Mapping[str, str], settings: AlipaySettings, now: datetime) -> Meaning:
    state = named(fields, "trade_status")
    refunded_fen = _refunded_fen(fields, state)
    if refunded_fen:
        refunded_at = fields.get("gmt_refund") or fields.get("gmt_close") or named(fields, "notify_time")
        return RefundedSoFar(_trade_no(fields), refunded_fen, _time(refunded_at), _refund_id(fields))
    if state not in _PAID:
        return NoMoney(state)
    paid = {
        "transaction_id": _trade_no(fields),
        "amount_fen": fen_of(named(fields, "total_amount"), "total_amount"),
        "occurred_at": _time(named(fields, "gmt_payment")),
        **passback.read(unquote_plus(fields.get("passback_params", "")), settings),
    }
    return donation(paid, now)


def _refunded_fen(fields: Mapping[str, str], state: str) -> int:
    """What went back until now. A trade is closed when it was not paid in time, or when all of it went back
    after it was paid: then it has a time of payment.
    """
    total_fen = fen_of(named(fields, "total_amount"), "total_amount")
    if state == "TRADE_CLOSED" and fields.get("gmt_payment"):
        return total_fen
    if not fields.get("refund_fee"):
        return 0
    refunded_fen = fen_of(fields["refund_fee"], "refund_fee")
    if refunded_fen > total_fen:
        raise unusable("refund_fee is more than total_amount.")
    return refunded_fen


def _refund_id(fields: Mapping[str, str]) -> str | None:
    """The number the refund was asked for under (退款请求号)."""
    given = fields.get("out_biz_no", "")
    return given if _REFUND.fullmatch(given) else None


def _trade_no(fields: Mapping[str, str]) -> str:
    trade_no = named(fields, "trade_no")
    if not _TRADE.fullmatch(trade_no):
        raise unusable("trade_no is not a number of Alipay's.")
    return trade_no


def _time(text: str) -> str:
    """A time of Alipay's in RFC 3339; parts of a second (only refunds have them) are left out."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise unusable("A time is not like 2027-01-01 20:15:00.")
    return f"{match[1]}T{match[2]}{BEIJING}"
