"""What is known of a campaign at one moment: the record on the topic `totals`, and what screens show."""

from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.events.campaigns import CampaignKind, PartKind
from shared.events.donations import DonorKind

CampaignStatus = Literal["filed", "launched", "paused", "closed", "settled"]
RECENT_SHOWN = 20
"""Recent donors a screen gets at most."""
MESSAGES_SHOWN = 50
"""Donors' messages a screen gets at most."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Amounts(Frozen):
    """The three promises, and goods at their values, each by itself: never add two together. All in fen."""

    received_fen: int = 0
    reversed_fen: int = 0
    donations: int = 0
    promised_fen: int = 0
    disbursed_fen: int = 0
    returned_fen: int = 0
    """Came back of what was disbursed, which stays disbursed."""
    goods_received_fen: int = 0
    """Gifts in kind at their stated values, less what went back to the donor; apart from all money."""
    goods_distributed_fen: int = 0
    """Of these, what went out to a use and did not come back."""
    goods_written_off_fen: int = 0
    """Of these, what is lost to every use."""

    @property
    def net_fen(self) -> int:
        """What is left of the donations after refunds, chargebacks and voids."""
        return self.received_fen - self.reversed_fen


class ChannelTotal(Frozen):
    """One channel's part of a campaign's total, in fen."""

    channel: str
    received_fen: int
    reversed_fen: int
    net_fen: int
    donations: int
    reversals: int


class RecentDonor(Frozen):
    """A donation for the screen. `name` is what the donor agreed to show; None: shown as 爱心人士."""

    donation_id: UUID
    name: str | None
    kind: DonorKind
    amount_fen: int
    at: datetime
    channel: str


class CompanyTotal(Frozen):
    """What a company that agreed to be named has given to a campaign, less what went back; in fen."""

    name: str
    net_fen: int


class ShownMessage(Frozen):
    """A donor's message (寄语) that was approved. `name` is what the donor agreed to show; `at`: when it was
    approved.
    """

    message_id: UUID
    name: str | None
    text: str
    at: datetime


MESSAGES: Final[TypeAdapter[tuple[ShownMessage, ...]]] = TypeAdapter(tuple[ShownMessage, ...])


class CampaignPlan(Frozen):
    """What has to be shown of a campaign (Charity Law art. 25) and what it aims at."""

    campaign_id: str
    title: str
    title_en: str | None
    organisation_id: str | None = None
    organisation: str
    licence: str
    filing_number: str | None
    contact: str
    query_method: str
    purpose: str
    kind: CampaignKind
    status: CampaignStatus
    goal_fen: int
    milestones_fen: tuple[int, ...]
    milestone_fen: int | None
    """The highest milestone reached so far."""
    window_start: datetime
    window_end: datetime
    filing_due_on: date | None = None
    """The last day for an emergency appeal to file (art. 73); None: nothing is due."""
    parent_id: str | None = None
    """Of a part (分活动): the campaign that it is a part of."""
    part_kind: PartKind | None = None


class PartTotal(Frozen):
    """A part (分活动) of a campaign with its own amounts, which are never its parent's."""

    campaign_id: str
    part_kind: PartKind | None
    title: str
    title_en: str | None
    status: CampaignStatus
    goal_fen: int
    amounts: Amounts


class Tree(Frozen):
    """A campaign and its parts together, of the same snapshot as its own number."""

    amounts: Amounts
    """The sums, each amount by itself."""
    digest: str
    """Over the digests of all that is in it (proof.tree_digest_of)."""
    parts: tuple[PartTotal, ...]
    """The one that has received most first."""


class OrganisationName(Frozen):
    """An organisation as the register has it."""

    organisation_id: str
    parent_id: str | None
    name: str
    name_en: str | None
    licence: str | None
    contact: str | None
    query_method: str | None


class CampaignState(Frozen):
    """A campaign, its amounts and the proof of them, read in one consistent snapshot at `as_of` (UTC)."""

    plan: CampaignPlan
    amounts: Amounts
    promised_released_fen: int = 0
    """Of what was promised, no longer asked for (art. 41); it stays promised, and so out of the proof."""
    channels: tuple[ChannelTotal, ...]
    recent: tuple[RecentDonor, ...]
    """Newest first, RECENT_SHOWN at most."""
    companies: tuple[CompanyTotal, ...] = ()
    """Those that have given most first, ranking.COMPANIES_SHOWN at most; of equal ones by name."""
    messages_json: str = "[]"
    """Approved messages as JSON, newest first, MESSAGES_SHOWN at most. They change seldom, the numbers forty
    times a second: so they are carried as the database wrote them, compared as text, and read when they must.
    """
    dropped: tuple[UUID, ...] = ()
    """Donations that must leave every list of names: the newest, RECENT_SHOWN at most."""
    positions: dict[str, int]
    version: int
    digest: str
    as_of: datetime
    tree: Tree | None = None
    """With its parts, where it has any: beside its own number, never in it."""

    @property
    def campaign_id(self) -> str:
        """The campaign this is the state of."""
        return self.plan.campaign_id

    @property
    def messages(self) -> tuple[ShownMessage, ...]:
        """Donors' messages, read from their JSON at each call."""
        return MESSAGES.validate_json(self.messages_json)
