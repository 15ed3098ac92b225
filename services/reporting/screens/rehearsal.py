"""Sample numbers for a rehearsal: the same in every process at the same second, and of nobody.

They begin at nothing and grow with a donation a second and what looks like a surge; each fifth minute has a
refund, so that a step back can be rehearsed too. They prove nothing: positions are empty and the digest is
that of another claim, so that verify knows no such number.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from services.reporting.proof import digest_of
from services.reporting.totals import RECENT_SHOWN, Amounts, CampaignPlan, CampaignState, RecentDonor

A_SECOND_FEN: Final = 1_888_800
REFUND_EACH: Final = timedelta(minutes=5)
REFUND_FEN: Final = 20_000_000
NAMES: Final = ("演练甲", "演练乙有限公司", None, "Rehearsal")
WINDOW: Final = timedelta(hours=4)


def sample_state(
    campaign_id: str, plan: CampaignPlan | None, since: datetime, now: datetime
) -> CampaignState:
    """The number of a rehearsal that began at `since`, with the plan of the campaign where it is known."""
    seconds = max(0, int((now - since).total_seconds()))
    refunds = seconds // int(REFUND_EACH.total_seconds())
    amounts = Amounts(
        received_fen=seconds * A_SECOND_FEN, reversed_fen=refunds * REFUND_FEN, donations=seconds
    )
    shown = plan or _plan(campaign_id, since)
    newest = range(seconds, max(0, seconds - RECENT_SHOWN), -1)
    return CampaignState(
        plan=shown.model_copy(update={"status": "launched", "campaign_id": campaign_id}),
        amounts=amounts,
        channels=(),
        recent=tuple(_donor(campaign_id, number, since) for number in newest),
        positions={},
        version=seconds,
        digest=digest_of(f"rehearsal of {campaign_id}", {}, amounts),
        as_of=since + timedelta(seconds=seconds),
    )


def _donor(campaign_id: str, number: int, since: datetime) -> RecentDonor:
    return RecentDonor(
        donation_id=uuid5(NAMESPACE_URL, f"rehearsal/{campaign_id}/{since.isoformat()}/{number}"),
        name=NAMES[number % len(NAMES)],
        kind="company" if number % len(NAMES) == 1 else "person",
        amount_fen=A_SECOND_FEN,
        at=since + timedelta(seconds=number),
        channel="rehearsal",
    )


def _plan(campaign_id: str, since: datetime) -> CampaignPlan:
    return CampaignPlan(
        campaign_id=campaign_id,
        title="演练活动",
        title_en="Rehearsal",
        organisation="演练",
        licence="—",
        filing_number=None,
        contact="—",
        query_method="—",
        purpose="—",
        kind="gala",
        status="launched",
        goal_fen=10_000_000_000,
        milestones_fen=(),
        milestone_fen=None,
        window_start=since,
        window_end=since + WINDOW,
    )
