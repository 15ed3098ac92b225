"""What a notification process is told by its environment."""

from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.notification.addresses import deliverable
from services.notification.delivery import Backoff
from shared.broker import KafkaSettings
from shared.service import ServiceSettings


class Settings(ServiceSettings, KafkaSettings):
    """SMTP_FROM is "Name <address>". SMTP_TLS speaks TLS from the first byte (port 465), SMTP_STARTTLS
    changes to it (port 587). Times in seconds.
    """

    http_port: int = 8103
    operators_file: Path | None = None

    smtp_host: str = "127.0.0.1"
    smtp_port: int = Field(default=8125, ge=1, le=65_535)
    smtp_from: str = "善流 Shanliu <thanks@shanliu.example>"
    smtp_starttls: bool = False
    smtp_tls: bool = False
    smtp_ca_file: Path | None = None
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_connections: int = Field(default=4, ge=1, le=32)
    smtp_mails_per_connection: int = Field(default=100, ge=1)
    smtp_rate_per_s: float = Field(default=50.0, gt=0, le=10_000)
    smtp_command_timeout_s: float = Field(default=30.0, gt=0)
    # RFC 5321 4.5.3.2.6: whoever gives up earlier on the answer to a mail's end makes doubt out of slowness.
    smtp_data_timeout_s: float = Field(default=600.0, gt=0)

    retry_first_s: float = Field(default=30.0, gt=0)
    retry_cap_s: float = Field(default=4 * 3600.0, gt=0)
    attempts_max: int = Field(default=16, ge=1, le=100)
    upkeep_every_s: float = Field(default=30.0, gt=0)

    @field_validator("smtp_from")
    @classmethod
    def _sender_is_usable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("not one printable line")
        deliverable(parseaddr(value)[1])
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.smtp_tls and self.smtp_starttls:
            raise ValueError("SMTP_TLS and SMTP_STARTTLS exclude each other")
        if (self.smtp_username is None) != (self.smtp_password is None):
            raise ValueError("SMTP_USERNAME and SMTP_PASSWORD go together")
        if self.smtp_username and not (self.smtp_tls or self.smtp_starttls):
            raise ValueError("a login needs SMTP_TLS or SMTP_STARTTLS: it would cross the network readable")
        return self

    @property
    def sender(self) -> Address:
        """The From of every mail."""
        name, address = parseaddr(self.smtp_from)
        return Address(display_name=name, addr_spec=deliverable(address))

    @property
    def backoff(self) -> Backoff:
        """When a refused mail is tried again."""
        return Backoff(self.retry_first_s, self.retry_cap_s, self.attempts_max)

    @property
    def lease_s(self) -> float:
        """Longer than any attempt can last: MAIL, RCPT, DATA and the text wait for one answer each."""
        return 2 * self.smtp_command_timeout_s + 2 * self.smtp_data_timeout_s + 60
