"""What a set of containers needs before its services start: databases, their newest version, topics.

The local stack's own steps (deploy/local/stack.py), on servers that somebody else has started.
"""

import socket
import time
from typing import Final

from deploy.given import SECRETS_DIR, given
from deploy.local import databases
from deploy.local.external import namespace
from deploy.local.layout import DATABASES
from deploy.local.problems import Report, StackProblem
from deploy.topics import apply_topics
from shared.migrations import migrate

BROKER_S: Final = 90
BROKER_AGAIN_S: Final = 0.3
BROKER_CONNECT_S: Final = 2
ADMIN_URL: Final = "ADMIN_DATABASE_URL"


def url_name(service: str) -> str:
    """The setting with the URL of a service's database, as `shanliu verify` names it too."""
    return f"{service.upper()}_DATABASE_URL"


def prepare(partitions: int, say: Report) -> None:
    """Make roles and databases, bring them to the newest version, make the topics; a second time nothing
    changes. Reads KAFKA_BOOTSTRAP_SERVERS, KAFKA_NAMESPACE, ADMIN_DATABASE_URL and each service's
    DONATION_DATABASE_URL, …, whose password its role gets. Raises StackProblem.
    """
    servers = _needed("KAFKA_BOOTSTRAP_SERVERS")
    admin = _needed(ADMIN_URL)
    passwords = {service: _password(url_name(service)) for service in DATABASES}
    begun = time.monotonic()
    made = databases.create_service_databases(admin, passwords=passwords)
    databases.run(databases.close_to_others(admin))
    for service in DATABASES:
        databases.run(migrate(made[service], f"services.{service}"))
    say(f"{len(made)} databases at their newest version ({time.monotonic() - begun:.1f} s)")
    begun = time.monotonic()
    _await_broker(servers)
    applied = databases.run(apply_topics(servers, namespace(), partitions, alter=True))
    took_s = time.monotonic() - begun
    say(f"topics: {len(applied.created)} made, {len(applied.present)} there ({took_s:.1f} s)")
    for change in (*applied.changed, *applied.differences):
        say(change)


def _await_broker(servers: str) -> None:
    """Return when one of the servers takes connections: it starts while the databases are made."""
    deadline = time.monotonic() + BROKER_S
    while not any(_listens(server) for server in servers.split(",")):
        if time.monotonic() > deadline:
            raise StackProblem(f"No Kafka answers at {servers} within {BROKER_S} s.")
        time.sleep(BROKER_AGAIN_S)


def _listens(server: str) -> bool:
    host, _, port = server.strip().rpartition(":")
    try:
        socket.create_connection((host, int(port)), BROKER_CONNECT_S).close()
    except OSError:
        return False
    except ValueError:
        raise StackProblem(f"KAFKA_BOOTSTRAP_SERVERS is {server}; it looks like host:9092.") from None
    return True


def _needed(name: str) -> str:
    value = given(name)
    if value is None:
        raise StackProblem(f"{name} has to be set, or a file {name.lower()} to lie in {SECRETS_DIR}.")
    return value


def _password(name: str) -> str:
    password = databases.parse_url(_needed(name)).password
    if not password:
        raise StackProblem(f"{name} has no password.")
    return password
