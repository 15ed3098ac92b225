"""Databases are lost and come back from a backup older than the log: the numbers are exact again, the books
whole, nothing is paid and nobody is thanked twice, and what can't come back is said.

One evening for all; the tests go on where the one before has ended.
"""

import asyncio
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy.engine import make_url

from deploy.bench.ground import Ground, prepared
from deploy.evening import Evening, EveningFailed
from deploy.local.mailcatcher.mailbox import Mailbox
from deploy.local.mailcatcher.smtp import smtp_running
from deploy.local.postgres_programs import find_programs
from deploy.verify.judging import Verdict, verify
from services.campaign import restoring as campaign
from services.donation import restoring as donation
from services.notification import restoring as notification
from services.reporting import restoring as reporting
from shared.broker import CAMPAIGN_EVENTS
from shared.database import create_engine, disposing
from shared.events import Event, FundsDisbursed, GoalReached, MilestoneReached
from shared.restoring import RestoreRefused, reading
from tests.e2e.test_verify import an_evening, named
from tests.grounds import Base
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
BEFORE_FEN, AFTER_FEN = 12_345, 6_789
HALF_OF_THE_GOAL_FEN = 50_000_000
STATE = "SELECT state FROM campaigns WHERE campaign_id = $1"
BOOKED = (
    "booked as their events say: 1 campaign.launched.v1, 2 campaign.milestone-reached.v1,"
    " 2 campaign.paused.v1, 1 disbursement.approved.v1, 2 disbursement.paid.v1, 1 disbursement.returned.v1,"
    " 1 goods.distributed.v1, 1 goods.received.v1, 3 pledge.made.v1"
)
PARTLY = [
    "WITHOUT A PAYEE",
    "WITHOUT THE COMPANY'S OWN NAME",
    "WITHOUT DONOR, PAPERS AND STORE",
    "WITHOUT RECIPIENT AND REASON",
]
PAUSED = "SELECT EXISTS (SELECT FROM campaigns WHERE status = 'paused')"
HELD = "SELECT count(*) FROM donations WHERE status = 'held'"


@dataclass
class Hall:
    """A system on which an evening is played, its mails, and its backups."""

    ground: Ground
    evening: Evening
    mailbox: Mailbox
    backups: dict[str, Path] = field(default_factory=dict)
    waiting: str = ""
    """A disbursement that was asked for before the backup and paid after it."""
    asked_after: str = ""
    """One that no backup has."""

    async def verify(self) -> Verdict:
        return await verify(self.ground.places, wait_s=SETTLED_S)

    async def command(self, verb: str) -> None:
        await self.evening._as("desk", "campaign", f"{self.campaign}/{verb}", {})

    @property
    def campaign(self) -> str:
        return f"/v1/campaigns/{self.evening.expected.campaign_id}"

    async def asked(self, amount_fen: int) -> str:
        """Ask for a disbursement; gives its address back."""
        wanted = {
            "amount_fen": amount_fen,
            "use": "助学圆梦",
            "title": "示例：第二批",
            "payee": "示例学校",
            "beneficiaries": 3,
            "beneficiary_unit": "person_times",
        }
        asked = await self.evening._as("desk", "campaign", f"{self.campaign}/disbursements", wanted)
        return f"/v1/disbursements/{asked['disbursement_id']}"

    async def paid(self, disbursement: str, amount_fen: int) -> None:
        """Have what was asked for approved and paid."""
        await self.evening._eventually(
            lambda: self.evening._as("approver", "campaign", f"{disbursement}/approve", {}, version=1)
        )
        await self.evening._as("finance", "campaign", f"{disbursement}/pay", {}, version=2)
        self.evening.expected.disbursed_fen += amount_fen

    async def told(self, *kinds: type[Event]) -> Counter[str]:
        """How often each fact of these kinds lies on campaign.events, each sequence once."""
        found: dict[tuple[str, int], str] = {}
        async with reading(self.ground.kafka) as topics:
            async for _, event in topics.events(CAMPAIGN_EVENTS):
                if isinstance(event, kinds):
                    fen = getattr(event.data, "milestone_fen", "")
                    found[event.source, event.sequence] = f"{event.type} {event.subject} {fen}"
        return Counter(found.values())

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
        """The backup, and what has to follow it before the processes start."""
        place = self.ground.base.dsn
        await self._program("pg_restore", place, "--create", "--exit-on-error", str(self.backups[service]))
        dry = await self.restore(service, dry_run=True)
        said = await self.restore(service)
        assert said[: len(dry)] == dry or service == "reporting", "a dry run says what is done"
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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hall(base: Base) -> AsyncIterator[Hall]:
    """An evening, its backups, and as much again that no backup has."""
    mailbox = Mailbox()
    async with (
        prepared(base, more={"SMTP_RATE_PER_S": "1000"}) as ground,
        smtp_running(mailbox, ground.wiring.smtp_port),
        an_evening(ground) as evening,
    ):
        await ground.start("notification")
        hall = Hall(ground, evening, mailbox)
        await evening.prepare()
        await evening.play(60)
        assert named(await hall.verify()) == []
        await hall.thanked()
        with pytest.raises(RestoreRefused, match="stop every process"):
            await hall.restore("donation")
        hall.waiting = await hall.asked(BEFORE_FEN)
        await hall.back_up()
        await _the_other_half(hall)
        yield hall


async def test_a_lost_donation_database_comes_back_from_an_older_backup_to_the_exact_number(
    hall: Hall,
) -> None:
    # The campaign is paused now: what came while it was open would be held, if it were decided again.
    await hall.lose("donation")
    said = await hall.bring_back("donation")
    await hall.ground.start(*PROCESSES["donation"])
    assert said[0] == "67 donations booked as their events say, 9 of them held"
    assert said[1].startswith("6 releases, 2 reversals, 1 conflicts")
    assert named(await hall.verify()) == []
    assert await hall.ground.value("donation", HELD) == 3
    _nobody_thanked_twice(hall)


async def test_the_other_databases_come_back_from_older_backups_while_donations_go_on(hall: Hall) -> None:
    """All three are away at once, and money comes meanwhile."""
    evening, lost = hall.evening, ("campaign", "notification", "reporting")
    before = await hall.told(GoalReached, MilestoneReached, FundsDisbursed)
    assert len(before) == 5, "three payments, two thresholds"
    for service in lost:
        await hall.lose(service)
    await evening.donate_by_http(10)  # held: the campaign is paused
    said = {service: await hall.bring_back(service) for service in lost}
    await hall.ground.start(*(process for service in lost for process in PROCESSES[service]))

    assert said["campaign"][0].startswith("15 events were published after the backup")
    assert said["campaign"][1] == BOOKED
    partly = [line.split(":")[0] for line in said["campaign"] if line.startswith("WITHOUT")]
    assert partly == PARTLY
    assert said["campaign"][3].strip() == hall.asked_after.rpartition("/")[2]
    assert not [line for line in said["campaign"] if line.startswith("LOST")]
    assert said["campaign"][-2].startswith("NOT ON ANY TOPIC")
    assert await hall.ground.value("campaign", STATE, evening.expected.campaign_id) == "paused"
    with pytest.raises(EveningFailed, match="409"):
        await evening._as("finance", "campaign", f"{hall.waiting}/pay", {}, version=3)
    await hall.command("launch")  # a new fact, and not taken for one that was told before
    await hall.held(0)
    verdict = await hall.verify()
    assert named(verdict) == []
    for line in verdict.campaigns[evening.expected.campaign_id]:
        assert line.sums.net_fen == evening.expected.total_fen, line.place
        assert line.sums.disbursed_fen == evening.expected.disbursed_fen, line.place
        assert line.sums.returned_fen == evening.expected.returned_fen, line.place
        assert line.sums.goods_received_fen == evening.expected.goods_received_fen, line.place
    assert await hall.told(GoalReached, MilestoneReached, FundsDisbursed) == before, "each once for ever"
    await hall.thanked()
    _nobody_thanked_twice(hall)


async def _the_other_half(hall: Hall) -> None:
    """What came after the backup: donations that counted, that were held and let go, refunds, a pause, money
    that went out and partly came back, placards, goods in and out, half of the goal.
    """
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
    large = evening._donation() | {"amount_fen": HALF_OF_THE_GOAL_FEN}
    assert (await evening._post("wechat", "donations", large)).status_code == 202
    evening._count([("wechat", large)])
    await hall.paid(hall.waiting, BEFORE_FEN)
    hall.asked_after = await hall.asked(AFTER_FEN)
    await hall.paid(hall.asked_after, AFTER_FEN)
    await evening._return(hall.asked_after, 3, 77)
    await evening._pledge()
    await evening._goods()
    assert named(await hall.verify()) == []
    await hall.paused()
    await evening.donate_by_http(3)
    await hall.held(3)
    await hall.thanked()


def _nobody_thanked_twice(hall: Hall) -> None:
    mails = Counter(mail.message_id for mail in hall.mailbox.find())
    assert len(mails) > 10
    assert set(mails.values()) == {1}
