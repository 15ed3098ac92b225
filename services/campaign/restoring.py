"""`python -m services.campaign restore`: the campaign database came back from a backup, and goes on.

What follows from donations (balances, the ledger's entries of them, goals and pledges they fulfil) comes by
itself from donation.events. What people have decided since the backup is on campaign.events as far as others
had to know: campaigns' states and uses, pledges, money that went out or changed its fund, goods are booked
from there (replaying/). The rest is told here, and has to be judged by people, or the database restored to a
later moment (docs/backup.md).
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.announcements import AREA
from services.campaign.replaying import replay
from services.campaign.replaying.replayed import Given, Partly, Replayed, splits_of
from shared.broker import CAMPAIGN_EVENTS, CAMPAIGN_GROUP, DONATION_EVENTS, KafkaSettings
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
    DisbursementApproved,
    DonationReceived,
    DonationReversed,
    Event,
    GoodsReceived,
    MatchClosed,
    MatchOffered,
    OrganisationChanged,
    OrganisationRegistered,
    ReportCorrected,
    ReportPublished,
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

TOLD: Final = 20
NOT_ON_ANY_TOPIC: Final = (
    "NOT ON ANY TOPIC, and gone since the backup: drafts of campaigns and plans, requests that were not"
    " approved, invoices, budgets, named funds' terms, vouchers and closed months, what came of pledged"
    " goods, who asked and who decided, whom was paid. Where they matter restore the database to a later"
    " moment."
)
IN_NO_EVENT: Final = {
    Partly.PAYMENT: "A PAYEE: they are in the books, off the balance and not to be paid again; payee, items,"
    " who asked and who approved stand in the bank's statement and on paper alone",
    Partly.PLEDGE: "THE COMPANY'S OWN NAME: they count as promised, by the name that is shown; the day of the"
    " promise is that of its confirmation. The placards have the rest",
    Partly.RELEASE: "WHOM IT WAS REPORTED TO, and on which day: the report has it",
    Partly.GIFT: "DONOR, PAPERS AND STORE: pieces and value are in the books; a donor stands by the name that"
    " is shown",
    Partly.MOVEMENT: "RECIPIENT AND REASON: pieces and value are in the books",
    Partly.SPLIT: "SHARES AND RESOLUTION: each part is in its fund, and the donation can't be split again",
    Partly.TRANSFER: "THE RESOLUTION: the money is in the fund it went to",
    Partly.DECISION: "RESOLUTION AND REASON: they hold, and the minutes have the rest",
}
"""What is missing of that which is booked, by what it is."""
_PLAN: Final = (
    "no event has its account, uses, cost and beneficiaries; or the campaign was made after the backup"
)
LACKS: Final[dict[type[Event], str]] = {
    **dict.fromkeys(
        (CampaignFiled, CampaignLaunched, CampaignPaused, CampaignClosed, CampaignSettled), _PLAN
    ),
    DisbursementApproved: "no event has the payee of what is approved and not paid",
    MatchOffered: "no event has the agreement and its day",
    MatchClosed: "no event has the agreement; what it came to is a pledge of its own",
    GoodsReceived: "its event does not tell a medicine's batch and expiry, or its campaign is not here",
    OrganisationRegistered: "register it again",
    OrganisationChanged: "change it again",
    ReportPublished: "no event has the tables of a report",
    ReportCorrected: "no event has the tables of a report",
}
"""Why an event of this kind could not be booked."""


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
        given = await _given(topics, splits_of([each.event for each in published.values()]))
        async with writing(connection, dry_run=dry_run, at_work=bool(running)):
            events = await adopt_outbox(connection, published)
            replayed = await replay(connection, events, given)
        donations = dict.fromkeys(topics.partitions(DONATION_EVENTS), 0)
    said = [f"{len(events):,} events were published after the backup; the outbox goes on behind them"]
    said += _told(replayed)
    if not dry_run:
        said.append(f"campaign reads {await go_back(settings, CAMPAIGN_GROUP, donations):,} records again")
    return running + said


async def _given(topics: Topics, wanted: set[UUID]) -> dict[UUID, Given]:
    """What donation.events has of donations that were split."""
    if not wanted:
        return {}
    received: dict[UUID, DonationReceived] = {}
    reversals: dict[UUID, DonationReversed] = {}
    async for _, event in topics.events(DONATION_EVENTS):
        if isinstance(event, DonationReceived) and event.data.donation_id in wanted:
            received.setdefault(event.data.donation_id, event)
        elif isinstance(event, DonationReversed) and event.data.donation_id in wanted:
            reversals.setdefault(event.data.reversal_id, event)
    return {
        donation_id: Given(
            event, [each for each in reversals.values() if each.data.donation_id == donation_id]
        )
        for donation_id, event in received.items()
    }


def _told(replayed: Replayed) -> list[str]:
    said = []
    if replayed.booked:
        said.append(f"booked as their events say: {_counted(replayed.booked)}")
    for what, which in replayed.partly.items():
        said.append(f"WITHOUT {IN_NO_EVENT[what]} ({len(which):,} {what})")
        said += _listed([str(each) for each in which])
    if replayed.lost:
        said.append(
            f"LOST: what people decided after the backup ({_counted(replayed.lost)}). Everybody else has"
            " these facts, this database does not, and `shanliu verify` names sums that differ: restore it to"
            " a later moment, or have each judged."
        )
        said += _listed([_lost(each) for each in replayed.lost])
    return [*said, NOT_ON_ANY_TOPIC]


def _lost(event: Event) -> str:
    lacks = LACKS.get(type(event))
    said = f"{event.time.isoformat()} {event.type} {event.subject}"
    return f"{said}: {lacks}" if lacks else said


def _counted(events: Sequence[Event]) -> str:
    kinds = Counter(event.type.removeprefix("org.shanliu.") for event in events)
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))


def _listed(lines: Sequence[str]) -> list[str]:
    more = [f"  and {len(lines) - TOLD:,} more"] if len(lines) > TOLD else []
    return [f"  {line}" for line in lines[:TOLD]] + more
