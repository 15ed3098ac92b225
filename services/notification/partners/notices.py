"""Mails to the owners of endpoints: slowed, well again, disabled, exhausted.

Each is written in the transaction that changes the endpoint, and leaves by the live lane (live.py), behind no
thanks. A mail whose fate is unknown is not sent again: the state it tells of stands in the list of
endpoints too, and a second mail about it would be worse than none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.utils import format_datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.couriers import mime
from services.notification.couriers.ways import MailLetter, Way
from services.notification.live import add_notice
from services.notification.partners.metrics import NOTICES
from services.notification.partners.schedule import Notice
from services.notification.quiet import SHANGHAI
from services.notification.templated import parts_of
from services.notification.thanks import one_line

SENDER: Final = "webhooks"
"""Who has such a mail sent, as its entry names it."""
DESCRIPTION_MAX: Final = 120

ENDPOINT_HEADER: Final = "X-Shanliu-Webhook-Endpoint-Id"
TITLES: Final[Mapping[Notice, tuple[str, str]]] = {
    Notice.SLOWED: ("推送地址连续失败，已放慢", "Your webhook endpoint keeps failing and is slowed"),
    Notice.RECOVERED: ("推送地址已恢复", "Your webhook endpoint is well again"),
    Notice.DISABLED_FAILING: (
        "推送地址失败一周，已停用",
        "Your webhook endpoint is disabled after a week of failures",
    ),
    Notice.DISABLED_GONE: ("推送地址答复 410，已停用", "Your webhook endpoint answered 410 and is disabled"),
    Notice.EXHAUSTED: ("有消息未能送达", "Some webhooks could not be delivered"),
}


@dataclass(frozen=True, slots=True)
class Due:
    """What an owner is told about. `waiting`, `exhausted`: the endpoint's deliveries in these states."""

    kind: Notice
    endpoint_id: UUID
    url: str
    description: str
    owner_email: str = field(repr=False)
    waiting: int
    exhausted: int


_DUE: Final = text("""
SELECT endpoint.endpoint_id, endpoint.url, endpoint.description, endpoint.owner_email, (
        SELECT count(*) FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = endpoint.endpoint_id
            AND delivery.state IN ('pending', 'sending', 'retry')
    ) AS waiting, (
        SELECT count(*) FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'exhausted'
    ) AS exhausted
FROM webhook_endpoints AS endpoint
WHERE endpoint.endpoint_id = :endpoint_id AND endpoint.state <> 'deleted'
    AND (:kind <> 'exhausted' OR NOT EXISTS (
        SELECT FROM webhook_notices
        WHERE endpoint_id = :endpoint_id AND kind = 'exhausted' AND created_at > now() - interval '1 day'
    ))
""")
_NOTE: Final = text("""
INSERT INTO webhook_notices (notice_id, endpoint_id, kind, created_at)
VALUES (:notice_id, :endpoint_id, :kind, now())
""")


async def tell(connection: AsyncConnection, sender: Address, endpoint_id: UUID, kind: Notice) -> None:
    """Have the owner of an endpoint told by mail; of exhausted deliveries once a day at most."""
    asked = {"endpoint_id": endpoint_id, "kind": kind.value}
    row = (await connection.execute(_DUE, asked)).one_or_none()
    if row is None:
        return
    due = Due(kind=kind, **row._mapping)  # noqa: SLF001 - a row as a mapping
    letter = MailLetter(due.owner_email, compose(due, sender=sender, now=datetime.now(UTC)))
    purpose = f"webhook_{kind.value}"
    notice_id = await add_notice(connection, Way.MAIL, letter, purpose=purpose, person=SENDER)
    await connection.execute(_NOTE, {**asked, "notice_id": notice_id})
    NOTICES.labels(kind.value).inc()


def compose(due: Due, *, sender: Address, now: datetime) -> bytes:
    """Write the mail, Chinese and English. `owner_email` is an address from addresses.deliverable.

    It names the endpoint by its host, not by its whole URL, whose path may hold what its owner keeps secret.
    """
    title, title_en = TITLES[due.kind]
    head = {
        "From": mime.mailbox(sender),
        "To": f"<{due.owner_email}>",
        "Subject": mime.encoded(f"{title} / {title_en}"),
        "Date": format_datetime(now),
        "Message-ID": f"<webhook-{due.kind.value}-{due.endpoint_id}-{now.timestamp():.0f}@{sender.domain}>",
        ENDPOINT_HEADER: str(due.endpoint_id),
        "Content-Language": "zh-CN, en",
        "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday note in return
    }
    values = {
        "kind": due.kind.value,
        "title": title,
        "title_en": title_en,
        "host": urlsplit(due.url).hostname,
        "description": one_line(due.description, DESCRIPTION_MAX),
        "endpoint_id": str(due.endpoint_id),
        "at": now.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        "waiting": due.waiting,
        "exhausted": due.exhausted,
    }
    text_part, html = parts_of("partner_notice", values)
    return mime.mail(head, text=text_part, html=html)
