"""`shanliu republish`: events sent again from the services' tables, where they are made or kept."""

import asyncio
import re
from collections.abc import Collection
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.problems import StackProblem
from deploy.servers import servers_of
from services.donation import republishing
from shared import database, outbox
from shared.broker import (
    CAMPAIGN_EVENTS,
    DONATION_EVENTS,
    NOTIFICATION_EVENTS,
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


def republish(source: str | None, after: int) -> int:
    """Send the events of one source (or of all that donations came by) behind `after` again; gives back how
    many. Raises StackProblem.
    """
    if source is not None and not SOURCE.fullmatch(source):
        raise StackProblem(
            f"{source!r} is no source. There are intake.CHANNEL/PARTITION and"
            f" {', '.join(f'{area}/PARTITION' for area in OUTBOXES)}."
        )
    return asyncio.run(_republish(source, after))


async def _republish(source: str | None, after: int) -> int:
    kept = OUTBOXES.get(source.partition("/")[0]) if source else None
    settings, url = servers_of(kept.service if kept else "donation")
    engine = database.create_engine(url, "republish")
    try:
        async with database.disposing(engine):
            if source is not None:
                _require(source, await _sources(engine, kept))
            async with Publisher(settings) as publisher:
                if source is None or kept is None:
                    return await republishing.republish(engine, publisher, source, after)
                return await outbox.republish(engine, publisher, kept.topic, source, after)
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
