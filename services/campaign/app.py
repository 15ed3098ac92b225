"""The campaign service put together: the only place where its parts meet."""

from typing import Final

from fastapi import FastAPI

from services.campaign import api
from services.campaign.announcements import Announcer
from services.campaign.decisions import api as decisions_api
from services.campaign.disclosure import api as disclosure_api
from services.campaign.funds import api as funds_api
from services.campaign.funds.lookup import Lookups
from services.campaign.goods import api as goods_api
from services.campaign.handlers import DonationEvents
from services.campaign.insurance import api as insurance_api
from services.campaign.ledger import api as ledger_api
from services.campaign.matching import api as matching_api
from services.campaign.models import idempotency_keys
from services.campaign.organisations import api as organisations_api
from services.campaign.parts import api as parts_api
from services.campaign.pledges import api as pledges_api
from services.campaign.pledges.reminders import Reminders
from services.campaign.settings import Settings
from services.campaign.spending import api as spending_api
from services.campaign.traffic import TRAFFIC
from shared import database
from shared.access import Operators
from shared.broker import (
    CAMPAIGN_EVENTS,
    CAMPAIGN_GROUP,
    DONATION_EVENTS,
    Publisher,
    consuming,
    make_broker,
    subscribe_batches,
)
from shared.outbox import Relay
from shared.run_once import Runner
from shared.service import Published, background
from shared.service import create_app as create_service

PACE_MS: Final = 200
"""Batches: a milestone may be known a fifth of a second later, the screens' number does not wait for it."""

APIS: Final = (
    api,
    organisations_api,
    pledges_api,
    goods_api,
    spending_api,
    decisions_api,
    parts_api,
    matching_api,
    funds_api,
    insurance_api,
    ledger_api,
    disclosure_api,
)
"""In the order in which the API's description names them."""

TAGS: Final = {
    "campaigns": "Campaigns (募捐活动): plan, filing, launch, pause, close, and the fund's balance."
}


def create_app(settings: Settings) -> FastAPI:
    """The application: HTTP for operators, donation.events in, campaign.events out."""
    # Apart, so that commands that queue for a fund's lock can't hold up the booking of donations.
    commands_engine = database.create_engine(settings.database_url, "campaign-api")
    books_engine = database.create_engine(
        settings.database_url, "campaign-books", pool_size=3, plan_once=True
    )
    publisher = Publisher(settings)
    relay = Relay(books_engine, publisher, CAMPAIGN_EVENTS)
    announcer = Announcer(settings.partitions)
    broker = make_broker(settings)
    takes = DonationEvents(books_engine, settings, publisher, announcer, relay)
    subscribe_batches(
        broker, settings, takes.take, group=CAMPAIGN_GROUP, topics=[DONATION_EVENTS], pace_ms=PACE_MS
    )

    async def database_answers() -> None:
        await database.check(books_engine)

    app = create_service(
        "campaign",
        parts=[
            database.disposing(commands_engine),
            database.disposing(books_engine),
            publisher,
            background("outbox-relay", relay.run),
            background("pledge-reminders", Reminders(books_engine, announcer, relay).run),
            background("donation-lookups", Lookups(books_engine, settings).run),
            consuming(broker),
        ],
        checks={"database": database_answers, "kafka": publisher.check},
        routers=[each.router for each in APIS],
        description=str(api.__doc__),
        published=Published(TAGS, traffic=TRAFFIC),
    )
    app.state.operators = Operators.of("campaign", settings)
    app.state.books = api.Books(
        commands_engine, Runner(commands_engine, idempotency_keys, relay.wake), announcer
    )
    return app
