"""The operators' side of notification: which thanks did not arrive, and sending one again.

Contacts are masked; a whole address leaves this service in a mail's envelope only.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.notification import queries
from services.notification.addresses import masked
from services.notification.couriers.ways import Way
from services.notification.delivery import Outcome, Resend, State
from services.notification.sender import Sender
from services.notification.settings import Settings
from shared.access import Person, require
from shared.events.fields import CAMPAIGN_ID
from shared.http_commands import KeyHeader, command_of, tagged
from shared.problems import Problem, answers
from shared.run_once import Answer, Runner
from shared.strict_json import StrictJsonRoute

REASON: Final = r"^[A-Za-z0-9_.:-]{1,80}$"
"""A stable code, such as no_template, smtp_550 or aliyun:isv.MOBILE_NUMBER_ILLEGAL."""
TROUBLES_MAX: Final = 500


class Message(BaseModel):
    """One thank-you. `contact` is masked, and null once the contact is deleted. Times in UTC."""

    donation_id: UUID
    campaign_id: str
    channel: str
    way: Way
    amount_fen: int
    occurred_at: datetime
    state: State
    attempts: int
    next_attempt_at: datetime | None
    reason: str | None
    requested_by: str | None
    contact: str | None
    created_at: datetime
    changed_at: datetime


class Attempt(BaseModel):
    """One attempt to send it; without an outcome while it is under way. `arrived` and `report`: what the
    company has said of a short message since, and the carrier's code.
    """

    attempt: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    reason: str | None
    requested_by: str | None
    provider_id: str | None
    arrived: bool | None
    report: str | None
    reported_at: datetime | None


class MessageDetails(Message):
    """A message with its last 100 attempts, newest first."""

    history: list[Attempt]


class ThanksOfDonation(BaseModel):
    """`message` is null where there is none: its donor left no contact, or it is not booked."""

    message: MessageDetails | None


class MessagePage(BaseModel):
    """Oldest first; `next` is what to send as `after` for the page behind, null at the end."""

    messages: list[Message]
    next: UUID | None


class Trouble(BaseModel):
    """How many messages did not arrive for one reason; `with_contact` of them can be sent again."""

    campaign_id: str
    way: Way
    state: State
    reason: str
    messages: int
    with_contact: int
    oldest_at: datetime


class ResendRequest(BaseModel):
    """`attempts` as they were when the person looked: a request that is repeated sends nothing twice."""

    model_config = ConfigDict(extra="forbid")

    attempts: int = Field(ge=0, le=1_000_000)


class ResendFailedRequest(BaseModel):
    """Which failed messages: `reason` as the list shows it, of a campaign and a way or of whichever. `limit`
    at most, the oldest first.
    """

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(pattern=REASON, examples=["no_template"])
    campaign_id: Annotated[str, Field(pattern=CAMPAIGN_ID)] | None = None
    way: Way | None = None
    limit: int = Field(default=1_000, ge=1, le=1_000)


class ResendFailedAnswer(BaseModel):
    """`queued` go out again; `left`: how many more there are, for another request."""

    queued: int
    left: int


class ResendAnswer(BaseModel):
    """The message is in the queue again."""

    donation_id: UUID
    state: State


_REFUSALS: Final = {
    Resend.NOT_IN_DOUBT: ("not-in-doubt", "Only a failed or an uncertain message can be sent again."),
    Resend.CHANGED: ("changed-meanwhile", "There was another attempt since. Look at the message again."),
    Resend.CONTACT_GONE: ("contact-gone", "The contact was deleted after seven days: nobody to send it to."),
}
NO_MESSAGE: Final = Problem(404, "unknown-message", "There is no message for this donation.")


def create_router(settings: Settings, engine: AsyncEngine, runner: Runner, sender: Sender) -> APIRouter:
    """GET /v1/messages (viewer), GET /v1/messages/{donation_id} (viewer), GET …/of-donation/{donation_id}
    (viewer); of one and of many: POST …/resend (desk).
    """
    router = APIRouter(tags=["messages"])
    router.include_router(_reading_router(engine))
    router.include_router(_resending_router(settings, engine, runner, sender))
    return router


def _reading_router(engine: AsyncEngine) -> APIRouter:
    router = APIRouter(prefix="/v1/messages", route_class=StrictJsonRoute)

    @router.get(
        "", summary="Messages in a state, oldest first", dependencies=[Depends(require("viewer", "desk"))]
    )
    async def list_messages(
        *,
        state: State,
        campaign_id: Annotated[str | None, Query(pattern=CAMPAIGN_ID)] = None,
        way: Way | None = None,
        reason: Annotated[str | None, Query(pattern=REASON, examples=["no_template"])] = None,
        day: Annotated[date | None, Query(description="of Shanghai, when the message was made")] = None,
        after: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> MessagePage:
        """Part by part: send `next` as `after` until it is null. Contacts are masked."""
        asked = queries.Asked(state, campaign_id, way, reason, day)
        async with engine.connect() as connection:
            rows = await queries.page(connection, asked, after=after, rows=limit + 1)
        messages = [_message(row) for row in rows[:limit]]
        return MessagePage(messages=messages, next=messages[-1].donation_id if len(rows) > limit else None)

    @router.get(
        "/troubles",
        summary="What did not arrive in the last seven days, by campaign, way, state and reason",
        dependencies=[Depends(require("viewer", "desk"))],
    )
    async def list_troubles() -> list[Trouble]:
        """The most frequent first, 500 at most. What is older can't be sent again: its contact is deleted."""
        async with engine.connect() as connection:
            rows = await queries.troubles(connection, TROUBLES_MAX)
        return [Trouble.model_validate(row, from_attributes=True) for row in rows]

    @router.get(
        "/{donation_id}",
        summary="One message and its attempts",
        dependencies=[Depends(require("viewer", "desk"))],
        responses=answers(NO_MESSAGE),
    )
    async def show_message(donation_id: UUID) -> MessageDetails:
        """With its last hundred attempts, newest first."""
        found = await _details(engine, donation_id)
        if found is None:
            raise _not_found(donation_id)
        return found

    @router.get(
        "/of-donation/{donation_id}",
        summary="What is known of a donation's thank-you, also when there is none",
        dependencies=[Depends(require("viewer", "desk"))],
    )
    async def show_thanks(donation_id: UUID) -> ThanksOfDonation:
        """For whoever has a donation and asks whether it was thanked: that nobody was is no error."""
        return ThanksOfDonation(message=await _details(engine, donation_id))

    return router


def _resending_router(settings: Settings, engine: AsyncEngine, runner: Runner, sender: Sender) -> APIRouter:
    router = APIRouter(prefix="/v1/messages", route_class=StrictJsonRoute)

    @router.post(
        "/resend",
        status_code=202,
        response_model=ResendFailedAnswer,
        summary="Send failed messages again, all that failed for one reason",
    )
    async def resend_failed(
        request: Request,
        wanted: ResendFailedRequest,
        person: Annotated[Person, Depends(require("desk"))],
        idempotency_key: KeyHeader = None,
    ) -> Response:
        """Such as `no_template`, when there is a template now. Only what failed for certain and whose contact
        is not deleted yet (seven days); what is in doubt is sent again one by one. They leave at the rate
        of all thanks.
        """
        failed = queries.Failed(wanted.reason, wanted.campaign_id, wanted.way)

        async def work(connection: AsyncConnection) -> Answer:
            queued, left = await queries.resend_failed(
                connection,
                failed,
                rows=wanted.limit,
                person=person.name,
                attempts_max=settings.attempts_max,
            )
            return Answer.of(202, ResendFailedAnswer(queued=queued, left=left))

        answer = await runner.run(
            await command_of("resend_failed_messages", person.name, request, idempotency_key), work
        )
        sender.wake()
        return tagged(answer.body, answer.status)

    @router.post(
        "/{donation_id}/resend",
        status_code=202,
        summary="Send a failed or uncertain message again",
        responses=answers(NO_MESSAGE, *(Problem(409, code, detail) for code, detail in _REFUSALS.values())),
    )
    async def resend(
        donation_id: UUID, wanted: ResendRequest, person: Annotated[Person, Depends(require("desk"))]
    ) -> ResendAnswer:
        """`attempts` as they were when the person looked: a request that is repeated sends nothing twice."""
        async with engine.begin() as connection:
            result = await queries.resend(
                connection,
                donation_id,
                attempts_seen=wanted.attempts,
                person=person.name,
                attempts_max=settings.attempts_max,
            )
        if result is None:
            raise _not_found(donation_id)
        verdict, state = result
        if verdict is not Resend.ALLOWED:
            raise _refused(verdict, state)
        sender.wake()
        return ResendAnswer(donation_id=donation_id, state=state)

    return router


def _message(row: Row[Any]) -> Message:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    addresses = [values.pop(field) for field in ("email", "phone", "wechat_openid")]
    address = addresses[list(Way).index(Way(row.way))] or next(filter(None, addresses), None)
    return Message.model_validate({**values, "contact": masked(address) if address else None})


async def _details(engine: AsyncEngine, donation_id: UUID) -> MessageDetails | None:
    async with engine.connect() as connection:
        row, history = await queries.find(connection, donation_id)
    if row is None:
        return None
    attempts = [Attempt.model_validate(each, from_attributes=True) for each in history]
    return MessageDetails(**_message(row).model_dump(), history=attempts)


def _not_found(donation_id: UUID) -> Problem:
    return Problem(404, "unknown-message", f"There is no message for donation {donation_id}.")


def _refused(verdict: Resend, state: State) -> Problem:
    code, detail = _REFUSALS[verdict]
    return Problem(409, code, detail, state=state.value)
