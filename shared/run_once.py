"""Runs a command once: its effect, its event and its answer become true in one transaction, or none does."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import Counter, Histogram
from pydantic import BaseModel
from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import idempotency
from shared.problems import Problem, problem_of
from shared.refusals import Refused

COMMANDS: Final = Counter(
    "shanliu_commands_total",
    "Commands by what became of them: done, refused, repeated (answered from its Idempotency-Key)",
    ["command", "outcome"],
)
COMMAND_SECONDS: Final = Histogram(
    "shanliu_command_seconds",
    "Time of one command, from its first statement to its commit, in seconds",
    ["command"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

_LOCK_KEY: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:person || ' ' || :key, 0))")

# A few at a time, by whoever comes, so that the table stays as long as a month's commands.
_FORGET: Final = text(
    "DELETE FROM idempotency_keys WHERE (person, idempotency_key) IN (SELECT person, idempotency_key"
    " FROM idempotency_keys WHERE created_at < :before ORDER BY created_at LIMIT 5 FOR UPDATE SKIP LOCKED)"
)


@dataclass(frozen=True, slots=True)
class Command:
    """Who sends what under which key. `request_hash` is idempotency.request_hash of the whole request."""

    name: str
    person: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: a status and a JSON object; its `version`, where it has one, is the ETag."""

    status: int
    body: Mapping[str, Any]

    @classmethod
    def of(cls, status: int, model: BaseModel) -> "Answer":
        """The answer that shows a model."""
        return cls(status, model.model_dump(mode="json"))


Work = Callable[[AsyncConnection], Awaitable[Answer]]


class Runner:
    """Runs commands on the engine, whose database has `keys` (idempotency.idempotency_keys_table), and calls
    `wake` after each commit, for the outbox's relay.
    """

    def __init__(self, engine: AsyncEngine, keys: Table, wake: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._keys = keys
        self._wake = wake

    async def run(self, command: Command, work: Work) -> Answer:
        """The command's answer, from its first run or from this one.

        Raises Problem for a refusal, which is kept and repeated like any other answer, and for another
        request under the same key. What the database raises (a lock not given in time, a restart) is kept
        nowhere: the command has had no effect, and may be sent again with the same key.
        """
        with COMMAND_SECONDS.labels(command.name).time():
            answer, outcome = await self._run(command, work)
        COMMANDS.labels(command.name, outcome).inc()
        if isinstance(answer, Problem):
            raise answer
        self._wake()
        return answer

    async def _run(self, command: Command, work: Work) -> tuple[Answer | Problem, str]:
        async with self._engine.begin() as connection:
            await connection.execute(_LOCK_KEY, {"person": command.person, "key": command.key})
            known = await self._known(connection, command)
            if known is not None:
                return known, "repeated"
            try:
                async with connection.begin_nested():
                    answer: Answer | Problem = await work(connection)
            except Refused as refused:
                answer = problem_of(refused)
            await self._keep(connection, command, answer)
            return answer, "refused" if isinstance(answer, Problem) else "done"

    async def _known(self, connection: AsyncConnection, command: Command) -> Answer | Problem | None:
        """The answer that was given under this key. A key of another request answers with that problem."""
        keys = self._keys
        statement = select(keys).where(keys.c.person == command.person, keys.c.idempotency_key == command.key)
        row = (await connection.execute(statement)).one_or_none()
        if row is None:
            return None
        try:
            idempotency.require_same_request(row.request_hash, command.request_hash)
        except idempotency.KeyReused as reused:
            return problem_of(reused)
        if row.refused:
            return Problem(row.status, **row.answer)
        return Answer(row.status, row.answer)

    async def _keep(self, connection: AsyncConnection, command: Command, answer: Answer | Problem) -> None:
        refused = isinstance(answer, Problem)
        now = datetime.now(UTC)
        await connection.execute(
            insert(self._keys).values(
                person=command.person,
                idempotency_key=command.key,
                request_hash=command.request_hash,
                refused=refused,
                status=answer.status,
                answer=_document(answer) if isinstance(answer, Problem) else answer.body,
                created_at=now,
            )
        )
        await connection.execute(_FORGET, {"before": now - idempotency.KEPT})


def _document(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "detail": problem.detail, "title": problem.title, **problem.members}
