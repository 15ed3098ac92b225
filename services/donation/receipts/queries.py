"""What is asked of the receipts' tables, and how.

Locks are taken in one order: donations by their ids, then a series, then receipts. A number is taken from the
row of its series in the transaction that writes the receipt, so one that is not written leaves no hole.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import queries as donations
from services.donation.receipts.eligibility import Candidate
from services.donation.receipts.models import MAX_SERIAL, receipt_items, receipt_organisations, receipts
from services.donation.receipts.numbering import Number
from shared.events.campaigns import CampaignData

# ---------------------------------------------------------------- campaigns and organisations

_SAVE_CAMPAIGN: Final = text(
    "INSERT INTO receipt_campaigns AS known (campaign_id, title, organisation, licence, sequence)"
    " VALUES (:campaign_id, :title, :organisation, :licence, :sequence)"
    " ON CONFLICT (campaign_id) DO UPDATE SET title = excluded.title, organisation = excluded.organisation,"
    " licence = excluded.licence, sequence = excluded.sequence WHERE known.sequence < excluded.sequence"
)


async def save_campaigns(connection: AsyncConnection, newest: Mapping[str, tuple[int, CampaignData]]) -> None:
    """Keep what the newest event (its sequence, its data) says of each campaign, unless a newer one did."""
    rows = [
        {
            "campaign_id": campaign_id,
            "title": data.title,
            "organisation": data.organisation,
            "licence": data.licence,
            "sequence": sequence,
        }
        for campaign_id, (sequence, data) in sorted(newest.items())
    ]
    if rows:
        await connection.execute(_SAVE_CAMPAIGN, rows)


_ADD_ORGANISATION: Final = text(
    "INSERT INTO receipt_organisations (organisation, code, registered_by, registered_at)"
    " VALUES (:organisation, :code, :registered_by, :registered_at) ON CONFLICT DO NOTHING RETURNING code"
)


async def add_organisation(connection: AsyncConnection, row: dict[str, Any]) -> bool:
    """Register an organisation's code; False when the organisation or the code is there already."""
    return (await connection.execute(_ADD_ORGANISATION, row)).first() is not None


async def organisations(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """All organisations that issue receipts."""
    return (
        await connection.execute(select(receipt_organisations).order_by(receipt_organisations.c.code))
    ).all()


# ---------------------------------------------------------------- what can be on a receipt

_FACTS: Final = text(
    """
    SELECT d.donation_id, d.status <> 'received' AS held, d.amount_fen, d.occurred_at, d.donor_kind,
           d.donor_name, d.donor_alias, d.donor_display, d.contact_email, c.title, c.organisation, c.licence,
           o.code,
           EXISTS (SELECT FROM conflicts x
                   WHERE x.donation_id = d.donation_id AND x.resolved_at IS NULL) AS conflicted,
           EXISTS (SELECT FROM receipt_waivers w
                   WHERE w.donation_id = d.donation_id AND w.withdrawn_at IS NULL) AS waived,
           (SELECT i.number FROM receipt_items i WHERE i.donation_id = d.donation_id AND i.valid) AS receipt,
           coalesce((SELECT CAST(sum(v.amount_fen) AS bigint) FROM reversals v
                     WHERE v.donation_id = d.donation_id AND v.status = 'applied'), 0) AS reversed_fen
    FROM donations d LEFT JOIN receipt_campaigns c USING (campaign_id)
    LEFT JOIN receipt_organisations o USING (organisation)
    WHERE d.donation_id = ANY(:ids)
    """
)


async def lock_candidates(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Candidate]:
    """These donations as they stand, locked: no refund, receipt or waiver comes between. What is not there is
    left out. The facts are read after the lock, by a statement of their own that sees what was waited for.
    """
    wanted = list(ids)
    await donations.lock_donations(connection, wanted)
    found = await connection.execute(_FACTS, {"ids": wanted})
    return {row.donation_id: Candidate(**row._mapping) for row in found}  # noqa: SLF001 - public


# ---------------------------------------------------------------- numbers and receipts

_TAKE: Final = text(
    "INSERT INTO receipt_series AS series (code, year, last_serial, last_issued_at)"
    " VALUES (:code, :year, :count, :now) ON CONFLICT (code, year) DO UPDATE"
    " SET last_serial = series.last_serial + :count,"
    " last_issued_at = greatest(series.last_issued_at, excluded.last_issued_at)"
    " WHERE series.last_serial + :count <= :most RETURNING last_serial, last_issued_at"
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of one series, and the time of their issue: never before that of a lower number."""

    numbers: tuple[Number, ...]
    issued_at: datetime


async def take_numbers(
    connection: AsyncConnection, code: str, year: int, count: int, now: datetime
) -> Numbers | None:
    """Take the next `count` numbers of a series, which is locked to the end of the transaction; None when it
    has not so many.
    """
    asked = {"code": code, "year": year, "count": count, "now": now, "most": MAX_SERIAL}
    row = (await connection.execute(_TAKE, asked)).one_or_none()
    if row is None:
        return None
    serials = range(row.last_serial - count + 1, row.last_serial + 1)
    return Numbers(tuple(Number(code, year, serial) for serial in serials), row.last_issued_at)


async def add_receipts(
    connection: AsyncConnection, rows: Sequence[dict[str, Any]], items: Sequence[dict[str, Any]]
) -> None:
    """Write receipts and what they stand for."""
    await connection.execute(insert(receipts), list(rows))
    await connection.execute(insert(receipt_items), list(items))


# `overstated_fen`: what went back after the issue, so that the paper states more than was kept. `nameless`: a
# donor of it is not to be named any more; the paper itself is theirs and says what it said.
_VIEW: Final = """
    SELECT r.*, successor.number AS replaced_by, k.kept_until AS restricted_until, CASE WHEN r.valid THEN (
        SELECT CAST(coalesce(sum(i.amount_fen - d.amount_fen + coalesce((
            SELECT sum(v.amount_fen) FROM reversals v
            WHERE v.donation_id = i.donation_id AND v.status = 'applied'), 0)), 0) AS bigint)
        FROM receipt_items i JOIN donations d USING (donation_id) WHERE i.number = r.number
    ) ELSE 0 END AS overstated_fen,
    EXISTS (SELECT FROM receipt_items i JOIN consent_withdrawals w USING (donation_id)
            WHERE i.number = r.number) AS nameless
    FROM receipts r LEFT JOIN receipts successor ON successor.replaces = r.number
    LEFT JOIN restricted_receipts k ON k.number = r.number
"""
_ONE: Final = text(f"{_VIEW} WHERE r.number = :number")
_ITEMS: Final = text(
    "SELECT i.number, i.donation_id, i.amount_fen, d.channel, d.transaction_id, d.occurred_at"
    " FROM receipt_items i JOIN donations d USING (donation_id)"
    " WHERE i.number = ANY(:numbers) ORDER BY d.occurred_at, i.donation_id"
)
_LIST: Final = text(
    f"""{_VIEW}
    WHERE (CAST(:code AS text) IS NULL OR r.code = :code)
      AND (CAST(:year AS smallint) IS NULL OR r.year = :year)
      AND (CAST(:valid AS boolean) IS NULL OR r.valid = :valid)
      AND (CAST(:donation_id AS uuid) IS NULL OR r.number IN (
          SELECT i.number FROM receipt_items i WHERE i.donation_id = :donation_id))
      AND (NOT :overstated OR r.number IN (
          SELECT i.number FROM receipt_items i JOIN donations d USING (donation_id)
          JOIN reversals v USING (donation_id) WHERE i.valid AND v.status = 'applied'
          GROUP BY i.number, i.donation_id, i.amount_fen, d.amount_fen
          HAVING i.amount_fen > d.amount_fen - sum(v.amount_fen)))
      AND (CAST(:after_code AS text) IS NULL
           OR (r.code, r.year, r.serial) > (:after_code, CAST(:after_year AS smallint), :after_serial))
    ORDER BY r.code, r.year, r.serial LIMIT :rows
    """  # noqa: S608 - texts of this file
)
_LOCK: Final = text(
    "SELECT valid, version, (SELECT n.number FROM receipts n WHERE n.replaces = r.number) AS replaced_by"
    " FROM receipts r WHERE number = :number FOR UPDATE"
)
_VOID: Final = text(
    "UPDATE receipts SET valid = false, version = 2, void_reason = :reason, voided_by = :person,"
    " voided_at = :now WHERE number = :number AND valid"
)


async def receipt(connection: AsyncConnection, number: str) -> Row[Any] | None:
    """A receipt, with what replaced it and what went back since."""
    return (await connection.execute(_ONE, {"number": number})).one_or_none()


async def items(connection: AsyncConnection, numbers: Sequence[str]) -> list[Row[Any]]:
    """The donations that these receipts stand for, oldest first."""
    return list(await connection.execute(_ITEMS, {"numbers": list(numbers)}))


Listed = Literal["valid", "void", "overstated"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which receipts are listed; None: any."""

    code: str | None = None
    year: int | None = None
    state: Listed | None = None
    donation_id: UUID | None = None


async def list_receipts(
    connection: AsyncConnection, wanted: Filter, *, after: Number | None, rows: int
) -> list[Row[Any]]:
    """Receipts in the order of their numbers, from behind `after`."""
    asked = {
        "code": wanted.code,
        "year": wanted.year,
        "valid": None if wanted.state is None else wanted.state != "void",
        "donation_id": wanted.donation_id,
        "overstated": wanted.state == "overstated",
        "after_code": after and after.code,
        "after_year": after and after.year,
        "after_serial": after and after.serial,
        "rows": rows,
    }
    return list(await connection.execute(_LIST, asked))


async def lock_receipt(connection: AsyncConnection, number: str) -> Row[Any] | None:
    """A receipt's state, locked until the end of the transaction."""
    return (await connection.execute(_LOCK, {"number": number})).one_or_none()


async def void_receipt(
    connection: AsyncConnection, number: str, *, reason: str, person: str, now: datetime
) -> None:
    """Void a receipt that the caller has locked; its donations are free for another."""
    await connection.execute(_VOID, {"number": number, "reason": reason, "person": person, "now": now})


# ---------------------------------------------------------------- files

_FILE: Final = text("SELECT pdf FROM receipt_files WHERE number = :number")
_KEEP_FILE: Final = text(
    "INSERT INTO receipt_files (number, pdf, made_at) VALUES (:number, :pdf, now()) ON CONFLICT DO NOTHING"
)


async def file_of(connection: AsyncConnection, number: str) -> bytes | None:
    """The PDF that was given out for a receipt."""
    return (await connection.execute(_FILE, {"number": number})).scalar_one_or_none()


async def keep_file(connection: AsyncConnection, number: str, pdf: bytes) -> None:
    """Keep a receipt's PDF, unless there is one."""
    await connection.execute(_KEEP_FILE, {"number": number, "pdf": pdf})


# ---------------------------------------------------------------- waivers

_ADD_WAIVER: Final = text(
    "INSERT INTO receipt_waivers (donation_id, waived_on, note, recorded_by, recorded_at)"
    " VALUES (:donation_id, :waived_on, :note, :recorded_by, :recorded_at) RETURNING *"
)
_WITHDRAW: Final = text(
    "UPDATE receipt_waivers SET withdrawn_by = :person, withdrawn_at = :now"
    " WHERE waiver_id = :waiver_id AND withdrawn_at IS NULL RETURNING *"
)
_WAIVERS: Final = text(
    "SELECT * FROM receipt_waivers WHERE (CAST(:donation_id AS uuid) IS NULL OR donation_id = :donation_id)"
    " AND (CAST(:after AS bigint) IS NULL OR waiver_id > :after) ORDER BY waiver_id LIMIT :rows"
)


async def add_waiver(connection: AsyncConnection, row: dict[str, Any]) -> Row[Any]:
    """Record that a donor gave up the receipt of a donation that the caller has locked."""
    return (await connection.execute(_ADD_WAIVER, row)).one()


async def withdraw_waiver(
    connection: AsyncConnection, waiver_id: int, person: str, now: datetime
) -> Row[Any] | None:
    """Note that a donor wants a receipt after all; None when there is no such open waiver."""
    asked = {"waiver_id": waiver_id, "person": person, "now": now}
    return (await connection.execute(_WITHDRAW, asked)).one_or_none()


async def list_waivers(
    connection: AsyncConnection, donation_id: UUID | None, *, after: int | None, rows: int
) -> list[Row[Any]]:
    """Waivers in the order they were recorded."""
    asked = {"donation_id": donation_id, "after": after, "rows": rows}
    return list(await connection.execute(_WAIVERS, asked))
