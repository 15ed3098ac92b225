"""The contract in files is the contract in code, and what was released stays readable."""

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event, to_structured_event
from jsonschema import Draft202012Validator, FormatChecker

from shared.events import CONTENT_TYPE, CONTENT_TYPE_HEADER, EVENT_CLASSES, Event, decode_event
from shared.events import examples as samples
from shared.events.export import SCHEMAS, rendered, schema_of
from tests.contracts.breaking import breaking_changes

RELEASED = Path(__file__).parent / "released"
"""The schemas as they were when they were first deployed. A new event's file is added here with its release
(copy it from shared/events/schemas); a file here is never edited and never removed."""


def test_the_committed_schemas_are_those_of_the_models() -> None:
    committed = {path.name: path.read_text("utf-8") for path in SCHEMAS.glob("*.json")}
    assert committed == rendered(), "the contract has changed: run `make schemas` and look at the diff"


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*.json")), ids=lambda path: path.stem)
def test_nothing_released_was_broken(path: Path) -> None:
    current = SCHEMAS / path.name
    assert current.exists(), f"{path.stem} was released: its events lie on the topics for ever"
    found = breaking_changes(json.loads(path.read_text("utf-8")), json.loads(current.read_text("utf-8")))
    assert found == [], "a released event changes only by optional fields; make a .v2 beside it"


def test_every_event_of_the_contract_is_held_to_its_release() -> None:
    missing = rendered().keys() - {path.name for path in RELEASED.glob("*.json")}
    assert not missing, f"copy these from shared/events/schemas to {RELEASED.name}/: {sorted(missing)}"


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_a_schema_is_valid_and_takes_the_event_it_describes(event_class: type[Event]) -> None:
    schema = schema_of(event_class)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    for event in (samples.event(event_class), samples.event(event_class, sequence=0, previous=None)):
        assert list(validator.iter_errors(json.loads(event.to_bytes()))) == []


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_a_schema_refuses_what_the_code_refuses(event_class: type[Event]) -> None:
    validator = Draft202012Validator(schema_of(event_class), format_checker=FormatChecker())
    good: dict[str, Any] = json.loads(samples.event(event_class).to_bytes())
    for field, value in (
        ("sequence", "7"),
        ("sequence", 7),
        ("type", "another"),
        ("data", {}),
        ("data", None),
    ):
        assert not validator.is_valid({**good, field: value}), f"{field}={value!r}"


def as_kafka(event: Event) -> KafkaMessage:
    name, value = CONTENT_TYPE_HEADER
    return KafkaMessage(headers={name: value}, key=None, value=event.to_bytes())


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_another_implementation_of_cloudevents_reads_every_event(event_class: type[Event]) -> None:
    ours = samples.event(event_class)
    theirs = from_kafka_event(as_kafka(ours))
    assert theirs.get_specversion() == "1.0"
    assert (theirs.get_id(), theirs.get_source(), theirs.get_type()) == (ours.id, ours.source, ours.type)
    assert (theirs.get_subject(), theirs.get_time()) == (ours.subject, ours.time)
    assert theirs.get_extension("sequence") == f"{ours.sequence:019d}"
    assert theirs.get_extension("previous") == f"{ours.previous:019d}"
    assert theirs.get_data() == json.loads(ours.to_bytes())["data"]


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_what_another_implementation_of_cloudevents_writes_is_read(event_class: type[Event]) -> None:
    ours = samples.event(event_class)
    theirs = to_structured_event(from_kafka_event(as_kafka(ours)))
    assert theirs.headers["content-type"] == CONTENT_TYPE.encode()
    assert decode_event(theirs.value) == ours
