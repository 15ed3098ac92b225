"""The plan that is filed before anything is raised (Charity Law art. 24), and when it is complete."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.refusals import Refused

PLAN_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "purpose": "募捐目的",
        "window_start": "开始时间",
        "window_end": "结束时间",
        "area": "募捐地域",
        "responsible_person": "活动负责人",
        "account": "银行账户",
        "beneficiaries": "受益人",
        "uses": "募得款物用途",
        "cost_fen": "募捐成本",
        "remainder": "剩余财产的处理",
    }
)
"""Art. 24: what a plan states, with the law's words."""

SHOWN_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "organisation": "慈善组织",
        "licence": "公开募捐资格证书编号",
        "contact": "联系方式",
        "query_method": "募捐信息查询方法",
        "goal_fen": "募捐目标",
    }
)
"""Art. 25: what is shown wherever the campaign raises; with the goal, which the screens need."""

REQUIRED_FIELDS: Final = (*PLAN_FIELDS, *SHOWN_FIELDS)


class PlanIncomplete(Refused):
    """A plan that lacks something the law asks for."""

    code = "plan-incomplete"
    title = "The plan is incomplete"


class WindowReversed(Refused):
    """A window that ends before it starts."""

    code = "window-reversed"
    title = "The window ends before it starts"
    status = 422


class UseNotPlanned(Refused):
    """A use that the plan does not name."""

    code = "use-not-planned"
    title = "The plan has no such use"


def require_planned(use: str, uses: Sequence[str]) -> None:
    """Raise UseNotPlanned unless the campaign's plan names the use (Charity Law art. 24, 56)."""
    if use not in uses:
        raise UseNotPlanned(
            f"Choose one of: {', '.join(uses)}. Another use needs a recorded decision (art. 56).",
            fields=["use"],
            uses=list(uses),
        )


def missing_fields(plan: Mapping[str, object]) -> tuple[str, ...]:
    """The required fields that the plan does not fill, in the law's order. A cost of 0 fen is a statement."""
    return tuple(name for name in REQUIRED_FIELDS if plan.get(name) in (None, "", [], ()))


def require_complete(plan: Mapping[str, object]) -> None:
    """Raise PlanIncomplete, naming each missing field, unless the plan can be filed and launched."""
    missing = missing_fields(plan)
    if missing:
        words = {**PLAN_FIELDS, **SHOWN_FIELDS}
        named = ", ".join(f"{name} ({words[name]})" for name in missing)
        raise PlanIncomplete(f"Complete the plan first; missing: {named}.", fields=missing)


def require_window(start: datetime | None, end: datetime | None) -> None:
    """Raise WindowReversed unless start is before end; a side not stated yet is no error."""
    if start is not None and end is not None and end <= start:
        raise WindowReversed("window_end must be later than window_start.", fields=["window_end"])
