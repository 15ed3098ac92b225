"""What the API of screens takes and answers. Amounts in fen of CNY, times in UTC."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from services.reporting.looks.layouts import Layout
from services.reporting.screens.air import Action, Control, Policy
from services.reporting.totals import CampaignState
from shared.events.fields import CAMPAIGN_ID

SCREEN_ID: Final = "^[a-z0-9][a-z0-9-]{0,63}$"
Format = Literal["full", "wan"]
Language = Literal["zh", "en"]
Title = Annotated[str, Field(min_length=1, max_length=80, pattern=r"\S", examples=["主会场大屏"])]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", examples=["节目换场"])]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewScreen(Body):
    """A screen to register. Its campaign stays its campaign."""

    screen_id: str = Field(pattern=SCREEN_ID, examples=["main-hall"])
    title: Title
    campaign_id: str = Field(pattern=CAMPAIGN_ID, examples=["gala-2027"])
    layout: Layout = "hall"
    format: Format = "full"
    language: Language = "zh"
    policy: Policy = "at_once"


class ScreenPatch(Body):
    """Only what is named changes."""

    title: Title | None = None
    layout: Layout | None = None
    format: Format | None = None
    language: Language | None = None
    policy: Policy | None = None


class AirBody(Body):
    """An act on air, and why."""

    action: Action
    reason: Reason
    rehearsal_campaign_id: str | None = Field(
        None,
        pattern=CAMPAIGN_ID,
        description="With `rehearse`: whose numbers are shown; without it sample numbers",
        examples=[None],
    )


class ReasonBody(Body):
    """Why a link ends."""

    reason: Reason


class Number(BaseModel):
    """A campaign's number with its proof."""

    campaign_id: str
    version: int
    digest: str
    net_fen: int
    reversed_fen: int
    as_of: datetime

    @classmethod
    def of(cls, state: CampaignState | None) -> Self | None:
        """The number of a state; None: there is none."""
        if state is None:
            return None
        return cls(
            campaign_id=state.campaign_id,
            version=state.version,
            digest=state.digest,
            net_fen=state.amounts.net_fen,
            reversed_fen=state.amounts.reversed_fen,
            as_of=state.as_of,
        )


class Screen(BaseModel):
    """A screen as its operators see it. `pending`: a lowering waits for the next segment."""

    screen_id: str
    title: str
    campaign_id: str
    layout: Layout
    format: Format
    language: Language
    policy: Policy
    control: Control
    rehearsal: bool
    rehearsal_campaign_id: str | None
    pending: bool
    segment: int
    sequence: int
    linked: bool
    link_issued_at: datetime | None
    seen_at: datetime | None
    frozen_at_version: int | None
    shown: Number | None
    """What is on the screen; None: its campaign is not known yet."""
    actual: Number | None
    """What would be there without any control."""
    version: int

    @classmethod
    def of(cls, row: RowMapping, shown: CampaignState | None, actual: CampaignState | None) -> Self:
        """The screen of a row, with what this process knows of its numbers."""
        own = cls.model_fields.keys() - {"linked", "frozen_at_version", "shown", "actual"}
        return cls(
            **{name: row[name] for name in own},
            linked=row["link_hash"] is not None,
            frozen_at_version=row["frozen"]["version"] if row["frozen"] else None,
            shown=Number.of(shown),
            actual=Number.of(actual),
        )

    def with_numbers(self, shown: CampaignState | None, actual: CampaignState | None) -> Self:
        """The same screen with other numbers."""
        return self.model_copy(update={"shown": Number.of(shown), "actual": Number.of(actual)})


class LinkedScreen(Screen):
    """A screen with its new link, which is shown this once: a repeat of the request answers null."""

    link: str | None = Field(description="The path to open; whoever has it sees the screen")


class ScreenList(BaseModel):
    """The screens in reach, by their ids."""

    screens: list[Screen]


class Change(BaseModel):
    """One row of the record: what was shown before and after. `person` shanliu: the on-air policy."""

    change_id: int
    screen_id: str
    person: str
    changed_at: datetime
    action: str
    reason: str
    version_before: int | None
    version_after: int | None
    net_before_fen: int | None
    net_after_fen: int | None
    detail: dict[str, object]


class ChangePage(BaseModel):
    """The newest first; `next`: give it as `before` for the part behind."""

    changes: list[Change]
    next: int | None
