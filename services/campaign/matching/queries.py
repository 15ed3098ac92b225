"""What is asked of the database about matching gifts. Every function runs in its caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Date, bindparam, insert, text, update
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, TEXT
from sqlalchemy.dialects.postgresql import UUID as UUIDS
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.matching import models
from services.campaign.matching.rules import COUNTING, EligibleSums, Offer, matched_fen
from services.campaign.matching.schemas import Match
from shared.refusals import NotFound

_COUNTING: Final = ", ".join(f"'{state}'" for state in COUNTING)

# ---------------------------------------------------------------- the worker's

_OFFERS: Final = text(
    "SELECT match_id, window_start, window_end, array_agg(asked.campaign_id) AS campaign_ids"  # noqa: S608 - our own words
    " FROM match_campaigns AS asked JOIN matches USING (match_id)"
    f" WHERE asked.campaign_id = ANY(:campaign_ids) AND state IN ({_COUNTING})"
    " GROUP BY match_id, window_start, window_end"
).bindparams(bindparam("campaign_ids", type_=ARRAY(TEXT)))
_ADD_SUMS: Final = text(
    "INSERT INTO match_sums AS known (match_id, source, received_fen, reversed_fen)"
    " SELECT * FROM unnest(:match_ids, :sources, :received, :reversed)"
    " ON CONFLICT (match_id, source) DO UPDATE SET"
    " received_fen = known.received_fen + excluded.received_fen,"
    " reversed_fen = known.reversed_fen + excluded.reversed_fen"
).bindparams(
    bindparam("match_ids", type_=ARRAY(UUIDS(as_uuid=True))),
    bindparam("sources", type_=ARRAY(TEXT)),
    bindparam("received", type_=ARRAY(BIGINT)),
    bindparam("reversed", type_=ARRAY(BIGINT)),
)


async def offers(connection: AsyncConnection, campaign_ids: Sequence[str]) -> list[Offer]:
    """The matches that count what is given to these campaigns; of each those of its campaigns that are asked.

    Ask after the ledger's periods are shared (bookkeeping.book): a match is confirmed while they are held
    alone, so that no batch in flight misses it.
    """
    rows = await connection.execute(_OFFERS, {"campaign_ids": list(campaign_ids)})
    return [
        Offer(row.match_id, frozenset(row.campaign_ids), row.window_start, row.window_end) for row in rows
    ]


async def add_sums(connection: AsyncConnection, sums: Mapping[tuple[UUID, str], EligibleSums]) -> None:
    """Add a batch's sums, in one statement, in the order of the keys (they come sorted)."""
    await connection.execute(
        _ADD_SUMS,
        {
            "match_ids": [match_id for match_id, _ in sums],
            "sources": [source for _, source in sums],
            "received": [each.received_fen for each in sums.values()],
            "reversed": [each.reversed_fen for each in sums.values()],
        },
    )


# ---------------------------------------------------------------- people's

_MATCHES: Final = (
    "SELECT m.*, (SELECT array_agg(c.campaign_id ORDER BY c.campaign_id) FROM match_campaigns c"
    "  WHERE c.match_id = m.match_id) AS campaign_ids,"
    " CAST(coalesce(sums.received_fen, 0) AS bigint) AS eligible_received_fen,"
    " CAST(coalesce(sums.reversed_fen, 0) AS bigint) AS eligible_reversed_fen"
    " FROM matches m CROSS JOIN LATERAL (SELECT sum(received_fen) AS received_fen,"
    "  sum(reversed_fen) AS reversed_fen FROM match_sums s WHERE s.match_id = m.match_id) AS sums"
)
_ONE: Final = text(f"{_MATCHES} WHERE m.match_id = :match_id")
_LOCK: Final = text("SELECT match_id FROM matches WHERE match_id = :match_id FOR NO KEY UPDATE")
_OF_CAMPAIGN: Final = text(
    f"{_MATCHES} WHERE (m.campaign_id = :campaign_id OR m.match_id IN"  # noqa: S608 - our own words
    " (SELECT match_id FROM match_campaigns WHERE campaign_id = :campaign_id))"
    " AND (:after IS NULL OR m.match_id > :after) ORDER BY m.match_id LIMIT :most"
).bindparams(bindparam("after", type_=UUIDS(as_uuid=True)))
_OPEN: Final = text(
    "SELECT count(*) FROM match_campaigns AS asked JOIN matches USING (match_id)"
    " WHERE asked.campaign_id = :campaign_id AND state IN ('entered', 'confirmed', 'closing')"
)
_COUNTED: Final = text(
    "SELECT EXISTS (SELECT FROM ledger_postings AS posting JOIN ledger_entries USING (journal, sequence)"
    " WHERE posting.campaign_id = ANY(:campaign_ids) AND posting.booked_on >= :day AND event_on >= :day"
    " AND source IS NOT NULL)"
).bindparams(bindparam("campaign_ids", type_=ARRAY(TEXT)), bindparam("day", type_=Date))


async def add_match(
    connection: AsyncConnection, values: Mapping[str, Any], campaign_ids: Collection[str]
) -> Match:
    """Write a match and the campaigns whose donations it matches."""
    await connection.execute(insert(models.matches).values(**values))
    rows = [{"match_id": values["match_id"], "campaign_id": each} for each in sorted(campaign_ids)]
    await connection.execute(insert(models.match_campaigns), rows)
    return await match(connection, values["match_id"])


async def match(connection: AsyncConnection, match_id: UUID, *, lock: bool = False) -> Match:
    """Read a match, with `lock` until the end of the transaction. Raises NotFound."""
    if lock:
        # Not FOR UPDATE: that would hold up the worker, whose sums point at the match.
        await connection.execute(_LOCK, {"match_id": match_id})
    row = (await connection.execute(_ONE, {"match_id": match_id})).one_or_none()
    if row is None:
        raise NotFound("There is no match with this id.", fields=["match_id"])
    return _match(row)


async def change_match(connection: AsyncConnection, known: Match, **values: Any) -> Match:
    """Write a locked match's next version."""
    table = models.matches
    statement = (
        update(table)
        .where(table.c.match_id == known.match_id, table.c.version == known.version)
        .values(version=known.version + 1, **values)
        .returning(table.c.match_id)
    )
    (await connection.execute(statement)).one()
    return await match(connection, known.match_id)


async def list_matches(
    connection: AsyncConnection, campaign_id: str, *, after: UUID | None, limit: int
) -> list[Match]:
    """At most `limit` matches that are promised to a campaign or match its donations, behind `after`."""
    asked = {"campaign_id": campaign_id, "after": after, "most": limit}
    return [_match(row) for row in await connection.execute(_OF_CAMPAIGN, asked)]


async def open_matches(connection: AsyncConnection, campaign_id: str) -> int:
    """How many matches of a campaign's donations are not closed or cancelled."""
    return int((await connection.execute(_OPEN, {"campaign_id": campaign_id})).scalar_one())


async def counted(connection: AsyncConnection, campaign_ids: Sequence[str], day: date) -> bool:
    """Whether the ledger has donations or reversals of these campaigns of that day or later."""
    asked = {"campaign_ids": list(campaign_ids), "day": day}
    return bool((await connection.execute(_COUNTED, asked)).scalar_one())


def _match(row: Any) -> Match:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    net_fen = values["eligible_received_fen"] - values["eligible_reversed_fen"]
    values["matched_fen"] = matched_fen(net_fen, ratio_bp=values["ratio_bp"], cap_fen=values["cap_fen"])
    return Match.model_validate(values)
