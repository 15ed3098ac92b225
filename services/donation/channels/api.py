"""What comes by HTTP about channels.

| who (role) | may |
| --- | --- |
| administrator | register, change, pause, resume; add and revoke keys |
| viewer, desk, finance | read channels, their keys without secrets, and who changed what |

Every POST needs an `Idempotency-Key`. The answer kept under it has no secret: repeated, it says
`"secret": null`, and whoever lost the first answer adds another key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.channels import commands, queries
from services.donation.channels.directory import Directory
from services.donation.channels.schemas import (
    CHANNEL,
    KEY_ID,
    AddedKey,
    Change,
    ChangePage,
    Channel,
    ChannelPatch,
    Key,
    NamedCampaign,
    NewChannel,
    NewKey,
    PauseBody,
    RegisteredChannel,
    ResumeBody,
)
from services.donation.channels.schemes import Purpose
from shared import http_commands, versions
from shared.access import Person, require
from shared.broker import INTAKE_PREFIX, KafkaSettings, ensure_topic
from shared.http_commands import Commands, VersionHeader, Work, tagged
from shared.problems import Problem
from shared.refusals import NotFound
from shared.run_once import Runner
from shared.secret_box import SecretBox
from shared.strict_json import StrictJsonRoute

INTAKE_TOPIC: Final = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "message.timestamp.type": "LogAppendTime",
}
"""As deploy/topics.yaml declares it. The broker's clock decides when a donation was received; a channel can't
say so."""

ChannelName = Annotated[str, Path(pattern=CHANNEL)]

router = APIRouter(prefix="/v1/channels", route_class=StrictJsonRoute, tags=["channels"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.channels`."""

    settings: KafkaSettings
    engine: AsyncEngine
    runner: Runner
    box: SecretBox
    directory: Directory


async def _parts(request: Request) -> Parts:
    parts = request.app.state.channels
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]
Administrator = Annotated[Person, Depends(require("administrator"))]
READERS: Final = [Depends(require("viewer", "desk", "finance"))]


class Sent(http_commands.Sent[Parts]):
    """A command of an administrator."""

    async def run(self, work: Work, status: int = 200, *, once: Mapping[str, Any] | None = None) -> Response:
        """Run it once, have this process know of it, and answer."""
        response = await super().run(work, status, once=once)
        await self.parts.directory.refresh()
        return response


sent = Commands(_parts, Sent).sent


# ---------------------------------------------------------------- channels


@router.post("", status_code=201, response_model=RegisteredChannel, summary="Register a channel")
async def register(
    new: NewChannel, sent: Annotated[Sent, Depends(sent("register_channel", "administrator"))]
) -> Response:
    """Makes its topic, and for the partner API its first signing secret, which is shown this once."""
    if new.channel == "internal":
        own = "internal is the service's own"
        raise Problem(422, "reserved-name", f"channel: {own}.", errors=[{"field": "channel", "message": own}])
    commands.checked_settings(new.scheme, new.settings)
    if not new.sandbox:
        await ensure_topic(sent.parts.settings, INTAKE_PREFIX + new.channel, configs=INTAKE_TOPIC)
    once: dict[str, str] = {}

    async def work(connection: AsyncConnection) -> RegisteredChannel:
        row, material = await commands.register(connection, sent.parts.box, sent.person, new)
        if material is not None:
            once["secret"] = material.secret
        return RegisteredChannel.of(row)

    return await sent.run(work, 201, once=once)


@router.get("", summary="The channels", dependencies=READERS)
async def list_channels(parts: Wired) -> list[Channel]:
    """Every channel, without its keys."""
    async with parts.engine.connect() as connection:
        return [Channel.of(row) for row in await queries.all_channels(connection)]


@router.get("/{channel}", response_model=Channel, summary="A channel", dependencies=READERS)
async def read(channel: ChannelName, parts: Wired) -> Response:
    """With its version as the ETag."""
    async with parts.engine.connect() as connection:
        row = await queries.channel(connection, channel)
    if row is None:
        raise NotFound("No such channel.")
    return tagged(Channel.of(row).model_dump(mode="json"))


@router.patch("/{channel}", response_model=Channel, summary="Change a channel")
async def change(
    channel: ChannelName,
    patch: ChannelPatch,
    parts: Wired,
    person: Administrator,
    if_match: VersionHeader = None,
) -> Response:
    """Only what is named. A limit counts in every process within five seconds, the campaigns from the next
    batch on. Name, scheme and sandbox stay.
    """
    expected = versions.expected_version(if_match)
    async with parts.engine.begin() as connection:
        row = await commands.change(connection, person.name, channel, patch, expected)
    await parts.directory.refresh()
    return tagged(Channel.of(row).model_dump(mode="json"))


@router.post("/{channel}/pause", response_model=Channel, summary="Pause a channel")
async def pause(
    channel: ChannelName,
    body: PauseBody,
    sent: Annotated[Sent, Depends(sent("pause_channel", "administrator"))],
) -> Response:
    """It is answered 503 with Retry-After; what the broker has of it stays and is booked."""

    async def work(connection: AsyncConnection) -> Channel:
        return Channel.of(await commands.pause(connection, sent.person, channel, body.reason))

    return await sent.run(work)


@router.post("/{channel}/resume", response_model=Channel, summary="Resume a channel")
async def resume(
    channel: ChannelName,
    body: ResumeBody,
    sent: Annotated[Sent, Depends(sent("resume_channel", "administrator"))],
) -> Response:
    """It is let in again."""

    async def work(connection: AsyncConnection) -> Channel:
        return Channel.of(await commands.resume(connection, sent.person, channel, body.reason))

    return await sent.run(work)


@router.get("/{channel}/campaigns", summary="The campaigns that a channel names", dependencies=READERS)
async def list_campaigns(channel: ChannelName, parts: Wired) -> list[NamedCampaign]:
    """With their states here, where a mistyped one has none. Empty for one that may give to all."""
    async with parts.engine.connect() as connection:
        row = await queries.channel(connection, channel)
        if row is None:
            raise NotFound("No such channel.")
        states = await queries.states_of(connection, row.campaigns or [])
    return [NamedCampaign.model_validate(each, from_attributes=True) for each in states]


@router.get("/{channel}/changes", summary="Who changed what of a channel", dependencies=READERS)
async def list_changes(
    channel: ChannelName,
    parts: Wired,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="The `next` of the part before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most")] = 50,
) -> ChangePage:
    """The newest first; nothing of this list is ever changed."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_changes(connection, channel, before=before, rows=limit)
    items = [Change.model_validate(row, from_attributes=True) for row in rows]
    return ChangePage(items=items, next=items[-1].change_id if len(items) == limit else None)


# ---------------------------------------------------------------- keys


@router.post("/{channel}/keys", status_code=201, response_model=AddedKey, summary="Add a key")
async def add_key(
    channel: ChannelName,
    new: NewKey,
    sent: Annotated[Sent, Depends(sent("add_channel_key", "administrator"))],
) -> Response:
    """A signing secret is made here and shown this once; the others of its purpose count until the overlap
    is over.
    """
    once: dict[str, str] = {}

    async def work(connection: AsyncConnection) -> AddedKey:
        added = await commands.add_key(connection, sent.parts.box, sent.person, channel, new)
        if new.purpose == "signing":
            once["secret"] = added.material.secret
        return AddedKey.model_validate(added.row, from_attributes=True)

    return await sent.run(work, 201, once=once)


@router.get("/{channel}/keys", summary="A channel's keys", dependencies=READERS)
async def list_keys(channel: ChannelName, parts: Wired) -> list[Key]:
    """Without their secrets; those that have ended as well."""
    async with parts.engine.connect() as connection:
        rows = await queries.keys_of(connection, channel)
    return [Key.model_validate(row, from_attributes=True) for row in rows]


@router.delete("/{channel}/keys/{purpose}/{key_id}", status_code=204, summary="Revoke a key")
async def revoke_key(
    channel: ChannelName,
    purpose: Purpose,
    key_id: Annotated[str, Path(pattern=KEY_ID)],
    parts: Wired,
    person: Administrator,
) -> None:
    """It counts no longer: here at once, in every other process within five seconds."""
    async with parts.engine.begin() as connection:
        await commands.revoke_key(connection, person.name, channel, purpose, key_id)
    await parts.directory.refresh()
