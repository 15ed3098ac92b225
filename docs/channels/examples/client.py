"""A client of the partner API: signs, sends, and sends again until it is safe.

pip install httpx standardwebhooks
SHANLIU_URL, SHANLIU_CHANNEL, SHANLIU_SECRET: from the registration
usage: client.py donate < donation.json      one donation
       client.py batch < donations.jsonl     many, one a line, 1,000 in a request
       client.py reverse < reversal.json     a refund or a chargeback
       client.py status TRANSACTION_ID       where a donation stands
"""

import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

TRIES = 8
LONGEST_S = 30.0
BATCH = 1_000


class Refused(Exception):
    """It is wrong, and the problem document says what. Sending it again changes nothing."""


class NotConfirmed(Exception):
    """In doubt after all tries: keep it, and send the same later."""


class Client:
    """One channel at one address. `secret` begins with whsec_."""

    def __init__(self, url: str, channel: str, secret: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/v1/channels/{channel}", timeout=30)
        self._webhook = Webhook(secret)

    def donate(self, donation: dict[str, Any]) -> str:
        """Report a donation; its donation_id. Raises Refused or NotConfirmed."""
        answer = self._send("POST", "/donations", f"msg_{donation['transaction_id']}", donation)
        return str(answer["donation_id"])

    def reverse(self, reversal: dict[str, Any]) -> str:
        """Report money that went back; its reversal_id. Raises Refused or NotConfirmed."""
        answer = self._send("POST", "/reversals", f"msg_{reversal['reversal_id']}", reversal)
        return str(answer["reversal_id"])

    def donate_many(self, donations: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Report many; an item for each, `accepted` or `refused`. Raises NotConfirmed."""
        for start in range(0, len(donations), BATCH):
            yield from self._batch(donations[start : start + BATCH])

    def status(self, transaction_id: str) -> dict[str, Any]:
        """Where a donation stands. Raises Refused when it is not known."""
        return self._send("GET", f"/donations/{transaction_id}", f"ask_{uuid.uuid4().hex}", None)

    def _batch(self, donations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What has to be sent again goes in a batch of its own, which is another message with another id."""
        answers: dict[int, dict[str, Any]] = {}
        left = list(range(len(donations)))
        for attempt in range(TRIES):
            body = {"donations": [donations[number] for number in left]}
            answer = self._send("POST", "/donations/batch", f"msg_{uuid.uuid4().hex}", body)
            answers |= dict(zip(left, answer["items"], strict=True))
            left = [number for number in left if answers[number]["status"] == "again"]
            if not left:
                return [answers[number] for number in range(len(donations))]
            time.sleep(pause_s(attempt))
        raise NotConfirmed(f"{len(left)} of {len(donations)} donations")

    def _send(self, method: str, path: str, message_id: str, message: Any) -> dict[str, Any]:
        """Send until there is an answer that stands; each time the same body, signed anew."""
        body = "" if message is None else json.dumps(message, ensure_ascii=False)
        for attempt in range(TRIES):
            now = datetime.now(UTC)
            headers = {
                "content-type": "application/json",
                "webhook-id": message_id,
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": self._webhook.sign(message_id, now, body),
            }
            after_s = pause_s(attempt)
            try:
                answer = self._http.request(method, path, content=body.encode(), headers=headers)
            except httpx.TransportError as error:
                print(f"no answer ({error!r}), again in {after_s:.1f} s", file=sys.stderr)
            else:
                if answer.is_success:
                    return dict(answer.json())
                if answer.status_code != 429 and answer.status_code < 500:
                    raise Refused(answer.text)
                after_s = max(after_s, float(answer.headers.get("retry-after", 0)))
                print(f"{answer.status_code}, again in {after_s:.1f} s", file=sys.stderr)
            time.sleep(after_s)
        raise NotConfirmed(message_id)


def pause_s(attempt: int) -> float:
    """Longer each time, and not the same for everybody who was refused in the same moment."""
    return min(LONGEST_S, 0.5 * 2.0**attempt) * random.uniform(0.5, 1.0)


def main() -> None:
    """Do what the command line says; the answer is JSON, one line for each message."""
    client = Client(*(os.environ[name] for name in ("SHANLIU_URL", "SHANLIU_CHANNEL", "SHANLIU_SECRET")))
    command, *rest = sys.argv[1:]
    if command == "donate":
        print(client.donate(json.load(sys.stdin)))
    elif command == "reverse":
        print(client.reverse(json.load(sys.stdin)))
    elif command == "batch":
        for item in client.donate_many([json.loads(line) for line in sys.stdin]):
            print(json.dumps(item, ensure_ascii=False))
    elif command == "status":
        print(json.dumps(client.status(*rest), ensure_ascii=False))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
