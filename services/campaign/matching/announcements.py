"""What the other services hear of matching gifts: the name it agreed to show, never who decided."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.matching.schemas import Match
from shared.events import MatchClosed, MatchOffered
from shared.events.campaigns import MatchClosedData, MatchOfferedData


async def match_offered(connection: AsyncConnection, announcer: Announcer, match: Match) -> None:
    """MatchOffered: from its window on, what is given is matched."""
    data = MatchOfferedData(
        match_id=match.match_id,
        campaign_id=match.campaign_id,
        campaign_ids=tuple(match.campaign_ids),
        company=match.shown_name,
        ratio_bp=match.ratio_bp,
        cap_fen=match.cap_fen,
        window_start=match.window_start,
        window_end=match.window_end,
    )
    await announcer.append(connection, MatchOffered, match.campaign_id, match.match_id, data)


async def match_closed(connection: AsyncConnection, announcer: Announcer, match: Match) -> None:
    """MatchClosed: what is matched has become a pledge, which PledgeMade tells of."""
    assert match.closed_fen is not None, "it is closed"
    data = MatchClosedData(
        match_id=match.match_id,
        campaign_id=match.campaign_id,
        company=match.shown_name,
        matched_fen=match.closed_fen,
        pledge_id=match.pledge_id,
    )
    await announcer.append(connection, MatchClosed, match.campaign_id, match.match_id, data)
