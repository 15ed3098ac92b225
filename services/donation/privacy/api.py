"""What comes by HTTP about donors' personal data (Personal Information Protection Law art. 45, 47).

| who (role) | may |
| --- | --- |
| finance | find a donor's donations, give out what is known, ask for an erasure |
| approver | refuse it, or have it carried out: another person than the one who asked |
| administrator | all of it |

Searches and exports are written down, and kept by nobody else: their answers are stored nowhere, so they have
no `Idempotency-Key`, and what is sought stands in the body, where no access log sees it. Commands need a key.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.privacy import commands, queries
from services.donation.privacy.schemas import (
    DonorExport,
    Erasure,
    ErasureBody,
    ErasurePage,
    ErasureState,
    ExportBody,
    FoundDonations,
    SoughtDonor,
)
from services.donation.privacy.sending import ErasureSender
from shared import http_commands
from shared.access import Person, require
from shared.broker import PublishFailed
from shared.http_commands import NO_STORE
from shared.problems import Problem, answers
from shared.run_once import Runner
from shared.strict_json import StrictJsonRoute

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["personal data"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.privacy`."""

    engine: AsyncEngine
    runner: Runner
    sender: ErasureSender


async def _parts(request: Request) -> Parts:
    parts = request.app.state.privacy
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]
Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts]).sent
Looking = Annotated[Person, Depends(require("finance"))]
_UNKNOWN_DONATION: Final = Problem(404, "unknown-donation", "Look for it: POST /v1/personal-data/find.")
_UNKNOWN: Final = Problem(404, "not-found", "There is no request of this id.")


@router.post("/personal-data/find", summary="Find a donor's donations (查询)")
async def find(parts: Wired, person: Looking, sought: SoughtDonor, response: Response) -> FoundDonations:
    """By a donation, a receipt or an address, in the body. Each search is written down: who, when, by which
    field.
    """
    async with parts.engine.begin() as connection:
        found = await commands.find(connection, person.name, sought)
    log.info("donor_sought", person=person.name, by=sought.by[0], found=len(found.items))
    response.headers.update(NO_STORE)
    return found


@router.post(
    "/personal-data/export",
    summary="All that is known of a donor (查阅, 复制)",
    responses=answers(_UNKNOWN_DONATION),
)
async def export(parts: Wired, person: Looking, body: ExportBody, response: Response) -> DonorExport:
    """For the donor who has asked, after their identity was looked at. Each export is written down."""
    async with parts.engine.begin() as connection:
        made = await commands.export(connection, person.name, body.donation_ids)
    log.info("donor_exported", person=person.name, donations=len(made.donations))
    response.headers.update(NO_STORE)
    return made


@router.post(
    "/erasures",
    status_code=201,
    response_model=Erasure,
    summary="Ask for a donor to be erased (删除)",
    responses=answers(_UNKNOWN_DONATION),
)
async def ask(body: ErasureBody, sent: Annotated[Sent, Depends(sent("ask_erasure", "finance"))]) -> Response:
    """Nothing is erased before another person has it carried out."""

    async def work(connection: AsyncConnection) -> Erasure:
        return await commands.ask(connection, sent.person, body)

    return await sent.run(work, 201)


@router.post(
    "/erasures/{erasure_id}/carry-out",
    response_model=Erasure,
    summary="Erase the donor",
    responses=answers(_UNKNOWN),
)
async def carry_out(
    erasure_id: UUID, sent: Annotated[Sent, Depends(sent("carry_out_erasure", "approver"))]
) -> Response:
    """Names, addresses and words go, here now and elsewhere within seconds; amounts and positions stay. What
    the law has kept is named in `restricted`, with its day. It can't be undone.
    """

    async def work(connection: AsyncConnection) -> Erasure:
        return await commands.carry_out(connection, sent.person, erasure_id)

    response = await sent.run(work)
    with suppress(SQLAlchemyError, OSError, TimeoutError, PublishFailed):
        await sent.parts.sender.send()
    return response


@router.post(
    "/erasures/{erasure_id}/refuse",
    response_model=Erasure,
    summary="Refuse an erasure",
    responses=answers(_UNKNOWN),
)
async def refuse(
    erasure_id: UUID, sent: Annotated[Sent, Depends(sent("refuse_erasure", "approver"))]
) -> Response:
    """Nothing was erased; the donor is told why where the request is filed."""

    async def work(connection: AsyncConnection) -> Erasure:
        return await commands.refuse(connection, sent.person, erasure_id)

    return await sent.run(work)


@router.get(
    "/erasures",
    summary="Requests to erase, newest first",
    dependencies=[Depends(require("finance", "approver"))],
)
async def listed(
    parts: Wired,
    state: ErasureState | None = None,
    after: Annotated[UUID | None, Query(description="The `next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> ErasurePage:
    """With what each has restricted. They have no personal data."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_erasures(connection, state, after, limit)
        items = await commands.shown(connection, rows)
    return ErasurePage(items=items, next=items[-1].erasure_id if len(items) == limit else None)
