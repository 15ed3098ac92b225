"""What comes by HTTP about receipts.

| who (role) | may |
| --- | --- |
| finance | issue, void, reissue, record a waiver or withdraw it |
| finance, desk | read receipts, their PDF, waivers |
| administrator | all of it, and register the organisations that issue receipts |
| anyone | check a receipt by its number and code (checking.py) |

Every POST needs an `Idempotency-Key`; void and reissue need `If-Match` with the ETag of the receipt.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.receipts import queries
from services.donation.receipts.issuing import Actor, Office
from services.donation.receipts.numbering import CODE, NUMBER, Number
from services.donation.receipts.schemas import (
    IssueBody,
    Issued,
    IssuedEach,
    IssueEachBody,
    Organisation,
    OrganisationBody,
    Receipt,
    ReceiptPage,
    ReissueBody,
    VoidBody,
    Waiver,
    WaiverBody,
    WaiverPage,
)
from shared import http_commands
from shared.access import Role, require
from shared.http_commands import tagged
from shared.problems import problem_of
from shared.refusals import NotFound, Refused
from shared.run_once import Runner
from shared.strict_json import StrictJsonRoute

LISTED: Final = (
    "void: also what was replaced; overstated: valid, but money went back since: to be reissued or voided"
)
READERS: Final[tuple[Role, ...]] = ("desk", "finance")


class Restricted(Refused):
    """The paper of a donor who was erased."""

    code = "restricted"
    title = "The receipt is kept, and given out no more"


NumberPath = Annotated[str, Path(pattern=NUMBER, description="Such as SZCS-2027-0000123")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["receipts"])


class OrganisationKnown(Refused):
    """The organisation has a code, or the code an organisation."""

    code = "organisation-known"
    title = "The organisation or the code is registered"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.receipts`. `drawing`: one PDF at a time."""

    engine: AsyncEngine
    runner: Runner
    office: Office
    drawing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


async def _parts(request: Request) -> Parts:
    parts = request.app.state.receipts
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts], versioned=True).sent


def _actor(sent: Sent) -> Actor:
    return Actor(sent.person, sent.expected)


# ---------------------------------------------------------------- organisations


@router.post(
    "/receipt-organisations", status_code=201, response_model=Organisation, summary="Register an organisation"
)
async def register_organisation(
    body: OrganisationBody,
    sent: Annotated[Sent, Depends(sent("register_receipt_organisation", "administrator"))],
) -> Response:
    """Its code begins each of its numbers and stays. 409 when either is registered."""

    async def work(connection: AsyncConnection) -> Organisation:
        row = {**body.model_dump(), "registered_by": sent.person, "registered_at": datetime.now(UTC)}
        if not await queries.add_organisation(connection, row):
            raise OrganisationKnown("Look at the list of organisations.", fields=["organisation", "code"])
        return Organisation.model_validate(row)

    return await sent.run(work, 201)


@router.get(
    "/receipt-organisations",
    summary="The organisations that issue receipts",
    dependencies=[Depends(require(*READERS))],
)
async def list_organisations(parts: Wired) -> list[Organisation]:
    """In the order of their codes."""
    async with parts.engine.connect() as connection:
        rows = await queries.organisations(connection)
    return [Organisation.model_validate(row, from_attributes=True) for row in rows]


# ---------------------------------------------------------------- receipts


@router.post("/receipts", status_code=201, response_model=Receipt, summary="Issue a receipt (开具票据)")
async def issue(
    body: IssueBody, sent: Annotated[Sent, Depends(sent("issue_receipt", "finance"))]
) -> Response:
    """For one donation, or several of one donor to one organisation. What went back is subtracted."""

    async def work(connection: AsyncConnection) -> Receipt:
        number = await sent.parts.office.issue(
            connection, _actor(sent), body.donation_ids, handler=body.handler, anonymous=body.anonymous
        )
        return await _read(connection, number)

    return await sent.run(work, 201)


@router.post(
    "/receipts/each", response_model=IssuedEach, summary="Issue a receipt for each of many donations"
)
async def issue_each(
    body: IssueEachBody, sent: Annotated[Sent, Depends(sent("issue_receipts", "finance"))]
) -> Response:
    """Each donation gets its number, or the reason why it can't have one; the others go through."""

    async def work(connection: AsyncConnection) -> IssuedEach:
        made = await sent.parts.office.issue_each(
            connection, _actor(sent), body.donation_ids, handler=body.handler
        )
        pairs = zip(body.donation_ids, made, strict=True)
        return IssuedEach(items=[_issued(donation_id, each) for donation_id, each in pairs])

    return await sent.run(work)


@router.post("/receipts/{number}/void", response_model=Receipt, summary="Void a receipt (作废)")
async def void(
    number: NumberPath,
    body: VoidBody,
    sent: Annotated[Sent, Depends(sent("void_receipt", "finance", of_version=True))],
) -> Response:
    """Its number stays taken, its donations can be on another."""

    async def work(connection: AsyncConnection) -> Receipt:
        await sent.parts.office.void(connection, _actor(sent), number, reason=body.reason)
        return await _read(connection, number)

    return await sent.run(work)


@router.post(
    "/receipts/{number}/reissue", status_code=201, response_model=Receipt, summary="Replace a receipt (换开)"
)
async def reissue(
    number: NumberPath,
    body: ReissueBody,
    sent: Annotated[Sent, Depends(sent("reissue_receipt", "finance", of_version=True))],
) -> Response:
    """A new receipt that names the old one, which is void and names the new one. It states what is left of
    the donations now.
    """

    async def work(connection: AsyncConnection) -> Receipt:
        new = await sent.parts.office.reissue(
            connection,
            _actor(sent),
            number,
            handler=body.handler,
            reason=body.reason,
            anonymous=body.anonymous,
        )
        return await _read(connection, new)

    return await sent.run(work, 201)


@router.get("/receipts", summary="List receipts by number", dependencies=[Depends(require(*READERS))])
async def list_receipts(
    parts: Wired,
    *,
    code: Annotated[str | None, Query(pattern=CODE, description="The organisation's code")] = None,
    year: Annotated[int | None, Query(ge=2000, le=2199)] = None,
    state: Annotated[queries.Listed | None, Query(description=LISTED)] = None,
    donation_id: UUID | None = None,
    after: Annotated[str | None, Query(pattern=NUMBER, description="The `next` of the part before")] = None,
    limit: Limit = 50,
) -> ReceiptPage:
    """Part by part: send `next` as `after` until it is null."""
    wanted = queries.Filter(code, year, state, donation_id)
    behind = Number.parse(after) if after else None
    async with parts.engine.connect() as connection:
        rows = await queries.list_receipts(connection, wanted, after=behind, rows=limit)
        shown = await _shown(connection, rows)
    return ReceiptPage(items=shown, next=shown[-1].number if len(shown) == limit else None)


@router.get(
    "/receipts/{number}",
    response_model=Receipt,
    summary="Read a receipt",
    dependencies=[Depends(require(*READERS))],
)
async def read(number: NumberPath, parts: Wired) -> Response:
    """With its version as the ETag."""
    async with parts.engine.connect() as connection:
        shown = await _read(connection, number)
    return tagged(shown.model_dump(mode="json"))


@router.get(
    "/receipts/{number}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}},
    summary="A receipt as PDF",
    dependencies=[Depends(require(*READERS))],
)
async def download(number: NumberPath, parts: Wired) -> Response:
    """The same bytes each time, also after the receipt is void."""
    content = await _file(parts, number)
    headers = {
        "Content-Disposition": f'attachment; filename="{number}.pdf"',
        "Cache-Control": "private, no-store",
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, media_type="application/pdf", headers=headers)


# ---------------------------------------------------------------- waivers


@router.post("/receipt-waivers", status_code=201, response_model=Waiver, summary="Record a waiver (放弃票据)")
async def waive(
    body: WaiverBody, sent: Annotated[Sent, Depends(sent("waive_receipt", "finance"))]
) -> Response:
    """The donor gives up the receipt of a donation; until it is withdrawn there can be none."""

    async def work(connection: AsyncConnection) -> Waiver:
        return Waiver.of(
            await sent.parts.office.waive(
                connection, _actor(sent), body.donation_id, waived_on=body.waived_on, note=body.note
            )
        )

    return await sent.run(work, 201)


@router.post("/receipt-waivers/{waiver_id}/withdraw", response_model=Waiver, summary="Withdraw a waiver")
async def withdraw(
    waiver_id: Annotated[int, Path(ge=1, le=2**63 - 1)],
    sent: Annotated[Sent, Depends(sent("withdraw_receipt_waiver", "finance"))],
) -> Response:
    """The donor wants a receipt after all."""

    async def work(connection: AsyncConnection) -> Waiver:
        return Waiver.of(await sent.parts.office.withdraw_waiver(connection, _actor(sent), waiver_id))

    return await sent.run(work)


@router.get("/receipt-waivers", summary="List waivers", dependencies=[Depends(require(*READERS))])
async def list_waivers(
    parts: Wired,
    donation_id: UUID | None = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**63 - 1, description="The `next` of the part before")
    ] = None,
    limit: Limit = 50,
) -> WaiverPage:
    """In the order they were recorded, withdrawn ones as well."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_waivers(connection, donation_id, after=after, rows=limit)
    items = [Waiver.of(row) for row in rows]
    return WaiverPage(items=items, next=items[-1].waiver_id if len(items) == limit else None)


# ---------------------------------------------------------------- both


async def _read(connection: AsyncConnection, number: str) -> Receipt:
    row = await queries.receipt(connection, number)
    if row is None:
        raise NotFound("There is no receipt of this number.")
    (shown,) = await _shown(connection, [row])
    return shown


async def _shown(connection: AsyncConnection, rows: list[Row[Any]]) -> list[Receipt]:
    items: dict[str, list[Row[Any]]] = {row.number: [] for row in rows}
    for item in await queries.items(connection, list(items)):
        items[item.number].append(item)
    return [Receipt.of(row, items[row.number]) for row in rows]


async def _file(parts: Parts, number: str) -> bytes:
    """The receipt's PDF: made when it is asked for first (a second's work), kept from then on."""
    async with parts.engine.connect() as connection:
        shown = await _read(connection, number)
        kept = await queries.file_of(connection, number)
    if shown.restricted_until is not None:
        raise Restricted(f"Its donor was erased. The law has it kept until {shown.restricted_until}.")
    if kept is not None:
        return kept
    async with parts.drawing:
        made = await asyncio.to_thread(_drawn, shown)
    async with parts.engine.begin() as connection:
        await queries.keep_file(connection, number, made)
        kept = await queries.file_of(connection, number)  # another process may have been first
    assert kept is not None
    return kept


def _drawn(receipt: Receipt) -> bytes:
    """Its page. The typesetter is loaded with the first one: 0.3 s that no start of a worker need pay."""
    from services.donation.receipts import pdf  # noqa: PLC0415

    return pdf.draw(receipt)


def _issued(donation_id: UUID, made: str | Refused) -> Issued:
    if isinstance(made, str):
        return Issued(donation_id=donation_id, number=made)
    problem = problem_of(made)
    return Issued(donation_id=donation_id, problem=problem.type, detail=problem.detail)
