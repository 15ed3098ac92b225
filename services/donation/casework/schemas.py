"""What comes and goes by HTTP about single donations: bounded, in fen, in UTC, unknown fields refused.

Of a donor only what they agreed to show (Charity Law art. 82): no contact, no name beyond that, no message.
"""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from services.donation.intake import AmountFen, Identifier, Words
from services.donation.receipts.numbering import NUMBER
from shared.events.donations import DonorKind, ReversalKind

MAX_EACH: int = 500
"""Of one bulk command."""

Status = Literal["received", "held", "refused", "reversed"]
Reconciled = Literal["waiting", "matched", "open", "resolved"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
After = Annotated[
    str | None,
    Query(
        max_length=320,
        description="The `next` of the part before",
        examples=["2027-01-01T12:15:00.000000Z~0198c1d2-3e4f-5a5b-8c6d-7e8f9a0b1c2d"],
    ),
]
AfterRecord = Annotated[
    str | None,
    Query(
        max_length=320,
        description="The `next` of the part before",
        examples=["2027-01-01T12:15:00.000000Z~intake.partner/2~1041"],
    ),
]
Tail = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{4,64}$")]


class Sought(_Strict):
    """What is known of a donation that is looked for."""

    donation_id: UUID | None = None
    transaction_id: Identifier | None = None
    transaction_id_ends: Annotated[
        Tail | None, Field(description="Its last characters, four at least", examples=["2345"])
    ] = None
    receipt: Annotated[
        str | None,
        Field(pattern=NUMBER, description="A receipt's number", examples=["SZCS-2027-0000123"]),
    ] = None
    amount_fen: AmountFen | None = None
    day: Annotated[date | None, Field(description="When it was given, in Asia/Shanghai")] = None
    after: After = None
    limit: Limit = 50


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class Found(_Row):
    """A donation in a list. `shown_name`: the name or alias the donor agreed to show, null for anonymous.
    `position`: source and sequence of the record that made it count, or held it.
    """

    donation_id: UUID
    channel: str
    transaction_id: str
    campaign_id: str
    amount_fen: int
    reversed_fen: int
    fee_fen: int | None
    occurred_at: datetime
    received_at: datetime
    donor_kind: DonorKind
    shown_name: str | None
    status: Status
    held_reason: str | None = Field(description="why it was held when it came in")
    source: str
    sequence: int
    conflicted: bool = Field(description="another content came under its id, and nobody has resolved that")
    receipt: str | None = Field(description="the number of its valid receipt")


class FoundPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Found]
    next: str | None


class Happening(_Row):
    """An event of the donation and the position it has. `subject`: the donation's or the reversal's id."""

    type: Literal["DonationReceived", "DonationHeld", "DonationConflicted", "DonationReversed"]
    at: datetime
    source: str
    sequence: int
    subject: UUID


class Reversal(_Row):
    """Money that went back. `pending`: it waits for the donation to count; `unsent`: a person's, on its way.
    `asked_by`: the person, where it was one's word and not the channel's.
    """

    reversal_id: UUID
    kind: ReversalKind
    amount_fen: int
    occurred_at: datetime
    status: Literal["unsent", "pending", "applied", "refused"]
    reason: str | None
    asked_by: str | None


class OnReceipt(_Row):
    """A receipt that names the donation."""

    number: str
    valid: bool
    amount_fen: int
    issued_at: datetime
    void_reason: str | None
    replaced_by: str | None


class Decision(_Row):
    """What a person decided about it while it was held."""

    decision: Literal["release", "refuse"]
    reason: str
    decided_by: str
    decided_at: datetime


class Conflict(_Row):
    """Another content under the donation's id. `differs`: the names of the fields; `known_*`: what counts."""

    source: str
    sequence: int
    donation_id: UUID
    channel: str
    transaction_id: str
    campaign_id: str
    amount_fen: int
    known_campaign_id: str
    known_amount_fen: int
    differs: list[str]
    received_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None


class Break(_Row):
    """Where the channel's bill and our books differ about it."""

    break_id: int
    kind: str
    day: date
    state: Literal["open", "settled", "resolved"]
    ours_fen: int | None
    theirs_fen: int | None
    reason: str | None


class Reconciliation(BaseModel):
    """Whether the channel's bill has it. waiting: no judged bill has it yet; open: a break is open."""

    state: Reconciled
    bill_id: int | None
    day: date | None = Field(description="of the bill that has it, in Asia/Shanghai")
    breaks: list[Break]


class Withdrawal(_Row):
    """The donor's consent to be named was taken back: at whose word, and why."""

    reason: str
    withdrawn_by: str
    withdrawn_at: datetime


class Record(BaseModel):
    """All that is known of a donation, but for who gave it beyond what they agreed to show."""

    donation: Found
    events: list[Happening]
    reversals: list[Reversal]
    receipts: list[OnReceipt]
    receipt_waived: bool
    conflicts: list[Conflict]
    decision: Decision | None
    consent_withdrawal: Withdrawal | None = None
    reconciliation: Reconciliation


class ReversalBody(_Strict):
    """Take money back in the books. `amount_fen`: all that remains unless said. `reversal_id`: the channel's
    own id of it, where it has one: should the channel report it as well, it is not subtracted twice.
    """

    kind: ReversalKind
    amount_fen: AmountFen | None = None
    reversal_id: Identifier | None = None
    reason: Words


class ReversalAsked(BaseModel):
    """It is written down, and subtracted as soon as the worker has read it: see the donation's record."""

    reversal_id: UUID
    donation_id: UUID
    kind: ReversalKind
    amount_fen: int
    status: Literal["pending"] = "pending"


class ConsentBody(_Strict):
    """Why the donor is not to be named any more."""

    reason: Words


class ConsentWithdrawn(BaseModel):
    """It is written down, and the name leaves the screens as soon as the worker has read it."""

    donation_id: UUID
    status: Literal["pending"] = "pending"


class Held(Found):
    """A donation that waits. `campaign_status`: of its campaign now, null: nobody knows it. `decision`: a
    release that was asked and is on its way.
    """

    campaign_status: Literal["filed", "launched", "paused", "closed"] | None
    decision: Literal["release"] | None


class HeldPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Held]
    next: str | None


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("names one twice")
    return ids


class HeldBody(_Strict):
    """Which held donations, and why: one or many."""

    donation_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_EACH), AfterValidator(_each_once)]
    reason: Words


class Decided(BaseModel):
    """What became of one. `done`: decided now; otherwise `code` and `detail` say why not."""

    donation_id: UUID
    outcome: Literal["done", "not_done"]
    code: str | None = None
    detail: str | None = None


class DecidedEach(BaseModel):
    """In the order they were asked."""

    items: list[Decided]


class WaitingReversal(_Row):
    """A reversal that waits for its donation. `transaction_id`: as the channel gave it, null where that was
    not kept yet; `donation_status`: null: no such donation has come; `waits_since`: when the broker took it.
    """

    reversal_id: UUID
    channel: str
    transaction_id: str | None
    donation_id: UUID
    donation_status: Literal["held", "refused", "received"] | None
    kind: ReversalKind
    amount_fen: int
    occurred_at: datetime
    waits_since: datetime
    reason: str | None
    source: str
    sequence: int


class WaitingReversalPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[WaitingReversal]
    next: str | None


class SetAsideBody(_Strict):
    """Which waiting reversals, and why they wait for nothing."""

    reversal_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_EACH), AfterValidator(_each_once)]
    reason: Words


class SetAside(BaseModel):
    """What became of one. `done`: set aside now; otherwise `code` and `detail` say why not."""

    reversal_id: UUID
    outcome: Literal["done", "not_done"]
    code: str | None = None
    detail: str | None = None


class SetAsideEach(BaseModel):
    """In the order they were asked."""

    items: list[SetAside]


class ConflictPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Conflict]
    next: str | None


class Position(_Strict):
    """Where the record of a conflict lies."""

    source: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}/[0-9]{1,10}$", examples=["intake.partner/2"])
    ]
    sequence: Annotated[int, Field(ge=0, le=2**63 - 1)]


class ResolveBody(_Strict):
    """Which conflicts, and what was found out and done about them."""

    conflicts: Annotated[list[Position], Field(min_length=1, max_length=MAX_EACH)]
    reason: Words


class Resolved(Position):
    """What became of one. `done`: resolved now; otherwise `code` and `detail` say why not."""

    outcome: Literal["done", "not_done"]
    code: str | None = None
    detail: str | None = None


class ResolvedEach(BaseModel):
    """In the order they were asked."""

    items: list[Resolved]
