"""What people do with the register of organisations: each function is one command, inside the transaction
its caller has opened.
"""

from datetime import UTC, datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.lifecycle import State
from services.campaign.organisations import announcements, hierarchy, queries, rights
from services.campaign.organisations.hierarchy import OrganisationExists
from services.campaign.organisations.schemas import (
    AssignmentBody,
    Organisation,
    OrganisationBody,
    OrganisationChangeBody,
)
from services.campaign.schemas import Campaign
from shared import versions


async def register_organisation(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, body: OrganisationBody
) -> Organisation:
    """Write an organisation into its place. Raises what its place raises, and OrganisationExists.

    Below an organisation, whoever administers that one may; on top, only who administers everything.
    """
    await rights.require_organisation(connection, actor.reach, body.parent_id)
    hierarchy.require_room(await queries.own_register(connection))
    above = None
    if body.parent_id is not None:
        above = await queries.organisation(connection, body.parent_id, field="parent_id")
    parent_depth = None if above is None else above.depth
    now = datetime.now(UTC)
    values = {
        **body.model_dump(),
        "depth": hierarchy.depth_below(body.parent_id, parent_depth or 0),
        "parent_depth": parent_depth,
        "version": 1,
        "registered_at": now,
        "changed_at": now,
    }
    organisation = await queries.add_organisation(connection, values, person=actor.person)
    if organisation is None:
        raise OrganisationExists(
            "Choose another id and name, or read the register.", fields=["organisation_id", "name"]
        )
    await announcements.registered(connection, announcer, organisation)
    return organisation


async def change_organisation(
    connection: AsyncConnection,
    announcer: Announcer,
    actor: Actor,
    organisation_id: str,
    body: OrganisationChangeBody,
) -> Organisation:
    """Put new words in the place of the register's. Raises OrganisationExists for a name that is taken."""
    known = await queries.organisation(connection, organisation_id, lock=True)
    versions.require_version(known.version, actor.expected_version)
    values = {**body.model_dump(), "changed_at": datetime.now(UTC)}
    try:
        changed = await queries.change_organisation(connection, known, values, person=actor.person)
    except IntegrityError as error:
        if "organisations_name" not in str(error.orig):
            raise
        raise OrganisationExists("Another organisation has this name.", fields=["name"]) from error
    await announcements.changed(connection, announcer, changed)
    return changed


async def assign_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: AssignmentBody
) -> Campaign:
    """Give a campaign from before the register to its organisation, for good. What it stated stays as it was
    filed. Raises OrganisationChosen, OutOfReach or NotFound.
    """
    campaign = await campaigns.campaign(connection, campaign_id, lock=True)
    versions.require_version(campaign.version, actor.expected_version)
    hierarchy.require_not_chosen(campaign.organisation_id)
    await rights.require_organisation(connection, actor.reach, body.organisation_id)
    await queries.organisation(connection, body.organisation_id)
    assigned = await campaigns.change_campaign(
        connection,
        campaign,
        action="assign",
        person=actor.person,
        now=datetime.now(UTC),
        organisation_id=body.organisation_id,
    )
    if assigned.state is not State.DRAFT:  # a draft is announced by nobody
        await announcer.campaign_changed(connection, assigned)
    return assigned
