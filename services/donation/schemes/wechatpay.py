"""Notices of WeChat Pay (微信支付), API v3: payments and refunds.

The body is JSON, signed in the headers: Wechatpay-Signature is RSA-SHA256 of timestamp, nonce and body, each
ended by a line feed, under the key that Wechatpay-Serial names: a platform certificate's serial number or a
public key's `PUB_KEY_ID_…`. While keys are changed, notices come under the old one and the new one. What
happened lies in `resource`, AES-256-GCM under the APIv3 key. A signature that begins with
WECHATPAY/SIGNTEST/ is WeChat's own probe whether we check: it is answered as any other forged one, and the
right notice follows.

Source: the documents «支付成功回调通知», «退款结果回调通知» and «如何使用平台证书/微信支付公钥验签» of WeChat
Pay for merchants (API v3).
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.donation.intake import Unusable, read_json
from services.donation.schemes import passback
from services.donation.schemes.keys import platform_keys, signature_bytes
from services.donation.schemes.notices import (
    BadNotice,
    Meaning,
    NoMoney,
    donation,
    forged,
    named,
    reversal,
    unusable,
)
from services.donation.schemes.settings import WechatpaySettings

TOLERANCE_S: Final = 300
SIGNATURE_TYPE: Final = "WECHATPAY2-SHA256-RSA2048"
ALGORITHM: Final = "AEAD_AES_256_GCM"
_NO_MONEY_YET: Final = frozenset({"PROCESSING", "ABNORMAL", "CLOSED"})


@dataclass(frozen=True, slots=True)
class Keys:
    """`platform` gives the keys that count under a serial number (a certificate's is without zeros ahead);
    `apiv3` are the APIv3 keys that count.
    """

    platform: Callable[[str], Iterable[str]]
    apiv3: Iterable[str] = field(repr=False)


def read(
    settings: WechatpaySettings, keys: Keys, headers: Mapping[str, str], body: bytes, now: datetime
) -> Meaning:
    """Check a notice and say what it means. `headers` by lower-case names; `now` in UTC.

    Raises BadNotice: 401 when it is not proved, 400 when it is not JSON, 422 when it can't be booked.
    """
    _check_signature(keys.platform, headers, body, now)
    notice = _json(body)
    event = named(notice, "event_type")
    if not event.startswith(("TRANSACTION.", "REFUND.")):
        return NoMoney(event)
    told = _opened(notice, keys.apiv3)
    if named(told, "mchid") != settings.mchid:
        raise unusable("mchid is another merchant's.")
    return _refund(told, now) if event.startswith("REFUND.") else _payment(told, settings, now)


def _check_signature(
    keys_of: Callable[[str], Iterable[str]], headers: Mapping[str, str], body: bytes, now: datetime
) -> None:
    serial = headers.get("wechatpay-serial", "")
    timestamp = headers.get("wechatpay-timestamp", "")
    nonce = headers.get("wechatpay-nonce", "")
    signature = headers.get("wechatpay-signature", "")
    if not (serial and timestamp and nonce and signature):
        raise forged("signature-missing", "A Wechatpay header is missing.")
    if headers.get("wechatpay-signature-type", SIGNATURE_TYPE) != SIGNATURE_TYPE:
        raise forged("signature-missing", f"Only {SIGNATURE_TYPE} is taken.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise forged("signature-missing", "Wechatpay-Timestamp is not a number of seconds.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise forged("signature-too-old", "Wechatpay-Timestamp is more than five minutes off.")
    keys = platform_keys([*keys_of(serial), *keys_of(serial.lstrip("0"))])
    if not keys:
        raise forged("unknown-serial", "No key of this Wechatpay-Serial is known here.")
    signed = b"%b\n%b\n%b\n" % (timestamp.encode(), nonce.encode(), body)
    if not any(key.signed(signature_bytes(signature), signed, now) for key in keys):
        raise forged("signature-wrong", "The signature does not fit the body.")


def _opened(notice: Mapping[str, Any], apiv3: Iterable[str]) -> dict[str, Any]:
    """What lies encrypted in the notice."""
    resource = notice.get("resource")
    if not isinstance(resource, dict) or resource.get("algorithm") != ALGORITHM:
        raise unusable(f"resource is not encrypted by {ALGORITHM}.")
    nonce = named(resource, "nonce").encode()
    bound = str(resource.get("associated_data") or "").encode()
    try:
        sealed = base64.b64decode(named(resource, "ciphertext"), validate=True)
    except (binascii.Error, ValueError):
        raise unusable("resource.ciphertext is not base64.") from None
    for key in apiv3:
        try:
            return _json(AESGCM(key.encode()).decrypt(nonce, sealed, bound))
        except (InvalidTag, ValueError):  # ValueError: a key or a nonce of another length
            continue
    raise unusable("resource can't be decrypted: is the APIv3 key the merchant's?")


def _payment(told: Mapping[str, Any], settings: WechatpaySettings, now: datetime) -> Meaning:
    state = named(told, "trade_state")
    if state != "SUCCESS":
        return NoMoney(state)
    app_id = named(told, "appid")
    if settings.appids is not None and app_id not in settings.appids:
        raise unusable("appid is none of the channel's.")
    amount = _amount(told)
    if amount.get("currency", "CNY") != "CNY":
        raise unusable("amount.currency is not CNY.")
    attach = told.get("attach")
    fields = {
        "transaction_id": named(told, "transaction_id"),
        "amount_fen": amount.get("total"),
        "occurred_at": named(told, "success_time"),
        **passback.read(attach if isinstance(attach, str) else "", settings, _payer(told, app_id)),
    }
    return donation(fields, now)


def _payer(told: Mapping[str, Any], app_id: str) -> dict[str, str]:
    """Where the payer is reached in WeChat."""
    payer = told.get("payer")
    openid = payer.get("openid") if isinstance(payer, dict) else None
    return {"wechat_openid": openid, "wechat_app_id": app_id} if isinstance(openid, str) else {}


def _refund(told: Mapping[str, Any], now: datetime) -> Meaning:
    state = named(told, "refund_status")
    if state in _NO_MONEY_YET:
        return NoMoney(f"REFUND.{state}")
    if state != "SUCCESS":
        raise unusable("refund_status is none that is known.")
    fields = {
        "reversal_id": named(told, "refund_id"),
        "transaction_id": named(told, "transaction_id"),
        "kind": "refund",
        "amount_fen": _amount(told).get("refund"),
        "occurred_at": named(told, "success_time"),
    }
    return reversal(fields, now)


def _amount(told: Mapping[str, Any]) -> dict[str, Any]:
    amount = told.get("amount")
    if not isinstance(amount, dict):
        raise unusable("amount is missing.")
    return amount


def _json(body: bytes) -> dict[str, Any]:
    try:
        return read_json(body)
    except Unusable as error:
        raise BadNotice(400, error.code, error.detail) from None
