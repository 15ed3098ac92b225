"""From a channel's proven message to the broker: what every way in by HTTP shares."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.donation.channels.directory import Channel
from services.donation.channels.sandbox import Sandbox
from services.donation.intake import DonationRequest, ReversalRequest, donation_id_of, reversal_id_of
from services.donation.metrics import IN_FLIGHT
from shared import tracing
from shared.broker import INTAKE_PREFIX, PublishFailed
from shared.gathering import Gatherer
from shared.problems import Problem

REMEMBERED: Final = 100_000
"""How many recent requests a process remembers to answer a conflict at once: 55 MB (measured), which at 2,000
requests a second is the last 50 s."""


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


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker has it. `id_name`: donation_id or reversal_id."""

    id_name: str
    subject: UUID


class Acceptance:
    """Puts messages of channels on their topics: it returns when the broker has them (acks=all). What a
    sandbox sends is kept beside, and goes to no topic.

    Raises Problem: 409 for another content under a known id, 422 for a campaign that a partner may not give
    to (of the other schemes the worker holds it: a payment company would report it for a day and then no
    more), 503 when too many wait or the broker does not confirm.
    """

    def __init__(self, gatherer: Gatherer, sandbox: Sandbox, max_in_flight: int) -> None:
        self._gatherer = gatherer
        self._sandbox = sandbox
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        IN_FLIGHT.set_function(lambda: self._in_flight)
        self._messages = Recent()
        self._accepted = Recent()

    def has_accepted(self, donation_id: UUID) -> bool:
        """Whether this process has taken that donation lately."""
        return _key("donation_id", donation_id) in self._accepted

    def has_accepted_reversal(self, reversal_id: UUID) -> bool:
        """The same for a reversal."""
        return _key("reversal_id", reversal_id) in self._accepted

    async def take(
        self,
        channel: Channel,
        message: DonationRequest | ReversalRequest,
        *,
        value: bytes | None = None,
        message_id: str | None = None,
        settled: bool = False,
    ) -> Accepted:
        """Publish a message. `value`: its JSON as it came, if it came so; `message_id`: the sender's own id
        of the request, under which nothing else may come; `settled`: the money has moved, so it goes on the
        topic whatever is known here against it, and booking writes down a conflict or holds it.
        """
        id_name, subject = _addressed(channel.name, message)
        digest = _digest(message)
        if message_id is not None:
            self.check_message_id(channel, message_id, digest)
        if not settled:
            self._check(channel, message, _key(id_name, subject), digest)
        if channel.sandbox:
            donation_id = donation_id_of(channel.name, message.transaction_id)
            await self._sandbox.keep(channel.name, message, subject, donation_id, digest)
        else:
            await self._publish(channel, message, value or _written(message))
        if message_id is not None:
            self.note_message_id(channel, message_id, digest)
        self._accepted.note(_key(id_name, subject), digest)
        return Accepted(id_name, subject)

    def check_message_id(self, channel: Channel, message_id: str, digest: bytes) -> None:
        """Raise Problem (409) when the sender's id of a request is known with another content."""
        if self._messages.differs(f"{channel.name}\n{message_id}", digest):
            detail = "This webhook-id came before with another content; each message needs its own."
            raise Problem(409, "webhook-id-reused", detail)

    def note_message_id(self, channel: Channel, message_id: str, digest: bytes) -> None:
        """Remember what came under a sender's id of a request."""
        self._messages.note(f"{channel.name}\n{message_id}", digest)

    def _check(
        self, channel: Channel, message: DonationRequest | ReversalRequest, key: bytes, digest: bytes
    ) -> None:
        if self._accepted.differs(key, digest):
            id_name, subject = _addressed(channel.name, message)
            own = "transaction_id" if isinstance(message, DonationRequest) else "reversal_id"
            detail = f"This {own} came before with other content. Nothing was booked for this one."
            known: dict[str, Any] = {id_name: str(subject)}
            raise Problem(409, "conflict", detail, **known)
        if (
            channel.scheme == "webhooks"
            and isinstance(message, DonationRequest)
            and not channel.may_give_to(message.campaign_id)
        ):
            detail = "campaign_id: this channel may not give to this campaign."
            raise Problem(422, "campaign-not-allowed", detail)

    async def _publish(
        self, channel: Channel, message: DonationRequest | ReversalRequest, value: bytes
    ) -> None:
        if self._in_flight >= self._max_in_flight:
            raise Problem(503, "busy", "Too many donations wait for the broker.", headers=retry_after(1))
        self._in_flight += 1
        try:
            topic, key = INTAKE_PREFIX + channel.name, message.transaction_id.encode()
            if not tracing.is_active():
                await self._gatherer.send(topic, value, key)
            else:
                with tracing.publishing(topic):
                    await self._gatherer.send(topic, value, key, tracing.headers())
        except PublishFailed:
            detail = "The broker did not confirm. It may have arrived: send the same transaction_id again."
            raise Problem(503, "not-confirmed", detail, headers=retry_after(2)) from None
        finally:
            self._in_flight -= 1


def let_in(channel: Channel, count: int = 1) -> None:
    """Raise Problem when the channel is paused (503) or over its limit (429) with `count` messages more: it
    sends again later.
    """
    if channel.paused:
        why = f" ({channel.paused_reason})" if channel.paused_reason else ""
        detail = f"This channel is paused{why}; send it later."
        raise Problem(503, "channel-paused", detail, headers=retry_after(30))
    within_limit(channel, count)


def within_limit(channel: Channel, count: int = 1) -> None:
    """Raise Problem (429) when `count` messages more are past the channel's limit."""
    if not channel.bucket.take(count):
        later = retry_after(channel.bucket.wait_s(count))
        raise Problem(429, "too-many", "More than this channel's limit; slow down.", headers=later)


def _written(message: DonationRequest | ReversalRequest) -> bytes:
    return message.model_dump_json(exclude_none=True).encode()


def _addressed(channel: str, message: DonationRequest | ReversalRequest) -> tuple[str, UUID]:
    """The name of the id in the answer, and the id."""
    if isinstance(message, ReversalRequest):
        return "reversal_id", reversal_id_of(channel, message.reversal_id)
    return "donation_id", donation_id_of(channel, message.transaction_id)


def _key(id_name: str, subject: UUID) -> bytes:
    """What an id is remembered under: 17 bytes, where the id itself would take 200."""
    return id_name[:1].encode() + subject.bytes


def _digest(message: DonationRequest | ReversalRequest) -> bytes:
    """What two messages of the same content share, however they were written."""
    return hashlib.blake2b(message.__pydantic_serializer__.to_json(message), digest_size=16).digest()


def retry_after(after_s: int) -> dict[str, str]:
    """The header that says when to come again, in seconds."""
    return {"Retry-After": str(after_s)}
