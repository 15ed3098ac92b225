"""The lanes by which thanks leave: for each way its couriers, its rate and its quiet hours."""

from collections.abc import Callable
from dataclasses import dataclass

from services.notification.couriers.mailer import Mailer
from services.notification.couriers.sms_aliyun import AliyunSms
from services.notification.couriers.sms_tencent import TencentSms
from services.notification.couriers.ways import Courier, Way
from services.notification.couriers.wechat import Tokens, Wechat
from services.notification.quiet import Quiet
from services.notification.settings import Settings


@dataclass(frozen=True, slots=True)
class Lane:
    """`per_second` is the rate of thanks, of all processes together; `courier` makes one for a worker."""

    way: Way
    courier: Callable[[], Courier]
    workers: int
    per_second: float
    quiet: Quiet


def lanes(settings: Settings) -> list[Lane]:
    """A lane for each way that this process is set up for."""
    tokens = Tokens(settings.wechat_app_secrets)
    sms = AliyunSms if settings.sms_provider == "aliyun" else TencentSms
    made = {
        Way.MAIL: Lane(
            Way.MAIL,
            lambda: Mailer(settings),
            settings.smtp_connections,
            settings.smtp_rate_per_s,
            Quiet.read(settings.mail_quiet),
        ),
        Way.SMS: Lane(
            Way.SMS,
            lambda: sms(settings),
            settings.sms_connections,
            settings.sms_rate_per_s,
            Quiet.read(settings.sms_quiet),
        ),
        Way.WECHAT: Lane(
            Way.WECHAT,
            lambda: Wechat(settings, tokens),
            settings.wechat_connections,
            settings.wechat_rate_per_s,
            Quiet.read(settings.wechat_quiet),
        ),
    }
    # Mail's lane runs in any case: what nothing can reach is ended there.
    return [lane for way, lane in made.items() if way is Way.MAIL or way in settings.usable_ways]
