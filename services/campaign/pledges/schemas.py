"""What comes and goes by HTTP about pledges: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from services.campaign.pledges.fulfilment import Problem
from services.campaign.pledges.rules import Action, Display, Kept, PledgeState, StepState
from services.campaign.schemas import Body, Day, Fen, Line, Next, Paragraph, Short
from shared.events.campaigns import ValueBasis

Quantity = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class GoodsBody(Body):
    """Goods that are promised."""

    description: Line = Field(description="What they are, such as 药品")
    quantity: Quantity = Field(description="How many of the unit")
    unit: Short = Field(description="箱, 件, 吨, …")
    basis: ValueBasis = Field(
        description="What the value rests on: invoice 发票, appraisal 评估, agreed 协商"
    )


class PledgeBody(Body):
    """A promise made in public (认捐, 举牌), as the placard says it."""

    company: Line = Field(description="The company that promises; stays in this service")
    amount_fen: Fen = Field(description="Promised, in fen; of goods their stated value. Never received")
    promised_on: Day | None = Field(
        None,
        description="When it was promised, a date in Asia/Shanghai, not ahead; nothing: today, or as it was",
    )
    due_on: Day = Field(description="When it is to be kept, a date in Asia/Shanghai")
    display: Display = Field(
        "name", description="What it agreed to show: its name (as on a placard), an alias, or anonymous"
    )
    alias: Line | None = Field(None, description="Shown instead of the name, with display alias")
    placard: Short | None = Field(None, description="The placard's number, once in a campaign")
    goods: GoodsBody | None = Field(None, description="For a promise of goods; without it, of money")


class ConfirmBody(Body):
    """What the second person reads off the placard."""

    amount_fen: Fen = Field(description="The amount on the placard, in fen; another than entered: refused")


class ReasonBody(Body):
    """Why something is done."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class CorrectionBody(PledgeBody):
    """What a confirmed pledge should have said, whole."""

    reason: Paragraph = Field(description="What was wrong; stays in this service")


class DeliveryBody(Body):
    """Promised goods that came in."""

    quantity: Quantity = Field(description="In the unit of the pledge")
    value_fen: Fen = Field(description="Their value, in fen")
    delivered_on: Day = Field(description="A date in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(description="The delivery note's number, or who took them in")
    gift_id: UUID | None = Field(
        None, description="The confirmed gift in kind that they are in the store (物资入库)"
    )


class ReleaseBody(Body):
    """The report and the statement without which nobody is released (Charity Law art. 41)."""

    report_reference: Line = Field(description="The reference of the report to the civil-affairs bureau")
    reported_to: Line = Field(description="The bureau, of county level or above")
    reported_on: Day = Field(description="A date in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(description="How the company's situation has changed; stays in this service")
    public_statement: Paragraph = Field(description="The statement to the public, or its address; published")


class Goods(BaseModel):
    """Goods that were promised; their stated value is the pledge's amount."""

    description: str
    quantity: int
    unit: str
    basis: ValueBasis


class Terms(BaseModel):
    """What was promised, as the tables have it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    company: str
    display: Display
    shown_name: str
    amount_fen: int
    promised_on: date
    due_on: date
    placard: str | None
    goods: Goods | None

    @model_validator(mode="before")
    @classmethod
    def _read_goods(cls, row: object) -> object:
        """The four columns of goods are one object here."""
        if isinstance(row, dict):
            return row
        values = dict(row._mapping)  # type: ignore[attr-defined] # noqa: SLF001 - SQLAlchemy's public name
        if values["goods"] is not None:
            values["goods"] = {
                "description": values["goods"],
                **{name: values[name] for name in ("quantity", "unit", "basis")},
            }
        return values


class Pledge(Terms):
    """A pledge as this service knows it. Times are UTC, amounts fen."""

    pledge_id: UUID
    campaign_id: str
    state: PledgeState
    version: int = Field(description="Grows with each change; the ETag")
    entered_by: str
    entered_at: datetime
    written_by: str = Field(description="Who wrote what is to be, or was, confirmed")
    confirmed_by: str | None
    confirmed_at: datetime | None
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    paid_fen: int = Field(description="Donations that name it")
    returned_fen: int = Field(description="Of these, reversed")
    delivered_fen: int = Field(description="Value of the goods that came in")
    delivered_quantity: int
    released_fen: int = Field(description="No longer asked for (art. 41); still part of the promise")
    fulfilled_at: datetime | None = Field(description="When it was fulfilled for the first time")

    @property
    def kept(self) -> Kept:
        """How much of it is kept."""
        return Kept(
            self.amount_fen,
            self.released_fen,
            self.paid_fen,
            self.returned_fen,
            self.delivered_fen,
            0 if self.goods is None else self.goods.quantity,
            self.delivered_quantity,
        )

    @computed_field(description="paid − returned + delivered; beside the promise, never added to it")  # type: ignore[prop-decorator]
    @property
    def fulfilled_fen(self) -> int:
        """In fen."""
        return self.kept.fulfilled_fen

    @computed_field(description="What can still be asked for")  # type: ignore[prop-decorator]
    @property
    def open_fen(self) -> int:
        """In fen."""
        return self.kept.open_fen

    @computed_field(description="What came in beyond the promise")  # type: ignore[prop-decorator]
    @property
    def overpaid_fen(self) -> int:
        """In fen."""
        return self.kept.overpaid_fen


class DuePledge(Pledge):
    """A pledge that is open and due."""

    days_overdue: int = Field(description="Days since due_on in Asia/Shanghai; below 0: days left")


class Version(Terms):
    """One version of a pledge, with who made it and when."""

    version: int
    action: Action
    state: PledgeState
    reason: str | None
    person: str
    changed_at: datetime


class Step(BaseModel):
    """What one person asked for and another decides."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    step_id: UUID
    pledge_id: UUID
    state: StepState
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class Correction(Step, Terms):
    """New terms for a confirmed pledge; the old ones are in its history at `from_version`."""

    from_version: int


class Delivery(Step):
    """Promised goods that came in."""

    quantity: int
    value_fen: int
    delivered_on: date
    gift_id: UUID | None = Field(description="What they are in the store")


class Release(Step):
    """A report and a statement of art. 41."""

    report_reference: str
    reported_to: str
    reported_on: date
    public_statement: str


class Steps(BaseModel):
    """A pledge's corrections, deliveries and releases: the newest 100 of each, newest first."""

    corrections: list[Correction]
    deliveries: list[Delivery]
    releases: list[Release]


class Payment(BaseModel):
    """A donation or reversal that names a pledge. With a `problem` it counts towards none."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    source: str
    sequence: int
    pledge_id: UUID
    campaign_id: str
    donation_id: UUID
    paid_fen: int
    returned_fen: int
    problem: Problem | None
    counted_at: datetime


class PromisedTotal(BaseModel):
    """What was promised to a campaign, and beside it what became of that, in fen."""

    campaign_id: str
    promised_fen: int = Field(description="Every confirmed pledge, the released ones as well")
    goods_fen: int = Field(description="The part of promised_fen that was promised in goods")
    fulfilled_fen: int = Field(description="What came in for pledges, each at most to its amount")
    overpaid_fen: int
    released_fen: int = Field(description="Of promised_fen, no longer asked for (art. 41)")
    open_fen: int
    pledges: int
    fulfilled: int = Field(description="How many are fulfilled")
    entered: int = Field(description="How many wait for their second person; they don't count yet")


class PledgePage(BaseModel):
    """A part of a campaign's pledges."""

    items: list[Pledge]
    next: Next


class DuePage(BaseModel):
    """A part of what is due, by due date."""

    items: list[DuePledge]
    next: Next


class VersionPage(BaseModel):
    """A part of a pledge's versions."""

    items: list[Version]
    next: Annotated[int | None, Field(description="Send it as `after` for the next part; null: the end")]


class PaymentPage(BaseModel):
    """A part of the payments that name a pledge and count towards none."""

    items: list[Payment]
    next: Next
