"""How a client finds the broker, and how it proves who it is: the same for every client of every process."""

import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, model_validator

from shared.told import ToldSettings


class KafkaClientSettings(ToldSettings):
    """Where the broker is, and as whom. Plain on one machine; SASL_SSL with SCRAM on a cluster, where each
    service has a user of its own with the rights of deploy/acls.yaml.
    """

    kafka_bootstrap_servers: str = "127.0.0.1:8192"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ssl_cafile: Path | None = Field(
        default=None, description="PEM: who may sign the broker's certificate; empty: the system's own list"
    )

    kafka_ssl_certfile: Path | None = Field(
        default=None, description="PEM, key and certificate: who comes in by one instead of a password"
    )

    @model_validator(mode="after")
    def _proof_is_there(self) -> Self:
        """A service must not start as nobody because a name is missing."""
        if self.uses_sasl and not (self.kafka_sasl_username and self.kafka_sasl_password.get_secret_value()):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL is {self.kafka_security_protocol}:"
                " KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD are needed"
            )
        return self

    @property
    def servers(self) -> list[str]:
        """The bootstrap servers, host:port each."""
        return self.kafka_bootstrap_servers.split(",")

    @property
    def uses_sasl(self) -> bool:
        """Whether the broker asks for a user and a password."""
        return self.kafka_security_protocol.startswith("SASL")

    def client(self) -> dict[str, Any]:
        """What each aiokafka client is made with."""
        return {"bootstrap_servers": self.servers, **self.identity()}

    def identity(self) -> dict[str, Any]:
        """The part of `client` that says who asks."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return {}
        given: dict[str, Any] = {"security_protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.endswith("SSL"):
            given["ssl_context"] = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
            if self.kafka_ssl_certfile is not None:
                given["ssl_context"].load_cert_chain(self.kafka_ssl_certfile)
        if self.uses_sasl:
            given["sasl_mechanism"] = self.kafka_sasl_mechanism
            given["sasl_plain_username"] = self.kafka_sasl_username
            given["sasl_plain_password"] = self.kafka_sasl_password.get_secret_value()
        return given
