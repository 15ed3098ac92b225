"""Many donations in one signed request: each is judged by itself, and all that count are with the broker
before the answer.

`{"donations": [...]}`, 1 … 1,000 of them in at most 4 MiB, signed as a whole. The answer is 200 with an item
for each, in their order: `accepted` with its donation_id, `refused` with its problem (mend it; nothing was
booked), or `again` (not confirmed or too busy: send the same transaction_id again). The whole request is
refused only when nothing in it can be told apart: not signed, not JSON, not of this form, over the limit.
"""

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final, NoReturn
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from services.donation.accepting import Acceptance, let_in, retry_after
from services.donation.channels.directory import Channel, Directory
from services.donation.channels.signed import signed_by
from services.donation.intake import DonationRequest, Unusable, message_of
from shared.bodies import bounded_body
from shared.problems import Problem

MAX_BATCH: Final = 1_000
MAX_BATCH_BYTES: Final = 4 << 20
BATCH_BODY_S: Final = 30
"""A body of 4 MiB comes in this time over 1.2 Mbit/s."""
MAX_BATCHES: Final = 16
"""Batches that one process has in memory at once: 64 MiB."""
MAX_DEPTH: Final = 8
AT_ONCE: Final = 100
"""Items judged before other requests have their turn: about a millisecond."""
_KINDS: Final[dict[object, Any]] = {"donation": DonationRequest}


class _Twice(dict[str, Any]):
    """An object in which a key stands twice: whatever item it is part of can't be understood."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else _Twice(members)


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_json: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


class BatchTaker:
    """Takes batches of signed donations."""

    def __init__(self, directory: Directory, acceptance: Acceptance) -> None:
        self._directory = directory
        self._acceptance = acceptance
        self._under_way = 0

    async def take(self, request: Request, channel: Channel) -> Response:
        """Answer one batch. Raises Problem for the request as a whole."""
        if self._under_way >= MAX_BATCHES:
            raise Problem(503, "busy", "Too many batches at once.", headers=retry_after(1))
        self._under_way += 1
        try:
            return await self._take(request, channel)
        finally:
            self._under_way -= 1

    async def _take(self, request: Request, channel: Channel) -> Response:
        _check_form(request)
        body = await bounded_body(request, MAX_BATCH_BYTES, within_s=BATCH_BODY_S)
        channel, webhook_id = await signed_by(self._directory, channel, request.headers, body)
        items = await asyncio.to_thread(items_of, body)
        let_in(channel, len(items))
        digest = hashlib.blake2b(body, digest_size=16).digest()
        self._acceptance.check_message_id(channel, webhook_id, digest)
        answers = await self._each(channel, items)
        self._acceptance.note_message_id(channel, webhook_id, digest)
        counted = [answer["status"] for answer in answers]
        said = {status: counted.count(status) for status in ("accepted", "refused", "again")}
        return JSONResponse({**said, "items": answers})

    async def _each(self, channel: Channel, items: list[Any]) -> list[dict[str, Any]]:
        """Judge one after the other, publish what is new of it together."""
        now = datetime.now(UTC)
        taken: dict[str, tuple[DonationRequest, asyncio.Task[UUID]]] = {}
        answers: list[dict[str, Any] | asyncio.Task[UUID]] = []
        for index, item in enumerate(items):
            if index % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            try:
                message = read_item(item, now)
                before = taken.get(message.transaction_id)
                if before is None:
                    task = asyncio.create_task(self._accept(channel, message))
                    taken[message.transaction_id] = message, task
                elif before[0] == message:
                    task = before[1]
                else:
                    detail = "transaction_id: stands twice in this batch, with other content."
                    raise Problem(409, "conflict", detail)
                answers.append(task)
            except Problem as problem:
                answers.append(_refused(problem))
        if taken:
            await asyncio.wait([task for _, task in taken.values()])
        return [
            {"index": index, "transaction_id": _named(item)} | (_told(answer))
            for index, (item, answer) in enumerate(zip(items, answers, strict=True))
        ]

    async def _accept(self, channel: Channel, message: DonationRequest) -> UUID:
        return (await self._acceptance.take(channel, message)).subject


def items_of(body: bytes) -> list[Any]:
    """The items of a batch, unjudged. Raises Problem when the body is not a batch."""
    try:
        members = _json.decode(body.decode())
    except (ValueError, RecursionError):
        raise Problem(400, "malformed-json", "The body is not JSON in UTF-8.") from None
    items = members.get("donations") if isinstance(members, dict) else None
    if not isinstance(items, list) or isinstance(members, _Twice) or len(members) != 1:
        raise _malformed('Send {"donations": [...]} and nothing else.')
    if not 1 <= len(items) <= MAX_BATCH:
        raise _malformed(f"Send 1 to {MAX_BATCH} donations at once.")
    return items


def read_item(item: Any, now: datetime) -> DonationRequest:
    """Check one item as if it had come alone. Raises Problem."""
    if not isinstance(item, dict):
        raise Problem(422, "malformed-json", "The item is not a JSON object.")
    _check_shape(item, MAX_DEPTH)
    try:
        message = message_of(item, now, _KINDS)
    except Unusable as error:
        extra: dict[str, Any] = {"errors": list(error.errors)} if error.errors else {}
        raise Problem(422, error.code, error.detail, **extra) from None
    assert isinstance(message, DonationRequest)
    return message


def _check_shape(value: Any, depth: int) -> None:
    if isinstance(value, _Twice):
        raise Problem(422, "duplicate-key", "A key stands twice in one object.")
    if isinstance(value, dict | list):
        if depth == 0:
            raise Problem(422, "malformed-json", "The item is nested too deeply.")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_shape(inner, depth - 1)


def _check_form(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "not-json", "Send Content-Type: application/json.")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BATCH_BYTES:
        raise Problem(413, "too-large", f"The body has more than {MAX_BATCH_BYTES} bytes.")


def _malformed(detail: str) -> Problem:
    errors = [{"field": "donations", "message": detail}]
    return Problem(422, "invalid-field", f"donations: {detail}", errors=errors)


def _named(item: Any) -> str | None:
    """The item's own id, where it has one that could be one."""
    found = item.get("transaction_id") if isinstance(item, dict) else None
    return found if isinstance(found, str) and len(found) <= 64 and found.isprintable() else None


def _told(answer: "dict[str, Any] | asyncio.Task[UUID]") -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    error = answer.exception()
    if error is None:
        return {"status": "accepted", "donation_id": str(answer.result())}
    if isinstance(error, Problem):
        return _refused(error)
    raise error


def _refused(problem: Problem) -> dict[str, Any]:
    document = {"type": problem.type, "title": problem.title, "status": problem.status}
    document |= {"detail": problem.detail, **problem.members}
    return {"status": "again" if problem.status in {429, 503} else "refused", "problem": document}
