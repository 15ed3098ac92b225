"""Draws a report up: the position first, then what the books say at it, then the document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.disclosure import figures, rules, statement, tables
from services.campaign.disclosure.figures import GoodsOut, Scope
from services.campaign.disclosure.statement import Movement
from services.campaign.disclosure.tables import Member, Named
from services.campaign.insurance.queries import totals
from shared.events.documents import Document, Heading, ReportKind, Table
from shared.money import format_yuan

LAW: Final[dict[ReportKind, str]] = {
    "emergency": "《中华人民共和国慈善法》第七十二条",
    "quarterly": "《中华人民共和国慈善法》第七十九条",
    "final": "《中华人民共和国慈善法》第七十九条",
    "annual": "《中华人民共和国慈善法》第七十八条",
}
_TITLES: Final[dict[ReportKind, tuple[str, str]]] = {
    "emergency": ("应急募捐款物接收使用情况公开", "Emergency appeal, five-day report"),
    "quarterly": ("募捐情况定期公开", "Three-month report"),
    "final": ("募捐情况全面公开", "Full report after the end"),
    "annual": ("年度财务收支报告", "annual financial report"),
}
_NOTES: Final = (
    "金额单位为人民币元，由以分计的整数折算，未经四舍五入。",
    "期间按记账日（北京时间）划分；所属月份结账后才获知的事项，记入其后第一个未结账日。",
    "本报告依据总账截至“数据位置”所列凭证生成，该位置之前全部凭证借贷差额为零。",
    "各账簿末号凭证的散列值可证明其前全部凭证未被改动。",
    "捐赠按全额计入；渠道手续费由非限定性资金承担，不减少限定用途的资金。暂留、冲突的捐赠未计入。",
    "承诺（认捐）、接受捐赠与拨付支出分别列示，互不相加；物资按其价值单独列示。",
    "未经捐赠人、受益人同意，不公开其姓名、名称、住所等信息（《慈善法》第八十二条）。",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is reported on: its heading, and the campaigns whose books it is made of."""

    title: str
    title_en: str | None
    organisation: str
    organisation_id: str | None
    licence: str
    contact: str | None
    query_method: str | None
    campaigns: Sequence[Named]
    of_campaign: bool
    members: Sequence[Member] = ()
    """Of an organisation: itself and all below it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A report that is asked for."""

    report_id: UUID
    kind: ReportKind
    period_from: date
    period_to: date
    remarks: Sequence[str]
    revision: int = 1


async def draw_up(connection: AsyncConnection, wanted: Wanted, subject: Subject) -> Document:
    """Make the report at the position the books are at now. Raises LedgerNotExact."""
    position, difference_fen = await figures.position(connection)
    rules.require_exact(difference_fen)
    ids = [each.campaign_id for each in subject.campaigns]
    scope = Scope(position, ids, wanted.period_from, wanted.period_to)
    reserved_fen = sum((await figures.reserved(connection, ids)).values())
    return Document(
        report_id=str(wanted.report_id),
        kind=wanted.kind,
        revision=wanted.revision,
        period_from=wanted.period_from,
        period_to=wanted.period_to,
        heading=_heading(wanted, subject),
        position=position,
        tables=tuple(await _tables(connection, scope, subject)),
        notes=(*_NOTES, *_reserved_note(reserved_fen)),
        remarks=tuple(wanted.remarks),
    )


async def _tables(connection: AsyncConnection, scope: Scope, subject: Subject) -> list[Table]:
    named = {each.campaign_id: each for each in subject.campaigns}
    below = [each for member in subject.members for each in member.campaign_ids]
    everywhere = replace(scope, campaign_ids=sorted({*scope.campaign_ids, *below}))
    all_movements = await figures.movements(connection, everywhere)
    movements = [each for each in all_movements if each.campaign_id in named]
    counts = await figures.counted(connection, scope)
    spent = await figures.spent(connection, scope)
    given = await figures.goods_out(connection, scope)
    made = [tables.fund(statement.of_money(movements), counts)]
    made += await _of_goods(connection, scope, movements, given, named)
    if not subject.of_campaign:
        made.append(tables.campaigns(statement.by_campaign(movements), named))
    made += [tables.income(movements, counts), tables.spending(spent, named)]
    if not subject.of_campaign:
        made.append(tables.categories(spent))
    helped = tables.beneficiaries(spent, await figures.also_helped(connection, scope), given)
    if helped.rows:
        made.append(helped)
    if moved := await figures.moved(connection, scope):
        made.append(tables.transfers(moved, named))
    if promised := await figures.promised(connection, scope.campaign_ids):
        made.append(tables.pledges(promised, named))
    made += await _of_insurance(connection, scope)
    if len(subject.members) > 1:
        made.append(tables.organisations(subject.members, statement.by_campaign(all_movements)))
    return [*made, tables.accounts(movements)]


async def _of_goods(
    connection: AsyncConnection,
    scope: Scope,
    movements: Sequence[Movement],
    given: Sequence[GoodsOut],
    named: Mapping[str, Named],
) -> list[Table]:
    """The tables of goods, where there have ever been any."""
    goods = statement.of_goods(movements)
    if not goods.since_begin:
        return []
    received = await figures.goods_in(connection, scope)
    return [tables.goods(goods), tables.goods_in(received), tables.goods_out(given, named)]


async def _of_insurance(connection: AsyncConnection, scope: Scope) -> list[Table]:
    """The tables of charity insurance, where it was taken out, renewed or paid in the period."""
    found = await totals(
        connection, first=scope.first_day, last=scope.last_day, campaign_ids=scope.campaign_ids
    )
    covered = found.new.policies + found.renewed.policies
    made = [tables.insurance(found.new, found.renewed)] if covered else []
    if found.claims:
        made.append(tables.claims(found))
    return made


def _heading(wanted: Wanted, subject: Subject) -> Heading:
    campaign = subject.campaigns[0] if subject.of_campaign else None
    title, english = _TITLES[wanted.kind]
    if campaign is None:
        year = wanted.period_from.year
        full, full_en = f"{subject.title}{year}{title}", f"{year} {english}"
    else:
        full, full_en = f"{subject.title}——{title}", english
    return Heading(
        title=full,
        title_en=f"{subject.title_en}: {full_en}" if subject.title_en else full_en,
        organisation=subject.organisation,
        organisation_id=subject.organisation_id,
        licence=subject.licence,
        campaign_id=None if campaign is None else campaign.campaign_id,
        campaign=None if campaign is None else campaign.title,
        filing_number=None if campaign is None else campaign.filing_number,
        contact=subject.contact,
        query_method=subject.query_method,
        law=LAW[wanted.kind],
    )


def _reserved_note(reserved_fen: int) -> list[str]:
    if not reserved_fen:
        return []
    return [f"截至本报告读取时，已批准、尚未支付的拨付为 {format_yuan(reserved_fen)} 元，未计入支出。"]
