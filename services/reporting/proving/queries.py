"""What is asked of the database about numbers that were shown."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting.proving.models import shown_sources, shown_states
from services.reporting.totals import CampaignState

WHOLE: Final = timedelta(days=7)
"""So long every number that was shown is kept; then the last of each minute, and what was pinned."""
THINNED: Final = timedelta(days=400)
"""So long the last of each minute; then what was pinned alone."""
AT_ONCE: Final = 20_000
"""Rows that one look at what is old drops at most; the rest goes an hour later."""
_AMOUNTS: Final = (
    "received_fen",
    "reversed_fen",
    "promised_fen",
    "disbursed_fen",
    "returned_fen",
    "donations",
)


async def keep(connection: AsyncConnection, states: Iterable[CampaignState], *, pinned: bool = False) -> None:
    """Keep states that were shown, in order of their digests, so that two processes can't deadlock."""
    ordered = sorted(states, key=lambda state: (state.campaign_id, state.digest))
    if not ordered:
        return
    rows = [_row(state, pinned=pinned) for state in ordered]
    sources = {row["sources_id"]: sorted(state.positions) for row, state in zip(rows, ordered, strict=True)}
    await connection.execute(
        insert(shown_sources).on_conflict_do_nothing(),
        [{"sources_id": key, "sources": sources[key]} for key in sorted(sources)],
    )
    statement = insert(shown_states)
    if pinned:
        keys = ["campaign_id", "digest"]
        statement = statement.on_conflict_do_update(index_elements=keys, set_={"pinned": True})
    else:
        statement = statement.on_conflict_do_nothing()
    await connection.execute(statement, rows)


def _row(state: CampaignState, *, pinned: bool) -> dict[str, Any]:
    sources = sorted(state.positions)
    return {
        "campaign_id": state.campaign_id,
        "digest": state.digest,
        "version": state.version,
        "as_of": state.as_of,
        **{name: getattr(state.amounts, name) for name in _AMOUNTS},
        "sources_id": hashlib.sha256("\n".join(sources).encode()).hexdigest(),
        "sequences": [state.positions[source] for source in sources],
        "pinned": pinned,
    }


async def find(engine: AsyncEngine, campaign_id: str, beginning: str) -> Sequence[RowMapping]:
    """The states of a campaign whose digests begin so; two at most."""
    digest = shown_states.c.digest
    statement = (
        select(shown_states, shown_sources.c.sources)
        .join(shown_sources)
        .where(shown_states.c.campaign_id == campaign_id, digest >= beginning, digest <= beginning + "g")
        .limit(2)
    )
    async with engine.connect() as connection:
        return (await connection.execute(statement)).mappings().all()


_PRUNE: Final = text(
    "DELETE FROM shown_states WHERE ctid = ANY(ARRAY("
    " SELECT old.ctid FROM shown_states AS old WHERE NOT old.pinned AND (old.as_of < :oldest"
    "  OR old.as_of < :whole AND EXISTS (SELECT 1 FROM shown_states AS later"
    "   WHERE later.campaign_id = old.campaign_id AND later.version > old.version"
    "   AND later.as_of >= date_trunc('minute', old.as_of)"
    "   AND later.as_of < date_trunc('minute', old.as_of) + interval '1 minute'))"
    " ORDER BY old.as_of LIMIT :most))"
)


async def prune(engine: AsyncEngine, now: datetime) -> int:
    """Drop what the rule above lets go; gives the number of rows dropped."""
    asked = {"oldest": now - THINNED, "whole": now - WHOLE, "most": AT_ONCE}
    async with engine.begin() as connection:
        return (await connection.execute(_PRUNE, asked)).rowcount
