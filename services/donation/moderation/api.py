"""What comes by HTTP from who decides about donors' messages (寄语).

| who (role) | may |
| --- | --- |
| moderator | read the queue, approve and refuse, change the word list and a campaign's rules |
| administrator | all of it |

Nobody else reads a message that is not approved. Decisions need an `Idempotency-Key`; the word list and the
rules are replaced as a whole, with the `If-Match` of the version that was read.
"""

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.intake import AmountFen, CampaignId
from services.donation.moderation import commands, queries
from services.donation.moderation.queries import Order, Place
from services.donation.moderation.schemas import (
    CampaignQueue,
    CampaignQueues,
    DecisionsAnswer,
    DecisionsBody,
    Message,
    MessageHistory,
    MessagePage,
    RulesBody,
    RulesView,
    Shown,
    Step,
    WordListView,
    WordsBody,
)
from services.donation.moderation.sending import DecisionSender
from shared import versions
from shared.access import Person, require
from shared.broker import PublishFailed
from shared.http_commands import Commands, Sent, Work, tagged
from shared.problems import Problem
from shared.refusals import NotFound
from shared.run_once import Runner
from shared.strict_json import StrictJsonRoute

IfMatch = Annotated[str | None, Header(description="Required: the ETag the change was decided on; *: any")]
Moderator = Annotated[Person, Depends(require("moderator"))]
MODERATORS: Final = [Depends(require("moderator"))]

router = APIRouter(prefix="/v1/messages", route_class=StrictJsonRoute, tags=["messages"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.moderation`."""

    engine: AsyncEngine
    runner: Runner
    sender: DecisionSender


async def _parts(request: Request) -> Parts:
    parts = request.app.state.moderation
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


# ---------------------------------------------------------------- the queue


@router.get("", summary="A campaign's messages in one state", dependencies=MODERATORS)
async def list_messages(
    parts: Wired,
    response: Response,
    *,
    campaign_id: CampaignId,
    state: Shown = "waiting",
    order: Annotated[
        Order, Query(description="oldest: those from the campaign's amount on stand ahead of the others")
    ] = "oldest",
    min_amount_fen: AmountFen | None = None,
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most")] = 50,
) -> MessagePage:
    """Part by part: send `next` as `after`, with the same order, until it is null. What is decided in between
    moves nothing that is still to come.
    """
    place = None if after is None else _place(after, order)
    async with parts.engine.connect() as connection:
        rows = await queries.list_messages(
            connection, campaign_id, state, order, min_amount_fen=min_amount_fen, after=place, rows=limit
        )
    response.headers["Cache-Control"] = "no-store"
    following = _cursor(rows[-1], order) if len(rows) == limit else None
    return MessagePage(items=[Message.of(row) for row in rows], next=following)


@router.get("/campaigns", summary="Where messages wait", dependencies=MODERATORS)
async def list_campaigns(parts: Wired, response: Response) -> CampaignQueues:
    """The campaigns, each with how many of its messages wait for a decision, counted to 1,000."""
    async with parts.engine.connect() as connection:
        rows = await queries.waiting(connection)
    response.headers["Cache-Control"] = "no-store"
    return CampaignQueues(items=[CampaignQueue.model_validate(row) for row in rows])


def _cursor(row: Row[Any], order: Order) -> str:
    key = row.rank if order == "oldest" else row.amount_fen
    said = f"{order} {key} {row.received_at.isoformat()} {row.message_id}"
    return base64.urlsafe_b64encode(said.encode()).decode()


def _place(cursor: str, order: Order) -> Place:
    """Where the page before ended. Raises Problem."""
    try:
        named, key, received_at, message_id = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        place = Place(int(key), datetime.fromisoformat(received_at), UUID(message_id))
        if named != order or place.received_at.tzinfo is None or abs(place.key) >= 2**63:
            raise ValueError(named)
    except (ValueError, binascii.Error):
        message = "is not the `next` of a list in this order"
        errors = [{"field": "after", "message": message}]
        raise Problem(422, "invalid-field", f"after: {message}.", errors=errors) from None
    return place


@dataclass(frozen=True)
class _Decisions(Sent[Parts]):
    """Decisions of a moderator, whose records are sent at once."""

    async def run(self, work: Work, status: int = 200, *, once: Mapping[str, Any] | None = None) -> Response:
        """As Sent does. What can't be sent now is sent soon: the answer is right already."""
        answer = await super().run(work, status, once=once)
        with suppress(SQLAlchemyError, OSError, TimeoutError, PublishFailed):
            await self.parts.sender.send()
        return answer


deciding: Final = Commands(_parts, _Decisions).sent("decide_messages", "moderator")


@router.post(
    "/decisions",
    summary="Approve, refuse and take back, up to 200 at once (审核)",
    response_model=DecisionsAnswer,
)
async def decide(body: DecisionsBody, sent: Annotated[_Decisions, Depends(deciding)]) -> Response:
    """Each is judged by itself; the answer has an item for each, in their order. A message with
    `personal_data` is approved in a call of its own only, by who has looked at it. A mistake is undone by a
    later decision: what is refused after it was approved, or reopened, leaves the screens within a second.
    `reopen` puts a message back to what it was before the last decision, when a person made that. A text is
    shown as it was given or not at all.
    """

    async def work(connection: AsyncConnection) -> DecisionsAnswer:
        return DecisionsAnswer.of(await commands.decide_all(connection, sent.person, body.decisions))

    return await sent.run(work)


# ---------------------------------------------------------------- the rules


@router.get("/words", summary="The word list (敏感词)", response_model=WordListView, dependencies=MODERATORS)
async def read_words(parts: Wired) -> Response:
    """The list in force; its version is the ETag."""
    async with parts.engine.connect() as connection:
        return tagged(WordListView.model_validate(await queries.words(connection)).model_dump(mode="json"))


@router.put("/words", summary="Replace the word list", response_model=WordListView)
async def replace_words(
    body: WordsBody, parts: Wired, person: Moderator, if_match: IfMatch = None
) -> Response:
    """The whole list, 5,000 words at most. What waits is looked at again: by the new list, within a second a
    thousand messages or so.
    """
    expected = versions.expected_version(versions.require_if_match(if_match))
    async with parts.engine.begin() as connection:
        row = await commands.set_words(connection, person.name, body.listed(), expected)
    return tagged(WordListView.model_validate(row).model_dump(mode="json"))


@router.get(
    "/rules/{campaign_id}",
    summary="What holds for a campaign's messages",
    response_model=RulesView,
    dependencies=MODERATORS,
)
async def read_rules(campaign_id: CampaignId, parts: Wired) -> Response:
    """Version 0, when nothing was set: a person decides about every message."""
    async with parts.engine.connect() as connection:
        row = await queries.rules(connection, campaign_id)
    view = RulesView(campaign_id=campaign_id) if row is None else RulesView.model_validate(row)
    return tagged(view.model_dump(mode="json"))


@router.put("/rules/{campaign_id}", summary="Set a campaign's rules", response_model=RulesView)
async def replace_rules(
    campaign_id: CampaignId,
    body: RulesBody,
    parts: Wired,
    person: Moderator,
    if_match: IfMatch = None,
) -> Response:
    """What is not named goes back to its default. What waits is looked at again."""
    expected = versions.expected_version(versions.require_if_match(if_match))
    async with parts.engine.begin() as connection:
        row = await commands.set_rules(connection, person.name, campaign_id, body.rules(), expected)
    return tagged(RulesView.model_validate(row).model_dump(mode="json"))


@router.get("/{message_id}", summary="A message and all decisions about it", dependencies=MODERATORS)
async def read_message(message_id: UUID, parts: Wired, response: Response) -> MessageHistory:
    """Who decided what, when and why."""
    async with parts.engine.connect() as connection:
        row = await queries.message(connection, message_id)
        steps = await queries.decisions_of(connection, message_id)
    if row is None:
        raise NotFound("No donation of this id has a message, or it does not count yet.")
    response.headers["Cache-Control"] = "no-store"
    history = [Step.model_validate(step) for step in steps]
    return MessageHistory(**Message.of(row).model_dump(), decisions=history)
