"""Telling of receipts: their events through the outbox, and where their donors are reached on the restricted
topic alone (invariant 5), at once and again until the broker has it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donation.booking import contact_of
from services.donation.moderation.sending import repeatedly
from shared.broker import CONTACTS, Publisher
from shared.events import Contact, Event, ReceiptIssued, ReceiptVoided
from shared.events.receipts import ReceiptIssuedData, ReceiptVoidedData
from shared.outbox import append

AREA: Final = "receipt"
AT_ONCE: Final = 200
_MAILS: Final = uuid5(NAMESPACE_URL, "urn:shanliu:donation:receipt-mail")
"""The namespace of the mails' ids (RFC 9562, version 5); never to be changed."""

# The donor of a receipt's donations is one, and so is their contact: the newest donation's is asked.
_TOLD: Final = text("""
SELECT r.number, r.organisation, r.licence, r.purpose, r.amount_fen, r.check_address, r.issued_at,
    r.voided_at, r.replaces, successor.number AS replaced_by,
    array_agg(i.donation_id ORDER BY d.occurred_at, i.donation_id) AS donation_ids,
    bool_or(d.contact_email IS NOT NULL) AS has_email
FROM receipts r JOIN receipt_items i USING (number) JOIN donations d USING (donation_id)
LEFT JOIN receipts successor ON successor.replaces = r.number
WHERE r.number = ANY(:numbers) GROUP BY r.number, successor.number ORDER BY r.number
""")
_ADD_MAIL: Final = text("INSERT INTO receipt_mails (mail_id, number) VALUES (:mail_id, :number)")
_UNSENT: Final = text("""
SELECT m.mail_id, d.*, r.donor_name IS NULL AS unnamed
FROM (SELECT * FROM receipt_mails WHERE contact_sent_at IS NULL ORDER BY mail_id LIMIT :rows) m
JOIN receipts r USING (number)
CROSS JOIN LATERAL (
    SELECT donations.* FROM receipt_items i JOIN donations USING (donation_id)
    WHERE i.number = m.number AND contact_email IS NOT NULL ORDER BY occurred_at DESC, donation_id LIMIT 1
) d
""")
_MARK_SENT: Final = text("UPDATE receipt_mails SET contact_sent_at = now() WHERE mail_id = ANY(:ids)")


def mail_id(kind: str, number: str) -> UUID:
    """The id of the mail that tells of a receipt: "issued" or "voided"."""
    return uuid5(_MAILS, f"{kind}:{number}")


@dataclass(frozen=True, slots=True)
class Teller:
    """Writes what happened to receipts into the outbox. `partitions`: of the topic it goes to."""

    partitions: int

    async def issued(self, connection: AsyncConnection, numbers: Sequence[str]) -> None:
        """Call it last in the transaction that issued them."""
        for row in await _rows(connection, numbers):
            mail = await _mail(connection, "issued", row)
            data = ReceiptIssuedData(
                **_common(row),
                mail_id=mail,
                donation_ids=tuple(row.donation_ids),
                issued_at=row.issued_at,
                replaces=row.replaces,
            )
            await self._append(connection, ReceiptIssued, data)

    async def voided(self, connection: AsyncConnection, number: str) -> None:
        """The same for one that was voided. Of one that is replaced the new one's mail tells."""
        (row,) = await _rows(connection, [number])
        mail = None if row.replaced_by else await _mail(connection, "voided", row)
        data = ReceiptVoidedData(
            **_common(row), mail_id=mail, voided_at=row.voided_at, replaced_by=row.replaced_by
        )
        await self._append(connection, ReceiptVoided, data)

    async def _append(
        self,
        connection: AsyncConnection,
        event_class: type[Event],
        data: ReceiptIssuedData | ReceiptVoidedData,
    ) -> None:
        key, partitions = data.number, self.partitions
        await append(connection, AREA, event_class, key=key, subject=key, data=data, partitions=partitions)


async def _rows(connection: AsyncConnection, numbers: Sequence[str]) -> Sequence[Any]:
    return (await connection.execute(_TOLD, {"numbers": list(numbers)})).all()


async def _mail(connection: AsyncConnection, kind: str, row: Any) -> UUID | None:
    if not row.has_email:
        return None
    made = mail_id(kind, row.number)
    await connection.execute(_ADD_MAIL, {"mail_id": made, "number": row.number})
    return made


def _common(row: Any) -> dict[str, Any]:
    names = ("number", "organisation", "licence", "purpose", "amount_fen", "check_address")
    return {name: getattr(row, name) for name in names}


class ContactSender:
    """Sends the addresses of receipts' mails. Several may: a repeat changes nothing."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher

    async def run(self) -> None:
        """Send until cancelled. The database or the broker away: wait and go on."""
        await repeatedly(self.send, "receipt_contacts_wait")

    async def send(self) -> bool:
        """Send what waits, at most AT_ONCE; True when there was something. Raises PublishFailed."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_UNSENT, {"rows": AT_ONCE})).all()
        if not rows:
            return False
        await asyncio.gather(
            *(
                self._publisher.send(
                    CONTACTS, _contact(row).model_dump_json().encode(), key=str(row.donation_id).encode()
                )
                for row in rows
            )
        )
        async with self._engine.begin() as connection:
            await connection.execute(_MARK_SENT, {"ids": [row.mail_id for row in rows]})
        return True


def _contact(row: Any) -> Contact:
    """Of the mail alone: no other address, and no name where the receipt has none."""
    contact = contact_of(row)
    assert contact is not None
    only = {"phone": None, "wechat_openid": None, "wechat_app_id": None, "receipt_mail_id": row.mail_id}
    return contact.model_copy(update=only | ({"name": None} if row.unnamed else {}))
