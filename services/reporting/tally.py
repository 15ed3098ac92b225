"""From a batch of events to what changes in the tables: pure, in Python, one sum per row.

Adding up here and writing each row once is what lets one worker take 100,000 events a second: the
database sees a handful of rows for a batch of 2,000 events.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from services.reporting.ranking import Gift, company_name
from services.reporting.totals import RECENT_SHOWN, CampaignStatus
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
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
    ReportCorrected,
    ReportPublished,
)

_STATUS: Final[dict[type[Event], CampaignStatus]] = {
    CampaignFiled: "filed",
    CampaignLaunched: "launched",
    CampaignPaused: "paused",
    CampaignClosed: "closed",
    CampaignSettled: "settled",
}
MessageEvent = DonorMessageApproved | DonorMessageWithdrawn
ReportEvent = ReportPublished | ReportCorrected
GoodsEvent = GoodsReceived | GoodsReversed | GoodsDistributed | GoodsReturned | GoodsWrittenOff
OrganisationEvent = OrganisationRegistered | OrganisationChanged
PledgeEvent = PledgeMade | PledgeCorrected | PledgeReleased
SpendingEvent = FundsDisbursed | FundsReturned
CampaignEvent = CampaignFiled | CampaignLaunched | CampaignPaused | CampaignClosed | CampaignSettled

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()
_MINUTE: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Sums:
    """What one row grows by; amounts in fen."""

    received_fen: int = 0
    reversed_fen: int = 0
    donations: int = 0
    reversals: int = 0
    held: int = 0
    held_fen: int = 0
    released: int = 0
    released_fen: int = 0
    conflicts: int = 0


TotalKey = tuple[str, str, str]
"""campaign, channel, source"""
MinuteKey = tuple[str, int, str, str]
"""campaign, minutes since 1970 UTC, channel, source"""
Donors = deque[DonationReceived]


def _newest() -> Donors:
    return deque(maxlen=RECENT_SHOWN)


@dataclass(slots=True)
class Tally:
    """What a batch changes. Collections of plain values, ready to be written in sorted order."""

    totals: defaultdict[TotalKey, Sums] = field(default_factory=lambda: defaultdict(Sums))
    minutes: defaultdict[MinuteKey, Sums] = field(default_factory=lambda: defaultdict(Sums))
    arrivals: defaultdict[MinuteKey, Sums] = field(default_factory=lambda: defaultdict(Sums))
    donors: defaultdict[tuple[str, str], Donors] = field(default_factory=lambda: defaultdict(_newest))
    dropped: dict[UUID, str] = field(default_factory=dict)
    """Donations whose names are not shown any more, with their campaigns."""
    erased: set[UUID] = field(default_factory=set)
    """Donations of whose donors nothing is to be known any more; they are dropped too."""
    gifts: dict[UUID, Gift] = field(default_factory=dict)
    """What the ranking of companies asks of donations."""
    campaigns: dict[str, tuple[CampaignEvent, CampaignStatus]] = field(default_factory=dict)
    organisations: dict[str, OrganisationEvent] = field(default_factory=dict)
    """The newest of each: all of one have the same source."""
    milestones: list[MilestoneReached] = field(default_factory=list)
    pledges: list[PledgeEvent] = field(default_factory=list)
    """In their order: a correction stands behind what it corrects."""
    disbursements: list[SpendingEvent] = field(default_factory=list)
    """In their order: a return stands behind what it is of."""
    goods: list[GoodsEvent] = field(default_factory=list)
    messages: dict[UUID, MessageEvent] = field(default_factory=dict)
    """The newest of each: all of one have the same source."""
    reports: list[ReportEvent] = field(default_factory=list)
    """In their order, as pledges are."""
    received_at: dict[str, datetime] = field(default_factory=dict)
    """Of the oldest donation that each campaign received here, except those that had been held and were
    released later; the first of each source and minute is asked, for they come in their order.
    """

    @property
    def oldest_received_at(self) -> datetime | None:
        """Of all campaigns."""
        return min(self.received_at.values(), default=None)

    def forget_pace(self, before: datetime) -> None:
        """Leave out the arrivals of the minutes before a moment (UTC)."""
        first = _minute(before)
        for key in [key for key in self.arrivals if key[1] < first]:
            del self.arrivals[key]

    @property
    def touched(self) -> set[str]:
        """The campaigns whose screens have something new to show."""
        touched = (
            {campaign for campaign, _, _ in self.totals} | self.campaigns.keys() | set(self.dropped.values())
        )
        slow = (*self.milestones, *self.pledges, *self.disbursements, *self.goods, *self.messages.values())
        for event in slow:
            touched.add(event.data.campaign_id)
        return touched


def tally(events: Iterable[Event]) -> Tally:
    """Add up events that count (see shared.positions). Types without effect here are passed over."""
    result = Tally()
    gifts: dict[_GiftKey, _Gifts] = {}
    for event in events:
        if isinstance(event, DonationReceived):
            _received(result, gifts, event)
        else:
            _others(result, event)
    _add_gifts(result, gifts)
    return result


def minute_start(minute: int) -> datetime:
    """The beginning of a minute counted from 1970, UTC."""
    return _EPOCH + timedelta(minutes=minute)


def _minute(time: datetime) -> int:
    """The minute a moment is in, counted from 1970 UTC. Offsets are whole minutes (RFC 3339).

    Twice per donation: this takes 0.4 µs where `timestamp()` takes 0.9.
    """
    minute = (time.toordinal() - _EPOCH_DAY) * 1440 + time.hour * 60 + time.minute
    offset = time.utcoffset()
    return minute - offset // _MINUTE if offset else minute


_GiftKey = tuple[str, str, str, int, int, bool]
"""campaign, channel, source, minute given, minute arrived, whether it had been held"""


@dataclass(slots=True)
class _Gifts:
    """Donations that differ in nothing a table has a column for."""

    first_received_at: datetime
    fen: int = 0
    donations: int = 0


def _received(result: Tally, gifts: dict[_GiftKey, _Gifts], event: DonationReceived) -> None:
    """The hot path, 100,000 times a second: one sum per event, shared out among the tables afterwards."""
    data = event.data
    campaign, source = data.campaign_id, event.source
    key = (
        campaign,
        data.channel,
        source,
        _minute(data.occurred_at),
        _minute(data.received_at),
        data.released,
    )
    sums = gifts.get(key)
    if sums is None:
        sums = gifts[key] = _Gifts(data.received_at)
    sums.fen += data.amount_fen
    sums.donations += 1
    result.donors[campaign, source].append(event)
    if data.shown_name is not None and data.donor_kind == "company":
        gift = _gift(result, data.donation_id, campaign)
        gift.company = company_name(data.shown_name)
        gift.received_fen += data.amount_fen


def _add_gifts(result: Tally, gifts: Mapping[_GiftKey, _Gifts]) -> None:
    for (campaign, channel, source, given, arrived, released), gift in gifts.items():
        total = result.totals[campaign, channel, source]
        minute = result.minutes[campaign, given, channel, source]
        arrival = result.arrivals[campaign, arrived, channel, source]
        for sums in (total, minute, arrival):
            sums.received_fen += gift.fen
            sums.donations += gift.donations
        if released:
            total.released += gift.donations
            total.released_fen += gift.fen
        else:
            first = result.received_at.get(campaign, gift.first_received_at)
            result.received_at[campaign] = min(first, gift.first_received_at)


def _others(result: Tally, event: Event) -> None:
    match event:
        case DonationReversed():
            _reversed(result, event)
        case ConsentWithdrawn(data=nameless) | DonorDataErased(data=nameless):
            if isinstance(event, DonorDataErased):
                result.erased.add(nameless.donation_id)
            result.dropped[nameless.donation_id] = nameless.campaign_id
            _gift(result, nameless.donation_id, nameless.campaign_id).withdrawals += 1
        case DonationHeld(data=held):
            sums = result.totals[held.campaign_id, held.channel, event.source]
            sums.held += 1
            sums.held_fen += held.amount_fen
        case DonationConflicted(data=conflict):
            result.totals[conflict.campaign_id, conflict.channel, event.source].conflicts += 1
        case DonorMessageApproved() | DonorMessageWithdrawn():
            result.messages[event.data.message_id] = event
        case _:
            _facts(result, event)


def _facts(result: Tally, event: Event) -> None:
    """What comes from the campaign service, seldom."""
    match event:
        case CampaignFiled() | CampaignLaunched() | CampaignPaused() | CampaignClosed() | CampaignSettled():
            result.campaigns[event.data.campaign_id] = (event, _STATUS[type(event)])
        case OrganisationRegistered() | OrganisationChanged():
            result.organisations[event.data.organisation_id] = event
        case MilestoneReached():
            result.milestones.append(event)
        case PledgeMade() | PledgeCorrected() | PledgeReleased():
            result.pledges.append(event)
        case FundsDisbursed() | FundsReturned():
            result.disbursements.append(event)
        case GoodsReceived() | GoodsReversed() | GoodsDistributed() | GoodsReturned() | GoodsWrittenOff():
            result.goods.append(event)
        case ReportPublished() | ReportCorrected():
            result.reports.append(event)
        case _:
            pass


def _reversed(result: Tally, event: DonationReversed) -> None:
    """A reversal lowers the campaign's total and the minute its donation was given in, however late it is."""
    data = event.data
    minute = _minute(data.donation_occurred_at)
    for sums in (
        result.totals[data.campaign_id, data.channel, event.source],
        result.minutes[data.campaign_id, minute, data.channel, event.source],
    ):
        sums.reversed_fen += data.amount_fen
        sums.reversals += 1
    result.dropped[data.donation_id] = data.campaign_id
    _gift(result, data.donation_id, data.campaign_id).reversed_fen += data.amount_fen


def _gift(result: Tally, donation_id: UUID, campaign_id: str) -> Gift:
    return result.gifts.setdefault(donation_id, Gift(campaign_id))
