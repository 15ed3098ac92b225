"""Looks at each message by the rules: when it has come, and again when they change while it waits."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donation.moderation import queries
from services.donation.moderation.queries import NewDecision, Screened
from services.donation.moderation.rules import CampaignRules, Word, WordList, screen
from services.donation.moderation.sending import repeatedly

AT_ONCE: Final = 500
"""At 50 µs a message by the default list: 25 ms in which the process does nothing else."""
_RULES: Final = ("automatic", "first_from_fen", "required_from_fen", "max_characters")


class Screener:
    """The rules at work. Several may run at once: what one looks at, the others pass over. A message costs
    the database as much as the booking of its donation, so while donations wait (`stand_back`) it waits too.
    """

    def __init__(self, engine: AsyncEngine, stand_back: Callable[[], bool] = lambda: False) -> None:
        self._engine = engine
        self._stand_back = stand_back
        self._words: tuple[int, WordList] = (0, WordList(()))

    async def run(self) -> None:
        """Look until cancelled. The database away: wait and go on."""
        await repeatedly(self.look, "screening_waits", self._stand_back)

    async def look(self) -> bool:
        """Look at AT_ONCE messages at most; True when there were any."""
        async with self._engine.begin() as connection:
            revision = await queries.revision(connection)
            rows = await queries.unscreened(connection, revision, AT_ONCE)
            if not rows:
                return False
            seen = await _judge(connection, rows, await self._word_list(connection))
            approved = [
                NewDecision(row.message_id, row.version + 1, "approve", "approved", found.rule)
                for row, found in zip(rows, seen, strict=True)
                if found.state == "approved"
            ]
            await queries.mark_screened(connection, seen, revision)
            if approved:
                await queries.add_decisions(connection, approved, None, datetime.now(UTC))
        return True

    async def _word_list(self, connection: AsyncConnection) -> WordList:
        row = await queries.words(connection)
        if row.version != self._words[0]:
            self._words = row.version, WordList(Word(**each) for each in row.words)
        return self._words[1]


async def look_again(connection: AsyncConnection, ids: Collection[UUID]) -> tuple[int, dict[UUID, Screened]]:
    """What the rules in force say of messages that a person takes back, and the rules' revision."""
    revision = await queries.revision(connection)
    words = WordList(Word(**each) for each in (await queries.words(connection)).words)
    seen = await _judge(connection, await queries.to_screen(connection, ids), words, reopened=True)
    return revision, {each.message_id: each for each in seen}


async def _judge(
    connection: AsyncConnection, rows: Sequence[Row[Any]], words: WordList, *, reopened: bool = False
) -> list[Screened]:
    rules = {each: await rules_of(connection, each) for each in {row.campaign_id for row in rows}}
    seen = []
    for row in rows:
        by_hand = reopened or row.version > 0
        found = screen(row.text, row.amount_fen, words, rules[row.campaign_id], reopened=by_hand)
        personal, rank = ",".join(found.personal), 0 if found.first else 1
        seen.append(Screened(row.message_id, found.state, found.rule, found.word, personal, rank))
    return seen


async def rules_of(connection: AsyncConnection, campaign_id: str) -> CampaignRules:
    """The rules in force for a campaign."""
    row = await queries.rules(connection, campaign_id)
    return CampaignRules() if row is None else CampaignRules(**{name: row._mapping[name] for name in _RULES})  # noqa: SLF001 - public
