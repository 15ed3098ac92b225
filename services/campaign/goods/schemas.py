"""What comes and goes by HTTP about goods: bounded, in fen, in UTC, unknown fields refused."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.goods.rules import (
    MAX_ITEMS,
    MAX_QUANTITY,
    Category,
    Cause,
    GiftAction,
    GiftState,
    Line,
    MovementKind,
    MovementState,
)
from services.campaign.pledges.rules import Display
from services.campaign.schemas import Body, Day, Fen, Next, Paragraph, Short
from services.campaign.schemas import Line as TextLine
from shared.events.campaigns import BeneficiaryUnit, ValueBasis
from shared.events.donations import DonorKind
from shared.events.goods import GoodsReversalKind

Quantity = Annotated[int, Field(strict=True, ge=1, le=MAX_QUANTITY)]


class GiftItemBody(Body):
    """Goods of one kind in a gift."""

    description: TextLine = Field(description="What they are, published: 药品, 羽绒服, …")
    category: Category = Field(description="medicine 药品 (with batch and expiry), food, clothing, …")
    quantity: Quantity = Field(description="How many pieces of the unit")
    unit: Short = Field(description="箱, 件, 吨, …")
    value_fen: Fen = Field(description="Of all pieces together, in fen; a fen or more for each")
    basis: ValueBasis = Field(
        description="What the value rests on: invoice 发票, appraisal 评估, agreed 协商"
    )
    document: TextLine = Field(description="The invoice's, report's or agreement's number")
    batch: TextLine | None = Field(None, description="批号; of medicine required")
    expires_on: Day | None = Field(None, description="有效期至; of medicine required")
    store: TextLine = Field(description="Where they are kept")


class GiftBody(Body):
    """A gift in kind as it came in (物资入库)."""

    donor: TextLine = Field(description="Who gives; stays in this service")
    donor_kind: DonorKind = Field(description="person or company")
    display: Display = Field(description="What the donor agreed to show: name, alias, or anonymous (art. 82)")
    alias: TextLine | None = Field(None, description="Shown instead of the name, with display alias")
    received_on: Day = Field(description="The day it came in, in Asia/Shanghai, not ahead")
    items: Annotated[list[GiftItemBody], Field(min_length=1, max_length=MAX_ITEMS)] = Field(
        description="What was given, as the papers list it"
    )
    note: Paragraph | None = Field(None, description="The delivery note's number; stays in this service")


class CountedBody(Body):
    """What the second person has found, counting the goods and reading their papers."""

    value_fen: Fen = Field(description="Of the whole gift, in fen; another than entered: refused")


class ReasonBody(Body):
    """Why something is done."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class LineBody(Body):
    """So many pieces of one kind of goods."""

    item_id: UUID = Field(description="The item of a gift, or of the distribution it comes back from")
    quantity: Quantity = Field(description="How many pieces of its unit")


class MovementBody(Body):
    """What every movement says."""

    items: Annotated[list[LineBody], Field(min_length=1, max_length=MAX_ITEMS)] = Field(
        description="Which items, and how much of each"
    )

    @property
    def lines(self) -> Sequence[Line]:
        """The lines as the rules know them."""
        return [Line(item.item_id, item.quantity) for item in self.items]


class DistributionBody(MovementBody):
    """Goods that go out to a use (物资发放)."""

    use: TextLine = Field(description="One of the uses of the filed plan, published")
    recipient: TextLine = Field(description="Who takes them; stays in this service")
    beneficiaries: Quantity = Field(description="How many are helped")
    beneficiary_unit: BeneficiaryUnit = Field(description="person_times 人次, households 户, schools 所")
    distributed_on: Day = Field(description="The day, in Asia/Shanghai, not ahead")
    note: Paragraph | None = Field(None, description="The list with the signatures; stays in this service")


class GoodsReturnBody(MovementBody):
    """Of a distribution, what comes back into the store (退库)."""

    returned_on: Day = Field(description="The day, in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(description="Stays in this service")


class WriteOffBody(MovementBody):
    """Goods that are lost to every use (报损)."""

    cause: Cause = Field(description="expired 过期, damaged 毁损, lost 丢失; published")
    written_off_on: Day = Field(description="The day, in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(
        description="What was found, and the paper that shows it; stays in this service"
    )


class GoodsReversalBody(MovementBody):
    """Of a gift, what goes back to its donor, or was recorded by mistake (冲回)."""

    kind: GoodsReversalKind = Field(description="sent_back 退回捐赠方, mistake 误记; published")
    reversed_on: Day = Field(description="The day, in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(description="Stays in this service")


class CarryBody(Body):
    """Goods that were carried to another store (移库): all that is left of them."""

    from_store: TextLine = Field(description="Where they were; another than is known here: refused")
    to_store: TextLine = Field(description="Where they are now")
    carried_on: Day = Field(description="The day, in Asia/Shanghai, not ahead")
    reason: Paragraph = Field(description="Stays in this service, with who and when")


class Item(BaseModel):
    """Goods of one kind in a gift, and what of them lies in the store."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    item_id: UUID
    campaign_id: str
    gift_id: UUID
    line: int
    description: str
    category: Category
    quantity: int
    unit: str
    value_fen: int
    basis: ValueBasis
    document: str
    batch: str | None
    expires_on: date | None
    store: str
    left_quantity: int = Field(description="In the store; 0 before the gift is confirmed")
    left_fen: int


class Gift(BaseModel):
    """A gift in kind as this service knows it. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    gift_id: UUID
    campaign_id: str
    state: GiftState
    version: int = Field(description="Grows with each change; the ETag")
    donor: str
    donor_kind: DonorKind
    display: Display
    shown_name: str | None = Field(description="What the public sees; null: anonymous")
    received_on: date
    value_fen: int = Field(description="Of all its items")
    note: str | None
    entered_by: str
    entered_at: datetime
    written_by: str = Field(description="Who wrote what is to be, or was, confirmed")
    confirmed_by: str | None
    confirmed_at: datetime | None
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    items: list[Item] = Field(default_factory=list)


class GiftChange(BaseModel):
    """Who brought a gift to which version."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    version: int
    action: GiftAction
    value_fen: int
    person: str
    changed_at: datetime


class GiftChanges(BaseModel):
    """A gift's versions, newest first, 200 at most."""

    items: list[GiftChange]


class MovementItem(BaseModel):
    """One line of a movement, with its value once it is done."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    item_id: UUID
    description: str
    unit: str
    quantity: int
    value_fen: int | None
    left_quantity: int | None = Field(description="Of a distribution that was done: not come back")
    left_fen: int | None


class Movement(BaseModel):
    """Goods that go out, come back, are lost, or go back to their donor. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    movement_id: UUID
    campaign_id: str
    kind: MovementKind
    state: MovementState
    version: int = Field(description="Grows with each change; the ETag")
    happened_on: date
    reason: str | None
    use: str | None
    recipient: str | None
    beneficiaries: int | None
    beneficiary_unit: BeneficiaryUnit | None
    cause: str | None = Field(description="Of a write-off or a reversal")
    distribution_id: UUID | None = Field(description="Of a return: what comes back of")
    gift_id: UUID | None = Field(description="Of a reversal: what is taken back of")
    value_fen: int | None = Field(description="Known when it is done")
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision: str | None = Field(description="Why it was withdrawn")
    items: list[MovementItem] = Field(default_factory=list)


class Carry(BaseModel):
    """What was carried from one store to another, and who recorded it."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    carry_id: UUID
    item_id: UUID
    from_store: str
    to_store: str
    quantity: int
    carried_on: date
    reason: str
    person: str
    recorded_at: datetime


class Carries(BaseModel):
    """Where an item has lain: the newest 200, newest first."""

    items: list[Carry]


class GoodsFigures(BaseModel):
    """A campaign's goods at their values in fen, all of one moment, apart from all money.

    received − reversed = distributed − returned + written_off + in_store.
    """

    campaign_id: str
    received_fen: int
    reversed_fen: int = Field(description="Back to the donor, or recorded by mistake")
    distributed_fen: int
    returned_fen: int = Field(description="Of distributed_fen, come back into the store")
    written_off_fen: int
    in_store_fen: int
    gifts: int = Field(description="How many are confirmed")
    entered: int = Field(description="How many wait for their second person; they don't count yet")


class GiftPage(BaseModel):
    """A part of a campaign's gifts."""

    items: list[Gift]
    next: Next


class ItemPage(BaseModel):
    """A part of a store."""

    items: list[Item]
    next: Next


class MovementPage(BaseModel):
    """A part of a campaign's movements."""

    items: list[Movement]
    next: Next
