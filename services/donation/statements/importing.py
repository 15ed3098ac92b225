"""Works at statements in the background: checks what was uploaded, imports what was confirmed.

Both read the file from its first line, in batches, and come to the same lines each time. An import writes
down how far the broker has everything (`done_line`); one that was killed is taken up there by whoever comes
next, and what was sent in between goes out again under the same ids, which count once.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, get_args
from uuid import UUID, uuid4

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import queries as donations
from services.donation.accepting import Acceptance
from services.donation.channels.directory import Channel, Directory
from services.donation.statements import queries
from services.donation.statements.bad_lines import BadLines
from services.donation.statements.checking import Checker, Line
from services.donation.statements.files import Files
from services.donation.statements.metrics import FILES, LINES, OLDEST_UNCONFIRMED_SECONDS
from services.donation.statements.preview import SHOWN, BadLine, Previewing
from services.donation.statements.profiles import Profile
from services.donation.statements.reading import Table, open_table
from services.donation.statements.standing import Standing, standing
from services.donation.statements.unreadable import Unreadable
from shared.broker import PublishFailed
from shared.problems import Problem

log = structlog.get_logger(__name__)

BATCH: Final = 500
"""Lines looked at in one step of a thread (some 25 ms), asked of the database at once, and on their way to
the broker at once."""
POLL_S: Final = 1.0
RENEW_S: Final = 10.0
AGAIN_S: Final = 5.0
"""When a channel is paused or the broker away."""
MAX_ATTEMPTS: Final = 5
STUCK_S: Final = 600.0
_PASSING: Final = (SQLAlchemyError, OSError, TimeoutError, PublishFailed)


class Lost(Exception):
    """Another process has the statement now, or a person has discarded it."""


class Wait(Exception):
    """The channel or the broker does not take anything at the moment."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A statement that this process works at."""

    claim: UUID
    row: Row[Any]
    profile: Profile
    channel: Channel

    @property
    def statement_id(self) -> int:
        """The statement's id."""
        return int(self.row.statement_id)


class Clerk:
    """Checks and imports, one statement at a time."""

    def __init__(
        self, engine: AsyncEngine, files: Files, directory: Directory, acceptance: Acceptance
    ) -> None:
        self._engine = engine
        self._files = files
        self._directory = directory
        self._acceptance = acceptance
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for work now; it is looked for every POLL_S in any case."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled. The database or the broker away: wait and go on."""
        while True:
            self._wake.clear()
            try:
                while await self.work():
                    await self._measure()
                await self._measure()
                async with self._engine.begin() as connection:
                    await queries.forget(connection)
            except _PASSING as error:
                log.warning("statements_wait", error=repr(error)[:200])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_S)

    async def _measure(self) -> None:
        async with self._engine.connect() as connection:
            stands = await queries.standing(connection)
        for state in get_args(queries.State):
            FILES.labels(state).set(stands[state].files if state in stands else 0)
        OLDEST_UNCONFIRMED_SECONDS.set(stands["checked"].oldest_s if "checked" in stands else 0)

    async def work(self) -> bool:
        """Take one statement as far as it goes; False when none waits."""
        claim = uuid4()
        async with self._engine.begin() as connection:
            row = await queries.claim(connection, claim)
        if row is None:
            return False
        try:
            await self._go_on(claim, row)
        except Lost:
            log.info("statement_lost", statement_id=row.statement_id)
        except Wait as reason:
            log.info("statement_waits", statement_id=row.statement_id, reason=str(reason))
            await self._put_off(row.statement_id, claim, AGAIN_S)
        except _PASSING:
            with suppress(*_PASSING):
                await self._put_off(row.statement_id, claim, AGAIN_S)
            raise
        except Exception as error:  # noqa: BLE001 - a file that meets a mistake of ours must not stop the others
            await self._fail(claim, row, "A mistake of ours, now in our log.", type(error).__name__)
        return True

    async def _go_on(self, claim: UUID, row: Row[Any]) -> None:
        if row.attempts > MAX_ATTEMPTS:
            await self._fail(claim, row, f"Not done in {MAX_ATTEMPTS} attempts.", "attempts")
            return
        channel = await self._directory.find(row.channel)
        if channel is None:
            raise Wait("channel-unknown-yet")
        claimed = Claimed(claim, row, Profile.model_validate(row.profile), channel)
        try:
            content = await self._files.read(row.statement_id, "original")
            if content is None:
                raise Unreadable("The file has been deleted.")
            table = open_table(content, claimed.profile.layout())
            await (self._check(claimed, table) if row.state == "uploaded" else self._import(claimed, table))
        except Unreadable as error:
            await self._fail(claim, row, error.detail, "unreadable")
        except InvalidTag:
            await self._fail(claim, row, "The key of the files has changed.", "key")

    async def _fail(self, claim: UUID, row: Row[Any], reason: str, kind: str) -> None:
        """A file that can't be checked is refused. One that was checked and confirmed is not: it is tried
        again after STUCK_S, and somebody has to look.
        """
        if row.state == "importing":
            log.error("statement_stuck", statement_id=row.statement_id, kind=kind)
            await self._put_off(row.statement_id, claim, STUCK_S)
            return
        async with self._engine.begin() as connection:
            await queries.refused(connection, row.statement_id, claim, reason)
        log.warning("statement_refused", statement_id=row.statement_id, kind=kind)

    # ------------------------------------------------------------ checking

    async def _check(self, claimed: Claimed, table: Table) -> None:
        previewing = Previewing(claimed.profile)
        bad_lines = BadLines(table.header, claimed.profile.form.delimiter)
        async for batch in self._batches(claimed, table):
            for line, known in await self._standing(claimed, batch):
                previewing.add(line, known)
                if line.verdict == "bad":
                    bad_lines.add(line)
        unknown = await self._unknown_campaigns(previewing.preview.campaigns)
        preview = previewing.finish(table.trailer, unknown)
        content = bad_lines.content()
        sealed = content and await self._files.sealed(claimed.statement_id, "bad_lines", content)
        alone = claimed.row.origin == "folder" and claimed.profile.auto_confirm
        async with self._engine.begin() as connection:
            shown = preview.model_dump(mode="json")
            if not await queries.checked(connection, claimed.statement_id, claimed.claim, shown):
                raise Lost
            if sealed:
                days = claimed.profile.keep_days
                await queries.keep_file(connection, claimed.statement_id, "bad_lines", sealed, days)
            if alone and not preview.bad and not preview.warnings:
                await queries.decide(connection, claimed.statement_id, "importing", "profile")
        LINES.labels("checked_good").inc(preview.good)
        LINES.labels("checked_bad").inc(preview.bad)
        LINES.labels("checked_passed_over").inc(preview.passed_over)
        log.info("statement_checked", statement_id=claimed.statement_id, lines=preview.lines, bad=preview.bad)

    async def _unknown_campaigns(self, campaigns: dict[str, Any]) -> list[str]:
        async with self._engine.connect() as connection:
            known = await donations.known_of(connection, campaigns, [])
        return sorted(set(campaigns) - set(known.states))

    # ------------------------------------------------------------ sending

    async def _import(self, claimed: Claimed, table: Table) -> None:
        outcome = Outcome(claimed.row.outcome)
        async for batch in self._batches(claimed, table):
            fresh = [line for line in batch if line.number > claimed.row.done_line]
            if not fresh:
                continue
            stands = await self._standing(claimed, [line for line in fresh if line.verdict in _SENT])
            before = outcome.counts
            await self._send(claimed, stands, outcome)
            async with self._engine.begin() as connection:
                shown = outcome.as_json()
                if not await queries.progress(
                    connection, claimed.statement_id, claimed.claim, fresh[-1].number, shown
                ):
                    raise Lost
            for (name, now), then in zip(outcome.counts.items(), before.values(), strict=True):
                LINES.labels(name).inc(now - then)
        async with self._engine.begin() as connection:
            await queries.imported(connection, claimed.statement_id, claimed.claim)
        log.info("statement_imported", statement_id=claimed.statement_id, sent=outcome.sent)

    async def _send(self, claimed: Claimed, stands: Sequence[Standing], outcome: "Outcome") -> None:
        """Return when the broker has them all. Raises Wait when it does not take them."""
        sending = [each.line for each in stands if each.line.verdict in _SENT and not each.known]
        await self._let_in(claimed.channel.name, len(sending))
        answers = await asyncio.gather(*(self._take(claimed, line) for line in sending))
        for stand in stands:
            if stand.line.verdict == "bad":
                outcome.refuse(stand.line.number, stand.line.reasons)
            elif stand.known:
                outcome.known += 1
        for line, answer in zip(sending, answers, strict=True):
            if answer is None:
                outcome.sent += 1
            elif answer.status == 503:
                raise Wait(answer.code)
            else:
                outcome.refuse(line.number, (answer.detail,))

    async def _take(self, claimed: Claimed, line: Line) -> Problem | None:
        assert line.message is not None
        try:
            await self._acceptance.take(claimed.channel, line.message)
        except Problem as problem:
            return problem
        return None

    async def _let_in(self, name: str, count: int) -> None:
        """Return when the channel's limit lets so many in. Raises Wait while it is paused."""
        for _ in range(count):
            channel = await self._directory.find(name)
            if channel is None or channel.paused:
                raise Wait("channel-paused")
            while not channel.bucket.take():  # noqa: ASYNC110 - a bucket fills with time and tells nobody
                await asyncio.sleep(0.02)

    # ------------------------------------------------------------ both

    async def _batches(self, claimed: Claimed, table: Table) -> AsyncIterator[list[Line]]:
        """The lines in batches, read in a thread; renews the claim. Raises Lost when it is gone."""
        lines = Checker(claimed.profile, claimed.row.uploaded_at).lines(table)
        renewed_s = time.monotonic()
        while batch := await asyncio.to_thread(_next, lines):
            if time.monotonic() - renewed_s > RENEW_S:
                await self._renew(claimed)
                renewed_s = time.monotonic()
            yield batch

    async def _renew(self, claimed: Claimed) -> None:
        async with self._engine.begin() as connection:
            if not await queries.keep_claim(connection, claimed.statement_id, claimed.claim):
                raise Lost

    async def _standing(self, claimed: Claimed, lines: Sequence[Line]) -> list[Standing]:
        async with self._engine.connect() as connection:
            return await standing(connection, claimed.channel, lines)

    async def _put_off(self, statement_id: int, claim: UUID, after_s: float) -> None:
        async with self._engine.begin() as connection:
            await queries.put_off(connection, statement_id, claim, after_s)


def _next(lines: Iterator[Line]) -> list[Line]:
    return list(itertools.islice(lines, BATCH))


_SENT: Final = ("donation", "reversal")


class Outcome:
    """What an import has come to so far; goes on from what is stored."""

    def __init__(self, stored: dict[str, Any] | None) -> None:
        said = stored or {}
        self.sent = int(said.get("sent", 0))
        self.known = int(said.get("known", 0))
        self.refused = int(said.get("refused", 0))
        self._refused_lines = [BadLine.model_validate(each) for each in said.get("refused_lines", [])]

    @property
    def counts(self) -> dict[str, int]:
        """How many lines came to what."""
        return {"sent": self.sent, "known": self.known, "refused": self.refused}

    def refuse(self, line: int, reasons: Sequence[str]) -> None:
        """One that was not taken, though it was good when the file was checked."""
        self.refused += 1
        if len(self._refused_lines) < SHOWN:
            self._refused_lines.append(BadLine(line=line, reasons=list(reasons)))

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        return {
            **self.counts,
            "refused_lines": [each.model_dump() for each in self._refused_lines],
        }
