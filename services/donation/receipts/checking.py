"""Anyone may check a receipt: by its number and its check code, as JSON and on a page of its own.

What is told names no donor without consent (Charity Law art. 82). A wrong code and an unknown number get the
same answer by the same way, so numbers can't be tried out. 75 random bits can't be guessed; the limits keep
the database for others.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.channels.limits import Bucket
from services.donation.receipts import queries
from services.donation.receipts.check_codes import NotACode, read_check_code
from services.donation.receipts.issuing import CHECK_PAGE
from services.donation.receipts.numbering import ACCOUNTING_TIME, Number
from services.donation.receipts.public_pages import MAX_TYPED, PAGES, add_page
from services.donation.receipts.schemas import Check, PublicState, state_of
from shared.problems import Problem, answers

CHECKS_PER_SECOND: Final = 100
"""Of one process."""
CHECKS_OF_ONE_PER_SECOND: Final = 5
"""Of one address. Behind a proxy that hides the addresses this is the limit of all: have the proxy limit."""
ADDRESSES: Final = 10_000
"""Addresses remembered, the newest; one forgotten begins anew."""

_NO_CODE: Final = "0" * 19


REFUSALS: Final = answers(
    Problem(404, "unknown-receipt", "No receipt has this number and this check code."),
    Problem(422, "not-a-number", "A number is like SZCS-2027-0000123. Look at the receipt again."),
    Problem(422, "not-a-code", "A letter of the check code is wrong or missing. Look at the receipt again."),
    Problem(429, "too-many", "Too many checks at once. Try again in a moment."),
)


class Limiter:
    """How often may be checked: by one address, and by all."""

    def __init__(self) -> None:
        self._all = Bucket(CHECKS_PER_SECOND)
        self._of_one: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> bool:
        """Whether this address may check now."""
        bucket = self._of_one.pop(address, None) or Bucket(CHECKS_OF_ONE_PER_SECOND)
        self._of_one[address] = bucket
        if len(self._of_one) > ADDRESSES:
            self._of_one.popitem(last=False)
        return bucket.take() and self._all.take()


async def require_receipt(connection: AsyncConnection, number: str, code: str) -> Row[Any]:
    """The row (queries.receipt) of the receipt that somebody holds. Raises Problem 422 for what can't be a
    number or a code (a slip of the pen), 404 when there is no receipt of this number with this code.
    """
    parsed = Number.parse(number.strip().upper())
    if parsed is None:
        detail = "A number is like SZCS-2027-0000123. Look at the receipt again."
        raise Problem(422, "not-a-number", detail, errors=[{"field": "number", "message": detail}])
    try:
        typed = read_check_code(code)
    except NotACode:
        detail = "A letter of the check code is wrong or missing. Look at the receipt again."
        raise Problem(422, "not-a-code", detail, errors=[{"field": "code", "message": detail}]) from None
    row = await queries.receipt(connection, str(parsed))
    same = hmac.compare_digest(row.check_code if row else _NO_CODE, typed)
    if row is None or not same:
        raise Problem(404, "unknown-receipt", "No receipt has this number and this check code.")
    return row


def public_state(row: Row[Any]) -> PublicState:
    """What a receipt is now, as anyone may know it."""
    state = state_of(row)
    return "overstated" if state == "valid" and row.overstated_fen else state


async def check(engine: AsyncEngine, number: str, code: str) -> Check:
    """What may be told of a receipt. Raises the Problems of `require_receipt`."""
    async with engine.connect() as connection:
        row = await require_receipt(connection, number, code)
    return Check(
        number=row.number,
        state=public_state(row),
        organisation=row.organisation,
        licence=row.licence,
        purpose=row.purpose,
        amount_fen=row.amount_fen,
        issued_on=row.issued_at.astimezone(ACCOUNTING_TIME).date(),
        donor=None if row.nameless or row.restricted_until is not None else row.shown_name,
        replaced_by=row.replaced_by,
    )


def admission() -> Callable[[Request], None]:
    """What the public routes of receipts ask first; it raises Problem 429 for too many."""
    limiter = Limiter()

    def admit(request: Request) -> None:
        if not limiter.take(request.client.host if request.client else ""):
            detail = "Too many checks at once. Try again in a moment."
            raise Problem(429, "too-many", detail, headers={"Retry-After": "1"})

    return admit


def checking_router(engine: AsyncEngine, admit: Callable[[Request], None]) -> APIRouter:
    """The routes of the check: JSON, page, style sheet. `admit` raises when there is too much at once."""
    router = APIRouter()

    @router.get(
        "/v1/receipts/check/{number}",
        tags=["receipts"],
        summary="Check a receipt (查验)",
        responses=REFUSALS,
    )
    async def check_receipt(
        request: Request,
        response: Response,
        number: Annotated[str, Path(max_length=MAX_TYPED)],
        code: Annotated[str, Query(max_length=MAX_TYPED, description="The check code on the receipt")],
    ) -> Check:
        """Public. 404 unless both are of one receipt; 422 for a slip of the pen; 429 for too many."""
        admit(request)
        response.headers["Cache-Control"] = "no-store"
        return await check(engine, number, code)

    async def find(number: str, code: str) -> Check:
        return await check(engine, number, code)

    add_page(router, CHECK_PAGE, PAGES, admit, find)
    return router
