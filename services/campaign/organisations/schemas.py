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


class Figures(BaseModel):
    """Sums over campaigns, each figure by itself: promised, received and disbursed are never added together,
    nor goods to money. Amounts in fen.
    """

    campaigns: int
    received_fen: int
    reversed_fen: int
    transferred_in_fen: int = Field(description="From other funds; of the same organisation as well")
    transferred_out_fen: int
    reserved_fen: int = Field(description="Approved, not yet paid")
    disbursed_fen: int
    returned_fen: int
    balance_fen: int = Field(description="What its funds have together; each spends its own alone")
    promised_fen: int
    promised_released_fen: int
    goods_received_fen: int = Field(description="At their values, less what went back to the donor")
    goods_distributed_fen: int = Field(description="Less what came back into the store")
    donations: int
    reversals: int
    pledges: int


class Part(BaseModel):
    """An organisation directly below, with all below it."""

    organisation_id: str
    name: str
    total: Figures


class OrganisationBalance(BaseModel):
    """What rolls up to an organisation, at one moment: total = own + what is below."""

    organisation_id: str
    name: str
    total: Figures
    own: Figures = Field(description="Of its own campaigns")
    below: list[Part]
    positions: dict[str, int] = Field(description="For each source the sequence of the last event counted")


class AssignmentBody(Body):
    """Whose campaign it is that was made before there was a register."""

    organisation_id: OrganisationId = Field(description="Chosen for good")


class OrganisationPage(BaseModel):
    """A part of the register, in the order of the ids."""

    items: list[Organisation]
    next: Next
