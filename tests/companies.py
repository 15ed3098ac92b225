"""The payment companies, as far as a merchant sees them: they sign their notices with libraries by others.

WeChat Pay's notices are signed by `wechatpayv3` and encrypted by PyCryptodome, Alipay's are signed by
`python-alipay-sdk`; for UnionPay, which has no library in Python, a chain of certificates is built here with
`cryptography` and the text to sign written down apart from the service's own code.
"""

import base64
import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlencode

from alipay import AliPay
from alipay.utils import AliPayConfig
from Cryptodome.Cipher import AES
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from wechatpayv3 import utils as wechatpay_utils

BEIJING = timezone(timedelta(hours=8))
MISSING: Any = object()
"""As the value of a field: the field is left out."""


@cache
def a_key(number: int = 0) -> rsa.RSAPrivateKey:
    """A private key of its own for each number: making one takes a tenth of a second."""
    return rsa.generate_private_key(65537, 2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


def private_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, encryption).decode()


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def a_certificate(
    name: str,
    key: rsa.RSAPrivateKey,
    issuer: tuple[x509.Certificate, rsa.RSAPrivateKey] | None = None,
    *,
    ca: bool = False,
    valid_days: tuple[int, int] = (-30, 3650),
) -> x509.Certificate:
    """A certificate; without an issuer it is its own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid_days[0]))
        .not_valid_after(now + timedelta(days=valid_days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )


def _changed(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **changes}.items() if value is not MISSING}


def digits(length: int) -> str:
    return str(secrets.randbelow(9 * 10 ** (length - 1)) + 10 ** (length - 1))


# ------------------------------------------------------------------------------------------- WeChat Pay


@dataclass(frozen=True)
class Notice:
    """A request as it comes in."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Wechatpay:
    """WeChat Pay with one platform key. `serial` names it in its notices."""

    mchid: str = "1900000109"
    appid: str = "wxd678efh567hg6787"
    apiv3: str = "0123456789abcdef0123456789abcdef"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: a_key(1))
    serial: str = "PUB_KEY_ID_0119000001092026112600382047000001"

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {"mchid": self.mchid, "campaign_id": "gala", **changes}

    def transaction(self, **changes: Any) -> dict[str, Any]:
        """What a payment of 123.45 yuan says."""
        told = {
            "mchid": self.mchid,
            "appid": self.appid,
            "out_trade_no": uuid.uuid4().hex,
            "transaction_id": "4200" + digits(24),
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "OTHERS",
            "attach": "",
            "success_time": datetime.now(BEIJING).isoformat(timespec="seconds"),
            "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
            "amount": {"total": 12345, "payer_total": 12345, "currency": "CNY", "payer_currency": "CNY"},
        }
        return _changed(told, changes)

    def refunded(self, transaction_id: str, **changes: Any) -> dict[str, Any]:
        """What a refund of 23.45 of the 123.45 yuan says."""
        told = {
            "mchid": self.mchid,
            "out_trade_no": uuid.uuid4().hex,
            "transaction_id": transaction_id,
            "out_refund_no": uuid.uuid4().hex,
            "refund_id": "5030" + digits(24),
            "refund_status": "SUCCESS",
            "success_time": datetime.now(BEIJING).isoformat(timespec="seconds"),
            "user_received_account": "支付用户零钱",
            "amount": {"total": 12345, "refund": 2345, "payer_total": 12345, "payer_refund": 2345},
        }
        return _changed(told, changes)

    def payment(self, told: dict[str, Any] | None = None, **given: Any) -> Notice:
        return self.notice(told or self.transaction(), "TRANSACTION.SUCCESS", "transaction", **given)

    def refund(self, told: dict[str, Any], **given: Any) -> Notice:
        return self.notice(told, f"REFUND.{told.get('refund_status')}", "refund", **given)

    def notice(self, told: Any, event_type: str, original_type: str, **given: Any) -> Notice:
        body = {
            "id": str(uuid.uuid4()),
            "create_time": datetime.now(BEIJING).isoformat(timespec="seconds"),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": "支付成功",
            "resource": self.sealed(json.dumps(told, ensure_ascii=False).encode(), original_type),
        }
        return self.signed(json.dumps(body).encode(), **given)

    def sealed(self, told: bytes, original_type: str = "transaction") -> dict[str, str]:
        nonce = secrets.token_hex(6)
        cipher = AES.new(self.apiv3.encode(), AES.MODE_GCM, nonce=nonce.encode())
        cipher.update(original_type.encode())
        ciphertext, tag = cipher.encrypt_and_digest(told)
        return {
            "original_type": original_type,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(ciphertext + tag).decode(),
            "associated_data": original_type,
            "nonce": nonce,
        }

    def signed(self, body: bytes, *, at: datetime | None = None) -> Notice:
        timestamp = str(int((at or datetime.now(UTC)).timestamp()))
        nonce = secrets.token_hex(16)
        signature = wechatpay_utils.rsa_sign(self.key, f"{timestamp}\n{nonce}\n{body.decode()}\n")
        headers = {
            "content-type": "application/json; charset=utf-8",
            "wechatpay-serial": self.serial,
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": signature,
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }
        return Notice(body, headers)


# ----------------------------------------------------------------------------------------------- Alipay


@dataclass
class Alipay:
    """Alipay with one key. Its library signs requests of merchants; its notices are signed alike."""

    app_id: str = "2021000000000001"
    seller_id: str = "2088000000000001"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: a_key(2))

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {"app_id": self.app_id, "campaign_id": "gala", **changes}

    @cached_property
    def library(self) -> Any:
        return AliPay(
            appid=self.app_id,
            app_private_key_string=private_pem(self.key),
            alipay_public_key_string=public_pem(self.key),
            config=AliPayConfig(timeout=1),
        )

    def trade(self, **changes: Any) -> dict[str, str]:
        """The fields of a payment of 123.45 yuan."""
        now = datetime.now(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
        fields = {
            "app_id": self.app_id,
            "auth_app_id": self.app_id,
            "buyer_id": "2088102000000000",
            "buyer_logon_id": "159****5620",
            "buyer_pay_amount": "123.45",
            "charset": "utf-8",
            "fund_bill_list": '[{"amount":"123.45","fundChannel":"ALIPAYACCOUNT"}]',
            "gmt_create": now,
            "gmt_payment": now,
            "invoice_amount": "123.45",
            "notify_id": uuid.uuid4().hex,
            "notify_time": now,
            "notify_type": "trade_status_sync",
            "out_trade_no": uuid.uuid4().hex,
            "point_amount": "0.00",
            "receipt_amount": "123.45",
            "seller_id": self.seller_id,
            "subject": "慈善晚会 + 爱心",
            "total_amount": "123.45",
            "trade_no": "20261126220014" + digits(14),
            "trade_status": "TRADE_SUCCESS",
            "version": "1.0",
        }
        return _changed(fields, changes)

    def refunded(self, trade: Mapping[str, str], refund_fee: str, **changes: Any) -> dict[str, str]:
        """The fields that tell how much of a trade went back so far."""
        now = datetime.now(BEIJING)
        fields = {
            "refund_fee": refund_fee,
            "gmt_refund": now.strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 1000:03d}",
            "out_biz_no": uuid.uuid4().hex,
            "notify_id": uuid.uuid4().hex,
            "trade_status": "TRADE_SUCCESS" if refund_fee != trade["total_amount"] else "TRADE_CLOSED",
        }
        return _changed({**trade, **fields}, changes)

    def notice(self, fields: Mapping[str, str]) -> bytes:
        form: str = self.library.sign_data(dict(fields))
        return f"{form}&sign_type=RSA2".encode()


# --------------------------------------------------------------------------------------------- UnionPay


@dataclass
class Unionpay:
    """UnionPay with a root, a middle certificate and one that signs."""

    mer_id: str = "777290058110048"
    name: str = "041@8310000000083040@中国银联股份有限公司@00016495"
    valid_days: tuple[int, int] = (-30, 3650)

    def __post_init__(self) -> None:
        self.key = a_key(5)
        root_key, middle_key = a_key(3), a_key(4)
        self.root = a_certificate("Test CA", root_key, ca=True)
        self.middle = a_certificate("Test OCA1", middle_key, (self.root, root_key), ca=True)
        self.certificate = a_certificate(
            self.name, self.key, (self.middle, middle_key), valid_days=self.valid_days
        )

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {"mer_id": self.mer_id, "campaign_id": "gala", **changes}

    @property
    def trusted(self) -> list[str]:
        return [pem(self.root), pem(self.middle)]

    def payment(self, **changes: Any) -> dict[str, str]:
        """The fields of a payment of 123.45 yuan."""
        now = datetime.now(BEIJING)
        fields = {
            "accNo": "6216***********0018",
            "accessType": "0",
            "bizType": "000201",
            "currencyCode": "156",
            "encoding": "UTF-8",
            "merId": self.mer_id,
            "orderId": digits(16),
            "queryId": digits(21),
            "respCode": "00",
            "respMsg": "成功[0000000]",
            "settleAmt": "12345",
            "settleCurrencyCode": "156",
            "settleDate": now.strftime("%m%d"),
            "signMethod": "01",
            "traceNo": digits(6),
            "traceTime": now.strftime("%m%d%H%M%S"),
            "txnAmt": "12345",
            "txnSubType": "01",
            "txnTime": now.strftime("%Y%m%d%H%M%S"),
            "txnType": "01",
            "version": "5.1.0",
        }
        return _changed(fields, changes)

    def refund(self, query_id: str, **changes: Any) -> dict[str, str]:
        """The fields of a refund of 23.45 yuan."""
        given = {"txnType": "04", "txnSubType": "00", "txnAmt": "2345", "origQryId": query_id}
        return self.payment(**{**given, **changes})

    def notice(self, fields: Mapping[str, str], key: rsa.RSAPrivateKey | None = None) -> bytes:
        said = {"signPubKeyCert": pem(self.certificate), **fields}
        joined = "&".join([f"{name}={said[name]}" for name in sorted(said) if said[name]])
        digest = hashlib.sha256(joined.encode()).hexdigest().encode()
        signature = (key or self.key).sign(digest, padding.PKCS1v15(), hashes.SHA256())
        return urlencode({**said, "signature": base64.b64encode(signature).decode()}).encode()
