"""What goes over Kafka, as AsyncAPI 3.0: channels, who sends and who receives, messages with their schemas.

Each service states its traffic (services/<name>/traffic.py); channels and events are the same for all
and come from here and from shared/events. A new event is in the document by being in EVENT_CLASSES.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DEAD_LETTER,
    DONATION_EVENTS,
    NOTIFICATION_EVENTS,
)
from shared.contracts.examples import example_of
from shared.contracts.openapi import CONTACT
from shared.dead_letters import DeadLetter
from shared.events import CONTENT_TYPE, EVENT_CLASSES, Contact, Event

Document: TypeAlias = dict[str, Any]
Mode: TypeAlias = Literal["validation", "serialization"]

INTAKE: Final = "intake.{channel}"
"""The topic of each channel."""
BINDING: Final = "0.5.0"
PARTITIONS: Final = 12
"""Of every topic in production; 4 on one small machine (deploy/topics.yaml)."""
JSON: Final = "application/json"
_SCHEMAS: Final = "#/components/schemas/{model}"
FOR_EVER: Final = {"cleanup.policy": ["delete"], "retention.ms": -1}


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of record. `mode`: as it is written by us, or as it is read from others."""

    name: str
    model: type[BaseModel]
    key: str
    content_type: str = JSON
    mode: Mode = "serialization"
    example: Mapping[str, Any] | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topic:
    """A channel: its address, what it is for, how it is kept, and what lies on it."""

    address: str
    title: str
    about: str
    config: Mapping[str, Any]
    messages: Sequence[Message] = ()
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a service sends to which topics, and what it receives from which as which groups. `own` are the
    topics whose messages are models of the service itself.
    """

    service: str
    sends: Sequence[str]
    receives: Sequence[tuple[str, str | None]]
    own: Sequence[Topic] = ()


def _topic_of(event_class: type[Event]) -> str:
    area = event_class.TYPE.split(".")[2]
    return {"donation": DONATION_EVENTS, "receipt": DONATION_EVENTS, "notification": NOTIFICATION_EVENTS}.get(
        area, CAMPAIGN_EVENTS
    )


_SOURCES: Final = {DONATION_EVENTS: "intake.wechat/2", NOTIFICATION_EVENTS: "notification/1"}
_KEYS: Final = {
    DONATION_EVENTS: "The donation's id",
    NOTIFICATION_EVENTS: "The donation's id",
    CAMPAIGN_EVENTS: "The id of the campaign, or of the organisation",
}


def _event_message(event_class: type[Event]) -> Message:
    from shared.events import examples  # noqa: PLC0415 - made when it is loaded: not at each start

    topic = _topic_of(event_class)
    area = event_class.TYPE.split(".")[2]
    source = "receipt/1" if area == "receipt" else _SOURCES.get(topic, "campaign/1")
    sample = examples.event(event_class, source=source).model_dump(mode="json", exclude_none=True)
    subject = [sample["data"][each] for each in ("campaign_id", "organisation_id") if each in sample["data"]]
    if topic == CAMPAIGN_EVENTS and subject:
        sample["subject"] = subject[0]
    if area == "receipt":
        sample["subject"] = sample["data"]["number"]
        return Message(event_class.TYPE, event_class, "The receipt's number", CONTENT_TYPE, example=sample)
    return Message(event_class.TYPE, event_class, _KEYS[topic], CONTENT_TYPE, example=sample)


def _events_of(topic: str) -> list[Message]:
    return [_event_message(each) for each in EVENT_CLASSES if _topic_of(each) == topic]


def shared_topics() -> list[Topic]:
    """The topics whose messages are of the contract that all services share."""
    return [
        Topic(
            DONATION_EVENTS,
            "Donations",
            "What was decided about each donation, with its position; in the same partition as its intake"
            " record. Receipts issued and voided, through an outbox. Kept for ever.",
            FOR_EVER,
            _events_of(DONATION_EVENTS),
        ),
        Topic(
            CAMPAIGN_EVENTS,
            "Campaigns, pledges, money out, goods, reports",
            "What was decided in the campaign service, through its outbox. Kept for ever.",
            FOR_EVER,
            _events_of(CAMPAIGN_EVENTS),
        ),
        Topic(
            NOTIFICATION_EVENTS,
            "Messages to donors",
            "How each message to a donor ended. No name and no contact. Kept for ever.",
            FOR_EVER,
            _events_of(NOTIFICATION_EVENTS),
        ),
        Topic(
            CONTACTS,
            "Contacts of donors",
            "RESTRICTED: personal data. Written by donation, read by notification alone, gone after three"
            " days.",
            {"cleanup.policy": ["delete"], "retention.ms": 259_200_000},
            [Message("contact", Contact, "The donation's id", mode="validation")],
            restricted=True,
        ),
        Topic(
            DEAD_LETTER,
            "Dead letters",
            "RESTRICTED: a record that could not be used, whole, with the reason and where it lay; key, value"
            " and headers in base64. It may appear twice: its origin is its identity.",
            FOR_EVER | {"max.message.bytes": 8_388_608},
            [Message("dead-letter", DeadLetter, "Where the record lay, such as intake.wechat/2:1041")],
            restricted=True,
        ),
    ]


def document(name: str, version: str, traffic: Sequence[Traffic]) -> Document:
    """The document of these services: of one, or of all."""
    used = {address for each in traffic for address in (*each.sends, *(topic for topic, _ in each.receives))}
    topics = [each for each in (*shared_topics(), *_own(traffic)) if each.address in used]
    found = {each.address for each in topics}
    channels = {_id(each.address): _channel(each) for each in topics}
    messages = {message.name: message for topic in topics for message in topic.messages}
    schemas, references = _schemas(messages.values())
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:shanliu:{name}",
        "info": {
            "title": f"Shanliu {name}",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0"},
            "contact": CONTACT,
            "tags": [
                {"name": each.service, "description": f"The {each.service} service"} for each in traffic
            ],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _SERVER},
        "channels": channels,
        "operations": {
            key: operation for each in traffic for key, operation in _operations(each, found, channels)
        },
        "components": {
            "messages": {
                each.name: _message(each, references[each.name], schemas) for each in messages.values()
            },
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "scram": {
                    "type": "scramSha512",
                    "description": "A principal of its own for each service and each channel, with its ACLs",
                }
            },
        },
    }


_ABOUT: Final = """What lies on the topics of Shanliu (善流), who writes it and who reads it.

Events are CloudEvents 1.0 in structured JSON. `source` and `sequence` are an event's position, `previous` is
the sequence of the event before it from that source: a reader keeps one mark a source and skips what it has
had. A new field of an event is optional; anything else is a new type beside the old one. Amounts are integer
fen of CNY, times are UTC."""
_SERVER: Final = {
    "host": "{bootstrap}",
    "protocol": "kafka-secure",
    "description": "Apache Kafka, SASL/SCRAM over TLS; plain on one's own machine",
    "variables": {"bootstrap": {"default": "127.0.0.1:8192", "description": "KAFKA_BOOTSTRAP_SERVERS"}},
    "security": [{"$ref": "#/components/securitySchemes/scram"}],
}


def _own(traffic: Iterable[Traffic]) -> list[Topic]:
    found: dict[str, Topic] = {}
    for each in traffic:
        for topic in each.own:
            found.setdefault(topic.address, topic)
    return list(found.values())


def _id(address: str) -> str:
    """A channel's name in the document: AsyncAPI takes no braces in it."""
    return address.replace("{", "").replace("}", "")


def _channel(topic: Topic) -> Document:
    made: Document = {
        "address": topic.address,
        "title": topic.title,
        "description": topic.about,
        "messages": {each.name: {"$ref": f"#/components/messages/{each.name}"} for each in topic.messages},
        "tags": [{"name": "restricted", "description": "Has an ACL of its own"}] if topic.restricted else [],
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS,
                "replicas": 3,
                "topicConfiguration": dict(topic.config),
                "bindingVersion": BINDING,
            }
        },
    }
    if "{channel}" in topic.address:
        made["parameters"] = {"channel": {"description": "The channel's name", "examples": ["wechat"]}}
    return made


def _operations(traffic: Traffic, known: set[str], channels: Document) -> list[tuple[str, Document]]:
    made: list[tuple[str, Document]] = []
    doings: list[tuple[str, str, str | None]] = [("send", address, None) for address in traffic.sends]
    doings += [("receive", address, group) for address, group in traffic.receives]
    for action, address, group in doings:
        assert address in known, f"{traffic.service}: nothing is known of the topic {address}"
        channel = _id(address)
        operation: Document = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "title": f"{traffic.service} {'writes to' if action == 'send' else 'reads from'} {address}",
            "tags": [{"name": traffic.service}],
            "messages": [
                {"$ref": f"#/channels/{channel}/messages/{name}"} for name in channels[channel]["messages"]
            ],
        }
        if group:
            operation["bindings"] = {
                "kafka": {"groupId": {"type": "string", "const": group}, "bindingVersion": BINDING}
            }
        key = ".".join(filter(None, (traffic.service, action, channel, group if action == "receive" else "")))
        made.append((key, operation))
    return made


def _schemas(messages: Iterable[Message]) -> tuple[Document, dict[str, Document]]:
    """All schemas by name, and each message's reference to its own."""
    wanted = {message.name: (message.model, message.mode) for message in messages}
    found, whole = models_json_schema(sorted(set(wanted.values()), key=repr), ref_template=_SCHEMAS)
    return whole.get("$defs", {}), {name: found[each] for name, each in wanted.items()}


def _message(message: Message, reference: Document, schemas: Document) -> Document:
    payload = message.example or example_of(reference, schemas)
    about = schemas[reference["$ref"].rpartition("/")[2]].get("description", "")
    headers = {
        "type": "object",
        "properties": {"content-type": {"const": message.content_type}, **message.headers},
    }
    data = schemas[reference["$ref"].rpartition("/")[2]].get("properties", {}).get("data", {})
    about = schemas.get(str(data.get("$ref")).rpartition("/")[2], {}).get("description", about)
    return {
        "name": message.name,
        "title": message.model.__name__,
        "summary": about.partition("\n\n")[0].replace("\n", " "),
        "contentType": message.content_type,
        "headers": headers,
        "payload": reference,
        "examples": [
            {"name": "example", "headers": {"content-type": message.content_type}, "payload": payload}
        ],
        "bindings": {
            "kafka": {"key": {"type": "string", "description": message.key}, "bindingVersion": BINDING}
        },
    }
