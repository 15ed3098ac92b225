"""The operations desk's view: everything that may need a hand tonight, in one answer."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.following import TotalsFollower
from services.reporting.hub import Hub
from services.reporting.lag import LagWatch
from services.reporting.pace import LOOK_BACK, paces
from services.reporting.schemas import (
    DeadLetterCount,
    DeadLetterPlace,
    DeadLetters,
    Gap,
    Operations,
    OperationsCampaign,
    OperationsChannel,
    Pace,
)
from services.reporting.totals import CampaignState

NEWEST_LETTERS: Final = 20
MAX_CAMPAIGNS: Final = 200
DAY_ZONE: Final = ZoneInfo("Asia/Shanghai")


class OperationsDesk:
    """Gathers the view from the database, the hub and the last known lag."""

    def __init__(self, engine: AsyncEngine, hub: Hub, lag: LagWatch, follower: TotalsFollower) -> None:
        self._engine = engine
        self._hub = hub
        self._lag = lag
        self._follower = follower

    async def look(self) -> Operations:
        """The view now. The parts are read one after the other: it is for people, not for the books."""
        now = datetime.now(UTC)
        channels = await queries.read_channels(self._engine)
        arrivals = await queries.read_arrivals(self._engine, now - LOOK_BACK)
        gaps = [Gap.model_validate(dict(row)) for row in await queries.read_gaps(self._engine)]
        newest = await queries.read_newest_received(self._engine)
        campaigns = campaigns_of(self._hub.states(), channels, arrivals, now)
        return Operations(
            as_of=now,
            campaigns=campaigns[:MAX_CAMPAIGNS],
            lag=self._lag.lag,
            lag_error=self._lag.error,
            held_open=sum(campaign.held_open for campaign in campaigns),
            conflicts=sum(campaign.conflicts for campaign in campaigns),
            dead_letters=await self._dead_letters(),
            gaps=gaps,
            gaps_open=sum(gap.open for gap in gaps),
            out_of_order=sum(gap.out_of_order for gap in gaps),
            streams_open=self._hub.open_streams,
            max_streams=self._hub.max_streams,
            newest_received_at=newest,
            newest_age_s=max(0.0, (now - newest).total_seconds()) if newest else None,
            listening=self._follower.listening,
        )

    async def _dead_letters(self) -> DeadLetters:
        counts, newest = await queries.read_dead_letters(self._engine, newest=NEWEST_LETTERS)
        return DeadLetters(
            count=sum(row["letters"] for row in counts),
            counts=[DeadLetterCount.model_validate({**row, "count": row["letters"]}) for row in counts],
            newest=[DeadLetterPlace.model_validate(dict(row)) for row in newest],
        )


def campaigns_of(
    states: Sequence[CampaignState],
    channels: Sequence[RowMapping],
    arrivals: Sequence[RowMapping],
    now: datetime,
) -> list[OperationsCampaign]:
    """One entry a campaign, the busiest first; also those that only donations have named so far."""
    by_campaign: defaultdict[str, list[OperationsChannel]] = defaultdict(list)
    for row in channels:
        by_campaign[row["campaign_id"]].append(OperationsChannel.model_validate(dict(row)))
    arrived: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in arrivals:
        arrived[row["campaign_id"]].append(dict(row))
    known = {state.campaign_id: state for state in states}
    entries = [
        _campaign(
            campaign_id,
            known.get(campaign_id),
            by_campaign[campaign_id],
            paces(arrived[campaign_id], now),
            now,
        )
        for campaign_id in sorted(known.keys() | by_campaign.keys())
    ]
    return sorted(
        entries, key=lambda entry: (-entry.pace[-1].donations_per_minute, entry.status != "launched")
    )


def days_left(due_on: date | None, now: datetime) -> int | None:
    """Days in Asia/Shanghai until `due_on`, below 0 behind it; None: nothing is due."""
    return None if due_on is None else (due_on - now.astimezone(DAY_ZONE).date()).days


def _campaign(
    campaign_id: str,
    state: CampaignState | None,
    channels: list[OperationsChannel],
    pace: list[Pace],
    now: datetime,
) -> OperationsCampaign:
    received_fen = sum(channel.received_fen for channel in channels)
    reversed_fen = sum(channel.reversed_fen for channel in channels)
    return OperationsCampaign(
        campaign_id=campaign_id,
        title=state.plan.title if state else None,
        title_en=state.plan.title_en if state else None,
        status=state.plan.status if state else None,
        goal_fen=state.plan.goal_fen if state else None,
        filing_days_left=days_left(state.plan.filing_due_on, now) if state else None,
        received_fen=received_fen,
        reversed_fen=reversed_fen,
        net_fen=received_fen - reversed_fen,
        donations=sum(channel.donations for channel in channels),
        promised_fen=state.amounts.promised_fen if state else None,
        disbursed_fen=state.amounts.disbursed_fen if state else None,
        held_open=sum(channel.held_open for channel in channels),
        held_open_fen=sum(channel.held_open_fen for channel in channels),
        conflicts=sum(channel.conflicts for channel in channels),
        pace=pace,
        channels=channels,
    )
