"""What a report states, read from the ledger at a position and from what its entries name.

The ledger only grows, so whatever is asked up to the sequences of a position is the same for ever, however
many statements it takes. Days are those of the booking: what was heard of after its month was closed is in
the period it was booked in, and so each opening balance is the closing balance before it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, DATE, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.disclosure.statement import Movement
from services.campaign.funds.transfers import TransferKind
from services.campaign.ledger.accounts import Side
from services.campaign.ledger.entries import Kind
from services.campaign.pledges.rules import Kept
from shared.events.campaigns import BeneficiaryUnit, SpendingCategory
from shared.events.documents import JournalHead, Position


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked: these campaigns, up to the position, and which days are the report's."""

    position: Position
    campaign_ids: Sequence[str]
    first_day: date
    last_day: date

    def values(self) -> dict[str, Any]:
        """The parameters of the statements here."""
        return {
            "journals": [head.journal for head in self.position.journals],
            "sequences": [head.sequence for head in self.position.journals],
            "campaign_ids": list(self.campaign_ids),
            "first_day": self.first_day,
            "last_day": self.last_day,
        }


def _at_position(statement: str) -> TextClause:
    """A statement over entries `e` and postings `p` of the campaigns, up to the position and the last day."""
    joined = (
        " FROM unnest(:journals, :sequences) AS at (journal, sequence)"
        " JOIN ledger_postings p ON p.journal = at.journal AND p.sequence <= at.sequence"
        " JOIN ledger_entries e ON e.journal = p.journal AND e.sequence = p.sequence"
    )
    within = " WHERE p.campaign_id = ANY(:campaign_ids) AND p.booked_on <= :last_day"
    return text(statement.replace("{joined}", joined).replace("{within}", within)).bindparams(
        bindparam("journals", type_=ARRAY(TEXT)),
        bindparam("sequences", type_=ARRAY(BIGINT)),
        bindparam("campaign_ids", type_=ARRAY(TEXT)),
        bindparam("first_day", type_=DATE),
        bindparam("last_day", type_=DATE),
    )


_INTAKE: Final = re.compile(r"intake\.(.+)/[0-9]+")


def _channel(source: str | None) -> str | None:
    """intake.wechat/3 → wechat. Not in SQL: for each of 400,000 postings it takes seconds."""
    found = _INTAKE.fullmatch(source or "")
    return found[1] if found else None


# ---------------------------------------------------------------- position

_POSITION: Final = text(
    "SELECT (SELECT coalesce(json_object_agg(source, sequence), '{}') FROM marks WHERE sequence >= 0)"
    " AS marks,"
    " (SELECT coalesce(json_agg(json_build_object('journal', journal, 'sequence', sequence,"
    "  'hash', encode(hash, 'hex')) ORDER BY journal), '[]') FROM ledger_journals) AS journals"
)
_DIFFERENCE: Final = text(
    "SELECT coalesce(sum(CASE p.side WHEN 'debit' THEN p.amount_fen ELSE -p.amount_fen END), 0)"
    " FROM unnest(:journals, :sequences) AS at (journal, sequence)"
    " JOIN ledger_postings p ON p.journal = at.journal AND p.sequence <= at.sequence"
).bindparams(bindparam("journals", type_=ARRAY(TEXT)), bindparam("sequences", type_=ARRAY(BIGINT)))


async def position(connection: AsyncConnection) -> tuple[Position, int]:
    """Where the books are now, and what debits exceed credits by up to there, which must be 0.

    Marks and journals are read in one statement: they are of one moment.
    """
    now = datetime.now(UTC)
    row = (await connection.execute(_POSITION)).one()
    heads = tuple(JournalHead(**head) for head in row.journals)
    asked = {"journals": [each.journal for each in heads], "sequences": [each.sequence for each in heads]}
    difference_fen = int((await connection.execute(_DIFFERENCE, asked)).scalar_one())
    return Position(read_at=now, journals=heads, marks=row.marks, difference_fen=0), difference_fen


# ---------------------------------------------------------------- what was booked

_MOVEMENTS: Final = _at_position(
    "SELECT p.campaign_id, p.account, e.kind, e.source, p.side,"
    " p.booked_on < :first_day AS before, sum(p.amount_fen) AS amount_fen"
    "{joined}{within} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6"
)


async def movements(connection: AsyncConnection, scope: Scope) -> list[Movement]:
    """The sums of every posting of the campaigns."""
    return [
        Movement(
            campaign_id=row.campaign_id,
            account=row.account,
            kind=Kind(row.kind),
            channel=_channel(row.source),
            side=Side(row.side),
            before=row.before,
            amount_fen=int(row.amount_fen),
        )
        for row in await connection.execute(_MOVEMENTS, scope.values())
    ]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many donations and reversals a channel brought a campaign."""

    campaign_id: str
    channel: str | None
    before: bool
    donations: int
    reversals: int


# The first line of an entry stands for it: a summary is of one campaign.
_COUNTED: Final = _at_position(
    "SELECT p.campaign_id, e.source, p.booked_on < :first_day AS before,"
    " sum(e.donations) AS donations, sum(e.reversals) AS reversals"
    "{joined}{within} AND p.line = 1 AND e.source IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)


async def counted(connection: AsyncConnection, scope: Scope) -> list[Counted]:
    """The numbers of donations and reversals that stand behind the sums."""
    return [
        Counted(row.campaign_id, _channel(row.source), row.before, int(row.donations), int(row.reversals))
        for row in await connection.execute(_COUNTED, scope.values())
    ]


@dataclass(frozen=True, slots=True)
class Spent:
    """What went to one use, and what came back of it, by the ledger; `beneficiaries` counts `unit`."""

    campaign_id: str
    use: str
    title: str | None
    category: SpendingCategory
    unit: BeneficiaryUnit
    payments: int
    beneficiaries: int
    amount_fen: int
    returned_fen: int


_SPENT: Final = _at_position(
    "SELECT p.campaign_id, d.use, d.title, d.category, d.beneficiary_unit AS unit,"
    " count(*) FILTER (WHERE e.kind = 'disbursement' AND p.line = 1) AS payments,"
    " coalesce(sum(p.amount_fen) FILTER (WHERE e.kind = 'disbursement'), 0) AS amount_fen,"
    " coalesce(sum(p.amount_fen) FILTER (WHERE e.kind = 'return'), 0) AS returned_fen,"
    " coalesce(sum(d.beneficiaries) FILTER (WHERE e.kind = 'disbursement' AND p.line = 1), 0)"
    "  AS beneficiaries"
    "{joined} LEFT JOIN disbursement_returns r ON r.return_id = e.subject"
    " JOIN disbursements d ON d.disbursement_id = coalesce(r.disbursement_id, e.subject)"
    "{within} AND p.booked_on >= :first_day AND e.kind IN ('disbursement', 'return') AND p.account >= '3'"
    " GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"
)


async def spent(connection: AsyncConnection, scope: Scope) -> list[Spent]:
    """What was paid and came back in the period, by campaign, use and unit of its beneficiaries."""
    return [
        Spent(
            campaign_id=row.campaign_id,
            use=row.use,
            title=row.title,
            category=row.category,
            unit=row.unit,
            payments=row.payments,
            beneficiaries=int(row.beneficiaries),
            amount_fen=int(row.amount_fen),
            returned_fen=int(row.returned_fen),
        )
        for row in await connection.execute(_SPENT, scope.values())
    ]


@dataclass(frozen=True, slots=True)
class Helped:
    """What else was counted: so many of a unit, of something."""

    unit: str
    of: str | None
    number: int


_HELPED: Final = _at_position(
    "SELECT also ->> 'unit' AS unit, also ->> 'of' AS of, sum(CAST(also ->> 'count' AS bigint)) AS number"
    "{joined} JOIN disbursements d ON d.disbursement_id = e.subject"
    " CROSS JOIN jsonb_array_elements(d.also_helped) AS also"
    "{within} AND p.booked_on >= :first_day AND e.kind = 'disbursement' AND p.line = 1"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


async def also_helped(connection: AsyncConnection, scope: Scope) -> list[Helped]:
    """The further counts of what was paid in the period."""
    rows = await connection.execute(_HELPED, scope.values())
    return [Helped(row.unit, row.of, int(row.number)) for row in rows]


@dataclass(frozen=True, slots=True)
class Moved:
    """A transfer that touches the campaigns, as one of them has it."""

    campaign_id: str
    kind: TransferKind
    other: str
    into: bool
    decided_on: date
    amount_fen: int


_MOVED: Final = _at_position(
    "SELECT p.campaign_id, t.kind, p.side = 'credit' AS into, t.decided_on, sum(p.amount_fen) AS amount_fen,"
    " coalesce((SELECT title FROM campaigns WHERE campaign_id = CASE p.campaign_id"
    "  WHEN t.from_campaign_id THEN t.to_campaign_id ELSE t.from_campaign_id END),"
    "  t.trust || '（受托人：' || t.trustee || '）') AS other"
    "{joined} JOIN fund_transfers t ON t.transfer_id = e.subject"
    "{within} AND p.booked_on >= :first_day AND e.kind = 'transfer' AND p.account >= '3'"
    " GROUP BY t.transfer_id, p.campaign_id, p.side ORDER BY t.decided_on, t.transfer_id, p.campaign_id"
)


async def moved(connection: AsyncConnection, scope: Scope) -> list[Moved]:
    """The transfers of the period, oldest first; one between two of the campaigns comes twice."""
    return [
        Moved(
            campaign_id=row.campaign_id,
            kind=row.kind,
            other=row.other,
            into=row.into,
            decided_on=row.decided_on,
            amount_fen=int(row.amount_fen),
        )
        for row in await connection.execute(_MOVED, scope.values())
    ]


@dataclass(frozen=True, slots=True)
class GoodsIn:
    """Goods of one category and unit that were given in the period."""

    category: str
    unit: str
    quantity: int
    value_fen: int


_GOODS_IN: Final = _at_position(
    "SELECT i.category, i.unit, sum(i.quantity) AS quantity, sum(i.value_fen) AS value_fen"
    "{joined} JOIN goods_items i ON i.gift_id = e.subject"
    "{within} AND p.booked_on >= :first_day AND e.kind = 'goods' AND p.line = 1"
    " GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2"
)


async def goods_in(connection: AsyncConnection, scope: Scope) -> list[GoodsIn]:
    """What goods were given in the period; the values add up to what the ledger has received."""
    rows = await connection.execute(_GOODS_IN, scope.values())
    return [GoodsIn(row.category, row.unit, int(row.quantity), int(row.value_fen)) for row in rows]


@dataclass(frozen=True, slots=True)
class GoodsOut:
    """Goods that went to one use in the period, at their value."""

    campaign_id: str
    use: str
    unit: BeneficiaryUnit
    distributions: int
    beneficiaries: int
    value_fen: int


_GOODS_OUT: Final = _at_position(
    "SELECT p.campaign_id, m.use, m.beneficiary_unit AS unit,"
    " count(*) FILTER (WHERE p.line = 1) AS distributions, sum(p.amount_fen) AS value_fen,"
    " sum(m.beneficiaries) FILTER (WHERE p.line = 1) AS beneficiaries"
    "{joined} JOIN goods_movements m ON m.movement_id = e.subject"
    "{within} AND p.booked_on >= :first_day AND m.kind = 'distribution' AND p.side = 'debit'"
    " GROUP BY 1, 2, 3 ORDER BY 5 DESC, 1, 2, 3"
)


async def goods_out(connection: AsyncConnection, scope: Scope) -> list[GoodsOut]:
    """What goods were handed out in the period; what came back of them later stands in the statement."""
    return [
        GoodsOut(
            row.campaign_id,
            row.use,
            row.unit,
            row.distributions,
            int(row.beneficiaries),
            int(row.value_fen),
        )
        for row in await connection.execute(_GOODS_OUT, scope.values())
    ]


# ---------------------------------------------------------------- pledges

_PLEDGES: Final = text(
    "SELECT campaign_id, shown_name, due_on, goods, amount_fen, released_fen, paid_fen, returned_fen,"
    " delivered_fen, coalesce(quantity, 0) AS quantity, delivered_quantity"
    " FROM pledges WHERE state IN ('confirmed', 'released') AND campaign_id = ANY(:campaign_ids)"
    " ORDER BY campaign_id, amount_fen DESC, pledge_id"
).bindparams(bindparam("campaign_ids", type_=ARRAY(TEXT)))


@dataclass(frozen=True, slots=True)
class Promised:
    """A confirmed pledge as it stands now, under the name that the company agreed to show (art. 82)."""

    campaign_id: str
    shown_name: str
    due_on: date
    of_goods: bool
    kept: Kept


async def promised(connection: AsyncConnection, campaign_ids: Sequence[str]) -> list[Promised]:
    """The pledges that count, the largest of each campaign first."""
    found = []
    for row in await connection.execute(_PLEDGES, {"campaign_ids": list(campaign_ids)}):
        kept = Kept(
            row.amount_fen,
            row.released_fen,
            row.paid_fen,
            row.returned_fen,
            row.delivered_fen,
            row.quantity,
            row.delivered_quantity,
        )
        found.append(Promised(row.campaign_id, row.shown_name, row.due_on, row.goods is not None, kept))
    return found


# ---------------------------------------------------------------- what is approved, not yet paid

_RESERVED: Final = text(
    "SELECT campaign_id, sum(amount_fen) AS reserved_fen FROM disbursements WHERE state = 'approved'"
    " AND campaign_id = ANY(:campaign_ids) GROUP BY campaign_id"
).bindparams(bindparam("campaign_ids", type_=ARRAY(TEXT)))


async def reserved(connection: AsyncConnection, campaign_ids: Sequence[str]) -> dict[str, int]:
    """What is approved and not yet paid, now, in fen."""
    rows = await connection.execute(_RESERVED, {"campaign_ids": list(campaign_ids)})
    return {row.campaign_id: int(row.reserved_fen) for row in rows}
