"""What comes and goes by HTTP about partners' webhooks. Times in UTC."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row

from services.notification.addresses import BadAddress, deliverable, masked
from services.notification.partners.models import NO_REPLAY
from services.notification.partners.networks import URL_MAX
from services.notification.partners.projection import PUBLIC
from services.notification.partners.schedule import EndpointState, Outcome, State
from shared.events.fields import CAMPAIGN_ID

CAMPAIGNS_MAX: Final = 200
OVERLAP_HOURS_MAX: Final = 168


def _known_type(name: str) -> str:
    if name not in PUBLIC:
        raise ValueError("not a type that goes out; GET /v1/webhook-event-types lists them")
    return name


def _mailable(address: str) -> str:
    try:
        return deliverable(address)
    except BadAddress as error:
        raise ValueError(str(error)) from None


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("one line of printable characters")
    return text


EventType = Annotated[str, AfterValidator(_known_type), Field(max_length=100)]
Word = Annotated[str, AfterValidator(_one_line), Field(max_length=300)]
Line = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=200)]


class EndpointBody(BaseModel):
    """Where to call a partner, and what about. `campaigns` null: of all; `ordered`: the next event of a
    campaign goes out only when the one before it is delivered, or exhausted.
    """

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1,
        max_length=URL_MAX,
        description="https; a public address",
        examples=["https://partner.example/hooks/shanliu"],
    )
    description: Line
    owner_email: Annotated[str, AfterValidator(_mailable), Field(max_length=254)] = Field(
        description="told by mail when the endpoint is slowed, well again or disabled"
    )
    event_types: list[EventType] = Field(
        min_length=1, max_length=len(PUBLIC), examples=[["org.shanliu.donation.received.v1"]]
    )
    campaigns: list[Annotated[str, Field(pattern=CAMPAIGN_ID)]] | None = Field(
        default=None, min_length=1, max_length=CAMPAIGNS_MAX
    )
    ordered: bool = False

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        self.event_types = sorted(set(self.event_types))
        self.campaigns = None if self.campaigns is None else sorted(set(self.campaigns))
        return self


class RotateBody(BaseModel):
    """How long the present secret goes on signing beside the new one; 0: not at all."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(default=24, ge=0, le=OVERLAP_HOURS_MAX)


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("no calendar has this time in UTC") from None


class PauseBody(BaseModel):
    """Why nothing is sent for now: it is shown with the endpoint until it is resumed."""

    model_config = ConfigDict(extra="forbid")

    reason: Line = Field(examples=["对方系统升级，至 20:00"])


class ReplayBody(BaseModel):
    """From when on events are sent again, by the time at which they became facts; not in the future."""

    model_config = ConfigDict(extra="forbid")

    since: Annotated[AwareDatetime, AfterValidator(_in_utc)]


@dataclass(frozen=True, slots=True)
class Backlog:
    """How an endpoint gets on: deliveries that wait and since when the oldest does, those given up, and when
    the newest that it took arrived (of those the log still has).
    """

    waiting: int = 0
    exhausted: int = 0
    oldest_waiting_at: datetime | None = None
    last_delivered_at: datetime | None = None


class Endpoint(BaseModel):
    """An endpoint, without its secret. `owner_email` is masked. `reason`: why it is paused, in the words of
    who did it; or `disabled_failing`, `disabled_gone`. `slowed_at`: since when only one delivery at a time is
    tried; `waiting` and `exhausted`: its deliveries; `last_delivered_at`: of those that the log still has.
    """

    endpoint_id: UUID
    url: str
    description: str
    owner_email: str
    event_types: list[str]
    campaigns: list[str] | None
    ordered: bool
    state: EndpointState
    reason: str | None
    disabled_at: datetime | None
    deleted_at: datetime | None
    failures: int
    slowed_at: datetime | None
    not_before: datetime | None
    previous_secret_until: datetime | None
    waiting: int
    exhausted: int
    oldest_waiting_at: datetime | None
    last_delivered_at: datetime | None
    version: int
    created_by: str
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Row[Any], backlog: Backlog) -> Self:
        """As its row and its deliveries tell."""
        fields = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        masked_email = masked(row.owner_email)
        return cls(
            **{
                **fields,
                **asdict(backlog),
                "owner_email": masked_email,
                "previous_secret_until": row.previous_until,
            }
        )


class EndpointPage(BaseModel):
    """By id; `next` is what to send as `after` for the page behind, null at the end."""

    items: list[Endpoint]
    next: UUID | None


class EndpointSecret(BaseModel):
    """The signing secret, shown this once: the answer to a request that is repeated has null. Who lost it
    asks for another one.
    """

    endpoint_id: UUID
    secret: str | None
    previous_until: datetime | None = None


class EventTypeView(BaseModel):
    """A type that can be asked for, and the fields of its `data` that go out."""

    type: str
    fields: list[str]


class Delivery(BaseModel):
    """One event for one endpoint. `replay_id`: null unless a replay has written it."""

    delivery_id: int
    endpoint_id: UUID
    event_id: str
    type: str
    campaign_id: str | None
    replay_id: UUID | None
    state: State
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """As its row tells."""
        fields = {name: getattr(row, name) for name in cls.model_fields}
        replay_id = None if row.replay_id == NO_REPLAY else row.replay_id
        return cls(**{**fields, "replay_id": replay_id, "campaign_id": row.campaign_id or None})


class Asked(BaseModel):
    """Which deliveries a person wants to see; null: whatever."""

    endpoint_id: UUID | None = None
    state: State | None = None
    type: Word | None = None
    campaign_id: Word | None = None
    event_id: Word | None = None
    replay_id: UUID | None = None
    day: date | None = Field(default=None, description="of Shanghai, when it was written")


class DeliveryPage(BaseModel):
    """Newest first; `next` is what to send as `before` for the page behind, null at the end."""

    items: list[Delivery]
    next: int | None


class Attempt(BaseModel):
    """One call. `answer`: the first characters of what the partner said."""

    attempt: int
    started_at: datetime
    duration_ms: int
    outcome: Outcome
    status: int | None
    answer: str | None


class DeliveryDetails(BaseModel):
    """A delivery with what is sent and its last 100 attempts, newest first."""

    delivery: Delivery
    body: dict[str, Any]
    history: list[Attempt]

    @classmethod
    def of(cls, row: Row[Any], attempts: list[Attempt]) -> Self:
        """As its row tells."""
        return cls(delivery=Delivery.of(row), body=json.loads(bytes(row.body)), history=attempts)


class Queued(BaseModel):
    """A delivery that goes out now."""

    delivery_id: int
    event_id: str


class Replay(BaseModel):
    """Events sent again from a date on. `found`: deliveries written so far."""

    replay_id: UUID
    endpoint_id: UUID
    since: datetime
    found: int
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
