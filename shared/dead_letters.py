"""Dead letters: a record that can't be used is kept whole, with its reason and where it lay.

They lie on the topic `dead-letter`, which is as restricted as `contacts`, for a bad record may hold anything.
The same record may appear there more than once (a batch that came again): its origin is its identity.
"""

from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Annotated, Final

from prometheus_client import Counter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from shared.broker import DEAD_LETTER, KafkaSettings, Publisher, Record, Records, recorded_at
from shared.events import Event, UnusableEvent, decode_event
from shared.positions import source_of

MAX_DETAIL: Final = 500
DEAD_LETTERS: Final = Counter(
    "shanliu_dead_letters_total",
    "Records that could not be used, by the topic they lay on and why; one that came again counts again",
    ["topic", "reason"],
)

Base64 = Annotated[
    bytes,
    BeforeValidator(lambda value: b64decode(value, validate=True) if isinstance(value, str) else value),
    PlainSerializer(lambda value: b64encode(value).decode(), return_type=str, when_used="json"),
]


class DeadLetter(BaseModel):
    """A record that a service could not use. `reason` is a stable code, `detail` a sentence for people
    (never the record's content); topic, partition and offset are those of the record itself.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    detail: str = Field(max_length=MAX_DETAIL)
    service: str
    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    failed_at: datetime
    key: Base64 | None = None
    value: Base64 | None = None
    headers: tuple[tuple[str, Base64 | None], ...] = ()

    @property
    def origin(self) -> str:
        """Where the record lay: the dead letter's identity, e.g. "intake.wechat/2:1041"."""
        return f"{source_of(self.topic, self.partition)}:{self.offset}"

    def to_bytes(self) -> bytes:
        """The dead letter as it lies on its topic: JSON, with key, value and headers in base64."""
        return self.model_dump_json(exclude_none=True).encode()


def bury(settings: KafkaSettings, service: str, record: Record, reason: str, detail: str) -> DeadLetter:
    """Make the dead letter of a record (pure; `publish` sends it)."""
    return DeadLetter(
        reason=reason,
        detail=detail[:MAX_DETAIL],
        service=service,
        topic=settings.plain(record.topic),
        partition=record.partition,
        offset=record.offset,
        recorded_at=recorded_at(record),
        failed_at=datetime.now(UTC),
        key=record.key,
        value=record.value,
        headers=tuple((name, value) for name, value in record.headers),
    )


async def publish(publisher: Publisher, letter: DeadLetter) -> None:
    """Send a dead letter and wait for the broker. Raises PublishFailed."""
    await publisher.send(DEAD_LETTER, letter.to_bytes(), key=letter.origin.encode())
    DEAD_LETTERS.labels(letter.topic, letter.reason).inc()


def usable_events(
    settings: KafkaSettings, service: str, records: Records
) -> tuple[list[Event], list[DeadLetter]]:
    """Decode a batch from an event topic: what can be used, in order, and the dead letters of the rest.

    No mark moves for a dead one: should it have been an event, those after it are out of order and wait
    until it is sent again, rather than being counted without it.
    """
    events: list[Event] = []
    letters: list[DeadLetter] = []
    for record in records:
        try:
            events.append(decode_event(record.value))
        except UnusableEvent as error:
            letters.append(bury(settings, service, record, "unusable-event", str(error)))
    return events, letters
