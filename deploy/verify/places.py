"""Where the numbers are: the broker, the services' databases, the screen's address."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from deploy.given import given
from deploy.local.databases import parse_url
from deploy.local.external import kafka_client
from deploy.local.problems import StackProblem
from deploy.local.running import Running
from deploy.verify.reads import PROVED


@dataclass(frozen=True, slots=True)
class Places:
    """What `verify` looks at. `databases`: URL by service; `namespace` is put before each topic's name."""

    kafka: str
    databases: Mapping[str, str]
    reporting_url: str
    namespace: str = ""
    plain: bool = False
    """Whether the broker asks nobody who he is, whatever the environment says of another one."""

    def kafka_client(self) -> dict[str, Any]:
        """What each Kafka client is made with: these servers, as whom the environment says."""
        return kafka_client(self.kafka, plain=self.plain).client()

    def dsn(self, service: str) -> str:
        """A service's database as asyncpg reads it."""
        url = parse_url(self.databases[service]).set(drivername="postgresql")
        return url.render_as_string(hide_password=False)

    @classmethod
    def find(cls) -> Self:
        """The places that the environment names (KAFKA_BOOTSTRAP_SERVERS, DONATION_DATABASE_URL,
        CAMPAIGN_DATABASE_URL, REPORTING_DATABASE_URL, REPORTING_URL; KAFKA_NAMESPACE), else those of the
        running local stack. Raises StackProblem when there is neither, or only a part of the names.
        """
        wanted = [f"{service.upper()}_DATABASE_URL" for service in PROVED] + ["REPORTING_URL"]
        known = {name: value for name in ("KAFKA_BOOTSTRAP_SERVERS", *wanted) if (value := given(name))}
        if not known.keys() & set(wanted):
            stack = Running.find()
            return cls(
                stack.kafka, stack.databases, stack.urls["reporting"], stack.namespace, stack.kafka_is_ours
            )
        missing = [name for name in ("KAFKA_BOOTSTRAP_SERVERS", *wanted) if name not in known]
        if missing:
            named = next(name for name in wanted if name in known)
            raise StackProblem(f"{named} is set, but not {', '.join(missing)}: set all of them, or none.")
        return cls(
            known["KAFKA_BOOTSTRAP_SERVERS"],
            {service: known[f"{service.upper()}_DATABASE_URL"] for service in PROVED},
            known["REPORTING_URL"].rstrip("/"),
            os.environ.get("KAFKA_NAMESPACE", ""),
        )
