"""What comes and goes by HTTP about charity insurance: bounded, in fen, in UTC, nobody's name."""

from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.insurance.rules import RecordState
from services.campaign.schemas import Body, Day, Fen, Line, Next, Paragraph
from shared.forms import form

People = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)]
CLAIM_NUMBER: Final = form(
    r"^[A-Za-z0-9._/-]{1,40}$", "1 to 40 of A-Z, a-z, 0-9 and . _ / -, such as 2027/0042"
)
ClaimNumber = Annotated[str, Field(strict=True, pattern=CLAIM_NUMBER)]


class GroupBody(Body):
    """People who are covered, counted."""

    group: Line = Field(description="Such as 低收入群体; never a person")
    people: People = Field(description="人数")


class PolicyBody(Body):
    """A policy (保单) as the contract with the insurer has it."""

    title: Line = Field(description="险种, such as 医惠保")
    insurer: Line = Field(description="承保公司")
    policy_number: Line = Field(description="保单号, once for an insurer")
    starts_on: Day = Field(description="First day that is covered, in Asia/Shanghai")
    ends_on: Day = Field(description="Last day that is covered")
    premium_fen: Fen = Field(description="保费, in fen, paid by a disbursement of the campaign")
    cap_fen: Fen = Field(description="单笔理赔上限: a claim is at most so much, in fen")
    limit_fen: Fen | None = Field(None, description="All claims together at most so much; null: no limit")
    groups: Annotated[list[GroupBody], Field(min_length=1, max_length=50)] = Field(
        description="Who is covered, counted by group"
    )
    renewed: bool = Field(description="续签: the cover goes on; false: newly taken out")
    renews: UUID | None = Field(None, description="Of a renewal: the policy before, if it is in these books")


class PremiumBody(Body):
    """What the second person has read."""

    disbursement_id: UUID = Field(description="The paid disbursement that the premium is part of")


class ClaimBody(Body):
    """A claim (理赔) that the insurer has paid. Without a name: the insurer's number tells which it is."""

    claim_number: ClaimNumber = Field(description="赔案号, once on a policy")
    group: Line = Field(description="One of the policy's groups")
    amount_fen: Fen = Field(description="Paid by the insurer, in fen; at most the policy's cap")
    occurred_on: Day = Field(description="When it happened, a date in Asia/Shanghai within the period")
    paid_on: Day | None = Field(None, description="When the insurer paid, not ahead; without it today")


class WhyBody(Body):
    """Why a record is withdrawn or shall be void."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class Record(BaseModel):
    """A record that two people have seen, or that waits for its second. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    state: RecordState = Field(description="Counts while it is confirmed or voiding")
    version: int = Field(description="Grows with each change; the ETag")
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None = Field(description="Why it was withdrawn, or shall be void")
    void_asked_by: str | None
    void_asked_at: datetime | None
    voided_by: str | None
    voided_at: datetime | None


class Group(BaseModel):
    """People of one group who are covered."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    group: str
    people: int


class Policy(Record):
    """A policy, whom it covers, and the claims that count."""

    policy_id: UUID
    campaign_id: str
    title: str
    insurer: str
    policy_number: str
    starts_on: date
    ends_on: date
    premium_fen: int
    cap_fen: int
    limit_fen: int | None
    renewed: bool
    renews: UUID | None
    disbursement_id: UUID | None
    groups: list[Group] = []
    people: int = 0
    claims: int = 0
    claims_fen: int = Field(0, description="Paid by the insurer; never disbursed")
    largest_claim_fen: int | None = None


class Claim(Record):
    """A claim that the insurer has paid."""

    claim_id: UUID
    policy_id: UUID
    claim_number: str
    group_name: str
    amount_fen: int
    occurred_on: date
    paid_on: date
    cap_fen: int


class PolicyPage(BaseModel):
    """A part of a campaign's policies."""

    items: list[Policy]
    next: Next


class ClaimPage(BaseModel):
    """A part of a policy's claims."""

    items: list[Claim]
    next: Next


class Cover(BaseModel):
    """Policies, and whom they cover. `groups` are the largest, at most 100; `people` has all."""

    policies: int
    people: int
    premiums_fen: int
    groups: list[Group]


class InsuranceTotals(BaseModel):
    """What counts: newly taken out and renewed by the day a policy begins, claims by the day they were paid.

    Premiums are part of what was disbursed; claims are the insurers' money and are not.
    """

    new: Cover
    renewed: Cover
    claims: int
    claims_fen: int
    largest_claim_fen: int | None
