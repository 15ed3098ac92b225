"""`python -m services.notification restore`: the notification database came back from a backup, or is new.

Nobody is thanked twice (decision 6). Every message that was due when the database was lost is ended before
the service starts: delivered or failed where an event says so, else uncertain, for it may have gone out in
the moments that no backup has. A person may have those sent again, while their contacts are kept.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notification import queries
from services.notification.claims import AREA
from services.notification.delivery import State
from services.notification.receipts import queries as receipts
from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DONATION_EVENTS,
    NOTIFICATION_CONTACTS_GROUP,
    NOTIFICATION_EVENTS,
    NOTIFICATION_GROUP,
    KafkaSettings,
)
from shared.events import (
    DonationReceived,
    NotificationDelivered,
    NotificationDeliveredByWay,
    NotificationFailed,
    NotificationFailedByWay,
)
from shared.restoring import (
    Tell,
    Topics,
    adopt_outbox,
    check_stopped,
    go_back,
    read_outbox,
    reading,
    silent,
    writing,
)

PAGE: Final = 5_000
REASON: Final = "restored"
_END: Final = text(
    "UPDATE messages SET state = :state, reason = :reason, attempts = greatest(attempts, 1), way = :way,"
    " next_attempt_at = NULL, lease_until = NULL, changed_at = now() WHERE donation_id = :donation_id"
)
_DOUBT: Final = text(
    f"UPDATE messages SET state = 'uncertain', reason = '{REASON}', attempts = greatest(attempts, 1),"  # noqa: S608 - this file's own word
    " next_attempt_at = NULL, lease_until = NULL, changed_at = now()"
    " WHERE state IN ('waiting', 'pending', 'sending', 'retry')"
)
_NOTICES: Final = text(
    f"UPDATE notices SET state = 'uncertain', reason = '{REASON}', letter = NULL, next_attempt_at = NULL,"  # noqa: S608 - the same
    " lease_until = NULL, changed_at = now() WHERE state IN ('pending', 'sending', 'retry')"
)
_MAILS: Final = text("UPDATE receipt_mails SET written_at = now() WHERE written_at IS NULL")

Ended = NotificationDelivered | NotificationFailed | NotificationDeliveredByWay | NotificationFailedByWay


async def restore(
    settings: KafkaSettings, engine: AsyncEngine, *, dry_run: bool, tell: Tell = silent
) -> list[str]:
    """End what was due, have the outbox go on behind what was published and the groups read again; what was
    done, in lines for people. Raises RestoreRefused, KafkaError, SQLAlchemyError: nothing has changed then.
    """
    running = await check_stopped(
        settings, engine, [NOTIFICATION_GROUP, NOTIFICATION_CONTACTS_GROUP], dry_run=dry_run
    )
    async with reading(settings, tell) as topics, engine.connect() as connection:
        published = await read_outbox(connection, topics, NOTIFICATION_EVENTS, AREA)
        async with writing(connection, dry_run=dry_run, at_work=bool(running)):
            await adopt_outbox(connection, published)
            await _add_due(connection, topics)
            said = await _end(connection, topics)
        events = dict.fromkeys(topics.partitions(DONATION_EVENTS, CAMPAIGN_EVENTS), 0)
        contacts = dict.fromkeys(topics.partitions(CONTACTS), 0)
    if not dry_run:
        for group, begin in ((NOTIFICATION_GROUP, events), (NOTIFICATION_CONTACTS_GROUP, contacts)):
            said.append(f"{group} reads {await go_back(settings, group, begin):,} records again")
    return running + said


async def _add_due(connection: AsyncConnection, topics: Topics) -> None:
    """A message for every donation that is to be thanked, a mail for every receipt: those that are here stay
    as they are.
    """
    due: list[DonationReceived] = []
    async for _, event in topics.events(DONATION_EVENTS):
        if isinstance(event, DonationReceived) and event.data.has_contact:
            due.append(event)
        elif isinstance(event, receipts.ReceiptEvent):
            await receipts.add_mails(connection, [event])
        if len(due) == PAGE:
            await queries.add_messages(connection, due, 1)
            due = []
    if due:
        await queries.add_messages(connection, due, 1)


async def _end(connection: AsyncConnection, topics: Topics) -> list[str]:
    ends: dict[UUID, Ended] = {}
    async for _, event in topics.events(NOTIFICATION_EVENTS):
        if isinstance(event, Ended):
            ends[event.data.donation_id] = event
    rows = [_ended(event) for event in ends.values()]
    for start in range(0, len(rows), PAGE):
        await connection.execute(_END, rows[start : start + PAGE])
    doubt = (await connection.execute(_DOUBT)).rowcount
    notices = (await connection.execute(_NOTICES)).rowcount
    mails = (await connection.execute(_MAILS)).rowcount
    return [
        f"{len(rows):,} messages ended as their events say",
        f"{doubt:,} messages and {notices:,} notices may have gone out: uncertain, a person decides",
        f"{mails:,} mails about receipts are not written again",
    ]


def _ended(event: Ended) -> dict[str, object]:
    delivered = isinstance(event, NotificationDelivered | NotificationDeliveredByWay)
    return {
        "donation_id": event.data.donation_id,
        "state": (State.DELIVERED if delivered else State.FAILED).value,
        "reason": None if delivered else event.data.reason or REASON,
        "way": event.data.way,
    }
