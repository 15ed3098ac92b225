"""The wiring of the donation service, and nothing else."""

from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import republishing, resealing
from services.donation.accepting import Acceptance
from services.donation.casework.sending import Sender as CaseworkSender
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.desk.sending import Sender
from services.donation.handlers import CampaignHandler, IntakeHandler
from services.donation.models import idempotency_keys
from services.donation.moderation.screening import Screener
from services.donation.moderation.sending import DecisionSender
from services.donation.privacy.sending import ErasureSender
from services.donation.receipts.campaigns import ReceiptCampaigns
from services.donation.receipts.issuing import Office
from services.donation.receipts.telling import ContactSender, Teller
from services.donation.reconciliation.following import Follower
from services.donation.releasing import Releaser
from services.donation.schemes.refunds import Refunds
from services.donation.settings import Settings
from services.donation.statements.files import Files
from services.donation.statements.folder import Folder
from services.donation.statements.importing import Clerk
from services.donation.trace.stating import Stating
from services.donation.traffic import TRAFFIC
from shared import database
from shared.access import Operators
from shared.broker import (
    CAMPAIGN_EVENTS,
    DONATION_CAMPAIGNS_GROUP,
    DONATION_EVENTS,
    DONATION_RECEIPTS_GROUP,
    DONATION_WORKER_GROUP,
    Publisher,
    consuming,
    make_broker,
    subscribe_batches,
)
from shared.gathering import Gatherer
from shared.outbox import Relay
from shared.run_once import Runner
from shared.secret_box import SecretBox
from shared.service import Published, background
from shared.service import create_app as create_service

PUBLISH_TIMEOUT_S: Final = 3.0
"""After this an intake request is answered 503 (3.3 s measured with a dead broker)."""

ABOUT: Final = "Intake of donations and reversals, and the books of what came in."

PACE_MS: Final = 50
"""Batches of donations: shorter, and the machine is busy with many small ones; longer, and the screens wait
for them (docs/decisions/0003-faststream.md)."""
MAX_BOOKED: Final = 4_000
"""Records of a batch of donations: a backlog's are booked in two lanes of 2,000 (handlers.lanes_of). The
longer they are, the less a donation costs the broker and all who read of it (decision 44)."""


def create_app(settings: Settings) -> FastAPI:
    """Make the application of one process, in the roles its settings name."""
    engine = database.create_engine(settings.database_url, "donation", plan_once=settings.has_role("worker"))
    publisher = Publisher(settings, timeout_s=PUBLISH_TIMEOUT_S)
    box = SecretBox(settings.channel_key.get_secret_value())
    directory = Directory(engine, box)
    gatherer = Gatherer(publisher, settings.partitions, settings.http_linger_ms)
    # Apart, so that commands that queue for a series' lock can't hold up the booking of donations.
    receipts_engine = database.create_engine(settings.database_url, "donation-receipts", pool_size=3)
    # Apart again: a bill of 100,000 lines takes its time.
    bills_engine = database.create_engine(settings.database_url, "donation-reconciliation", pool_size=3)
    sandbox = Sandbox(receipts_engine)
    acceptance = Acceptance(gatherer, sandbox, settings.max_in_flight)
    sender = Sender(receipts_engine, directory, acceptance)
    reversals = CaseworkSender(receipts_engine, publisher)
    parts: list[AbstractAsyncContextManager[Any]] = [
        database.disposing(engine),
        database.disposing(receipts_engine),
        database.disposing(bills_engine),
        publisher,
        gatherer,
    ]
    if settings.has_role("api") or settings.has_role("statements"):
        parts.append(background("channels", directory.keep_fresh))
    if settings.has_role("api"):
        parts.append(background("desk", sender.run))
        parts.append(background("operators' reversals", reversals.run))
        parts.append(background("sandboxes", sandbox.keep_short))
    # And again: checking reads and writes whole files.
    statements_engine = database.create_engine(settings.database_url, "donation-statements", pool_size=3)
    parts.append(database.disposing(statements_engine))
    statement_files = Files(statements_engine, box)
    clerk = Clerk(statements_engine, statement_files, directory, acceptance)
    if settings.has_role("statements"):
        parts.append(background("statements", clerk.run))
        if settings.statements_folder is not None:
            folder = Folder(settings.statements_folder, statements_engine, statement_files, clerk)
            parts.append(background("statements folder", folder.run))
    if settings.has_role("worker"):
        parts += _worker(settings, engine, receipts_engine, publisher)
        parts += [*_telling(receipts_engine, publisher), background("stating", Stating(receipts_engine).run)]
        grace = timedelta(seconds=settings.late_donation_grace_s)
        follower = Follower(bills_engine, directory, acceptance, grace)
        parts.append(background("reconciliation", follower.run))

    async def database_answers() -> None:
        await database.check(engine)

    checks = {"database": database_answers, "broker": publisher.check}
    if not settings.has_role("api"):
        return create_service(
            "donation", parts=parts, checks=checks, description=ABOUT, published=Published(traffic=TRAFFIC)
        )
    from services.donation import apis  # noqa: PLC0415 - what other processes need not load

    app = create_service(
        "donation",
        ahead=[
            *apis.IntakeApi(directory, acceptance).routes(),
            *apis.NoticesApi(directory, acceptance, Refunds(engine)).routes(),
        ],
        parts=parts,
        checks=checks,
        routers=apis.routers(receipts_engine),
        description=ABOUT,
        published=Published(apis.TAGS, apis.describe_ahead, TRAFFIC),
    )
    app.state.operators = Operators.of("donation", settings)
    app.state.parts = apis.api.Parts(engine, acceptance, directory, sandbox)
    runner = Runner(receipts_engine, idempotency_keys)
    app.state.channels = apis.channels.Parts(settings, receipts_engine, runner, box, directory)
    app.state.casework, app.state.dead_letters, app.state.privacy = (
        apis.casework.Parts(receipts_engine, runner, reversals),
        apis.dead_letters.Parts(receipts_engine, runner, publisher),
        apis.privacy.Parts(receipts_engine, runner, ErasureSender(receipts_engine, publisher)),
    )
    app.state.desk = apis.desk.Parts(
        receipts_engine, runner, directory, sender, timedelta(minutes=settings.desk_undo_minutes)
    )
    app.state.moderation = apis.moderation.Parts(
        receipts_engine, runner, DecisionSender(receipts_engine, publisher)
    )
    app.state.reconciliation = apis.reconciliation.Parts(
        bills_engine, Runner(bills_engine, idempotency_keys), directory, acceptance
    )
    app.state.statements = apis.statements.Parts(
        statements_engine, Runner(statements_engine, idempotency_keys, clerk.wake), statement_files
    )
    app.state.receipts = apis.receipts.Parts(
        receipts_engine, runner, Office(settings.address, Teller(settings.partitions))
    )
    return app


def _moderating(
    engine: AsyncEngine, publisher: Publisher, booking: IntakeHandler
) -> list[AbstractAsyncContextManager[Any]]:
    """What is done about donors' messages without anybody asking."""
    return [
        background("message decisions", DecisionSender(engine, publisher).run),
        background("message screening", Screener(engine, lambda: booking.behind).run),
    ]


def _telling(engine: AsyncEngine, publisher: Publisher) -> list[AbstractAsyncContextManager[Any]]:
    """What is told of receipts: events, and the addresses of their mails; and of donors who were erased."""
    return [
        background("erasures", ErasureSender(engine, publisher).run),
        background("outbox-relay", Relay(engine, publisher, DONATION_EVENTS).run),
        background("receipts' contacts", ContactSender(engine, publisher).run),
    ]


def _worker(
    settings: Settings, engine: AsyncEngine, receipts_engine: AsyncEngine, publisher: Publisher
) -> list[AbstractAsyncContextManager[Any]]:
    releaser = Releaser(engine, publisher)
    broker = make_broker(settings)
    booking = IntakeHandler(settings, engine, publisher)
    campaigns = CampaignHandler(settings, engine, publisher, releaser.wake)
    for _ in range(settings.worker_consumers):
        subscribe_batches(
            broker,
            settings,
            booking,
            group=DONATION_WORKER_GROUP,
            pattern="intake[.].+",
            max_records=MAX_BOOKED,
            pace_ms=PACE_MS,
        )
    subscribe_batches(broker, settings, campaigns, group=DONATION_CAMPAIGNS_GROUP, topics=[CAMPAIGN_EVENTS])
    receipts = ReceiptCampaigns(settings, engine)
    subscribe_batches(broker, settings, receipts, group=DONATION_RECEIPTS_GROUP, topics=[CAMPAIGN_EVENTS])
    return [
        consuming(broker),
        background("releasing", releaser.run),
        *_moderating(receipts_engine, publisher, booking),
    ]


async def republish(settings: Settings, source: str | None = None, after: str = "-1") -> None:
    """Send the events of a source (or of all) again; prints how many on standard output. Raises SystemExit
    when no event is of that source.
    """
    engine = database.create_engine(settings.database_url, "donation-republish")
    async with database.disposing(engine), Publisher(settings) as publisher:
        if source is not None and source not in (known := await republishing.sources(engine)):
            raise SystemExit(f"no event is of {source!r}; there are {', '.join(known)}")
        sent = await republishing.republish(engine, publisher, source, int(after))
    print(f"republished {sent} events")  # noqa: T201 - a command's answer


async def reseal(settings: Settings) -> None:
    """Seal with the first of CHANNEL_KEY what another of its keys has sealed; prints how many there were."""
    engine = database.create_engine(settings.database_url, "donation-reseal", pool_size=1)
    async with database.disposing(engine):
        sealed = await resealing.reseal(engine, SecretBox(settings.channel_key.get_secret_value()))
    print(f"sealed {sealed} secrets again")  # noqa: T201 - a command's answer
