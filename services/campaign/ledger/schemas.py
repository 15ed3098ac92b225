"""What of the ledger comes and goes by HTTP: amounts in fen, days in Asia/Shanghai, times in UTC."""

from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.campaign.ledger.accounts import CHART, AccountClass, Side
from services.campaign.ledger.drafts import DraftState
from services.campaign.ledger.entries import POSTING_MAX_FEN, Kind
from services.campaign.ledger.periods import PeriodState
from services.campaign.schemas import Body, CampaignId, Day, Next, Paragraph


def _in_chart(number: str) -> str:
    if number not in CHART:
        raise ValueError("is not in the chart of accounts")
    return number


AccountNumber = Annotated[str, AfterValidator(_in_chart), Field(description="A number of the chart")]


# ---------------------------------------------------------------- what people book


class PostingBody(Body):
    """One line of a voucher."""

    account: Annotated[AccountNumber, Field(examples=["1002"])]
    campaign_id: CampaignId | None = Field(None, description="Not with net assets, income and expense")
    side: Side = Field(description="debit 借 or credit 贷")
    amount_fen: Annotated[int, Field(strict=True, ge=1, le=POSTING_MAX_FEN, description="In fen")]


_EXAMPLE_POSTINGS: Final = [
    {"account": "1002", "side": "debit", "amount_fen": 12345},
    {"account": "112201", "side": "credit", "amount_fen": 12345},
]
"""A channel's settlement: its money is in the bank."""


class VoucherBody(Body):
    """Money between accounts: a channel's settlement, a fee, rent. Balanced in each campaign."""

    day: Day = Field(description="The day it happened, in Asia/Shanghai")
    note: Paragraph = Field(description="摘要: what it is, and which paper shows it")
    postings: Annotated[
        list[PostingBody],
        Field(
            min_length=2,
            max_length=100,
            description="Its lines, in their order",
            examples=[_EXAMPLE_POSTINGS],
        ),
    ]


class ReversalBody(Body):
    """What is to be reversed, and why."""

    journal: Annotated[str, Field(min_length=1, max_length=200, description="The entry's journal: books")]
    sequence: Annotated[int, Field(strict=True, ge=1, le=2**63 - 1, description="Its place there")]
    note: Paragraph = Field(description="The reason; it stays in the ledger")


class Line(BaseModel):
    """One posting."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    account: str
    campaign_id: str | None = None
    side: Side
    amount_fen: int


class Draft(BaseModel):
    """A voucher, opening or reversal that one person has written and another books."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    draft_id: UUID
    kind: Kind
    state: DraftState
    version: int = Field(description="Grows with each change; the ETag")
    day: date
    note: str
    postings: list[Line]
    reverses: int | None = Field(description="The entry it takes back, in the journal `books`")
    made_by: str
    made_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    sequence: int | None = Field(description="Its entry in the journal `books`")


class DraftPage(BaseModel):
    """A part of the drafts, oldest first."""

    items: list[Draft]
    next: Next


class Period(BaseModel):
    """A month that is being closed or is closed."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    month: date = Field(description="Its first day")
    state: PeriodState
    version: int = Field(description="Grows with each change; the ETag")
    asked_by: str
    asked_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None


class Periods(BaseModel):
    """The months that are not simply open, newest first."""

    closed: date | None = Field(description="The last closed month; every month before it is closed as well")
    items: list[Period]


# ---------------------------------------------------------------- what is read


class ChartLine(BaseModel):
    """One account of the chart (会计科目)."""

    number: str
    name: str
    name_en: str
    kind: AccountClass
    normal_side: Side


Positions = Annotated[
    dict[str, int], Field(description="For each journal the last entry that is counted; send it back as `at`")
]


class TrialBalanceLine(BaseModel):
    """One account's sums."""

    account: str
    name: str
    name_en: str
    kind: AccountClass
    debit_fen: int
    credit_fen: int
    balance_fen: int = Field(description="On the account's normal side; below zero: on the other")


class TrialBalance(BaseModel):
    """The sums of every account (试算平衡表); debits equal credits, always."""

    day: date | None = Field(description="Up to and with this day; null: every day")
    campaign_id: str | None = Field(description="This fund alone; null: everything")
    positions: Positions
    lines: list[TrialBalanceLine]
    debit_fen: int
    credit_fen: int
    difference_fen: int = Field(description="Always 0")


class StatementLine(BaseModel):
    """One posting on an account, and what the account has after it."""

    booked_on: date
    journal: str
    sequence: int
    line: int
    kind: Kind
    note: str | None
    campaign_id: str | None
    side: Side
    amount_fen: int
    balance_fen: int


class Statement(BaseModel):
    """A part of an account's postings (明细账), by day."""

    account: str
    campaign_id: str | None
    positions: Positions
    brought_forward_fen: int = Field(description="What the account had before the first line")
    items: list[StatementLine]
    next: Next


class Entry(BaseModel):
    """One entry (记账凭证) with its postings and its place in the chain."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    journal: str
    sequence: int
    kind: Kind
    booked_on: date
    event_on: date = Field(description="The event's own day; earlier when its month was closed")
    recorded_at: datetime
    recorded_by: str
    confirmed_by: str | None
    source: str | None = Field(description="Of a summary: where its events come from")
    first_sequence: int | None
    last_sequence: int | None
    donations: int | None
    reversals: int | None
    subject: UUID | None = Field(
        description="The disbursement, return, transfer, gift, movement or draft it books"
    )
    reverses: int | None
    note: str | None
    hash: str = Field(description="SHA-256 over the hash before it and the entry, in hex")
    postings: list[Line]


class EntryPage(BaseModel):
    """A part of a journal, in the order of the sequences."""

    items: list[Entry]
    next: Annotated[int | None, Field(description="Send it as `after` for the next part; null: the end")]


class JournalHead(BaseModel):
    """A journal's last entry; kept elsewhere, it proves every entry before it."""

    journal: str
    sequence: int
    hash: str


class Fund(BaseModel):
    """A campaign's fund by the ledger, beside what the guardrail decides by. All of one moment.

    ledger_fen = received − reversed + transferred in − out − disbursed + returned as posted; less what is
    reserved it is the guardrail's balance.
    """

    campaign_id: str
    received_fen: int
    reversed_fen: int
    transferred_in_fen: int
    transferred_out_fen: int
    disbursed_fen: int
    returned_fen: int
    ledger_fen: int
    reserved_fen: int = Field(description="Approved, not yet paid; no posting")
    guardrail_balance_fen: int
    equal: bool = Field(description="ledger_fen − reserved_fen is guardrail_balance_fen")


class FundPage(BaseModel):
    """A part of the funds, in the order of their campaigns."""

    items: list[Fund]
    next: Next


class Break(BaseModel):
    """The first place where a chain does not hold."""

    journal: str
    sequence: int
    what: str


class Check(BaseModel):
    """The whole ledger looked through at one moment."""

    exact: bool = Field(
        description="Every chain whole, the trial balance zero, each fund the guardrail's, each store its own"
    )
    entries: int = Field(description="How many were looked at")
    broken: Break | None
    difference_fen: int = Field(description="Debits less credits of everything")
    unequal_funds: list[str] = Field(description="Campaigns whose fund is not the guardrail's, at most 10")
    unequal_stores: list[str] = Field(
        description="Campaigns whose goods are not what the ledger says, at most 10"
    )
    heads: list[JournalHead]
