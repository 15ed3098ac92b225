"""Operational messages: a lane of their own for each way, which never waits behind thanks.

They are few, written by this service for its operators (tests of templates) and for partners (what became of
their endpoints), and go at once: no rate of thanks, no quiet hours, a courier that carries nothing else.
Mails about donors' receipts are notices too, with a worker of their own that keeps the rate of the thanks
and the quiet hours. The rule about doubt is the same: what may have been taken is not sent again.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from pydantic import TypeAdapter
from sqlalchemy import Row, text
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notification.couriers.ways import (
    Courier,
    CourierUnavailable,
    Letter,
    MailLetter,
    SmsLetter,
    Way,
    WechatLetter,
)
from services.notification.delivery import Answer, Backoff, State, after_attempt
from services.notification.lanes import Lane
from services.notification.metrics import ATTEMPTS
from services.notification.pace import reserve
from services.notification.settings import Settings
from services.notification.working import Workers

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
PAUSE_S: Final = 1.0
TEST: Final = "test"
"""The purpose of a message that an operator has sent to themselves."""
RECEIPT: Final = "receipt"
"""The purpose of a mail to a donor about a receipt."""
TEST_BACKOFF: Final = Backoff(first_s=5.0, cap_s=300.0, attempts_max=5)
"""An operator waits for it: after ten minutes it is of no use. Others are tried as long as thanks are."""
KINDS: Final[dict[Way, type[Letter]]] = {
    Way.MAIL: MailLetter,
    Way.SMS: SmsLetter,
    Way.WECHAT: WechatLetter,
}

_ADD: Final = text("""
INSERT INTO notices (notice_id, way, purpose, letter, state, next_attempt_at, requested_by, created_at,
    changed_at)
VALUES (:notice_id, :way, :purpose, :letter, 'pending', now(), :requested_by, now(), now())
""")
_OF_PERSON: Final = text("""
SELECT count(*) FROM notices WHERE requested_by = :person AND created_at > now() - interval '1 hour'
""")
_CLAIM: Final = text("""
WITH due AS (
    SELECT notice_id FROM notices
    WHERE state IN ('pending', 'retry') AND way = :way AND next_attempt_at <= now()
        AND (purpose = 'receipt') = :receipt
    ORDER BY next_attempt_at, notice_id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE notices SET state = 'sending', attempts = attempts + 1, next_attempt_at = NULL,
    lease_until = now() + make_interval(secs => :lease_s), changed_at = now()
FROM due WHERE notices.notice_id = due.notice_id
RETURNING notices.notice_id, notices.attempts, notices.letter, notices.purpose
""")
_DUE: Final = text("""
SELECT EXISTS (
    SELECT FROM notices WHERE state IN ('pending', 'retry') AND way = :way AND next_attempt_at <= now()
        AND (purpose = 'receipt') = :receipt
)
""")
_FINISH: Final = text("""
UPDATE notices SET state = :state, reason = :reason, provider_id = :provider_id, lease_until = NULL,
    changed_at = now(), next_attempt_at = now() + make_interval(secs => CAST(:delay_s AS double precision)),
    letter = CASE WHEN :state = 'retry' THEN letter END
WHERE notice_id = :notice_id AND attempts = :attempt AND state = 'sending'
""")
_EXPIRE: Final = text("""
UPDATE notices SET state = 'uncertain', reason = 'sender_died', lease_until = NULL, letter = NULL,
    changed_at = now()
WHERE state = 'sending' AND lease_until < now()
""")
_ONE: Final = text("SELECT * FROM notices WHERE notice_id = :notice_id")


async def add_notice(
    connection: AsyncConnection,
    way: Way,
    letter: Letter,
    *,
    purpose: str,
    person: str,
    notice_id: UUID | None = None,
) -> UUID:
    """Have an operational message sent; it goes after the commit, by the next poll at the latest."""
    chosen = notice_id or uuid4()
    values = {
        "notice_id": chosen,
        "way": way.value,
        "purpose": purpose,
        "letter": TypeAdapter(KINDS[way]).dump_json(letter),
        "requested_by": person,
    }
    await connection.execute(_ADD, values)
    return chosen


async def of_person_last_hour(connection: AsyncConnection, person: str) -> int:
    """How many a person has had sent within the hour."""
    return int((await connection.execute(_OF_PERSON, {"person": person})).scalar_one())


async def find_notice(connection: AsyncConnection, notice_id: UUID) -> Row[Any] | None:
    """One operational message."""
    return (await connection.execute(_ONE, {"notice_id": notice_id})).one_or_none()


async def expire_notices(connection: AsyncConnection) -> int:
    """What a process died over is in doubt, and its letter is forgotten."""
    return (await connection.execute(_EXPIRE)).rowcount


@dataclass(frozen=True, slots=True)
class _Held:
    notice_id: UUID
    attempt: int
    purpose: str
    letter: Letter = field(repr=False)


class LiveSender(Workers):
    """One worker for each way, beside those of the thanks. `receipts`: it sends those, and nothing else."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, lanes: Sequence[Lane], *, receipts: bool = False
    ) -> None:
        super().__init__("receipt_sender" if receipts else "live_sender", lanes, [1] * len(lanes))
        self._receipts = receipts
        self._lease_s = settings.lease_s
        self._backoff = settings.backoff
        self._engine = engine

    async def _work(self, lane: Lane) -> None:
        courier = lane.courier()
        try:
            while not self._stopping.is_set():
                try:
                    if not await self._send_next(lane, courier):
                        await self._rest(lane, POLL_S)
                        await courier.close_if_idle()
                except ProgrammingError:
                    raise  # a statement that can't be run is a defect, not an outage
                except (CourierUnavailable, SQLAlchemyError, OSError) as error:
                    log.warning("live_sender_waits", way=lane.way, error=type(error).__name__)
                    await self._rest(lane, PAUSE_S)
        finally:
            await courier.close()

    async def _send_next(self, lane: Lane, courier: Courier) -> bool:
        if self._receipts and lane.quiet.holds(datetime.now(UTC)):
            return False
        asked = {"way": lane.way.value, "receipt": self._receipts}
        async with self._engine.connect() as connection:
            if not (await connection.execute(_DUE, asked)).scalar_one():
                return False
        if self._receipts:
            await asyncio.sleep(await reserve(self._engine, lane.way, lane.per_second))
        await courier.ready()
        async with self._engine.begin() as connection:
            row = (await connection.execute(_CLAIM, asked | {"lease_s": self._lease_s})).one_or_none()
        if row is None:
            return False
        letter = TypeAdapter(KINDS[lane.way]).validate_json(row.letter)
        held = _Held(row.notice_id, row.attempts, row.purpose, letter)
        answer = await courier.send(letter, not_after_s=time.monotonic() + self._lease_s)
        await self._record(held, answer)
        return True

    async def _record(self, held: _Held, answer: Answer) -> None:
        backoff = TEST_BACKOFF if held.purpose == TEST else self._backoff
        step = after_attempt(
            answer.outcome,
            attempt=held.attempt,
            attempts_left=backoff.attempts_max - held.attempt,
            backoff=backoff,
            jitter=random.random(),  # noqa: S311 - no secret
        )
        said = {
            "notice_id": held.notice_id,
            "attempt": held.attempt,
            "state": step.state.value,
            "reason": answer.reason,
            "provider_id": answer.provider_id,
            "delay_s": step.delay_s if step.state is State.RETRY else None,
        }
        async with self._engine.begin() as connection:
            await connection.execute(_FINISH, said)
        ATTEMPTS.labels(answer.outcome.value).inc()
        log.info(
            "notice_attempt_ended",
            notice_id=str(held.notice_id),
            purpose=held.purpose,
            outcome=answer.outcome.value,
            reason=answer.reason,
        )
