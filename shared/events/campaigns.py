"""Events of the campaign service. Their source is `campaign/<partition>`, their sequence the outbox row."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.envelope import Event, EventData
from shared.events.fields import AmountFen, Count, Moment, TotalFen

CampaignKind = Literal["gala", "annual_drive", "emergency_appeal", "programme", "employer_drive"]
BeneficiaryUnit = Literal["person_times", "households", "schools"]


class CampaignData(EventData):
    """A campaign as the public has to see it (Charity Law art. 25), in each event of its life."""

    campaign_id: str
    kind: CampaignKind
    title: str
    title_en: str | None = None
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


class GoalReachedData(EventData):
    campaign_id: str
    goal_fen: AmountFen
    received_fen: TotalFen


class MilestoneReachedData(EventData):
    campaign_id: str
    milestone_fen: AmountFen
    received_fen: TotalFen


class PledgeMadeData(EventData):
    """A promise made in public (art. 41): never counted as received. `company` agreed to be shown."""

    pledge_id: UUID
    campaign_id: str
    company: str
    amount_fen: AmountFen
    due_on: date


class DisbursementApprovedData(EventData):
    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    use: str


class FundsDisbursedData(EventData):
    """Money went out of the campaign's fund to a use. `beneficiaries` counts `beneficiary_unit`."""

    disbursement_id: UUID
    campaign_id: str
    amount_fen: AmountFen
    use: str
    beneficiaries: Count
    beneficiary_unit: BeneficiaryUnit


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


class DisbursementApproved(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.approved.v1"
    type: Literal["org.shanliu.disbursement.approved.v1"]
    data: DisbursementApprovedData


class FundsDisbursed(Event):
    TYPE: ClassVar[str] = "org.shanliu.disbursement.paid.v1"
    type: Literal["org.shanliu.disbursement.paid.v1"]
    data: FundsDisbursedData
