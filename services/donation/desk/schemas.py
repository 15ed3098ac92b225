"""What comes and goes by HTTP at the desk: bounded, in fen, in UTC, unknown fields refused."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from sqlalchemy import Row

from services.donation.intake import AmountFen, CampaignId, DonationRequest, Donor, Words
from shared.forms import form

Method = Literal["cash", "cheque", "placard"]
HALL: Final = form(
    r"^[a-z0-9][a-z0-9-]{0,23}$",
    "1 to 24 of a-z, 0-9 and -, beginning with a letter or digit, such as hall-1",
)
PLACARD: Final = form(r"^[0-9A-Za-z]{1,8}$", "1 to 8 letters and digits, such as 17")
CHEQUE: Final = form(r"^[0-9A-Za-z-]{1,32}$", "1 to 32 letters, digits and -, such as 30123456")
Hall = Annotated[
    str, Field(pattern=HALL, description="whose drawer and whose placards", examples=["gala-2027"])
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EntryBody(_Strict):
    """Money in hand. `placard`: the number on the donor's placard, only with the method placard;
    `cheque_number`: only with the method cheque. `pledge_id`: the promise that it keeps.
    """

    hall: Hall
    method: Method
    amount_fen: AmountFen
    campaign_id: CampaignId
    donor: Donor = Donor(kind="person", display="anonymous")
    placard: Annotated[str | None, Field(validate_default=True, pattern=PLACARD, examples=[None])] = None
    cheque_number: Annotated[str | None, Field(validate_default=True, pattern=CHEQUE, examples=[None])] = None
    pledge_id: UUID | None = None
    note: Words | None = None

    @field_validator("placard", "cheque_number")
    @classmethod
    def _numbers_belong_to_their_method(cls, number: str | None, info: ValidationInfo) -> str | None:
        method = "placard" if info.field_name == "placard" else "cheque"
        if "method" in info.data and (info.data["method"] == method) != (number is not None):
            wrong = "is missing" if number is None else f"goes with the method {method}, and only with it"
            raise ValueError(wrong)
        return number

    def as_donation(self, transaction_id: str, occurred_at: datetime) -> DonationRequest:
        """The donation that this is."""
        return DonationRequest.model_construct(
            transaction_id=transaction_id,
            campaign_id=self.campaign_id,
            amount_fen=self.amount_fen,
            currency="CNY",
            occurred_at=occurred_at,
            donor=self.donor,
            pledge_id=self.pledge_id,
        )


class UndoBody(_Strict):
    """Why it is taken back."""

    reason: Words


class Entry(BaseModel):
    """An entry. `number`: the placard's, or the hall's running number. `entry_id` is the donation's id."""

    model_config = ConfigDict(from_attributes=True)

    entry_id: UUID
    hall: str
    method: Method
    number: str
    cheque_number: str | None
    transaction_id: str
    campaign_id: str
    amount_fen: int
    note: str | None
    entered_by: str
    entered_at: datetime
    undo_until: datetime
    undone_at: datetime | None
    undone_by: str | None
    undo_reason: str | None
    closing_id: int | None


class EntryPage(BaseModel):
    """A part of the list; `next` is the `before` of the next part."""

    items: list[Entry]
    next: datetime | None


class MethodSum(BaseModel):
    """What was entered by one method, without what was undone."""

    model_config = ConfigDict(from_attributes=True)

    method: Method
    entries: int
    entered_fen: int


class Drawer(BaseModel):
    """What a hall's drawer must hold now: the entries since it was last closed."""

    hall: str
    sums: list[MethodSum]
    entered_fen: int


class Counted(_Strict):
    """What was counted, in fen, by method."""

    cash: Annotated[int, Field(ge=0, le=10**15)]
    cheque: Annotated[int, Field(ge=0, le=10**15)] = 0
    placard: Annotated[int, Field(ge=0, le=10**15)] = 0


class CloseBody(_Strict):
    """Close a drawer with what was counted in it."""

    counted_fen: Counted
    note: Words | None = None


class Count(MethodSum):
    """What was entered and what was counted; `difference_fen` is counted − entered."""

    counted_fen: int
    difference_fen: int


class Closing(BaseModel):
    """A drawer that was closed."""

    closing_id: int
    hall: str
    closed_by: str
    closed_at: datetime
    note: str | None
    counts: list[Count]
    difference_fen: int

    @classmethod
    def of(cls, row: Row[Any], counts: list[Row[Any]]) -> Self:
        """The closing of a row, with the rows of its counts."""
        shown = [
            Count(
                method=each.method,
                entries=each.entries,
                entered_fen=each.entered_fen,
                counted_fen=each.counted_fen,
                difference_fen=each.counted_fen - each.entered_fen,
            )
            for each in counts
        ]
        total = sum(each.difference_fen for each in shown)
        return cls.model_validate({**row._mapping, "counts": shown, "difference_fen": total})  # noqa: SLF001 - public
