"""What comes and goes by HTTP about donors' personal data: bounded, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.donation.intake import Email, Identifier, Phone, WechatId
from services.donation.receipts.numbering import NUMBER
from shared.events.donations import DonorKind

MAX_DONATIONS: int = 200
"""Of one erasure or export, and what a search finds at most."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Row(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SoughtDonor(_Strict):
    """What the donor says of themselves or of a gift: exactly one of these."""

    donation_id: UUID | None = None
    transaction_id: Identifier | None = None
    receipt: Annotated[str | None, Field(pattern=NUMBER, examples=["SZCS-2027-0000123"])] = None
    email: Email | None = None
    phone: Phone | None = None
    wechat_openid: WechatId | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set & set(self.model_dump(exclude_none=True))) != 1:
            raise ValueError("name exactly one field")
        return self

    @property
    def by(self) -> tuple[str, Any]:
        """The field and what stands in it."""
        ((name, value),) = self.model_dump(exclude_none=True).items()
        return name, value


class DonorsDonation(_Row):
    """A donation that was found. What it says of its donor is in the export."""

    donation_id: UUID
    channel: str
    transaction_id: str
    campaign_id: str
    amount_fen: int
    occurred_at: datetime
    erased_at: datetime | None


class FoundDonations(BaseModel):
    """The newest first. `more`: there are others; narrow the search."""

    items: list[DonorsDonation]
    more: bool


def _each_once(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("names a donation twice")
    return ids


class ExportBody(_Strict):
    """Whose data: the donations of one donor."""

    donation_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DONATIONS)]


class DonorContactData(BaseModel):
    """Where the donor wanted to be reached."""

    email: str | None
    phone: str | None
    wechat_openid: str | None
    wechat_app_id: str | None
    language: str | None


class ReceiptData(_Row):
    """A receipt that names the donor. `restricted_until`: kept for the law alone, and named to nobody."""

    number: str
    donor_name: str | None
    shown_name: str | None
    amount_fen: int
    issued_at: datetime
    valid: bool
    restricted_until: date | None


class DonorData(BaseModel):
    """All that this service holds of a donor with one donation."""

    donation_id: UUID
    channel: str
    transaction_id: str
    campaign_id: str
    amount_fen: int
    occurred_at: datetime
    received_at: datetime
    donor_kind: DonorKind
    donor_name: str | None
    donor_alias: str | None
    display: Literal["name", "alias", "anonymous"]
    consent_withdrawn_at: datetime | None
    contact: DonorContactData | None
    message: str | None
    message_state: str | None
    desk_note: str | None
    receipts: list[ReceiptData]
    erased_at: datetime | None


class DonorExport(BaseModel):
    """What a donor is given: all of this service; `elsewhere` says what other places hold and how long."""

    made_at: datetime
    donations: list[DonorData]
    elsewhere: list[str]


ErasureState = Literal["asked", "done", "refused"]
Reference = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]


class ErasureBody(_Strict):
    """Which donations, and under which number the donor's request is filed: never a name."""

    donation_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DONATIONS)]
    reference: Annotated[Reference, Field(examples=["PIPL-2027-0012"])]

    @model_validator(mode="after")
    def _once(self) -> Self:
        _each_once(self.donation_ids)
        return self


class Restricted(_Row):
    """A receipt that the law has kept, and until when."""

    number: str
    kept_until: date


class Erasure(_Row):
    """A request. `restricted`: what stays, and why, see docs/personal-data.md."""

    erasure_id: UUID
    reference: str
    donation_ids: list[UUID]
    state: ErasureState
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    restricted: list[Restricted] = []


class ErasurePage(BaseModel):
    """A part of the list, the newest first; `next` is the `after` of the next part."""

    items: list[Erasure]
    next: UUID | None
