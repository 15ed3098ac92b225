"""What of organisations comes and goes by HTTP."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.schemas import Body, Line, Next, OrganisationId


class OrganisationChangeBody(Body):
    """What the register says of an organisation. Campaigns that were filed keep what they stated then."""

    name: Line = Field(description="慈善组织名称")
    name_en: Line | None = Field(None, description="The name in English")
    licence: Line | None = Field(
        None, description="公开募捐资格证书编号; without one it raises under another's"
    )
    contact: Line | None = Field(None, description="联系方式")
    query_method: Line | None = Field(None, description="信息查询方法")


class OrganisationBody(OrganisationChangeBody):
    """A new organisation."""

    organisation_id: OrganisationId = Field(description="Chosen for good. a-z, 0-9 and . _ -")
    parent_id: OrganisationId | None = Field(
        None, description="The organisation above it, chosen for good; null: on top"
    )


class Organisation(BaseModel):
    """An organisation as the register has it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    organisation_id: str
    parent_id: str | None
    depth: int = Field(description="1: on top")
    version: int = Field(description="Grows with each change; the ETag")
    name: str
    name_en: str | None
    licence: str | None
    contact: str | None
    query_method: str | None
    registered_at: datetime
    changed_at: datetime


class OrganisationPage(BaseModel):
    """A part of the register, in the order of the ids."""

    items: list[Organisation]
    next: Next
