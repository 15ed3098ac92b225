"""The envelope of every event: CloudEvents 1.0 in structured JSON.

`source` and `sequence` together are the event's position (see shared.positions); `previous` is the sequence
of the event before it from that source. On the wire both are decimal text of 19 digits, because the
CloudEvents integer has 32 bits and its `sequence` extension asks for text that sorts like the number.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema

from shared.events.fields import Moment

CONTENT_TYPE: Final = "application/cloudevents+json"
CONTENT_TYPE_HEADER: Final = ("content-type", CONTENT_TYPE.encode())
MAX_SEQUENCE: Final = 2**63 - 1


def _read_sequence(value: object) -> int:
    if isinstance(value, str) and len(value) <= 19 and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SEQUENCE:
        return value
    raise ValueError("a sequence is a decimal number of at most 19 digits")


Sequence = Annotated[
    int,
    BeforeValidator(_read_sequence),
    PlainSerializer("{:019d}".format, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{19}$"}),
]


class EventData(BaseModel):
    """What happened. A field added later is optional; any other change is a new type beside this one."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(BaseModel):
    """One event. `time` is when it became a fact (UTC); `subject` is the id of what it is about."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    sequence: Sequence
    previous: Sequence | None = None
    traceparent: str | None = None
    data: Any

    @classmethod
    def at(
        cls,
        source: str,
        sequence: int,
        previous: int | None,
        *,
        subject: str,
        time: datetime,
        data: EventData,
        traceparent: str | None = None,
    ) -> Self:
        """Make the event that lies at a position."""
        return cls(
            id=f"{source}:{sequence}",
            source=source,
            type=cls.TYPE,
            subject=subject,
            time=time,
            sequence=sequence,
            previous=previous,
            traceparent=traceparent,
            data=data,
        )

    def to_bytes(self) -> bytes:
        """The event as it goes to Kafka. What is None is left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class UnknownEvent(Event):
    """An event of a type this release does not know: its mark moves, it has no effect here."""

    TYPE = ""
    data: dict[str, Any]
