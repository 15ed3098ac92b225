"""What comes by HTTP: campaigns and balances; each capability beside them has an api.py of its own.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read everything here |
| desk | create, rewrite a draft's plan, file, launch, pause, close |
| finance | settle a closed campaign whose fund is empty, open it again |
| administrator | all of it; the two-person rule holds for them as well |

Each role everywhere, or at an organisation and below it: then only for what belongs there, and lists show
nothing else.

Every POST needs an `Idempotency-Key` (1 … 128 visible ASCII characters, new for each new command): sent again
with the same request it gives the same answer, a refusal as well, and has one effect; with another request it
is refused with 422. Answers about one campaign, disbursement or pledge carry an `ETag`; sent back as
`If-Match` it refuses a command (412) that was decided on an older version. Errors are RFC 9457 problem
details.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.campaign import commands, queries
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.lifecycle import State
from services.campaign.organisations import rights
from services.campaign.schemas import (
    Balance,
    Campaign,
    CampaignBody,
    CampaignPage,
    FilingBody,
    PlanBody,
    ReopenBody,
    StepBody,
)
from shared import versions
from shared.access import Person, Reach, Role, require_somewhere
from shared.events.fields import CAMPAIGN_ID, ORGANISATION_ID
from shared.http_commands import KeyHeader, command_of
from shared.run_once import Answer, Command, Runner
from shared.strict_json import StrictJsonRoute

READERS: Final[tuple[Role, ...]] = ("viewer", "desk", "finance", "approver")
NAMED_IN_QUERIES: Final = ("campaign_id", "organisation_id")

CampaignPath = Annotated[str, Path(pattern=CAMPAIGN_ID, description="The campaign's id")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
OrganisationQuery = Annotated[
    str | None, Query(pattern=ORGANISATION_ID, description="Of this organisation and those below it alone")
]
AfterId = Annotated[UUID | None, Query(description="The `next` of the part before")]
VersionHeader = Annotated[
    str | None, Header(description="The ETag the command was decided on; * or nothing: any")
]

router = APIRouter(route_class=StrictJsonRoute)


@dataclass(frozen=True, slots=True)
class Books:
    """What the routes work with; app.py puts it into `app.state.books`."""

    engine: AsyncEngine
    runner: Runner
    announcer: Announcer


@dataclass(frozen=True, slots=True)
class Sent:
    """One POST: the command, who sent it knowing which version, and the books it is for."""

    command: Command
    actor: Actor
    books: Books

    async def run(
        self, work: Callable[[AsyncConnection], Awaitable[BaseModel]], status: int = 200
    ) -> Response:
        """Run the command once, and answer with what it gives back."""

        async def answered(connection: AsyncConnection) -> Answer:
            return Answer.of(status, await work(connection))

        answer = await self.books.runner.run(self.command, answered)
        version = answer.body.get("version")
        headers = {} if version is None else {"ETag": versions.etag(version)}
        return JSONResponse(answer.body, answer.status, headers=headers)


async def books_of(request: Request) -> Books:
    """A dependency: the books of this application."""
    books = request.app.state.books
    assert isinstance(books, Books)
    return books


BooksHere = Annotated[Books, Depends(books_of)]


@dataclass(frozen=True, slots=True)
class Right:
    """Who sent a request, and where they may do what it asks for."""

    person: str
    reach: Reach


def allowed(*roles: Role, somewhere: bool = False) -> Callable[..., Awaitable[Right]]:
    """A dependency: somebody with one of `roles` at everything that the address names, in its path or as
    `campaign_id` or `organisation_id` in its query; everywhere (403) when it names nothing.

    With `somewhere` an address may name nothing: the route must itself stay within `reach`, by
    organisations/rights.py.
    """

    async def dependency(
        request: Request, books: BooksHere, person: Annotated[Person, Depends(require_somewhere(*roles))]
    ) -> Right:
        reach = person.reach(*roles)
        named = [each for each in request.path_params.items() if each[0] in rights.OWNERS]
        named += [each for each in request.query_params.multi_items() if each[0] in NAMED_IN_QUERIES]
        if not reach.everywhere and not (named or somewhere):
            raise rights.OutOfReach(
                f"You have the role at {reach} only, and this concerns all: ask one who has it everywhere."
            )
        if not reach.everywhere and named:
            async with books.engine.connect() as connection:
                for name, value in named:
                    await rights.require_named(
                        connection, reach, name, value, reading=request.method == "GET"
                    )
        return Right(person.name, reach)

    return dependency


def sent(name: str, *roles: Role, somewhere: bool = False) -> Callable[..., Awaitable[Sent]]:
    """A dependency: the command `name`, from a person with one of `roles` where it acts (`allowed`), with its
    key and version.
    """

    async def dependency(
        request: Request,
        books: BooksHere,
        right: Annotated[Right, Depends(allowed(*roles, somewhere=somewhere))],
        idempotency_key: KeyHeader = None,
        if_match: VersionHeader = None,
    ) -> Sent:
        command = await command_of(name, right.person, request, idempotency_key, if_match)
        return Sent(command, Actor(right.person, versions.expected_version(if_match), right.reach), books)

    return dependency


# ---------------------------------------------------------------- campaigns


@router.post(
    "/v1/campaigns", status_code=201, response_model=Campaign, tags=["campaigns"], summary="Create a draft"
)
async def create_campaign(
    body: CampaignBody, sent: Annotated[Sent, Depends(sent("create_campaign", "desk", somewhere=True))]
) -> Response:
    """A draft may lack parts of the plan; filing and launching need them all. 409 when the id is taken."""
    return await sent.run(lambda connection: commands.create_campaign(connection, sent.actor, body), 201)


@router.put(
    "/v1/campaigns/{campaign_id}/plan",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Rewrite a draft's plan",
)
async def rewrite_plan(
    campaign_id: CampaignPath,
    body: PlanBody,
    books: BooksHere,
    right: Annotated[Right, Depends(allowed("desk"))],
    if_match: VersionHeader = None,
) -> Response:
    """The whole plan is replaced. `If-Match` is required (428), so that no change is lost unseen (412)."""
    actor = Actor(right.person, versions.expected_version(versions.require_if_match(if_match)), right.reach)
    async with books.engine.begin() as connection:
        campaign = await commands.rewrite_plan(connection, actor, campaign_id, body)
    return tagged(campaign, campaign.version)


@router.post(
    "/v1/campaigns/{campaign_id}/file",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Note the filing number",
)
async def file_campaign(
    campaign_id: CampaignPath,
    body: FilingBody,
    sent: Annotated[Sent, Depends(sent("file_campaign", "desk"))],
) -> Response:
    """From draft, with a complete plan; for an emergency appeal also after its launch. → CampaignFiled"""
    return await sent.run(
        lambda connection: commands.file_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body
        )
    )


@router.post(
    "/v1/campaigns/{campaign_id}/launch",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Launch, or resume from paused",
)
async def launch_campaign(
    campaign_id: CampaignPath,
    sent: Annotated[Sent, Depends(sent("launch_campaign", "desk"))],
    body: StepBody | None = None,
) -> Response:
    """Refused without a filing number, except an emergency appeal. → CampaignLaunched"""
    return await sent.run(
        lambda connection: commands.launch_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body or StepBody()
        )
    )


@router.post(
    "/v1/campaigns/{campaign_id}/pause",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Pause: donations are held",
)
async def pause_campaign(
    campaign_id: CampaignPath,
    sent: Annotated[Sent, Depends(sent("pause_campaign", "desk"))],
    body: StepBody | None = None,
) -> Response:
    """From launched. → CampaignPaused"""
    return await sent.run(
        lambda connection: commands.pause_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body or StepBody()
        )
    )


@router.post(
    "/v1/campaigns/{campaign_id}/close", response_model=Campaign, tags=["campaigns"], summary="Close for good"
)
async def close_campaign(
    campaign_id: CampaignPath,
    sent: Annotated[Sent, Depends(sent("close_campaign", "desk"))],
    body: StepBody | None = None,
) -> Response:
    """From launched or paused; what is left is still disbursed. → CampaignClosed"""
    return await sent.run(
        lambda connection: commands.close_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body or StepBody()
        )
    )


@router.post(
    "/v1/campaigns/{campaign_id}/settle",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Settle (结项): nothing is left to do",
)
async def settle_campaign(
    campaign_id: CampaignPath,
    sent: Annotated[Sent, Depends(sent("settle_campaign", "finance"))],
    body: StepBody | None = None,
) -> Response:
    """From closed and filed, with nothing reserved and a balance of zero; else 409 with the figures.
    `If-Match` is required (428). → CampaignSettled
    """
    return await sent.run(
        lambda connection: commands.settle_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body or StepBody()
        )
    )


@router.post(
    "/v1/campaigns/{campaign_id}/reopen",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Open a settled campaign again",
)
async def reopen_campaign(
    campaign_id: CampaignPath,
    body: ReopenBody,
    sent: Annotated[Sent, Depends(sent("reopen_campaign", "finance"))],
) -> Response:
    """Back to closed, with the reason. `If-Match` is required (428). → CampaignClosed"""
    return await sent.run(
        lambda connection: commands.reopen_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body
        )
    )


@router.get(
    "/v1/campaigns",
    response_model=CampaignPage,
    tags=["campaigns"],
    summary="List campaigns in the order of their ids",
)
async def list_campaigns(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    organisation_id: OrganisationQuery = None,
    state: State | None = None,
    after: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="The `next` of the part before")
    ] = None,
    limit: Limit = 50,
) -> CampaignPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        asked = right.reach if organisation_id is None else Reach(frozenset({organisation_id}))
        seen = await rights.seen(connection, asked)
        items = await queries.list_campaigns(connection, seen=seen, state=state, after=after, limit=limit)
    return CampaignPage(items=items, next=next_after([item.campaign_id for item in items], limit))


@router.get(
    "/v1/campaigns/{campaign_id}",
    response_model=Campaign,
    tags=["campaigns"],
    summary="Read a campaign",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_campaign(campaign_id: CampaignPath, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        campaign = await queries.campaign(connection, campaign_id)
    return tagged(campaign, campaign.version)


@router.get(
    "/v1/campaigns/{campaign_id}/balance",
    tags=["campaigns"],
    summary="A fund's figures and the positions they stand for",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_balance(campaign_id: CampaignPath, books: BooksHere) -> Balance:
    """Everything is read at one moment, so that the sums can be recomputed from the log."""
    async with books.engine.connect() as connection:
        one_moment = await connection.execution_options(isolation_level="REPEATABLE READ")
        return await queries.balance(one_moment, campaign_id)


def tagged(model: BaseModel, version: int) -> Response:
    """The answer that shows a model, with its version as the ETag."""
    return JSONResponse(model.model_dump(mode="json"), headers={"ETag": versions.etag(version)})


def next_after(ids: Sequence[str], limit: int) -> str | None:
    """Where the next part begins; a part that isn't full is the last."""
    return ids[-1] if len(ids) == limit else None
