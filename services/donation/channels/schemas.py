"""What comes and goes by HTTP about channels: bounded, unknown fields refused, never a secret but once."""

from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import Row

from services.donation.channels.schemes import Purpose, Scheme
from services.donation.intake import CampaignId, Name, Words
from shared.broker import INTAKE_PREFIX
from shared.events.fields import ORGANISATION_ID
from shared.forms import form

CHANNEL: Final = form(
    r"^[a-z0-9][a-z0-9-]{0,31}$",
    "1 to 32 of a-z, 0-9 and -, beginning with a letter or digit, such as wechat-hall",
)
KEY_ID: Final = form(r"^[A-Za-z0-9_-]{1,64}$", "1 to 64 of A-Z, a-z, 0-9 and _ -, such as PUB_KEY_ID_0114")
MAX_CAMPAIGNS: Final = 1_000
MAX_OVERLAP_HOURS: Final = 30 * 24
OVERLAP_HOURS: Final = 24
SANDBOX_LIMIT: Final = 100
"""Messages a second that a sandbox takes at most: each is a row of the database, not a record of the log."""


def _each_once(campaigns: list[str]) -> list[str]:
    return sorted(set(campaigns))


Campaigns = Annotated[
    list[CampaignId],
    Field(max_length=MAX_CAMPAIGNS, description="those it may give to"),
    AfterValidator(_each_once),
]
OrganisationId = Annotated[str, Field(pattern=ORGANISATION_ID, description="whose channel it is")]
Limit = Annotated[
    int, Field(ge=1, le=1_000_000, description="messages a second that each process takes by HTTP")
]
Settings = Annotated[dict[str, Any], Field(max_length=50, description="the scheme's own; no secret")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewChannel(_Strict):
    """A channel to register. What a sandbox sends is answered like money and never is any."""

    channel: str = Field(pattern=CHANNEL, description="also names its topic, intake.<channel>")
    title: Name
    scheme: Scheme = "webhooks"
    settings: Settings = {}
    limit_per_second: Limit | None = Field(
        default=None, description="20,000 unless said otherwise, 100 for a sandbox"
    )
    organisation_id: OrganisationId | None = None
    campaigns: Campaigns | None = Field(default=None, description="those it may give to; null: all")
    contact: Words | None = Field(default=None, description="whom the federation calls")
    sandbox: bool = False

    @model_validator(mode="after")
    def _a_sandbox_is_slow(self) -> Self:
        if self.limit_per_second is None:
            self.limit_per_second = SANDBOX_LIMIT if self.sandbox else 20_000
        if self.sandbox and self.limit_per_second > SANDBOX_LIMIT:
            raise ValueError(f"limit_per_second: a sandbox takes at most {SANDBOX_LIMIT} a second")
        if self.sandbox and self.scheme != "webhooks":
            raise ValueError("sandbox: for the partner API only, scheme webhooks")
        return self


class ChannelPatch(_Strict):
    """What may change of a channel: only what is named does; null empties a field that can be empty."""

    title: Name | None = None
    settings: Settings | None = None
    limit_per_second: Limit | None = None
    organisation_id: OrganisationId | None = None
    campaigns: Campaigns | None = None
    contact: Words | None = None

    @model_validator(mode="after")
    def _not_emptied(self) -> Self:
        for field in ("title", "settings", "limit_per_second"):
            if field in self.model_fields_set and getattr(self, field) is None:
                raise ValueError(f"{field}: can't be null")
        return self


class PauseBody(_Strict):
    """Why a channel is paused; its partner is told."""

    reason: Words


class ResumeBody(_Strict):
    """Why it goes on."""

    reason: Words | None = None


class NewKey(_Strict):
    """A key to add. `key`: a payment company's public key or certificate in PEM, or the 32 characters of an
    APIv3 key; a signing secret is made here.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"purpose": "signing", "overlap_hours": 48}]})

    purpose: Purpose = "signing"
    key: str | None = Field(default=None, max_length=32_768)
    key_id: str | None = Field(default=None, pattern=KEY_ID, description="the company's own name of the key")
    overlap_hours: int | None = Field(
        default=None,
        ge=0,
        le=MAX_OVERLAP_HOURS,
        description="how long the older keys of this purpose still count; 0: no longer. Unless said otherwise"
        f" {OVERLAP_HOURS} for signing and apiv3; a platform's older keys stay as they are",
    )


class Channel(BaseModel):
    """A channel, without its keys. `topic` null: a sandbox has none."""

    channel: str
    title: str
    scheme: Scheme
    settings: dict[str, Any]
    topic: str | None
    limit_per_second: int
    state: str = Field(description="active | paused")
    paused_reason: str | None
    sandbox: bool
    campaigns: list[str] | None
    organisation_id: str | None
    contact: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The channel of a row."""
        topic = None if row.sandbox else INTAKE_PREFIX + row.channel
        return cls.model_validate({**row._mapping, "topic": topic})  # noqa: SLF001 - SQLAlchemy's public name


class NamedCampaign(BaseModel):
    """A campaign that a channel may give to, as it stands in the donation service."""

    campaign_id: str
    status: str | None = Field(
        description="filed | launched | paused | closed; null: not known yet, what is given to it is held"
    )


class Key(BaseModel):
    """A key without its secret. `fingerprint`: SHA-256, in hex, of what is public; null for a secret."""

    purpose: Purpose
    key_id: str
    fingerprint: str | None
    created_at: datetime
    created_by: str | None
    valid_until: datetime | None = Field(description="null: until it is replaced or revoked")
    counts: bool = Field(description="whether it is taken now")


class AddedKey(Key):
    """A new key. `secret`: a signing secret, shown this once, and not when the request is repeated."""

    secret: str | None = None


class RegisteredChannel(Channel):
    """A new channel. `secret`: its signing secret (webhooks), shown this once, and not when the request is
    repeated.
    """

    secret: str | None = None


class Change(BaseModel):
    """Who changed what of a channel: `detail` says from what to what, never a secret."""

    change_id: int
    person: str
    changed_at: datetime
    what: str = Field(description="registered | changed | paused | resumed | key-added | key-revoked")
    detail: dict[str, Any]


class ChangePage(BaseModel):
    """A part of the list; `next` null: there is no more."""

    items: list[Change]
    next: int | None
