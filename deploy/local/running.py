"""What somebody needs who works with the stack that runs here: addresses, database URLs, tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from deploy.local.credentials import Credentials
from deploy.local.databases import parse_url
from deploy.local.external import external_postgres
from deploy.local.launcher import running
from deploy.local.layout import DATABASES, LOOPBACK, SERVICES, Home
from deploy.local.postgres import ADMIN
from deploy.local.problems import StackProblem

PREFIX = "shanliu"


@dataclass(frozen=True, slots=True)
class Running:
    """A running stack, seen from outside."""

    home: Home
    kafka: str
    """Bootstrap servers."""
    namespace: str
    """Put before each topic."""
    urls: Mapping[str, str]
    """Base URL by service: donation, campaign, notification, reporting."""
    databases: Mapping[str, str]
    """Database URL by service, each with the service's own role."""
    admin_url: str
    """PostgreSQL as its administrator."""
    credentials: Credentials
    addresses: Mapping[str, str]
    kafka_is_ours: bool = True
    """Whether `kafka` is the broker that the stack has started."""

    @classmethod
    def find(cls, home: Home | None = None) -> Self:
        """The stack of this folder. Raises StackProblem when none is ready."""
        home = home or Home.from_environment()
        found = running(home)
        if found is None or found.phase != "ready" or found.kafka is None:
            raise StackProblem("Nothing is ready here. Start it first: shanliu up")
        credentials = Credentials.load_or_make(home.secrets_file)
        local = (
            f"postgresql://{ADMIN}:{credentials.postgres_admin}@{LOOPBACK}:{found.ports['postgres']}/postgres"
        )
        admin = parse_url(external_postgres() or local)
        return cls(
            home=home,
            kafka=found.kafka,
            namespace=found.namespace,
            urls={service: found.addresses[f"{service} API"] for service in SERVICES},
            databases={
                service: admin.set(
                    username=f"{PREFIX}_{service}",
                    password=credentials.databases[service],
                    database=f"{PREFIX}_{service}",
                ).render_as_string(hide_password=False)
                for service in DATABASES
            },
            admin_url=admin.render_as_string(hide_password=False),
            credentials=credentials,
            addresses=found.addresses,
            kafka_is_ours=found.kafka == f"{LOOPBACK}:{found.ports['kafka']}",
        )

    def token(self, role: str) -> str:
        """The bearer token of a person with this role, a different person for each of desk, finance,
        approver and administrator.
        """
        people = {
            "desk": "desk.lin",
            "finance": "finance.chen",
            "approver": "approver.wang",
            "administrator": "administrator",
        }
        return self.credentials.operators[people[role]]
