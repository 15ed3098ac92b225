"""What companies post about short messages: who may, how it is read, what they want to hear."""

import hmac
import json
from typing import Any, Final, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.responses import Response

from services.notification.settings import Settings
from shared.problems import Problem

BODY_MAX_BYTES: Final = 64 * 1024
ITEMS_MAX: Final = 500
"""What is read of one call; what is behind it is passed over."""

SmsProvider = Literal["aliyun", "tencent"]
_TAKEN: Final[dict[SmsProvider, dict[str, Any]]] = {
    "aliyun": {"code": 0, "msg": "OK"},
    "tencent": {"result": 0, "errmsg": "OK"},
}


async def posted(request: Request, settings: Settings, secret: str) -> list[dict[str, Any]]:
    """The JSON objects that a company has posted to the address with the secret (SMS_REPLY_SECRET). 404 with
    another one, 400 and 413 for what can't be read.
    """
    expected = settings.sms_reply_secret.get_secret_value() if settings.sms_reply_secret else ""
    if not expected or not hmac.compare_digest(secret.encode(), expected.encode()):
        raise Problem(404, "not-found", "There is nothing at this address.")
    return objects_in(await _json(request))


def objects_in(said: Any) -> list[dict[str, Any]]:
    """The objects of a list, or the one that came alone; what is none is passed over."""
    items = said if isinstance(said, list) else [said]
    return [each for each in items[:ITEMS_MAX] if isinstance(each, dict)]


def taken(provider: SmsProvider) -> Response:
    """What a company wants to hear; without it, it posts the same again."""
    return JSONResponse(_TAKEN[provider])


async def _json(request: Request) -> Any:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX_BYTES:
            raise Problem(413, "body-too-large", f"Send at most {BODY_MAX_BYTES} bytes.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(400, "malformed-json", "The body is not JSON.") from None
