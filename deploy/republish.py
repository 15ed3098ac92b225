"""`shanliu republish`: events sent again from the services' tables, where they are made or kept."""

import asyncio
import re
from collections.abc import Collection
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.given import given
from deploy.local.problems import Report, StackProblem
from deploy.prepare import url_name
from deploy.servers import servers_of
from services.donation import republishing
from shared import database, outbox
from shared.broker import (
    CAMPAIGN_EVENTS,
    DONATION_EVENTS,
    NOTIFICATION_EVENTS,
    KafkaSettings,
    Publisher,
    PublishFailed,
)


class Kept(NamedTuple):
    """Events of an outbox: whose it is, and where they go."""

    service: str
    topic: str


OUTBOXES: Final = {
    "campaign": Kept("campaign", CAMPAIGN_EVENTS),
    "notification": Kept("notification", NOTIFICATION_EVENTS),
    "receipt": Kept("donation", DONATION_EVENTS),
}
"""By the first part of a source."""
SOURCE: Final = re.compile(rf"(?:intake\.[^/\s]+|{'|'.join(OUTBOXES)})/\d+")


def republish(source: str | None, after: int, say: Report) -> int:
    """Send the events of one source behind `after` again, or all events of every source: those that donations
    came by, and those of every outbox. `say` hears of each, and of a service whose database is not known.
    Gives back how many. Raises StackProblem.
    """
    if source is None:
        if after >= 0:
            raise StackProblem("--after is a sequence of one source: name that source too.")
        return sum(_of_service(service, say) for service in _known(say))
    if not SOURCE.fullmatch(source):
        raise StackProblem(
            f"{source!r} is no source. There are intake.CHANNEL/PARTITION and"
            f" {', '.join(f'{area}/PARTITION' for area in OUTBOXES)}."
        )
    kept = OUTBOXES.get(source.partition("/")[0])
    settings, url = servers_of(kept.service if kept else "donation")
    return asyncio.run(_republish(settings, url, kept, source, after))


def _known(say: Report) -> list[str]:
    """The services whose database can be reached: all of the stack that runs here, or those that the
    environment names.
    """
    services = sorted({kept.service for kept in OUTBOXES.values()})
    named = [service for service in services if given(url_name(service))]
    for service in services if named else []:
        if service not in named:
            say(f"{service}: its events are left out, for {url_name(service)} is not set")
    return named or services


def _of_service(service: str, say: Report) -> int:
    settings, url = servers_of(service)
    sent = 0
    if service == "donation":
        sent = asyncio.run(_republish(settings, url, None, None, -1))
        say(f"intake: {sent:,} events")
    for area, kept in OUTBOXES.items():
        if kept.service == service:
            found = asyncio.run(_republish(settings, url, kept, None, -1))
            say(f"{area}: {found:,} events")
            sent += found
    return sent


async def _republish(
    settings: KafkaSettings, url: str, kept: Kept | None, source: str | None, after: int
) -> int:
    engine = database.create_engine(url, "republish")
    try:
        async with database.disposing(engine):
            sources = await _sources(engine, kept)
            if source is not None:
                _require(source, sources)
                sources = [source]
            async with Publisher(settings) as publisher:
                if kept is None:
                    return sum(
                        [await republishing.republish(engine, publisher, each, after) for each in sources]
                    )
                return sum(
                    [await outbox.republish(engine, publisher, kept.topic, each, after) for each in sources]
                )
    except (PublishFailed, KafkaError) as error:
        raise StackProblem(
            f"The broker at {settings.kafka_bootstrap_servers} does not take the events: {_line(error)}."
            " Nothing is lost: run it again."
        ) from error
    except (SQLAlchemyError, OSError) as error:
        raise StackProblem(f"The database of the service can't be read: {_line(error)}.") from error


async def _sources(engine: AsyncEngine, kept: Kept | None) -> list[str]:
    return await (outbox.sources(engine) if kept else republishing.sources(engine))


def _require(source: str, known: Collection[str]) -> None:
    if source not in known:
        raise StackProblem(f"No event is of {source}. There are {', '.join(sorted(known)) or 'none yet'}.")


def _line(error: BaseException) -> str:
    """An error in a line, without the statement that it came of."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300] or type(error).__name__
