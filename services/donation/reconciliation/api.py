"""What comes by HTTP about reconciliation.

| who (role) | may |
| --- | --- |
| finance | import bills, agree on them with a channel, resolve breaks, have what is missing booked |
| viewer, desk | read |
| administrator | all of it |

Every POST needs an `Idempotency-Key`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Channel, Directory
from services.donation.channels.schemas import CHANNEL
from services.donation.channels.schemes import Scheme
from services.donation.reconciliation import breaks, importing, queries
from services.donation.reconciliation.bill_formats import FORMATS, Format
from services.donation.reconciliation.days import ONE, day_of, last_due, require_over
from services.donation.reconciliation.schemas import (
    Bill,
    BillPage,
    BillState,
    BookBody,
    Break,
    BreakKind,
    BreakPage,
    BreakState,
    BreakWithHistory,
    Day,
    HistoryLine,
    MissingBill,
    MonthTotal,
    ResolveBody,
    Share,
    Terms,
    TermsBody,
)
from services.donation.schemes.settings import FilesSettings
from services.donation.statements.profiles import Profile
from shared import http_commands
from shared.access import Person, require
from shared.problems import Problem
from shared.refusals import NotFound
from shared.run_once import Answer, Runner
from shared.strict_json import FileRoute, StrictJsonRoute

READING: Final = [Depends(require("viewer", "desk", "finance"))]
MAX_BILL_BYTES: Final = 64 * 1024 * 1024
"""100,000 lines of WeChat Pay are 30 MB."""
SHOWN: Final = timedelta(days=31)

ChannelName = Annotated[str, Path(pattern=CHANNEL)]
ChannelQuery = Annotated[str, Query(alias="channel", pattern=CHANNEL)]
ChannelFilter = Annotated[str | None, Query(alias="channel", pattern=CHANNEL)]
BreakPath = Annotated[int, Path(ge=1, le=2**63 - 1)]
Behind = Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The `next` of the part before")]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most")]
SomeDay = Annotated[date, Query(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Finance = Annotated[Person, Depends(require("finance"))]

router = APIRouter(prefix="/v1/reconciliation", route_class=StrictJsonRoute, tags=["reconciliation"])


class BillRoute(FileRoute):
    """A route whose body is a bill."""

    max_bytes = MAX_BILL_BYTES


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.reconciliation`."""

    engine: AsyncEngine
    runner: Runner
    directory: Directory
    acceptance: Acceptance


async def _parts(request: Request) -> Parts:
    parts = request.app.state.reconciliation
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts]).sent


async def _channel(parts: Parts, name: str) -> Channel:
    channel = await parts.directory.find(name)
    if channel is None:
        raise Problem(404, "unknown-channel", "channel: there is none of this name.")
    if channel.sandbox:
        raise Problem(422, "sandbox-channel", "channel: what a sandbox sends is no money; it has no bills.")
    return channel


# ---------------------------------------------------------------- terms


@router.put("/terms/{channel}", summary="Agree with a channel on its bills")
async def set_terms(channel: ChannelName, body: TermsBody, parts: Wired, person: Finance) -> Terms:
    """From `due_from` on a daily bill that has not come the next day at 09:00 (Asia/Shanghai) is missing."""
    await _channel(parts, channel)
    row = {
        "channel": channel,
        **body.model_dump(),
        "set_by": person.name,
        "set_at": datetime.now(UTC),
    }
    async with parts.engine.begin() as connection:
        await queries.set_terms(connection, row)
    return Terms.model_validate(row)


@router.get("/terms", summary="What was agreed with the channels", dependencies=READING)
async def list_terms(parts: Wired) -> list[Terms]:
    """In the order of their names."""
    async with parts.engine.connect() as connection:
        rows = await queries.terms(connection)
    return [Terms.model_validate(row, from_attributes=True) for row in rows]


# ---------------------------------------------------------------- bills

_PLAIN: Final = (
    "transaction_id,kind,amount_fen,fee_fen,occurred_at,reversal_id,campaign_id\n"
    "4200002026112312345,payment,12345,74,2027-01-01T20:15:00+08:00,,gala-2027\n"
    "4200002026112312345,refund,345,,2027-01-01T21:00:00+08:00,refund-1,\n"
)
"""A bill of the format plain."""
_BILL: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string", "format": "binary", "examples": [_PLAIN]}}},
    }
}


async def import_bill(
    request: Request,
    channel: ChannelQuery,
    day: SomeDay,
    sent: Annotated[Sent, Depends(sent("import_bill", "finance"))],
    form: Annotated[Format | None, Query(alias="format", description=f"one of {', '.join(FORMATS)}")] = None,
    *,
    confirmed: Annotated[
        bool, Query(description="A person has looked at a doubtful bill, and it is right")
    ] = False,
) -> Response:
    """The body is the file as the channel gives it, unpacked, at most 64 MB; of a bill with one bad line
    nothing is taken. The same bill again: 200 and nothing happens; another one of the same day takes its
    place, and the breaks are judged by it. A bill that looks like another partner's or another day's (nearly
    none of it is known here, or it names another merchant) is refused as doubtful until a person has looked.
    """
    require_over(day, datetime.now(UTC))
    of = await _channel(sent.parts, channel)
    chosen = form or await _agreed_format(sent.parts, of)
    bill = await importing.read(await request.body(), channel, day, chosen, _profile(of, chosen))

    async def work(connection: AsyncConnection) -> Answer:
        row, new = await importing.take(
            connection, bill, sent.person, merchant=_merchant(of), confirmed=confirmed
        )
        return Answer.of(201 if new else 200, Bill.of(row))

    return await sent.run(work)


router.add_api_route(
    "/bills",
    import_bill,
    methods=["POST"],
    status_code=201,
    response_model=Bill,
    summary="Import a channel's bill of a day (对账单)",
    openapi_extra=_BILL,
    route_class_override=BillRoute,
)


_FORMATS: Final[Mapping[Scheme, Format]] = {"wechatpay": "wechatpay", "alipay": "alipay", "files": "profile"}


async def _agreed_format(parts: Parts, channel: Channel) -> Format:
    async with parts.engine.connect() as connection:
        terms = await queries.terms_of(connection, channel.name)
    if terms is not None:
        return terms.format  # type: ignore[no-any-return]
    if channel.scheme not in _FORMATS:
        detail = (
            f"format: nothing was agreed with {channel.name} on its bills. Say what they look like:"
            f" PUT /v1/reconciliation/terms/{channel.name} with format and due_from; or give format."
        )
        raise Problem(422, "terms-missing", detail)
    return _FORMATS[channel.scheme]


def _merchant(channel: Channel) -> str | None:
    """Whose bills the channel's are, where its settings say."""
    name = {"wechatpay": "mchid", "alipay": "seller_id"}.get(channel.scheme)
    return channel.settings.get(name) if name is not None else None


def _profile(channel: Channel, form: Format) -> Profile | None:
    """How the channel's files are read, when that is asked for and said."""
    if form != "profile" or "profile" not in channel.settings:
        return None
    return FilesSettings.model_validate(channel.settings).profile


@router.get("/bills", summary="List bills, newest import first", dependencies=READING)
async def list_bills(
    parts: Wired,
    *,
    channel: ChannelFilter = None,
    day: SomeDay | None = None,
    state: BillState | None = None,
    before: Behind = None,
    limit: Limit = 50,
) -> BillPage:
    """Part by part: send `next` as `before` until it is null."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_bills(connection, queries.BillFilter(channel, day, state), before, limit)
    items = [Bill.of(row) for row in rows]
    return BillPage(items=items, next=items[-1].bill_id if len(items) == limit else None)


@router.get("/missing-bills", summary="Bills that are due and have not come", dependencies=READING)
async def list_missing(parts: Wired) -> list[MissingBill]:
    """Of the last 31 days due, newest first. A channel with which nothing was agreed (no sandbox, not the
    desk) owes one for each day on which it gave money: `terms_missing`.
    """
    last = last_due(datetime.now(UTC))
    async with parts.engine.connect() as connection:
        rows = await queries.missing_days(connection, last - SHOWN + ONE, last)
    return [MissingBill.model_validate(row) for row in rows]


@router.get("/shares", summary="How much agrees with the bills (对平)", dependencies=READING)
async def list_shares(parts: Wired) -> list[Share]:
    """Of each channel, the last 31 days due, and what was billed since: what the metric
    `shanliu_reconciliation_matched_ratio` says. Money of a day whose bill has not come does not agree.
    """
    last = last_due(datetime.now(UTC))
    async with parts.engine.connect() as connection:
        rows = await queries.shares(connection, last - SHOWN + ONE, last)
    return [Share.of(row) for row in rows]


# ---------------------------------------------------------------- days


@router.get("/days", summary="How the days stand", dependencies=READING)
async def list_days(
    parts: Wired,
    channel: ChannelFilter = None,
    first: SomeDay | None = None,
    last: SomeDay | None = None,
    limit: Limit = 100,
) -> list[Day]:
    """Newest first; without `first` and `last` the last 31 days that are over."""
    until = last or day_of(datetime.now(UTC)) - ONE
    since = first or max(until - SHOWN + ONE, date(2000, 1, 1))
    async with parts.engine.connect() as connection:
        rows = await queries.days(connection, channel, since, until, limit)
    return [Day.of(row) for row in rows]


@router.get("/totals", summary="A year by channel and month", dependencies=READING)
async def list_totals(
    parts: Wired, year: Annotated[int, Query(ge=2000, le=2199, description="In Asia/Shanghai")]
) -> list[MonthTotal]:
    """What was given, what of it agrees with the bills, what the channels kept."""
    async with parts.engine.connect() as connection:
        rows = await queries.totals(connection, year)
    return [MonthTotal.model_validate(row) for row in rows]


# ---------------------------------------------------------------- differences


@router.get("/breaks", summary="List breaks, oldest first", dependencies=READING)
async def list_breaks(
    parts: Wired,
    *,
    channel: ChannelFilter = None,
    kind: BreakKind | None = None,
    state: Annotated[BreakState | None, Query()] = "open",
    day: SomeDay | None = None,
    after: Behind = None,
    limit: Limit = 100,
) -> BreakPage:
    """Part by part: send `next` as `after` until it is null."""
    wanted = queries.BreakFilter(channel, kind, state, day)
    async with parts.engine.connect() as connection:
        rows = await queries.list_breaks(connection, wanted, after, limit)
    items = [Break.model_validate(row) for row in rows]
    return BreakPage(items=items, next=items[-1].break_id if len(items) == limit else None)


@router.get("/breaks/{break_id}", summary="A break and its history", dependencies=READING)
async def read_break(break_id: BreakPath, parts: Wired) -> BreakWithHistory:
    """All that became of it, first things first."""
    async with parts.engine.connect() as connection:
        return await _shown(connection, break_id)


@router.post("/breaks/{break_id}/resolve", response_model=BreakWithHistory, summary="Resolve a break")
async def resolve(
    break_id: BreakPath, body: ResolveBody, sent: Annotated[Sent, Depends(sent("resolve_break", "finance"))]
) -> Response:
    """With a reason, which stays in its history. It opens again when its amounts become others."""

    async def work(connection: AsyncConnection) -> Answer:
        await breaks.resolve(connection, break_id, sent.person, body.reason)
        return Answer.of(200, await _shown(connection, break_id))

    return await sent.run(work)


@router.post(
    "/breaks/{break_id}/book",
    status_code=202,
    response_model=BreakWithHistory,
    summary="Have what is missing here booked",
)
async def book(
    break_id: BreakPath, body: BookBody, sent: Annotated[Sent, Depends(sent("book_break", "finance"))]
) -> Response:
    """The bill's payment as a donation, or its refund as a reversal, with the bill's time. The break settles
    when it is booked.
    """

    async def work(connection: AsyncConnection) -> Answer:
        row = await breaks.lock_open(connection, break_id)
        channel = await _channel(sent.parts, row.channel)
        terms = await queries.terms_of(connection, row.channel)
        if body.campaign_id is not None:
            await breaks.require_known(connection, body.campaign_id)
        usual = body.campaign_id or (terms.campaign_id if terms is not None else None)
        campaign_id = await breaks.decide_campaign(connection, row, channel, usual)
        message = breaks.booking_of(row, channel, campaign_id)
        refused = await breaks.ask(sent.parts.acceptance, channel, message)
        await breaks.asked(connection, [(row, refused)], sent.person)
        return Answer.of(202, await _shown(connection, break_id))

    return await sent.run(work)


async def _shown(connection: AsyncConnection, break_id: int) -> BreakWithHistory:
    row = await queries.one_break(connection, break_id)
    if row is None:
        raise NotFound("There is no break of this number.")
    lines = [HistoryLine.model_validate(line) for line in await queries.history(connection, break_id)]
    return BreakWithHistory.model_validate({**row._mapping, "history": lines})  # noqa: SLF001 - public
