"""What a donation process is told by its environment."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, SecretStr, field_validator

from shared.access import AccessSettings
from shared.broker import KafkaSettings
from shared.service import ServiceSettings

Role = Literal["api", "worker", "statements"]


class Settings(ServiceSettings, KafkaSettings, AccessSettings):
    """`roles` is a comma-separated choice of api (intake over HTTP), worker (the intake topics) and
    statements (files, which take a processor for minutes: in a process of its own where much comes in).
    """

    roles: str = "api,worker,statements"
    channel_key: SecretStr = Field(
        description="32 bytes in base64: encrypts the channels' secrets at rest; several with commas while it"
        " is renewed, the new one first"
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$",
        description="where anyone reaches this API: stands on receipts; empty: HTTP_HOST and HTTP_PORT",
    )
    http_linger_ms: int = Field(default=2, ge=0, le=50, description="how long HTTP intake gathers a batch")
    worker_consumers: int = Field(
        default=1,
        ge=1,
        le=16,
        description="members of the group in one worker: one books while another waits for an answer",
    )
    max_in_flight: int = Field(default=5_000, ge=1, description="donations waiting for the broker at once")

    desk_undo_minutes: int = Field(
        default=10, ge=1, le=720, description="how long who entered money at the desk can undo it"
    )
    late_donation_grace_s: int = Field(
        default=600,
        ge=0,
        le=86_400,
        description="how long a payment that only a bill knows is waited for before it is booked by the bill",
    )

    statements_folder: Path | None = Field(
        default=None, description="watched for files of channels, each channel's in a folder of its name"
    )

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: str) -> str:
        """A role that is misspelt must not leave a process that does nothing."""
        if unknown := set(roles.split(",")) - set(get_args(Role)):
            raise ValueError(
                f"{', '.join(sorted(unknown))}: not a role; ROLES is some of {', '.join(get_args(Role))}"
            )
        return roles

    @property
    def address(self) -> str:
        """Where anyone reaches this API, without a slash at the end."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    def has_role(self, role: Role) -> bool:
        """Whether this process plays a role."""
        return role in self.roles.split(",")
