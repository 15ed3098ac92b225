"""What a notification process is told by its environment."""

import base64
import binascii
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from services.notification.addressees import Addressees
from services.notification.addresses import deliverable
from services.notification.couriers.provider import Timeouts
from services.notification.couriers.ways import Way
from services.notification.delivery import Backoff
from services.notification.partners.client import Bounds
from services.notification.partners.schedule import DELAYS_S, PROBE_FIRST_S
from services.notification.quiet import Quiet
from shared.access import AccessSettings
from shared.broker import KafkaSettings
from shared.service import ServiceSettings


def _hours(text: str) -> str:
    Quiet.read(text)
    return text


KEY_MIN_BYTES: Final = 32
QuietHours = Annotated[str, AfterValidator(_hours)]


class Settings(ServiceSettings, KafkaSettings, AccessSettings):
    """SMTP_FROM is "Name <address>". SMTP_TLS speaks TLS from the first byte (port 465), SMTP_STARTTLS
    changes to it (port 587). Times in seconds; quiet hours like 22:00-08:00 in Shanghai, empty: never.

    WAYS is the order in which the ways to a donor are tried on for the one message that they get.
    WECHAT_APP_SECRETS is a JSON object, {app id: secret}. Rates are of thanks, all processes together.
    """

    http_port: int = 8103
    address_key: SecretStr = Field(
        description="32 bytes in base64: hashes addresses, signs links; never changed"
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$",
        description="where anyone reaches this API: stands in mails; empty: HTTP_HOST and HTTP_PORT",
    )
    ways: str = "mail,wechat,sms"
    daily_limit: int = Field(default=5, ge=1, le=1_000, description="messages to one address a day")
    mail_quiet: QuietHours = ""
    sms_quiet: QuietHours = "22:00-08:00"
    wechat_quiet: QuietHours = "22:00-08:00"

    provider_connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    provider_timeout_s: float = Field(default=20.0, gt=0, le=300)
    sms_provider: Literal["none", "aliyun", "tencent"] = "none"
    sms_sign_name: str = ""
    sms_rate_per_s: float = Field(default=50.0, gt=0, le=3_000)
    sms_connections: int = Field(default=4, ge=1, le=32)
    aliyun_sms_url: str = "https://dysmsapi.aliyuncs.com"
    aliyun_access_key_id: str | None = None
    aliyun_access_key_secret: SecretStr | None = None
    tencent_sms_url: str = "https://sms.tencentcloudapi.com"
    tencent_sms_region: str = "ap-guangzhou"
    tencent_sms_sdk_app_id: str = ""
    tencent_secret_id: str | None = None
    tencent_secret_key: SecretStr | None = None
    sms_reply_secret: SecretStr | None = Field(
        default=None, description="stands in the address that the SMS provider posts answers to"
    )
    wechat_url: str = "https://api.weixin.qq.com"
    wechat_app_secrets: dict[str, SecretStr] = Field(default={})
    wechat_rate_per_s: float = Field(default=50.0, gt=0, le=3_000)
    wechat_connections: int = Field(default=4, ge=1, le=32)

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

    webhook_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64: encrypts partners' secrets at rest; without it none can register;"
        " several with commas while it is renewed, the new one first",
    )
    webhook_allow_http: bool = Field(default=False, description="for a test or the demo")
    webhook_allow_private: bool = Field(default=False, description="private addresses: the same")
    webhook_ca_file: Path | None = Field(default=None, description="instead of the machine's authorities")
    webhook_time_out_s: float = Field(default=15.0, gt=0, le=60, description="one call, from name to answer")
    webhook_connections: int = Field(default=8, ge=1, le=64, description="calls of one endpoint at once")
    webhook_waves: int = Field(default=32, ge=1, le=200, description="endpoints called at once")
    webhook_delays_s: tuple[float, ...] = DELAYS_S
    webhook_probe_first_s: float = Field(default=PROBE_FIRST_S, gt=0)
    webhook_log_days: int = Field(default=30, ge=8, le=366, description="how long deliveries that ended stay")

    @field_validator("smtp_from")
    @classmethod
    def _sender_is_usable(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("not one printable line")
        deliverable(parseaddr(value)[1])
        return value

    @field_validator("address_key")
    @classmethod
    def _key_is_long(cls, value: SecretStr) -> SecretStr:
        try:
            key = base64.b64decode(value.get_secret_value(), validate=True)
        except (ValueError, binascii.Error):
            raise ValueError("not base64") from None
        if len(key) < KEY_MIN_BYTES:
            raise ValueError(f"fewer than {KEY_MIN_BYTES} bytes")
        return value

    @field_validator("ways")
    @classmethod
    def _ways_are_known(cls, value: str) -> str:
        named = value.split(",")
        if len(set(named)) < len(named) or not set(named) <= {way.value for way in Way}:
            raise ValueError(f"WAYS is a choice of {', '.join(Way)}, each once, such as mail,sms")
        return value

    @model_validator(mode="after")
    def _providers_are_whole(self) -> Self:
        needed = {
            "none": (),
            "aliyun": ("aliyun_access_key_id", "aliyun_access_key_secret", "sms_sign_name"),
            "tencent": (
                "tencent_secret_id",
                "tencent_secret_key",
                "tencent_sms_sdk_app_id",
                "sms_sign_name",
            ),
        }[self.sms_provider]
        if missing := [name.upper() for name in needed if not getattr(self, name)]:
            raise ValueError(f"SMS_PROVIDER={self.sms_provider} needs {', '.join(missing)}")
        return self

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
    def usable_ways(self) -> tuple[Way, ...]:
        """The ways that this process is set up for, in the order they are tried on."""
        set_up = {
            Way.MAIL: True,
            Way.SMS: self.sms_provider != "none",
            Way.WECHAT: bool(self.wechat_app_secrets),
        }
        return tuple(way for way in map(Way, self.ways.split(",")) if set_up[way])

    @property
    def address(self) -> str:
        """Where anyone reaches this API, without a slash at the end."""
        return (self.public_url or f"http://{self.http_host}:{self.http_port}").rstrip("/")

    @property
    def addressees(self) -> Addressees:
        """Hashes of addresses and links that end messages."""
        return Addressees(base64.b64decode(self.address_key.get_secret_value()))

    @property
    def provider_timeouts(self) -> Timeouts:
        """How long a provider over HTTP may take."""
        return Timeouts(self.provider_connect_timeout_s, self.provider_timeout_s)

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
    def webhook_bounds(self) -> Bounds:
        """What a call of a partner may do."""
        return Bounds(
            self.webhook_time_out_s,
            self.webhook_connections,
            self.webhook_allow_http,
            self.webhook_allow_private,
        )

    @property
    def webhook_lease_s(self) -> float:
        """Longer than a wave of calls can last, and its record's wait for the database."""
        return self.webhook_time_out_s + 60

    @property
    def lease_s(self) -> float:
        """Longer than any attempt can last: MAIL, RCPT, DATA and the text wait for one answer each, and a
        provider over HTTP is asked four times at most (a token, a message, both again).
        """
        smtp_s = 2 * self.smtp_command_timeout_s + 2 * self.smtp_data_timeout_s
        return max(smtp_s, 4 * (self.provider_connect_timeout_s + self.provider_timeout_s)) + 60
