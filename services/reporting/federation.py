"""What rolls up to each organisation: its own campaigns and those of all below it, of one moment.

All organisations are read together and at most once a second, however many ask: a federation has some
hundreds of campaigns, and each answer is one snapshot of the database.
"""

import asyncio
import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.api import FRESH_FOR_A_SECOND, PUBLIC, UNCHANGED
from services.reporting.proof import organisation_digest, version_of
from services.reporting.schemas import (
    CampaignSummary,
    OrganisationLine,
    OrganisationList,
    OrganisationTotals,
    RolledUp,
)
from services.reporting.totals import CampaignState, OrganisationName
from shared.federation import MAX_LEVELS, roll_up
from shared.problems import Problem, answers
from shared.versions import matches

FRESH_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Federation:
    """Every organisation with its sums, at the positions."""

    names: Mapping[str, OrganisationName]
    campaigns: Mapping[str, Sequence[CampaignState]]
    own: Mapping[str, Counter[str]]
    total: Mapping[str, Counter[str]]
    positions: Mapping[str, int]
    as_of: datetime

    @classmethod
    def of(
        cls, names: Iterable[OrganisationName], states: Iterable[CampaignState], positions: Mapping[str, int]
    ) -> "Federation":
        """Roll up the states of one moment. A campaign of an organisation not heard of yet counts nowhere."""
        known = {each.organisation_id: each for each in names}
        campaigns: defaultdict[str, list[CampaignState]] = defaultdict(list)
        own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for state in states:
            organisation_id = state.plan.organisation_id
            if organisation_id is not None:
                campaigns[organisation_id].append(state)
                own[organisation_id].update(_sums(state))
        total = roll_up({name: each.parent_id for name, each in known.items()}, own)
        return cls(known, campaigns, own, total, positions, datetime.now(UTC))

    def line(self, name: OrganisationName) -> OrganisationLine:
        """One organisation with all below it."""
        return OrganisationLine(
            organisation_id=name.organisation_id,
            parent_id=name.parent_id,
            name=name.name,
            name_en=name.name_en,
            level=len(self._above(name)) + 1,
            total=RolledUp(**self.total[name.organisation_id]),
        )

    def _above(self, name: OrganisationName) -> list[OrganisationName]:
        """Those that stand above it, the nearest first."""
        found: list[OrganisationName] = []
        above = self.names.get(name.parent_id or "")
        while above is not None and len(found) < MAX_LEVELS:
            found.append(above)
            above = self.names.get(above.parent_id or "")
        return found

    def listed(self) -> OrganisationList:
        """All of them, each below the one above it."""
        below: defaultdict[str | None, list[OrganisationName]] = defaultdict(list)
        for name in self.names.values():
            below[name.parent_id if name.parent_id in self.names else None].append(name)
        ordered: list[OrganisationName] = []
        waiting = below[None][::-1]
        while waiting:
            name = waiting.pop()
            ordered.append(name)
            waiting += below[name.organisation_id][::-1]
        lines = [self.line(name) for name in ordered]
        return OrganisationList(organisations=lines, version=version_of(self.positions), as_of=self.as_of)

    def totals(self, organisation_id: str) -> OrganisationTotals | None:
        """What rolls up to one; None when nobody has heard of it."""
        name = self.names.get(organisation_id)
        if name is None:
            return None
        line = self.line(name)
        newest = sorted(
            self.campaigns.get(organisation_id, ()), key=lambda state: state.plan.window_start, reverse=True
        )
        below = [self.line(each) for each in self.names.values() if each.parent_id == organisation_id]
        return OrganisationTotals(
            **line.model_dump(),
            licence=name.licence,
            contact=name.contact,
            query_method=name.query_method,
            own=RolledUp(**self.own.get(organisation_id, Counter())),
            below=sorted(below, key=lambda each: each.total.net_fen, reverse=True),
            campaigns=[CampaignSummary.of(state) for state in newest],
            positions=dict(self.positions),
            version=version_of(self.positions),
            digest=organisation_digest(organisation_id, self.positions, line.total.model_dump()),
            as_of=self.as_of,
        )


def _sums(state: CampaignState) -> dict[str, int]:
    amounts = state.amounts
    return {
        **amounts.model_dump(include=RolledUp.model_fields.keys() & type(amounts).model_fields.keys()),
        "net_fen": amounts.net_fen,
        "promised_released_fen": state.promised_released_fen,
        "campaigns": 1,
    }


class FederationView:
    """The federation as it was at most a second ago."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._known: tuple[float, Federation] | None = None

    async def look(self) -> Federation:
        """Read it, or give what was read in the last second. One reads at a time, the others wait for it."""
        async with self._lock:
            if self._known is None or time.monotonic() - self._known[0] > FRESH_S:
                names, states, positions = await queries.read_federation(self._engine)
                self._known = (time.monotonic(), Federation.of(names, states, positions))
            return self._known[1]

    async def listed(self) -> OrganisationList:
        """All organisations."""
        return (await self.look()).listed()

    async def totals(self, organisation_id: str) -> OrganisationTotals | None:
        """What rolls up to one; None when nobody has heard of it."""
        return (await self.look()).totals(organisation_id)


def organisations_router(view: FederationView) -> APIRouter:
    """What everybody may read of organisations."""
    router = APIRouter(tags=["organisations"])

    @router.get("/v1/organisations", summary="All organisations, each with all below it")
    async def list_organisations(response: Response) -> OrganisationList:
        """Each below the one above it, with the sums of its own campaigns and of all below it."""
        response.headers.update({**PUBLIC, "Cache-Control": FRESH_FOR_A_SECOND})
        return await view.listed()

    @router.get(
        "/v1/organisations/{organisation_id}/totals",
        summary="What rolls up to an organisation, its positions and digest",
        response_model=OrganisationTotals,
        responses=UNCHANGED
        | answers(Problem(404, "unknown-organisation", "No organisation with this id is registered.")),
    )
    async def totals(organisation_id: str, request: Request) -> Response:
        """Of one moment, with the positions and the digest that prove it."""
        found = await view.totals(organisation_id)
        if found is None:
            raise Problem(404, "unknown-organisation", "No organisation with this id is registered.")
        body = found.model_dump_json().encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = {**PUBLIC, "Cache-Control": FRESH_FOR_A_SECOND, "ETag": etag}
        if matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    return router
