"""Servers of one's own in place of those we would start."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from deploy.given import given
from deploy.local.layout import LOOPBACK, Ports
from deploy.local.problems import StackProblem

if TYPE_CHECKING:
    from shared.kafka_client import KafkaClientSettings

SERVERS: Final = "KAFKA_BOOTSTRAP_SERVERS"
OF_A_CLIENT: Final = ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_", "KAFKA_SSL_")
"""How the settings begin that say who asks a broker."""


def named_kafka() -> str | None:
    """The broker that KAFKA_BOOTSTRAP_SERVERS names."""
    return os.environ.get(SERVERS) or None


def external_kafka() -> str | None:
    """The same, where it is none of ours: used, never started or stopped."""
    return outside(named_kafka())


def outside(servers: str | None) -> str | None:
    """None for the doors of the broker that we start ourselves: the file that a channel is given
    (docs/channels/) names one, and may be loaded in the same shell.
    """
    ports = Ports.from_environment()
    ours = {
        f"{host}:{port}" for host in (LOOPBACK, "localhost") for port in (ports.kafka, ports.kafka_secured)
    }
    return None if servers is None or {each.strip() for each in servers.split(",")} <= ours else servers


def own_broker() -> str:
    """The plain door of the broker that we start ourselves."""
    return f"{LOOPBACK}:{Ports.from_environment().kafka}"


def of_no_client(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what names a broker and who asks it, for a stack with a broker of its own."""
    return {
        name: value
        for name, value in environment.items()
        if name != SERVERS and not name.startswith(OF_A_CLIENT)
    }


def kafka_client(servers: str, *, plain: bool = False) -> "KafkaClientSettings":
    """These servers, asked as whom KAFKA_SASL_USERNAME names, if any; with `plain`, and by the plain door of
    our own broker, as nobody. Raises StackProblem.
    """
    # Not above: most commands ask no broker, and settings are a fifth of what they load.
    from pydantic import SecretStr, ValidationError  # noqa: PLC0415

    from shared.kafka_client import KafkaClientSettings  # noqa: PLC0415

    if plain or servers == own_broker():
        return KafkaClientSettings(kafka_bootstrap_servers=servers, kafka_security_protocol="PLAINTEXT")
    password = given("KAFKA_SASL_PASSWORD")
    try:
        if password is None:
            return KafkaClientSettings(kafka_bootstrap_servers=servers)
        return KafkaClientSettings(kafka_bootstrap_servers=servers, kafka_sasl_password=SecretStr(password))
    except ValidationError as error:
        told = error.errors(include_url=False)[0]
        raise StackProblem(f"{told['msg'].removeprefix('Value error, ')}.") from None


def external_postgres() -> str | None:
    """The server that DATABASE_URL names: used, never started or stopped."""
    return os.environ.get("DATABASE_URL") or None


def namespace() -> str:
    """What KAFKA_NAMESPACE puts before every topic and group of ours, on a broker shared with others."""
    return os.environ.get("KAFKA_NAMESPACE", "")


def own_ports(ports: Ports) -> dict[str, int]:
    """The ports that a stack of ours itself listens on, by name."""
    named = ports.named()
    if external_kafka():
        del named["kafka"], named["kafka_controller"], named["kafka_secured"]
    if external_postgres():
        del named["postgres"]
    return named
