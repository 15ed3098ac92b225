"""What the mail catcher keeps, and how it was asked to behave."""

import asyncio
import email
import email.message
import email.policy
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesHeaderParser
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal

DONATION_HEADER: Final = "X-Shanliu-Donation-Id"
MESSAGES_MAX: Final = 5_000
KEPT_BYTES_MAX: Final = 64 << 20


class Mode(StrEnum):
    """How the server treats a mail."""

    ACCEPT = "accept"
    REJECT_451 = "reject_451"
    """Refused for now after DATA; the mail is not kept."""
    REJECT_550 = "reject_550"
    """Refused for good at RCPT."""
    DROP_AFTER_DATA = "drop_after_data"
    """The mail is kept, and the connection closed instead of the answer: the sender can't know."""
    HANG = "hang"
    """The mail is kept, and no answer comes until the behaviour is set anew."""


@dataclass(frozen=True)
class Mail:
    """One mail as it came. `number` counts from 1 over the life of the process.

    Only the headers that mails are looked up by are read at once: reading the parts takes ten times as long.
    """

    number: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    message_id: str
    donation_id: str
    raw: bytes

    @cached_property
    def _message(self) -> email.message.EmailMessage:
        return email.message_from_bytes(self.raw, policy=email.policy.default)

    @cached_property
    def subject(self) -> str:
        """Decoded; empty when it can't be."""
        try:
            return _printable(str(self._message.get("Subject", "")).strip())
        except Exception:  # noqa: BLE001 - the parser raises many things on hostile headers
            return ""

    @cached_property
    def text(self) -> str:
        """The plain part."""
        return self._part("plain")

    @cached_property
    def html(self) -> str:
        """The HTML part."""
        return self._part("html")

    def _part(self, kind: Literal["plain", "html"]) -> str:
        try:
            part = self._message.get_body((kind,))
            return "" if part is None else _printable(str(part.get_content()))
        except Exception:  # noqa: BLE001 - unknown charsets, broken encodings: shown as empty
            return ""

    def as_json(self) -> dict[str, object]:
        """The mail for tests and tools."""
        return {
            "number": self.number,
            "received_at": self.received_at.isoformat(),
            "from": self.sender,
            "to": list(self.recipients),
            "message_id": self.message_id,
            "subject": self.subject,
            "donation_id": self.donation_id,
            "text": self.text,
            "html": self.html,
            "bytes": len(self.raw),
        }


class Mailbox:
    """The last mails, bounded in number and bytes (the oldest go first), and the behaviour asked for."""

    def __init__(self, messages_max: int = MESSAGES_MAX, kept_bytes_max: int = KEPT_BYTES_MAX) -> None:
        self._mails: deque[Mail] = deque()
        self._messages_max = messages_max
        self._kept_bytes_max = kept_bytes_max
        self._kept_bytes = 0
        self.received = 0
        self.mode = Mode.ACCEPT
        self._turns_left: int | None = None
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._mails)

    def behave(self, mode: Mode, count: int | None = None) -> None:
        """Set the behaviour, for `count` mails or until it is set anew; whoever `hang` holds is let go."""
        self.mode, self._turns_left = mode, count
        self._changed.set()
        self._changed = asyncio.Event()

    def take_turn(self, *, at_recipient: bool) -> Mode:
        """Use up one turn of the behaviour. Refusals for good fall at the recipient, the rest after DATA."""
        mode = self.mode
        if (mode is Mode.REJECT_550) != at_recipient:
            return Mode.ACCEPT
        if self._turns_left is not None:
            self._turns_left -= 1
            if self._turns_left <= 0:
                self.mode, self._turns_left = Mode.ACCEPT, None
        return mode

    async def behaviour_changed(self) -> None:
        """Wait until the behaviour is set anew."""
        await self._changed.wait()

    def keep(self, sender: str, recipients: tuple[str, ...], raw: bytes) -> None:
        """Take in one mail as it came over SMTP."""
        self.received += 1
        self._mails.append(_read(self.received, sender, recipients, raw))
        self._kept_bytes += len(raw)
        while len(self._mails) > self._messages_max or self._kept_bytes > self._kept_bytes_max:
            self._kept_bytes -= len(self._mails.popleft().raw)

    def clear(self) -> None:
        """Forget every mail; the count of received ones goes on."""
        self._mails.clear()
        self._kept_bytes = 0

    def find(self, *, donation_id: str | None = None, to: str | None = None) -> list[Mail]:
        """The kept mails, oldest first."""
        return [
            mail
            for mail in self._mails
            if (donation_id is None or mail.donation_id == donation_id)
            and (to is None or to in mail.recipients)
        ]

    def numbered(self, number: int) -> Mail | None:
        """One mail, or None when it never was or is no longer kept."""
        return next((mail for mail in self._mails if mail.number == number), None)


def _read(number: int, sender: str, recipients: tuple[str, ...], raw: bytes) -> Mail:
    headers = BytesHeaderParser().parsebytes(raw)
    return Mail(
        number=number,
        received_at=datetime.now(UTC),
        sender=_printable(sender),
        recipients=tuple(_printable(recipient) for recipient in recipients),
        message_id=_printable(str(headers.get("Message-ID", "")).strip()),
        donation_id=_printable(str(headers.get(DONATION_HEADER, "")).strip()),
        raw=raw,
    )


def _printable(text: str) -> str:
    """Without unpaired surrogates, which neither JSON nor a page can carry."""
    return text.encode("utf-8", "replace").decode()
