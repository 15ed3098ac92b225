"""What comes and goes by HTTP about dead letters."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Row

from services.donation.casework.paging import AfterPosition
from services.donation.intake import Words
from shared.dead_letters import DeadLetter
from shared.positions import source_of

MAX_EACH: int = 500
"""Of one bulk command."""
MAX_SHOWN_BYTES: int = 64 * 1024
"""Of a record's value; a donation has at most 16 KiB."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Position(_Strict):
    """Where the record lay."""

    topic: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$", examples=["intake.partner"])]
    partition: Annotated[int, Field(ge=0, le=2**31 - 1)]
    offset: Annotated[int, Field(ge=0, le=2**63 - 1)]

    @property
    def at(self) -> tuple[str, int]:
        """As the tables have it: (source, sequence)."""
        return source_of(self.topic, self.partition), self.offset


class DeadLetterView(BaseModel):
    """A record that could not be used, without its content. `cursor`: as `after` it goes on behind it."""

    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    failed_at: datetime
    replayed_at: datetime | None
    replayed_by: str | None
    set_aside_at: datetime | None
    set_aside_by: str | None
    set_aside_reason: str | None
    cursor: str = Field(examples=["2027-01-01T12:15:00.000000Z~intake.partner/2~1041"])

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """The view of a row."""
        topic, _, partition = row.source.rpartition("/")
        values = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        place = {"topic": topic, "partition": int(partition), "offset": row.sequence}
        cursor = str(AfterPosition(row.failed_at, row.source, row.sequence))
        return cls.model_validate({**values, **place, "cursor": cursor})


class Part(BaseModel):
    """Bytes of a record: as text where they are UTF-8, in base64 otherwise. `cut`: there are more."""

    text: str | None
    base64: str | None
    size_bytes: int
    cut: bool

    @classmethod
    def of(cls, content: bytes | None) -> Self | None:
        """The part that these bytes are; None for none."""
        if content is None:
            return None
        shown = content[:MAX_SHOWN_BYTES]
        said: str | None
        try:
            said, coded = shown.decode(), None
        except UnicodeDecodeError:
            said, coded = None, b64encode(shown).decode()
        return cls(text=said, base64=coded, size_bytes=len(content), cut=len(shown) < len(content))


class Header(BaseModel):
    """A header of the record."""

    name: str
    value: Part | None


class Look(BaseModel):
    """Somebody saw the content."""

    model_config = ConfigDict(from_attributes=True)

    person: str
    at: datetime


class Content(BaseModel):
    """A dead letter whole. It may hold personal data: `looks` says who has seen it, this time included."""

    letter: DeadLetterView
    key: Part | None
    value: Part | None
    headers: list[Header]
    looks: list[Look]

    @classmethod
    def of(cls, row: Row[Any], looks: list[Look]) -> Self:
        """The content of a row."""
        letter = DeadLetter.model_validate_json(row.letter)
        return cls(
            letter=DeadLetterView.of(row),
            key=Part.of(letter.key),
            value=Part.of(letter.value),
            headers=[Header(name=name, value=Part.of(value)) for name, value in letter.headers],
            looks=looks,
        )


class LettersBody(_Strict):
    """Which letters: one or many."""

    letters: Annotated[list[Position], Field(min_length=1, max_length=MAX_EACH)]


class SetAsideBody(LettersBody):
    """Which letters are of no use, and why."""

    reason: Words


class Outcome(Position):
    """What became of one. `done`, or `code` and `detail` say why not; `placed`: where it lies now that it was
    sent again.
    """

    outcome: Literal["done", "not_done"]
    code: str | None = None
    detail: str | None = None
    placed: Position | None = None


class OutcomeEach(BaseModel):
    """In the order they were asked."""

    items: list[Outcome]
