"""The channels in memory: their keys, limits and states.

Intake must not wait for the database, so each process keeps the channels in memory and reads them again
every few seconds, and at once (but at most once a second) when it is asked for one it does not know.
"""

import asyncio
import binascii
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.channels import queries
from services.donation.channels.limits import Bucket
from services.donation.channels.schemes import Purpose, Scheme
from services.donation.signatures import key_of
from shared.secret_box import SecretBox

log = structlog.get_logger(__name__)

REFRESH_S: Final = 5.0
RENEWED_S: Final = 1.0
"""A request that nobody's key fits has the channels read again, but not more often than this."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a channel, opened. `key_id` is the scheme's own name of it, such as a certificate's serial
    number; `valid_until` (UTC) is when an older key stops counting beside the one that replaced it;
    `signing` is the secret of a signing key as the bytes that it stands for.
    """

    key_id: str
    purpose: Purpose
    secret: str = field(repr=False)
    valid_until: datetime | None = None
    signing: bytes | None = field(default=None, repr=False)

    def counts(self, now: datetime) -> bool:
        """Whether it is taken at a moment (UTC)."""
        return self.valid_until is None or now < self.valid_until


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as intake needs it. `campaigns`: those it may give to; None: all. What a `sandbox` channel
    sends is answered like real money and never is any.
    """

    name: str
    scheme: Scheme
    settings: Mapping[str, Any]
    keys: tuple[Key, ...]
    paused: bool
    paused_reason: str | None
    sandbox: bool
    campaigns: frozenset[str] | None
    bucket: Bucket

    def secrets(self, purpose: Purpose, key_id: str | None = None) -> list[str]:
        """The secrets for a purpose that count now, newest first; with `key_id` only that key's."""
        now = datetime.now(UTC)
        return [
            key.secret
            for key in self.keys
            if key.purpose == purpose and key_id in (None, key.key_id) and key.counts(now)
        ]

    def signing_keys(self) -> list[bytes]:
        """The keys that requests may be signed with now, newest first."""
        now = datetime.now(UTC)
        return [key.signing for key in self.keys if key.signing is not None and key.counts(now)]

    def may_give_to(self, campaign_id: str) -> bool:
        """Whether the channel may give to a campaign."""
        return self.campaigns is None or campaign_id in self.campaigns


class Directory:
    """The channels in memory."""

    def __init__(self, engine: AsyncEngine, box: SecretBox) -> None:
        self._engine = engine
        self._box = box
        self._channels: dict[str, Channel] = {}
        self._read_at_s = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, name: str) -> Channel | None:
        """The channel of that name; one registered elsewhere is found within a second."""
        channel = self._channels.get(name)
        if channel is None and time.monotonic() - self._read_at_s > RENEWED_S:
            async with self._reading:
                if time.monotonic() - self._read_at_s > RENEWED_S:
                    await self.refresh()
            channel = self._channels.get(name)
        return channel

    async def renewed(self, channel: Channel) -> Channel:
        """The channel as it is now, for who is refused by a key known here: asked of the database at most
        once a second, so a key that was added elsewhere counts here within a second.
        """
        if time.monotonic() - self._read_at_s > RENEWED_S:
            async with self._reading:
                if time.monotonic() - self._read_at_s > RENEWED_S:
                    try:
                        await self.refresh()
                    except (SQLAlchemyError, OSError, TimeoutError) as error:
                        log.warning("channels_not_refreshed", error=repr(error)[:200])
        return self._channels.get(channel.name, channel)

    async def refresh(self) -> None:
        """Read the channels from the database; a bucket goes on where it was unless its limit changed."""
        async with self._engine.connect() as connection:
            rows = await queries.all_channels(connection)
            sealed: defaultdict[str, list[Row[Any]]] = defaultdict(list)
            for key in await queries.all_keys(connection):
                sealed[key.channel].append(key)
        self._read_at_s = time.monotonic()
        self._channels = {row.channel: self._channel(row, self._opened(sealed[row.channel])) for row in rows}

    def _channel(self, row: Row[Any], keys: Iterable[Key]) -> Channel:
        known = self._channels.get(row.channel)
        same = known is not None and known.bucket.per_second == row.limit_per_second
        return Channel(
            name=row.channel,
            scheme=row.scheme,
            settings=row.settings,
            keys=tuple(keys),
            paused=row.state == "paused",
            paused_reason=row.paused_reason,
            sandbox=row.sandbox,
            campaigns=None if row.campaigns is None else frozenset(row.campaigns),
            bucket=known.bucket if known and same else Bucket(row.limit_per_second),
        )

    def _opened(self, rows: Iterable[Row[Any]]) -> list[Key]:
        keys = []
        for row in rows:
            try:
                secret = self._box.open(row.channel, row.sealed)
                signing = key_of(secret) if row.purpose == "signing" else None
            except (InvalidTag, binascii.Error):
                log.error("channel_key_unreadable", channel=row.channel, do="check CHANNEL_KEY")
                continue
            keys.append(Key(row.key_id, row.purpose, secret, row.valid_until, signing))
        return keys

    async def keep_fresh(self) -> None:
        """Refresh until cancelled; without the database the channels known last go on."""
        while True:
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("channels_not_refreshed", error=repr(error)[:200])
            await asyncio.sleep(REFRESH_S)
