"""The envelope of every event: CloudEvents 1.0 in structured JSON.

`source` and `sequence` together are the event's position (see shared.positions); `previous` is the sequence
of the event before it from that source. On the wire both are decimal text of 19 digits, because the
CloudEvents integer has 32 bits and its `sequence` extension asks for text that sorts like the number.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NotRequired, Self, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema, to_json

from shared.events import wire
from shared.events.fields import Moment

CONTENT_TYPE: Final = "application/cloudevents+json"
CONTENT_TYPE_HEADER: Final = ("content-type", CONTENT_TYPE.encode())
MAX_SEQUENCE: Final = 2**63 - 1


class _DecimalText:
    """An int in Python, decimal text on the wire; checked without a call into Python, twice an event."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(ge=0, le=MAX_SEQUENCE)
        text = core_schema.str_schema(pattern="^[0-9]{1,19}$", strict=True)
        return core_schema.json_or_python_schema(
            json_schema=core_schema.chain_schema([text, number]),
            python_schema=core_schema.int_schema(ge=0, le=MAX_SEQUENCE, strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(
                "{:019d}".format, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )


Sequence = Annotated[int, _DecimalText, WithJsonSchema({"type": "string", "pattern": "^[0-9]{19}$"})]


class EventData(BaseModel):
    """What happened. A field added later is optional; any other change is a new type beside this one."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Written(TypedDict):
    """What an event says beside its position. `time` in UTC; `data` is checked already, and a wire.Received
    is for DonationReceived alone.
    """

    subject: str
    time: datetime
    data: EventData | wire.Received
    traceparent: NotRequired[str | None]


class Event(BaseModel):
    """One event. `time` is when it became a fact (UTC); `subject` is the id of what it is about."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)
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

    @classmethod
    def bytes_at(cls, source: str, sequence: int, previous: int | None, **written: Unpack[Written]) -> bytes:
        """What `at(…).to_bytes()` gives, without making the event."""
        follows = {} if previous is None else {"previous": f"{previous:019d}"}
        if (traceparent := written.get("traceparent")) is not None:
            follows["traceparent"] = traceparent
        return to_json(
            {
                "specversion": "1.0",
                "id": f"{source}:{sequence}",
                "source": source,
                "type": cls.TYPE,
                "subject": written["subject"],
                "time": written["time"],
                "datacontenttype": "application/json",
                "sequence": f"{sequence:019d}",
                **follows,
                "data": written["data"],
            },
            exclude_none=True,
        )

    def to_bytes(self) -> bytes:
        """The event as it goes to Kafka. What is None is left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


class UnknownEvent(Event):
    """An event of a type this release does not know: its mark moves, it has no effect here."""

    TYPE = ""
    data: Any = None
