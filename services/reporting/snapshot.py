"""GET /v1/campaigns/{campaign_id}/totals as a bare ASGI application.

A CDN in front of millions asks it once a second from each of its nodes. Body, headers and ETag are made once
a state, however many ask (measured with `shanliu bench snapshot`, see docs/decisions/0030-screens-on-air.md:
the framework around the same bytes took most of the time).
"""

import hashlib
from typing import Final, NamedTuple

from starlette.types import Message, Receive, Scope, Send

from services.reporting.hub import Hub
from services.reporting.schemas import Totals
from services.reporting.stream import unknown_campaign
from services.reporting.totals import CampaignState

FRESH_FOR_A_SECOND: Final = b"public, max-age=1"


class _Rendered(NamedTuple):
    """A state as it is answered."""

    state: CampaignState
    etag: bytes
    whole: tuple[Message, Message]
    unchanged: tuple[Message, Message]


class SnapshotEndpoint:
    """The ASGI application of the route; GET and HEAD."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._rendered: dict[str, _Rendered] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The number now; 304 to its ETag; 404: the campaign is unknown."""
        campaign_id = scope["path_params"]["campaign_id"]
        state = self._hub.state(campaign_id)
        if state is None:
            await unknown_campaign(campaign_id).to_response()(scope, receive, send)
            return
        found = self._rendered.get(campaign_id)
        if found is None or found.state is not state:
            found = self._rendered[campaign_id] = _rendered(state)
        for message in found.unchanged if _knows(scope, found.etag) else found.whole:
            await send(message)


def _knows(scope: Scope, etag: bytes) -> bool:
    """Whether If-None-Match names this ETag (weak comparison, RFC 9110 section 13.1.2)."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            named = {each.strip().removeprefix(b"W/") for each in value.split(b",")}
            return etag in named or b"*" in named
    return False


def _rendered(state: CampaignState) -> _Rendered:
    body = Totals.of(state).model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"cache-control", FRESH_FOR_A_SECOND),
        (b"etag", etag),
    ]
    described = [*headers, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    return _Rendered(
        state,
        etag,
        (_start(200, described), {"type": "http.response.body", "body": body}),
        (_start(304, headers), {"type": "http.response.body", "body": b""}),
    )


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}
