"""Donations and reversals by HTTP from signed channels: 202 only when the broker has them.

The routes are plain Starlette routes ahead of FastAPI: they are the hot path, and FastAPI's own take
three times as long (docs/decisions/0005-libraries.md).
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeAlias

from fastapi import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.donation.accepting import Acceptance, let_in
from services.donation.batches import BatchTaker
from services.donation.channels.directory import Channel, Directory
from services.donation.channels.signed import signed_by
from services.donation.cloud_events import JSON_EVENT, http_headers, read_message
from services.donation.intake import MAX_BODY_BYTES, DonationRequest, ReversalRequest, Unusable
from services.donation.metrics import REQUEST_SECONDS, REQUESTS
from shared.bodies import bounded_body
from shared.broker import Headers
from shared.problems import Problem

Kind: TypeAlias = type[DonationRequest] | type[ReversalRequest]
Take: TypeAlias = Callable[[Request, Channel], Awaitable[Response]]
NOT_REGISTERED: Final = "No such channel. Ask the federation to register it."

_STATUS_OF: Final = {"too-large": 413, "malformed-json": 400}


class IntakeApi:
    """Takes signed messages of channels: 202 only when the broker has them (acks=all)."""

    def __init__(self, directory: Directory, acceptance: Acceptance) -> None:
        self._directory = directory
        self._acceptance = acceptance
        self._batches = BatchTaker(directory, acceptance)

    def routes(self) -> list[Route]:
        """The intake routes, to stand ahead of the application's own."""
        return [
            self._route("donations", partial(self._take, kind=DonationRequest)),
            self._route("reversals", partial(self._take, kind=ReversalRequest)),
            self._route("donations/batch", self._batches.take),
        ]

    def _route(self, path: str, take: Take) -> Route:
        return Route(f"/v1/channels/{{channel}}/{path}", self._answering(take), methods=["POST"])

    def _answering(self, take: Take) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            started_s = time.perf_counter()
            name = request.path_params["channel"]
            channel = await self._directory.find(name)
            try:
                if channel is None:
                    raise Problem(404, "unknown-channel", NOT_REGISTERED)
                response = await take(request, channel)
            except Problem as problem:
                response = problem.to_response()
            REQUEST_SECONDS.observe(time.perf_counter() - started_s)
            REQUESTS.labels(channel.name if channel else "unknown", response.status_code).inc()
            return response

        return answer

    async def _take(self, request: Request, channel: Channel, kind: Kind) -> Response:
        _check_form(request)
        body = await bounded_body(request, MAX_BODY_BYTES)
        channel, webhook_id = await signed_by(self._directory, channel, request, body)
        let_in(channel)
        headers = http_headers(request.headers.raw)
        message = _parsed(body, kind, headers)
        # A reversal is written with its type, which HTTP may leave out; a CloudEvent without its envelope.
        value = body if kind is DonationRequest and not headers and b"specversion" not in body else None
        accepted = await self._acceptance.take(channel, message, value=value, message_id=webhook_id)
        return JSONResponse({accepted.id_name: str(accepted.subject), "status": "accepted"}, 202)


def _check_form(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", JSON_EVENT}:
        raise Problem(415, "not-json", f"Send Content-Type: application/json, or {JSON_EVENT}.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise Problem(413, "too-large", f"The body has more than {MAX_BODY_BYTES} bytes.")


def _parsed(body: bytes, kind: Kind, headers: Headers) -> DonationRequest | ReversalRequest:
    name = kind.model_fields["type"].default
    try:
        return read_message(  # type: ignore[return-value]
            body, datetime.now(UTC), {name: kind}, headers=headers, unnamed=name
        )
    except Unusable as error:
        extra: dict[str, Any] = {"errors": list(error.errors)} if error.errors else {}
        raise Problem(_STATUS_OF.get(error.code, 422), error.code, error.detail, **extra) from None
