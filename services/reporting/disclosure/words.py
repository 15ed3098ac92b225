"""How a report's cells and its heading are written for people, in Chinese and in English. Pure.

The files of a report are in Chinese, with English labels; its page is in either. What else stands on the page
is in the pages' texts.js.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.events.documents import Cell, Column, ColumnKind, Document, ReportKind
from shared.money import format_yuan

CHINA: Final = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Said:
    """The same in both languages."""

    zh: str
    en: str


KINDS: Final[Mapping[ReportKind, Said]] = {
    "emergency": Said("应急公开", "Emergency report"),
    "quarterly": Said("定期公开", "Periodic report"),
    "final": Said("全面公开", "Full report"),
    "annual": Said("年度报告", "Annual report"),
}
UNITS: Final[Mapping[ColumnKind, Said]] = {
    "text": Said("", ""),
    "fen": Said("（元）", " (CNY)"),
    "count": Said("", ""),
    "day": Said("", ""),
    "basis_points": Said("（%）", " (%)"),
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


def column_head(column: Column) -> Said:
    """A column's label with its unit."""
    unit = UNITS[column.kind]
    return Said(column.label + unit.zh, column.label_en + unit.en)


def moment(time: datetime) -> Said:
    """A time in China, to the second."""
    there = f"{time.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
    return Said(f"{there}（北京时间）", f"{there} (Beijing time)")


def period(first: date, last: date) -> Said:
    """From the first day to the last, both in it."""
    return Said(f"{first} 至 {last}", f"{first} to {last}")


def heading_lines(document: Document) -> Sequence[tuple[Said, Said]]:
    """(label, what is said) of everything that Charity Law art. 25 wants shown, and of the report itself."""
    heading = document.heading
    lines = [
        (Said("慈善组织", "Organisation"), heading.organisation),
        (Said("公开募捐资格证书", "Licence"), heading.licence),
        (Said("募捐活动（项目）", "Campaign"), heading.campaign),
        (Said("备案编号", "Filing number"), heading.filing_number),
        (Said("报告期间", "Period"), period(document.period_from, document.period_to)),
        (Said("公开依据", "Law"), heading.law),
        (Said("版次", "Revision"), version(document.revision)),
        (Said("联系方式", "Contact"), heading.contact),
        (Said("查询方法", "Query"), heading.query_method),
        (Said("数据读取时间", "Read at"), moment(document.position.read_at)),
    ]
    return [(label, said if isinstance(said, Said) else Said(said, said)) for label, said in lines if said]


def version(revision: int) -> Said:
    """Which version of the report it is."""
    if revision == 1:
        return Said("第 1 版（首次公开）", "Version 1 (first published)")
    return Said(f"第 {revision} 版（更正）", f"Version {revision} (correction)")


def left_out(changes: int) -> Said:
    """How many changes a correction doesn't list."""
    return Said(f"另有 {changes} 处未逐一列出。", f"{changes} more are not listed.")
