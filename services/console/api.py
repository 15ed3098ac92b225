"""What the console answers itself: who is signed in, how the services are, the audit log, tables as files."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console import audit
from services.console.audit import Entry, Filter, Kind
from services.console.forwarding import Forwarder, roles_said
from services.console.guard import Guard
from services.console.health import Health, Watch
from services.console.sessions import Session
from services.console.spreadsheets import MAX_BYTES, Sheet, as_csv, as_xlsx
from shared.bodies import bounded_body
from shared.problems import Problem, unprocessable

MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
Service = Literal["donation", "campaign", "notification", "reporting", "console"]


def _utc(time: datetime | None) -> datetime | None:
    return time.astimezone(UTC) if time else None


class AuditQuery(BaseModel):
    """Which rows, and how many of them."""

    model_config = ConfigDict(extra="forbid")

    person: str | None = Field(None, max_length=64)
    kind: Kind | None = None
    service: Service | None = None
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")
    outcome: Literal["done", "refused"] | None = None
    after: int | None = Field(None, ge=1, le=2**62, description="The `next` before")
    limit: int = Field(50, ge=1, le=500)

    @property
    def filter(self) -> Filter:
        """As the log takes it."""
        refused = None if self.outcome is None else self.outcome == "refused"
        return Filter(self.person, self.kind, self.service, _utc(self.start), _utc(self.end), refused)


class AuditRow(BaseModel):
    """One act. `summary` names fields, never what stood in them."""

    sequence: int
    at: datetime
    kind: Kind
    person: str
    roles: list[str] = Field(description="At one organisation: role@organisation")
    address: str
    method: str | None
    service: str | None
    path: str | None
    status: int | None
    idempotency_key: str | None
    summary: str
    hash: str = Field(description="SHA-256 over the row and the hash before it, in hexadecimal")


class AuditPage(BaseModel):
    """The newest first."""

    items: list[AuditRow]
    next: int | None = Field(description="Send it as `after` for the next part; null: the end")


class AuditCheck(BaseModel):
    """What looking through the whole chain has found."""

    rows: int
    head: int
    head_hash: str
    whole: bool
    broken_at: int | None = Field(description="The first row that is not as it was written, or is missing")


class Me(BaseModel):
    """Who is signed in."""

    person: str
    roles: list[str]
    grants: dict[str, list[str]]
    way: str
    ends_at: datetime
    csrf: str = Field(description="What unsafe calls carry; other sites' pages can't read it")


def console_router(engine: AsyncEngine, guard: Guard, forwarder: Forwarder) -> APIRouter:
    """All of it, below /api/console."""
    router = APIRouter(prefix="/api/console")
    router.include_router(_own_router(guard, forwarder))
    router.include_router(_audit_router(engine, guard))
    router.include_router(_export_router(engine, guard))
    return router


def _own_router(guard: Guard, forwarder: Forwarder) -> APIRouter:
    router = APIRouter(tags=["session"])
    watch = Watch(forwarder)

    @router.get("/me", summary="Who is signed in")
    async def me(session: Annotated[Session, Depends(guard.session)], response: Response) -> Me:
        """With the roles of now."""
        response.headers["Cache-Control"] = "no-store"
        return Me(
            person=session.person.name,
            roles=sorted(session.person.roles),
            grants={place: sorted(roles) for place, roles in session.person.grants.items()},
            way=session.way,
            ends_at=session.ends_at,
            csrf=session.csrf,
        )

    @router.get("/health", summary="How the services are")
    async def health(_: Annotated[Session, Depends(guard.session)], response: Response) -> Health:
        """Each service's /readyz, asked at most once in two seconds however many look."""
        response.headers["Cache-Control"] = "no-store"
        return await watch.look()

    return router


def _audit_router(engine: AsyncEngine, guard: Guard) -> APIRouter:
    router = APIRouter(tags=["audit"])

    async def administrator(session: Annotated[Session, Depends(guard.session)]) -> Session:
        guard.require_administrator(session)
        return session

    @router.get("/audit", summary="Who did what", dependencies=[Depends(administrator)])
    async def read(wanted: Annotated[AuditQuery, Query()], response: Response) -> AuditPage:
        """The newest first."""
        response.headers["Cache-Control"] = "no-store"
        async with engine.connect() as connection:
            rows = await audit.read(connection, wanted.filter, wanted.after, wanted.limit)
        items = [AuditRow.model_validate({**row, "hash": bytes(row["hash"]).hex()}) for row in rows]
        return AuditPage(items=items, next=items[-1].sequence if len(items) == wanted.limit else None)

    @router.get("/audit/check", summary="Look the whole log through", dependencies=[Depends(administrator)])
    async def check(response: Response) -> AuditCheck:
        """Computes every hash anew; says the first row that is broken."""
        response.headers["Cache-Control"] = "no-store"
        found = await audit.check(engine)
        return AuditCheck(
            rows=found.rows,
            head=found.head,
            head_hash=found.head_hash.hex(),
            whole=found.broken_at is None,
            broken_at=found.broken_at,
        )

    return router


def _export_router(engine: AsyncEngine, guard: Guard) -> APIRouter:
    router = APIRouter(tags=["export"])

    @router.post("/sheets/{form}", summary="A table as a file", response_class=Response)
    async def export(
        form: Literal["csv", "xlsx"], request: Request, session: Annotated[Session, Depends(guard.session)]
    ) -> Response:
        """What a page shows, as CSV or XLSX. That it was taken is on the record."""
        sheet = _sheet(await bounded_body(request, MAX_BYTES, 60))
        made = await asyncio.to_thread(as_csv if form == "csv" else as_xlsx, sheet)
        entry = Entry(
            "export",
            session.person.name,
            guard.address(request),
            f"{sheet.name}, {len(sheet.rows)} rows, {form}",
            roles_said(session),
        )
        async with engine.begin() as connection:
            await audit.append(connection, entry)
        headers = {
            "Content-Disposition": f'attachment; filename="{sheet.name}.{form}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(made, headers=headers, media_type=MEDIA_TYPES[form])

    return router


def _sheet(body: bytes) -> Sheet:

    try:
        sheet = Sheet.model_validate_json(body)
    except ValidationError as error:
        raise unprocessable(error.errors()) from error
    if any(len(row) != len(sheet.columns) for row in sheet.rows):
        raise Problem(422, "invalid-field", "rows: each needs one cell for each column.")
    return sheet
