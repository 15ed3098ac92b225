"""In whatever order things happen: the trial balance is zero, the chains whole, each fund the guardrail's."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.ledger import commands
from services.campaign.ledger.periods import month_of, next_month
from services.campaign.ledger.schemas import ReversalBody, VoucherBody
from services.campaign.spending import commands as spending
from services.campaign.spending import queries
from services.campaign.spending.schemas import DisbursementBody, EndBody, MoneyBackBody
from shared.refusals import Refused
from tests.services.campaign.books import a_voucher, balances, read, require_exact, take
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    SECOND_FINANCE,
    Source,
    a_disbursement,
    launched,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGIN = datetime(2020, 1, 15, 4, tzinfo=UTC)
ANNOUNCER = Announcer(partitions=4)

amounts = st.integers(1, 10**13)
which = st.integers(0, 1)
SPENDING = ("asked", "approved", "paid", "withdrawn", "returned")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("received"), which, which, amounts, st.integers(0, 120)),
        st.tuples(st.just("reversed"), which, which, amounts, st.integers(0, 120)),
        st.tuples(st.just("replayed"), which, which, st.just(0), st.just(0)),
        st.tuples(st.sampled_from(SPENDING), which, which, amounts, st.just(0)),
        st.tuples(
            st.sampled_from(["voucher", "corrected"]), which, which, st.integers(1, 10**15), st.just(0)
        ),
        st.tuples(st.just("closed"), st.just(0), st.just(0), st.just(0), st.just(0)),
    ),
    min_size=3,
    max_size=25,
)


@dataclass
class World:
    """Two campaigns and two sources; what was sent, asked for and booked."""

    service: Service
    campaigns: list[str]
    sources: list[Source]
    sent: list[list[Any]]
    disbursements: list[UUID]
    vouchers: list[int]

    async def command(self, work: Any, *arguments: Any) -> Any:
        """Run a command; None: a rule has refused it."""
        try:
            async with self.service.engine.begin() as connection:
                return await work(connection, *arguments)
        except Refused:
            return None

    async def having_read(self, person: str, disbursement_id: UUID) -> Actor:
        async with self.service.engine.connect() as connection:
            return Actor(person, (await queries.disbursement(connection, disbursement_id)).version)

    async def decide(self, work: Any, person: str, disbursement_id: UUID, *arguments: Any) -> Any:
        """A command about a disbursement, by somebody who has read it."""
        actor = await self.having_read(person, disbursement_id)
        return await self.command(work, ANNOUNCER, actor, disbursement_id, *arguments)

    async def spend(self, name: str, chosen: UUID, fen: int) -> None:
        if name == "approved":
            await self.decide(spending.approve_disbursement, APPROVER, chosen)
        elif name == "paid":
            await self.decide(spending.pay_disbursement, FINANCE, chosen)
        elif name == "withdrawn":
            await self.decide(spending.withdraw_disbursement, FINANCE, chosen, EndBody(reason="不再需要"))
        else:
            actor, back = (
                await self.having_read(FINANCE, chosen),
                MoneyBackBody(amount_fen=fen, reason="未用完"),
            )
            if await self.command(spending.ask_return, actor, chosen, back):
                await self.decide(spending.confirm_return, APPROVER, chosen)

    async def do(self, step: tuple[str, int, int, int, int]) -> None:
        name, campaign, source, fen, day = step
        campaign_id = self.campaigns[campaign]
        if name in {"received", "reversed"}:
            make = getattr(self.sources[source], name)
            event = make(campaign_id, fen, BEGIN + timedelta(days=day))
            self.sent[source].append(event)
            await take(self.service, [event])
        elif name == "replayed":
            await take(self.service, self.sent[source])
        elif name == "asked":
            body = DisbursementBody(**a_disbursement(fen))
            asked = await self.command(spending.request_disbursement, Actor(FINANCE), campaign_id, body)
            self.disbursements.append(asked.disbursement_id)
        elif name in SPENDING:
            if self.disbursements:
                await self.spend(name, self.disbursements[fen % len(self.disbursements)], fen)
        elif name == "voucher":
            draft = await self.command(
                commands.draft_voucher, Actor(FINANCE), VoucherBody(**a_voucher(amount_fen=fen))
            )
            booked = await self.command(commands.book_draft, Actor(APPROVER), draft.draft_id)
            self.vouchers.append(booked.sequence)
        elif name == "corrected" and self.vouchers:
            body_ = ReversalBody(
                journal="books", sequence=self.vouchers[fen % len(self.vouchers)], note="记错"
            )
            draft = await self.command(commands.draft_reversal, Actor(FINANCE), body_)
            if draft is not None:
                assert await self.command(commands.book_draft, Actor(APPROVER), draft.draft_id)
        elif name == "closed":
            month = await self.first_open_month()
            assert await self.command(commands.ask_to_close, Actor(FINANCE), month)
            assert await self.command(commands.confirm_close, Actor(SECOND_FINANCE), month)

    async def first_open_month(self) -> date:
        """Closes go on from test to test: the months are those of 2020 and later."""
        closed = (await read(self.service, "/periods"))["closed"]
        return month_of(BEGIN.date()) if closed is None else next_month(date.fromisoformat(closed))


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(steps)
async def test_after_any_interleaving_everything_is_equal_to_the_fen(
    apart: Service, taken: list[tuple[str, int, int, int, int]]
) -> None:
    campaigns = [await launched(apart.operator(DESK)) for _ in range(2)]
    world = World(apart, campaigns, [Source(0), Source(1)], [[], []], [], [])
    for step in taken:
        await world.do(step)
    await require_exact(apart)
    for campaign_id in campaigns:
        guardrail = await apart.balance(campaign_id)
        found = await balances(apart, campaign_id)
        income, cost = found.get("410101", 0), found.get("5101", 0)
        assert income == guardrail["received_fen"] - guardrail["reversed_fen"]
        assert cost == guardrail["disbursed_fen"] - guardrail["returned_fen"]
        assert income - cost - guardrail["reserved_fen"] == guardrail["balance_fen"]
    counted = sum(len(events) for events in world.sent)
    booked = await apart.rows(
        "SELECT coalesce(sum(donations + reversals), 0)::bigint FROM ledger_entries"
        " WHERE source = ANY(:names)",
        names=[source.name for source in world.sources],
    )
    assert booked == [(counted,)]


async def test_no_entry_lies_before_the_close_that_was_confirmed_before_it(apart: Service) -> None:
    """Of what the test above has left: days only move forward, to the first day of an open month."""
    moved = await apart.rows(
        "SELECT count(*) FILTER (WHERE booked_on > event_on), count(*) FILTER (WHERE booked_on > event_on"
        " AND EXTRACT(day FROM booked_on) <> 1), count(*) FROM ledger_entries"
    )
    late, elsewhere, every = moved[0]
    assert elsewhere == 0
    assert late > 0
    assert every > late
    wrong = await apart.rows(
        "SELECT count(*) FROM ledger_entries e JOIN ledger_periods p ON p.state = 'closed'"
        " AND p.month >= date_trunc('month', e.booked_on::timestamp)::date"
        " AND e.recorded_at > p.confirmed_at + interval '1 second'"
    )
    assert wrong == [(0,)]
