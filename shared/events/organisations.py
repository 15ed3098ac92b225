"""Events of the register of organisations. Their source is `campaign/<partition>`, like a campaign's."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.events.envelope import Event, EventData
from shared.events.fields import Moment

Version = Annotated[int, Field(strict=True, ge=1, le=2**63 - 1)]


class OrganisationData(EventData):
    """An organisation as the register has it from `version` on. `parent_id` never changes; null: on top."""

    organisation_id: str
    parent_id: str | None = None
    version: Version
    name: str
    name_en: str | None = None
    licence: str | None = None
    contact: str | None = None
    query_method: str | None = None
    changed_at: Moment


class OrganisationRegistered(Event):
    TYPE: ClassVar[str] = "org.shanliu.organisation.registered.v1"
    type: Literal["org.shanliu.organisation.registered.v1"]
    data: OrganisationData


class OrganisationChanged(Event):
    TYPE: ClassVar[str] = "org.shanliu.organisation.changed.v1"
    type: Literal["org.shanliu.organisation.changed.v1"]
    data: OrganisationData
