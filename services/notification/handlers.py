"""What comes from Kafka: facts about donations and campaigns, and contacts."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notification import erasing, queries
from services.notification.contacts import UnusableContact, read_contact
from services.notification.couriers.ways import way_of
from services.notification.partners.telling import tell_partners
from services.notification.receipts import queries as receipts
from services.notification.settings import Settings
from shared import dead_letters
from shared.broker import Publisher, Records
from shared.dead_letters import DeadLetter, bury
from shared.events import (
    DonationReceived,
    DonationReversed,
    DonorDataErased,
    Event,
    UnusableEvent,
    decode_event,
)
from shared.positions import admit

log = structlog.get_logger(__name__)

SERVICE: Final = "notification"


class Handlers:
    """Takes batches from the event topics and from the contacts topic, in any order of the two."""

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        publisher: Publisher,
        *,
        wake_sender: Callable[[], None],
        wake_receipts: Callable[[], None],
        wake_partners: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._publisher = publisher
        self._wake_sender = wake_sender
        self._wake_receipts = wake_receipts
        self._wake_partners = wake_partners

    async def take_events(self, records: Records) -> None:
        """A donation that counts and whose donor left a contact gets its message, a receipt its mail, and
        partners are told.
        """
        events = await self._events(records)
        async with self._engine.begin() as connection:
            fresh = await admit(connection, events)
            await self._write(connection, fresh)
            told = await tell_partners(connection, fresh)
            # Last, so that nothing of this batch is left behind.
            if erased := [each for each in fresh if isinstance(each, DonorDataErased)]:
                await erasing.erase(connection, erased)
        if told:
            self._wake_partners()
        # Of repeats too: whoever brought this batch the last time may have died before this line.
        await self._bring_together(event.data.donation_id for event in events if _is_thanked(event))
        told_of = (event.data.mail_id for event in events if isinstance(event, receipts.ReceiptEvent))
        await self._write_receipt_mails(mail_id for mail_id in told_of if mail_id)

    async def take_contacts(self, records: Records) -> None:
        """A contact is kept until its mail is delivered, seven days at most."""
        contacts = await self._contacts(records)
        thanks = [each for each in contacts if each.contact.receipt_mail_id is None]
        of_receipts = [each for each in contacts if each.contact.receipt_mail_id is not None]
        if contacts:
            async with self._engine.begin() as connection:
                await queries.add_contacts(connection, thanks)
                await receipts.add_contacts(
                    connection, [(each.contact, each.written_at) for each in of_receipts]
                )
        await self._bring_together(each.contact.donation_id for each in thanks)
        mail_ids = (each.contact.receipt_mail_id for each in of_receipts)
        await self._write_receipt_mails(mail_id for mail_id in mail_ids if mail_id)

    async def _write(self, connection: AsyncConnection, fresh: Sequence[Event]) -> None:
        received = [each for each in fresh if isinstance(each, DonationReceived) and each.data.has_contact]
        reversed_ = [each for each in fresh if isinstance(each, DonationReversed)]
        campaigns = [each for each in fresh if isinstance(each, queries.CampaignEvent)]
        if received:
            await queries.add_messages(connection, received, self._settings.attempts_max)
        if reversed_:
            await queries.add_reversals(connection, reversed_)
        if campaigns:
            await queries.put_campaigns(connection, campaigns)
        await receipts.add_mails(
            connection, [each for each in fresh if isinstance(each, receipts.ReceiptEvent)]
        )

    async def _bring_together(self, donation_ids: Iterable[UUID]) -> None:
        if ids := sorted(set(donation_ids)):
            async with self._engine.begin() as connection:
                ready = await queries.bring_together(connection, ids)
            if ready:
                self._wake_sender()

    async def _write_receipt_mails(self, mail_ids: Iterable[UUID]) -> None:
        if ids := sorted(set(mail_ids)):
            async with self._engine.begin() as connection:
                written = await receipts.write_complete(connection, ids, self._settings.sender)
            if written:
                self._wake_receipts()

    async def _events(self, records: Records) -> list[Event]:
        events: list[Event] = []
        for record in records:
            try:
                events.append(decode_event(record.value))
            except UnusableEvent as error:
                await self._bury(bury(self._settings, SERVICE, record, "unusable-event", str(error)))
        return events

    async def _contacts(self, records: Records) -> list[queries.Left]:
        contacts: list[queries.Left] = []
        ways, apps = self._settings.usable_ways, list(self._settings.wechat_app_secrets)
        for record in records:
            try:
                contact = read_contact(record.value)
            except UnusableContact as error:
                # Its place and reason only: the dead letters are kept for ever, a contact is not. The record
                # itself lies on its own topic for three days.
                letter = bury(self._settings, SERVICE, record, "unusable-contact", str(error))
                await self._bury(letter.model_copy(update={"key": None, "value": None, "headers": ()}))
            else:
                written_at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                contacts.append(queries.Left(contact, written_at, way_of(contact, ways, apps)))
        return contacts

    async def _bury(self, letter: DeadLetter) -> None:
        await dead_letters.publish(self._publisher, letter)
        log.warning("record_not_usable", reason=letter.reason, origin=letter.origin, detail=letter.detail)


def _is_thanked(event: Event) -> bool:
    return isinstance(event, DonationReceived) and event.data.has_contact
