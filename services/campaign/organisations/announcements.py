"""What the others are told of organisations. An organisation's events have its id as their key."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.organisations.schemas import Organisation
from shared.events import OrganisationChanged, OrganisationRegistered
from shared.events.organisations import OrganisationData


async def registered(connection: AsyncConnection, announcer: Announcer, organisation: Organisation) -> None:
    """OrganisationRegistered: its place is chosen for good."""
    await announcer.append(
        connection,
        OrganisationRegistered,
        organisation.organisation_id,
        organisation.organisation_id,
        _data(organisation),
    )


async def changed(connection: AsyncConnection, announcer: Announcer, organisation: Organisation) -> None:
    """OrganisationChanged: other words, the same place."""
    await announcer.append(
        connection,
        OrganisationChanged,
        organisation.organisation_id,
        organisation.organisation_id,
        _data(organisation),
    )


def _data(organisation: Organisation) -> OrganisationData:
    return OrganisationData.model_validate(organisation.model_dump())
