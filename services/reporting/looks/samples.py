"""Numbers for a preview: large, whole, and of nobody. A page that shows them says so all over itself."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from services.reporting.frames import snapshot_of
from services.reporting.proof import digest_of
from services.reporting.totals import Amounts, CampaignPlan, CampaignState, RecentDonor

SAMPLE_FEN: Final = 4_123_456_789
"""41,234,567.89 yuan: the length that a gala's evening ends with."""
MAX_SAMPLE_FEN: Final = 10**15
"""10 万亿 fen: longer than any campaign's number will be."""
GOAL_FEN: Final = 5_000_000_000
AWAY: Final = timedelta(hours=1, minutes=42)
DONORS: Final = (
    ("示例科技有限公司", "company", 88_888_800),
    ("示例甲", "person", 20_000),
    (None, "person", 5_200),
    ("示例市某某集团股份有限公司", "company", 100_000_000),
    ("示例乙", "person", 100_000),
    (None, "person", 1_000),
    ("示例丙 Sample", "person", 66_600),
    ("示例中学高三（2）班全体同学", "person", 321_050),
)

MESSAGES: Final = (
    ("愿每一位病人都能早日康复，回到家人身边。", "示例甲"),
    ("一点心意，汇成江河。", None),
    ("For the children of the mountain schools: keep reading.", "Sample donor"),
    ("善行不分大小，贵在坚持。", "示例科技有限公司"),
)
COMPANIES: Final = (
    ("示例市某某高新技术产业投资控股（集团）股份有限公司苏州工业园区分公司", 1_000_000_000),
    ("示例科技有限公司", 388_888_800),
    ("示例银行示例分行", 200_000_000),
    ("Sample Pharmaceuticals (China) Co., Ltd.", 120_000_050),
    ("示例建设集团", 88_000_000),
)
PARTS: Final = (
    ("示例区慈善会分会场", "Sample district", 1_240_000_000),
    ("示例科技有限公司团队", "Sample company", 860_000_000),
    ("示例中学志愿队", "Sample school", 88_000_050),
)


def sample_of(campaign_id: str, plan: CampaignPlan | None, net_fen: int, now: datetime) -> dict[str, Any]:
    """The snapshot of a campaign that never was, under the real one's title and words where it is known."""
    amounts = Amounts(
        received_fen=net_fen + 6_667,
        reversed_fen=6_667,
        donations=12_345,
        promised_fen=5_475_000_000,
        disbursed_fen=41_290_000,
        goods_received_fen=1_210_000_000,
        goods_distributed_fen=403_333_300,
    )
    real, goal_fen = plan or _plan(campaign_id, now), _goal_above(net_fen)
    shown = real.model_copy(
        update={
            "status": "launched",
            "goal_fen": goal_fen,
            "milestones_fen": _scaled(real, goal_fen),
            "window_end": now + AWAY,
        }
    )
    state = CampaignState(
        plan=shown,
        amounts=amounts,
        channels=(),
        recent=tuple(
            RecentDonor(
                donation_id=uuid5(NAMESPACE_URL, f"sample/{number}"),
                name=name,
                kind="company" if kind == "company" else "person",
                amount_fen=amount_fen,
                at=now - timedelta(minutes=number),
                channel="sample",
            )
            for number, (name, kind, amount_fen) in enumerate(DONORS)
        ),
        positions={},
        version=int(now.timestamp()),
        digest=digest_of(f"sample of {campaign_id}", {}, amounts),
        as_of=now,
    )
    return {
        **snapshot_of(state),
        "air": "sample",
        "messages": _messages(now),
        "companies": _companies(),
        "tree": _tree(net_fen),
    }


def _messages(now: datetime) -> list[dict[str, Any]]:
    at = now.isoformat()
    return [
        {"message_id": str(uuid5(NAMESPACE_URL, text)), "text": text, "name": name, "at": at}
        for text, name in MESSAGES
    ]


def _companies() -> list[dict[str, Any]]:
    return [{"name": name, "net_fen": fen} for name, fen in COMPANIES]


def _tree(net_fen: int) -> dict[str, Any]:
    parts = [
        {"campaign_id": f"sample-{fen}", "title": title, "title_en": title_en, "net_fen": fen}
        for title, title_en, fen in PARTS
    ]
    return {"count": len(parts), "net_fen": net_fen + sum(fen for _, _, fen in PARTS), "parts": parts}


def _goal_above(net_fen: int) -> int:
    """A goal of two digits and noughts, a quarter or so away."""
    wanted = max(GOAL_FEN, net_fen * 5 // 4)
    step: int = 10 ** (len(str(wanted)) - 2)
    return -(-wanted // step) * step


def _scaled(plan: CampaignPlan, goal_fen: int) -> tuple[int, ...]:
    """Its milestones, as far along the sample's goal as they are along its own."""
    return tuple(goal_fen * each // plan.goal_fen for each in plan.milestones_fen) if plan.goal_fen else ()


def _plan(campaign_id: str, now: datetime) -> CampaignPlan:
    return CampaignPlan(
        campaign_id=campaign_id,
        title="示例慈善晚会",
        title_en="Sample charity gala",
        organisation="示例市慈善总会",
        licence="示例证书 0000",
        filing_number="示例备案 0000",
        contact="0000-00000000",
        query_method="示例网址 example.org",
        purpose="示例",
        kind="gala",
        status="launched",
        goal_fen=GOAL_FEN,
        milestones_fen=(),
        milestone_fen=None,
        window_start=datetime(2026, 1, 1, tzinfo=UTC),
        window_end=now + AWAY,
    )
