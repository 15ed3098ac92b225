"""The event that stands behind each donation as it is on the wire, read and written by msgspec.

Every donation makes one DonationReceived, which three services read; all other events together are one of a
hundred. msgspec does both in a fraction of pydantic's time (docs/decisions/0044-cost-of-a-donation.md). The
contract is the model (shared.events.donations): what is not taken here is read there, and judged there alone.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from shared.money import MAX_AMOUNT_FEN

DIGITS: Final = 19
LAST: Final = str(2**63 - 1)
RECEIVED: Final = "org.shanliu.donation.received.v1"

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Received(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The fields of DonationReceivedData, in their order. What is None is left out."""

    donation_id: UUID
    channel: str
    campaign_id: str
    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT_FEN)]
    fee_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT_FEN)] | None = None
    occurred_at: _Moment
    received_at: _Moment
    donor_kind: Literal["person", "company"]
    shown_name: str | None = None
    has_contact: bool
    released: bool
    pledge_id: UUID | None = None


class Envelope(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The fields of Event with such data, in their order. `sequence` and `previous` are decimal text."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["org.shanliu.donation.received.v1"]
    subject: str
    time: _Moment
    datacontenttype: Literal["application/json"]
    sequence: str
    previous: str | None = None
    traceparent: str | None = None
    data: Received


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Envelope).decode
"""Raises msgspec.MsgspecError, UnicodeDecodeError, RecursionError."""


def number(text: str) -> int:
    """A sequence that is written as we write it. Raises ValueError for any other text."""
    if len(text) == DIGITS and text.isascii() and text.isdigit() and text <= LAST:
        return int(text)
    raise ValueError("not a sequence as we write it")
