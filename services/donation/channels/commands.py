"""What an administrator does with channels: each function is one command, in the transaction of its caller.

Locks: the channel's row, which its keys share. Each change is written into `channel_changes`: no secrets.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.channels import queries
from services.donation.channels.keys import Material, material_of
from services.donation.channels.schemas import (
    OVERLAP_HOURS,
    SANDBOX_LIMIT,
    ChannelPatch,
    NewChannel,
    NewKey,
)
from services.donation.channels.schemes import Purpose, Scheme
from services.donation.schemes.settings import SETTINGS_OF
from shared import versions
from shared.problems import unprocessable
from shared.refusals import NotFound, Refused
from shared.secret_box import SecretBox

MAX_KEYS: Final = 8
"""Keys of one purpose that count at once: each costs every request one comparison."""


class ChannelExists(Refused):
    """A name is taken once."""

    code = "channel-exists"
    title = "The channel is registered"


class DeskExists(Refused):
    """What is entered at the desk comes by one channel, which is there from the start."""

    code = "desk-channel"
    title = "The desk has its channel"
    status = 422


class KeyKnown(Refused):
    """A company's name of a key stands for one key, also after that key has ended."""

    code = "key-known"
    title = "The channel has, or had, a key of this name"


class TooManyKeys(Refused):
    """Each key that counts is compared with each request."""

    code = "too-many-keys"
    title = "Too many keys count at once"


class LimitTooHigh(Refused):
    """A sandbox is for trying out."""

    code = "sandbox-limit"
    title = "A sandbox takes fewer messages"
    status = 422


@dataclass(frozen=True, slots=True)
class Added:
    """A key's row, and the secret behind it."""

    row: Row[Any]
    material: Material


async def register(
    connection: AsyncConnection, box: SecretBox, person: str, new: NewChannel
) -> tuple[Row[Any], Material | None]:
    """Register a channel; one of the scheme webhooks with its first signing secret. Raises ChannelExists,
    DeskExists.
    """
    if new.scheme == "desk":
        raise DeskExists(
            "Entries of the desk come by its own channel, `desk`, whoever makes them: sign in with the role"
            " desk and enter them (docs/desk.md). For anything that sends by itself choose another scheme.",
            fields=["scheme"],
        )
    settings = checked_settings(new.scheme, new.settings)
    row = await queries.add_channel(connection, {**new.model_dump(), "settings": settings, "state": "active"})
    if row is None:
        raise ChannelExists("There is a channel of this name.", fields=["channel"])
    said = {"scheme": row.scheme, "sandbox": row.sandbox, "limit_per_second": row.limit_per_second}
    await queries.note_change(connection, row.channel, person, "registered", said)
    if new.scheme != "webhooks":
        return row, None
    return row, (await add_key(connection, box, person, row.channel, NewKey())).material


async def change(
    connection: AsyncConnection, person: str, name: str, patch: ChannelPatch, expected: int | None
) -> Row[Any]:
    """Change what the patch names; what stays as it is is no change. Raises NotFound, VersionChanged."""
    row = await locked(connection, name)
    versions.require_version(row.version, expected)
    wanted = patch.model_dump(include=patch.model_fields_set)
    if "settings" in wanted:
        wanted["settings"] = checked_settings(row.scheme, wanted["settings"])
    if row.sandbox and wanted.get("limit_per_second", 0) > SANDBOX_LIMIT:
        detail = f"A sandbox takes at most {SANDBOX_LIMIT} a second."
        raise LimitTooHigh(detail, fields=["limit_per_second"])
    different = {field: value for field, value in wanted.items() if getattr(row, field) != value}
    if not different:
        return row
    await queries.note_change(connection, name, person, "changed", _told(row, different))
    return await queries.change_channel(connection, name, different)


async def pause(connection: AsyncConnection, person: str, name: str, reason: str) -> Row[Any]:
    """Answer the channel 503 from now on; what the broker has of it is booked all the same."""
    row = await locked(connection, name)
    if (row.state, row.paused_reason) == ("paused", reason):
        return row
    await queries.note_change(connection, name, person, "paused", {"reason": reason})
    return await queries.change_channel(connection, name, {"state": "paused", "paused_reason": reason})


async def resume(connection: AsyncConnection, person: str, name: str, reason: str | None) -> Row[Any]:
    """Let the channel in again."""
    row = await locked(connection, name)
    if row.state == "active":
        return row
    await queries.note_change(connection, name, person, "resumed", {"reason": reason} if reason else {})
    return await queries.change_channel(connection, name, {"state": "active", "paused_reason": None})


async def add_key(connection: AsyncConnection, box: SecretBox, person: str, name: str, new: NewKey) -> Added:
    """Add a key; the older ones of its purpose count until the overlap is over.

    Raises NotFound, KeyUnusable, KeyKnown, TooManyKeys.
    """
    row, now = await locked(connection, name), datetime.now(UTC)
    await queries.wipe_ended(connection, name, now)
    material = material_of(row.scheme, new.purpose, new.key, new.key_id, now)
    before = [key for key in await queries.keys_of(connection, name) if key.purpose == new.purpose]
    overlap_h = _overlap_h(new)
    if sum(key.counts for key in before) >= MAX_KEYS and overlap_h != 0:
        raise TooManyKeys(f"{MAX_KEYS} keys of this purpose count already. Revoke one first.")
    key_id = material.key_id or str(1 + len(before))
    added = await queries.add_key(
        connection,
        {
            "channel": name,
            "purpose": new.purpose,
            "key_id": key_id,
            "sealed": box.seal(name, material.secret),
            "created_at": now,
            "created_by": person,
            "fingerprint": material.fingerprint,
            "valid_until": material.valid_until,
        },
    )
    if added is None:
        raise KeyKnown("Give the new key another key_id.", fields=["key_id"])
    said: dict[str, Any] = {"purpose": new.purpose, "key_id": key_id, "fingerprint": material.fingerprint}
    if overlap_h is not None:
        until = now + timedelta(hours=overlap_h)
        ended = await queries.end_keys(connection, name, new.purpose, but=key_id, at=until)
        said |= {"others": ended, "others_until": until.isoformat()} if ended else {}
        await queries.wipe_ended(connection, name, now)
    await queries.note_change(connection, name, person, "key-added", said)
    return Added(added, material)


async def revoke_key(
    connection: AsyncConnection, person: str, name: str, purpose: Purpose, key_id: str
) -> None:
    """End a key at once and forget its secret. The last one too: then nothing is let in. Raises NotFound."""
    await locked(connection, name)
    now = datetime.now(UTC)
    if not await queries.end_key(connection, name, purpose, key_id, now):
        raise NotFound("The channel has no such key that counts.")
    await queries.wipe_ended(connection, name, now)
    await queries.note_change(connection, name, person, "key-revoked", {"purpose": purpose, "key_id": key_id})


async def locked(connection: AsyncConnection, name: str) -> Row[Any]:
    """The channel's row, locked. Raises NotFound."""
    row = await queries.lock_channel(connection, name)
    if row is None:
        raise NotFound("No such channel.")
    return row


def checked_settings(scheme: Scheme, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as the scheme reads them. Raises Problem (422) naming each field."""
    try:
        model = SETTINGS_OF[scheme].model_validate(settings)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=False)
        raise unprocessable([{**each, "loc": ("settings", *each["loc"])} for each in errors]) from None
    return model.model_dump(mode="json", exclude_unset=True)


def _overlap_h(new: NewKey) -> int | None:
    if new.overlap_hours is not None:
        return new.overlap_hours
    return None if new.purpose == "platform" else OVERLAP_HOURS


def _told(row: Row[Any], different: Mapping[str, Any]) -> dict[str, Any]:
    """From what to what; of a contact, which is a person's, only that it changed."""
    return {
        field: "changed" if field == "contact" else {"from": getattr(row, field), "to": value}
        for field, value in different.items()
    }
