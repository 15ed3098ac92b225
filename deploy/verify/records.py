"""What lies on the topics, read as it stands: one row for the workbook from each record. Pure.

The rules are the contract's (docs and schemas), written a second time and as small as they can be. Whether a
record could be used at all is not judged again: one that couldn't has a dead letter at its position.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MAX_AMOUNT_FEN: Final = 10**13
INTERNAL: Final = "internal"

DONATION: Final = "donation"
REVERSAL: Final = "reversal"
RELEASE: Final = "release"
DUE: Final = "due"
DECIDED: Final = "decided"
"""A decision about a donor's message, name or data: it moves no money."""
HELD: Final = "held"
CONFLICT: Final = "conflict"
UNUSABLE: Final = "unusable"

_EVENT_KINDS: Final = {
    "org.shanliu.donation.received.v1": DONATION,
    "org.shanliu.donation.reversed.v1": REVERSAL,
    "org.shanliu.donation.held.v1": HELD,
    "org.shanliu.donation.conflicted.v1": CONFLICT,
}
_CLOUD_EVENTS: Final = {
    "org.shanliu.intake.donation.v1": DONATION,
    "org.shanliu.intake.reversal.v1": REVERSAL,
}
_PLEDGE: Final = "org.shanliu.pledge.made.v1"
_CORRECTED: Final = "org.shanliu.pledge.corrected.v1"
_PAID: Final = "org.shanliu.disbursement.paid.v1"
_RETURNED: Final = "org.shanliu.disbursement.returned.v1"
_TRANSFERRED: Final = "org.shanliu.funds.transferred.v1"
_GOODS: Final = {
    "org.shanliu.goods.received.v1": ("goods_received_fen", 1),
    "org.shanliu.goods.reversed.v1": ("goods_received_fen", -1),
    "org.shanliu.goods.distributed.v1": ("goods_distributed_fen", 1),
    "org.shanliu.goods.returned.v1": ("goods_distributed_fen", -1),
    "org.shanliu.goods.written-off.v1": ("goods_written_off_fen", 1),
}
"""What each event of goods changes, and whether it adds or takes away."""


def _named(urn: str) -> "hashlib._Hash":
    """SHA-1 over a namespace of ids, to be continued with a name (UUID version 5, RFC 9562)."""
    return hashlib.sha1(uuid.uuid5(uuid.NAMESPACE_URL, urn).bytes, usedforsecurity=False)


_DONATIONS: Final = _named("urn:shanliu:donation")
_REVERSALS: Final = _named("urn:shanliu:reversal")


def _derived(namespace: "hashlib._Hash", channel: str, name: str) -> bytes:
    """The 16 bytes of the id that is derived from a channel and its own name for something."""
    whole = namespace.copy()
    whole.update(f"{channel}\n{name}".encode())
    digest = bytearray(whole.digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return bytes(digest)


class IntakeRow(NamedTuple):
    """One record of an intake topic. `key`: the id of what it names; `about`: of a reversal, its donation."""

    source: str
    sequence: int
    kind: str
    key: bytes
    about: bytes | None
    campaign_id: str | None
    amount_fen: int


class EventRow(NamedTuple):
    """One event of donation.events."""

    source: str
    sequence: int
    kind: str
    key: bytes
    campaign_id: str
    amount_fen: int


class BadEvent(ValueError):
    """A record of an event topic that is no event of the contract."""


def intake_row(
    channel: str, source: str, sequence: int, value: bytes | None, event_type: bytes | None = None
) -> IntakeRow:
    """Read one intake record; whatever can't be read is UNUSABLE. `event_type`: what its header ce_type says,
    by which an envelope of CloudEvents that lies in headers names the kind.
    """
    try:
        body = json.loads(value or b"")
        if channel == INTERNAL:
            return _internal_row(source, sequence, body)
        unnamed = _CLOUD_EVENTS.get((event_type or b"").decode(), DONATION)
        if "specversion" in body:
            unnamed, body = _CLOUD_EVENTS[body["type"]], body["data"]
        kind = body.get("type", unnamed)
        amount_fen = body["amount_fen"]
        donation = _derived(_DONATIONS, channel, body["transaction_id"])
        if type(amount_fen) is not int or not 1 <= amount_fen <= MAX_AMOUNT_FEN:
            return _unusable(source, sequence)
        if kind == "donation" and body["currency"] == "CNY" and isinstance(body["campaign_id"], str):
            return IntakeRow(source, sequence, DONATION, donation, None, body["campaign_id"], amount_fen)
        if kind == "reversal":
            key = _derived(_REVERSALS, channel, body["reversal_id"])
            return IntakeRow(source, sequence, REVERSAL, key, donation, None, amount_fen)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    return _unusable(source, sequence)


def _internal_row(source: str, sequence: int, body: dict[str, Any]) -> IntakeRow:
    if body["type"] == "release":
        return IntakeRow(source, sequence, RELEASE, uuid.UUID(body["donation_id"]).bytes, None, None, 0)
    if body["type"] == "reversal_due":
        return IntakeRow(source, sequence, DUE, uuid.UUID(body["reversal_id"]).bytes, None, None, 0)
    if body["type"] == "message_decided":
        return IntakeRow(source, sequence, DECIDED, uuid.UUID(body["message_id"]).bytes, None, None, 0)
    if body["type"] in ("consent_withdrawn", "donor_erased"):
        return IntakeRow(source, sequence, DECIDED, uuid.UUID(body["donation_id"]).bytes, None, None, 0)
    return _unusable(source, sequence)


def _unusable(source: str, sequence: int) -> IntakeRow:
    return IntakeRow(source, sequence, UNUSABLE, b"", None, None, 0)


def donation_event(value: bytes | None) -> tuple[EventRow | None, str, int, int]:
    """Read one event of donation.events: (row, source, sequence, previous); the row is None for a type that
    moves no money and is not known here, previous is -1 for a source's first event. Raises BadEvent.
    """
    try:
        event = json.loads(value or b"")
        source, sequence = event["source"], int(event["sequence"])
        if event["id"] != f"{source}:{sequence}":
            raise BadEvent(f"{event['id']} lies at {source}:{sequence}")
        previous = int(event.get("previous", -1))
        kind = _EVENT_KINDS.get(event["type"])
        if kind is None:
            return None, source, sequence, previous
        data = event["data"]
        key = uuid.UUID(data["reversal_id" if kind == REVERSAL else "donation_id"]).bytes
        row = EventRow(source, sequence, kind, key, data["campaign_id"], data["amount_fen"])
    except BadEvent:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadEvent(type(error).__name__) from error
    return row, source, sequence, previous


class SpendingRow(NamedTuple):
    """What a campaign event adds to what was promised, paid out, moved between funds, came back, or was given
    in kind, in fen; a correction of a promise, and goods that go back, take away.
    """

    source: str
    sequence: int
    campaign_id: str
    promised_fen: int = 0
    disbursed_fen: int = 0
    transferred_in_fen: int = 0
    transferred_out_fen: int = 0
    returned_fen: int = 0
    goods_received_fen: int = 0
    goods_distributed_fen: int = 0
    goods_written_off_fen: int = 0


def campaign_event(value: bytes | None) -> tuple[list[SpendingRow], str, int, int]:
    """Read one event of campaign.events: (rows, source, sequence, previous), a row for each campaign whose
    figures it changes. Raises BadEvent.
    """
    try:
        event = json.loads(value or b"")
        source, sequence, kind, data = event["source"], int(event["sequence"]), event["type"], event["data"]
        previous = int(event.get("previous", -1))
        rows = [
            SpendingRow(source, sequence, campaign_id, **amounts)
            for campaign_id, amounts in _amounts(kind, data)
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadEvent(type(error).__name__) from error
    return rows, source, sequence, previous


def _amounts(kind: str, data: dict[str, Any]) -> Iterator[tuple[str, dict[str, int]]]:
    """(campaign, what its figures grow by) of one event's data; nothing for a kind that moves nothing."""
    if kind == _PLEDGE:
        yield data["campaign_id"], {"promised_fen": data["amount_fen"]}
    elif kind == _CORRECTED:
        yield data["campaign_id"], {"promised_fen": data["amount_fen"] - data["previous_amount_fen"]}
    elif kind == _PAID:
        yield data["campaign_id"], {"disbursed_fen": data["amount_fen"]}
    elif kind == _RETURNED:
        yield data["campaign_id"], {"returned_fen": data["amount_fen"]}
    elif kind == _TRANSFERRED:
        yield data["campaign_id"], {"transferred_out_fen": data["amount_fen"]}
        if data.get("to_campaign_id") is not None:
            yield data["to_campaign_id"], {"transferred_in_fen": data["amount_fen"]}
    elif kind in _GOODS:
        amount, sign = _GOODS[kind]
        yield data["campaign_id"], {amount: sign * data["value_fen"]}


def dead_position(value: bytes | None) -> tuple[str, int] | None:
    """The position of the record that a dead letter is of; None when the letter can't be read."""
    try:
        letter = json.loads(value or b"")
        return f"{letter['topic']}/{letter['partition']}", int(letter["offset"])
    except (ValueError, KeyError, TypeError):
        return None
