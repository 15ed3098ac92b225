"""What comes by HTTP about organisations.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read the organisations where they have the role, and all below |
| administrator | register one below theirs, change theirs; on top only who administers everything |
| administrator of everything | give a campaign from before the register to its organisation |

Roles are granted everywhere, or at an organisation: then they hold for it and for all below it, for every
route that names something of theirs. What is not in reach is refused with 403 and left out of lists.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from services.campaign.api import (
    READERS,
    BooksHere,
    CampaignPath,
    Limit,
    Right,
    Sent,
    VersionHeader,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.commands import Actor
from services.campaign.organisations import commands, queries, rights
from services.campaign.organisations.schemas import (
    AssignmentBody,
    Organisation,
    OrganisationBalance,
    OrganisationBody,
    OrganisationChangeBody,
    OrganisationPage,
)
from services.campaign.schemas import Campaign
from shared import versions
from shared.events.fields import ORGANISATION_ID
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["organisations"])

OrganisationPath = Annotated[str, Path(pattern=ORGANISATION_ID, description="The organisation's id")]


@router.post(
    "/v1/organisations", status_code=201, response_model=Organisation, summary="Register an organisation"
)
async def register_organisation(
    body: OrganisationBody,
    sent: Annotated[Sent, Depends(sent("register_organisation", "administrator", somewhere=True))],
) -> Response:
    """Its id and its place are chosen for good. → OrganisationRegistered"""
    return await sent.run(
        lambda connection: commands.register_organisation(connection, sent.books.announcer, sent.actor, body),
        201,
    )


@router.put(
    "/v1/organisations/{organisation_id}",
    response_model=Organisation,
    summary="Change what the register says",
)
async def change_organisation(
    organisation_id: OrganisationPath,
    body: OrganisationChangeBody,
    books: BooksHere,
    right: Annotated[Right, Depends(allowed("administrator"))],
    if_match: VersionHeader = None,
) -> Response:
    """All of it is replaced, the versions before it are kept. `If-Match` is required (428).
    → OrganisationChanged
    """
    actor = Actor(right.person, versions.expected_version(versions.require_if_match(if_match)), right.reach)
    async with books.engine.begin() as connection:
        organisation = await commands.change_organisation(
            connection, books.announcer, actor, organisation_id, body
        )
    return tagged(organisation, organisation.version)


@router.get("/v1/organisations", summary="List the organisations in reach, in the order of their ids")
async def list_organisations(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    after: Annotated[
        str | None, Query(pattern=ORGANISATION_ID, description="The `next` of the part before")
    ] = None,
    limit: Limit = 50,
) -> OrganisationPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        seen = await rights.seen(connection, right.reach)
        items = await queries.list_organisations(connection, seen=seen, after=after, limit=limit)
    return OrganisationPage(items=items, next=next_after([item.organisation_id for item in items], limit))


@router.get(
    "/v1/organisations/{organisation_id}",
    response_model=Organisation,
    summary="Read an organisation",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_organisation(organisation_id: OrganisationPath, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        organisation = await queries.organisation(connection, organisation_id)
    return tagged(organisation, organisation.version)


@router.get(
    "/v1/organisations/{organisation_id}/balance",
    summary="What its funds have, and those of all below it",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_balance(organisation_id: OrganisationPath, books: BooksHere) -> OrganisationBalance:
    """Everything is read at one moment; each figure rolls up by itself."""
    async with books.engine.connect() as connection:
        one_moment = await connection.execution_options(isolation_level="REPEATABLE READ")
        return await queries.balance(one_moment, organisation_id)


@router.post(
    "/v1/campaigns/{campaign_id}/organisation",
    response_model=Campaign,
    summary="Give a campaign from before the register to its organisation",
)
async def assign_campaign(
    campaign_id: CampaignPath,
    body: AssignmentBody,
    sent: Annotated[Sent, Depends(sent("assign_campaign", "administrator"))],
) -> Response:
    """For good. Its figures roll up from now on, and who has a right there has it here. The event of its
    state goes out again, with its organisation.
    """
    return await sent.run(
        lambda connection: commands.assign_campaign(
            connection, sent.books.announcer, sent.actor, campaign_id, body
        )
    )
