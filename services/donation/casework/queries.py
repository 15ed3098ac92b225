"""What is asked of the tables about single donations.

A list is bounded first and looked up row by row afterwards: what each takes at a million donations stands in
docs/decisions/0029-casework.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.casework.models import held_decisions, operator_reversals
from services.donation.casework.paging import AfterDonation, AfterPosition

# ---------------------------------------------------------------- finding

_SHOWN: Final = """
    d.donation_id, d.channel, d.transaction_id, d.campaign_id, d.amount_fen, d.fee_fen, d.occurred_at,
    d.received_at, d.donor_kind, d.held_reason,
    CASE WHEN EXISTS (SELECT FROM consent_withdrawals w WHERE w.donation_id = d.donation_id) THEN NULL
         WHEN d.donor_display = 'name' THEN d.donor_name
         WHEN d.donor_display = 'alias' THEN d.donor_alias END AS shown_name,
    CASE WHEN d.status = 'received' AND v.fen = d.amount_fen THEN 'reversed' ELSE d.status END AS status,
    coalesce(r.source, d.source) AS source, coalesce(r.sequence, d.sequence) AS sequence,
    v.fen AS reversed_fen,
    x.conflicted, i.number AS receipt
"""
# LATERAL: looked up for each row of the page, whatever the planner thinks of the tables' sizes; so without a
# condition that a partial index has, which it would read whole for each row of a table it knows little of.
_BESIDE: Final = """
    LEFT JOIN LATERAL (SELECT source, sequence FROM releases
                       WHERE donation_id = d.donation_id LIMIT 1) r ON true
    CROSS JOIN LATERAL (SELECT coalesce(bool_or(resolved_at IS NULL), false) AS conflicted FROM conflicts
                        WHERE donation_id = d.donation_id) x
    LEFT JOIN LATERAL (SELECT number FROM receipt_items
                       WHERE donation_id = d.donation_id AND valid LIMIT 1) i ON true
    CROSS JOIN LATERAL (SELECT CAST(coalesce(sum(amount_fen), 0) AS bigint) AS fen FROM reversals
                        WHERE donation_id = d.donation_id AND status = 'applied') v
"""
_SOUGHT: Final = {
    "donation_id": "donation_id = :donation_id",
    "transaction_id": "right(transaction_id, 4) = right(CAST(:transaction_id AS text), 4)"
    " AND transaction_id = :transaction_id",
    "tail": "right(transaction_id, 4) = right(CAST(:tail AS text), 4)"
    " AND right(transaction_id, length(CAST(:tail AS text))) = :tail",
    "receipt": "donation_id IN (SELECT donation_id FROM receipt_items WHERE number = :receipt)",
    "amount_fen": "amount_fen = :amount_fen",
    "starts": "occurred_at >= :starts",
    "ends": "occurred_at < :ends",
}
"""Each way to look for a donation; each has its index, and they narrow each other."""


async def find(
    connection: AsyncConnection, sought: Mapping[str, Any], after: AfterDonation | None, rows: int
) -> Sequence[Row[Any]]:
    """Donations by what is known of them (keys of _SOUGHT), newest first."""
    asked = {name: value for name, value in sought.items() if value is not None}
    conditions = [_SOUGHT[name] for name in asked]
    if after is not None:
        conditions.append("(occurred_at, donation_id) < (:after_at, :after_id)")
        asked |= {"after_at": after.at, "after_id": after.donation_id}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = (
        f"SELECT {_SHOWN} FROM (SELECT * FROM donations {where}"  # noqa: S608 - names from this file
        f" ORDER BY occurred_at DESC, donation_id DESC LIMIT :rows) d {_BESIDE}"
        " ORDER BY d.occurred_at DESC, d.donation_id DESC"
    )
    return (await connection.execute(text(statement), {**asked, "rows": rows})).all()


# ---------------------------------------------------------------- one donation's record

_HAPPENINGS: Final = text(
    """
    SELECT CASE WHEN held_reason IS NULL THEN 'DonationReceived' ELSE 'DonationHeld' END AS type,
           received_at AS at, source, sequence, donation_id AS subject
    FROM donations WHERE donation_id = :donation_id
    UNION ALL
    SELECT 'DonationReceived', released_at, source, sequence, donation_id
    FROM releases WHERE donation_id = :donation_id
    UNION ALL
    SELECT 'DonationConflicted', received_at, source, sequence, donation_id
    FROM conflicts WHERE donation_id = :donation_id
    UNION ALL
    SELECT 'DonationReversed', applied_at, source, sequence, reversal_id
    FROM reversals WHERE donation_id = :donation_id AND status = 'applied'
    ORDER BY at, source, sequence
    """
)
_REVERSALS: Final = text(
    """
    SELECT v.reversal_id, v.kind, v.amount_fen, v.occurred_at, v.status, v.reason, o.asked_by
    FROM reversals v LEFT JOIN operator_reversals o USING (reversal_id) WHERE v.donation_id = :donation_id
    UNION ALL
    SELECT o.reversal_id, o.kind, o.amount_fen, o.occurred_at, 'unsent', o.reason, o.asked_by
    FROM operator_reversals o WHERE o.donation_id = :donation_id
      AND NOT EXISTS (SELECT FROM reversals v WHERE v.reversal_id = o.reversal_id)
    ORDER BY occurred_at, reversal_id
    """
)
_RECEIPTS: Final = text(
    """
    SELECT r.number, r.valid, i.amount_fen, r.issued_at, r.void_reason, s.number AS replaced_by
    FROM receipt_items i JOIN receipts r USING (number) LEFT JOIN receipts s ON s.replaces = r.number
    WHERE i.donation_id = :donation_id ORDER BY r.issued_at, r.number
    """
)
_WAIVED: Final = text(
    "SELECT EXISTS (SELECT FROM receipt_waivers WHERE donation_id = :donation_id AND withdrawn_at IS NULL)"
)
_DECISION: Final = text(
    "SELECT decision, reason, decided_by, decided_at FROM held_decisions WHERE donation_id = :donation_id"
)
_ON_BILL: Final = text(
    """
    SELECT b.bill_id, b.day FROM donations d
         JOIN bills b ON b.channel = d.channel AND b.state = 'current' AND b.judged_at IS NOT NULL
              AND b.day BETWEEN CAST(d.occurred_at AT TIME ZONE 'Asia/Shanghai' AS date) - 1
                            AND CAST(d.occurred_at AT TIME ZONE 'Asia/Shanghai' AS date) + 1
         JOIN bill_lines l ON l.bill_id = b.bill_id AND l.subject = d.donation_id
    WHERE d.donation_id = :donation_id LIMIT 1
    """
)
_BREAKS: Final = text(
    """
    SELECT b.break_id, b.kind, b.day, b.state, b.ours_fen, b.theirs_fen, b.reason
    FROM donations d JOIN breaks b ON b.channel = d.channel
         AND b.subject IN (SELECT d.donation_id UNION ALL
                           SELECT v.reversal_id FROM reversals v WHERE v.donation_id = d.donation_id)
    WHERE d.donation_id = :donation_id ORDER BY b.break_id
    """
)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the tables hold about one donation, beside its own row."""

    events: Sequence[Row[Any]]
    reversals: Sequence[Row[Any]]
    receipts: Sequence[Row[Any]]
    waived: bool
    conflicts: Sequence[Row[Any]]
    decision: Row[Any] | None
    bill: Row[Any] | None
    breaks: Sequence[Row[Any]]


async def kept(connection: AsyncConnection, donation_id: UUID) -> Kept:
    """All of it, by the donation's id."""
    asked = {"donation_id": donation_id}

    async def rows(statement: Any) -> Sequence[Row[Any]]:
        return (await connection.execute(statement, asked)).all()

    return Kept(
        events=await rows(_HAPPENINGS),
        reversals=await rows(_REVERSALS),
        receipts=await rows(_RECEIPTS),
        waived=bool((await connection.execute(_WAIVED, asked)).scalar_one()),
        conflicts=await rows(_CONFLICTS_OF),
        decision=(await connection.execute(_DECISION, asked)).one_or_none(),
        bill=(await connection.execute(_ON_BILL, asked)).one_or_none(),
        breaks=await rows(_BREAKS),
    )


# ---------------------------------------------------------------- taking back

_GOING_BACK: Final = text(
    """
    SELECT CAST(coalesce((SELECT sum(amount_fen) FROM reversals
                          WHERE donation_id = :donation_id AND status <> 'refused'), 0)
              + coalesce((SELECT sum(o.amount_fen) FROM operator_reversals o
                          WHERE o.donation_id = :donation_id AND NOT EXISTS (
                              SELECT FROM reversals v WHERE v.reversal_id = o.reversal_id)), 0)
           AS bigint)
    """
)
_REVERSAL_KNOWN: Final = text(
    "SELECT EXISTS (SELECT FROM reversals WHERE reversal_id = :reversal_id)"
    " OR EXISTS (SELECT FROM operator_reversals WHERE reversal_id = :reversal_id)"
)
_UNSENT: Final = text(
    """
    SELECT o.*, d.transaction_id FROM operator_reversals o JOIN donations d USING (donation_id)
    WHERE o.sent_at IS NULL ORDER BY o.asked_at LIMIT :rows
    """
)
_SENT: Final = text("UPDATE operator_reversals SET sent_at = now() WHERE reversal_id = ANY(:ids)")


async def going_back_fen(connection: AsyncConnection, donation_id: UUID) -> int:
    """How much of a donation went back or is on its way; the caller has locked it."""
    return int((await connection.execute(_GOING_BACK, {"donation_id": donation_id})).scalar_one())


async def is_reversal(connection: AsyncConnection, reversal_id: UUID) -> bool:
    """Whether a reversal is known under this id."""
    return bool((await connection.execute(_REVERSAL_KNOWN, {"reversal_id": reversal_id})).scalar_one())


async def add_reversal(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Write a person's reversal down; sending.py takes it from there."""
    await connection.execute(insert(operator_reversals).values(**row))


async def unsent_reversals(connection: AsyncConnection, rows: int) -> Sequence[Row[Any]]:
    """What the broker has not confirmed, oldest first."""
    return (await connection.execute(_UNSENT, {"rows": rows})).all()


async def mark_sent(connection: AsyncConnection, ids: Iterable[UUID]) -> None:
    """The broker has them."""
    await connection.execute(_SENT, {"ids": list(ids)})


# ---------------------------------------------------------------- held

_WAITING: Final = text(
    """
    SELECT d.donation_id, d.status, c.status AS campaign_status, h.decision
    FROM donations d LEFT JOIN campaigns c USING (campaign_id) LEFT JOIN held_decisions h USING (donation_id)
    WHERE d.donation_id = ANY(:ids)
    """
)
_REFUSE: Final = text("UPDATE donations SET status = 'refused' WHERE donation_id = ANY(:ids)")


async def list_held(
    connection: AsyncConnection,
    campaign_id: str | None,
    reason: str | None,
    after: AfterDonation | None,
    rows: int,
) -> Sequence[Row[Any]]:
    """Held donations, those that wait longest first."""
    asked: dict[str, Any] = {"rows": rows}
    conditions = ["status = 'held'"]
    if campaign_id is not None:
        conditions.append("campaign_id = :campaign_id")
        asked["campaign_id"] = campaign_id
    if reason is not None:
        conditions.append("held_reason = :reason")
        asked["reason"] = reason
    if after is not None:
        conditions.append("(occurred_at, donation_id) > (:after_at, :after_id)")
        asked |= {"after_at": after.at, "after_id": after.donation_id}
    statement = (
        f"SELECT {_SHOWN}, c.status AS campaign_status, h.decision"  # noqa: S608 - names from this file
        f" FROM (SELECT * FROM donations WHERE {' AND '.join(conditions)}"
        f" ORDER BY occurred_at, donation_id LIMIT :rows) d {_BESIDE}"
        " LEFT JOIN campaigns c ON c.campaign_id = d.campaign_id"
        " LEFT JOIN LATERAL (SELECT decision FROM held_decisions"
        "                    WHERE donation_id = d.donation_id LIMIT 1) h ON true"
        " ORDER BY d.occurred_at, d.donation_id"
    )
    return (await connection.execute(text(statement), asked)).all()


async def waiting(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """How these donations stand; the caller has locked them."""
    found = await connection.execute(_WAITING, {"ids": list(ids)})
    return {row.donation_id: row for row in found}


async def add_decisions(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write decisions down. A release is booked by the worker, a refusal holds from here on."""
    await connection.execute(insert(held_decisions), list(rows))
    if refused := [row["donation_id"] for row in rows if row["decision"] == "refuse"]:
        await connection.execute(_REFUSE, {"ids": refused})


# ---------------------------------------------------------------- waiting reversals

_WAITING_REVERSALS: Final = """
    SELECT r.*, d.status AS donation_status FROM (
        SELECT reversal_id, donation_id, transaction_id, kind, amount_fen, occurred_at, reason,
               regexp_replace(asked_source, '^intake[.](.*)/[0-9]+$', '\\1') AS channel,
               coalesce(asked_at, occurred_at) AS waits_since, asked_source AS source,
               asked_sequence AS sequence
        FROM reversals WHERE status = 'pending') r LEFT JOIN donations d USING (donation_id)
"""
_AWAITED: Final = text(
    "SELECT r.reversal_id, d.status FROM reversals r JOIN donations d USING (donation_id)"
    " WHERE r.reversal_id = ANY(:ids)"
)
_SET_ASIDE: Final = text(
    "UPDATE reversals SET status = 'refused', set_aside_by = :person, set_aside_at = now(),"
    " set_aside_reason = :reason WHERE reversal_id = ANY(:ids)"
)


async def list_waiting_reversals(
    connection: AsyncConnection, after: AfterDonation | None, rows: int
) -> Sequence[Row[Any]]:
    """Reversals that wait, longest first; those that wait are few."""
    asked: dict[str, Any] = {"rows": rows}
    where = ""
    if after is not None:
        where = "WHERE (waits_since, reversal_id) > (:after_at, :after_id)"
        asked |= {"after_at": after.at, "after_id": after.donation_id}
    statement = f"{_WAITING_REVERSALS} {where} ORDER BY waits_since, reversal_id LIMIT :rows"
    return (await connection.execute(text(statement), asked)).all()


async def awaited(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, str]:
    """How the donations of these reversals stand; one that is not here is left out."""
    found = await connection.execute(_AWAITED, {"ids": list(ids)})
    return {row.reversal_id: row.status for row in found}


async def set_aside(connection: AsyncConnection, ids: Iterable[UUID], person: str, reason: str) -> None:
    """They wait no more; the caller has locked them."""
    await connection.execute(_SET_ASIDE, {"ids": list(ids), "person": person, "reason": reason})


# ---------------------------------------------------------------- conflicts

_CONFLICT: Final = """
    SELECT c.source, c.sequence, c.donation_id, d.channel, d.transaction_id, c.campaign_id, c.amount_fen,
           d.campaign_id AS known_campaign_id, d.amount_fen AS known_amount_fen, c.differs, c.received_at,
           c.resolved_at, c.resolved_by, c.resolution
"""
_CONFLICTS_OF: Final = text(
    f"{_CONFLICT} FROM conflicts c JOIN donations d USING (donation_id)"
    " WHERE c.donation_id = :donation_id ORDER BY c.received_at"
)
_RESOLVE: Final = text(
    """
    UPDATE conflicts c SET resolved_at = now(), resolved_by = :person, resolution = :reason
    FROM unnest(CAST(:sources AS text[]), CAST(:sequences AS bigint[])) AS asked (source, sequence)
    WHERE c.source = asked.source AND c.sequence = asked.sequence AND c.resolved_at IS NULL
    RETURNING c.source, c.sequence
    """
)
_CONFLICTS_AT: Final = text(
    """
    SELECT c.source, c.sequence, c.resolved_by
    FROM unnest(CAST(:sources AS text[]), CAST(:sequences AS bigint[])) AS asked (source, sequence)
         JOIN conflicts c USING (source, sequence)
    ORDER BY c.source, c.sequence FOR UPDATE OF c
    """
)


async def list_conflicts(
    connection: AsyncConnection, *, open_only: bool, after: AfterPosition | None, rows: int
) -> Sequence[Row[Any]]:
    """Conflicts, newest first."""
    asked: dict[str, Any] = {"rows": rows}
    conditions = ["resolved_at IS NULL"] if open_only else []
    if after is not None:
        conditions.append("(received_at, source, sequence) < (:after_at, :after_source, :after_sequence)")
        asked |= {"after_at": after.at, "after_source": after.source, "after_sequence": after.sequence}
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    statement = (
        f"{_CONFLICT} FROM (SELECT * FROM conflicts {where}"  # noqa: S608 - names from this file
        " ORDER BY received_at DESC, source DESC, sequence DESC LIMIT :rows) c JOIN donations d"
        " USING (donation_id) ORDER BY c.received_at DESC, c.source DESC, c.sequence DESC"
    )
    return (await connection.execute(text(statement), asked)).all()


async def lock_conflicts(
    connection: AsyncConnection, positions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], str | None]:
    """Who resolved each of these (None: nobody), locked; what is not there is left out."""
    found = await connection.execute(_CONFLICTS_AT, _arrays(positions))
    return {(row.source, row.sequence): row.resolved_by for row in found}


async def resolve(
    connection: AsyncConnection, positions: Iterable[tuple[str, int]], person: str, reason: str
) -> None:
    """Note who has resolved these, and how."""
    await connection.execute(_RESOLVE, {**_arrays(positions), "person": person, "reason": reason})


def _arrays(positions: Iterable[tuple[str, int]]) -> dict[str, list[Any]]:
    each = list(positions)
    return {"sources": [source for source, _ in each], "sequences": [sequence for _, sequence in each]}
