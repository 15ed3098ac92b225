"""What the other services would have sent: events at their positions, and contacts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from shared.events import (
    CampaignLaunched,
    ConsentWithdrawn,
    Contact,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    Event,
    EventData,
)
from shared.events.campaigns import CampaignData
from shared.events.donations import (
    ConsentWithdrawnData,
    DonationConflictedData,
    DonationHeldData,
    DonationReceivedData,
    DonationReversedData,
)

AT = datetime(2024, 1, 5, 12, 30, 15, tzinfo=UTC)
GALA = "gala-2024"
NAME = "张三丰"


class Source:
    """One source of events: each has the next sequence and names the one before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._sequences: Iterator[int] = count(3, 4)
        self._last: int | None = None

    def event(self, event_class: type[Event], data: EventData) -> Event:
        """The next event of this source."""
        sequence, previous = next(self._sequences), self._last
        self._last = sequence
        return event_class.at(self.name, sequence, previous, subject="test", time=AT, data=data)

    def received(self, donation_id: UUID, **fields: Any) -> Event:
        """A donation of 1,234.56 yuan whose donor left a contact."""
        values = {
            "donation_id": donation_id,
            "channel": "wechat",
            "campaign_id": GALA,
            "amount_fen": 123_456,
            "occurred_at": AT,
            "received_at": AT,
            "donor_kind": "person",
            "has_contact": True,
            **fields,
        }
        return self.event(DonationReceived, DonationReceivedData(**values))

    def held(self, donation_id: UUID) -> Event:
        """The same donation, held because its campaign is not launched."""
        data = DonationHeldData(
            donation_id=donation_id,
            channel="wechat",
            campaign_id=GALA,
            amount_fen=123_456,
            occurred_at=AT,
            received_at=AT,
            reason="not_launched",
        )
        return self.event(DonationHeld, data)

    def conflicted(self, donation_id: UUID) -> Event:
        """The same transaction again with other content."""
        data = DonationConflictedData(
            donation_id=donation_id, channel="wechat", campaign_id=GALA, amount_fen=1, received_at=AT
        )
        return self.event(DonationConflicted, data)

    def unnamed(self, donation_id: UUID, **fields: Any) -> Event:
        """The donor takes the consent to be named back."""
        values = {"channel": "wechat", "campaign_id": GALA, "withdrawn_at": AT, **fields}
        return self.event(ConsentWithdrawn, ConsentWithdrawnData(donation_id=donation_id, **values))

    def reversed(self, donation_id: UUID, amount_fen: int) -> Event:
        """A refund of a part of the donation, or all of it."""
        data = DonationReversedData(
            reversal_id=uuid4(),
            donation_id=donation_id,
            channel="wechat",
            campaign_id=GALA,
            kind="refund",
            amount_fen=amount_fen,
            occurred_at=AT,
            donation_occurred_at=AT,
        )
        return self.event(DonationReversed, data)

    def launched(self, campaign_id: str = GALA, **fields: Any) -> Event:
        """The campaign as the public sees it."""
        values = {
            "campaign_id": campaign_id,
            "kind": "gala",
            "title": "第六届新年慈善晚会",
            "title_en": "6th New Year Charity Gala",
            "organisation": "苏州市慈善总会",
            "licence": "公募 53320500",
            "filing_number": "53320500A001",
            "purpose": "助医助学",
            "goal_fen": 5_475_000_000,
            "window_start": AT,
            "window_end": AT.replace(month=2),
            "contact": "0512-0000000",
            "query_method": "慈善中国",
            "changed_at": AT,
            **fields,
        }
        return self.event(CampaignLaunched, CampaignData(**values))


def address_of(donation_id: UUID) -> str:
    """An address of its own for each donor."""
    return f"donor-{donation_id.hex[:12]}@example.com"


def contact(donation_id: UUID, **fields: Any) -> Contact:
    """The contact that the donation's donor left."""
    values = {
        "donation_id": donation_id,
        "channel": "wechat",
        "campaign_id": GALA,
        "email": address_of(donation_id),
        "name": NAME,
        "amount_fen": 123_456,
        "occurred_at": AT,
        **fields,
    }
    return Contact(**values)
