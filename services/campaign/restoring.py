"""`python -m services.campaign restore`: the campaign database came back from a backup, and goes on.

What follows from donations (balances, the ledger's entries of them, goals and pledges they fulfil) comes by
itself from donation.events. What people have decided since the backup is on campaign.events as far as others
had to know: campaigns' states and money that went out are booked from there (replaying.py). The rest is told
here, and has to be judged by people, or the database restored to a later moment (docs/backup.md).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.announcements import AREA
from services.campaign.replaying import Replayed, replay
from shared.broker import CAMPAIGN_EVENTS, CAMPAIGN_GROUP, DONATION_EVENTS, KafkaSettings
from shared.events import Event
from shared.restoring import (
    Tell,
    adopt_outbox,
    check_stopped,
    go_back,
    read_outbox,
    reading,
    silent,
    writing,
)

TOLD: Final = 20
NOT_ON_ANY_TOPIC: Final = (
    "NOT ON ANY TOPIC, and gone since the backup: drafts of campaigns and plans, requests that were not"
    " approved, invoices, budgets, named funds' terms, vouchers and closed months, who asked and who decided,"
    " whom was paid. Where they matter restore the database to a later moment."
)


async def restore(
    settings: KafkaSettings, engine: AsyncEngine, *, dry_run: bool, tell: Tell = silent
) -> list[str]:
    """Have the outbox go on behind what was published, book what its events say, and the group read donations
    again; what was done and what is lost, in lines for people. Raises RestoreRefused, KafkaError,
    SQLAlchemyError: nothing has changed then.
    """
    running = await check_stopped(settings, engine, [CAMPAIGN_GROUP], dry_run=dry_run)
    async with reading(settings, tell) as topics, engine.connect() as connection:
        published = await read_outbox(connection, topics, CAMPAIGN_EVENTS, AREA)
        async with writing(connection, dry_run=dry_run, at_work=bool(running)):
            events = await adopt_outbox(connection, published)
            replayed = await replay(connection, events)
        donations = dict.fromkeys(topics.partitions(DONATION_EVENTS), 0)
    said = [f"{len(events):,} events were published after the backup; the outbox goes on behind them"]
    said += _told(replayed)
    if not dry_run:
        said.append(f"campaign reads {await go_back(settings, CAMPAIGN_GROUP, donations):,} records again")
    return running + said


def _told(replayed: Replayed) -> list[str]:
    said = []
    if replayed.booked:
        said.append(f"booked as their events say: {_counted(replayed.booked)}")
    if replayed.nameless:
        said.append(
            f"WITHOUT A PAYEE: {len(replayed.nameless):,} payments were asked for after the backup. They are"
            " in the books, off the balance and not to be paid again; payee, items, who asked and who"
            " approved stand in the bank's statement and on paper alone."
        )
        said += _listed([str(each) for each in replayed.nameless])
    if replayed.lost:
        said.append(
            f"LOST: what people decided after the backup ({_counted(replayed.lost)}). Everybody else has"
            " these facts, this database does not, and `shanliu verify` names sums that differ: restore it to"
            " a later moment, or have each judged."
        )
        said += _listed([f"{each.time.isoformat()} {each.type} {each.subject}" for each in replayed.lost])
    return [*said, NOT_ON_ANY_TOPIC]


def _counted(events: Sequence[Event]) -> str:
    kinds = Counter(event.type.removeprefix("org.shanliu.") for event in events)
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))


def _listed(lines: Sequence[str]) -> list[str]:
    more = [f"  and {len(lines) - TOLD:,} more"] if len(lines) > TOLD else []
    return [f"  {line}" for line in lines[:TOLD]] + more
