"""Documents as the campaign service freezes them."""

from datetime import UTC, date, datetime
from typing import Any

from shared.events.documents import (
    Change,
    Column,
    Corrects,
    Document,
    Heading,
    JournalHead,
    Position,
    Row,
    Table,
)

READ_AT = datetime(2024, 3, 1, 4, 5, 6, tzinfo=UTC)
DIGEST = "0123456789abcdef" * 4
ORGANISATION = "苏州市慈善总会"


def a_table(uses: int = 3, **changes: Any) -> Table:
    """Uses with their amounts, and a sum."""
    lines = [
        Row(
            id=f"use/{number}",
            cells=(
                f"灾后重建与安置，第 {number} 项",
                "华北特大暴雨洪涝灾害紧急救援募捐活动",
                number,
                number * 100_000_001,
                number * 12,
                "人次",
            ),
        )
        for number in range(1, uses + 1)
    ]
    total = sum(number * 100_000_001 for number in range(1, uses + 1))
    columns = [
        ("use", "用途", "Use", "text"),
        ("campaign", "募捐活动（项目）", "Campaign", "text"),
        ("payments", "拨付笔数", "Payments", "count"),
        ("amount_fen", "拨付金额", "Amount", "fen"),
        ("beneficiaries", "受益数量", "Beneficiaries", "count"),
        ("unit", "单位", "Unit", "text"),
    ]
    values: dict[str, Any] = {
        "id": "spending",
        "title": "拨付支出按用途",
        "title_en": "Disbursed by use",
        "about": "收款方及受益人姓名未经同意不予公开。",
        "columns": [
            Column.model_validate({"id": each, "label": label, "label_en": english, "kind": kind})
            for each, label, english, kind in columns
        ],
        "rows": [*lines, Row(id="total", level="sum", cells=("合计 Total", None, None, total, None, None))],
    }
    return Table(**{**values, **changes})


def a_document(**changes: Any) -> Document:
    """A full report of an appeal, with one table unless a test says otherwise."""
    values: dict[str, Any] = {
        "report_id": "0195c1de-0000-7000-8000-000000000001",
        "kind": "final",
        "revision": 1,
        "period_from": date(2023, 8, 2),
        "period_to": date(2023, 10, 31),
        "heading": Heading(
            title="华北特大暴雨洪涝灾害紧急救援——募捐情况全面公开",
            title_en="Flood relief: full report after the end",
            organisation=ORGANISATION,
            organisation_id="suzhou",
            licence="53320500509190000A",
            campaign_id="flood-2023",
            campaign="华北特大暴雨洪涝灾害紧急救援",
            filing_number="53320500509190000AA23001",
            contact="0512-00000000",
            query_method="慈善中国 cszg.mca.gov.cn",
            law="《中华人民共和国慈善法》第七十九条",
        ),
        "position": Position(
            read_at=READ_AT,
            journals=(JournalHead(journal="books", sequence=12, hash="ab" * 32),),
            marks={"intake.wechat/0": 4_711},
            difference_fen=0,
        ),
        "tables": (a_table(),),
        "notes": ("金额单位为人民币元，由以分计的整数折算，未经四舍五入。",),
        "remarks": (),
    }
    return Document(**{**values, **changes})


def a_correction(report_id: str = "0195c1de-0000-7000-8000-000000000000") -> Document:
    """The second version of the report with this id."""
    change = Change(table="拨付支出按用途", row="合计", column="拨付金额", kind="fen", before=1, after=2)
    corrects = Corrects(
        report_id=report_id,
        digest="f" * 64,
        reason="漏列一笔支出",
        changes=(change,),
    )
    return a_document(revision=2, corrects=corrects)
