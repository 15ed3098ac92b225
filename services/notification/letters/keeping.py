"""The templates that operators have written: versions that are never changed, of each the newest in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from pydantic import TypeAdapter
from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.couriers.ways import Way
from services.notification.letters.contents import Content, Language, WechatContent
from services.notification.models import templates
from shared.refusals import Refused

ANY_CAMPAIGN: Final = ""
"""The campaign of a template that serves every campaign without one of its own."""
_CONTENT: Final[TypeAdapter[Content]] = TypeAdapter(Content)

# The donor's language before the campaign's own text: a text that is not understood thanks nobody.
_CURRENT: Final = text("""
SELECT language, content FROM templates
WHERE way = :way AND app_id = :app_id AND campaign_id IN (:campaign_id, '') AND language IN (:language, 'zh')
    AND replaced_at IS NULL AND NOT retired
ORDER BY language = :language DESC, campaign_id <> '' DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class InForce:
    """A text that operators have written, and the language that it is in: what is filled in follows it."""

    language: Language
    content: Content


async def current(
    connection: AsyncConnection, way: Way, *, campaign_id: str, language: Language, app_id: str
) -> InForce | None:
    """What is to be sent: in the donor's language, else in Chinese; the campaign's own, else the general."""
    asked = {"way": way.value, "app_id": app_id, "campaign_id": campaign_id, "language": language}
    found = (await connection.execute(_CURRENT, asked)).one_or_none()
    return None if found is None else InForce(found.language, _CONTENT.validate_python(found.content))


class TemplateChanged(Refused):
    """Somebody else wrote a version in between."""

    code = "template-changed"
    title = "The template was changed by somebody else"
    status = 409


@dataclass(frozen=True, slots=True)
class Place:
    """What a template is for; its versions follow each other there."""

    campaign_id: str
    language: Language
    content: Content

    @property
    def columns(self) -> dict[str, str]:
        """The same as columns of the table."""
        return {
            "campaign_id": self.campaign_id,
            "way": self.content.way,
            "app_id": self.content.app_id if isinstance(self.content, WechatContent) else "",
            "language": self.language,
        }


_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:place, 0))")


async def write(
    connection: AsyncConnection, place: Place, *, based_on: int, retired: bool, person: str
) -> Row[Any]:
    """Add the next version. `based_on` is the version that its writer had before them, 0 for none; raises
    TemplateChanged when it is not the newest.
    """
    columns = place.columns
    await connection.execute(_LOCK, {"place": "\n".join(("template", *columns.values()))})
    here = [templates.c[name] == value for name, value in columns.items()]
    newest = select(templates.c.version).where(*here, templates.c.replaced_at.is_(None))
    version = (await connection.execute(newest)).scalar_one_or_none() or 0
    if version != based_on:
        raise TemplateChanged(
            f"You know version {based_on}, it is at {version}. Read it again, then write again.",
            fields=["based_on"],
            version=version,
        )
    now = text("now()")
    replaced = update(templates).where(*here, templates.c.replaced_at.is_(None)).values(replaced_at=now)
    await connection.execute(replaced)
    added = insert(templates).values(
        template_id=uuid4(),
        **columns,
        version=version + 1,
        content=place.content.model_dump(mode="json"),
        retired=retired,
        written_by=person,
        written_at=now,
    )
    row: Row[Any] = (await connection.execute(added.returning(templates))).one()
    return row


async def find(connection: AsyncConnection, template_id: UUID) -> Row[Any] | None:
    """One version."""
    return (
        await connection.execute(select(templates).where(templates.c.template_id == template_id))
    ).one_or_none()


async def listed(
    connection: AsyncConnection, *, campaign_id: str | None, every_version: bool, rows: int
) -> Sequence[Row[Any]]:
    """Versions in force, or all of them, by what they are for; newest first."""
    wanted = select(templates)
    if campaign_id is not None:
        wanted = wanted.where(templates.c.campaign_id == campaign_id)
    if not every_version:
        wanted = wanted.where(templates.c.replaced_at.is_(None))
    order = ("campaign_id", "way", "app_id", "language")
    ordered = wanted.order_by(*(templates.c[name] for name in order), templates.c.version.desc())
    return (await connection.execute(ordered.limit(rows))).all()
