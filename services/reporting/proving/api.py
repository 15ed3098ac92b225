"""Numbers that were shown: found again by the digest in a screen's small type."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.api import PUBLIC
from services.reporting.proving import queries
from services.reporting.proving.codes import SHORTEST, TYPED, digest_typed
from services.reporting.proving.schemas import Proof
from shared.events.fields import CAMPAIGN_ID
from shared.problems import Problem, answers

FOR_A_DAY: Final = "public, max-age=86400"
"""What was shown then does not change."""
UNKNOWN: Final = Problem(
    404,
    "unknown-proof",
    "This campaign has shown no number with this digest, or it is not kept any more: all are for seven days,"
    " then one a minute, and what a screen was frozen at for ever.",
)
AMBIGUOUS: Final = Problem(409, "ambiguous-digest", "Two digests begin so. Give more of it.")
CampaignPath = Annotated[str, Path(pattern=CAMPAIGN_ID, description="The campaign's id")]
DigestPath = Annotated[
    str,
    Path(
        pattern=TYPED,
        description=f"The digest or its beginning, {SHORTEST} digits at least; case, spaces, - don't count",
    ),
]


class Proofs:
    """Finds what was shown."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, campaign_id: str, typed: str) -> Proof:
        """The number whose digest was typed. Raises Problem: unknown, ambiguous, or no digest."""
        beginning = digest_typed(typed)
        if beginning is None:
            wrong = f"must be {SHORTEST} to 64 hexadecimal digits"
            errors = [{"field": "digest", "message": wrong}]
            raise Problem(422, "invalid-field", f"digest: {wrong}", errors=errors)
        rows = await queries.find(self._engine, campaign_id, beginning)
        if not rows:
            raise UNKNOWN
        if len(rows) > 1:
            raise AMBIGUOUS
        return Proof.of(rows[0])


def proofs_router(proofs: Proofs) -> APIRouter:
    """What everybody may ask."""
    router = APIRouter(tags=["proofs"])

    @router.get(
        "/v1/campaigns/{campaign_id}/proofs/{digest}",
        summary="A number that was shown, by its digest",
        responses=answers(UNKNOWN, AMBIGUOUS),
    )
    async def proof(campaign_id: CampaignPath, digest: DigestPath, response: Response) -> Proof:
        """Its version, when it was shown, its amounts, the positions it counted up to and how many donations,
        and whether the digest made of them anew is the same. `shanliu verify --digest` adds the donations up
        again. Names nobody.
        """
        found = await proofs.find(campaign_id, digest)
        response.headers.update({**PUBLIC, "Cache-Control": FOR_A_DAY})
        return found

    return router
