"""The channels that may send donations: their secrets, limits and states.

Intake must not wait for the database, so each process keeps the channels in memory and reads them again
every few seconds, and at once (but at most once a second) when it is asked for one it does not know.
"""

import asyncio
import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import queries
from services.donation.signatures import key_of

log = structlog.get_logger(__name__)

REFRESH_S: Final = 5.0
NONCE_BYTES: Final = 12


class SecretBox:
    """Encrypts the channels' secrets at rest: AES-256-GCM, bound to the channel's name."""

    def __init__(self, key_base64: str) -> None:
        key = base64.b64decode(key_base64, validate=True)
        if len(key) != 32:
            raise ValueError("CHANNEL_KEY must be 32 bytes in base64")
        self._cipher = AESGCM(key)

    def seal(self, channel: str, secret: str) -> bytes:
        """Encrypt a secret for the database."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret.encode(), channel.encode())

    def open(self, channel: str, sealed: bytes) -> str:
        """Decrypt a secret; raises InvalidTag when key or channel are not those it was sealed with, or when
        it was never sealed.
        """
        if len(sealed) < NONCE_BYTES:
            raise InvalidTag
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], channel.encode()).decode()


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_second` on average, as many at once."""

    per_second: int
    tokens: float = 0.0
    at_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tokens = float(self.per_second)

    def take(self) -> bool:
        """Take one token; False when there is none."""
        now_s = time.monotonic()
        self.tokens = min(self.per_second, self.tokens + (now_s - self.at_s) * self.per_second)
        self.at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as intake needs it."""

    name: str
    key: bytes
    paused: bool
    bucket: Bucket


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
        if channel is None and time.monotonic() - self._read_at_s > 1.0:
            async with self._reading:
                if time.monotonic() - self._read_at_s > 1.0:
                    await self.refresh()
            channel = self._channels.get(name)
        return channel

    async def refresh(self) -> None:
        """Read the channels from the database; a bucket goes on where it was unless its limit changed."""
        async with self._engine.connect() as connection:
            rows = await queries.all_channels(connection)
        self._read_at_s = time.monotonic()
        channels: dict[str, Channel] = {}
        for row in rows:
            known = self._channels.get(row.channel)
            same = known is not None and known.bucket.per_second == row.limit_per_second
            bucket = known.bucket if known and same else Bucket(row.limit_per_second)
            try:
                key = key_of(self._box.open(row.channel, row.secret))
            except InvalidTag:
                log.error("channel_secret_unreadable", channel=row.channel, do="check CHANNEL_KEY")
                continue
            channels[row.channel] = Channel(row.channel, key, row.state == "paused", bucket)
        self._channels = channels

    async def keep_fresh(self) -> None:
        """Refresh until cancelled; without the database the channels known last go on."""
        while True:
            try:
                await self.refresh()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("channels_not_refreshed", error=repr(error)[:200])
            await asyncio.sleep(REFRESH_S)
