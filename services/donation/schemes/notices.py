"""What a notice of a payment company can mean, and what all of them are made with. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from services.donation.intake import (
    FROM_CHANNELS,
    DonationRequest,
    Message,
    ReversalRequest,
    Unusable,
    message_of,
)

MAX_FIELDS: Final = 120
"""Of a form: Alipay's longest notice has 40."""
BEIJING: Final = "+08:00"
"""The offset of the times that the companies write without one. China has kept it since 1991."""


class BadNotice(Exception):
    """A notice that isn't taken. `status`: how HTTP says it; `code` is stable; `detail` names no person."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


def forged(code: str, detail: str) -> BadNotice:
    """A notice that does not prove that it comes from the company."""
    return BadNotice(401, code, detail)


def unusable(detail: str) -> BadNotice:
    """A notice that is the company's, and can't be booked."""
    return BadNotice(422, "unusable-notice", detail)


@dataclass(frozen=True, slots=True)
class RefundedSoFar:
    """How much of a payment went back until now: Alipay says the sum, not what this refund was. `refund_id`:
    the company's own number of this refund, as its bill has it; unique to the payment alone.
    """

    transaction_id: str
    refunded_fen: int
    refunded_at: str
    refund_id: str | None = None


@dataclass(frozen=True, slots=True)
class NoMoney:
    """A notice that moves nothing: it is acknowledged and counted. `state` is the company's word for it."""

    state: str


Meaning: TypeAlias = DonationRequest | ReversalRequest | RefundedSoFar | NoMoney


def donation(fields: Mapping[str, Any], now: datetime) -> DonationRequest:
    """A donation of these fields. Raises BadNotice when one is not as intake wants it."""
    message = _checked({"type": "donation", "currency": "CNY", **fields}, now)
    assert isinstance(message, DonationRequest)
    return message


def reversal(fields: Mapping[str, Any], now: datetime) -> ReversalRequest:
    """A reversal of these fields. Raises BadNotice when one is not as intake wants it."""
    message = _checked({"type": "reversal", **fields}, now)
    assert isinstance(message, ReversalRequest)
    return message


def _checked(members: dict[str, Any], now: datetime) -> Message:
    try:
        return message_of(members, now, FROM_CHANNELS)
    except Unusable as error:
        raise unusable(error.detail) from None


def fields_of(form: bytes, encoding: str = "utf-8") -> dict[str, str]:
    """The fields of a form, decoded once. Raises BadNotice when it is none, or names a field twice."""
    try:
        pairs = parse_qsl(
            form.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding=encoding,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise BadNotice(400, "malformed-form", "The body is not a form.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise BadNotice(400, "malformed-form", "A field of the form stands twice.")
    return fields


def named(fields: Mapping[str, Any], name: str) -> str:
    """The text of a field. Raises BadNotice when there is none."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise unusable(f"{name} is missing.")
    return value
