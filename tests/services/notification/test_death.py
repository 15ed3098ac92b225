"""The process dies, freezes or is told to stop in the middle: nobody is thanked twice, none is lost."""

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from deploy.local.mailcatcher.mailbox import Mode
from services.notification.settings import Settings
from tests.processes import Process
from tests.services.notification.builders import NAME, contact
from tests.services.notification.conftest import World
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _told(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value, default=_told) if isinstance(value, dict | tuple) else str(value)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process is told them."""
    told = {name.upper(): _told(value) for name, value in settings.model_dump().items() if value is not None}
    return os.environ | told


@asynccontextmanager
async def process(settings: Settings, log: IO[bytes]) -> AsyncIterator[Process]:
    """The service as a process of its own; whatever is left of it at the end is killed."""
    started = Process("services.notification", environment(settings), log)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGCONT)
            started.kill()
        await started.wait()


async def lines_of(log: Path) -> str:
    """What a process has written so far."""
    return await asyncio.to_thread(log.read_text, "utf-8")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "notification.log"


async def test_a_mail_the_process_died_over_is_doubt_and_never_two(apart: World, log: Path) -> None:
    apart.mailbox.behave(Mode.HANG)
    await apart.launch()
    donation_id = await apart.donate()

    async def given_away() -> bool:
        return apart.mailbox.received == 1

    with log.open("wb") as stdout:
        async with process(apart.settings, stdout) as first:
            await until(given_away, deadline_s=30)
            first.kill()
            await first.wait()
        apart.mailbox.behave(Mode.ACCEPT)
        async with process(apart.settings, stdout):
            await apart.another_is_thanked()
            assert await apart.state(donation_id) == "sending", "its lease has not run out"
            await apart.change("UPDATE messages SET lease_until = now() WHERE state = 'sending'")
            await apart.reaches(donation_id, "uncertain")
            await apart.another_is_thanked()
    assert len(apart.mails(donation_id)) == 1


async def test_killed_again_and_again_under_load_it_thanks_nobody_twice_and_loses_none(
    apart: World, log: Path
) -> None:
    """What it died over is in doubt, all else is delivered exactly once."""
    kills = 2
    donations: list[UUID] = [uuid4() for _ in range(120)]
    await apart.launch()
    received = [apart.intake.received(each) for each in donations]
    await apart.tell(*received)
    await apart.leave(*(contact(each) for each in donations))
    settings = apart.settings.model_copy(update={"smtp_rate_per_s": 200.0})

    async def open_messages() -> int:
        statement = "SELECT count(*) FROM messages WHERE state IN ('waiting', 'pending', 'retry')"
        return int((await apart.rows(statement))[0][0])

    with log.open("wb") as stdout:
        for kill in range(1, kills + 1):

            async def enough_are_sent(enough: int = 40 * kill) -> bool:
                return apart.mailbox.received >= enough

            async with process(settings, stdout) as killed:
                await until(enough_are_sent, deadline_s=30)
                killed.kill()
        await apart.tell(*received)
        await apart.leave(*(contact(each) for each in donations))
        await apart.change("UPDATE messages SET lease_until = now() WHERE state = 'sending'")
        async with process(settings, stdout):
            await apart.counted(received[-1])
            await apart.another_is_thanked()

            async def nothing_is_open() -> bool:
                return await open_messages() == 0

            await until(nothing_is_open, deadline_s=60)

    states = dict(await apart.rows("SELECT donation_id, state FROM messages"))
    mails = Counter(mail.donation_id for mail in apart.mailbox.find())
    assert set(donations) <= set(states)
    assert max(mails.values()) == 1, "nobody twice"
    in_doubt = [each for each in donations if states[each] == "uncertain"]
    assert len(in_doubt) <= kills * settings.smtp_connections, "doubt only over what was being sent"
    assert all(
        states[each] == "delivered" and mails[str(each)] == 1 for each in donations if each not in in_doubt
    )


async def test_a_process_frozen_past_its_lease_gives_nothing_away_when_it_wakes(
    apart: World, log: Path
) -> None:
    settings = apart.settings.model_copy(update={"smtp_connections": 1})
    apart.mailbox.behave(Mode.HANG)
    await apart.launch()
    donation_id = await apart.donate()

    async def given_away() -> bool:
        return apart.mailbox.received == 1

    with log.open("wb") as stdout:
        async with process(settings, stdout) as frozen:
            await until(given_away, deadline_s=30)
            frozen.send_signal(signal.SIGSTOP)
            await apart.change("UPDATE messages SET lease_until = now() WHERE state = 'sending'")
            apart.mailbox.behave(Mode.ACCEPT)
            async with process(settings, stdout):
                await apart.reaches(donation_id, "uncertain")
                await apart.another_is_thanked()
                frozen.send_signal(signal.SIGCONT)
                await apart.reaches(donation_id, "delivered")
                await apart.another_is_thanked()
    assert len(apart.mails(donation_id)) == 1


async def test_told_to_stop_while_the_mail_server_is_silent_it_writes_the_doubt_down(
    apart: World, log: Path
) -> None:
    apart.mailbox.behave(Mode.HANG)
    await apart.launch()
    donation_id = await apart.donate()

    async def given_away() -> bool:
        return apart.mailbox.received == 1

    with log.open("wb") as stdout:
        async with process(apart.settings, stdout) as stopped:
            await until(given_away, deadline_s=30)
            stopped.terminate()
            ended = await asyncio.wait_for(stopped.wait(), 30)
    assert ended == -signal.SIGTERM, "uvicorn ends by the signal it was stopped with, after it has stopped"
    assert await apart.state(donation_id) == "uncertain"
    outcome = await apart.rows("SELECT outcome, reason FROM attempts")
    assert outcome == [("unknown", "stopped")]


async def test_no_log_line_names_a_donor_even_when_the_database_refuses(apart: World, log: Path) -> None:
    """A batch fails with its contact in hand (PostgreSQL's message has the whole row), and the mail server
    repeats the address it refuses.
    """
    await apart.change("ALTER TABLE contacts ADD CONSTRAINT refuses CHECK (name IS NULL)")
    apart.mailbox.behave(Mode.REJECT_550, count=1)
    await apart.launch()
    refused = uuid4()
    await apart.leave(contact(refused))

    async def batch_failed() -> bool:
        return "batch_failed" in await lines_of(log)

    with log.open("wb") as stdout:
        async with process(apart.settings, stdout):
            await until(batch_failed, deadline_s=30)
            await apart.change("ALTER TABLE contacts DROP CONSTRAINT refuses")
            await apart.tell(apart.intake.received(refused))
            await apart.reaches(refused, "failed")
            await apart.another_is_thanked()
    lines = await lines_of(log)
    assert "attempt_ended" in lines
    assert not re.search(r"[\w.]+@example\.com", lines)
    assert NAME not in lines
    assert NAME.encode("unicode_escape").decode() not in lines
