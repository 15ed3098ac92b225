"""Donations and reversals by HTTP from signed channels: 202 only when the broker has them.

The routes are plain Starlette routes ahead of FastAPI: they are the hot path, and FastAPI's own take
three times as long (docs/decisions/0005-libraries.md). What a request costs here is counted in microseconds
(docs/decisions/0025-channel-registry.md): headers are read once, and the answer is written as bytes.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from fastapi import Request
from prometheus_client import Counter
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from services.donation.accepting import Acceptance, let_in
from services.donation.batches import BatchTaker
from services.donation.channels.directory import Channel, Directory
from services.donation.channels.signed import signed_by
from services.donation.cloud_events import JSON_EVENT, http_headers, read_message
from services.donation.intake import MAX_BODY_BYTES, DonationRequest, ReversalRequest, Unusable
from services.donation.metrics import REQUEST_SECONDS, REQUESTS
from shared import tracing
from shared.bodies import bounded_body
from shared.broker import Headers
from shared.problems import Problem

Kind: TypeAlias = type[DonationRequest] | type[ReversalRequest]
Take: TypeAlias = Callable[[Request, Channel], Awaitable[Response]]
NOT_REGISTERED: Final = "No such channel. Ask the federation to register it."

_READ: Final[dict[Kind, tuple[str, dict[object, Kind]]]] = {
    DonationRequest: ("donation", {"donation": DonationRequest}),
    ReversalRequest: ("reversal", {"reversal": ReversalRequest}),
}
"""What a body without `type` is, and what it may be."""
_STATUS_OF: Final = {"too-large": 413, "malformed-json": 400}


class _Endpoint:
    """A route's application. Starlette wraps a function once more, and looks for its exceptions twice."""

    def __init__(self, path: str, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._path = path
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        response = await (self._traced(request) if tracing.is_on() else self._answer(request))
        await response(scope, receive, send)

    async def _traced(self, request: Request) -> Response:
        with tracing.request("POST", self._path, request.scope["headers"]):
            response = await self._answer(request)
            tracing.note("http.response.status_code", response.status_code)
        return response


class IntakeApi:
    """Takes signed messages of channels: 202 only when the broker has them (acks=all)."""

    def __init__(self, directory: Directory, acceptance: Acceptance) -> None:
        self._directory = directory
        self._acceptance = acceptance
        self._batches = BatchTaker(directory, acceptance)
        self._counters: dict[tuple[str, int], Counter] = {}

    def routes(self) -> list[Route]:
        """The intake routes, to stand ahead of the application's own."""
        return [
            self._route("donations", partial(self._take, kind=DonationRequest)),
            self._route("reversals", partial(self._take, kind=ReversalRequest)),
            self._route("donations/batch", self._batches.take),
        ]

    def _route(self, path: str, take: Take) -> Route:
        whole = f"/v1/channels/{{channel}}/{path}"
        return Route(whole, _Endpoint(whole, partial(self._answer, take)), methods=["POST"])

    async def _answer(self, take: Take, request: Request) -> Response:
        started_s = time.perf_counter()
        channel = await self._directory.find(request.path_params["channel"])
        try:
            if channel is None:
                raise Problem(404, "unknown-channel", NOT_REGISTERED)
            response = await take(request, channel)
        except Problem as problem:
            response = problem.to_response()
        REQUEST_SECONDS.observe(time.perf_counter() - started_s)
        self._count(channel.name if channel else "unknown", response.status_code)
        return response

    def _count(self, channel: str, status: int) -> None:
        counter = self._counters.get((channel, status))
        if counter is None:
            counter = self._counters[channel, status] = REQUESTS.labels(channel, status)
        counter.inc()

    async def _take(self, request: Request, channel: Channel, kind: Kind) -> Response:
        raw = request.scope["headers"]
        headers = _first_of_each(raw)
        _check_form(headers)
        body = await bounded_body(request, MAX_BODY_BYTES)
        channel, webhook_id = await signed_by(self._directory, channel, headers, body)
        let_in(channel)
        event = http_headers(raw)
        message = _parsed(body, kind, event)
        # A reversal is written with its type, which HTTP may leave out; a CloudEvent without its envelope.
        value = body if kind is DonationRequest and not event and b"specversion" not in body else None
        accepted = await self._acceptance.take(channel, message, value=value, message_id=webhook_id)
        tracing.note(f"shanliu.{accepted.id_name}", accepted.subject)
        said = f'{{"{accepted.id_name}":"{accepted.subject}","status":"accepted"}}'
        return Response(said.encode(), 202, media_type="application/json")


def _first_of_each(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name; of one that stands twice the first, as Starlette's own reading has it."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(raw)}


def _check_form(headers: Mapping[str, str]) -> None:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", JSON_EVENT}:
        raise Problem(415, "not-json", f"Send Content-Type: application/json, or {JSON_EVENT}.")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise Problem(413, "too-large", f"The body has more than {MAX_BODY_BYTES} bytes.")


def _parsed(body: bytes, kind: Kind, headers: Headers) -> DonationRequest | ReversalRequest:
    unnamed, kinds = _READ[kind]
    try:
        return read_message(body, datetime.now(UTC), kinds, headers=headers, unnamed=unnamed)  # type: ignore[return-value,arg-type]
    except Unusable as error:
        extra: dict[str, Any] = {"errors": list(error.errors)} if error.errors else {}
        raise Problem(_STATUS_OF.get(error.code, 422), error.code, error.detail, **extra) from None
