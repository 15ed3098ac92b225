"""Reports one donation over HTTP with httpx, signed with the Standard Webhooks library.

pip install httpx standardwebhooks
SHANLIU_URL, SHANLIU_CHANNEL, SHANLIU_SECRET: from the registration
usage: donate_http.py TRANSACTION_ID CAMPAIGN_ID AMOUNT_FEN OCCURRED_AT

The same arguments make the same body, byte for byte: run it again with the same when it was not confirmed.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

import httpx
from standardwebhooks import Webhook

TRIES = 6


def donation(transaction_id: str, campaign_id: str, amount_fen: int, occurred_at: str) -> dict[str, Any]:
    """The message. `occurred_at` is when the donor paid, as 2027-01-01T20:15:00+08:00."""
    return {
        "transaction_id": transaction_id,
        "campaign_id": campaign_id,
        "amount_fen": amount_fen,
        "currency": "CNY",
        "occurred_at": occurred_at,
        "donor": {"kind": "person", "display": "alias", "name": "王小明", "alias": "爱心人士"},
    }


def send(client: httpx.Client, path: str, message_id: str, message: dict[str, Any]) -> dict[str, Any]:
    """Send until it is safe. A try in doubt is sent again: the same transaction_id counts once."""
    body = json.dumps(message, ensure_ascii=False)
    webhook = Webhook(os.environ["SHANLIU_SECRET"])
    for attempt in range(TRIES):
        now = datetime.now(UTC)  # each try is signed anew: a signature is good for five minutes
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": webhook.sign(message_id, now, body),
        }
        pause_s = 2.0**attempt
        try:
            answer = client.post(path, content=body.encode(), headers=headers)
        except httpx.TransportError as error:
            print(f"no answer ({error!r}), again in {pause_s} s", file=sys.stderr)
        else:
            if answer.status_code == 202:
                return dict(answer.json())
            if answer.status_code not in {429, 503}:
                raise SystemExit(f"refused, a person has to look: {answer.text}")
            pause_s = float(answer.headers.get("retry-after", pause_s))
        time.sleep(pause_s)
    raise SystemExit("not confirmed: keep what you have said, and say the same later")


def main() -> None:
    """Send the donation that the command line names."""
    transaction_id, campaign_id, amount_fen, occurred_at = sys.argv[1:]
    message = donation(transaction_id, campaign_id, int(amount_fen), occurred_at)
    with httpx.Client(base_url=os.environ["SHANLIU_URL"], timeout=10) as client:
        path = f"/v1/channels/{os.environ['SHANLIU_CHANNEL']}/donations"
        print(json.dumps(send(client, path, f"msg_{transaction_id}", message)))


if __name__ == "__main__":
    main()
