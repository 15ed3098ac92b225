"""What a set of containers needs before its services start: databases, their newest version, topics.

The local stack's own steps (deploy/local/stack.py), on servers that somebody else has started.
"""

import socket
import time
from typing import Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from deploy.given import SECRETS_DIR, given
from deploy.local import databases
from deploy.local.credentials import KAFKA_USERS
from deploy.local.external import kafka_client, namespace
from deploy.local.layout import DATABASES
from deploy.local.problems import Report, StackProblem
from deploy.local.roles import let_read, migrate_apart
from deploy.topics import BROKERS_CHOICE, apply_topics
from deploy.verify.reads import PROVED, READS
from shared.migrations import is_migrated

BROKER_S: Final = 90
BROKER_AGAIN_S: Final = 0.3
BROKER_CONNECT_S: Final = 2
SCHEMA_S: Final = 600
SCHEMA_AGAIN_S: Final = 1.0
ADMIN_URL: Final = "ADMIN_DATABASE_URL"


def url_name(service: str) -> str:
    """The setting with the URL of a service's database, as `shanliu verify` names it too."""
    return f"{service.upper()}_DATABASE_URL"


def reader_name(service: str) -> str:
    """The setting with the URL by which a proof reads a service's database."""
    return f"{service.upper()}_VERIFY_DATABASE_URL"


def password_name(user: str) -> str:
    """The setting with the password that a service's user of the brokers gets."""
    return f"{user.upper()}_KAFKA_PASSWORD"


def prepare(partitions: int, say: Report, replication: int = BROKERS_CHOICE, *, tiered: bool = False) -> None:
    """Make roles and databases, bring them to the newest version, make the brokers' users and the topics; a
    second time nothing changes. Reads KAFKA_BOOTSTRAP_SERVERS, KAFKA_NAMESPACE, ADMIN_DATABASE_URL, each
    service's DONATION_DATABASE_URL, …, whose password its role gets, where there is a verifier the
    DONATION_VERIFY_DATABASE_URL, … that it comes by, and on brokers that ask who one is
    DONATION_KAFKA_PASSWORD, …. Raises StackProblem.
    """
    servers = _needed("KAFKA_BOOTSTRAP_SERVERS")
    admin = _needed(ADMIN_URL)
    passwords = {service: _password(url_name(service)) for service in DATABASES}
    begun = time.monotonic()
    made = databases.create_service_databases(admin, passwords=passwords)
    databases.run(databases.close_to_others(admin))
    for service in DATABASES:
        databases.run(migrate_apart(admin, made[service], f"services.{service}"))
    for service in (each for each in PROVED if given(reader_name(each))):
        databases.run(let_read(admin, made[service], _password(reader_name(service)), READS[service]))
    say(f"{len(made)} databases at their newest version ({time.monotonic() - begun:.1f} s)")
    begun = time.monotonic()
    _await_broker(servers)
    if users := _give_access(servers):
        say(f"{users} users of Kafka with their rights")
    applied = databases.run(
        apply_topics(servers, namespace(), partitions, replication, alter=True, tiered=tiered)
    )
    took_s = time.monotonic() - begun
    say(f"topics: {len(applied.created)} made, {len(applied.present)} there ({took_s:.1f} s)")
    for change in (*applied.changed, *applied.differences):
        say(change)


def await_schema(service: str, say: Report, timeout_s: float = SCHEMA_S) -> None:
    """Return when the service's database is as new as this release needs it: what starts beside `prepare`
    starts after it. Reads DATABASE_URL. Raises StackProblem for an unknown service, and after ten minutes.
    """
    if service not in DATABASES:
        raise StackProblem(f"{service} has no database; those that have: {', '.join(DATABASES)}.")
    url = databases.parse_url(_needed("DATABASE_URL")).render_as_string(hide_password=False)
    deadline = time.monotonic() + timeout_s
    told = ""
    while (lacking := _lacking(url, service)) is not None:
        if time.monotonic() > deadline:
            raise StackProblem(f"Not ready within {timeout_s:.0f} s: {lacking}.")
        if lacking != told:
            say(told := lacking)
        time.sleep(SCHEMA_AGAIN_S)
    say(f"the database of {service} is ready")


def _lacking(url: str, service: str) -> str | None:
    """What is still to wait for; None: nothing."""
    try:
        if databases.run(is_migrated(url, f"services.{service}")):
            return None
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        return f"the database of {service} doesn't let in ({type(error).__name__})"
    return f"the database of {service} is not at its newest version"


def _give_access(servers: str) -> int:
    """Users and rights of those whose password is given (deploy/acls.yaml); how many."""
    passwords = {user: password for user in KAFKA_USERS if (password := given(password_name(user)))}
    if passwords:
        from deploy.access import Gatekeeper, service_role  # noqa: PLC0415 - needs librdkafka

        keeper = Gatekeeper(kafka_client(servers), namespace())
        for user, password in passwords.items():
            keeper.give(service_role(user), password)
    return len(passwords)


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
