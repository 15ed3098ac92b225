"""Tencent Cloud's signature TC3-HMAC-SHA256 (v3) of a POST with a JSON body.

https://cloud.tencent.com/document/api/213/30654
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

ALGORITHM: Final = "TC3-HMAC-SHA256"
CONTENT_TYPE: Final = "application/json; charset=utf-8"
_SIGNED: Final = "content-type;host;x-tc-action"


@dataclass(frozen=True, slots=True)
class Call:
    """What is called."""

    service: str
    action: str
    version: str
    region: str


def signed_headers(
    call: Call, *, host: str, body: bytes, secret_id: str, secret_key: str, timestamp: int
) -> dict[str, str]:
    """The headers of the call. `timestamp` in seconds since 1970, at most five minutes off."""
    day = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    lines = f"content-type:{CONTENT_TYPE}\nhost:{host}\nx-tc-action:{call.action.lower()}\n"
    request = "\n".join(("POST", "/", "", lines, _SIGNED, hashlib.sha256(body).hexdigest()))
    scope = f"{day}/{call.service}/tc3_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    to_sign = "\n".join((ALGORITHM, str(timestamp), scope, digest))
    key = f"TC3{secret_key}".encode()
    for part in (day, call.service, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "host": host,
        "content-type": CONTENT_TYPE,
        "x-tc-action": call.action,
        "x-tc-version": call.version,
        "x-tc-region": call.region,
        "x-tc-timestamp": str(timestamp),
        "authorization": (
            f"{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={_SIGNED}, Signature={signature}"
        ),
    }
