"""`shanliu rebuild`: a service's projection counted again from the first event, while all goes on."""

import asyncio

from aiokafka.errors import KafkaError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from deploy.given import given
from deploy.local.problems import StackProblem
from deploy.local.roles import as_owner
from deploy.local.running import Running
from deploy.prepare import ADMIN_URL
from deploy.servers import PLAIN
from deploy.verify.command import Meter
from deploy.verify.places import Places
from services.reporting.rebuilding.beside import RebuildRefused
from services.reporting.rebuilding.rebuild import Rebuilt, rebuild
from services.reporting.settings import Settings
from shared.consumer import BrokerSilent
from shared.partitions import TopicsMissing


def rebuild_reporting(*, anew: bool, console: Console) -> Rebuilt:
    """Count reporting's projection again and put it in place. Raises StackProblem: nothing has changed."""
    meter = Meter(console)
    places = Places.find()
    admin = given(ADMIN_URL) or Running.find().admin_url
    url, owner = as_owner(admin, places.databases["reporting"])
    settings = settings_of(places, url)

    def progress(read: int, total: int) -> None:
        meter("events", read, total)

    try:
        return asyncio.run(rebuild(settings, progress, anew=anew, as_role=owner))
    except (BrokerSilent, RebuildRefused, TopicsMissing) as error:
        raise StackProblem(str(error)) from error
    except (KafkaError, SQLAlchemyError, OSError) as error:
        raise StackProblem(
            f"The rebuild ended: {error!r:.300}. What is shown has not changed; run it again, and it goes on."
        ) from error
    finally:
        meter.clear()


def settings_of(places: Places, database_url: str) -> Settings:
    """What reporting has to know for it."""
    return Settings(
        database_url=database_url,
        kafka_bootstrap_servers=places.kafka,
        kafka_namespace=places.namespace,
        **(PLAIN if places.plain else {}),
    )
