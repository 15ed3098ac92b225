"""Alibaba Cloud's signature ACS3-HMAC-SHA256 (V3) of an RPC call whose parameters stand in the query.

https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

ALGORITHM: Final = "ACS3-HMAC-SHA256"
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


def canonical_query(parameters: Mapping[str, str]) -> str:
    """The query as it is signed and sent: by name, everything but RFC 3986's unreserved percent-encoded."""
    return "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parameters.items())
    )


def signed_headers(
    *,
    host: str,
    action: str,
    version: str,
    query: str,
    key_id: str,
    key_secret: str,
    date: str,
    nonce: str,
) -> dict[str, str]:
    """The headers of a POST to "/" without a body. `date` like 2023-10-26T10:22:32Z, at most 15 minutes old;
    `nonce` new each time; `query` from canonical_query.
    """
    headers = {
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": _EMPTY,
        "x-acs-date": date,
        "x-acs-signature-nonce": nonce,
        "x-acs-version": version,
    }
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    request = f"POST\n/\n{query}\n{lines}\n{names}\n{_EMPTY}"
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(key_secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        **headers,
        "authorization": f"{ALGORITHM} Credential={key_id},SignedHeaders={names},Signature={signature}",
    }
