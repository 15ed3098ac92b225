"""What the console is told by its environment."""

from pathlib import Path
from typing import Final, Self, get_args

from pydantic import Field, SecretStr, field_validator, model_validator

from services.console.oidc import Client, rights_of
from shared.access import Role
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

    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+)?$",
        description="where browsers reach the console; needed with a provider",
    )
    oidc_issuer: str | None = Field(default=None, pattern="^https?://", description="the identity provider")
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr | None = None
    oidc_scope: str = "openid profile"
    oidc_name_claim: str = Field(default="preferred_username", description="whose value is the person's name")
    oidc_roles_claim: str = "groups"
    oidc_roles: dict[str, list[str]] = Field(
        default={},
        description="a value of that claim -> roles, such as finance, or gusu:finance at one organisation;"
        " empty: administrators of the console grant roles",
    )

    @field_validator("oidc_roles")
    @classmethod
    def _roles_are_known(cls, mapping: dict[str, list[str]]) -> dict[str, list[str]]:
        for named in mapping.values():
            roles, _ = rights_of(named)
            if unknown := roles - set(get_args(Role)):
                raise ValueError(f"{', '.join(sorted(unknown))}: not a role")
        return mapping

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if self.oidc_issuer and not (self.public_url and self.oidc_client_id):
            raise ValueError("OIDC_ISSUER needs PUBLIC_URL and OIDC_CLIENT_ID")
        return self

    @property
    def oidc(self) -> Client | None:
        """The console as its identity provider knows it; None without one."""
        if self.oidc_issuer is None:
            return None
        return Client(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id,
            secret=self.oidc_client_secret,
            redirect_uri=f"{self.public_url}/sign-in/provider/return",
            scope=self.oidc_scope,
            name_claim=self.oidc_name_claim,
            roles_claim=self.oidc_roles_claim,
            roles=self.oidc_roles,
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
