"""Donations, reversals, disbursements, transfers and splits in whatever order: no fen is lost or made."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.campaign import queries as campaigns_queries
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import today_of
from services.campaign.funds import commands, queries
from services.campaign.funds.schemas import CorrectionBody, Split, SplitBody, SplitPartBody, WithdrawBody
from services.campaign.funds.splitting import SplitState
from services.campaign.guardrail import FundFigures
from services.campaign.spending import commands as spending
from services.campaign.spending.schemas import DisbursementBody
from shared.events import Event
from shared.refusals import Refused
from tests.services.campaign.books import balances, require_exact, take
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    Source,
    a_disbursement,
    launched,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOUNCER = Announcer(partitions=4)
FUNDS = 3

amounts = st.one_of(st.integers(1, 10), st.integers(1, 10**13))
fund = st.integers(0, FUNDS - 1)
weight = st.integers(1, 10_000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("received"), fund, amounts),
        st.tuples(st.just("reversed"), st.integers(0, 9), amounts),
        st.tuples(st.just("spent"), fund, amounts),
        st.tuples(st.just("reserved"), fund, amounts),
        st.tuples(st.just("moved"), fund, amounts),
        st.tuples(st.just("split"), st.integers(0, 9), weight),
        st.tuples(st.just("corrected"), st.just(0), st.just(0)),
    ),
    min_size=4,
    max_size=20,
)


@dataclass
class Given:
    """A donation as the test made it, and what is left of it."""

    donation_id: UUID
    campaign_id: str
    left_fen: int


@dataclass
class World:
    """Three funds; what was given, and what the log has of it."""

    service: Service
    campaigns: list[str]
    source: Source = field(default_factory=Source)
    donations: list[Given] = field(default_factory=list)
    log: list[Event] = field(default_factory=list)
    splits: list[UUID] = field(default_factory=list)

    async def do(self, step: tuple[str, int, int]) -> None:
        name, which, fen = step
        await getattr(self, name)(which, fen)

    async def command(self, work: Any, *arguments: Any) -> Any:
        """Run a command; None: a rule has refused it."""
        try:
            async with self.service.engine.begin() as connection:
                return await work(connection, *arguments)
        except Refused:
            return None

    async def approved(self, work: Any, version: int, what: UUID, *funds: str) -> Any:
        """An approval, after which none of the funds that gave may be below zero."""
        done = await self.command(work, ANNOUNCER, Actor(APPROVER, version), what)
        if done is not None:
            for each in funds:
                assert (await self.figures(each)).balance_fen >= 0
        return done

    async def figures(self, campaign_id: str) -> FundFigures:
        async with self.service.engine.connect() as connection:
            return await campaigns_queries.figures(connection, campaign_id)

    async def received(self, which: int, fen: int) -> None:
        gift = Given(uuid4(), self.campaigns[which], fen)
        self.donations.append(gift)
        await self.hear(self.source.received(gift.campaign_id, fen, donation_id=gift.donation_id))

    async def reversed(self, which: int, fen: int) -> None:
        if not self.donations:
            return
        gift = self.donations[which % len(self.donations)]
        back = min(fen, gift.left_fen)
        if back:
            gift.left_fen -= back
            await self.hear(self.source.reversed(gift.campaign_id, back, donation_id=gift.donation_id))

    async def hear(self, event: Event) -> None:
        self.log.append(event)
        await take(self.service, [event])
        await take(self.service, [event])

    async def about_all_of(self, campaign_id: str, fen: int) -> int:
        """Up to one fen more than the fund has, so that most of it is soon gone."""
        return 1 + fen % (max(0, (await self.figures(campaign_id)).balance_fen) + 1)

    async def reserved(self, which: int, fen: int) -> Any:
        campaign_id = self.campaigns[which]
        body = DisbursementBody(**a_disbursement(await self.about_all_of(campaign_id, fen)))
        asked = await self.command(spending.request_disbursement, Actor(FINANCE), campaign_id, body)
        approve = spending.approve_disbursement
        return await self.approved(approve, asked.version, asked.disbursement_id, campaign_id)

    async def spent(self, which: int, fen: int) -> None:
        approved = await self.reserved(which, fen)
        if approved is not None:
            actor = Actor(FINANCE, approved.version)
            await self.command(spending.pay_disbursement, ANNOUNCER, actor, approved.disbursement_id)

    async def moved(self, which: int, fen: int) -> None:
        giver, taker = self.campaigns[which], self.campaigns[(which + 1) % FUNDS]
        wanted = await self.about_all_of(giver, fen)
        body = CorrectionBody(to_campaign_id=taker, amount_fen=wanted, reason="归口", reference=None)
        asked = await self.command(commands.ask_correction, Actor(FINANCE), giver, body)
        await self.approved(commands.approve_transfer, 1, asked.transfer_id, giver)

    async def split(self, which: int, share_bp: int) -> None:
        if not self.donations:
            return
        gift = self.donations[which % len(self.donations)]
        first = share_bp // 2 + 1
        shares = [first, (10_000 - first) // 3 + 1]
        shares.append(10_000 - sum(shares))
        if shares[2] < 1:
            return
        parts = [
            SplitPartBody(campaign_id=each, amount_fen=None, share_bp=bp)
            for each, bp in zip(self.campaigns, shares, strict=True)
        ]
        body = SplitBody(
            donation_id=gift.donation_id,
            received_on=today_of(datetime.now(UTC)),
            parts=parts,
            reason="捐赠人指定",
        )
        asked = await self.command(commands.ask_split, Actor(FINANCE), gift.campaign_id, body)
        if asked is None:
            return
        about = [each for each in self.log if each.data.donation_id == gift.donation_id]
        async with self.service.engine.begin() as connection:  # as the reading of the log does
            await queries.note_donations(connection, about)
            await queries.note_reversals(connection, about)
        done = await self.approved(commands.approve_split, 1, asked.split_id, gift.campaign_id)
        if done is None:
            withdrawn = WithdrawBody(reason="余额不足")
            assert await self.command(commands.withdraw_split, Actor(FINANCE, 1), asked.split_id, withdrawn)
            return
        assert done.left_fen == gift.left_fen == sum(part.given_fen for part in done.parts)
        self.splits.append(done.split_id)

    async def corrected(self, *_: int) -> None:
        for split_id in self.splits:
            known = await self.known(split_id)
            assert await self.command(commands.correct_split, Actor(FINANCE, known.version), split_id)
        waiting = await self.service.rows(
            "SELECT transfer_id, from_campaign_id FROM fund_transfers"
            " WHERE split_id = ANY(:ids) AND state = 'asked'",
            ids=self.splits,
        )
        for transfer_id, campaign_id in waiting:
            await self.approved(commands.approve_transfer, 1, transfer_id, campaign_id)

    async def known(self, split_id: UUID) -> Split:
        async with self.service.engine.connect() as connection:
            return await queries.split(connection, split_id)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(steps)
async def test_after_any_interleaving_no_fen_is_lost_or_made(
    apart: Service, taken: list[tuple[str, int, int]]
) -> None:
    world = World(apart, [await launched(apart.operator(DESK)) for _ in range(FUNDS)])
    for step in taken:
        await world.do(step)
    await require_exact(apart)
    funds = [await world.figures(each) for each in world.campaigns]
    assert sum(each.transferred_in_fen for each in funds) == sum(each.transferred_out_fen for each in funds)
    left_fen = sum(each.left_fen for each in world.donations)
    spent_fen = sum(each.reserved_fen + each.disbursed_fen for each in funds)
    assert sum(each.balance_fen for each in funds) == left_fen - spent_fen
    for campaign_id, each in zip(world.campaigns, funds, strict=True):
        found = await balances(apart, campaign_id)
        by_ledger = found.get("410101", 0) + found.get("3102", 0) - found.get("5101", 0)
        assert by_ledger == each.held_fen
    for split_id in world.splits:
        split = await world.known(split_id)
        gift = next(one for one in world.donations if one.donation_id == split.donation.donation_id)
        assert split.donation.amount_fen is not None
        assert split.donation.amount_fen - split.donation.reversed_fen == gift.left_fen, "none is lost"
        assert split.state is SplitState.APPROVED
        if not split.to_correct:
            others = [part for part in split.parts if part.campaign_id != split.campaign_id]
            kept_fen = sum((part.given_fen or 0) - part.corrected_fen for part in others)
            assert kept_fen <= gift.left_fen, "no fund keeps what has gone back"
