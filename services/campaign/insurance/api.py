"""What comes by HTTP about charity insurance.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read |
| desk, finance | enter a policy or a claim; withdraw it; ask that it is void |
| finance, approver | confirm what another person has entered; agree that it is void, or keep it |

A policy is confirmed with the paid disbursement that its premium is part of, and a claim never passes the
policy's cap. Whoever decides sends the ETag of what they have read as `If-Match` (428 without). There is no
field for the name of anybody who is covered.
"""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.campaign import queries as campaigns
from services.campaign.api import (
    READERS,
    AfterId,
    BooksHere,
    CampaignPath,
    Limit,
    Right,
    Sent,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.insurance import commands, queries
from services.campaign.insurance.schemas import (
    Claim,
    ClaimBody,
    ClaimPage,
    InsuranceTotals,
    Policy,
    PolicyBody,
    PolicyPage,
    PremiumBody,
    WhyBody,
)
from services.campaign.organisations import rights
from shared.access import Reach
from shared.events.fields import CAMPAIGN_ID
from shared.strict_json import StrictJsonRoute

router = APIRouter(route_class=StrictJsonRoute, tags=["insurance"])

READING = [Depends(allowed(*READERS))]

# ---------------------------------------------------------------- policies


@router.post(
    "/v1/campaigns/{campaign_id}/insurance-policies",
    status_code=201,
    response_model=Policy,
    summary="Enter a policy (保单)",
)
async def enter_policy(
    campaign_id: CampaignPath,
    body: PolicyBody,
    sent: Annotated[Sent, Depends(sent("enter_policy", "desk", "finance"))],
) -> Response:
    """Of a programme. It counts when another person has confirmed it."""
    return await sent.run(
        lambda connection: commands.enter_policy(connection, sent.actor, campaign_id, body), 201
    )


@router.post(
    "/v1/insurance-policies/{policy_id}/confirm",
    response_model=Policy,
    summary="Confirm a policy, second person",
)
async def confirm_policy(
    policy_id: UUID,
    body: PremiumBody,
    sent: Annotated[Sent, Depends(sent("confirm_policy", "finance", "approver"))],
) -> Response:
    """With the disbursement that has paid the premium; 409 with `remaining_fen` when it does not reach."""
    return await sent.run(lambda connection: commands.confirm_policy(connection, sent.actor, policy_id, body))


@router.post(
    "/v1/insurance-policies/{policy_id}/withdraw",
    response_model=Policy,
    summary="Withdraw or refuse a policy that waits",
)
async def withdraw_policy(
    policy_id: UUID,
    body: WhyBody,
    sent: Annotated[Sent, Depends(sent("withdraw_policy", "desk", "finance", "approver"))],
) -> Response:
    """Before it is confirmed, with the reason."""
    return await sent.run(
        lambda connection: commands.withdraw(connection, sent.actor, Policy, policy_id, body)
    )


@router.post(
    "/v1/insurance-policies/{policy_id}/void",
    response_model=Policy,
    summary="Ask that a confirmed policy is void",
)
async def ask_void_policy(
    policy_id: UUID,
    body: WhyBody,
    sent: Annotated[Sent, Depends(sent("ask_void_policy", "desk", "finance"))],
) -> Response:
    """One that was entered by mistake. It counts until another person agrees."""
    return await sent.run(
        lambda connection: commands.ask_void(connection, sent.actor, Policy, policy_id, body)
    )


@router.post(
    "/v1/insurance-policies/{policy_id}/void/confirm",
    response_model=Policy,
    summary="Agree that a policy is void, second person",
)
async def void_policy(
    policy_id: UUID, sent: Annotated[Sent, Depends(sent("void_policy", "finance", "approver"))]
) -> Response:
    """Refused while there are claims on it."""
    return await sent.run(lambda connection: commands.void(connection, sent.actor, Policy, policy_id))


@router.post(
    "/v1/insurance-policies/{policy_id}/void/withdraw",
    response_model=Policy,
    summary="Keep a policy after all",
)
async def keep_policy(
    policy_id: UUID, sent: Annotated[Sent, Depends(sent("keep_policy", "desk", "finance", "approver"))]
) -> Response:
    """That somebody has asked to void."""
    return await sent.run(lambda connection: commands.keep(connection, sent.actor, Policy, policy_id))


# ---------------------------------------------------------------- claims


@router.post(
    "/v1/insurance-policies/{policy_id}/claims",
    status_code=201,
    response_model=Claim,
    summary="Enter a claim that the insurer has paid (理赔)",
)
async def enter_claim(
    policy_id: UUID,
    body: ClaimBody,
    sent: Annotated[Sent, Depends(sent("enter_claim", "desk", "finance"))],
) -> Response:
    """At most the policy's cap (409 with `remaining_fen`), within its period, of a group that it covers."""
    return await sent.run(
        lambda connection: commands.enter_claim(connection, sent.actor, policy_id, body), 201
    )


@router.post(
    "/v1/insurance-claims/{claim_id}/confirm", response_model=Claim, summary="Confirm a claim, second person"
)
async def confirm_claim(
    claim_id: UUID, sent: Annotated[Sent, Depends(sent("confirm_claim", "finance", "approver"))]
) -> Response:
    """From now on it counts."""
    return await sent.run(lambda connection: commands.confirm_claim(connection, sent.actor, claim_id))


@router.post(
    "/v1/insurance-claims/{claim_id}/withdraw",
    response_model=Claim,
    summary="Withdraw or refuse a claim that waits",
)
async def withdraw_claim(
    claim_id: UUID,
    body: WhyBody,
    sent: Annotated[Sent, Depends(sent("withdraw_claim", "desk", "finance", "approver"))],
) -> Response:
    """Before it is confirmed, with the reason."""
    return await sent.run(lambda connection: commands.withdraw(connection, sent.actor, Claim, claim_id, body))


@router.post(
    "/v1/insurance-claims/{claim_id}/void",
    response_model=Claim,
    summary="Ask that a confirmed claim is void",
)
async def ask_void_claim(
    claim_id: UUID,
    body: WhyBody,
    sent: Annotated[Sent, Depends(sent("ask_void_claim", "desk", "finance"))],
) -> Response:
    """One that was entered by mistake. It counts until another person agrees."""
    return await sent.run(lambda connection: commands.ask_void(connection, sent.actor, Claim, claim_id, body))


@router.post(
    "/v1/insurance-claims/{claim_id}/void/confirm",
    response_model=Claim,
    summary="Agree that a claim is void, second person",
)
async def void_claim(
    claim_id: UUID, sent: Annotated[Sent, Depends(sent("void_claim", "finance", "approver"))]
) -> Response:
    """It counts no longer."""
    return await sent.run(lambda connection: commands.void(connection, sent.actor, Claim, claim_id))


@router.post(
    "/v1/insurance-claims/{claim_id}/void/withdraw", response_model=Claim, summary="Keep a claim after all"
)
async def keep_claim(
    claim_id: UUID, sent: Annotated[Sent, Depends(sent("keep_claim", "desk", "finance", "approver"))]
) -> Response:
    """That somebody has asked to void."""
    return await sent.run(lambda connection: commands.keep(connection, sent.actor, Claim, claim_id))


# ---------------------------------------------------------------- read


@router.get(
    "/v1/campaigns/{campaign_id}/insurance-policies",
    summary="List a campaign's policies, oldest first",
    dependencies=READING,
)
async def list_policies(
    campaign_id: CampaignPath, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> PolicyPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await campaigns.campaign(connection, campaign_id)
        items = await queries.list_policies(connection, campaign_id, after=after, limit=limit)
    return PolicyPage(items=items, next=next_after([str(item.policy_id) for item in items], limit))


@router.get(
    "/v1/insurance-policies/{policy_id}", response_model=Policy, summary="Read a policy", dependencies=READING
)
async def read_policy(policy_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        found = await queries.policy(connection, policy_id)
    return tagged(found, found.version)


@router.get(
    "/v1/insurance-policies/{policy_id}/claims",
    summary="List the claims on a policy, oldest first",
    dependencies=READING,
)
async def list_claims(
    policy_id: UUID, books: BooksHere, after: AfterId = None, limit: Limit = 50
) -> ClaimPage:
    """Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        await queries.policy(connection, policy_id)
        items = await queries.list_claims(connection, policy_id, after=after, limit=limit)
    return ClaimPage(items=items, next=next_after([str(item.claim_id) for item in items], limit))


@router.get(
    "/v1/insurance-claims/{claim_id}", response_model=Claim, summary="Read a claim", dependencies=READING
)
async def read_claim(claim_id: UUID, books: BooksHere) -> Response:
    """With its version as the ETag."""
    async with books.engine.connect() as connection:
        found = await queries.claim(connection, claim_id)
    return tagged(found, found.version)


@router.get("/v1/insurance-totals", summary="Policies, people covered, premiums and claims")
async def read_totals(
    books: BooksHere,
    right: Annotated[Right, Depends(allowed(*READERS, somewhere=True))],
    *,
    first: Annotated[date, Query(description="From this day on, in Asia/Shanghai")] = date(2000, 1, 1),
    last: Annotated[date, Query(description="Up to this day, it included")] = date(2199, 12, 31),
    campaign_id: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="Of this campaign only")
    ] = None,
    organisation_id: Annotated[
        str | None, Query(pattern=CAMPAIGN_ID, description="Of this organisation and all below it")
    ] = None,
) -> InsuranceTotals:
    """Of all programmes in reach, or of those that are asked for: all figures of one moment."""
    reach = right.reach if organisation_id is None else Reach(frozenset({organisation_id}))
    async with books.engine.connect() as connection:
        one_moment = await connection.execution_options(isolation_level="REPEATABLE READ")
        seen = await rights.seen(one_moment, reach)
        return await queries.totals(
            one_moment,
            first=first,
            last=last,
            campaign_ids=None if campaign_id is None else [campaign_id],
            organisations=seen,
        )
