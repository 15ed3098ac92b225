"""What a channel sends as a CloudEvent 1.0: the same message, with an envelope around it.

Structured mode: the body is the event in JSON and the message is its `data`; its content type is
application/cloudevents+json, or it has a `specversion`. Binary mode: the body is the message, and the
attributes are headers, `ce_type` on Kafka and `ce-type` in HTTP (CloudEvents 1.0.2: JSON event format 2-3,
Kafka protocol binding 3, HTTP protocol binding 3). Everything else is plain JSON, whatever headers it has.

The envelope says which kind of message it is, and no more: a repeat is known by the message's own
`transaction_id`, never by the event's `id`, and when it happened is `occurred_at`, not `time`. So none of it
is kept. As `parse`, reading is pure: the same record gives the same message or the same refusal, for ever.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.donation.intake import (
    MAX_SKEW,
    DonationRequest,
    Message,
    Unusable,
    message_of,
    plain_donation,
    read_json,
)
from shared.broker import Headers

JSON_EVENT: Final = "application/cloudevents+json"
KINDS: Final = {
    "org.shanliu.intake.donation.v1": "donation",
    "org.shanliu.intake.reversal.v1": "reversal",
}
"""The kind of message by the event's `type`."""
MAX_HEADERS: Final = 64
"""Headers of a record, and attributes of an event, at most."""
MAX_ATTRIBUTE: Final = 1_024
"""Characters of an attribute at most (UTF-8 bytes in a header)."""

_REQUIRED: Final = ("specversion", "id", "source", "type")
_PREFIX: Final = "ce_"
_BINARY: Final = frozenset(_PREFIX + name for name in _REQUIRED)
_TELLING: Final = _BINARY | {"content-type"}
_ANY_EVENT: Final = "application/cloudevents"
_JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.ASCII)
_REFERENCE: Final = re.compile(r"[^\s\x00-\x1f\x7f]+")
"""A URI reference, as far as it matters here: nothing in it that parts words."""


def read_message(
    body: bytes,
    received_at: datetime,
    kinds: dict[object, type[Message]],
    *,
    headers: Headers = (),
    unnamed: str = "donation",
    max_skew: timedelta = MAX_SKEW,
) -> Message:
    """Check a body with its headers, be it plain JSON (as `parse`) or a CloudEvent in either mode.

    Raises Unusable with a code of `parse`, or too-many-headers.
    """
    plain = not headers and unnamed == "donation" and kinds.get(unnamed) is DonationRequest
    if plain and (message := plain_donation(body, received_at, max_skew)) is not None:
        return message
    members = read_json(body)
    if headers or "specversion" in members:
        if len(headers) > MAX_HEADERS:
            raise Unusable("too-many-headers", f"There are more than {MAX_HEADERS} headers.")
        members, kinds, unnamed = _opened(members, headers, kinds, unnamed)
    return message_of(members, received_at, kinds, unnamed, max_skew)


def http_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What HTTP headers say of an event, named as Kafka's are; nothing when they say nothing."""
    found = [
        (name.decode("latin-1").replace("-", "_", 1), value) for name, value in raw if name[:3] == b"ce-"
    ]
    types = [("content-type", value) for name, value in raw if name == b"content-type"]
    return found + types if found or any(_media_type(value) == JSON_EVENT for _, value in types) else ()


def _opened(
    members: dict[str, Any], headers: Headers, kinds: dict[object, type[Message]], unnamed: str
) -> tuple[dict[str, Any], dict[object, type[Message]], str]:
    """The message inside, the kinds it may be, and the kind it is when it doesn't say."""
    telling = {name.lower() for name, _ in headers} & _TELLING
    if not telling:
        return _structured(members, kinds) if "specversion" in members else (members, kinds, unnamed)
    found = [(name.lower(), value) for name, value in headers]
    content_type = next((_media_type(value) for name, value in found if name == "content-type"), "")
    if content_type.startswith(_ANY_EVENT):
        if content_type != JSON_EVENT:
            raise _refused("content-type", f"is not {JSON_EVENT}: one event, in JSON, is taken")
        return _structured(members, kinds)
    if telling & _BINARY:
        return _binary(members, found, content_type, kinds)
    return _structured(members, kinds) if "specversion" in members else (members, kinds, unnamed)


def _structured(
    event: dict[str, Any], kinds: dict[object, type[Message]]
) -> tuple[dict[str, Any], dict[object, type[Message]], str]:
    if len(event) > MAX_HEADERS:
        raise Unusable("too-many-headers", f"The event has more than {MAX_HEADERS} attributes.")
    kind = _kind(event)
    if "data_base64" in event:
        raise _refused("data_base64", "is not taken: send the message as JSON in data")
    _check_json(event.get("datacontenttype"))
    data = event.get("data")
    if not isinstance(data, dict):
        raise _refused("data", "is not a JSON object" if "data" in event else "is missing")
    return data, _only(kind, kinds), kind


def _binary(
    members: dict[str, Any],
    headers: list[tuple[str, bytes | None]],
    content_type: str,
    kinds: dict[object, type[Message]],
) -> tuple[dict[str, Any], dict[object, type[Message]], str]:
    attributes: dict[str, str] = {}
    for name, value in headers:
        attribute = name.removeprefix(_PREFIX)
        if name not in _BINARY or value is None:
            continue
        if attribute in attributes:
            raise _refused(attribute, "stands twice")
        try:
            attributes[attribute] = value[: MAX_ATTRIBUTE + 1].decode()
        except UnicodeDecodeError:
            raise _refused(attribute, "is not text in UTF-8, or too long") from None
    kind = _kind(attributes)
    _check_json(content_type or None)
    return members, _only(kind, kinds), kind


def _kind(attributes: Mapping[str, Any]) -> str:
    """The kind of message an event has; its required attributes are checked."""
    for name in _REQUIRED:
        value = attributes.get(name)
        if name not in attributes:
            raise _refused(name, "is missing")
        if not isinstance(value, str) or not 0 < len(value) <= MAX_ATTRIBUTE:
            raise _refused(name, f"is not a text of 1 to {MAX_ATTRIBUTE} characters")
    if attributes["specversion"] != "1.0":
        raise _refused("specversion", "is not 1.0")
    if not _REFERENCE.fullmatch(attributes["source"]):
        raise _refused("source", "is not a URI reference")
    kind = KINDS.get(attributes["type"])
    if kind is None:
        raise Unusable("unknown-type", f"type is none of: {', '.join(KINDS)}.")
    return kind


def _only(kind: str, kinds: dict[object, type[Message]]) -> dict[object, type[Message]]:
    """Of the kinds that may come here, the one that the envelope says."""
    if kind not in kinds:
        raise Unusable("unknown-type", f"A {kind} is not taken here.")
    return {kind: kinds[kind]}


def _check_json(content_type: object) -> None:
    if content_type is None:
        return
    if not isinstance(content_type, str) or not _JSON_TYPE.fullmatch(_media_type(content_type.encode())):
        raise _refused("datacontenttype", "is not application/json")


def _media_type(value: bytes | None) -> str:
    return (value or b"").partition(b";")[0].strip().lower().decode("latin-1")


def _refused(field: str, message: str) -> Unusable:
    return Unusable("invalid-field", f"{field}: {message}", ({"field": field, "message": message},))
