"""What is asked of the reports, and of campaigns for the calendar. Every function runs in its caller's
transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.days import today_of
from services.campaign.disclosure import calendar, rules
from services.campaign.disclosure.calendar import CampaignFacts
from services.campaign.disclosure.models import reports
from services.campaign.disclosure.rules import ReportState
from services.campaign.disclosure.schemas import Report, ReportWithDocument
from services.campaign.disclosure.tables import Named
from services.campaign.models import campaigns
from services.campaign.organisations.models import organisations
from services.campaign.organisations.rights import of_seen
from shared.events.documents import ReportKind, decode
from shared.refusals import NotFound

# ---------------------------------------------------------------- reports


async def add_report(connection: AsyncConnection, values: Mapping[str, Any]) -> Report:
    """Write a draft. Raises ReportExists or CorrectedAlready when the database has one in its place."""
    try:
        row = (await connection.execute(insert(reports).values(**values).returning(*reports.c))).one()
    except IntegrityError as error:
        said = str(error.orig)
        if "reports_corrected_once" in said:
            raise rules.CorrectedAlready("Correct the newest one, or have its draft decided.") from error
        if "reports_once" in said:
            raise rules.ReportExists(
                "Read it in the calendar: publish or withdraw the draft, correct what is published."
            ) from error
        raise
    return _report(row)


async def report(connection: AsyncConnection, report_id: UUID, *, lock: bool = False) -> ReportWithDocument:
    """Read a report, with `lock` until the end of the transaction. Raises NotFound."""
    return (await report_and_content(connection, report_id, lock=lock))[0]


async def report_and_content(
    connection: AsyncConnection, report_id: UUID, *, lock: bool = False
) -> tuple[ReportWithDocument, str]:
    """A report, and its document as it was frozen. Raises NotFound."""
    statement = select(reports).where(reports.c.report_id == report_id)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound("There is no report with this id.", fields=["report_id"])
    found = _report(row)
    return ReportWithDocument(**found.model_dump(), document=decode(row.content)), row.content


async def decide_report(
    connection: AsyncConnection,
    known: Report,
    state: ReportState,
    *,
    person: str,
    now: datetime,
    **values: Any,
) -> Report:
    """Write a locked draft's end."""
    statement = (
        update(reports)
        .where(reports.c.report_id == known.report_id, reports.c.version == known.version)
        .values(state=state, version=known.version + 1, decided_by=person, decided_at=now, **values)
        .returning(*reports.c)
    )
    return _report((await connection.execute(statement)).one())


async def list_reports(
    connection: AsyncConnection,
    *,
    seen: Sequence[str] | None = None,
    state: ReportState | None,
    campaign_id: str | None,
    organisation_id: str | None,
    after: UUID | None,
    limit: int,
) -> list[Report]:
    """At most `limit` reports, newest first, beginning behind `after`; of the organisations that are seen
    alone, unless None.
    """
    statement = select(*_SHOWN).order_by(reports.c.report_id.desc()).limit(limit)
    if seen is not None:
        of_campaign = of_seen(reports.c.campaign_id, seen)
        statement = statement.where(or_(reports.c.organisation_id.in_(seen), of_campaign))
    for column, value in (
        ("state", state),
        ("campaign_id", campaign_id),
        ("organisation_id", organisation_id),
    ):
        if value is not None:
            statement = statement.where(reports.c[column] == value)
    if after is not None:
        statement = statement.where(reports.c.report_id < after)
    return [_report(row) for row in await connection.execute(statement)]


_SHOWN = tuple(column for column in reports.c if column.name != "content")


def _report(row: Row[Any]) -> Report:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    return Report(**{**values, "digest": bytes(row.digest).hex()})


# ---------------------------------------------------------------- the calendar


@dataclass(frozen=True, slots=True)
class RegisteredOrganisation:
    """An organisation of the register, and its own campaigns that were launched, with the days of that."""

    organisation_id: str
    parent_id: str | None
    name: str
    campaigns: list[Named]
    launched_on: list[date]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A campaign as the calendar sees it. `organisation_id` is None for one from before the register."""

    campaign_id: str
    organisation_id: str | None
    title: str
    facts: CampaignFacts


async def disclosed(
    connection: AsyncConnection, campaign_id: str | None = None, seen: Sequence[str] | None = None
) -> list[Disclosed]:
    """The campaigns that owe reports: those that were launched; of the organisations that are seen alone,
    unless None.
    """
    columns = ("campaign_id", "organisation_id", "kind", "title", "window_end", "launched_on", "closed_on")
    statement = select(*(campaigns.c[name] for name in columns)).where(
        campaigns.c.launched_on.is_not(None), of_seen(campaigns.c.campaign_id, seen)
    )
    if campaign_id is not None:
        statement = statement.where(campaigns.c.campaign_id == campaign_id)
    found = []
    for row in await connection.execute(statement.order_by(campaigns.c.campaign_id)):
        facts = calendar.campaign_facts(
            row.kind,
            launched_on=row.launched_on,
            window_end=today_of(row.window_end),
            closed_on=row.closed_on,
        )
        found.append(Disclosed(row.campaign_id, row.organisation_id, row.title, facts))
    return found


@dataclass(frozen=True, slots=True)
class Made:
    """What there is for an obligation: its newest report, whether that waits for a second person, and the day
    its first was published.
    """

    report_id: UUID
    drafted: bool
    published_on: date | None


async def made(
    connection: AsyncConnection, subjects: Sequence[str] | None
) -> dict[tuple[str, ReportKind, date], Made]:
    """By subject, kind and first day; `subjects` are campaigns and organisations, None: all."""
    columns = ("report_id", "kind", "campaign_id", "organisation_id", "period_from", "state", "decided_at")
    statement = select(*(reports.c[name] for name in columns)).where(reports.c.state != ReportState.WITHDRAWN)
    if subjects is not None:
        statement = statement.where(
            or_(reports.c.campaign_id.in_(subjects), reports.c.organisation_id.in_(subjects))
        )
    found: dict[tuple[str, ReportKind, date], Made] = {}
    for row in await connection.execute(statement.order_by(reports.c.revision)):
        place = (row.campaign_id or row.organisation_id, row.kind, row.period_from)
        known = found.get(place)
        published_on = known.published_on if known else None
        if published_on is None and row.state == ReportState.PUBLISHED:
            published_on = today_of(row.decided_at)
        found[place] = Made(row.report_id, row.state == ReportState.DRAFTED, published_on)
    return found


async def organisations_and_campaigns(
    connection: AsyncConnection, seen: Sequence[str] | None
) -> list[RegisteredOrganisation]:
    """The organisations that are seen (None: all), each with the launched campaigns that are its own."""
    statement = select(
        *(organisations.c[name] for name in ("organisation_id", "parent_id", "name", "name_en")),
        *(campaigns.c[name] for name in ("campaign_id", "title", "filing_number", "launched_on")),
    ).outerjoin_from(
        organisations,
        campaigns,
        (campaigns.c.organisation_id == organisations.c.organisation_id)
        & campaigns.c.launched_on.is_not(None),
    )
    if seen is not None:
        statement = statement.where(organisations.c.organisation_id.in_(seen))
    order = (organisations.c.depth, organisations.c.organisation_id, campaigns.c.campaign_id)
    found: dict[str, RegisteredOrganisation] = {}
    for row in await connection.execute(statement.order_by(*order)):
        known = found.setdefault(
            row.organisation_id,
            RegisteredOrganisation(row.organisation_id, row.parent_id, row.name, [], []),
        )
        if row.campaign_id is not None:
            known.campaigns.append(Named(row.campaign_id, row.title, row.filing_number))
            known.launched_on.append(row.launched_on)
    return list(found.values())
