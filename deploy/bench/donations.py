"""What the benchmarks send: made donations, of which number n is always the same."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_NAMES: Final = ("王伟", "李芳", "张秀英", "刘洋", "陈静", "杨勇", "苏州太湖实业有限公司", "Ann Lee")
_STEP: Final = 7_919
_SPAN: Final = 100_000


@dataclass(frozen=True, slots=True)
class Series:
    """Donations of one run to one campaign: `run` begins their transaction_ids."""

    run: str
    campaign_id: str
    occurred_at: datetime

    @classmethod
    def of(cls, run: str, campaign_id: str) -> "Series":
        """A series that is given now."""
        return cls(run, campaign_id, datetime.now(UTC))

    def transaction_id(self, number: int) -> str:
        """The business key of donation `number`."""
        return f"{self.run}-{number:09d}"

    @staticmethod
    def amount_fen(number: int) -> int:
        """Its amount: 1.00 to 1,000.99 yuan."""
        return 100 + number * _STEP % _SPAN

    def total_fen(self, count: int) -> int:
        """What donations 0 … count-1 make together."""
        return sum(self.amount_fen(number) for number in range(count))

    @staticmethod
    def donor(number: int) -> dict[str, str]:
        """Who gives it, as a channel says so."""
        name = _NAMES[number % len(_NAMES)]
        shown = ("name", "name", "alias", "anonymous")[number % 4]
        donor = {"kind": "company" if name.endswith("公司") else "person", "display": shown, "name": name}
        if shown == "alias":
            donor["alias"] = f"爱心{number % 100}"
        return donor

    def body(self, number: int) -> bytes:
        """The JSON that a channel sends of it (about 300 bytes)."""
        return json.dumps(
            {
                "transaction_id": self.transaction_id(number),
                "campaign_id": self.campaign_id,
                "amount_fen": self.amount_fen(number),
                "currency": "CNY",
                "occurred_at": self.occurred_at.isoformat(),
                "donor": self.donor(number),
                "message": "愿人人有爱" if number % 3 == 0 else None,
            },
            ensure_ascii=False,
        ).encode()

    def records(self, count: int, first: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of donations `first` … as they lie on an intake topic."""
        return ((self.transaction_id(n).encode(), self.body(n)) for n in range(first, first + count))


def request_of(body: bytes, *, path: str, host: str, key: bytes, message_id: str, at: datetime) -> bytes:
    """A whole signed HTTP/1.1 request (Standard Webhooks 1.0.0), ready to be written to a socket."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode(), seconds.encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nwebhook-id: {message_id}\r\nwebhook-timestamp: {seconds}\r\n"
        f"webhook-signature: v1,{signature}\r\n\r\n"
    )
    return head.encode() + body


def signed_requests(series: Series, count: int, channel: str, key: bytes) -> list[bytes]:
    """The requests that send the first `count` donations of a series; good for five minutes."""
    now = datetime.now(UTC)
    return [
        request_of(
            series.body(number),
            path=f"/v1/channels/{channel}/donations",
            host="127.0.0.1",
            key=key,
            message_id=series.transaction_id(number),
            at=now,
        )
        for number in range(count)
    ]
