"""What comes and goes by HTTP about disbursements."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.schemas import Body, Fen, Line, Next
from services.campaign.spending.rules import DisbursementState
from shared.events.campaigns import BeneficiaryUnit


class DisbursementBody(Body):
    """A request to spend from a campaign's fund (拨付申请)."""

    amount_fen: Fen = Field(description="In fen")
    use: Line = Field(description="用途, published with the disbursement")
    payee: Line = Field(description="收款方; stays in this service")
    beneficiaries: Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)] = Field(
        description="How many are helped"
    )
    beneficiary_unit: BeneficiaryUnit = Field(description="person_times 人次, households 户, schools 所")


class Disbursement(BaseModel):
    """A disbursement and who did what with it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    disbursement_id: UUID
    campaign_id: str
    state: DisbursementState
    version: int = Field(description="Grows with each change; the ETag")
    amount_fen: int
    use: str
    payee: str
    beneficiaries: int
    beneficiary_unit: BeneficiaryUnit
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    paid_by: str | None
    paid_at: datetime | None


class DisbursementPage(BaseModel):
    """A part of a campaign's disbursements."""

    items: list[Disbursement]
    next: Next
