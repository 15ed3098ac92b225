"""What the environment tells a reporting process."""

from typing import Literal

from pydantic import Field

from shared.access import AccessSettings
from shared.broker import KafkaSettings
from shared.service import ServiceSettings

Role = Literal["worker", "screens"]


class Settings(ServiceSettings, KafkaSettings, AccessSettings):
    """`roles` is a comma-separated choice of worker (counts events) and screens (streams, pages, API)."""

    http_port: int = 8104
    roles: str = "worker,screens"
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$",
        description="where the audience's phones reach the pages: stands in codes to scan; empty: as asked",
    )
    max_streams: int = Field(default=5_000, ge=1, description="streams one process holds at most")

    def has_role(self, role: Role) -> bool:
        """Whether this process plays a role."""
        return role in self.roles.split(",")
