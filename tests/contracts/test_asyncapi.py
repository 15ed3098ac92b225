"""What is said of the topics: valid, complete, and the same as the contract of the events."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest
import yaml
from fastapi import FastAPI
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from pydantic import SecretStr

from deploy.contracts import APPLICATIONS, NOWHERE, asyncapi_of_all
from deploy.topics import DECLARATION
from services.campaign import app as campaign
from services.campaign.traffic import TRAFFIC as CAMPAIGN
from services.donation import app as donation
from services.donation.cloud_events import read_message
from services.donation.intake import FROM_CHANNELS
from services.donation.settings import Settings as DonationSettings
from services.donation.traffic import TRAFFIC as DONATION
from services.notification import app as notification
from services.notification.traffic import TRAFFIC as NOTIFICATION
from services.reporting import app as reporting
from services.reporting.traffic import TRAFFIC as REPORTING
from shared.broker import INTAKE_INTERNAL, INTAKE_PREFIX
from shared.contracts import asyncapi
from shared.contracts.asyncapi import Traffic
from shared.events import CONTENT_TYPE, EVENT_CLASSES, Event, decode_event
from shared.events.export import schema_of
from tests.contracts.breaking import resolved_schema
from tests.contracts.documents import Document, faults, made, resolved


@pytest.fixture(scope="module")
def document() -> Document:
    found: Document = json.loads(made()["asyncapi.json"])
    return found


def test_another_implementation_reads_the_document(document: Document) -> None:
    assert document["asyncapi"] == "3.0.0"
    server = document["servers"]["kafka"] | {"pathname": ""}  # which the specification leaves free
    ApplicationSchema.model_validate(document | {"servers": {"kafka": server}})


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_reference_leads_somewhere(document: Document) -> None:
    found = set(references(document))
    assert len(found) > 100
    for reference in found:
        resolved(document, {"$ref": reference})


def channel_of(topic: str) -> str:
    """A channel's own topic is one of many of the same kind."""
    return asyncapi.INTAKE if topic.startswith(INTAKE_PREFIX) and topic != INTAKE_INTERNAL else topic


def test_every_topic_is_a_channel_that_is_kept_as_the_broker_is_told(document: Document) -> None:
    declared = yaml.safe_load(DECLARATION.read_text("utf-8"))["topics"]
    channels = {each["address"]: each for each in document["channels"].values()}
    assert channels.keys() == {channel_of(name) for name in declared} | {asyncapi.INTAKE}
    for name, topic in declared.items():
        told = channels[channel_of(name)]["bindings"]["kafka"]["topicConfiguration"]
        assert told["cleanup.policy"] == [topic["config"]["cleanup.policy"]]
        for key in told.keys() - {"cleanup.policy"}:
            assert told[key] == topic["config"][key], f"{name}: {key}"


def test_who_holds_personal_data_is_marked_restricted(document: Document) -> None:
    restricted = {
        each["address"]
        for each in document["channels"].values()
        if "restricted" in [tag["name"] for tag in each["tags"]]
    }
    assert {"contacts", "dead-letter", asyncapi.INTAKE} <= restricted
    readers = [
        name
        for name, each in document["operations"].items()
        if each["channel"]["$ref"].endswith("/contacts") and each["action"] == "receive"
    ]
    assert readers == ["notification.receive.contacts.notification-contacts"]


def test_every_topic_has_who_writes_it_and_who_reads_it(document: Document) -> None:
    doings = {(each["action"], each["channel"]["$ref"]) for each in document["operations"].values()}
    for name in document["channels"].keys() - {"notification.events"}:
        assert ("send", f"#/channels/{name}") in doings
        assert ("receive", f"#/channels/{name}") in doings
    for each in document["operations"].values():
        channel = resolved(document, each["channel"])
        assert each["messages"], each["title"]
        for message in each["messages"]:
            assert message["$ref"].rpartition("/")[2] in channel["messages"]


def test_every_message_is_complete_and_its_example_fits(document: Document) -> None:
    for name, message in document["components"]["messages"].items():
        assert message["summary"], name
        assert message["bindings"]["kafka"]["key"]["description"], name
        assert message["headers"]["properties"]["content-type"]["const"] == message["contentType"]
        (example,) = message["examples"]
        assert list(faults(document, message["payload"], example["payload"])) == [], name


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_an_events_message_is_its_schema_in_the_contract(
    document: Document, event_class: type[Event]
) -> None:
    message = document["components"]["messages"][event_class.TYPE]
    assert message["contentType"] == CONTENT_TYPE
    told = resolved_schema(message["payload"], {"$defs": document["components"]["schemas"]})
    assert told == resolved_schema(schema := schema_of(event_class), schema)
    (example,) = message["examples"]
    decoded = decode_event(json.dumps(example["payload"]).encode())
    assert type(decoded) is event_class


def test_a_service_tells_its_own_part(document: Document) -> None:
    for service in ("campaign", "donation", "notification", "reporting"):
        own = {name for name in document["operations"] if name.startswith(f"{service}.")}
        assert own, service
    assert asyncapi_of_all() == document


SUBSCRIBING: dict[str, tuple[ModuleType, Callable[[], FastAPI], Traffic]] = {
    "campaign": (campaign, APPLICATIONS["campaign"], CAMPAIGN),
    "donation": (
        donation,
        lambda: donation.create_app(
            DonationSettings(database_url=NOWHERE, roles="worker", channel_key=SecretStr("A" * 43 + "="))
        ),
        DONATION,
    ),
    "notification": (notification, APPLICATIONS["notification"], NOTIFICATION),
    "reporting": (reporting, APPLICATIONS["reporting"], REPORTING),
}


@pytest.mark.parametrize("service", SUBSCRIBING)
def test_what_a_service_is_said_to_read_is_what_it_subscribes_to(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, make, traffic = SUBSCRIBING[service]
    found: set[tuple[str, str]] = set()

    def subscribe(*_: Any, group: str, topics: Sequence[str] = (), pattern: str = "", **__: Any) -> None:
        told = [topic for topic, _ in traffic.receives if pattern and re.fullmatch(pattern, topic)]
        found.update((topic, group) for topic in (*topics, *told))

    monkeypatch.setattr(module, "subscribe_batches", subscribe)
    make()
    assert found == {(topic, group) for topic, group in traffic.receives if group is not None}


@pytest.mark.parametrize("name", ["donation", "reversal"])
def test_a_message_of_intake_is_taken_in_each_mode_it_is_described_in(document: Document, name: str) -> None:
    at = datetime(2027, 1, 3, tzinfo=UTC)

    def read(message: Document, **headers: str) -> Any:
        value = json.dumps(message["examples"][0]["payload"]).encode()
        told = [(key, text.encode()) for key, text in headers.items()]
        return read_message(value, at, FROM_CHANNELS, headers=told)

    messages = document["components"]["messages"]
    plain, structured = messages[name], messages[f"{name}-event"]
    told = plain["headers"]["properties"]
    binary = {key: each.get("const", "x") for key, each in told.items() if key.startswith("ce_")}
    assert len(binary) == 4
    one = read(plain)
    assert one == read(plain, **binary)
    assert one == read(structured, **{"content-type": structured["contentType"]})
