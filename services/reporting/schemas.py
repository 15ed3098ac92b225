"""What the reporting API answers. Amounts in fen of CNY, times in UTC."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from services.reporting.totals import (
    Amounts,
    CampaignState,
    CampaignStatus,
    ChannelTotal,
    ShownMessage,
    Tree,
)
from shared.events.campaigns import CampaignKind, PartKind


class TreeAmounts(BaseModel):
    """Amounts in fen, each by itself."""

    received_fen: int
    reversed_fen: int
    net_fen: int
    donations: int
    promised_fen: int
    disbursed_fen: int
    returned_fen: int
    goods_received_fen: int
    goods_distributed_fen: int
    goods_written_off_fen: int

    @classmethod
    def of(cls, amounts: Amounts) -> Self:
        """The amounts of a campaign, or of a tree."""
        return cls(**amounts.model_dump(), net_fen=amounts.net_fen)


class TreePart(BaseModel):
    """A part (分活动) of a campaign. Its money is its own."""

    campaign_id: str
    part_kind: PartKind | None
    title: str
    title_en: str | None
    status: CampaignStatus
    goal_fen: int
    amounts: TreeAmounts


class TreeTotals(BaseModel):
    """A campaign and its parts together, at the positions of the campaign; the part with most first."""

    total: TreeAmounts
    digest: str
    parts: list[TreePart]

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """The public totals of a tree."""
        return cls(
            total=TreeAmounts.of(tree.amounts),
            digest=tree.digest,
            parts=[
                TreePart(**part.model_dump(exclude={"amounts"}), amounts=TreeAmounts.of(part.amounts))
                for part in tree.parts
            ],
        )


class Totals(BaseModel):
    """The number of a campaign with its proof: how to recompute the digest is in services/reporting/proof.py.

    promised, received and disbursed are three different things and never added together. Goods given in kind
    are a fourth, at their stated values: received less what went back, of these distributed and written off.
    """

    campaign_id: str
    title: str
    title_en: str | None
    organisation_id: str | None
    organisation: str
    licence: str
    filing_number: str | None
    contact: str
    query_method: str
    kind: CampaignKind
    status: CampaignStatus
    goal_fen: int
    milestone_fen: int | None
    received_fen: int
    reversed_fen: int
    net_fen: int
    donations: int
    promised_fen: int
    promised_released_fen: int
    disbursed_fen: int
    returned_fen: int
    """Came back of what was disbursed, which stays disbursed."""
    goods_received_fen: int
    goods_distributed_fen: int
    goods_written_off_fen: int
    channels: list[ChannelTotal]
    positions: dict[str, int]
    version: int
    digest: str
    as_of: datetime
    parent_id: str | None
    part_kind: PartKind | None
    tree: TreeTotals | None
    """With its parts, where it has any. Its own number above never has their money in it."""

    @classmethod
    def of(cls, state: CampaignState) -> Self:
        """The public totals of a state."""
        return cls(
            **state.plan.model_dump(include=cls.model_fields.keys() & type(state.plan).model_fields.keys()),
            **state.amounts.model_dump(),
            promised_released_fen=state.promised_released_fen,
            net_fen=state.amounts.net_fen,
            channels=list(state.channels),
            positions=state.positions,
            version=state.version,
            digest=state.digest,
            as_of=state.as_of,
            tree=None if state.tree is None else TreeTotals.of(state.tree),
        )


class CampaignSummary(BaseModel):
    """One line of the list of campaigns."""

    campaign_id: str
    title: str
    title_en: str | None
    organisation_id: str | None
    organisation: str
    filing_number: str | None
    kind: CampaignKind
    status: CampaignStatus
    goal_fen: int
    window_start: datetime
    window_end: datetime
    net_fen: int
    donations: int
    promised_fen: int
    disbursed_fen: int
    goods_received_fen: int
    goods_distributed_fen: int

    @classmethod
    def of(cls, state: CampaignState) -> Self:
        """The summary of a state."""
        return cls(
            **state.plan.model_dump(include=cls.model_fields.keys() & type(state.plan).model_fields.keys()),
            net_fen=state.amounts.net_fen,
            donations=state.amounts.donations,
            promised_fen=state.amounts.promised_fen,
            disbursed_fen=state.amounts.disbursed_fen,
            goods_received_fen=state.amounts.goods_received_fen,
            goods_distributed_fen=state.amounts.goods_distributed_fen,
        )


class CampaignList(BaseModel):
    """All campaigns that have been filed, the open ones first."""

    campaigns: list[CampaignSummary]


class MessageList(BaseModel):
    """Donors' messages (寄语) of a campaign that a moderator approved, the newest first, 50 at most."""

    campaign_id: str
    messages: list[ShownMessage]


class RolledUp(BaseModel):
    """Sums over campaigns, each figure by itself: never add two of them together. Amounts in fen."""

    campaigns: int = 0
    received_fen: int = 0
    reversed_fen: int = 0
    net_fen: int = 0
    donations: int = 0
    promised_fen: int = 0
    promised_released_fen: int = 0
    disbursed_fen: int = 0
    returned_fen: int = 0
    goods_received_fen: int = 0
    goods_distributed_fen: int = 0
    goods_written_off_fen: int = 0


class OrganisationLine(BaseModel):
    """An organisation with its own campaigns' sums and those of all below it."""

    organisation_id: str
    parent_id: str | None
    name: str
    name_en: str | None
    level: int
    """1: nobody stands above it."""
    total: RolledUp


class OrganisationList(BaseModel):
    """The federation, each organisation with all below it: the sums of two lines may hold the same money."""

    organisations: list[OrganisationLine]
    version: int
    as_of: datetime


class OrganisationTotals(OrganisationLine):
    """What rolls up to an organisation, and its proof (services/reporting/proof.py). total = own + below."""

    licence: str | None
    contact: str | None
    query_method: str | None
    own: RolledUp
    below: list[OrganisationLine]
    campaigns: list[CampaignSummary]
    positions: dict[str, int]
    version: int
    digest: str
    as_of: datetime


class MinuteTotal(BaseModel):
    """What was given in one minute by one channel. A reversal is booked on the minute of its donation."""

    minute: datetime
    channel: str
    received_fen: int
    reversed_fen: int
    donations: int
    reversals: int


class Minutes(BaseModel):
    """Minutes in which something was given; the others are zero and left out."""

    campaign_id: str
    start: datetime
    end: datetime
    minutes: list[MinuteTotal]


class Pace(BaseModel):
    """The average of the last whole minutes, by when donations reached us."""

    over_minutes: int
    donations_per_minute: float
    fen_per_minute: int


class OperationsChannel(BaseModel):
    """One channel of one campaign. Held: taken, but not yet counted; conflicts: a person has to look."""

    channel: str
    received_fen: int
    reversed_fen: int
    donations: int
    reversals: int
    held_open: int
    held_open_fen: int
    conflicts: int


class OperationsCampaign(BaseModel):
    """One campaign as the operations desk sees it. `title` is None for an unknown campaign."""

    campaign_id: str
    title: str | None
    title_en: str | None
    status: CampaignStatus | None
    goal_fen: int | None
    filing_days_left: int | None
    """For an emergency appeal to file (art. 73): 0 on the last day, below 0 late; None: nothing is due."""
    received_fen: int
    reversed_fen: int
    net_fen: int
    donations: int
    promised_fen: int | None
    disbursed_fen: int | None
    held_open: int
    held_open_fen: int
    conflicts: int
    pace: list[Pace]
    channels: list[OperationsChannel]


class GroupLag(BaseModel):
    """How many records a consumer group has still to read of a topic."""

    group: str
    topic: str
    records: int


class DeadLetterCount(BaseModel):
    """Dead letters of one topic for one reason."""

    topic: str
    reason: str
    count: int
    newest_at: datetime


class DeadLetterPlace(BaseModel):
    """Where an unusable record lies and why; never what it says."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    at: datetime


class DeadLetters(BaseModel):
    """All dead letters so far, counted, and the newest of them."""

    count: int
    counts: list[DeadLetterCount]
    newest: list[DeadLetterPlace]


class Gap(BaseModel):
    """A source with events that came too early. `open`: what is missing before them has not arrived yet."""

    source: str
    mark: int
    awaited_sequence: int
    out_of_order: int
    first_seen_at: datetime
    last_seen_at: datetime
    open: bool


class Operations(BaseModel):
    """The state of the evening for the operations desk."""

    as_of: datetime
    campaigns: list[OperationsCampaign]
    lag: list[GroupLag]
    lag_error: str | None
    """Why the lag is not known at the moment; `lag` is then the last that was known."""
    held_open: int
    conflicts: int
    dead_letters: DeadLetters
    gaps: list[Gap]
    gaps_open: int
    out_of_order: int
    streams_open: int
    max_streams: int
    newest_received_at: datetime | None
    newest_age_s: float | None
    listening: bool
    """Whether this process hears the topic `totals`; without it screens are two seconds behind."""
