"""What a channel sends: the JSON body that comes by HTTP and the same that lies on `intake.<channel>`.

`parse` is the one edge where it is checked. It is pure and depends on nothing but its arguments, the clock
included: a record read again after a crash is judged as it was the first time. Were it not, a record that
was refused at first could get an event at a position that every consumer's mark has passed.
"""

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, NoReturn, Self, TypeAlias, TypeVar

from asyncpg.pgproto.pgproto import UUID
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from shared.events.donations import DonorKind, ReversalKind
from shared.events.fields import CAMPAIGN_ID
from shared.forms import form
from shared.money import MAX_AMOUNT_FEN
from shared.wrong_fields import MAX_ERRORS, rule_of

MAX_BODY_BYTES: Final = 16 * 1024
MAX_BRACKETS: Final = 600
"""More than all texts of a message can have; less than any Python's parser takes nested in each other, so
that every version refuses the same bodies in the same words."""
MAX_SKEW: Final = timedelta(minutes=5)
"""How far ahead of our clock a channel's may be."""
LOG_SKEW: Final = timedelta(minutes=10)
"""The same on the log, where the broker's clock judges: wider, so that a donation that was answered 202 by
one clock is never refused by another."""
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)

# What may stand on a screen and in a mail: what a line of text is made of. So no control characters, no line
# separators, nothing without a meaning of its own, no marks that turn the direction of writing (they can make
# a text show what it isn't), nothing of zero width but the joiners and tags that emoji and some scripts are
# made with. One character at least must leave ink, or a name would be a blank line.
_ALLOWED: Final = r"[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\x{200C}\x{200D}\x{E0020}-\x{E007F}]"
_INK: Final = r"[[\p{L}\p{N}\p{P}\p{S}]--[\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]]"
_SHOWABLE: Final = form(
    f"^{_ALLOWED}*{_INK}{_ALLOWED}*$",
    "one line of text that can be shown, such as 王小明: no control characters, no line breaks, nothing that"
    " turns the direction of writing, and not blank",
)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_MOBILE: Final = re.compile(r"(?:(?:\+|00)?86)?(1[3-9]\d{9})", re.ASCII)
_FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)

_IN_THE_FUTURE: Final = "is in the future"
_BLANK_BEHIND_QUOTE: Final = re.compile(rb'"[ \t\n\r]').search


def _read_time(value: object) -> datetime:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with its offset, such as 2027-01-01T20:00:00+08:00")
    time = datetime.fromisoformat(value.upper())
    if time < EARLIEST:
        raise ValueError("is before the year 2000")
    try:
        return time.astimezone(UTC)  # as the database gives it back: an event made again is the same bytes
    except OverflowError:
        raise ValueError(_IN_THE_FUTURE) from None


def _read_pledge(value: object) -> uuid.UUID:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be the id of a pledge, such as 0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d")
    return uuid.UUID(value)


def _read_phone(value: object) -> str:
    if not isinstance(value, str) or not (found := _MOBILE.fullmatch(value)):
        raise ValueError("must be a mobile of mainland China, such as +8613800000000")
    return f"+86{found[1]}"


IDENTIFIER: Final = form(
    r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
    "1 to 64 of A-Z, a-z, 0-9 and . _ : -, beginning with a letter or digit, such as 4200002026112312345",
)
"""A channel's own id of something."""

Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER)]
CampaignId = Annotated[str, StringConstraints(pattern=CAMPAIGN_ID)]
AmountFen = Annotated[int, Field(ge=1, le=MAX_AMOUNT_FEN)]
Time = Annotated[datetime, BeforeValidator(_read_time)]
# The pattern is not one of JSON Schema's dialect: what is told of it is the length.
Name = Annotated[
    str,
    StringConstraints(max_length=64, pattern=_SHOWABLE, strip_whitespace=True),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 64}),
]
Words = Annotated[
    str,
    StringConstraints(max_length=200, pattern=_SHOWABLE, strip_whitespace=True),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200}),
]
Email = Annotated[
    str,
    StringConstraints(
        max_length=254,
        pattern=form(
            r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}"
            r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$",
            "an e-mail address, such as donor@example.org",
        ),
    ),
]


# A mobile of the mainland, kept as E.164 writes it, whatever of the usual ways a channel writes it in.
Phone = Annotated[
    str,
    BeforeValidator(_read_phone),
    WithJsonSchema({"type": "string", "pattern": r"^(?:(?:\+|00)?86)?1[3-9][0-9]{9}$"}),
]
WECHAT_ID: Final = form(
    r"^[A-Za-z0-9_-]{6,64}$", "6 to 64 of A-Z, a-z, 0-9 and _ -, such as oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
)
WechatId = Annotated[str, StringConstraints(pattern=WECHAT_ID)]
Language = Literal["zh", "en"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DonorContact(_Strict):
    """Where a donor wants to be thanked, by one way at least, and in which language. It leaves this service
    only on the restricted topic.

    `wechat_openid` names a person to one application only: `wechat_app_id` is the one it was given to.
    """

    email: Email | None = None
    phone: Phone | None = None
    wechat_openid: WechatId | None = None
    wechat_app_id: WechatId | None = None
    language: Language | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.wechat_openid is None) != (self.wechat_app_id is None):
            raise ValueError("wechat_openid and wechat_app_id go together")
        if self.email is None and self.phone is None and self.wechat_openid is None:
            raise ValueError("has none of email, phone and wechat_openid")
        return self


class Donor(_Strict):
    """Who gives, and what of it may be shown: the name, an alias, or nothing (Charity Law art. 82)."""

    kind: DonorKind
    display: Literal["name", "alias", "anonymous"]
    name: Name | None = None
    alias: Name | None = None
    contact: DonorContact | None = None

    @model_validator(mode="after")
    def _what_is_shown_is_there(self) -> Self:
        if self.display != "anonymous" and self.shown_name is None:
            raise ValueError(f'display is "{self.display}", but there is no {self.display}')
        return self

    @property
    def shown_name(self) -> str | None:
        """What the donor agreed to show; None: anonymous."""
        return {"name": self.name, "alias": self.alias}.get(self.display)


class DonationRequest(_Strict):
    """A donation as a channel reports it. Amounts in fen, times RFC 3339.

    `pledge_id`: the promise that it fulfils. Whether there is such a one is not asked here: money is money.
    """

    type: Literal["donation"] = "donation"
    transaction_id: Identifier
    campaign_id: CampaignId
    amount_fen: AmountFen
    currency: Literal["CNY"]
    occurred_at: Time
    donor: Donor
    message: Words | None = None
    fee_fen: Annotated[int, Field(ge=0, le=MAX_AMOUNT_FEN)] | None = None
    pledge_id: Annotated[uuid.UUID, BeforeValidator(_read_pledge)] | None = None

    @field_validator("fee_fen")
    @classmethod
    def _fee_is_a_part(cls, fee_fen: int | None, info: ValidationInfo) -> int | None:
        if fee_fen is not None and fee_fen > info.data.get("amount_fen", fee_fen):
            raise ValueError("is more than amount_fen")
        return fee_fen


class ReversalRequest(_Strict):
    """Money that went back, wholly or in part. `reversal_id` is the channel's own id of this reversal."""

    type: Literal["reversal"] = "reversal"
    reversal_id: Identifier
    transaction_id: Identifier
    kind: ReversalKind
    amount_fen: AmountFen
    occurred_at: Time
    reason: Words | None = None


class Release(_Strict):
    """On intake.internal only: a held donation counts from here on."""

    type: Literal["release"] = "release"
    donation_id: uuid.UUID = Field(strict=False)


class ReversalDue(_Strict):
    """On intake.internal only: a reversal that came too early can be applied from here on."""

    type: Literal["reversal_due"] = "reversal_due"
    reversal_id: uuid.UUID = Field(strict=False)


class MessageDecided(_Strict):
    """On intake.internal only: a decision about a donor's message, of which the screens must know."""

    type: Literal["message_decided"] = "message_decided"
    message_id: uuid.UUID = Field(strict=False)
    number: Annotated[int, Field(ge=1, le=2**31 - 1)]


class ConsentWithdrawal(_Strict):
    """On intake.internal only: a donor is not to be named any more."""

    type: Literal["consent_withdrawn"] = "consent_withdrawn"
    donation_id: uuid.UUID = Field(strict=False)


class DonorErased(_Strict):
    """On intake.internal only: nothing is known of a donor any more. It has all that its event says, so that
    the event can be told where the donation itself was not read yet.
    """

    type: Literal["donor_erased"] = "donor_erased"
    donation_id: uuid.UUID = Field(strict=False)
    erasure_id: uuid.UUID = Field(strict=False)
    channel: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    campaign_id: CampaignId
    event_ids: Annotated[list[Annotated[str, StringConstraints(max_length=320)]], Field(max_length=50)]
    receipt_mail_ids: Annotated[list[Annotated[uuid.UUID, Field(strict=False)]], Field(max_length=50)]
    erased_at: Annotated[datetime, BeforeValidator(_read_time)]


Message: TypeAlias = (
    DonationRequest
    | ReversalRequest
    | Release
    | ReversalDue
    | MessageDecided
    | ConsentWithdrawal
    | DonorErased
)
M = TypeVar("M", bound=Message)

FROM_CHANNELS: Final[dict[object, type[Message]]] = {"donation": DonationRequest, "reversal": ReversalRequest}
INTERNAL: Final[dict[object, type[Message]]] = {
    "release": Release,
    "reversal_due": ReversalDue,
    "message_decided": MessageDecided,
    "consent_withdrawn": ConsentWithdrawal,
    "donor_erased": DonorErased,
}


class Unusable(ValueError):
    """A body that is refused. `code` is stable; `errors` name the fields: {"field", "message"}."""

    def __init__(self, code: str, detail: str, errors: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors


class _Refused(Exception):
    """Raised inside the JSON parser's hooks."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("a key stands twice in one object")
    return members


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


_json: Final = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def read_json(body: bytes) -> dict[str, Any]:
    """Read a JSON object as RFC 8259 and I-JSON mean it: UTF-8, no key twice, no NaN.

    Raises Unusable with code too-large, malformed-json or duplicate-key.
    """
    if len(body) > MAX_BODY_BYTES:
        raise Unusable("too-large", f"The body has more than {MAX_BODY_BYTES} bytes.")
    if body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise Unusable("malformed-json", "The body is nested too deeply.")
    try:
        members = _json.decode(body.decode())
    except _Refused as refusal:
        code = "duplicate-key" if "twice" in str(refusal) else "malformed-json"
        raise Unusable(code, f"The body is refused: {refusal}.") from None
    except (ValueError, RecursionError):
        raise Unusable("malformed-json", "The body is not JSON in UTF-8.") from None
    if not isinstance(members, dict):
        raise Unusable("malformed-json", "The body is not a JSON object.")
    return members


def parse(
    body: bytes,
    received_at: datetime,
    kinds: dict[object, type[Message]],
    unnamed: str = "donation",
    max_skew: timedelta = MAX_SKEW,
) -> Message:
    """Check a body. `received_at` (UTC) is when the broker took it, or now for HTTP; `unnamed` is the kind of
    a body without `type`; `max_skew` is how long after `received_at` it may say that it happened.

    Raises Unusable with a code of `read_json`, unknown-type or invalid-field.
    """
    return message_of(read_json(body), received_at, kinds, unnamed, max_skew)


def message_of(
    members: dict[str, Any],
    received_at: datetime,
    kinds: dict[object, type[Message]],
    unnamed: str = "donation",
    max_skew: timedelta = MAX_SKEW,
) -> Message:
    """The second half of `parse`, for a body that was read.

    Raises Unusable with code unknown-type or invalid-field.
    """
    kind = members.get("type", unnamed)
    model = kinds.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise Unusable("unknown-type", f"type is none of: {', '.join(map(str, kinds))}.")
    try:
        message = model.model_validate(members)
    except ValidationError as error:
        raise _invalid([(each["loc"], rule_of(each)) for each in error.errors(include_url=False)]) from None
    return _not_ahead(message, received_at, max_skew)


def plain_donation(
    body: bytes, received_at: datetime, max_skew: timedelta = MAX_SKEW
) -> DonationRequest | None:
    """What `parse` makes of a donation in which nothing is unusual, in half of its time; None: ask `parse`.

    The parser of the models keeps the last of two equal keys, so there must be as many fields as keys. A key
    ends with a quote and a colon. A text with both is taken for a key more, which is unusual; and where a
    blank stands behind a quote, the colon might.

    Raises Unusable with code invalid-field for a time in the future.
    """
    if len(body) > MAX_BODY_BYTES or _BLANK_BEHIND_QUOTE(body):
        return None
    try:
        message = DonationRequest.model_validate_json(body)
    except ValidationError:
        return None
    fields = len(message.model_fields_set) + len(message.donor.model_fields_set)
    if message.donor.contact is not None:
        fields += len(message.donor.contact.model_fields_set)
    return _not_ahead(message, received_at, max_skew) if body.count(b'":') == fields else None


def _not_ahead(message: M, received_at: datetime, max_skew: timedelta) -> M:
    occurred_at = getattr(message, "occurred_at", None)
    if occurred_at is not None and occurred_at - max_skew > received_at:  # so put, it can't overflow
        raise _invalid([(("occurred_at",), _IN_THE_FUTURE)])
    return message


def _invalid(errors: list[tuple[tuple[int | str, ...], str]]) -> Unusable:
    """Say which fields broke which rule: never the values, which may be personal."""
    said = tuple(
        {"field": ".".join(map(_field_name, place)) or "body", "message": rule}
        for place, rule in errors[:MAX_ERRORS]
    )
    return Unusable("invalid-field", f"{said[0]['field']}: {said[0]['message']}", said)


def _field_name(part: int | str) -> str:
    """A name that no field can have is content: not repeated."""
    return str(part) if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "?"


_DONATIONS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:shanliu:donation")
_REVERSALS: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:shanliu:reversal")


def donation_id_of(channel: str, transaction_id: str) -> uuid.UUID:
    """The id of a donation: the same for each repeat, because it is derived (UUID version 5)."""
    return _derived(_DONATIONS, f"{channel}\n{transaction_id}")


def reversal_id_of(channel: str, reversal_id: str) -> uuid.UUID:
    """The id of a reversal, derived from the channel's own id of it."""
    return _derived(_REVERSALS, f"{channel}\n{reversal_id}")


def _derived(space: uuid.UUID, name: str) -> uuid.UUID:
    """UUID version 5 (RFC 9562, 5.5), as uuid.uuid5 makes it, in a third of its time: as the class the
    database driver gives back as well, which is written as text without a call into Python.
    """
    digest = bytearray(hashlib.sha1(space.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes(digest))
