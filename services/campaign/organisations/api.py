"""What comes by HTTP about organisations.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read the organisations where they have the role, and all below |
| administrator | register one below theirs, change theirs; on top only who administers everything |

Roles are granted everywhere, or at an organisation: then they hold for it and for all below it, for every
route that names something of theirs. What is not in reach is refused with 403 and left out of lists.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from services.campaign.api import (
    READERS,
    BooksHere,
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
    Organisation,
    OrganisationBody,
    OrganisationChangeBody,
    OrganisationPage,
)
from shared import versions
from shared.events.fields import ORGANISATION_ID
from shared.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/organisations", route_class=StrictJsonRoute, tags=["organisations"])

OrganisationPath = Annotated[str, Path(pattern=ORGANISATION_ID, description="The organisation's id")]


@router.post("", status_code=201, response_model=Organisation, summary="Register an organisation")
async def register_organisation(
    body: OrganisationBody,
    sent: Annotated[Sent, Depends(sent("register_organisation", "administrator", somewhere=True))],
) -> Response:
    """Its id and its place are chosen for good. → OrganisationRegistered"""
    return await sent.run(
        lambda connection: commands.register_organisation(connection, sent.books.announcer, sent.actor, body),
        201,
    )


@router.put("/{organisation_id}", response_model=Organisation, summary="Change what the register says")
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


@router.get("", summary="List the organisations in reach, in the order of their ids")
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
    "/{organisation_id}",
    response_model=Organisation,
    summary="Read an organisation",
    dependencies=[Depends(allowed(*READERS))],
)
async def read_organisation(organisation_id: OrganisationPath, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        organisation = await queries.organisation(connection, organisation_id)
    return tagged(organisation, organisation.version)
