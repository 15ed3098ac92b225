"""`shanliu rebuild`: a service's projection counted again from the first event, while all goes on."""

import asyncio

from aiokafka.errors import KafkaError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from deploy.local.problems import StackProblem
from deploy.verify.command import Meter
from deploy.verify.places import Places
from services.reporting.partitions import TopicsMissing
from services.reporting.rebuilding.beside import RebuildRefused
from services.reporting.rebuilding.reading import TopicsSilent
from services.reporting.rebuilding.rebuild import Rebuilt, rebuild
from services.reporting.settings import Settings


def rebuild_reporting(*, anew: bool, console: Console) -> Rebuilt:
    """Count reporting's projection again and put it in place. Raises StackProblem: nothing has changed."""
    meter = Meter(console)
    settings = settings_of(Places.find())
    try:
        return asyncio.run(rebuild(settings, lambda read, total: meter("events", read, total), anew=anew))
    except (RebuildRefused, TopicsMissing, TopicsSilent) as error:
        raise StackProblem(str(error)) from error
    except (KafkaError, SQLAlchemyError, OSError) as error:
        raise StackProblem(
            f"The rebuild ended: {error!r:.300}. What is shown has not changed; run it again, and it goes on."
        ) from error
    finally:
        meter.clear()


def settings_of(places: Places) -> Settings:
    """What reporting has to know for it."""
    return Settings(
        database_url=places.databases["reporting"],
        kafka_bootstrap_servers=places.kafka,
        kafka_namespace=places.namespace,
    )
