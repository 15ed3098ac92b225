"""The tables of a report, from its figures. Pure: no figure is made here that is not a sum of those.

Promised, received and disbursed stand in tables of their own and are never added together; so do goods.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.campaign.disclosure.figures import (
    Counted,
    GoodsIn,
    GoodsOut,
    Helped,
    Moved,
    Promised,
    Spent,
)
from services.campaign.disclosure.statement import Line, Movement, Statement
from services.campaign.insurance.schemas import Cover, InsuranceTotals
from services.campaign.ledger.accounts import CHART, Side
from shared.events.campaigns import BeneficiaryUnit, SpendingCategory
from shared.events.documents import Cell, Column, ColumnKind, Row, Table

UNITS: Final[Mapping[BeneficiaryUnit, str]] = {
    "person_times": "人次",
    "households": "户",
    "schools": "所",
}
CHANNELS: Final[Mapping[str, str]] = {
    "wechat": "微信支付",
    "alipay": "支付宝",
    "ecny": "数字人民币",
    "tencent": "腾讯公益",
    "unionpay": "银联",
    "bank": "银行转账",
    "internal": "本机构录入",
}
"""Channels that everybody knows by a name; any other is shown by its id."""

NAMED_PLEDGES: Final = 200
"""Pledges that a report lists one by one."""


@dataclass(frozen=True, slots=True)
class Named:
    """A campaign as a report names it."""

    campaign_id: str
    title: str
    filing_number: str | None


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation with the campaigns that are its own."""

    organisation_id: str
    name: str
    campaign_ids: Sequence[str]


def table(
    table_id: str,
    title: str,
    title_en: str,
    columns: Iterable[tuple[str, str, str, ColumnKind]],
    rows: Iterable[Row],
    *,
    about: str | None = None,
) -> Table:
    """A table from the ids, labels and kinds of its columns."""
    made = tuple(
        Column(id=each, label=label, label_en=english, kind=kind) for each, label, english, kind in columns
    )
    return Table(id=table_id, title=title, title_en=title_en, about=about, columns=made, rows=tuple(rows))


_LINES: Final[Sequence[tuple[Line, str, int]]] = (
    (Line.RECEIVED, "加：接受捐赠（货币） Donations", 1),
    (Line.REVERSED, "减：捐赠退回 Reversals", -1),
    (Line.TRANSFERRED_IN, "加：其他项目转入 Transferred in", 1),
    (Line.TRANSFERRED_OUT, "减：转出至其他项目或慈善信托 Transferred out", -1),
    (Line.SPENT, "减：拨付支出 Disbursed", -1),
    (Line.RETURNED, "加：拨付退回 Returned", 1),
    (Line.OTHER, "加：其他变动 Other", 1),
)
"""What moves a fund, how it is called, and its sign: what a fund loses is shown without a minus."""

_ROLLED_UP: Final = ((Line.RECEIVED, 1), (Line.REVERSED, -1), (Line.SPENT, -1), (Line.RETURNED, 1))
_GOODS_ROLLED_UP: Final = (
    (Line.GOODS_RECEIVED, 1),
    (Line.GOODS_DISTRIBUTED, -1),
    (Line.GOODS_RETURNED, 1),
)

_ALWAYS: Final = frozenset({Line.RECEIVED, Line.REVERSED, Line.SPENT})
"""Lines that stand there with nothing in them as well."""


def fund(statement: Statement, counts: Sequence[Counted]) -> Table:
    """Opening, what came and went, closing: of the period, and since the begin."""
    numbers = {
        Line.RECEIVED: _numbers((each.before, each.donations) for each in counts),
        Line.REVERSED: _numbers((each.before, each.reversals) for each in counts),
    }
    rows = [_row("opening", "期初余额 Opening balance", statement.opening_fen, None, None, None)]
    for line, label, sign in _LINES:
        now, ever = sign * statement.lines[line], sign * statement.since_begin[line]
        if now or ever or line in _ALWAYS:
            count = numbers.get(line, (None, None))
            rows.append(_row(line, label, now, count[0], ever, count[1]))
    closing = statement.closing_fen
    rows.append(_row("closing", "期末余额 Closing balance", closing, None, closing, None, level="sum"))
    return table(
        "fund",
        "货币资金收支情况",
        "Money: received and disbursed",
        [
            ("item", "项目", "Item", "text"),
            ("period_fen", "本期金额", "This period", "fen"),
            ("period_count", "本期笔数", "Number", "count"),
            ("total_fen", "累计金额", "Since the start", "fen"),
            ("total_count", "累计笔数", "Number", "count"),
        ],
        rows,
        about="期末余额＝期初余额＋各项增加－各项减少，与总账一致。",
    )


def _numbers(counts: Iterable[tuple[bool, int]]) -> tuple[int, int]:
    """In the period, and since the begin."""
    known = list(counts)
    return sum(number for before, number in known if not before), sum(number for _, number in known)


_GOODS_LINES: Final[Sequence[tuple[Line, str, int]]] = (
    (Line.GOODS_RECEIVED, "加：接受捐赠物资 Received", 1),
    (Line.GOODS_REVERSED, "减：退还捐赠人 Sent back", -1),
    (Line.GOODS_DISTRIBUTED, "减：发放 Distributed", -1),
    (Line.GOODS_RETURNED, "加：发放后退回 Returned", 1),
    (Line.GOODS_LOST, "减：核销 Written off", -1),
    (Line.GOODS_OTHER, "加：其他变动 Other", 1),
)


def goods(statement: Statement) -> Table:
    """Goods at their values: opening, what came and went, closing. Never added to money."""
    rows = [_row("opening", "期初结存 Opening", statement.opening_fen, None)]
    for line, label, sign in _GOODS_LINES:
        if statement.since_begin[line]:
            rows.append(_row(line, label, sign * statement.lines[line], sign * statement.since_begin[line]))
    closing = statement.closing_fen
    rows.append(_row("closing", "期末结存 Closing", closing, closing, level="sum"))
    return table(
        "goods",
        "捐赠物资收发情况（按价值）",
        "Goods in kind, at their values",
        [
            ("item", "项目", "Item", "text"),
            ("period_fen", "本期价值", "This period", "fen"),
            ("total_fen", "累计价值", "Since the start", "fen"),
        ],
        rows,
        about="物资价值依据发票、评估或协议确定；与货币资金分列，不相加。",
    )


def campaigns(found: Mapping[str, tuple[Statement, Statement]], named: Mapping[str, Named]) -> Table:
    """Each campaign's fund in the period, and their sum; goods that came and went stand beside it."""
    statements = {campaign_id: money for campaign_id, (money, _) in found.items()}
    with_goods = any(of_goods.since_begin for _, of_goods in found.values())
    used = [
        (line, label, sign)
        for line, label, sign in _LINES
        if line in _ALWAYS or any(each.lines[line] for each in statements.values())
    ]
    rows, sums = [], [0] * (len(used) + 2 + 2 * with_goods)
    for campaign_id, (each, of_goods) in found.items():
        moved = [sign * each.lines[line] for line, _, sign in used]
        figures = [each.opening_fen, *moved, each.closing_fen]
        if with_goods:
            net = of_goods.lines[Line.GOODS_RECEIVED] + of_goods.lines[Line.GOODS_REVERSED]
            out = of_goods.lines[Line.GOODS_DISTRIBUTED] + of_goods.lines[Line.GOODS_RETURNED]
            figures += [net, -out]
        sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
        name = named[campaign_id]
        rows.append(_row(campaign_id, name.title, name.filing_number or "—", *figures))
    rows.append(_row("total", f"合计 {len(rows)} 项", None, *sums, level="sum"))
    columns: list[tuple[str, str, str, ColumnKind]] = [
        ("campaign", "募捐活动（项目）", "Campaign", "text"),
        ("filing_number", "备案编号", "Filing number", "text"),
        ("opening_fen", "期初余额", "Opening", "fen"),
    ]
    for line, label, _ in used:
        chinese, _, english = label.partition(" ")
        columns.append((f"{line}_fen", chinese, english, "fen"))
    columns.append(("closing_fen", "期末余额", "Closing", "fen"))
    if with_goods:
        columns += [
            ("goods_received_fen", "物资收入（另列）", "Goods in", "fen"),
            ("goods_distributed_fen", "物资发放（另列）", "Goods out", "fen"),
        ]
    return table("campaigns", "各募捐活动（项目）收支情况", "Campaigns", columns, rows)


def income(movements: Iterable[Movement], counts: Iterable[Counted]) -> Table:
    """What came in the period, by channel."""
    received: defaultdict[str, int] = defaultdict(int)
    reversed_: defaultdict[str, int] = defaultdict(int)
    for each in movements:
        if each.of_money and not each.before and each.line in {Line.RECEIVED, Line.REVERSED}:
            into = received if each.line is Line.RECEIVED else reversed_
            into[each.channel or "-"] += each.amount_fen
    donations: defaultdict[str, int] = defaultdict(int)
    reversals: defaultdict[str, int] = defaultdict(int)
    for count in counts:
        if not count.before:
            donations[count.channel or "-"] += count.donations
            reversals[count.channel or "-"] += count.reversals
    rows = []
    for channel in sorted(received.keys() | reversed_.keys(), key=lambda each: (-received[each], each)):
        figures = [donations[channel], received[channel], reversals[channel], reversed_[channel]]
        rows.append(
            _row(channel, CHANNELS.get(channel, channel), *figures, received[channel] - reversed_[channel])
        )
    total = [sum(each.values()) for each in (donations, received, reversals, reversed_)]
    rows.append(_row("total", "合计 Total", *total, total[1] - total[3], level="sum"))
    return table(
        "income",
        "接受捐赠（货币）按渠道",
        "Donations by channel",
        [
            ("channel", "渠道", "Channel", "text"),
            ("donations", "捐赠笔数", "Donations", "count"),
            ("received_fen", "接受捐赠", "Received", "fen"),
            ("reversals", "退回笔数", "Reversals", "count"),
            ("reversed_fen", "捐赠退回", "Reversed", "fen"),
            ("net_fen", "净额", "Net", "fen"),
        ],
        rows,
        about="本机构录入包括线下录入、更正以及退回。",
    )


CATEGORIES: Final[Mapping[SpendingCategory, str]] = {
    "programme": "业务活动",
    "management": "管理费用",
    "fundraising": "筹资费用",
}
GOODS_CATEGORIES: Final[Mapping[str, str]] = {
    "medicine": "药品",
    "medical_supplies": "医疗用品",
    "food": "食品",
    "clothing": "衣物",
    "books": "图书",
    "daily_goods": "日用品",
    "relief_goods": "救灾物资",
    "equipment": "设备",
    "other": "其他",
}
TRANSFERS: Final[Mapping[str, str]] = {
    "split": "按捐赠人意愿拆分",
    "remainder": "剩余财产转入相近项目",
    "trust": "设立慈善信托",
    "correction": "更正",
}


def spending(spent: Sequence[Spent], named: Mapping[str, Named]) -> Table:
    """What was paid in the period, by use, with the beneficiaries counted, and what came back."""
    rows = [
        _row(
            f"{each.campaign_id}/{each.use}/{each.title or ''}/{each.category}/{each.unit}",
            each.use if each.title is None else f"{each.use}：{each.title}",
            named[each.campaign_id].title,
            CATEGORIES[each.category],
            each.payments,
            each.amount_fen,
            each.returned_fen,
            each.beneficiaries,
            UNITS[each.unit],
        )
        for each in sorted(
            spent,
            key=lambda each: (-each.amount_fen, each.use, each.title or "", each.campaign_id, each.unit),
        )
    ]
    payments = sum(each.payments for each in spent)
    sums = [sum(each.amount_fen for each in spent), sum(each.returned_fen for each in spent)]
    rows.append(_row("total", "合计 Total", None, None, payments, *sums, None, None, level="sum"))
    return table(
        "spending",
        "拨付支出按用途",
        "Disbursed by use",
        [
            ("use", "用途", "Use", "text"),
            ("campaign", "募捐活动（项目）", "Campaign", "text"),
            ("category", "类别", "Category", "text"),
            ("payments", "拨付笔数", "Payments", "count"),
            ("amount_fen", "拨付金额", "Amount", "fen"),
            ("returned_fen", "其中退回", "Returned", "fen"),
            ("beneficiaries", "受益数量", "Helped", "count"),
            ("unit", "单位", "Unit", "text"),
        ],
        rows,
        about="退回为本期收回的拨付。收款方及受益人姓名未经同意不予公开。",
    )


def categories(spent: Sequence[Spent]) -> Table:
    """What was paid in the period by its purpose, less what came back, with the shares of art. 61."""
    net: defaultdict[SpendingCategory, int] = defaultdict(int)
    for each in spent:
        net[each.category] += each.amount_fen - each.returned_fen
    total = sum(net.values())
    rows = [
        _row(category, label, net[category], net[category] * 10_000 // total if total > 0 else None)
        for category, label in CATEGORIES.items()
    ]
    rows.append(_row("total", "合计 Total", total, 10_000 if total > 0 else None, level="sum"))
    return table(
        "categories",
        "支出构成",
        "Spending by category",
        [
            ("category", "类别", "Category", "text"),
            ("amount_fen", "净支出", "Net", "fen"),
            ("share", "占比", "Share", "basis_points"),
        ],
        rows,
        about="《慈善法》第六十一条：管理费用不超过当年支出的百分之十。占比舍去不足万分之一的部分。",
    )


def beneficiaries(spent: Iterable[Spent], also: Iterable[Helped], given: Iterable[GoodsOut]) -> Table:
    """How many were helped in the period: each unit by itself."""
    helped: defaultdict[BeneficiaryUnit, int] = defaultdict(int)
    by_goods: defaultdict[BeneficiaryUnit, int] = defaultdict(int)
    for each in spent:
        helped[each.unit] += each.beneficiaries
    for gift in given:
        by_goods[gift.unit] += gift.beneficiaries
    rows = [_row(unit, "受益（资金）", helped[unit], label) for unit, label in UNITS.items() if helped[unit]]
    rows += [
        _row(f"goods/{unit}", "受益（物资）", by_goods[unit], label)
        for unit, label in UNITS.items()
        if by_goods[unit]
    ]
    rows += [
        _row(f"also/{each.of or ''}/{each.unit}", each.of or "其他", each.number, each.unit) for each in also
    ]
    return table(
        "beneficiaries",
        "受益统计",
        "Beneficiaries",
        [
            ("what", "项目", "What", "text"),
            ("number", "数量", "Number", "count"),
            ("unit", "单位", "Unit", "text"),
        ],
        rows,
        about="单位不同的受益数量不相加。",
    )


def transfers(moved: Sequence[Moved], named: Mapping[str, Named]) -> Table:
    """Money that changed its fund in the period."""
    rows = [
        _row(
            f"transfer/{number}",
            named[each.campaign_id].title,
            "转入自" if each.into else "转出至",
            each.other,
            TRANSFERS[each.kind],
            each.decided_on.isoformat(),
            each.amount_fen,
        )
        for number, each in enumerate(moved, start=1)
    ]
    return table(
        "transfers",
        "资金划转",
        "Transfers between funds",
        [
            ("campaign", "募捐活动（项目）", "Campaign", "text"),
            ("way", "方向", "Way", "text"),
            ("other", "对方", "Other side", "text"),
            ("kind", "事由", "Kind", "text"),
            ("decided_on", "决定日期", "Decided", "day"),
            ("amount_fen", "金额", "Amount", "fen"),
        ],
        rows,
    )


def goods_in(given: Sequence[GoodsIn]) -> Table:
    """The goods that were given in the period."""
    rows = [
        _row(
            f"{each.category}/{each.unit}",
            GOODS_CATEGORIES.get(each.category, each.category),
            each.quantity,
            each.unit,
            each.value_fen,
        )
        for each in given
    ]
    rows.append(_row("total", "合计 Total", None, None, sum(each.value_fen for each in given), level="sum"))
    return table(
        "goods_in",
        "接受捐赠物资",
        "Goods received",
        [
            ("category", "类别", "Category", "text"),
            ("quantity", "数量", "Quantity", "count"),
            ("unit", "单位", "Unit", "text"),
            ("value_fen", "价值", "Value", "fen"),
        ],
        rows,
    )


def goods_out(given: Sequence[GoodsOut], named: Mapping[str, Named]) -> Table:
    """The goods that were handed out in the period, by use."""
    rows = [
        _row(
            f"{each.campaign_id}/{each.use}/{each.unit}",
            each.use,
            named[each.campaign_id].title,
            each.distributions,
            each.value_fen,
            each.beneficiaries,
            UNITS[each.unit],
        )
        for each in given
    ]
    total = sum(each.value_fen for each in given)
    rows.append(_row("total", "合计 Total", None, None, total, None, None, level="sum"))
    return table(
        "goods_out",
        "发放捐赠物资按用途",
        "Goods distributed by use",
        [
            ("use", "用途", "Use", "text"),
            ("campaign", "募捐活动（项目）", "Campaign", "text"),
            ("distributions", "发放次数", "Times", "count"),
            ("value_fen", "价值", "Value", "fen"),
            ("beneficiaries", "受益数量", "Helped", "count"),
            ("unit", "单位", "Unit", "text"),
        ],
        rows,
    )


def organisations(members: Sequence[Member], found: Mapping[str, tuple[Statement, Statement]]) -> Table:
    """What rolls up: each organisation's own sums in the period, and all of them together."""
    rows, sums = [], [0] * 9
    for member in members:
        own = [found[each] for each in member.campaign_ids if each in found]
        figures = [
            sum(bool(money.lines or of_goods.lines) for money, of_goods in own),
            *(sum(sign * money.lines[line] for money, _ in own) for line, sign in _ROLLED_UP),
            sum(money.closing_fen for money, _ in own),
            *(sum(sign * of_goods.lines[line] for _, of_goods in own) for line, sign in _GOODS_ROLLED_UP),
        ]
        sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
        rows.append(_row(member.organisation_id, member.name, *figures))
    rows.append(_row("total", "合计 Total", *sums, level="sum"))
    return table(
        "organisations",
        "本级及下级慈善组织合计",
        "This organisation and those below it",
        [
            ("organisation", "慈善组织", "Organisation", "text"),
            ("campaigns", "活动数", "Campaigns", "count"),
            ("received_fen", "接受捐赠", "Received", "fen"),
            ("reversed_fen", "捐赠退回", "Reversed", "fen"),
            ("spent_fen", "拨付支出", "Disbursed", "fen"),
            ("returned_fen", "拨付退回", "Returned", "fen"),
            ("closing_fen", "期末余额", "Closing", "fen"),
            ("goods_received_fen", "物资收入（另列）", "Goods in", "fen"),
            ("goods_distributed_fen", "物资发放（另列）", "Goods out", "fen"),
            ("goods_returned_fen", "物资退回（另列）", "Goods back", "fen"),
        ],
        rows,
        about="活动数为本期有收支的募捐活动，分活动各计一个，不是项目数。除本表外，各表只列本级。",
    )


def pledges(promised: Sequence[Promised], named: Mapping[str, Named]) -> Table:
    """What was promised in public and what became of it: none of it is income before it has come in."""
    rows = [
        _row(
            f"pledge/{number}",
            each.shown_name,
            named[each.campaign_id].title,
            "物资" if each.of_goods else "货币",
            each.due_on.isoformat(),
            *_kept(each),
        )
        for number, each in enumerate(promised[:NAMED_PLEDGES], start=1)
    ]
    if len(promised) > NAMED_PLEDGES:
        left = promised[NAMED_PLEDGES:]
        sums = [sum(column) for column in zip(*map(_kept, left), strict=True)]
        rows.append(_row("others", f"其余 {len(left)} 家", None, None, None, *sums))
    sums = [sum(column) for column in zip(*map(_kept, promised), strict=True)] or [0] * 4
    rows.append(_row("total", f"合计 {len(promised)} 笔", None, None, None, *sums, level="sum"))
    return table(
        "pledges",
        "认捐（承诺，不计入收入）",
        "Pledges: promised, not income",
        [
            ("company", "认捐方", "By", "text"),
            ("campaign", "募捐活动（项目）", "Campaign", "text"),
            ("what", "种类", "Kind", "text"),
            ("due_on", "约定日期", "Due", "day"),
            ("promised_fen", "认捐金额", "Promised", "fen"),
            ("fulfilled_fen", "已履行", "Fulfilled", "fen"),
            ("released_fen", "已免除", "Released", "fen"),
            ("open_fen", "未履行", "Open", "fen"),
        ],
        rows,
        about="截至本报告读取时。已履行部分在到账时计入接受捐赠，本表各数不与收支相加。"
        "已免除：依《慈善法》第四十一条报告后不再履行。名称按认捐方同意的方式公开。",
    )


def insurance(new: Cover, renewed: Cover) -> Table:
    """Whom policies cover that begin in the period: newly by group, and by renewals."""
    rows = [_row(f"new/{each.group}", f"新增：{each.group}", None, each.people, None) for each in new.groups]
    rows += [
        _row(row_id, label, cover.policies, cover.people, cover.premiums_fen, level="sum")
        for row_id, label, cover in (("new", "新增保单", new), ("renewed", "续签保单", renewed))
    ]
    return table(
        "insurance",
        "慈善保险",
        "Charity insurance",
        [
            ("what", "项目", "What", "text"),
            ("policies", "保单（单）", "Policies", "count"),
            ("people", "惠及（人）", "People covered", "count"),
            ("premiums_fen", "保费", "Premiums", "fen"),
        ],
        rows,
        about="保费已计入支出。",
    )


def claims(found: InsuranceTotals) -> Table:
    """What insurers paid in the period: their money, and no part of what was spent."""
    return table(
        "claims",
        "慈善保险理赔",
        "Insurance claims",
        [
            ("what", "项目", "What", "text"),
            ("claims", "笔数", "Claims", "count"),
            ("claims_fen", "理赔金额", "Paid by insurers", "fen"),
            ("largest_claim_fen", "单笔最高", "Largest claim", "fen"),
        ],
        [_row("claims", "理赔", found.claims, found.claims_fen, found.largest_claim_fen)],
        about="理赔款由保险公司支付，不计入收入与支出。",
    )


def accounts(movements: Iterable[Movement]) -> Table:
    """The trial balance of the campaigns' accounts in the period (科目余额表)."""
    before: defaultdict[str, int] = defaultdict(int)
    debit: defaultdict[str, int] = defaultdict(int)
    credit: defaultdict[str, int] = defaultdict(int)
    for each in movements:
        if each.before:
            before[each.account] += each.amount_fen if each.side is Side.DEBIT else -each.amount_fen
        else:
            (debit if each.side is Side.DEBIT else credit)[each.account] += each.amount_fen
    numbers = sorted(before.keys() | debit.keys() | credit.keys())
    rows, sums = [], [0] * 6
    for number in numbers:
        after = before[number] + debit[number] - credit[number]
        figures = [*_sides(before[number]), debit[number], credit[number], *_sides(after)]
        sums = [total + figure for total, figure in zip(sums, figures, strict=True)]
        rows.append(_row(number, number, CHART[number].name, *figures))
    rows.append(_row("total", "合计 Total", None, *sums, level="sum"))
    return table(
        "accounts",
        "科目余额表",
        "Trial balance",
        [
            ("account", "科目", "Account", "text"),
            ("name", "名称", "Name", "text"),
            ("opening_debit_fen", "期初借方", "Opening debit", "fen"),
            ("opening_credit_fen", "期初贷方", "Opening credit", "fen"),
            ("debit_fen", "本期借方", "Debit", "fen"),
            ("credit_fen", "本期贷方", "Credit", "fen"),
            ("closing_debit_fen", "期末借方", "Closing debit", "fen"),
            ("closing_credit_fen", "期末贷方", "Closing credit", "fen"),
        ],
        rows,
        about="本报告所列募捐活动（项目）的科目；每期借贷相等。",
    )


def _kept(each: Promised) -> list[int]:
    kept = each.kept
    return [kept.amount_fen, kept.fulfilled_fen, kept.released_fen, kept.open_fen]


def _sides(debit_fen: int) -> tuple[int, int]:
    return (debit_fen, 0) if debit_fen >= 0 else (0, -debit_fen)


def _row(row_id: str, *cells: Cell, level: str = "line") -> Row:
    return Row(id=row_id, cells=cells, level=level)  # type: ignore[arg-type]
