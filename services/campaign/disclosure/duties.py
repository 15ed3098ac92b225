"""The calendar put together: what each campaign owes, and what was made for it."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.disclosure import calendar, queries
from services.campaign.disclosure.calendar import Obligation
from services.campaign.disclosure.queries import Made
from services.campaign.disclosure.schemas import Due
from shared.events.documents import ReportKind


async def all_due(
    connection: AsyncConnection, today: date, campaign_id: str | None, seen: Sequence[str] | None = None
) -> list[Due]:
    """Every obligation of the campaigns asked for, what is due first at the head; of the organisations that
    are seen alone, unless None.
    """
    campaigns = await queries.disclosed(connection, campaign_id, seen)
    made = await queries.made(connection, None if campaign_id is None else [campaign_id])
    found = [
        _due(
            each,
            made,
            today,
            title=campaign.title,
            campaign_id=campaign.campaign_id,
            organisation_id=campaign.organisation_id,
        )
        for campaign in campaigns
        for each in calendar.of_campaign(campaign.facts, today)
    ]
    if campaign_id is None:
        found += [
            _due(each, made, today, title=known.name, organisation_id=known.organisation_id)
            for known in await queries.organisations_and_campaigns(connection, seen)
            for each in annual(known.launched_on, today)
        ]
    return sorted(found, key=lambda each: each.place)


def annual(launched_on: Sequence[date], today: date) -> list[Obligation]:
    """The annual reports of an organisation whose campaigns were launched on these days."""
    begun = [day for day in launched_on if day <= today]
    return calendar.of_organisation(min(begun), today) if begun else []


def _due(
    obligation: Obligation,
    made: dict[tuple[str, ReportKind, date], Made],
    today: date,
    *,
    title: str,
    campaign_id: str | None = None,
    organisation_id: str | None = None,
) -> Due:
    subject = campaign_id or organisation_id
    assert subject is not None
    known = made.get((subject, obligation.kind, obligation.period_from))
    published_on = known.published_on if known else None
    return Due(
        kind=obligation.kind,
        campaign_id=campaign_id,
        organisation_id=organisation_id,
        title=title,
        period_from=obligation.period_from,
        period_to=obligation.period_to,
        due_on=obligation.due_on,
        state=calendar.state_of(obligation, published_on=published_on, today=today),
        days_late=calendar.days_late(obligation, published_on=published_on, today=today),
        report_id=known.report_id if known else None,
        drafted=known is not None and known.drafted,
    )
