"""Bodies that are wrong in every usual way, with the answer each must get by HTTP and from Kafka.

tests/unit/donation/test_intake.py has every value of every field; here is one of each kind.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.donation.intake import MAX_BODY_BYTES
from tests.services.donation.builders import MISSING, a_donation, a_donor, as_json

STATUS_OF = {"malformed-json": 400, "too-large": 413}


@dataclass(frozen=True)
class Bad:
    """`field`: what a 422 must name."""

    name: str
    body: bytes
    code: str = "invalid-field"
    field: str | None = None

    @property
    def status(self) -> int:
        return STATUS_OF.get(self.code, 422)


def _field(name: str, field: str, /, **changes: Any) -> Bad:
    return Bad(name, json.dumps(a_donation(**changes)).encode(), field=field)


def _donor(name: str, field: str, /, **changes: Any) -> Bad:
    return _field(name, f"donor.{field}", donor=a_donor(**changes))


def _text(change: Callable[[str], str], **changes: Any) -> bytes:
    return change(as_json(a_donation(**changes)).decode()).encode()


BAD: list[Bad] = [
    _field("a missing field", "campaign_id", campaign_id=MISSING),
    _field("null", "transaction_id", transaction_id=None),
    _field("a number as text", "amount_fen", amount_fen="10000"),
    _field("a fraction", "amount_fen", amount_fen=100.5),
    _field("a whole number with a point", "amount_fen", amount_fen=100.0),
    _field("true", "amount_fen", amount_fen=True),
    _field("nothing", "amount_fen", amount_fen=0),
    _field("less than nothing", "amount_fen", amount_fen=-1),
    _field("more than the bound", "amount_fen", amount_fen=10**13 + 1),
    _field("more than 64 bits", "amount_fen", amount_fen=2**64),
    _field("a fee above the amount", "fee_fen", fee_fen=10_001),
    _field("a pledge that is none", "pledge_id", pledge_id="placard 17"),
    _field("another currency", "currency", currency="USD"),
    _field("the far future", "occurred_at", occurred_at="9999-12-31T23:59:59Z"),
    _field("tomorrow", "occurred_at", occurred_at=(datetime.now(UTC) + timedelta(days=1)).isoformat()),
    _field("the last century", "occurred_at", occurred_at="1999-12-31T23:59:59Z"),
    _field("a time without a zone", "occurred_at", occurred_at="2026-01-01T12:00:00"),
    _field("a number as time", "occurred_at", occurred_at=1767268800),
    _field("huge text", "message", message="字" * 201),
    _field("a control character", "message", message="加\u0000油"),
    _field("an escape sequence", "message", message="\u001b[2J"),
    _field("text turned around", "message", message="加\u202e油"),
    _field("an unpaired surrogate", "message", message="\ud83d"),
    _field("emoji in an identifier", "transaction_id", transaction_id="t🎉"),
    _field("an identifier too long", "transaction_id", transaction_id="t" * 65),
    _field("an unknown field", "amount", amount=1),
    _field("an unknown field whose name is NUL", "?", **{"\u0000": 1}),
    _field("an unknown field whose name is a surrogate", "body", **{"\ud800": 1}),
    _field("a name for a donor", "donor", donor="王小明"),
    _donor("a blank name", "name", name="\u200b"),
    _donor("huge name", "name", name="字" * 65),
    _donor("an unknown kind", "kind", kind="robot"),
    _donor("an address that is none", "contact.email", contact={"email": "a@b"}),
    _donor("a header in an address", "contact.email", contact={"email": "a@b.cn\r\nBcc: c@d.cn"}),
    _donor("an unknown field of the donor", "phone", phone="13800000000"),
    Bad("an alias that isn't there", as_json(a_donation(donor=a_donor(display="alias"))), field="donor"),
    Bad("an unknown type", as_json(a_donation(type="gift")), "unknown-type"),
    Bad("a record of our own", as_json({"type": "release", "donation_id": "0" * 32}), "unknown-type"),
    Bad("a key twice", _text(lambda text: text[:-1] + ', "amount_fen": 1}'), "duplicate-key"),
    Bad(
        "a key twice in the donor",
        _text(lambda text: text.replace('"kind"', '"name": "李", "kind"')),
        "duplicate-key",
    ),
    Bad("NaN", as_json(a_donation(amount_fen=float("nan"))), "malformed-json"),
    Bad("Infinity", as_json(a_donation(amount_fen=float("inf"))), "malformed-json"),
    Bad("5,000 digits", _text(lambda text: text.replace("10000", "9" * 5_000)), "malformed-json"),
    Bad("truncated", as_json(a_donation())[:-1], "malformed-json"),
    Bad("trailing garbage", as_json(a_donation()) + b"}", "malformed-json"),
    Bad("a byte order mark", b"\xef\xbb\xbf" + as_json(a_donation()), "malformed-json"),
    Bad("UTF-16", as_json(a_donation()).decode().encode("utf-16"), "malformed-json"),
    Bad("GBK", as_json(a_donation()).decode().encode("gbk"), "malformed-json"),
    Bad("bytes", bytes(range(256)), "malformed-json"),
    Bad("an array", b"[]", "malformed-json"),
    Bad("null alone", b"null", "malformed-json"),
    Bad("deep", b"[" * 8_000 + b"]" * 8_000, "malformed-json"),
    Bad("empty", b"", "malformed-json"),
    Bad("one byte too large", as_json(a_donation()).ljust(MAX_BODY_BYTES + 1), "too-large"),
]
