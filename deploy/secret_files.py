"""The secrets of a set of containers: made once, each in a file of its own that a container is given.

Only the folder keeps others out: a container's user is nobody on the machine, and reads what is mounted for
it.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL

from deploy.certificates import Wanted, write_certificates
from deploy.local.credentials import KAFKA_USERS, Credentials
from deploy.local.databases import parse_url
from deploy.local.layout import DATABASES, Home
from deploy.local.postgres import ADMIN
from deploy.local.problems import StackProblem
from deploy.local.roles import reader_of
from deploy.local.running import PREFIX
from deploy.local.services import address_key
from deploy.prepare import ADMIN_URL, password_name, reader_name, url_name
from deploy.verify.reads import PROVED

OWNER_ONLY: Final = 0o700
ANY_CONTAINER: Final = 0o444


BROKERS: Final = {"kafka": "broker-1", "kafka-2": "broker-2", "kafka-3": "broker-3"}
"""The brokers of deploy/compose.cluster.yaml: what services call each, and what the others do."""


def cluster_certificates(kafka_host: str) -> list[Wanted]:
    """The certificates of the containers of a cluster; channels reach its brokers at `kafka_host`."""
    brokers = [Wanted(name, (name, inner, kafka_host), client=True) for name, inner in BROKERS.items()]
    return [*brokers, Wanted("postgres", ("postgres",)), Wanted("mail", ("mail",)), Wanted("administrator")]


def write_secrets(folder: Path, server: str, *, cluster: str | None = None) -> list[str]:
    """Make what is missing in `folder` and write every file anew; their names. `server` is PostgreSQL's
    host:port as the containers see it. With `cluster`, the host at which channels reach its brokers, also the
    brokers' users and everybody's certificates. Raises StackProblem when the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(OWNER_ONLY)
        home = Home(folder)
        credentials = Credentials.load_or_make(home.secrets_file)
        credentials.write_console_keys(home.console_key_file, home.console_public_file)
        for path in (home.console_key_file, home.console_public_file):
            path.chmod(ANY_CONTAINER)
        texts = {home.operators_file.name: credentials.operators_json(), **_texts(credentials, server)}
        certificates: Iterable[str] = ()
        if cluster is not None:
            texts |= {password_name(user).lower(): credentials.kafka[user] for user in KAFKA_USERS}
            certificates = write_certificates(folder, cluster_certificates(cluster), mode=ANY_CONTAINER)
        for name, text in texts.items():
            _write(folder / name, text)
    except OSError as error:
        raise StackProblem(f"{folder} can't be written: {error.strerror}.") from error
    return sorted([*texts, *certificates, home.console_key_file.name, home.console_public_file.name])


def _texts(credentials: Credentials, server: str) -> Mapping[str, str]:
    url = parse_url(f"postgresql://{server}/postgres")

    def of(user: str, password: str, database: str) -> str:
        made: URL = url.set(username=user, password=password, database=database)
        return made.render_as_string(hide_password=False)

    return {
        "postgres_password": credentials.postgres_admin,
        ADMIN_URL.lower(): of(ADMIN, credentials.postgres_admin, "postgres"),
        **{
            url_name(service).lower(): of(
                f"{PREFIX}_{service}", credentials.databases[service], f"{PREFIX}_{service}"
            )
            for service in DATABASES
        },
        **{
            reader_name(service).lower(): of(
                reader_of(f"{PREFIX}_{service}"), credentials.readers[service], f"{PREFIX}_{service}"
            )
            for service in PROVED
        },
        "channel_key": credentials.channel_key,
        "webhook_key": credentials.webhook_key,
        "address_key": address_key(credentials.channel_key),
        "grafana_password": credentials.grafana_admin,
    }


def _write(path: Path, text: str) -> None:
    """Replace the file: one that is mounted keeps its old content until its container is made anew."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(
        os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, ANY_CONTAINER), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    scratch.chmod(ANY_CONTAINER)
    scratch.replace(path)
