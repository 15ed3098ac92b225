"""Mails to the owners of endpoints: slowed, well again, disabled, exhausted. By the service's own mail
sender.

One mail at a time, over one connection. A mail whose fate is unknown counts as sent: the state it tells of
stands in the list of endpoints too, and a second mail about it would be worse than none.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.utils import format_datetime
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import jinja2
import structlog
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notification.couriers import mime
from services.notification.couriers.mailer import Mailer
from services.notification.couriers.ways import CourierUnavailable, MailLetter
from services.notification.delivery import Outcome, State, after_attempt
from services.notification.partners.metrics import NOTICES
from services.notification.partners.schedule import Notice
from services.notification.quiet import SHANGHAI
from services.notification.settings import Settings
from services.notification.thanks import one_line

log = structlog.get_logger(__name__)

POLL_S: Final = 5.0
PAUSE_S: Final = 5.0
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
    """One notice whose turn has come. `waiting`, `exhausted`: the endpoint's deliveries in these states."""

    notice_id: int
    kind: Notice
    attempts: int
    created_at: datetime
    endpoint_id: UUID
    url: str
    description: str
    owner_email: str = field(repr=False)
    waiting: int
    exhausted: int


_TAKE: Final = text("""
WITH due AS (
    SELECT notice_id FROM webhook_notices WHERE ended_at IS NULL AND next_attempt_at <= now()
    ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE webhook_notices AS notice SET attempts = attempts + 1,
        next_attempt_at = now() + make_interval(secs => :lease_s)
    FROM due WHERE notice.notice_id = due.notice_id RETURNING notice.*
)
SELECT taken.notice_id, taken.kind, taken.attempts, taken.created_at, endpoint.endpoint_id, endpoint.url,
    endpoint.description, endpoint.owner_email, (
        SELECT count(*) FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = endpoint.endpoint_id
            AND delivery.state IN ('pending', 'sending', 'retry')
    ) AS waiting, (
        SELECT count(*) FROM webhook_deliveries AS delivery
        WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state = 'exhausted'
    ) AS exhausted
FROM taken JOIN webhook_endpoints AS endpoint USING (endpoint_id)
""")
_END: Final = text("""
UPDATE webhook_notices SET ended_at = now(), next_attempt_at = NULL, outcome = :outcome
WHERE notice_id = :notice_id AND ended_at IS NULL
""")
_AGAIN: Final = text("""
UPDATE webhook_notices SET next_attempt_at = now() + make_interval(secs => :delay_s)
WHERE notice_id = :notice_id AND ended_at IS NULL
""")


class Notifier:
    """Sends the notices that are due until it is cancelled; several processes may."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. Mail server or database away: wait and go on."""
        mailer = Mailer(self._settings)
        try:
            while True:
                try:
                    while await self._send_next(mailer):
                        pass
                    await mailer.close_if_idle()
                except ProgrammingError:
                    raise  # a statement that can't be run is a defect, not an outage
                except (SQLAlchemyError, OSError, CourierUnavailable) as error:
                    log.warning("webhook_notices_wait", error=type(error).__name__)
                    await asyncio.sleep(PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
                self._wake.clear()
        finally:
            mailer.drop()

    async def _send_next(self, mailer: Mailer) -> bool:
        """Send the notice that is due longest; False when none is."""
        async with self._engine.connect() as connection:
            if not (await connection.execute(_ANY)).scalar_one():
                return False
        await mailer.ready()
        async with self._engine.begin() as connection:
            row = (await connection.execute(_TAKE, {"lease_s": self._settings.lease_s})).one_or_none()
        if row is None:
            return False
        due = Due(**{**row._mapping, "kind": Notice(row.kind)})  # noqa: SLF001 - a row as a mapping
        mail = compose(due, sender=self._settings.sender, now=datetime.now(UTC))
        not_after_s = time.monotonic() + self._settings.lease_s
        answer = await mailer.send(MailLetter(due.owner_email, mail), not_after_s=not_after_s)
        async with self._engine.begin() as connection:
            await self._record(connection, due, answer.outcome)
        NOTICES.labels(answer.outcome.value).inc()
        log.info(
            "webhook_notice",
            endpoint_id=str(due.endpoint_id),
            kind=due.kind.value,
            outcome=answer.outcome.value,
            reason=answer.reason,
        )
        return True

    async def _record(self, connection: AsyncConnection, due: Due, outcome: Outcome) -> None:
        backoff = self._settings.backoff
        step = after_attempt(
            outcome,
            attempt=due.attempts,
            attempts_left=backoff.attempts_max - due.attempts,
            backoff=backoff,
            jitter=random.random(),  # noqa: S311 - no secret
        )
        key: dict[str, Any] = {"notice_id": due.notice_id}
        if step.state is State.RETRY:
            await connection.execute(_AGAIN, {**key, "delay_s": step.delay_s})
        else:
            await connection.execute(_END, {**key, "outcome": outcome.value})


_ANY: Final = text("""
SELECT EXISTS (SELECT FROM webhook_notices WHERE ended_at IS NULL AND next_attempt_at <= now())
""")


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
        "Message-ID": f"<webhook-notice-{due.endpoint_id}-{due.notice_id}@{sender.domain}>",
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
        "at": due.created_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
        "waiting": due.waiting,
        "exhausted": due.exhausted,
    }
    text_part = _templates().get_template("partner_notice.txt").render(values)
    html = _templates().get_template("partner_notice.html").render(values)
    return mime.mail(head, text=text_part, html=html)


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("services.notification"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
