"""What comes and goes by HTTP about disbursements: bounded, in fen, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field

from services.campaign.schemas import Body, CostFen, Day, Fen, Line, Next, Paragraph, Short
from services.campaign.spending.budget import MAX_LINES, BudgetState
from services.campaign.spending.rules import (
    MAX_COUNTS,
    MAX_ITEMS,
    CameBack,
    DisbursementState,
    ReturnState,
    came_back,
)
from services.campaign.spending.stated_years import FIRST_YEAR, LAST_YEAR, Basis, StatementState
from shared.events.campaigns import BeneficiaryUnit, SpendingCategory

Count = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)]


class LineItemBody(Body):
    """A line of a request: what is bought or paid."""

    description: Line = Field(description="What it is; stays in this service")
    quantity: Count | None = Field(None, description="How many of the unit, where it can be counted")
    unit: Short | None = Field(None, description="件, 台, 人, …")
    amount_fen: Fen = Field(description="What the line costs, in fen")


class HelpedBody(Body):
    """What else is counted, in a unit of its own."""

    count: Count = Field(description="How many of the unit")
    unit: Short = Field(description="台, 份, 家, …; published")
    of: Line | None = Field(None, description="Of what, such as 烟感报警器; published")


class DisbursementBody(Body):
    """A request to spend from a campaign's fund (拨付申请)."""

    amount_fen: Fen = Field(description="In fen")
    use: Line = Field(description="用途, published with the disbursement")
    title: Line | None = Field(None, description="What it was in particular, such as 2023年助学; published")
    category: SpendingCategory = Field(
        "programme", description="programme 业务活动, management 管理费用, fundraising 筹资费用 (art. 61)"
    )
    payee: Line = Field(description="收款方; stays in this service")
    beneficiaries: Annotated[int, Field(strict=True, ge=0, le=2_000_000_000)] = Field(
        description="How many are helped; 0 only for what is no programme"
    )
    beneficiary_unit: BeneficiaryUnit = Field(description="person_times 人次, households 户, schools 所")
    also_helped: Annotated[list[HelpedBody], Field(max_length=MAX_COUNTS)] = Field(
        default_factory=list, description="Further counts, each in its own unit"
    )
    items: Annotated[list[LineItemBody], Field(max_length=MAX_ITEMS)] = Field(
        default_factory=list, description="Line items; when there are any, they make the amount to the fen"
    )
    requested_on: Day | None = Field(None, description="A date in Asia/Shanghai, not ahead; without it today")


class PayBody(Body):
    """When the money went out."""

    paid_on: Day | None = Field(None, description="A date in Asia/Shanghai, not ahead; without it today")


class EndBody(Body):
    """Why a request is rejected or withdrawn."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class MoneyBackBody(Body):
    """Money that came back of a payment (退回)."""

    amount_fen: Fen = Field(description="In fen, at most what was paid and has not come back")
    returned_on: Day | None = Field(None, description="A date in Asia/Shanghai, not ahead; without it today")
    reason: Paragraph = Field(description="Why it came back; stays in this service")


class BudgetLineBody(Body):
    """What may be spent on one use."""

    use: Line = Field(description="One of the plan's uses")
    amount_fen: Fen = Field(description="In fen")


class BudgetBody(Body):
    """A budget, whole: it takes the place of the one in force."""

    lines: Annotated[list[BudgetLineBody], Field(min_length=1, max_length=MAX_LINES)] = Field(
        description="Each use once; what has no line can't be spent on"
    )
    spend_until: Day | None = Field(None, description="The last day of spending, a date in Asia/Shanghai")
    reason: Paragraph = Field(description="Why; stays in this service")


class StatedYearBody(Body):
    """A year from before the ledger, as the audited account has it (art. 61)."""

    year: Annotated[int, Field(strict=True, ge=FIRST_YEAR, le=LAST_YEAR)] = Field(
        description="The year in Asia/Shanghai; it is over, and the ledger has nothing of it"
    )
    income_fen: CostFen = Field(description="The year's income in fen, money and goods; 0 is a statement")
    programme_fen: CostFen = Field(description="业务活动成本 in fen, charitable activities")
    management_fen: CostFen = Field(description="管理费用 in fen")
    spending_fen: CostFen = Field(
        description="Everything that went out, in fen: programmes, management, fund-raising and other"
    )
    reference: Line = Field(description="审计报告, such as its number and date; stays in this service")


class Item(BaseModel):
    """A line of a request."""

    description: str
    quantity: int | None
    unit: str | None
    amount_fen: int


class HelpedCount(BaseModel):
    """What else is counted."""

    count: int
    unit: str
    of: str | None


class Disbursement(BaseModel):
    """A disbursement and who did what with it. Times are UTC, days those of Asia/Shanghai."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    disbursement_id: UUID
    campaign_id: str
    state: DisbursementState
    version: int = Field(description="Grows with each change; the ETag")
    amount_fen: int
    use: str
    title: str | None
    category: SpendingCategory
    payee: str
    beneficiaries: int
    beneficiary_unit: BeneficiaryUnit
    also_helped: list[HelpedCount]
    items: list[Item]
    requested_on: date
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    paid_on: date | None
    paid_by: str | None
    paid_at: datetime | None
    returned_fen: int = Field(description="Came back of what was paid; amount_fen stays disbursed")
    ended_by: str | None = Field(description="Who rejected or withdrew it")
    ended_at: datetime | None
    end_reason: str | None

    @computed_field(description="Whether nothing, part or all of the payment has come back")  # type: ignore[prop-decorator]
    @property
    def came_back(self) -> CameBack:
        """From the amounts."""
        return came_back(self.amount_fen, self.returned_fen)


class Return(BaseModel):
    """What came back of a payment, who recorded and who confirmed it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    return_id: UUID
    disbursement_id: UUID
    state: ReturnState
    amount_fen: int
    returned_on: date
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class Returns(BaseModel):
    """The returns of a disbursement, newest first, at most 100."""

    items: list[Return]


class BudgetLine(BaseModel):
    """One use: what is planned, what of it is spent or reserved, what is left."""

    model_config = ConfigDict(from_attributes=True)

    use: str
    amount_fen: int
    spent_fen: int = Field(description="Reserved and paid, less what came back")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def remaining_fen(self) -> int:
        """What can still be approved on this line."""
        return max(0, self.amount_fen - self.spent_fen)


class BudgetChange(BaseModel):
    """A budget that was asked for, and what became of it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    change_id: UUID
    state: BudgetState
    lines: list[BudgetLineBody]
    spend_until: date | None
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class Budget(BaseModel):
    """A campaign's budget by use, and its newest changes."""

    campaign_id: str
    version: int = Field(description="Grows with each change; the ETag. 0: nobody has asked for one yet")
    in_force: bool = Field(description="false: the plan's uses and the balance alone decide")
    spend_until: date | None
    lines: list[BudgetLine]
    changes: list[BudgetChange] = Field(description="Newest first, at most 20; the first may wait")


class Invoice(BaseModel):
    """A file that a disbursement has; its content is read by itself."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    number: int = Field(description="Its place among the files of the disbursement")
    name: str
    media_type: str
    size_bytes: int
    sha256: str = Field(description="Of the content, 64 hexadecimal digits")
    added_by: str
    added_at: datetime
    also_at: list[UUID] = Field(description="Other disbursements that have the same file: look twice")
    invoice_number: str | None = Field(None, description="As it stands on the invoice (发票号码)")
    amount_fen: int | None = Field(None, description="What the invoice comes to, in fen")
    number_also_at: list[UUID] = Field(
        default_factory=list, description="Other disbursements with this invoice_number: look twice"
    )


class Invoices(BaseModel):
    """The files of a disbursement, in the order they came, at most 20."""

    items: list[Invoice]


class StatedYear(BaseModel):
    """A stated year, who recorded and who confirmed it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    statement_id: UUID = Field(description="The statement's id")
    organisation_id: str = Field(description="Whose year it is, without those below it")
    year: int = Field(description="The year in Asia/Shanghai")
    state: StatementState = Field(description="asked: waits for another person; done: confirmed; withdrawn")
    version: int = Field(description="Grows with each change; the ETag")
    income_fen: int = Field(description="The year's income in fen, money and goods")
    programme_fen: int = Field(description="业务活动成本 in fen")
    management_fen: int = Field(description="管理费用 in fen")
    spending_fen: int = Field(description="Everything that went out, in fen")
    reference: str = Field(description="The audited account it is taken from")
    asked_by: str = Field(description="Who recorded it")
    asked_at: datetime = Field(description="When it was recorded")
    decided_by: str | None = Field(description="Who confirmed or withdrew it")
    decided_at: datetime | None = Field(description="When it was confirmed or withdrawn")


class StatedYears(BaseModel):
    """A part of an organisation's stated years, withdrawn ones too."""

    items: list[StatedYear] = Field(description="In the order they were recorded")
    next: Next


class YearBasis(BaseModel):
    """What the figures of one year rest on."""

    year: int = Field(description="The year in Asia/Shanghai")
    basis: Basis = Field(
        description="ledger; stated: a confirmed statement of finance; none: nothing is known, counted as 0"
    )
    income_fen: int = Field(description="The income that was reckoned with, in fen")


class RatiosOfYear(BaseModel):
    """A year of one organisation, without those below it, against art. 61. Fen and basis points (0.01 %)."""

    organisation_id: str = Field(description="Whose year it is")
    year: int = Field(description="The year in Asia/Shanghai")
    income_fen: int = Field(description="Money and goods, less what went back")
    programme_fen: int = Field(description="Charitable activities, goods and trusts included")
    management_fen: int = Field(description="What it spent on itself")
    spending_fen: int = Field(description="Everything that went out, less what came back")
    last_income_fen: int = Field(description="Income of the year before")
    mean_income_fen: int = Field(description="Mean income of the three years before")
    spent_of_last_bp: int | None = Field(description="programme_fen of last_income_fen, rounded down")
    spent_of_mean_bp: int | None = Field(description="programme_fen of mean_income_fen, rounded down")
    management_bp: int | None = Field(description="management_fen of spending_fen, rounded up")
    spends_enough: bool | None = Field(description="At least 70 % of one of the two; null: no income known")
    management_within: bool | None = Field(description="At most 10 %; null: nothing was spent")
    basis: list[YearBasis] = Field(description="The year and the three before it, newest first")


class DisbursementPage(BaseModel):
    """A part of a campaign's disbursements."""

    items: list[Disbursement]
    next: Next
