"""What moderators do: each function is one command, in the transaction of its caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.moderation import queries
from services.donation.moderation.queries import NewDecision, Screened
from services.donation.moderation.rules import CampaignRules, State, Step, Word, decide, reopen
from services.donation.moderation.schemas import Decided, DecisionBody
from services.donation.moderation.screening import look_again
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
    reopening = [each.message_id for each in decisions if each.decision == "reopen"]
    before = await _before(connection, reopening) if reopening else _Before()
    answers: list[Decided] = []
    new: list[NewDecision] = []
    for each in decisions:
        answer, decision = _decided(each, messages.get(each.message_id), before, alone=len(decisions) == 1)
        answers.append(answer)
        if decision is not None:
            new.append(decision)
    seen = [before.screened[each.message_id] for each in new if each.state in _UNDECIDED]
    if seen:
        await queries.mark_screened(connection, seen, before.revision)
    if new:
        await queries.add_decisions(connection, new, person, datetime.now(UTC))
    for answer in answers:
        DECISIONS.labels(answer.outcome).inc()
    return answers


_UNDECIDED: Final = {"waiting", "refused_by_rule"}


@dataclass(frozen=True, slots=True)
class _Before:
    """What is needed to put messages back: the last two decisions about each, by message and number, and what
    the rules in force say of it.
    """

    steps: Mapping[tuple[UUID, int], Step] = field(default_factory=dict)
    screened: Mapping[UUID, Screened] = field(default_factory=dict)
    revision: int = 0

    def state(self, message_id: UUID, version: int) -> State | None:
        """Where a message goes when its last decision is taken back; None: there is nothing to take back."""
        steps = self.steps.get((message_id, version)), self.steps.get((message_id, version - 1))
        state = reopen(*steps)
        return self.screened[message_id].state if state == "waiting" else state


async def _before(connection: AsyncConnection, ids: Sequence[UUID]) -> _Before:
    rows = await queries.last_decisions(connection, ids)
    steps = {key: Step(row.verdict, row.state, row.decided_by is not None) for key, row in rows.items()}
    revision, screened = await look_again(connection, ids)
    return _Before(steps, screened, revision)


def _decided(
    said: DecisionBody, row: Row[Any] | None, before: _Before, *, alone: bool
) -> tuple[Decided, NewDecision | None]:
    if row is None or row.state == "new":
        return _refused(said, None, "not-found"), None
    if problem := _obstacle(said, row, alone=alone):
        return _refused(said, row, problem), None
    if said.decision == "reopen":
        made = before.state(row.message_id, row.version)
        if made is None:
            return _refused(said, row, "nothing-to-reopen"), None
    else:
        made = decide(row.state, said.decision)
    if made is None:
        same = Decided(message_id=said.message_id, outcome="unchanged", state=row.state, version=row.version)
        return same, None
    number = row.version + 1
    told = "approved" in {row.state, made}
    decision = NewDecision(said.message_id, number, said.decision, made, None, said.reason, said.note, told)
    done = Decided(message_id=said.message_id, outcome="done", state=made, version=number)
    return done, decision


def _obstacle(said: DecisionBody, row: Row[Any], *, alone: bool) -> str | None:
    """What stands in the way of a decision; `alone`: it is the only one of its call."""
    if row.version != said.version:
        return "version-changed"
    if row.reversed and said.decision != "refuse":
        return "donation-reversed"
    if said.decision == "approve" and row.personal and row.state != "approved" and not alone:
        return "personal-data"
    return None


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
