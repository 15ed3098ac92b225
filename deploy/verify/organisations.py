"""Whose each campaign is: what rolls up to an organisation is a sum of campaigns, each of which is proved by
itself, so what is left to prove is the tree.
"""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from deploy.verify.claims import Books
from deploy.verify.places import Places

_MARKS: Final = "SELECT source, sequence FROM marks WHERE sequence >= 0"
_CAMPAIGNS: Final = "SELECT campaign_id, organisation_id FROM campaigns"
_ORGANISATIONS: Final = "SELECT organisation_id, parent_id FROM organisations"
# What was announced last of each, up to the positions that the other database has read.
_ANNOUNCED: Final = """
SELECT DISTINCT ON (key) key, event->'data'->>$3
FROM (SELECT id, source, key, convert_from(value, 'UTF8')::json AS event FROM outbox
      WHERE convert_from(value, 'UTF8')::json->>'type' ~ $4) AS events
JOIN unnest($1::text[], $2::bigint[]) AS marks (source, sequence) USING (source)
WHERE id <= sequence ORDER BY key, id DESC
"""
_OF_CAMPAIGNS: Final = r"^org\.shanliu\.campaign\.(filed|launched|paused|closed|settled)\.v1$"
_OF_ORGANISATIONS: Final = r"^org\.shanliu\.organisation\.(registered|changed)\.v1$"


async def wrong_places(places: Places) -> list[str]:
    """Where reporting has another tree than was announced up to its positions, in words."""
    async with Books(places, "reporting") as books:
        positions = await _pairs(books, _MARKS)
        campaigns = await _pairs(books, _CAMPAIGNS)
        organisations = await _pairs(books, _ORGANISATIONS)
    marks = list(positions), list(positions.values())
    async with Books(places, "campaign") as books:
        owners = await _pairs(books, _ANNOUNCED, *marks, "organisation_id", _OF_CAMPAIGNS)
        parents = await _pairs(books, _ANNOUNCED, *marks, "parent_id", _OF_ORGANISATIONS)
    return [
        *_differing("belongs to", campaigns, owners),
        *_differing("stands below", organisations, parents),
    ]


def _differing(how: str, found: Mapping[str, str | None], announced: Mapping[str, str | None]) -> list[str]:
    return [
        f"{each} {how} {found.get(each) or 'nobody'} instead of {announced.get(each) or 'nobody'}"
        for each in sorted({*found, *announced})
        if (each in found, found.get(each)) != (each in announced, announced.get(each))
    ]


async def _pairs(
    books: "asyncpg.Connection[asyncpg.Record]", statement: str, *arguments: object
) -> dict[str, Any]:
    return {row[0]: row[1] for row in await books.fetch(statement, *arguments)}
