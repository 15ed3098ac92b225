"""How a report's cells and its heading are written for people. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.events.documents import Cell, ColumnKind, Document, ReportKind
from shared.money import format_yuan

CHINA: Final = ZoneInfo("Asia/Shanghai")

KINDS: Final[Mapping[ReportKind, str]] = {
    "emergency": "应急公开",
    "quarterly": "定期公开",
    "final": "全面公开",
    "annual": "年度报告",
}
UNITS: Final[Mapping[ColumnKind, str]] = {
    "text": "",
    "fen": "（元）",
    "count": "",
    "day": "",
    "basis_points": "（%）",
}
"""What a column's cells are counted in, for its header."""


def cell_text(cell: Cell, kind: ColumnKind) -> str:
    """A cell as it is read; an empty one is empty. No amount is rounded."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if kind == "fen":
        return format_yuan(cell)
    if kind == "basis_points":
        return f"{'-' if cell < 0 else ''}{abs(cell) // 100}.{abs(cell) % 100:02d}"
    return f"{cell:,}"


def moment(time: datetime) -> str:
    """A time in China, to the second."""
    return f"{time.astimezone(CHINA):%Y-%m-%d %H:%M:%S}（北京时间）"


def heading_lines(document: Document) -> Sequence[tuple[str, str]]:
    """(label, what is said) of everything that Charity Law art. 25 wants shown, and of the report itself."""
    heading = document.heading
    lines = [
        ("慈善组织 Organisation", heading.organisation),
        ("公开募捐资格证书 Licence", heading.licence),
        ("募捐活动（项目） Campaign", heading.campaign),
        ("备案编号 Filing number", heading.filing_number),
        ("报告期间 Period", f"{document.period_from} 至 {document.period_to}"),
        ("公开依据 Law", heading.law),
        ("版次 Revision", revision(document)),
        ("联系方式 Contact", heading.contact),
        ("查询方法 Query", heading.query_method),
        ("数据读取时间 Read at", moment(document.position.read_at)),
    ]
    return [(label, said) for label, said in lines if said]


def revision(document: Document) -> str:
    """Which version of the report it is."""
    if document.corrects is None:
        return "第 1 版（首次公开）"
    return f"第 {document.revision} 版（更正）"
