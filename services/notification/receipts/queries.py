"""Receipts' mails: noted when their event comes, written when their address is there too, sent by the live
sender (live.py) as notices of the purpose "receipt".
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.addresses import BadAddress, deliverable
from services.notification.couriers.ways import MailLetter, Way
from services.notification.delivery import CONTACT_KEPT
from services.notification.live import RECEIPT, add_notice
from services.notification.receipts.letters import Kind, ReceiptMail, compose
from shared.events import Contact, ReceiptIssued, ReceiptVoided

ReceiptEvent = ReceiptIssued | ReceiptVoided

WRITTEN_BY: Final = "receipts"
"""Who has such a mail sent, as its entry names it."""
ROWS_MAX: Final = 500

_ADD_MAIL: Final = text("""
INSERT INTO receipt_mails (mail_id, kind, number, replaces, organisation, licence, purpose, amount_fen,
    check_address, at, created_at)
VALUES (:mail_id, :kind, :number, :replaces, :organisation, :licence, :purpose, :amount_fen, :check_address,
    :at, now())
ON CONFLICT DO NOTHING
""")


async def add_mails(connection: AsyncConnection, events: Sequence[ReceiptEvent]) -> None:
    """Note the mails that events ask for; a repeat changes nothing."""
    rows = [_mail_of(event) for event in events if event.data.mail_id is not None]
    if rows:
        await connection.execute(_ADD_MAIL, sorted(rows, key=lambda row: str(row["mail_id"])))


def _mail_of(event: ReceiptEvent) -> dict[str, Any]:
    names = {"mail_id", "number", "organisation", "licence", "purpose", "amount_fen", "check_address"}
    row = event.data.model_dump(include=names)
    match event:
        case ReceiptVoided():
            return row | {"kind": Kind.VOIDED.value, "replaces": None, "at": event.data.voided_at}
        case ReceiptIssued():
            kind = Kind.ISSUED if event.data.replaces is None else Kind.REPLACED
            return row | {"kind": kind.value, "replaces": event.data.replaces, "at": event.data.issued_at}


_ADD_CONTACT: Final = text("""
INSERT INTO receipt_contacts (mail_id, email, name, expires_at)
SELECT :mail_id, :email, :name, CAST(:written_at AS timestamptz) + CAST(:kept AS interval)
WHERE CAST(:written_at AS timestamptz) + CAST(:kept AS interval) > now() AND NOT EXISTS (
    SELECT FROM receipt_mails WHERE mail_id = :mail_id AND written_at IS NOT NULL
) AND NOT EXISTS (SELECT FROM erased WHERE subject = :mail_id)
ON CONFLICT DO NOTHING
""")


async def add_contacts(connection: AsyncConnection, left: Sequence[tuple[Contact, datetime]]) -> None:
    """Keep the addresses of receipts' mails, each with the time (UTC) its record was written."""
    rows = [
        {
            "mail_id": contact.receipt_mail_id,
            "email": contact.email,
            "name": contact.name,
            "written_at": written_at,
            "kept": CONTACT_KEPT,
        }
        for contact, written_at in left
        if contact.email is not None
    ]
    if rows:
        await connection.execute(_ADD_CONTACT, sorted(rows, key=lambda row: str(row["mail_id"])))


_COMPLETE: Final = text("""
SELECT mail.*, contact.email, contact.name
FROM receipt_mails mail JOIN receipt_contacts contact USING (mail_id)
WHERE mail.mail_id = ANY(:mail_ids) AND mail.written_at IS NULL
ORDER BY mail.mail_id FOR UPDATE OF mail
""")
_LEFT_APART: Final = text("""
SELECT mail_id FROM receipt_mails JOIN receipt_contacts USING (mail_id) WHERE written_at IS NULL LIMIT :rows
""")
_WRITTEN: Final = text("UPDATE receipt_mails SET written_at = now() WHERE mail_id = ANY(:mail_ids)")
_FORGET: Final = text("DELETE FROM receipt_contacts WHERE mail_id = ANY(:mail_ids)")
_FORGET_OLD: Final = text("""
DELETE FROM receipt_contacts WHERE mail_id IN (
    SELECT mail_id FROM receipt_contacts WHERE expires_at <= now() LIMIT :rows FOR UPDATE SKIP LOCKED
)
""")


async def write_complete(connection: AsyncConnection, mail_ids: Sequence[UUID], sender: Address) -> int:
    """Write the mails whose address is there, and forget that; gives back how many.

    To be called after the commit of the mail or of its address: whoever commits last sees both.
    """
    rows = (await connection.execute(_COMPLETE, {"mail_ids": list(mail_ids)})).all()
    for row in rows:
        await _write(connection, row, sender)
    if rows:
        done = {"mail_ids": [row.mail_id for row in rows]}
        await connection.execute(_WRITTEN, done)
        await connection.execute(_FORGET, done)
    return len(rows)


async def _write(connection: AsyncConnection, row: Row[Any], sender: Address) -> None:
    """One that nothing can be sent to has no notice: that is how it shows as failed."""
    try:
        recipient = deliverable(row.email)
    except BadAddress:
        return
    mail = ReceiptMail(
        mail_id=row.mail_id,
        kind=Kind(row.kind),
        number=row.number,
        replaces=row.replaces,
        organisation=row.organisation,
        licence=row.licence,
        purpose=row.purpose,
        amount_fen=row.amount_fen,
        check_address=row.check_address,
        at=row.at,
        name=row.name,
    )
    letter = MailLetter(recipient, compose(mail, sender, recipient, datetime.now(UTC)))
    await add_notice(connection, Way.MAIL, letter, purpose=RECEIPT, person=WRITTEN_BY, notice_id=row.mail_id)


async def left_apart(connection: AsyncConnection) -> list[UUID]:
    """Mails not written although their address is there: somebody died between its commit and this."""
    return list((await connection.execute(_LEFT_APART, {"rows": ROWS_MAX})).scalars())


async def forget_contacts(connection: AsyncConnection) -> int:
    """Delete the addresses that have stayed their time; gives back how many."""
    return (await connection.execute(_FORGET_OLD, {"rows": ROWS_MAX})).rowcount


_OF_RECEIPT: Final = text("""
SELECT mail.mail_id, mail.kind, mail.number, mail.replaces, mail.at,
    CASE WHEN mail.written_at IS NULL THEN 'waiting' ELSE coalesce(notice.state, 'failed') END AS state,
    coalesce(notice.attempts, 0) AS attempts,
    CASE WHEN mail.written_at IS NOT NULL AND notice.notice_id IS NULL THEN 'bad_address'
        ELSE notice.reason END AS reason,
    coalesce(notice.changed_at, mail.written_at, mail.created_at) AS changed_at
FROM receipt_mails mail LEFT JOIN notices notice ON notice.notice_id = mail.mail_id
WHERE mail.number = :number ORDER BY mail.at, mail.mail_id
""")


async def of_receipt(connection: AsyncConnection, number: str) -> Sequence[Row[Any]]:
    """The mails about a receipt, in the order of what they tell: two at most."""
    return (await connection.execute(_OF_RECEIPT, {"number": number})).all()
