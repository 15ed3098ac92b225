"""Users of the broker and what each may do, as acls.yaml declares it: given, renewed and taken away.

A user's password is made here, shown once and kept nowhere: the broker has only what SCRAM derives from it.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from pydantic import BaseModel, ConfigDict, Field, model_validator

from deploy import topics
from deploy.local.problems import StackProblem
from shared.kafka_client import KafkaClientSettings

DECLARATION: Final = Path(__file__).with_name("acls.yaml")
TIMEOUT_S: Final = 15
ITERATIONS: Final = 8_192
"""Of PBKDF2; the broker asks for 4,096 at least. Our passwords are random, so more would gain nothing."""
CHANNEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
INTAKE: Final = "intake."

Operation = Literal[
    "READ", "WRITE", "CREATE", "DELETE", "DESCRIBE", "ALTER", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"
]


class Grant(BaseModel):
    """What may be done with one topic, group, producer's transactions or the cluster; a name that ends in *
    stands for all that begin so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str | None = None
    group: str | None = None
    transaction: str | None = None
    cluster: bool = False
    may: tuple[Operation, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum([each is not None for each in self._names.values()]) + self.cluster != 1:
            raise ValueError("a grant names a topic, a group, a transaction or the cluster")
        return self

    @property
    def _names(self) -> dict[ResourceType, str | None]:
        return {
            ResourceType.TOPIC: self.topic,
            ResourceType.GROUP: self.group,
            ResourceType.TRANSACTIONAL_ID: self.transaction,
        }

    def bindings(self, user: str, namespace: str) -> Iterable[AclBinding]:
        """The broker's entries for a user, names with the namespace."""
        kind, name, pattern = ResourceType.BROKER, "kafka-cluster", ResourcePatternType.LITERAL
        if not self.cluster:
            kind, plain = next((kind, name) for kind, name in self._names.items() if name is not None)
            name = namespace + plain
            if name != "*" and name.endswith("*"):
                name, pattern = name[:-1], ResourcePatternType.PREFIXED
        for operation in self.may:
            yield AclBinding(
                kind, name, pattern, f"User:{user}", "*", AclOperation[operation], AclPermissionType.ALLOW
            )


class Role(BaseModel):
    """What one user is for, and may do."""

    model_config = ConfigDict(extra="forbid")

    about: str
    user: str = ""
    grants: list[Grant]


class Declaration(BaseModel):
    """The whole of acls.yaml."""

    model_config = ConfigDict(extra="forbid")

    channel: Role
    services: dict[str, Role]


@dataclass(frozen=True, slots=True)
class Access:
    """A user with the password that is shown this once."""

    user: str
    password: str = field(repr=False)


def declared(path: Path = DECLARATION) -> Declaration:
    """The declaration."""
    return Declaration.model_validate(yaml.safe_load(path.read_text("utf-8")))


def channel_role(channel: str) -> Role:
    """The role of one channel. Raises StackProblem for what is no channel's name: an intake topic that
    topics.yaml declares is the donation service's own, and who writes there could release held donations.
    """
    if not CHANNEL.fullmatch(channel) or INTAKE + channel in topics.declared():
        raise StackProblem(f"{channel!r} is not a channel's name.")
    role = declared().channel
    grants = [
        grant.model_copy(update={"topic": grant.topic and grant.topic.format(channel=channel)})
        for grant in role.grants
    ]
    return role.model_copy(update={"user": role.user.format(channel=channel), "grants": grants})


def service_role(service: str) -> Role:
    """The role of a service, whose user has its name. Raises StackProblem for one that isn't declared."""
    roles = declared().services
    if service not in roles:
        raise StackProblem(f"No {service!r} in {DECLARATION.name}. There are: {', '.join(roles)}.")
    return roles[service].model_copy(update={"user": service})


class Gatekeeper:
    """Gives and takes access at a broker, each call within a bound. Raises StackProblem of one line.

    `settings`: the broker, and as whom it is asked: who comes by the plain listener of the local stack, or a
    user with ALTER on the cluster.
    """

    def __init__(self, settings: KafkaClientSettings, namespace: str = "") -> None:
        self._servers = settings.kafka_bootstrap_servers
        self._namespace = namespace
        silent = logging.getLogger("shanliu.access")  # librdkafka would write past our lines
        silent.addHandler(logging.NullHandler())
        silent.propagate = False
        self._admin = AdminClient(librdkafka(settings), logger=silent)

    def give(self, role: Role, password: str | None = None) -> Access:
        """Make the user, or renew its password, and grant exactly what its role says. Without `password` a
        new one is made.

        The rights come first: a password that was shown works. Connections that are open stay open.
        """
        user = self._namespace + role.user
        wanted = [binding for grant in role.grants for binding in grant.bindings(user, self._namespace)]
        self._answered(self._admin.create_acls(wanted, request_timeout=TIMEOUT_S))
        self._delete([held for held in self._held(user) if held not in wanted])
        password = password or secrets.token_urlsafe(32)
        kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
        self._alter(UserScramCredentialUpsertion(user, kind, password.encode()))
        return Access(user, password)

    def take(self, role: Role) -> bool:
        """Take away a user and its rights: open connections too can do nothing from then on. False: it had
        none.
        """
        user = self._namespace + role.user
        held = self._held(user)
        self._delete(held)
        try:
            self._alter(UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512))
        except _NoSuchUser:
            return bool(held)
        return True

    def has_topic(self, topic: str) -> bool:
        """Whether a topic (without the namespace) is there."""
        try:
            return self._namespace + topic in self._admin.list_topics(timeout=TIMEOUT_S).topics
        except KafkaException as error:
            raise self._problem(error) from error

    def _held(self, user: str) -> list[AclBinding]:
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            f"User:{user}",
            None,
            AclOperation.ANY,
            AclPermissionType.ANY,
        )
        asked = self._admin.describe_acls(every, request_timeout=TIMEOUT_S)
        return list(self._answered({user: asked})[user])

    def _delete(self, bindings: list[AclBinding]) -> None:
        filters = [
            AclBindingFilter(
                each.restype,
                each.name,
                each.resource_pattern_type,
                each.principal,
                each.host,
                each.operation,
                each.permission_type,
            )
            for each in bindings
        ]
        if filters:
            self._answered(self._admin.delete_acls(filters, request_timeout=TIMEOUT_S))

    def _alter(self, change: UserScramCredentialAlteration) -> None:
        self._answered(self._admin.alter_user_scram_credentials([change], request_timeout=TIMEOUT_S))

    def _answered(self, asked: Mapping[Any, "Future[Any]"]) -> dict[Any, Any]:
        try:
            return {key: future.result(TIMEOUT_S + 1) for key, future in asked.items()}
        except KafkaException as error:
            if error.args[0].name() == "RESOURCE_NOT_FOUND":
                raise _NoSuchUser from error
            raise self._problem(error) from error
        except TimeoutError as error:
            raise StackProblem(f"Kafka {self._servers} doesn't answer within {TIMEOUT_S} s.") from error

    def _problem(self, error: KafkaException) -> StackProblem:
        if "AUTHORIZATION_FAILED" in error.args[0].name():  # the broker's own words hold its internals
            return StackProblem(
                f"Kafka {self._servers}: who asks may not do that (needs ALTER, deploy/acls.yaml)."
            )
        return StackProblem(f"Kafka {self._servers}: {error.args[0].str()}.")


class _NoSuchUser(Exception):
    """There is no user of this name."""


def librdkafka(settings: KafkaClientSettings) -> dict[str, Any]:
    """The settings as librdkafka names them."""
    found: dict[str, Any] = {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "security.protocol": settings.kafka_security_protocol,
    }
    if settings.uses_sasl:
        found["sasl.mechanism"] = settings.kafka_sasl_mechanism
        found["sasl.username"] = settings.kafka_sasl_username
        found["sasl.password"] = settings.kafka_sasl_password.get_secret_value()
    if settings.kafka_ssl_cafile is not None:
        found["ssl.ca.location"] = str(settings.kafka_ssl_cafile)
    if settings.kafka_ssl_certfile is not None:
        found["ssl.certificate.location"] = found["ssl.key.location"] = str(settings.kafka_ssl_certfile)
    return found
