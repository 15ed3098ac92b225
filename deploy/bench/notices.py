"""How many notices of a payment company one core proves, opens and puts in intake's words in a second.

The signing is not measured: as many notices as WRITTEN are made before, and gone through again and again.
Nothing of a notice is remembered between two looks at it but the company's key, as in the service. What a
request costs besides (HTTP, the broker) is what the benchmark `http` measures.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from deploy.bench.ground import Base
from deploy.bench.report import Figure, Result
from services.donation.intake import DonationRequest
from services.donation.schemes import alipay, unionpay, wechatpay
from services.donation.schemes.notices import Meaning
from services.donation.schemes.settings import (
    UNIONPAY_NAME,
    AlipaySettings,
    UnionpaySettings,
    WechatpaySettings,
)

GOAL: Final = 1_000.0
"""Notices a second and core, of the issue."""
WRITTEN: Final = 200
PASSBACK: Final = "c:bench;n:王小明;d:n;m:新年快乐"
_MCHID: Final = "1900000109"
_APP_ID: Final = "2021000000000001"
_MER_ID: Final = "777290058110048"
_SERIAL: Final = "PUB_KEY_ID_BENCH"

Understand = Callable[[], Meaning]


def wechatpay_notices(now: datetime) -> list[Understand]:
    """Notices of payments of 1 fen, 2 fen and so on, each ready to be understood."""
    key, apiv3 = _key(), secrets.token_hex(16)
    settings = WechatpaySettings(mchid=_MCHID, campaign_id="bench")
    public = _public(key)
    keys = wechatpay.Keys(lambda serial: [public] if serial == _SERIAL else [], [apiv3])
    made: list[Understand] = []
    for fen in range(1, WRITTEN + 1):
        body = _wechatpay_body(fen, apiv3, now)
        timestamp, nonce = str(int(now.timestamp())), secrets.token_hex(16)
        headers = {
            "wechatpay-serial": _SERIAL,
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": _signed(key, f"{timestamp}\n{nonce}\n".encode() + body + b"\n"),
        }
        made.append(lambda body=body, headers=headers: wechatpay.read(settings, keys, headers, body, now))  # type: ignore[misc]
    return made


def alipay_notices(now: datetime) -> list[Understand]:
    """The same of Alipay."""
    key = _key()
    settings, public = AlipaySettings(app_id=_APP_ID, campaign_id="bench"), [_public(key)]
    made: list[Understand] = []
    for fen in range(1, WRITTEN + 1):
        fields = _alipay_fields(fen, now)
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        body = urlencode({**fields, "sign": _signed(key, text.encode()), "sign_type": "RSA2"}).encode()
        made.append(lambda body=body: alipay.read(settings, public, body, now))  # type: ignore[misc]
    return made


def unionpay_notices(now: datetime) -> list[Understand]:
    """The same of UnionPay."""
    root_key, key = _key(), _key()
    root = _certificate("Bench CA", root_key, "Bench CA", root_key, now, ca=True)
    leaf = _certificate(f"041@1@{UNIONPAY_NAME}@1", key, "Bench CA", root_key, now, ca=False)
    settings = UnionpaySettings(mer_id=_MER_ID, campaign_id="bench")
    made: list[Understand] = []
    for fen in range(1, WRITTEN + 1):
        fields = _unionpay_fields(fen, leaf, now)
        text = "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        digest = hashlib.sha256(text.encode()).hexdigest().encode()
        body = urlencode({**fields, "signature": _signed(key, digest)}).encode()
        made.append(lambda body=body: unionpay.read(settings, [root], body, now))  # type: ignore[misc]
    return made


COMPANIES: Final[Mapping[str, Callable[[datetime], list[Understand]]]] = {
    "WeChat Pay": wechatpay_notices,
    "Alipay": alipay_notices,
    "UnionPay": unionpay_notices,
}


async def measure(_: Base, notices: int) -> Result:
    """So many notices of each company, one after the other, in processor time of this one core."""
    result = Result("notices")
    rounds = max(1, notices // WRITTEN)
    for name, written in COMPANIES.items():
        understand = written(datetime.now(UTC))
        _run(understand, 1)  # the key is loaded once
        begun_s = time.process_time()
        total_fen = _run(understand, rounds)
        took_s = time.process_time() - begun_s
        expected_fen = rounds * WRITTEN * (WRITTEN + 1) // 2
        if total_fen != expected_fen:
            result.wrong.append(f"{name}: {total_fen} fen, not {expected_fen}")
        per_second = rounds * WRITTEN / took_s
        note = f"{took_s / rounds / WRITTEN * 1e6:.0f} µs each"
        result.figures.append(Figure(name, round(per_second), "notices/s/core", GOAL, note=note))
    result.details = {"notices": rounds * WRITTEN}
    return result


def _run(understand: list[Understand], rounds: int) -> int:
    """The sum of what they are of, in fen; each also written as it goes on the topic."""
    total_fen = 0
    for _ in range(rounds):
        for each in understand:
            donation = each()
            assert isinstance(donation, DonationRequest)
            donation.model_dump_json(exclude_none=True)
            total_fen += donation.amount_fen
    return total_fen


# ------------------------------------------------------------------------------------- what companies send


def _wechatpay_body(fen: int, apiv3: str, now: datetime) -> bytes:
    told: dict[str, Any] = {
        "mchid": _MCHID,
        "appid": "wxd678efh567hg6787",
        "out_trade_no": secrets.token_hex(16),
        "transaction_id": f"4200{fen:024d}",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "attach": PASSBACK,
        "success_time": now.isoformat(timespec="seconds"),
        "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
        "amount": {"total": fen, "payer_total": fen, "currency": "CNY", "payer_currency": "CNY"},
    }
    nonce = secrets.token_hex(6)
    sealed = AESGCM(apiv3.encode()).encrypt(nonce.encode(), json.dumps(told).encode(), b"transaction")
    notice = {
        "id": secrets.token_hex(16),
        "create_time": told["success_time"],
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": {
            "original_type": "transaction",
            "algorithm": wechatpay.ALGORITHM,
            "ciphertext": base64.b64encode(sealed).decode(),
            "associated_data": "transaction",
            "nonce": nonce,
        },
    }
    return json.dumps(notice).encode()


def _alipay_fields(fen: int, now: datetime) -> dict[str, str]:
    at = (now + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S")
    yuan = f"{fen // 100}.{fen % 100:02d}"
    return {
        "app_id": _APP_ID,
        "buyer_id": "2088102000000000",
        "buyer_pay_amount": yuan,
        "charset": "utf-8",
        "fund_bill_list": f'[{{"amount":"{yuan}","fundChannel":"ALIPAYACCOUNT"}}]',
        "gmt_create": at,
        "gmt_payment": at,
        "invoice_amount": yuan,
        "notify_id": secrets.token_hex(16),
        "notify_time": at,
        "notify_type": alipay.NOTIFY_TYPE,
        "out_trade_no": secrets.token_hex(16),
        "passback_params": PASSBACK,
        "receipt_amount": yuan,
        "seller_id": "2088000000000001",
        "subject": "慈善晚会",
        "total_amount": yuan,
        "trade_no": f"2026112622{fen:018d}",
        "trade_status": "TRADE_SUCCESS",
        "version": "1.0",
    }


def _unionpay_fields(fen: int, certificate: str, now: datetime) -> dict[str, str]:
    at = (now + timedelta(hours=8)).strftime("%Y%m%d%H%M%S")
    return {
        "bizType": "000201",
        "currencyCode": unionpay.YUAN,
        "encoding": "UTF-8",
        "merId": _MER_ID,
        "orderId": secrets.token_hex(8),
        "queryId": f"{fen:021d}",
        "reqReserved": PASSBACK,
        "respCode": "00",
        "respMsg": "成功[0000000]",
        "settleAmt": str(fen),
        "signMethod": unionpay.RSA,
        "signPubKeyCert": certificate,
        "txnAmt": str(fen),
        "txnTime": at,
        "txnType": "01",
        "version": unionpay.VERSION,
    }


def _key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def _public(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _signed(key: RSAPrivateKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def _certificate(
    name: str, key: RSAPrivateKey, issuer: str, issuer_key: RSAPrivateKey, now: datetime, *, ca: bool
) -> str:
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
