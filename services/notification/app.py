"""The wiring of the notification service, and nothing else."""

from typing import Final

from fastapi import FastAPI

from services.notification import api, sms_reports, unsubscribing
from services.notification.couriers.ways import Way
from services.notification.handlers import Handlers
from services.notification.lanes import lanes
from services.notification.letters import api as templates_api
from services.notification.live import LiveSender
from services.notification.models import idempotency_keys
from services.notification.partners import api as partners_api
from services.notification.partners.resealing import reseal_endpoints
from services.notification.partners.wiring import PARTNERS_CONNECTIONS, Partners
from services.notification.receipts import api as receipts_api
from services.notification.sender import Sender
from services.notification.settings import Settings
from services.notification.traffic import TRAFFIC
from services.notification.upkeep import Upkeep
from shared import database
from shared.access import Operators
from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DONATION_EVENTS,
    NOTIFICATION_CONTACTS_GROUP,
    NOTIFICATION_EVENTS,
    NOTIFICATION_GROUP,
    Publisher,
    consuming,
    make_broker,
    subscribe_batches,
)
from shared.outbox import Relay
from shared.run_once import Runner
from shared.secret_box import SecretBox
from shared.service import Published, background
from shared.service import create_app as create_shell

PACE_MS: Final = 200
"""Batches: nobody waits for a mail as for a screen."""
CONNECTIONS_BESIDE_SENDERS: Final = 7
"""Two handlers, the sender of receipts' mails, the relay, upkeep, and two requests of operators."""


def create_app(settings: Settings) -> FastAPI:
    """Events and contacts in, mails and notification.events out, an API for operators."""
    ways = lanes(settings)
    pool_size = sum(lane.workers + 1 for lane in ways) + CONNECTIONS_BESIDE_SENDERS
    engine = database.create_engine(settings.database_url, "notification", pool_size=pool_size)
    publisher = Publisher(settings)
    # Apart, so that what partners are slow at can't hold up thanks.
    partners_engine = database.create_engine(
        settings.database_url, "notification-partners", pool_size=PARTNERS_CONNECTIONS
    )
    relay = Relay(engine, publisher, NOTIFICATION_EVENTS)
    sender = Sender(settings, engine, ways, relay.wake)
    live_sender = LiveSender(settings, engine, ways)
    mail = [lane for lane in ways if lane.way is Way.MAIL]
    receipt_sender = LiveSender(settings, engine, mail, receipts=True)
    runner = Runner(engine, idempotency_keys)
    upkeep = Upkeep(settings, engine, sender.wake, receipt_sender.wake)
    partners = Partners(settings, partners_engine, live_sender.wake)
    handlers = Handlers(
        settings,
        engine,
        publisher,
        wake_sender=sender.wake,
        wake_receipts=receipt_sender.wake,
        wake_partners=partners.wake,
    )
    broker = make_broker(settings)
    events = [DONATION_EVENTS, CAMPAIGN_EVENTS]
    subscribe_batches(
        broker, settings, handlers.take_events, group=NOTIFICATION_GROUP, topics=events, pace_ms=PACE_MS
    )
    subscribe_batches(
        broker,
        settings,
        handlers.take_contacts,
        group=NOTIFICATION_CONTACTS_GROUP,
        topics=[CONTACTS],
        pace_ms=PACE_MS,
    )

    app = create_shell(
        "notification",
        parts=[
            database.disposing(engine),
            database.disposing(partners_engine),
            publisher,
            background("outbox-relay", relay.run),
            background("upkeep", upkeep.run),
            sender.running(),
            live_sender.running(),
            receipt_sender.running(),
            *partners.parts(),
            consuming(broker),
        ],
        checks={"database": lambda: database.check(engine), "kafka": publisher.check},
        routers=[
            api.create_router(settings, engine, runner, sender),
            templates_api.create_router(engine, runner),
            templates_api.create_test_router(settings, engine, runner, live_sender),
            receipts_api.create_router(engine),
            unsubscribing.create_router(settings, engine),
            sms_reports.create_router(settings, engine),
            partners_api.router,
        ],
        description=api.__doc__ or "",
        published=Published(traffic=TRAFFIC),
    )
    app.state.operators = Operators.of("notification", settings)
    app.state.partners = partners.for_api()
    return app


async def reseal(settings: Settings) -> None:
    """Seal with the first of WEBHOOK_KEY what another of its keys has sealed; prints how many there were."""
    if settings.webhook_key is None:
        raise SystemExit("WEBHOOK_KEY is not set: there is nothing to seal")
    engine = database.create_engine(settings.database_url, "notification-reseal", pool_size=1)
    async with database.disposing(engine):
        sealed = await reseal_endpoints(engine, SecretBox(settings.webhook_key.get_secret_value()))
    print(f"sealed {sealed} secrets again")  # noqa: T201 - a command's answer
