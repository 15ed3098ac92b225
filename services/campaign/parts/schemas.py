"""What comes and goes by HTTP about parts: bounded, in fen, in UTC, unknown fields refused."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from services.campaign.lifecycle import State
from services.campaign.milestones import MAX_MILESTONES
from services.campaign.parts.rules import PartKind
from services.campaign.schemas import (
    Balance,
    Body,
    Campaign,
    CampaignBody,
    CampaignId,
    Fen,
    Line,
    OrganisationId,
    Paragraph,
    Percent,
    PlanBody,
    Time,
)

_OWN = frozenset({"milestone_percents", "milestones_fen", "title", "title_en", "goal_fen"})


class PartBody(Body):
    """A new part: what is its own. Everything else is as its parent's plan has it."""

    campaign_id: CampaignId = Field(description="Chosen by the desk; donations name it. a-z, 0-9 and . _ -")
    part_kind: PartKind = Field(description="Who raises: team 团队, county 区县, company 企业, other")
    title: Line = Field(description="As screens show it")
    title_en: Line | None = Field(None, description="The title in English")
    organisation_id: OrganisationId | None = Field(
        None, description="Of the register; without it the parent's"
    )
    goal_fen: Fen = Field(description="The part's own goal, in fen")
    milestone_percents: Annotated[list[Percent], Field(max_length=MAX_MILESTONES)] | None = Field(
        None, description="Milestones as percentages of its goal"
    )
    milestones_fen: Annotated[list[Fen], Field(max_length=MAX_MILESTONES)] | None = Field(
        None, description="Milestones as amounts, in fen"
    )
    window_start: Time | None = Field(None, description="Inside the parent's window; without it: the same")
    window_end: Time | None = Field(None, description="Inside the parent's window; without it: the same")
    area: Line | None = Field(None, description="募捐地域")
    responsible_person: Line | None = Field(None, description="活动负责人")
    beneficiaries: Paragraph | None = Field(None, description="受益人")
    uses: Annotated[list[Line], Field(min_length=1, max_length=20)] | None = Field(
        None, description="募得款物用途"
    )
    contact: Line | None = Field(None, description="联系方式")


def plan_of(parent: Campaign, body: PartBody) -> CampaignBody:
    """The whole plan of a part: its own words, and its parent's where it has none."""
    inherited = {name: getattr(parent, name) for name in PlanBody.model_fields if name not in _OWN}
    own: dict[str, Any] = body.model_dump(exclude={"part_kind"}, exclude_none=True)
    if (inherited | own)["organisation_id"] is not None:
        inherited |= {"organisation": None, "licence": None}  # the register has them
    return CampaignBody.model_validate(inherited | own)


class Part(BaseModel):
    """One part with the figures of its fund, and its share of none: its money is its own."""

    campaign_id: str
    part_kind: PartKind
    title: str
    title_en: str | None
    state: State
    goal_fen: int | None
    balance: Balance


class Sums(BaseModel):
    """The sums of a tree, in fen. Promised, received and disbursed stand apart here as everywhere."""

    received_fen: int
    reversed_fen: int
    reserved_fen: int
    disbursed_fen: int
    balance_fen: int
    promised_fen: int
    promised_released_fen: int
    donations: int
    reversals: int
    pledges: int


class Tree(BaseModel):
    """A campaign and its parts, all read at one moment. `total` is the sum of `own` and of the parts."""

    campaign_id: str
    own: Balance
    parts: list[Part] = Field(description="The one that has received most first")
    total: Sums

    @classmethod
    def of(cls, own: Balance, parts: list[Part]) -> Self:
        """The tree of a campaign's own figures and its parts'."""
        balances = [own, *(part.balance for part in parts)]
        total = Sums(**{name: sum(getattr(each, name) for each in balances) for name in Sums.model_fields})
        ranked = sorted(parts, key=lambda part: (-_net_fen(part.balance), part.campaign_id))
        return cls(campaign_id=own.campaign_id, own=own, parts=ranked, total=total)


def _net_fen(balance: Balance) -> int:
    return balance.received_fen - balance.reversed_fen
