"""What people do with reports: each function is one command, inside the transaction of its caller.

A report is drawn up from what the ledger has when it is asked for, and frozen there and then: what the second
person publishes is what they have read. Locks: the report, then the outbox.
"""

from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import today_of
from services.campaign.disclosure import (
    announcements,
    calendar,
    differences,
    drafting,
    duties,
    queries,
    rules,
)
from services.campaign.disclosure.calendar import Obligation
from services.campaign.disclosure.drafting import Subject, Wanted
from services.campaign.disclosure.queries import RegisteredOrganisation
from services.campaign.disclosure.rules import ReportState
from services.campaign.disclosure.schemas import (
    CorrectionBody,
    PublishBody,
    Report,
    ReportBody,
    ReportWithDocument,
    WithdrawBody,
)
from services.campaign.disclosure.tables import Member, Named
from services.campaign.identifiers import new_id
from services.campaign.organisations import queries as register
from services.campaign.organisations import rights
from shared import two_people
from shared.access import Reach
from shared.events.documents import Corrects, Document, decode, digest_of, encode

UNSAID: Final = "—"
"""Where the register says nothing."""


async def draft_report(connection: AsyncConnection, actor: Actor, body: ReportBody) -> ReportWithDocument:
    """Draw up and freeze a report of the calendar. Raises NotAsked, PeriodNotOver, ReportExists, …"""
    if body.campaign_id is None:
        await rights.require_organisation(connection, actor.reach, body.organisation_id)
    else:
        await rights.require_campaigns(connection, actor.reach, [body.campaign_id])
    today = today_of(datetime.now(UTC))
    subject = await _subject(connection, body.campaign_id, body.organisation_id)
    asked = await _obligations(connection, body, today)
    obligation = rules.obligation_of(asked, body.kind, body.period_from)
    period_to = rules.last_day(obligation, body.period_to, today)
    wanted = Wanted(new_id(), body.kind, body.period_from, period_to, body.remarks)
    document = await drafting.draw_up(connection, wanted, subject)
    return await _freeze(connection, actor, document, about=body)


async def draft_correction(
    connection: AsyncConnection, actor: Actor, report_id: UUID, body: CorrectionBody
) -> ReportWithDocument:
    """Draw up a report in the place of a published one, with what changed. Raises NothingChanged, …"""
    known = await queries.report(connection, report_id, lock=True)
    actor.require_read(known.version)
    rules.require_state(known.state, ReportState.PUBLISHED)
    subject = await _subject(connection, known.campaign_id, known.organisation_id)
    remarks = known.document.remarks if body.remarks is None else body.remarks
    wanted = Wanted(new_id(), known.kind, known.period_from, known.period_to, remarks, known.revision + 1)
    drawn = await drafting.draw_up(connection, wanted, subject)
    document = drawn.model_copy(update={"corrects": _corrects(known, drawn, body.reason)})
    return await _freeze(
        connection, actor, document, about=known, corrects=known.report_id, reason=body.reason
    )


async def publish_report(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, report_id: UUID, body: PublishBody
) -> Report:
    """By another person, who has read it. → ReportPublished, or ReportCorrected"""
    known, content = await queries.report_and_content(connection, report_id, lock=True)
    actor.require_read(known.version)
    rules.require_state(known.state, ReportState.DRAFTED)
    two_people.require_another(actor.person, known.asked_by)
    rules.require_read(known.digest, body.digest)
    now = datetime.now(UTC)
    published = await queries.decide_report(
        connection, known, ReportState.PUBLISHED, person=actor.person, now=now
    )
    await announcements.report_published(connection, announcer, published, known.document, content)
    return published


async def withdraw_report(
    connection: AsyncConnection, actor: Actor, report_id: UUID, body: WithdrawBody
) -> Report:
    """Drop a draft, by either of the two; it stays readable here."""
    known = await queries.report(connection, report_id, lock=True)
    actor.require_read(known.version)
    rules.require_state(known.state, ReportState.DRAFTED)
    now = datetime.now(UTC)
    return await queries.decide_report(
        connection,
        known,
        ReportState.WITHDRAWN,
        person=actor.person,
        now=now,
        withdraw_reason=body.reason,
    )


# ---------------------------------------------------------------- what they share


async def _obligations(connection: AsyncConnection, body: ReportBody, today: date) -> list[Obligation]:
    if body.organisation_id is not None:
        known = await _register(connection, body.organisation_id)
        return duties.annual([day for each in known for day in each.launched_on], today)
    found = await queries.disclosed(connection, body.campaign_id)
    return [each for campaign in found for each in calendar.of_campaign(campaign.facts, today)]


async def _subject(
    connection: AsyncConnection, campaign_id: str | None, organisation_id: str | None
) -> Subject:
    """Raises NotFound."""
    if campaign_id is None:
        assert organisation_id is not None
        return await _organisation(connection, organisation_id)
    campaign = await campaigns.campaign(connection, campaign_id)
    return Subject(
        title=campaign.title,
        title_en=campaign.title_en,
        organisation=campaign.organisation or UNSAID,
        organisation_id=campaign.organisation_id,
        licence=campaign.licence or UNSAID,
        contact=campaign.contact,
        query_method=campaign.query_method,
        campaigns=[Named(campaign_id, campaign.title, campaign.filing_number)],
        of_campaign=True,
    )


async def _organisation(connection: AsyncConnection, organisation_id: str) -> Subject:
    """Its own campaigns, and for what rolls up those of all below it."""
    organisation = await register.organisation(connection, organisation_id)
    below = await _register(connection, organisation_id)
    own = next(each for each in below if each.organisation_id == organisation_id)
    return Subject(
        title=organisation.name,
        title_en=organisation.name_en,
        organisation=organisation.name,
        organisation_id=organisation_id,
        licence=organisation.licence or UNSAID,
        contact=organisation.contact,
        query_method=organisation.query_method,
        campaigns=own.campaigns,
        of_campaign=False,
        members=[
            Member(each.organisation_id, each.name, [named.campaign_id for named in each.campaigns])
            for each in below
        ],
    )


async def _register(connection: AsyncConnection, organisation_id: str) -> list[RegisteredOrganisation]:
    """An organisation and all below it, with their campaigns."""
    seen = await rights.seen(connection, Reach(frozenset({organisation_id})))
    return await queries.organisations_and_campaigns(connection, seen)


def _corrects(known: ReportWithDocument, drawn: Document, reason: str) -> Corrects:
    """What the new one changes. Raises NothingChanged."""
    found = differences.changes(known.document, drawn)
    if not found:
        raise rules.NothingChanged("The books say what the report says, and its remarks are the same.")
    return Corrects(
        report_id=str(known.report_id),
        digest=known.digest,
        reason=reason,
        changes=tuple(found[: differences.MAX_CHANGES]),
        changes_left_out=max(0, len(found) - differences.MAX_CHANGES),
    )


async def _freeze(
    connection: AsyncConnection,
    actor: Actor,
    document: Document,
    *,
    about: ReportBody | ReportWithDocument,
    corrects: UUID | None = None,
    reason: str | None = None,
) -> ReportWithDocument:
    """Write the document's bytes down. Raises ReportTooLarge, ReportExists or CorrectedAlready."""
    content = encode(document)
    rules.require_fits(content)
    values = {
        "report_id": UUID(document.report_id),
        "kind": document.kind,
        "campaign_id": about.campaign_id,
        "organisation_id": about.organisation_id,
        "period_from": document.period_from,
        "period_to": document.period_to,
        "revision": document.revision,
        "corrects": corrects,
        "reason": reason,
        "state": ReportState.DRAFTED,
        "version": 1,
        "title": document.heading.title,
        "content": content.decode(),
        "digest": bytes.fromhex(digest_of(content)),
        "asked_by": actor.person,
        "asked_at": datetime.now(UTC),
    }
    report = await queries.add_report(connection, values)
    return ReportWithDocument(**report.model_dump(), document=decode(content))
