"""What stands in a mail about a receipt: Chinese and English, as the thanks are written.

A receipt is owed to the donor (Charity Law art. 38): whoever has ended the thanks is told of it all the same,
and the mail offers no way to end it. It says what is on the paper but the donor's name, and where to check.
"""

from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.notification.couriers import mime
from services.notification.templated import parts_of
from services.notification.thanks import SHANGHAI, TITLE_MAX, greeted_as, one_line
from shared.money import format_yuan

RECEIPT_HEADER: Final = "X-Shanliu-Receipt"


class Kind(StrEnum):
    """What a mail tells."""

    ISSUED = "issued"
    REPLACED = "replaced"
    """Issued in the place of another, which is void."""
    VOIDED = "voided"


_SUBJECTS: Final = {
    Kind.ISSUED: "捐赠票据已开具：{number} / Your donation receipt",
    Kind.REPLACED: "捐赠票据已换开：{number} / Your new donation receipt",
    Kind.VOIDED: "捐赠票据已作废：{number} / Your donation receipt is void",
}


@dataclass(frozen=True, slots=True)
class ReceiptMail:
    """One mail about one receipt. Amount in fen, `at` (UTC) when it was issued or voided; `name` is personal.
    `replaces` is there for REPLACED alone.
    """

    mail_id: UUID
    kind: Kind
    number: str
    replaces: str | None
    organisation: str
    licence: str
    purpose: str
    amount_fen: int
    check_address: str
    at: datetime
    name: str | None = field(default=None, repr=False)


def compose(mail: ReceiptMail, sender: Address, recipient: str, now: datetime) -> bytes:
    """Write the mail, plain text and HTML. `recipient` is an address from addresses.deliverable. The same
    mail has the same Message-ID.
    """
    values = _values(mail)
    head = {
        "From": mime.mailbox(sender),
        "To": f"<{recipient}>",
        "Subject": mime.encoded(_SUBJECTS[mail.kind].format(number=mail.number)),
        "Date": format_datetime(now),
        "Message-ID": f"<{mail.mail_id}@{sender.domain}>",
        "Content-Language": "zh-CN, en",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday note in return
        RECEIPT_HEADER: mail.number,
    }
    text, html = parts_of("receipt", values)
    return mime.mail(head, text=text, html=html)


def _values(mail: ReceiptMail) -> dict[str, str | None]:
    return {
        "kind": mail.kind.value,
        "name": greeted_as(mail.name),
        "number": mail.number,
        "replaces": mail.replaces,
        "amount": format_yuan(mail.amount_fen),
        "organisation": one_line(mail.organisation, TITLE_MAX),
        "licence": one_line(mail.licence, TITLE_MAX),
        "purpose": one_line(mail.purpose, 2 * TITLE_MAX),
        "at": mail.at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        "check_address": mail.check_address,
    }
