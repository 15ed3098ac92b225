"""What comes and goes by HTTP about receipts: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Row

from services.donation.intake import Name, Words
from services.donation.receipts.capitals import in_capitals
from services.donation.receipts.eligibility import MAX_DONATIONS
from services.donation.receipts.numbering import CODE
from shared.events.donations import DonorKind

MAX_EACH: int = 200
"""Donations of one bulk command."""

State = Literal["valid", "void", "replaced"]
PublicState = Literal["valid", "overstated", "void", "replaced"]


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("names a donation twice")
    return ids


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganisationBody(_Strict):
    """An organisation that may issue receipts. `organisation`: as its campaigns' plans name it."""

    organisation: Annotated[str, Field(min_length=1, max_length=200)]
    code: Annotated[str, Field(pattern=CODE, description="Begins each of its receipts' numbers; stays")]


class Organisation(BaseModel):
    """An organisation and the code of its receipts."""

    organisation: str
    code: str
    registered_by: str
    registered_at: datetime


class _Handled(_Strict):
    handler: Annotated[Name, Field(description="经办人: stands on the paper")]


class IssueBody(_Handled):
    """One receipt for one donation, or for several of one donor to one organisation."""

    donation_ids: Annotated[
        list[UUID], Field(min_length=1, max_length=MAX_DONATIONS), AfterValidator(_each_once)
    ]
    anonymous: Annotated[
        bool | None,
        Field(description="true: no name on the paper; false: the name; nothing: as the donor gave it"),
    ] = None


class IssueEachBody(_Handled):
    """A receipt for each of these donations."""

    donation_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_EACH), AfterValidator(_each_once)]


class VoidBody(_Strict):
    """Why a receipt is void."""

    reason: Words


class ReissueBody(_Handled):
    """A new receipt in the place of another. `reason`: why that is void; only while it is valid."""

    reason: Words | None = None
    anonymous: bool | None = None


class WaiverBody(_Strict):
    """A donor who gives up the receipt. `note`: how they said so, such as by telephone."""

    donation_id: UUID
    waived_on: date
    note: Words


class Waiver(BaseModel):
    """A recorded waiver."""

    waiver_id: int
    donation_id: UUID
    waived_on: date
    note: str
    recorded_by: str
    recorded_at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The waiver of a row."""
        return cls.model_validate(row, from_attributes=True)


class WaiverPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Waiver]
    next: int | None


class Item(BaseModel):
    """A donation on a receipt. `amount_fen`: given, less what had gone back when the receipt was issued."""

    donation_id: UUID
    channel: str
    transaction_id: str
    occurred_at: datetime
    amount_fen: int


class Receipt(BaseModel):
    """A receipt as finance and desk see it. `overstated_fen`: what went back since it was issued; it needs to
    be reissued, or voided. `donor_name` null: an anonymous gift. `restricted_until`: the donor was erased;
    the receipt is kept for the law until that day, and the name on it is shown to nobody.
    """

    number: str
    state: State
    version: int
    organisation: str
    licence: str
    purpose: str
    donor_kind: DonorKind
    donor_name: str | None
    amount_fen: int
    amount_in_capitals: str
    overstated_fen: int
    donated_from: datetime
    donated_to: datetime
    handler: str
    issued_by: str
    issued_at: datetime
    check_code: str
    check_address: str
    replaces: str | None
    replaced_by: str | None
    void_reason: str | None
    voided_by: str | None
    voided_at: datetime | None
    restricted_until: date | None = None
    donations: list[Item]

    @classmethod
    def of(cls, row: Row[Any], items: list[Row[Any]]) -> Self:
        """The receipt of a row of queries.receipt, with the rows of its donations."""
        values = {
            **row._mapping,  # noqa: SLF001 - public
            "donor_name": row.donor_name if row.restricted_until is None else None,
            "state": state_of(row),
            "amount_in_capitals": in_capitals(row.amount_fen),
            "donations": [Item.model_validate(item, from_attributes=True) for item in items],
        }
        return cls.model_validate(values)


class ReceiptPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Receipt]
    next: str | None


class Issued(BaseModel):
    """What became of one donation of a bulk command: its receipt's number, or the problem document's
    `type` and `detail`.
    """

    donation_id: UUID
    number: str | None = None
    problem: str | None = None
    detail: str | None = None


class IssuedEach(BaseModel):
    """The answer of a bulk command, in the order it was asked."""

    items: list[Issued]


class Check(BaseModel):
    """What anyone with the number and the code may know. `donor`: the name or alias the donor agreed to show.
    `overstated`: money went back to the donor since, and the receipt is to be replaced.
    """

    number: str
    state: PublicState
    organisation: str
    licence: str
    purpose: str
    amount_fen: int
    issued_on: date
    donor: str | None
    replaced_by: str | None


def state_of(row: Row[Any]) -> State:
    """What a receipt is now."""
    if row.valid:
        return "valid"
    return "replaced" if row.replaced_by is not None else "void"
