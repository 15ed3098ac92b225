"""What the environment tells a reporting process."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.broker import KafkaSettings
from shared.service import ServiceSettings

ReportingRole = Literal["worker", "screens"]


class Settings(ServiceSettings, KafkaSettings):
    """ROLES says what the process does: count events (worker), serve screens (screens), or both."""

    http_port: int = 8104
    roles: Annotated[frozenset[ReportingRole], NoDecode] = frozenset({"worker", "screens"})
    operators_file: Path | None = None
    max_streams: int = Field(default=5_000, gt=0)
    secure_cookies: bool = False
    """Set behind TLS: the session cookie is then never sent in the clear."""

    @field_validator("roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [role.strip() for role in value.split(",")] if isinstance(value, str) else value
