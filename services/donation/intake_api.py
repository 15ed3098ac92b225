"""Donations and reversals by HTTP from signed channels: 202 only when the broker has them.

The two routes are plain Starlette routes ahead of FastAPI: they are the hot path, and FastAPI's own take
three times as long (docs/decisions/0005-libraries.md).
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.donation.channels import Channel, Directory
from services.donation.intake import (
    MAX_BODY_BYTES,
    DonationRequest,
    Message,
    ReversalRequest,
    Unusable,
    donation_id_of,
    parse,
    reversal_id_of,
)
from services.donation.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS
from services.donation.signatures import NotSigned, verify
from shared.broker import INTAKE_PREFIX, PublishFailed
from shared.gathering import Gatherer
from shared.problems import Problem

REMEMBERED: Final = 100_000
"""How many recent requests a process remembers to answer a conflict at once: 55 MB (measured), which at 2,000
requests a second is the last 50 s."""
BODY_S: Final = 10
"""A body that has not come by then is not waited for."""
_STATUS_OF: Final = {"too-large": 413, "malformed-json": 400}


class Recent:
    """The last things seen, oldest forgotten first: key → digest of the content."""

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._seen: OrderedDict[object, bytes] = OrderedDict()

    def differs(self, key: object, digest: bytes) -> bool:
        """Whether another content is known under this key."""
        known = self._seen.get(key)
        return known is not None and known != digest

    def note(self, key: object, digest: bytes) -> None:
        """Remember a content."""
        self._seen[key] = digest
        self._seen.move_to_end(key)
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)

    def __contains__(self, key: object) -> bool:
        return key in self._seen


class IntakeApi:
    """Takes signed messages of channels: 202 only when the broker has them (acks=all)."""

    def __init__(self, directory: Directory, gatherer: Gatherer, max_in_flight: int) -> None:
        self._directory = directory
        self._gatherer = gatherer
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._webhooks = Recent()
        self._accepted = Recent()

    def routes(self) -> list[Route]:
        """The intake routes, to stand ahead of the application's own."""
        return [
            Route("/v1/channels/{channel}/donations", self._answering(DonationRequest), methods=["POST"]),
            Route("/v1/channels/{channel}/reversals", self._answering(ReversalRequest), methods=["POST"]),
        ]

    def has_accepted(self, donation_id: UUID) -> bool:
        """Whether this process has taken that donation lately."""
        return _key("donation_id", donation_id) in self._accepted

    def _answering(self, kind: type[Message]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            started_s = time.perf_counter()
            name = request.path_params["channel"]
            channel = await self._directory.find(name)
            try:
                response: Response = await self._take(request, channel, kind)
            except Problem as problem:
                response = problem.to_response()
            REQUEST_SECONDS.observe(time.perf_counter() - started_s)
            REQUESTS.labels(channel.name if channel else "unknown", response.status_code).inc()
            return response

        return answer

    async def _take(self, request: Request, channel: Channel | None, kind: type[Message]) -> Response:
        if channel is None:
            raise Problem(404, "unknown-channel", "No such channel. Ask the federation to register it.")
        _check_form(request)
        body = await _bounded_body(request)
        webhook_id = _signed_by(channel, request, body)
        if channel.paused:
            raise Problem(503, "channel-paused", "This channel is paused; send it later.", headers=_retry(30))
        if not channel.bucket.take():
            raise Problem(429, "too-many", "More than this channel's limit; slow down.", headers=_retry(1))
        message = _parsed(body, kind)
        return await self._publish(channel, webhook_id, message, body)

    async def _publish(self, channel: Channel, webhook_id: str, message: Message, body: bytes) -> Response:
        id_name, subject, value = _addressed(channel.name, message, body)
        digest = _digest(message)
        webhook, accepted = f"{channel.name}\n{webhook_id}", _key(id_name, subject)
        if self._webhooks.differs(webhook, digest):
            detail = "This webhook-id came before with another content; each message needs its own."
            raise Problem(409, "webhook-id-reused", detail)
        if self._accepted.differs(accepted, digest):
            own = "transaction_id" if isinstance(message, DonationRequest) else "reversal_id"
            detail = f"This {own} came before with other content. Nothing was booked for this one."
            known: dict[str, Any] = {id_name: str(subject)}
            raise Problem(409, "conflict", detail, **known)
        if self._in_flight >= self._max_in_flight:
            raise Problem(503, "busy", "Too many donations wait for the broker.", headers=_retry(1))
        self._in_flight += 1
        IN_FLIGHT.set(self._in_flight)
        try:
            key = message.transaction_id.encode()  # type: ignore[union-attr]
            await self._gatherer.send(INTAKE_PREFIX + channel.name, value, key)
        except PublishFailed:
            detail = "The broker did not confirm. It may have arrived: send the same transaction_id again."
            raise Problem(503, "not-confirmed", detail, headers=_retry(2)) from None
        finally:
            self._in_flight -= 1
            IN_FLIGHT.set(self._in_flight)
        self._webhooks.note(webhook, digest)
        self._accepted.note(accepted, digest)
        return JSONResponse({id_name: str(subject), "status": "accepted"}, 202)


def _check_form(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "not-json", "Send Content-Type: application/json.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise Problem(413, "too-large", f"The body has more than {MAX_BODY_BYTES} bytes.")


async def _bounded_body(request: Request) -> bytes:
    """The body, never more of it than the limit in memory; 408 when it takes longer than BODY_S to come."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise Problem(413, "too-large", f"The body has more than {MAX_BODY_BYTES} bytes.")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "too-slow", f"The body did not arrive within {BODY_S} seconds.") from None
    except ClientDisconnect:
        raise Problem(400, "hung-up", "The connection was closed before the body had come.") from None
    return b"".join(chunks)


def _signed_by(channel: Channel, request: Request, body: bytes) -> str:
    try:
        return verify(channel.key, request.headers, body, time.time())
    except NotSigned as error:
        raise Problem(401, error.code, error.detail) from None


def _parsed(body: bytes, kind: type[Message]) -> Message:
    name = kind.model_fields["type"].default
    try:
        return parse(body, datetime.now(UTC), {name: kind}, name)
    except Unusable as error:
        extra: dict[str, Any] = {"errors": list(error.errors)} if error.errors else {}
        raise Problem(_STATUS_OF.get(error.code, 422), error.code, error.detail, **extra) from None


def _addressed(channel: str, message: Message, body: bytes) -> tuple[str, UUID, bytes]:
    """(the name of the id in the answer, the id, the record's value)."""
    if isinstance(message, ReversalRequest):
        value = message.model_dump_json(exclude_none=True).encode()  # with its type, which HTTP may leave out
        return "reversal_id", reversal_id_of(channel, message.reversal_id), value
    assert isinstance(message, DonationRequest)
    return "donation_id", donation_id_of(channel, message.transaction_id), body


def _key(id_name: str, subject: UUID) -> bytes:
    """What an id is remembered under: 17 bytes, where the id itself would take 200."""
    return id_name[:1].encode() + subject.bytes


def _digest(message: Message) -> bytes:
    """What two messages of the same content share, however they were written."""
    return hashlib.blake2b(message.__pydantic_serializer__.to_json(message), digest_size=16).digest()


def _retry(after_s: int) -> dict[str, str]:
    return {"Retry-After": str(after_s)}
