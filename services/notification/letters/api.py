"""What operators write to donors: templates for a campaign or for all, by way and language.

| who (role) | may |
| --- | --- |
| viewer, desk | read templates, look at a preview |
| desk | write the next version, retire one, have one sent to themselves |

A version is never changed; the newest is in force. Without one, a mail has this service's own text, and a
message by another way fails with "no_template".
"""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.notification import live
from services.notification.addresses import BadAddress, deliverable
from services.notification.couriers.ways import Letter, MailLetter, Way
from services.notification.letters import keeping
from services.notification.letters.contents import (
    UNSUBSCRIBE,
    Content,
    Language,
    MailContent,
    SmsContent,
    as_html,
    filled,
    sms_parameters,
    values_of,
    wechat_data,
)
from services.notification.letters.writing import mail_of, sms_of, wechat_of
from services.notification.live import LiveSender
from services.notification.settings import Settings
from services.notification.thanks import Campaign, Envelope, Thanks, compose
from shared.access import Person, require
from shared.events.fields import CAMPAIGN_ID
from shared.http_commands import KeyHeader, command_of, tagged
from shared.problems import Problem
from shared.refusals import Refused
from shared.run_once import Answer, Runner
from shared.strict_json import StrictJsonRoute

LISTED_MAX: Final = 500
TESTS_AN_HOUR: Final = 20
"""Messages a person may have sent to themselves: a way to try a template, not to write to donors."""
SAMPLE: Final = Thanks(
    donation_id=UUID("6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b30"),
    name="王小明",
    amount_fen=123_456,
    reversed_fen=0,
    occurred_at=datetime(2027, 1, 1, 12, 15, tzinfo=UTC),
    campaign=Campaign(
        title="第六届新年慈善晚会",
        title_en="6th New Year Charity Gala",
        organisation="某某市慈善总会",
        licence="慈证字第 1 号",
        filing_number="53320500A001",
        contact="0512-0000 0000",
        query_method="慈善中国",
    ),
)
"""What a preview is filled in with: nobody's data."""
SAMPLE_SENT: Final = datetime(2027, 1, 1, 12, 16, tzinfo=UTC)
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
SAMPLE_LINK: Final = "https://example.org/unsubscribe/sample"


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TemplateBody(_Body):
    """The next version. `campaign_id` null: for every campaign without one of its own. `based_on`: the
    version you have read, 0 when there is none. `retired`: from now on nothing is sent by it.
    """

    campaign_id: Annotated[str, Field(pattern=CAMPAIGN_ID)] | None = None
    language: Language
    content: Content
    based_on: int = Field(ge=0, le=1_000_000)
    retired: bool = False


class Template(BaseModel):
    """One version. `in_force`: the newest, and not retired. Times in UTC."""

    template_id: UUID
    campaign_id: str | None
    language: Language
    version: int
    content: Content
    retired: bool
    in_force: bool
    written_by: str
    written_at: datetime


class Templates(BaseModel):
    """At most 500."""

    templates: list[Template]


class PreviewBody(_Body):
    """A text that need not be kept yet."""

    language: Language
    content: Content


class Preview(BaseModel):
    """What a donor would read, with sample data. Mail: subject, text and html; SMS: parameters in their
    order; WeChat: the fields.
    """

    way: Way
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    parameters: list[tuple[str, str]] | None = None
    data: dict[str, str] | None = None


class PreviewsInForce(BaseModel):
    """What a donor of each language is sent now; null: nothing, for nobody has written it (`no_template`)."""

    zh: Preview | None
    en: Preview | None


class TestBody(_Body):
    """Your own address: of mail, a mobile (+86…) or an openid of the template's application."""

    to: str = Field(min_length=1, max_length=254, examples=["you@charity.example"])


class Notice(BaseModel):
    """An operational message and what became of it."""

    notice_id: UUID
    way: Way
    purpose: str
    state: str
    attempts: int
    reason: str | None
    provider_id: str | None
    created_at: datetime
    changed_at: datetime


class NotFound(Refused):
    """There is none with this id."""

    code = "unknown-template"
    title = "There is no such template"
    status = 404


class TooManyTests(Refused):
    """A person has had many sent within the hour."""

    code = "too-many-tests"
    title = "Too many test messages"
    status = 429


class NotAnAddress(Refused):
    """Nothing can be sent there by this way."""

    code = "not-an-address"
    title = "Nothing can be sent to this address"
    status = 422


class NotSetUp(Refused):
    """The way has no provider on this system."""

    code = "way-not-set-up"
    title = "This way is not set up"
    status = 409


READING: Final = [Depends(require("viewer", "desk"))]


def create_router(engine: AsyncEngine, runner: Runner) -> APIRouter:
    """/v1/templates …"""
    router = APIRouter(prefix="/v1", tags=["templates"], route_class=StrictJsonRoute)

    @router.get("/templates", summary="Templates in force, or every version", dependencies=READING)
    async def list_templates(
        campaign_id: Annotated[str | None, Query(pattern=CAMPAIGN_ID)] = None,
        every_version: Annotated[bool, Query()] = False,  # noqa: FBT002 - of the query, by name
    ) -> Templates:
        """By campaign, way and language; `every_version` also those that were replaced."""
        async with engine.connect() as connection:
            rows = await keeping.listed(
                connection, campaign_id=campaign_id, every_version=every_version, rows=LISTED_MAX
            )
        return Templates(templates=[_template(row) for row in rows])

    @router.post(
        "/templates", status_code=201, response_model=Template, summary="Write the next version of a template"
    )
    async def write_template(
        request: Request,
        body: TemplateBody,
        person: Annotated[Person, Depends(require("desk"))],
        idempotency_key: KeyHeader = None,
    ) -> Response:
        """The whole text; 409 when somebody else wrote a version after the one you have read."""

        async def work(connection: AsyncConnection) -> Answer:
            place = keeping.Place(body.campaign_id or keeping.ANY_CAMPAIGN, body.language, body.content)
            row = await keeping.write(
                connection, place, based_on=body.based_on, retired=body.retired, person=person.name
            )
            return Answer.of(201, _template(row))

        command = await command_of("write_template", person.name, request, idempotency_key)
        answer = await runner.run(command, work)
        return tagged(answer.body, answer.status)

    @router.get(
        "/templates/preview", summary="What donors of both languages are sent now", dependencies=READING
    )
    async def preview_in_force(
        *,
        way: Way,
        campaign_id: Annotated[str | None, Query(pattern=CAMPAIGN_ID)] = None,
        app_id: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,64}$", description="of WeChat")] = "",
    ) -> PreviewsInForce:
        """For one campaign, or one without texts of its own; with sample data. A mail without a template has
        this service's own text, in both languages.
        """
        found: dict[Language, Preview | None] = {}
        async with engine.connect() as connection:
            for language in LANGUAGES:
                template = await keeping.current(
                    connection,
                    way,
                    campaign_id=campaign_id or keeping.ANY_CAMPAIGN,
                    language=language,
                    app_id=app_id if way is Way.WECHAT else "",
                )
                own = _preview_of_own_mail() if way is Way.MAIL else None
                found[language] = own if template is None else _preview(template.content, template.language)
        return PreviewsInForce(zh=found["zh"], en=found["en"])

    @router.get("/templates/{template_id}", summary="One version", dependencies=READING)
    async def show_template(template_id: UUID) -> Template:
        """A version stays as it was written, also when another is in force."""
        async with engine.connect() as connection:
            return _template(await _found(connection, template_id))

    @router.post("/templates/preview", summary="What a donor would read", dependencies=READING)
    async def preview(body: PreviewBody) -> Preview:
        """Of a text that need not be kept yet, with sample data; nothing is sent."""
        return _preview(body.content, body.language)

    @router.get("/templates/{template_id}/preview", summary="What a donor would read", dependencies=READING)
    async def preview_version(template_id: UUID) -> Preview:
        """Of a version, with sample data; nothing is sent."""
        async with engine.connect() as connection:
            template = _template(await _found(connection, template_id))
        return _preview(template.content, template.language)

    return router


def create_test_router(
    settings: Settings, engine: AsyncEngine, runner: Runner, live_sender: LiveSender
) -> APIRouter:
    """POST /v1/templates/{template_id}/test (desk), GET /v1/notices/{notice_id} (viewer, desk)."""
    router = APIRouter(prefix="/v1", tags=["templates"], route_class=StrictJsonRoute)

    @router.post(
        "/templates/{template_id}/test",
        status_code=202,
        response_model=Notice,
        summary="Have it sent to yourself, with sample data, ahead of all thanks",
    )
    async def send_test(
        request: Request,
        template_id: UUID,
        body: TestBody,
        person: Annotated[Person, Depends(require("desk"))],
        idempotency_key: KeyHeader = None,
    ) -> Response:
        """It goes at once, by a lane of its own. 20 an hour and person."""

        async def work(connection: AsyncConnection) -> Answer:
            template = _template(await _found(connection, template_id))
            way = Way(template.content.way)
            if way not in settings.usable_ways:
                raise NotSetUp(f"Set {way.value} up first.", way=way.value)
            if await live.of_person_last_hour(connection, person.name) >= TESTS_AN_HOUR:
                raise TooManyTests(f"{TESTS_AN_HOUR} an hour: wait a while.")
            letter = _test_letter(template, body.to, settings)
            notice_id = await live.add_notice(connection, way, letter, purpose=live.TEST, person=person.name)
            return Answer.of(202, _notice(await live.find_notice(connection, notice_id)))

        command = await command_of("test_template", person.name, request, idempotency_key)
        answer = await runner.run(command, work)
        live_sender.wake()
        return tagged(answer.body, answer.status)

    @router.get("/notices/{notice_id}", summary="What became of an operational message", dependencies=READING)
    async def show_notice(notice_id: UUID) -> Notice:
        """Its address is forgotten when it has ended."""
        async with engine.connect() as connection:
            return _notice(await live.find_notice(connection, notice_id))

    return router


async def _found(connection: AsyncConnection, template_id: UUID) -> Row[Any]:
    row = await keeping.find(connection, template_id)
    if row is None:
        raise NotFound("GET /v1/templates lists what there is.", template_id=str(template_id))
    return row


def _template(row: Row[Any]) -> Template:
    values = {**row._mapping, "campaign_id": row.campaign_id or None}  # noqa: SLF001 - public
    return Template.model_validate({**values, "in_force": row.replaced_at is None and not row.retired})


def _notice(row: Row[Any] | None) -> Notice:
    if row is None:
        raise Problem(404, "unknown-notice", "There is no operational message with this id.")
    return Notice.model_validate(row, from_attributes=True)


def _preview(content: Content, language: Language) -> Preview:
    values = values_of(SAMPLE, language)
    if isinstance(content, MailContent):
        values[UNSUBSCRIBE] = SAMPLE_LINK
        return Preview(
            way=Way.MAIL,
            subject=filled(content.subject, values),
            text=filled(content.text, values),
            html=as_html(content.text, values, language),
        )
    if isinstance(content, SmsContent):
        return Preview(way=Way.SMS, parameters=list(sms_parameters(content, values)))
    return Preview(way=Way.WECHAT, data=dict(wechat_data(content, values)))


def _preview_of_own_mail() -> Preview:
    """The mail of a donation whose campaign has no template: as it is sent, read again."""
    envelope = Envelope(Address(addr_spec="thanks@example.org"), "you@example.org", SAMPLE_SENT, SAMPLE_LINK)
    mail = message_from_bytes(compose(SAMPLE, envelope), policy=policy.default)
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    return Preview(
        way=Way.MAIL, subject=str(mail["Subject"]), text=parts["text/plain"], html=parts["text/html"]
    )


def _test_letter(template: Template, to: str, settings: Settings) -> Letter:
    content, values = template.content, values_of(SAMPLE, template.language)
    try:
        if isinstance(content, MailContent):
            recipient = deliverable(to)
            envelope = Envelope(settings.sender, recipient, datetime.now(UTC), SAMPLE_LINK)
            mail = mail_of(content, SAMPLE, template.language, envelope, mail_id=uuid4())
            return MailLetter(recipient, mail)
        return (
            sms_of(content, values, to) if isinstance(content, SmsContent) else wechat_of(content, values, to)
        )
    except BadAddress as error:
        raise NotAnAddress(f"It can't be used: {error}.", fields=["to"]) from None
