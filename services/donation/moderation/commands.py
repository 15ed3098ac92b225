"""What moderators do: each function is one command, in the transaction of its caller."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.moderation import queries
from services.donation.moderation.queries import NewDecision
from services.donation.moderation.rules import CampaignRules, Word, decide
from services.donation.moderation.schemas import Decided, DecisionBody
from services.donation.queries import known_of
from shared import versions
from shared.refusals import NotFound

DECISIONS: Final = Counter(
    "shanliu_message_decisions_total",
    "Decisions about donors' messages: done, unchanged, refused (somebody else was quicker, or no such one)",
    ["outcome"],
)


async def decide_all(
    connection: AsyncConnection, person: str, decisions: Sequence[DecisionBody]
) -> list[Decided]:
    """Decide about each message by itself; gives back what became of each, in their order."""
    messages = await queries.lock_messages(connection, [each.message_id for each in decisions])
    answers: list[Decided] = []
    new: list[NewDecision] = []
    for each in decisions:
        answer, decision = _decided(each, messages.get(each.message_id))
        answers.append(answer)
        if decision is not None:
            new.append(decision)
    if new:
        await queries.add_decisions(connection, new, person, datetime.now(UTC))
    for answer in answers:
        DECISIONS.labels(answer.outcome).inc()
    return answers


def _decided(said: DecisionBody, row: Row[Any] | None) -> tuple[Decided, NewDecision | None]:
    if row is None or row.state == "new":
        return _refused(said, None, "not-found"), None
    if row.version != said.version:
        return _refused(said, row, "version-changed"), None
    if row.reversed and said.decision == "approve":
        return _refused(said, row, "donation-reversed"), None
    made = decide(row.state, said.decision)
    if made is None:
        same = Decided(message_id=said.message_id, outcome="unchanged", state=row.state, version=row.version)
        return same, None
    number = row.version + 1
    decision = NewDecision(said.message_id, number, said.decision, made, reason=said.reason, note=said.note)
    done = Decided(message_id=said.message_id, outcome="done", state=made, version=number)
    return done, decision


def _refused(said: DecisionBody, row: Row[Any] | None, problem: str) -> Decided:
    state, version = (None, None) if row is None else (row.state, row.version)
    return Decided(
        message_id=said.message_id, outcome="refused", state=state, version=version, problem=problem
    )


async def set_words(
    connection: AsyncConnection, person: str, words: Sequence[Word], expected: int | None
) -> Row[Any]:
    """Put another word list in force. Raises VersionChanged."""
    await queries.lock_rules(connection)
    current = await queries.words(connection)
    versions.require_version(current.version, expected)
    return await queries.add_words(connection, current.version + 1, words, person)


async def set_rules(
    connection: AsyncConnection, person: str, campaign_id: str, rules: CampaignRules, expected: int | None
) -> Row[Any]:
    """Put other rules in force for a campaign. Raises NotFound, VersionChanged."""
    if not (await known_of(connection, [campaign_id], [])).states:
        raise NotFound("No campaign has this id; a draft is known here once it is filed.")
    await queries.lock_rules(connection)
    row = await queries.rules(connection, campaign_id)
    current = 0 if row is None else int(row.version)
    versions.require_version(current, expected)
    return await queries.add_rules(connection, campaign_id, current + 1, rules, person)
