"""What the console is told by its environment."""

from pathlib import Path
from typing import Final

from pydantic import Field

from shared.service import ServiceSettings

URL: Final = r"^https?://[^\s/?#]+$"


class Settings(ServiceSettings):
    """Where the four services are, the key that its tokens to them are signed with, how people come in."""

    http_port: int = 8105
    console_private_key_file: Path = Field(
        description="one private Ed25519 JWK; services have its public half"
    )
    donation_url: str = Field(default="http://127.0.0.1:8101", pattern=URL)
    campaign_url: str = Field(default="http://127.0.0.1:8102", pattern=URL)
    notification_url: str = Field(default="http://127.0.0.1:8103", pattern=URL)
    reporting_url: str = Field(default="http://127.0.0.1:8104", pattern=URL)
    screens_url: str = Field(
        default="", description="where a browser reaches the screens; empty: REPORTING_URL"
    )
    secure_cookies: bool = Field(
        default=False, description="behind TLS: sessions in a __Host- cookie, never sent in the clear"
    )
    proxies: int = Field(
        default=0,
        ge=0,
        le=5,
        description="reverse proxies before us, each adding to X-Forwarded-For; 0: it is not read",
    )

    @property
    def services(self) -> dict[str, str]:
        """Base URL by name of service: the only ones that the console calls."""
        return {
            "donation": self.donation_url,
            "campaign": self.campaign_url,
            "notification": self.notification_url,
            "reporting": self.reporting_url,
        }
