"""Events of the campaign service. Their source is `campaign/<partition>`, their sequence the outbox row."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event, EventData
from shared.events.fields import AmountFen, Count, Moment, TotalFen

CampaignKind = Literal["gala", "annual_drive", "emergency_appeal", "programme", "employer_drive"]
BeneficiaryUnit = Literal["person_times", "households", "schools"]
SpendingCategory = Literal["programme", "management", "fundraising"]
"""What the law tells apart (art. 61): 业务活动, 管理, 筹资."""
TransferKind = Literal["split", "remainder", "trust", "correction"]
PartKind = Literal["team", "county", "company", "other"]
ValueBasis = Literal["invoice", "appraisal", "agreed"]
DueDays = Annotated[int, Field(strict=True, ge=-366, le=3660)]
"""Days after a due date; below 0: before it."""


class CampaignData(EventData):
    """A campaign as the public has to see it (Charity Law art. 25), in each event of its life."""

    campaign_id: str
    kind: CampaignKind
    title: str
    title_en: str | None = None
    organisation_id: str | None = None
    organisation: str
    licence: str
    filing_number: str | None = None
    purpose: str
    goal_fen: AmountFen
    milestones_fen: tuple[AmountFen, ...] = ()
    window_start: Moment
    window_end: Moment
    contact: str
    query_method: str
    changed_at: Moment
    launched_on: date | None = None
    """The days are those of Asia/Shanghai, and may lie before their recording."""
    closed_on: date | None = None
    settled_on: date | None = None
    filing_due_on: date | None = None
    """The last day for an emergency appeal that was launched without a number (art. 73)."""
    parent_id: str | None = None
    """Of a part: the campaign under whose filing number it runs. Its money is its own, never its parent's."""
    part_kind: PartKind | None = None


class UseChangedData(EventData):
    """Other uses than the filed ones from now on, by a recorded decision (Charity Law art. 56)."""

    decision_id: UUID
    campaign_id: str
    decided_on: date
    uses_before: tuple[str, ...]
    uses_after: tuple[str, ...]
    bureau_reference: str
    public_statement: str


class RemainderDecidedData(EventData):
    """What was left of a campaign went to one of a similar purpose (art. 58). The transfer itself is
    FundsTransferred; `moved_fen` is not to be added to it.
    """

    decision_id: UUID
    campaign_id: str
    to_campaign_id: str
    decided_on: date
    moved_fen: AmountFen
    public_statement: str


class GoalReachedData(EventData):
    """What was received has reached the campaign's goal, for the first time; net of reversals."""

    campaign_id: str
    goal_fen: AmountFen
    received_fen: TotalFen


class MilestoneReachedData(EventData):
    """What was received has reached a milestone of the campaign, for the first time; net of reversals."""

    campaign_id: str
    milestone_fen: AmountFen
    received_fen: TotalFen


class PledgedGoods(EventData):
    """Goods that were promised. `basis` says what their stated value rests on."""

    description: str
    quantity: Count
    unit: str
    basis: ValueBasis


class PledgeMadeData(EventData):
    """A promise made in public (art. 41): never counted as received. `company` agreed to be shown.

    With `goods`, `amount_fen` is their stated value.
    """

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    due_on: date
    placard: str | None = None
    goods: PledgedGoods | None = None


class PledgeCorrectedData(EventData):
    """A confirmed pledge as it stands after a recorded correction.

    The promised total moves by `amount_fen` − `previous_amount_fen`.
    """

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    previous_amount_fen: AmountFen
    due_on: date
    placard: str | None = None
    goods: PledgedGoods | None = None


class PledgeFulfilledData(EventData):
    """What was promised has come in for the first time. A later reversal says nothing here."""

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    fulfilled_fen: TotalFen


class PledgeDueData(EventData):
    """A pledge that is still open `days_after_due` days after its date (below 0: before it)."""

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    open_fen: AmountFen
    due_on: date
    days_after_due: DueDays


class PledgeReleasedData(EventData):
    """What is no longer asked for after the report of art. 41. The promised total stays as it is."""

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    released_fen: AmountFen
    report_reference: str
    public_statement: str


class MatchOfferedData(EventData):
    """A company adds to what is given to `campaign_ids` in the window: `ratio_bp` basis points of it (10000
    is one to one) less what goes back, at most `cap_fen`. It promises it to `campaign_id`; it is no donation.
    """

    match_id: UUID
    campaign_id: str
    campaign_ids: tuple[str, ...]
    company: str
    ratio_bp: Annotated[int, Field(strict=True, ge=1, le=100_000)]
    cap_fen: AmountFen
    window_start: Moment
    window_end: Moment


class MatchClosedData(EventData):
    """What was matched became the pledge `pledge_id`, which PledgeMade tells of: not to be added to it."""

    match_id: UUID
    campaign_id: str
    company: str
    matched_fen: TotalFen
    pledge_id: UUID | None = None


class DisbursementApprovedData(EventData):
    """Money of a campaign is reserved for a use: a second person has approved it, nothing is paid yet."""

    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    use: str


class Helped(EventData):
    """What else was counted beside the beneficiaries, in a unit of its own: 9614 台 of smoke alarms."""

    count: Count
    unit: str
    of: str | None = None


class FundsDisbursedData(EventData):
    """Money went out of the campaign's fund to a use. `beneficiaries` counts `beneficiary_unit`.

    `use` is one of the plan's, `title` says what it was in particular. `paid_on` is the day in Asia/Shanghai.
    """

    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    use: str
    beneficiaries: Count
    beneficiary_unit: BeneficiaryUnit
    title: str | None = None
    category: SpendingCategory | None = None
    paid_on: date | None = None
    also_helped: tuple[Helped, ...] = ()


class FundsReturnedData(EventData):
    """Part of a payment, or all of it, came back to the campaign's fund; what was disbursed stays disbursed.

    `returned_fen` of `disbursed_fen` have come back of this disbursement so far, this return included.
    """

    return_id: UUID
    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    disbursed_fen: AmountFen
    returned_fen: AmountFen
    use: str
    returned_on: date


class DisbursementWithdrawnData(EventData):
    """What was approved is not going to be paid."""

    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    use: str


class FundsTransferredData(EventData):
    """Money moved from one campaign's fund to another's, or with kind `trust` to a charitable trust: it was
    received once and is not disbursed by this. `decided_on` is the day of the decision in Asia/Shanghai;
    `split_id` joins the transfers of one donation that was split.
    """

    transfer_id: UUID
    campaign_id: str
    to_campaign_id: str | None = None
    kind: TransferKind
    amount_fen: AmountFen
    decided_on: date
    trustee: str | None = None
    trust: str | None = None
    split_id: UUID | None = None
    donation_id: UUID | None = None


class CampaignFiled(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.filed.v1"
    type: Literal["org.shanliu.campaign.filed.v1"]
    data: CampaignData


class CampaignLaunched(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.launched.v1"
    type: Literal["org.shanliu.campaign.launched.v1"]
    data: CampaignData


class CampaignPaused(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.paused.v1"
    type: Literal["org.shanliu.campaign.paused.v1"]
    data: CampaignData


class CampaignClosed(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.closed.v1"
    type: Literal["org.shanliu.campaign.closed.v1"]
    data: CampaignData


class CampaignSettled(Event):
    """Nothing is left to do: closed, filed, and its fund is empty. CampaignClosed after it opens it again."""

    TYPE: ClassVar[str] = "org.shanliu.campaign.settled.v1"
    type: Literal["org.shanliu.campaign.settled.v1"]
    data: CampaignData


class UseChanged(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.use-changed.v1"
    type: Literal["org.shanliu.campaign.use-changed.v1"]
    data: UseChangedData


class RemainderDecided(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.remainder-decided.v1"
    type: Literal["org.shanliu.campaign.remainder-decided.v1"]
    data: RemainderDecidedData


class GoalReached(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.goal-reached.v1"
    type: Literal["org.shanliu.campaign.goal-reached.v1"]
    data: GoalReachedData


class MilestoneReached(Event):
    TYPE: ClassVar[str] = "org.shanliu.campaign.milestone-reached.v1"
    type: Literal["org.shanliu.campaign.milestone-reached.v1"]
    data: MilestoneReachedData


class PledgeMade(Event):
    TYPE: ClassVar[str] = "org.shanliu.pledge.made.v1"
    type: Literal["org.shanliu.pledge.made.v1"]
    data: PledgeMadeData


class PledgeCorrected(Event):
    TYPE: ClassVar[str] = "org.shanliu.pledge.corrected.v1"
    type: Literal["org.shanliu.pledge.corrected.v1"]
    data: PledgeCorrectedData


class PledgeFulfilled(Event):
    TYPE: ClassVar[str] = "org.shanliu.pledge.fulfilled.v1"
    type: Literal["org.shanliu.pledge.fulfilled.v1"]
    data: PledgeFulfilledData


class PledgeDue(Event):
    TYPE: ClassVar[str] = "org.shanliu.pledge.due.v1"
    type: Literal["org.shanliu.pledge.due.v1"]
    data: PledgeDueData


class PledgeReleased(Event):
    TYPE: ClassVar[str] = "org.shanliu.pledge.released.v1"
    type: Literal["org.shanliu.pledge.released.v1"]
    data: PledgeReleasedData


class MatchOffered(Event):
    TYPE: ClassVar[str] = "org.shanliu.match.offered.v1"
    type: Literal["org.shanliu.match.offered.v1"]
    data: MatchOfferedData


class MatchClosed(Event):
    TYPE: ClassVar[str] = "org.shanliu.match.closed.v1"
    type: Literal["org.shanliu.match.closed.v1"]
    data: MatchClosedData


class DisbursementApproved(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.approved.v1"
    type: Literal["org.shanliu.disbursement.approved.v1"]
    data: DisbursementApprovedData


class FundsDisbursed(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.paid.v1"
    type: Literal["org.shanliu.disbursement.paid.v1"]
    data: FundsDisbursedData


class FundsReturned(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.returned.v1"
    type: Literal["org.shanliu.disbursement.returned.v1"]
    data: FundsReturnedData


class DisbursementWithdrawn(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.withdrawn.v1"
    type: Literal["org.shanliu.disbursement.withdrawn.v1"]
    data: DisbursementWithdrawnData


class FundsTransferred(Event):
    TYPE: ClassVar[str] = "org.shanliu.funds.transferred.v1"
    type: Literal["org.shanliu.funds.transferred.v1"]
    data: FundsTransferredData
