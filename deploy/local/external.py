"""Servers of one's own in place of those we would start."""

import os

from pydantic import SecretStr, ValidationError

from deploy.given import given
from deploy.local.layout import Ports
from deploy.local.problems import StackProblem
from shared.kafka_client import KafkaClientSettings


def external_kafka() -> str | None:
    """The broker that KAFKA_BOOTSTRAP_SERVERS names: used, never started or stopped."""
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or None


def kafka_client(servers: str, *, plain: bool = False) -> KafkaClientSettings:
    """These servers, asked as whom KAFKA_SASL_USERNAME names, if any; with `plain` as nobody. Raises
    StackProblem.
    """
    if plain:
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
