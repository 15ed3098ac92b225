"""One event of every class, as the services make them; tests vary them by keyword."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from shared.events import (
    EVENT_CLASSES,
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
    ConsentWithdrawn,
    DisbursementApproved,
    DisbursementWithdrawn,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    DonorDataErased,
    DonorMessageApproved,
    DonorMessageWithdrawn,
    Event,
    EventData,
    FundsDisbursed,
    FundsReturned,
    FundsTransferred,
    GoalReached,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
    MatchClosed,
    MatchOffered,
    MilestoneReached,
    NotificationDelivered,
    NotificationDeliveredByWay,
    NotificationFailed,
    NotificationFailedByWay,
    OrganisationChanged,
    OrganisationRegistered,
    PledgeCorrected,
    PledgeDue,
    PledgeFulfilled,
    PledgeMade,
    PledgeReleased,
    ReceiptIssued,
    ReceiptVoided,
    RemainderDecided,
    ReportCorrected,
    ReportPublished,
    UseChanged,
)
from shared.events.campaigns import (
    CampaignData,
    DisbursementApprovedData,
    DisbursementWithdrawnData,
    FundsDisbursedData,
    FundsReturnedData,
    FundsTransferredData,
    GoalReachedData,
    Helped,
    MatchClosedData,
    MatchOfferedData,
    MilestoneReachedData,
    PledgeCorrectedData,
    PledgedGoods,
    PledgeDueData,
    PledgeFulfilledData,
    PledgeMadeData,
    PledgeReleasedData,
    RemainderDecidedData,
    UseChangedData,
)
from shared.events.donations import (
    ConsentWithdrawnData,
    DonationConflictedData,
    DonationHeldData,
    DonationReceivedData,
    DonationReversedData,
    DonorDataErasedData,
    DonorMessageApprovedData,
    DonorMessageWithdrawnData,
)
from shared.events.goods import (
    GoodsDistributedData,
    GoodsReceivedData,
    GoodsReturnedData,
    GoodsReversedData,
    GoodsWrittenOffData,
    MovedItem,
    ReceivedItem,
)
from shared.events.notifications import NotificationByWayData, NotificationData
from shared.events.organisations import OrganisationData
from shared.events.receipts import ReceiptIssuedData, ReceiptVoidedData
from shared.events.reports import ReportCorrectedData, ReportPublishedData

GALA = "gala-2024"
DONATION = UUID("6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b30")
OTHER = UUID("0b6f2f0e-54b5-4c55-8a53-6f3d3c1f9a11")
AT = datetime(2024, 1, 5, 12, 30, 15, 250_000, tzinfo=UTC)


def received(**fields: Any) -> DonationReceivedData:
    """A donation of 100 yuan whose donor agreed to be shown."""
    return DonationReceivedData(
        **{
            "donation_id": DONATION,
            "channel": "wechat",
            "campaign_id": GALA,
            "amount_fen": 10_000,
            "fee_fen": 60,
            "occurred_at": AT,
            "received_at": AT,
            "donor_kind": "person",
            "shown_name": "苏州市民",
            "has_contact": True,
            **fields,
        }
    )


def campaign(**fields: Any) -> CampaignData:
    """The gala's plan as the public sees it."""
    return CampaignData(
        **{
            "campaign_id": GALA,
            "kind": "gala",
            "title": "新年慈善晚会",
            "title_en": "New Year gala",
            "organisation": "慈善总会",
            "licence": "慈证字第1号",
            "filing_number": "备2024-001",
            "purpose": "助医助学",
            "goal_fen": 5_475_000_000,
            "milestones_fen": (1_000_000_000, 2_500_000_000),
            "window_start": AT,
            "window_end": AT.replace(month=2),
            "contact": "0512-0000000",
            "query_method": "https://charity.example/gala-2024",
            "changed_at": AT,
            **fields,
        }
    )


_RECEIPT: dict[str, Any] = {
    "number": "SZCS-2024-0000123",
    "organisation": "苏州市慈善总会",
    "licence": "公募 53320500",
    "purpose": "第六届新年慈善晚会",
    "amount_fen": 10_000,
    "check_address": "https://charity.example/receipts/check?number=SZCS-2024-0000123&code=0123456789ABCDEF",
    "mail_id": OTHER,
}
_REPORT: dict[str, Any] = {
    "report_id": OTHER,
    "kind": "final",
    "campaign_id": GALA,
    "organisation": "慈善总会",
    "title": "新年慈善晚会募捐情况全面公开",
    "period_from": date(2024, 1, 5),
    "period_to": date(2024, 2, 5),
    "content": "{}",
    "digest": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
}

MEDICINE = MovedItem(item_id=DONATION, description="药品", quantity=1_000, unit="箱", value_fen=12_100_000)

_DATA: dict[type[Event], EventData] = {
    DonationReceived: received(),
    DonationHeld: DonationHeldData(
        donation_id=DONATION,
        channel="wechat",
        campaign_id=GALA,
        amount_fen=10_000,
        occurred_at=AT,
        received_at=AT,
        reason="not_launched",
    ),
    DonationConflicted: DonationConflictedData(
        donation_id=DONATION, channel="wechat", campaign_id=GALA, amount_fen=20_000, received_at=AT
    ),
    DonationReversed: DonationReversedData(
        reversal_id=OTHER,
        donation_id=DONATION,
        channel="wechat",
        campaign_id=GALA,
        kind="refund",
        amount_fen=4_000,
        occurred_at=AT,
        donation_occurred_at=AT,
    ),
    DonorMessageApproved: DonorMessageApprovedData(
        message_id=DONATION,
        campaign_id=GALA,
        channel="wechat",
        donor_kind="person",
        shown_name="爱心人士",
        text="愿孩子们平安长大",
        approved_at=AT,
    ),
    DonorMessageWithdrawn: DonorMessageWithdrawnData(
        message_id=DONATION, campaign_id=GALA, channel="wechat", cause="donation_reversed", withdrawn_at=AT
    ),
    ReceiptIssued: ReceiptIssuedData(**_RECEIPT, donation_ids=(DONATION,), issued_at=AT),
    ReceiptVoided: ReceiptVoidedData(**_RECEIPT, voided_at=AT, replaced_by="SZCS-2024-0000124"),
    ConsentWithdrawn: ConsentWithdrawnData(
        donation_id=DONATION, channel="wechat", campaign_id=GALA, withdrawn_at=AT
    ),
    DonorDataErased: DonorDataErasedData(
        donation_id=DONATION,
        channel="wechat",
        campaign_id=GALA,
        event_ids=("intake.wechat/2:1041",),
        receipt_mail_ids=(),
        erased_at=AT,
    ),
    CampaignFiled: campaign(),
    CampaignLaunched: campaign(
        title_en=None, filing_number=None, milestones_fen=(), filing_due_on=date(2024, 1, 15)
    ),
    CampaignPaused: campaign(),
    CampaignClosed: campaign(launched_on=date(2024, 1, 5), closed_on=date(2024, 2, 5)),
    CampaignSettled: campaign(
        launched_on=date(2024, 1, 5), closed_on=date(2024, 2, 5), settled_on=date(2024, 6, 30)
    ),
    UseChanged: UseChangedData(
        decision_id=OTHER,
        campaign_id=GALA,
        decided_on=date(2024, 3, 1),
        uses_before=("助医", "助学"),
        uses_after=("助医", "救灾"),
        bureau_reference="苏民慈备〔2024〕7号",
        public_statement="https://charity.example/statements/2",
    ),
    RemainderDecided: RemainderDecidedData(
        decision_id=OTHER,
        campaign_id=GALA,
        to_campaign_id="relief-2024",
        decided_on=date(2024, 6, 1),
        moved_fen=1_234,
        public_statement="https://charity.example/statements/3",
    ),
    GoalReached: GoalReachedData(campaign_id=GALA, goal_fen=5_475_000_000, received_fen=5_475_000_001),
    MilestoneReached: MilestoneReachedData(
        campaign_id=GALA, milestone_fen=1_000_000_000, received_fen=1_000_000_000
    ),
    PledgeMade: PledgeMadeData(
        pledge_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        amount_fen=200_000_000,
        due_on=date(2024, 3, 31),
    ),
    PledgeCorrected: PledgeCorrectedData(
        pledge_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        amount_fen=20_000_000,
        previous_amount_fen=200_000_000,
        due_on=date(2024, 3, 31),
        placard="17",
        goods=PledgedGoods(description="药品", quantity=1_000, unit="箱", basis="invoice"),
    ),
    PledgeFulfilled: PledgeFulfilledData(
        pledge_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        amount_fen=20_000_000,
        fulfilled_fen=20_000_001,
    ),
    PledgeDue: PledgeDueData(
        pledge_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        amount_fen=20_000_000,
        open_fen=5_000_000,
        due_on=date(2024, 3, 31),
        days_after_due=-7,
    ),
    PledgeReleased: PledgeReleasedData(
        pledge_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        amount_fen=20_000_000,
        released_fen=5_000_000,
        report_reference="民慈报〔2024〕1号",
        public_statement="https://charity.example/statements/1",
    ),
    MatchOffered: MatchOfferedData(
        match_id=OTHER,
        campaign_id=GALA,
        campaign_ids=(GALA, "gala-2024-team-1"),
        company="某某有限公司",
        ratio_bp=5_000,
        cap_fen=100_000_000,
        window_start=AT,
        window_end=AT.replace(hour=15),
    ),
    MatchClosed: MatchClosedData(
        match_id=OTHER,
        campaign_id=GALA,
        company="某某有限公司",
        matched_fen=99_999_999,
        pledge_id=DONATION,
    ),
    DisbursementApproved: DisbursementApprovedData(
        disbursement_id=OTHER, campaign_id=GALA, amount_fen=167_000_000, use="助学圆梦"
    ),
    FundsDisbursed: FundsDisbursedData(
        disbursement_id=OTHER,
        campaign_id=GALA,
        amount_fen=167_000_000,
        use="助学圆梦",
        beneficiaries=1217,
        beneficiary_unit="person_times",
        title="2023年助学圆梦",
        category="programme",
        paid_on=date(2023, 8, 20),
        also_helped=(Helped(count=9614, unit="台", of="烟感报警器"),),
    ),
    FundsReturned: FundsReturnedData(
        return_id=DONATION,
        disbursement_id=OTHER,
        campaign_id=GALA,
        amount_fen=1_000_000,
        disbursed_fen=167_000_000,
        returned_fen=3_000_000,
        use="助学圆梦",
        returned_on=date(2023, 9, 1),
    ),
    DisbursementWithdrawn: DisbursementWithdrawnData(
        disbursement_id=OTHER, campaign_id=GALA, amount_fen=167_000_000, use="助学圆梦"
    ),
    FundsTransferred: FundsTransferredData(
        transfer_id=OTHER,
        campaign_id=GALA,
        kind="trust",
        amount_fen=100_000_000,
        decided_on=date(2024, 6, 30),
        trustee="某某信托有限责任公司",
        trust="某某慈善信托",
    ),
    GoodsReceived: GoodsReceivedData(
        gift_id=OTHER,
        campaign_id=GALA,
        donor_kind="company",
        shown_name="某某药业有限公司",
        value_fen=12_100_000,
        items=(
            ReceivedItem(
                item_id=DONATION,
                description="药品",
                category="medicine",
                quantity=1_000,
                unit="箱",
                value_fen=12_100_000,
                basis="invoice",
            ),
        ),
        received_on=date(2024, 3, 1),
    ),
    GoodsReversed: GoodsReversedData(
        reversal_id=OTHER,
        gift_id=OTHER,
        campaign_id=GALA,
        kind="sent_back",
        value_fen=12_100_000,
        items=(MEDICINE,),
        reversed_on=date(2024, 3, 2),
    ),
    GoodsDistributed: GoodsDistributedData(
        distribution_id=OTHER,
        campaign_id=GALA,
        use="助医恤病",
        value_fen=12_100_000,
        items=(MEDICINE,),
        beneficiaries=76,
        beneficiary_unit="person_times",
        distributed_on=date(2024, 3, 3),
    ),
    GoodsReturned: GoodsReturnedData(
        return_id=DONATION,
        distribution_id=OTHER,
        campaign_id=GALA,
        value_fen=12_100_000,
        items=(MEDICINE,),
        returned_on=date(2024, 3, 4),
    ),
    GoodsWrittenOff: GoodsWrittenOffData(
        write_off_id=OTHER,
        campaign_id=GALA,
        cause="expired",
        value_fen=12_100_000,
        items=(MEDICINE,),
        written_off_on=date(2026, 3, 5),
    ),
    OrganisationRegistered: OrganisationData(
        organisation_id="gusu", parent_id="suzhou", version=1, name="姑苏区慈善会", changed_at=AT
    ),
    OrganisationChanged: OrganisationData(
        organisation_id="suzhou",
        version=2,
        name="苏州市慈善总会",
        name_en="Suzhou Charity Federation",
        licence="慈证字第1号",
        contact="0512-0000000",
        query_method="https://charity.example",
        changed_at=AT,
    ),
    NotificationDelivered: NotificationData(
        message_id=OTHER, donation_id=DONATION, campaign_id=GALA, way="mail", attempts=1
    ),
    NotificationFailed: NotificationData(
        message_id=OTHER,
        donation_id=DONATION,
        campaign_id=GALA,
        way="mail",
        attempts=8,
        reason="mailbox-unknown",
    ),
    NotificationDeliveredByWay: NotificationByWayData(
        message_id=OTHER, donation_id=DONATION, campaign_id=GALA, way="sms", attempts=1
    ),
    NotificationFailedByWay: NotificationByWayData(
        message_id=OTHER,
        donation_id=DONATION,
        campaign_id=GALA,
        way="wechat",
        attempts=1,
        reason="wechat:43004",
    ),
    ReportPublished: ReportPublishedData(**_REPORT),
    ReportCorrected: ReportCorrectedData(**_REPORT, corrects=DONATION, revision=2, reason="漏列一笔支出"),
}


def event(
    event_class: type[Event] = DonationReceived,
    *,
    source: str = "intake.wechat/2",
    sequence: int = 1041,
    previous: int | None = 1038,
    data: EventData | None = None,
) -> Event:
    """The sample of one class, at a position."""
    chosen = data or _DATA[event_class]
    return event_class.at(source, sequence, previous, subject=str(DONATION), time=AT, data=chosen)


def events() -> list[Event]:
    """One event of every class of the contract."""
    return [event(event_class) for event_class in EVENT_CLASSES]
