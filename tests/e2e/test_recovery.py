"""The donation database is lost and comes back from a backup older than the log: the numbers are exact again,
and nobody is thanked twice.
"""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from deploy.bench.ground import Base, Ground, prepared
from deploy.evening import Evening
from deploy.local.mailcatcher.mailbox import Mailbox
from deploy.local.mailcatcher.smtp import smtp_running
from deploy.local.postgres_programs import find_programs
from deploy.verify.judging import Verdict, verify
from services.campaign import restoring as campaign
from services.donation import restoring as donation
from services.notification import restoring as notification
from services.reporting import restoring as reporting
from shared.database import create_engine, disposing
from shared.restoring import RestoreRefused
from tests.e2e.test_verify import an_evening, named
from tests.waiting import until

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SETTLED_S = 30
PROCESSES = {
    "donation": ("donation", "donation-worker"),
    "campaign": ("campaign",),
    "notification": ("notification",),
    "reporting": ("reporting-worker", "reporting"),
}
RESTORES: dict[str, Callable[..., Awaitable[list[str]]]] = {
    "donation": donation.restore,
    "campaign": campaign.restore,
    "notification": notification.restore,
    "reporting": reporting.restore,
}
UNDER_WAY = (
    "SELECT (SELECT count(*) FROM messages WHERE state IN ('waiting', 'pending', 'sending', 'retry'))"
    " + (SELECT count(*) FROM outbox WHERE published_at IS NULL)"
)
PAUSED = "SELECT EXISTS (SELECT FROM campaigns WHERE status = 'paused')"
HELD = "SELECT count(*) FROM donations WHERE status = 'held'"


@dataclass
class Hall:
    """A system on which an evening is played, its mails, and its backups."""

    ground: Ground
    evening: Evening
    mailbox: Mailbox
    backups: dict[str, Path] = field(default_factory=dict)

    async def verify(self) -> Verdict:
        return await verify(self.ground.places, wait_s=SETTLED_S)

    async def command(self, verb: str) -> None:
        await self.evening._as(
            "desk", "campaign", f"/v1/campaigns/{self.evening.expected.campaign_id}/{verb}", {}
        )

    async def paused(self) -> None:
        """Pause the campaign, and wait until the donation service knows."""
        await self.command("pause")
        await until(lambda: self.ground.value("donation", PAUSED), deadline_s=SETTLED_S)

    async def held(self, count: int) -> None:
        async def so_many() -> bool:
            return bool(await self.ground.value("donation", HELD) == count)

        await until(so_many, deadline_s=SETTLED_S)

    async def thanked(self) -> None:
        """Wait until no message is under way, and all is told."""

        async def none() -> bool:
            return bool(await self.ground.value("notification", UNDER_WAY) == 0)

        await until(none, deadline_s=SETTLED_S)

    async def back_up(self) -> None:
        for service in PROCESSES:
            self.backups[service] = self.ground.folder / f"{service}.dump"
            place = make_url(self.ground.base.dsn).set(database=self._database(service))
            dsn = place.render_as_string(hide_password=False)
            await self._program("pg_dump", dsn, "--format=custom", f"--file={self.backups[service]}")

    async def lose(self, service: str) -> None:
        """Stop its processes, and destroy its database."""
        for process in PROCESSES[service]:
            await asyncio.to_thread(self.ground.services.child(process).stop)
        connection = await asyncpg.connect(self.ground.base.dsn)
        try:
            await connection.execute(f'DROP DATABASE "{self._database(service)}" WITH (FORCE)')
        finally:
            await connection.close()

    async def bring_back(self, service: str) -> list[str]:
        """The backup, then what has to follow it, then the processes."""
        place = self.ground.base.dsn
        await self._program("pg_restore", place, "--create", "--exit-on-error", str(self.backups[service]))
        await self.restore(service, dry_run=True)
        said = await self.restore(service)
        await self.ground.start(*PROCESSES[service])
        return said

    async def restore(self, service: str, *, dry_run: bool = False) -> list[str]:
        url = self.ground.wiring.databases[service]
        async with disposing(create_engine(url, "restore", pool_size=1)) as engine:
            return await RESTORES[service](self.ground.kafka, engine, dry_run=dry_run)

    def _database(self, service: str) -> str:
        return str(make_url(self.ground.wiring.databases[service]).database)

    @staticmethod
    async def _program(program: str, dsn: str, *arguments: str) -> None:
        asked: Sequence[str] = [find_programs().path(program), f"--dbname={dsn}", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, asked, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr


@asynccontextmanager
async def a_hall(kafka: str, postgres: str) -> AsyncIterator[Hall]:
    mailbox = Mailbox()
    async with (
        prepared(Base(kafka, postgres), more={"SMTP_RATE_PER_S": "1000"}) as ground,
        smtp_running(mailbox, ground.wiring.smtp_port),
        an_evening(ground) as evening,
    ):
        await ground.start("notification")
        yield Hall(ground, evening, mailbox)


async def test_a_lost_donation_database_comes_back_from_an_older_backup_to_the_exact_number(
    kafka: str, postgres: str
) -> None:
    async with a_hall(kafka, postgres) as hall:
        evening = hall.evening
        await evening.prepare()
        await evening.play(60)
        assert named(await hall.verify()) == []
        await hall.thanked()
        with pytest.raises(RestoreRefused, match="stop every process"):
            await hall.restore("donation")
        await hall.back_up()
        await _the_other_half(hall)

        # The campaign is paused now: what came while it was open would be held, if it were decided again.
        await hall.lose("donation")
        said = await hall.bring_back("donation")
        assert said[0] == "66 donations booked as their events say, 9 of them held"
        assert said[1].startswith("6 releases, 2 reversals, 1 conflicts")
        assert named(await hall.verify()) == []
        assert await hall.ground.value("donation", HELD) == 3
        _nobody_thanked_twice(hall)


async def _the_other_half(hall: Hall) -> None:
    """What came after the backup: donations that counted, that were held and let go, refunds, a pause."""
    evening = hall.evening
    bodies = await evening.donate_by_http(35)
    await evening.donate_by_kafka(22)
    assert named(await hall.verify()) == []
    await hall.paused()
    await evening.donate_by_http(6)
    await hall.held(6)
    await hall.command("launch")
    await hall.held(0)
    await evening._refund(bodies[0], bodies[0][1]["amount_fen"])
    await evening._refund(bodies[1], 1)
    assert named(await hall.verify()) == []
    await hall.paused()
    await evening.donate_by_http(3)
    await hall.held(3)
    await hall.thanked()


def _nobody_thanked_twice(hall: Hall) -> None:
    mails = Counter(mail.message_id for mail in hall.mailbox.find())
    assert mails
    assert set(mails.values()) == {1}
