"""The thank-you mail: what stands in it, and how it is written so that nothing hostile gets through."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5
from zoneinfo import ZoneInfo

from services.notification.couriers import mime
from services.notification.templated import parts_of
from shared.money import format_yuan

DONATION_HEADER: Final = "X-Shanliu-Donation-Id"
GREETED_MAX: Final = 40
TITLE_MAX: Final = 120
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

_MESSAGES: Final = uuid5(NAMESPACE_URL, "urn:shanliu:notification:mail")
"""The namespace of message ids (RFC 9562, version 5); never to be changed."""

# Controls, line and paragraph separators, and the marks that turn the direction of writing (Unicode TR 36).
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_LIKE_A_LINK: Final = re.compile(r"[/\\@<>]|\w\.\w{2}")


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the law wants prominently shown with every appeal (Charity Law art. 25)."""

    title: str
    title_en: str | None
    organisation: str
    licence: str
    filing_number: str | None
    contact: str
    query_method: str


@dataclass(frozen=True, slots=True)
class Thanks:
    """One donation to say thanks for. Amounts in fen, times in UTC. `name` is personal."""

    donation_id: UUID
    name: str | None = field(repr=False)
    amount_fen: int
    reversed_fen: int
    occurred_at: datetime
    campaign: Campaign


def message_id(donation_id: UUID) -> UUID:
    """The id of a donation's thank-you: the same each time, so that a mail server or a reader that gets it
    twice can tell.
    """
    return uuid5(_MESSAGES, f"thanks:{donation_id}")


def one_line(text: str, length_max: int) -> str:
    """A text from outside as one printable line: no controls, no line breaks, no direction marks."""
    line = " ".join(_UNPRINTABLE.sub(" ", text).split())
    return line if len(line) <= length_max else line[: length_max - 1] + "…"


def greeted_as(name: str | None) -> str | None:
    """The name to greet with, or None for a greeting without one.

    Whoever gives a fen with a stranger's address could make this service send that stranger any short text
    as "name"; what is long or looks like a link or an address is therefore not repeated.
    """
    line = one_line(name or "", 2 * GREETED_MAX)
    if not line or len(line) > GREETED_MAX or _LIKE_A_LINK.search(line):
        return None
    return line


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the head of a mail is made of. `recipient` is an address from addresses.deliverable;
    `unsubscribe` the address of the page where its reader ends messages.
    """

    sender: Address
    recipient: str = field(repr=False)
    now: datetime
    unsubscribe: str = field(repr=False)


def compose(thanks: Thanks, envelope: Envelope) -> bytes:
    """Write the mail: Chinese and English, plain text and HTML, 7 bit (no server has to offer 8BITMIME).

    The same donation gives the same Message-ID.
    """
    title = one_line(thanks.campaign.title, TITLE_MAX)
    subject = f"感谢您的捐赠：{title} / Thank you for your donation"
    values = {**_values(thanks, title), "unsubscribe": envelope.unsubscribe}
    text, html = parts_of("thanks", values)
    head = mail_head(envelope, subject, "zh-CN, en", message_id(thanks.donation_id))
    return mime.mail({**head, DONATION_HEADER: str(thanks.donation_id)}, text=text, html=html)


def mail_head(envelope: Envelope, subject: str, language: str, mail_id: UUID) -> dict[str, str]:
    """The headers of a mail of ours. One-click unsubscribing is offered where it may be, over HTTPS only
    (RFC 8058, 3.1); the mail server that signs (DKIM) must sign both of its headers.
    """
    head = {
        "From": mime.mailbox(envelope.sender),
        "To": f"<{envelope.recipient}>",
        "Subject": mime.encoded(subject),
        "Date": format_datetime(envelope.now),
        "Message-ID": f"<{mail_id}@{envelope.sender.domain}>",
        "Content-Language": language,
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday note in return
        "List-Unsubscribe": f"\r\n <{envelope.unsubscribe}>",
    }
    if envelope.unsubscribe.startswith("https://"):
        head["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return head


def _values(thanks: Thanks, title: str) -> dict[str, str | None]:
    """What the templates show."""
    campaign = thanks.campaign
    return {
        "name": greeted_as(thanks.name),
        "title": title,
        "title_en": one_line(campaign.title_en or campaign.title, TITLE_MAX),
        "amount": format_yuan(thanks.amount_fen),
        "reversed": format_yuan(thanks.reversed_fen) if thanks.reversed_fen else None,
        "donated_at": thanks.occurred_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        "donation_id": str(thanks.donation_id),
        "organisation": one_line(campaign.organisation, TITLE_MAX),
        "licence": one_line(campaign.licence, TITLE_MAX),
        "filing_number": one_line(campaign.filing_number or "", TITLE_MAX) or None,
        "contact": one_line(campaign.contact, TITLE_MAX),
        "query_method": one_line(campaign.query_method, 2 * TITLE_MAX),
    }
