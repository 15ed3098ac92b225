"""What comes and goes by HTTP: bounded, in fen, in UTC, unknown fields refused."""

import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    computed_field,
)

from services.campaign import lifecycle, plan
from services.campaign.days import today_of
from services.campaign.lifecycle import State
from services.campaign.milestones import DEFAULT_PERCENTS, MAX_MILESTONES
from services.campaign.parts.rules import PartKind
from shared.events.campaigns import CampaignKind
from shared.events.fields import CAMPAIGN_ID, ORGANISATION_ID
from shared.money import MAX_AMOUNT_FEN

# Cc: control, Cs: unpaired surrogates, Zl and Zp: line and paragraph separators.
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Overrides of the writing direction can make a screen show another name than the one that was approved.
_DIRECTION_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_ISO_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _plain_text(value: object) -> object:
    """Text without control characters, and without blanks around it, so that one of blanks is empty."""
    if not isinstance(value, str):
        return value
    for character in value:
        if unicodedata.category(character) in _FORBIDDEN_CATEGORIES or character in _DIRECTION_OVERRIDES:
            raise ValueError("control characters, line breaks and direction overrides are not allowed")
    return value.strip()


def _rfc3339(value: object) -> object:
    if isinstance(value, str) and not _RFC3339.fullmatch(value):
        raise ValueError("must be an RFC 3339 time with its offset, such as 2026-12-31T20:00:00+08:00")
    if not isinstance(value, (str, datetime)):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic reports ValueError with its field
    return value


def _as_utc(value: datetime) -> datetime:
    if not 2000 <= value.year <= 2199:
        raise ValueError("must lie between the years 2000 and 2199")
    return value.astimezone(UTC)


def _iso_date(value: object) -> object:
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise ValueError("must be a date such as 2026-12-31")
    if not isinstance(value, (str, date)):
        raise ValueError("must be text")  # noqa: TRY004 - pydantic reports ValueError with its field
    return value


def _text(max_length: int) -> StringConstraints:
    return StringConstraints(min_length=1, max_length=max_length, strict=True)


Short = Annotated[str, BeforeValidator(_plain_text), _text(20)]
Line = Annotated[str, BeforeValidator(_plain_text), _text(200)]
Paragraph = Annotated[str, BeforeValidator(_plain_text), _text(2000)]
Fen = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_FEN, description="Amount in fen of CNY")]
CostFen = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_FEN, description="Amount in fen of CNY")]
Percent = Annotated[int, Field(strict=True, ge=1, le=1000)]
Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_as_utc)]
Day = Annotated[date, BeforeValidator(_iso_date)]
CampaignId = Annotated[str, StringConstraints(strict=True, pattern=CAMPAIGN_ID)]
OrganisationId = Annotated[str, StringConstraints(strict=True, pattern=ORGANISATION_ID)]


class Body(BaseModel):
    """A request body: nothing unknown in it, nothing changed in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlanBody(Body):
    """A campaign's plan (Charity Law art. 24, 25). A draft may lack parts; filing needs them all."""

    kind: CampaignKind = Field(
        description="gala 慈善晚会, annual_drive 慈善一日捐, emergency_appeal 应急救援, …"
    )
    title: Line = Field(description="募捐活动名称, as screens show it")
    title_en: Line | None = Field(None, description="The title in English")
    organisation_id: OrganisationId | None = Field(
        None, description="Of the register; its words fill organisation and licence"
    )
    organisation: Line | None = Field(None, description="慈善组织")
    licence: Line | None = Field(None, description="公开募捐资格证书编号")
    goal_fen: Fen | None = Field(None, description="募捐目标, in fen")
    milestone_percents: Annotated[list[Percent], Field(max_length=MAX_MILESTONES)] | None = Field(
        None, description=f"Milestones as percentages of the goal; without any: {list(DEFAULT_PERCENTS)}"
    )
    milestones_fen: Annotated[list[Fen], Field(max_length=MAX_MILESTONES)] | None = Field(
        None, description="Milestones as amounts of net received money in fen, instead of percentages"
    )
    purpose: Paragraph | None = Field(None, description="募捐目的")
    window_start: Time | None = Field(None, description="开始时间, RFC 3339")
    window_end: Time | None = Field(None, description="结束时间, RFC 3339, later than window_start")
    area: Line | None = Field(None, description="募捐地域")
    responsible_person: Line | None = Field(None, description="活动负责人")
    account: Line | None = Field(None, description="银行账户")
    beneficiaries: Paragraph | None = Field(None, description="受益人")
    uses: Annotated[list[Line], Field(max_length=20)] = Field(
        default_factory=list, description="募得款物用途"
    )
    cost_fen: CostFen | None = Field(None, description="募捐成本, in fen; 0 is a statement")
    remainder: Paragraph | None = Field(None, description="剩余财产的处理")
    contact: Line | None = Field(None, description="联系方式")
    query_method: Line | None = Field(None, description="募捐信息查询方法")


class CampaignBody(PlanBody):
    """A new campaign: its id and its plan."""

    campaign_id: CampaignId = Field(description="Chosen by the desk; donations name it. a-z, 0-9 and . _ -")


class StepBody(Body):
    """When a step was taken."""

    on: Day | None = Field(
        None, description="The day it happened, a date in Asia/Shanghai, not ahead; without it: today"
    )


class FilingBody(StepBody):
    """What the civil-affairs bureau gave."""

    filing_number: Line = Field(description="备案编号")


class ReopenBody(StepBody):
    """Why a settled campaign is opened again."""

    reason: Paragraph = Field(description="Such as money that was told late; stays in this service")


class Campaign(BaseModel):
    """A campaign as this service knows it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    campaign_id: str
    parent_id: str | None = Field(description="Of a part (分活动): the campaign that it is a part of")
    part_kind: PartKind | None
    kind: CampaignKind
    state: State
    version: int = Field(description="Grows with each change; the ETag")
    title: str
    title_en: str | None
    organisation_id: str | None = Field(description="Null: from before there was a register, or of none")
    organisation: str | None
    licence: str | None
    filing_number: str | None
    goal_fen: int | None
    milestones_fen: list[int]
    purpose: str | None
    window_start: datetime | None
    window_end: datetime | None
    area: str | None
    responsible_person: str | None
    account: str | None
    beneficiaries: str | None
    uses: list[str]
    cost_fen: int | None
    remainder: str | None
    contact: str | None
    query_method: str | None
    created_at: datetime
    changed_at: datetime
    filed_at: datetime | None
    first_launched_at: datetime | None
    closed_at: datetime | None
    settled_at: datetime | None
    filed_on: date | None = Field(description="The day of the filing in Asia/Shanghai, however late recorded")
    launched_on: date | None
    closed_on: date | None
    settled_on: date | None

    @computed_field(description="What of the plan is missing for its filing (art. 24, 25)")  # type: ignore[prop-decorator]
    @property
    def plan_missing(self) -> list[str]:
        """Names of fields, in the law's order."""
        return list(plan.missing_fields({name: getattr(self, name) for name in plan.REQUIRED_FIELDS}))

    @computed_field(description="The last day for an emergency appeal to file (art. 73); null: none")  # type: ignore[prop-decorator]
    @property
    def filing_due_on(self) -> date | None:
        """A date in Asia/Shanghai."""
        return lifecycle.filing_due_on(
            kind=self.kind, filing_number=self.filing_number, launched_on=self.launched_on
        )

    @computed_field(description="Days left for it: 0 on the last day, below 0 it is late")  # type: ignore[prop-decorator]
    @property
    def filing_days_left(self) -> int | None:
        """Counted from today in Asia/Shanghai."""
        return lifecycle.days_left(self.filing_due_on, today_of(datetime.now(UTC)))


class Balance(BaseModel):
    """A fund's figures in fen at the stated positions, all read at one moment.

    balance = received − reversed + transferred in − out − reserved − disbursed + returned. Promised stands
    beside them and is never added.
    """

    campaign_id: str
    received_fen: int
    reversed_fen: int
    transferred_in_fen: int = Field(description="From other funds; never received a second time")
    transferred_out_fen: int = Field(description="To other funds or a charitable trust; never disbursed")
    reserved_fen: int = Field(description="Approved, not yet paid")
    disbursed_fen: int
    returned_fen: int = Field(description="Came back of what was disbursed, which stays disbursed")
    balance_fen: int = Field(description="Below zero: overdrawn by a refund that came after an approval")
    overdrawn: bool
    promised_fen: int = Field(description="Confirmed pledges, apart from everything else")
    promised_released_fen: int = Field(description="Of promised_fen, no longer asked for (art. 41)")
    donations: int
    reversals: int
    pledges: int
    positions: dict[str, int] = Field(description="For each source the sequence of the last event counted")


Next = Annotated[str | None, Field(description="Send it as `after` for the next part; null: this is the end")]


class CampaignPage(BaseModel):
    """A part of the list of campaigns, in the order of their ids."""

    items: list[Campaign]
    next: Next
