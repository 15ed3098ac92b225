"""Events and states as the tests need them, with everything that does not matter filled in."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from services.reporting.proof import digest_of, version_of
from services.reporting.totals import (
    MESSAGES,
    Amounts,
    CampaignPlan,
    CampaignState,
    RecentDonor,
    ShownMessage,
)
from shared.events import (
    CampaignLaunched,
    ConsentWithdrawn,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    DonorDataErased,
    DonorMessageApproved,
    DonorMessageWithdrawn,
    Event,
    FundsDisbursed,
    FundsReturned,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
    MilestoneReached,
    OrganisationChanged,
    OrganisationRegistered,
    PledgeCorrected,
    PledgeMade,
    PledgeReleased,
)
from shared.events.campaigns import (
    CampaignData,
    FundsDisbursedData,
    FundsReturnedData,
    MilestoneReachedData,
    PledgeCorrectedData,
    PledgeMadeData,
    PledgeReleasedData,
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
)
from shared.events.organisations import OrganisationData

GALA = "gala-2026"
EVENING = datetime(2026, 1, 18, 11, 30, 15, tzinfo=UTC)
"""19:30 in Shanghai."""


def donation_id(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"donation/{number}")


class Source:
    """Makes events of one source, each with the sequence before it as `previous`, as the services do.

    Sources whose donations meet in one service need a `first_number` each: another channel's is another
    donation, and one that was reversed is shown nowhere any more.
    """

    def __init__(
        self,
        partition: int = 0,
        channel: str = "wechat",
        *,
        topic: str | None = None,
        first_number: int = 0,
    ) -> None:
        self.name = f"{topic or f'intake.{channel}'}/{partition}"
        self.partition = partition
        self.channel = channel
        self._last: int | None = None
        self._next = 0
        self._first_number = first_number

    def donation_id(self, number: int) -> UUID:
        """The id of this source's donation of that number."""
        return donation_id(self._first_number + number)

    def skip(self, offsets: int = 1) -> None:
        """Offsets that hold no event, such as repeats."""
        self._next += offsets

    def place(self, kind: type[Event], data: Any, subject: object, time: datetime) -> Any:
        event = kind.at(self.name, self._next, self._last, subject=str(subject), time=time, data=data)
        self._last, self._next = self._next, self._next + 1
        return event

    def received(
        self,
        amount_fen: int = 10_000,
        *,
        number: int | None = None,
        campaign_id: str = GALA,
        name: str | None = None,
        at: datetime = EVENING,
        received_at: datetime | None = None,
        released: bool = False,
        kind: Any = "person",
    ) -> DonationReceived:
        identity = self.donation_id(self._next + 1_000_000 * self.partition if number is None else number)
        data = DonationReceivedData(
            donation_id=identity,
            channel=self.channel,
            campaign_id=campaign_id,
            amount_fen=amount_fen,
            occurred_at=at,
            received_at=received_at or at,
            donor_kind=kind,
            shown_name=name,
            released=released,
        )
        event: DonationReceived = self.place(DonationReceived, data, identity, at)
        return event

    def reversed(
        self, amount_fen: int, *, number: int = 0, campaign_id: str = GALA, given_at: datetime = EVENING
    ) -> DonationReversed:
        data = DonationReversedData(
            reversal_id=uuid5(NAMESPACE_URL, f"reversal/{self.name}/{self._next}"),
            donation_id=self.donation_id(number),
            channel=self.channel,
            campaign_id=campaign_id,
            kind="refund",
            amount_fen=amount_fen,
            occurred_at=given_at + timedelta(days=3),
            donation_occurred_at=given_at,
        )
        event: DonationReversed = self.place(DonationReversed, data, data.reversal_id, data.occurred_at)
        return event

    def held(self, amount_fen: int = 10_000, *, campaign_id: str = GALA) -> DonationHeld:
        data = DonationHeldData(
            donation_id=self.donation_id(self._next),
            channel=self.channel,
            campaign_id=campaign_id,
            amount_fen=amount_fen,
            occurred_at=EVENING,
            received_at=EVENING,
            reason="not_launched",
        )
        event: DonationHeld = self.place(DonationHeld, data, data.donation_id, EVENING)
        return event

    def conflicted(self, amount_fen: int = 10_000, *, campaign_id: str = GALA) -> DonationConflicted:
        data = DonationConflictedData(
            donation_id=self.donation_id(0),
            channel=self.channel,
            campaign_id=campaign_id,
            amount_fen=amount_fen,
            received_at=EVENING,
        )
        event: DonationConflicted = self.place(DonationConflicted, data, data.donation_id, EVENING)
        return event

    def approved(
        self,
        number: int,
        said: str = "加油",
        name: str | None = None,
        *,
        at: datetime | None = None,
        campaign_id: str = GALA,
    ) -> DonorMessageApproved:
        """The message of a donation; the higher the number, the later."""
        data = DonorMessageApprovedData(
            message_id=self.donation_id(number),
            campaign_id=campaign_id,
            channel=self.channel,
            donor_kind="person",
            shown_name=name,
            text=said,
            approved_at=at or EVENING + timedelta(seconds=number),
        )
        event: DonorMessageApproved = self.place(
            DonorMessageApproved, data, data.message_id, data.approved_at
        )
        return event

    def unnamed(self, number: int, *, campaign_id: str = GALA) -> ConsentWithdrawn:
        data = ConsentWithdrawnData(
            donation_id=self.donation_id(number),
            campaign_id=campaign_id,
            channel=self.channel,
            withdrawn_at=EVENING,
        )
        event: ConsentWithdrawn = self.place(ConsentWithdrawn, data, data.donation_id, EVENING)
        return event

    def erased(self, number: int, *, campaign_id: str = GALA) -> DonorDataErased:
        data = DonorDataErasedData(
            donation_id=self.donation_id(number),
            campaign_id=campaign_id,
            channel=self.channel,
            erased_at=EVENING,
        )
        event: DonorDataErased = self.place(DonorDataErased, data, data.donation_id, EVENING)
        return event

    def withdrawn(self, number: int, *, campaign_id: str = GALA) -> DonorMessageWithdrawn:
        data = DonorMessageWithdrawnData(
            message_id=self.donation_id(number),
            campaign_id=campaign_id,
            channel=self.channel,
            cause="moderator",
            withdrawn_at=EVENING,
        )
        event: DonorMessageWithdrawn = self.place(DonorMessageWithdrawn, data, data.message_id, EVENING)
        return event


class CampaignSource(Source):
    """The campaign service's events. Where the real one may run beside it, with another name than its own:
    the higher of two sequences of one name would hide the other's events.
    """

    def __init__(self, partition: int = 0, *, service: str = "campaign") -> None:
        super().__init__(partition, topic=service)

    def launched(
        self, campaign_id: str = GALA, kind: type[Event] = CampaignLaunched, **changes: Any
    ) -> Event:
        event: Event = self.place(kind, campaign_data(campaign_id, **changes), campaign_id, EVENING)
        return event

    def registered(
        self, organisation_id: str, parent_id: str | None = None, *, version: int = 1, **changes: Any
    ) -> Event:
        data = OrganisationData(
            **{
                "organisation_id": organisation_id,
                "parent_id": parent_id,
                "version": version,
                "name": f"慈善会 {organisation_id}",
                "changed_at": EVENING,
                **changes,
            }
        )
        kind = OrganisationRegistered if version == 1 else OrganisationChanged
        event: Event = self.place(kind, data, organisation_id, EVENING)
        return event

    def milestone(self, milestone_fen: int, campaign_id: str = GALA) -> MilestoneReached:
        data = MilestoneReachedData(
            campaign_id=campaign_id, milestone_fen=milestone_fen, received_fen=milestone_fen
        )
        event: MilestoneReached = self.place(MilestoneReached, data, campaign_id, EVENING)
        return event

    def pledged(self, amount_fen: int, campaign_id: str = GALA) -> PledgeMade:
        data = PledgeMadeData(
            pledge_id=uuid5(NAMESPACE_URL, f"pledge/{self.name}/{self._next}"),
            campaign_id=campaign_id,
            company="苏州某某有限公司",
            amount_fen=amount_fen,
            due_on=date(2026, 6, 30),
        )
        event: PledgeMade = self.place(PledgeMade, data, data.pledge_id, EVENING)
        return event

    def corrected(self, made: PledgeMade, amount_fen: int) -> PledgeCorrected:
        data = PledgeCorrectedData(
            **made.data.model_dump(exclude={"amount_fen"}),
            amount_fen=amount_fen,
            previous_amount_fen=made.data.amount_fen,
        )
        event: PledgeCorrected = self.place(PledgeCorrected, data, data.pledge_id, EVENING)
        return event

    def freed(self, made: PledgeMade, released_fen: int) -> PledgeReleased:
        data = PledgeReleasedData(
            **made.data.model_dump(include={"pledge_id", "campaign_id", "company", "amount_fen"}),
            released_fen=released_fen,
            report_reference="民慈报〔2026〕1号",
            public_statement="https://charity.example/statements/1",
        )
        event: PledgeReleased = self.place(PledgeReleased, data, data.pledge_id, EVENING)
        return event

    def disbursed(self, amount_fen: int, campaign_id: str = GALA) -> FundsDisbursed:
        data = FundsDisbursedData(
            disbursement_id=uuid5(NAMESPACE_URL, f"disbursement/{self.name}/{self._next}"),
            campaign_id=campaign_id,
            amount_fen=amount_fen,
            use="情暖苏城",
            beneficiaries=5069,
            beneficiary_unit="person_times",
        )
        event: FundsDisbursed = self.place(FundsDisbursed, data, data.disbursement_id, EVENING)
        return event

    def returned(self, paid: FundsDisbursed, amount_fen: int) -> FundsReturned:
        data = FundsReturnedData(
            return_id=uuid5(NAMESPACE_URL, f"return/{self.name}/{self._next}"),
            disbursement_id=paid.data.disbursement_id,
            campaign_id=paid.data.campaign_id,
            amount_fen=amount_fen,
            disbursed_fen=paid.data.amount_fen,
            returned_fen=amount_fen,
            use=paid.data.use,
            returned_on=EVENING.date(),
        )
        event: FundsReturned = self.place(FundsReturned, data, data.disbursement_id, EVENING)
        return event

    def goods_received(self, value_fen: int, campaign_id: str = GALA, **changes: Any) -> GoodsReceived:
        data = GoodsReceivedData(
            gift_id=uuid5(NAMESPACE_URL, f"gift/{self.name}/{self._next}"),
            campaign_id=campaign_id,
            donor_kind="company",
            value_fen=value_fen,
            items=(),
            received_on=date(2023, 3, 1),
            **changes,
        )
        event: GoodsReceived = self.place(GoodsReceived, data, data.gift_id, EVENING)
        return event

    def goods_distributed(self, value_fen: int, campaign_id: str = GALA) -> GoodsDistributed:
        data = GoodsDistributedData(
            distribution_id=uuid5(NAMESPACE_URL, f"distribution/{self.name}/{self._next}"),
            campaign_id=campaign_id,
            use="助医恤病",
            value_fen=value_fen,
            items=(),
            beneficiaries=76,
            beneficiary_unit="person_times",
            distributed_on=date(2023, 3, 2),
        )
        event: GoodsDistributed = self.place(GoodsDistributed, data, data.distribution_id, EVENING)
        return event

    def goods_back(self, value_fen: int, campaign_id: str = GALA) -> tuple[Event, Event, Event]:
        """Goods that went back to the donor, came back from a use, and were written off; so much of each."""
        about: dict[str, Any] = {"campaign_id": campaign_id, "value_fen": value_fen, "items": ()}
        day = date(2023, 3, 3)
        reversal = GoodsReversedData(
            **about, reversal_id=uuid4(), gift_id=uuid4(), kind="sent_back", reversed_on=day
        )
        returned = GoodsReturnedData(**about, return_id=uuid4(), distribution_id=uuid4(), returned_on=day)
        lost = GoodsWrittenOffData(**about, write_off_id=uuid4(), cause="expired", written_off_on=day)
        return (
            self.place(GoodsReversed, reversal, reversal.reversal_id, EVENING),
            self.place(GoodsReturned, returned, returned.return_id, EVENING),
            self.place(GoodsWrittenOff, lost, lost.write_off_id, EVENING),
        )


def campaign_data(campaign_id: str = GALA, **changes: Any) -> CampaignData:
    plan = {
        "campaign_id": campaign_id,
        "kind": "gala",
        "title": "第五届新年慈善晚会",
        "title_en": "Fifth New Year Charity Gala",
        "organisation": "苏州市慈善总会",
        "licence": "53320500MJ0000000A",
        "filing_number": "53320500MJ0000000A26001",
        "purpose": "助医、助学、助困",
        "goal_fen": 6_000_000_000,
        "milestones_fen": (1_000_000_000,),
        "window_start": EVENING - timedelta(hours=1),
        "window_end": EVENING + timedelta(days=30),
        "contact": "0512-12345",
        "query_method": "慈善中国",
        "changed_at": EVENING,
    }
    return CampaignData.model_validate(plan | changes)


def state(
    received_fen: int = 0,
    *,
    positions: dict[str, int] | None = None,
    campaign_id: str = GALA,
    recent: Sequence[RecentDonor] = (),
    status: str = "launched",
    as_of: datetime = EVENING,
    messages: Sequence[ShownMessage] = (),
    organisation_id: str | None = None,
    **amounts: int,
) -> CampaignState:
    """A campaign's state as a worker publishes it."""
    where = {"intake.wechat/0": received_fen} if positions is None else positions
    sums = Amounts(received_fen=received_fen, **amounts)
    data = campaign_data(campaign_id, organisation_id=organisation_id).model_dump(exclude={"changed_at"})
    return CampaignState(
        plan=CampaignPlan.model_validate({**data, "status": status, "milestone_fen": None}),
        amounts=sums,
        channels=(),
        recent=tuple(recent),
        messages_json=MESSAGES.dump_json(tuple(messages)).decode(),
        positions=where,
        version=version_of(where),
        digest=digest_of(campaign_id, where, sums),
        as_of=as_of,
    )


def donor(number: int, name: str | None = None, amount_fen: int = 10_000) -> RecentDonor:
    return RecentDonor(
        donation_id=donation_id(number),
        name=name,
        kind="person",
        amount_fen=amount_fen,
        at=EVENING,
        channel="wechat",
    )


def message(number: int, said: str = "加油", name: str | None = None) -> ShownMessage:
    """A message as a screen has it; the higher the number, the later."""
    return ShownMessage(
        message_id=donation_id(number), name=name, text=said, at=EVENING + timedelta(seconds=number)
    )


def chained(events: Iterable[Event]) -> bool:
    """Whether each event names the one before it from its source."""
    return all(later.previous == earlier.sequence for earlier, later in pairwise(events))
