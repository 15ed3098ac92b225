"""A donation in a CloudEvent is the donation without it; what else an envelope holds is told by its field.

The events are written by the CloudEvents project's own library.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import http, kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from services.donation.cloud_events import MAX_ATTRIBUTE, MAX_HEADERS, http_headers, read_message
from services.donation.intake import (
    FROM_CHANNELS,
    INTERNAL,
    LOG_SKEW,
    Message,
    ReversalRequest,
    Unusable,
    parse,
)
from shared.broker import Headers
from tests.services.donation.builders import MISSING, a_donation, a_reversal

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)
DONATION = "org.shanliu.intake.donation.v1"
REVERSAL = "org.shanliu.intake.reversal.v1"
ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/tills/7", "type": DONATION}

Made = tuple[bytes, Headers]


def event_of(data: dict[str, Any], **attributes: Any) -> CloudEvent:
    given_ = {"type": DONATION, "source": "/tills/7", "datacontenttype": "application/json", **attributes}
    return CloudEvent(given_, data)


def on_kafka(write: Callable[..., Any], data: dict[str, Any], **attributes: Any) -> Made:
    message = write(event_of(data, **attributes), JSONFormat())
    return message.value, list(message.headers.items())


def over_http(write: Callable[..., Any], data: dict[str, Any], **attributes: Any) -> Made:
    message = write(event_of(data, **attributes), JSONFormat())
    raw = [(name.lower().encode(), value.encode()) for name, value in message.headers.items()]
    return message.body, http_headers(raw)


def structured(data: Any, **attributes: Any) -> Made:
    event = {**ATTRIBUTES, "data": data, **attributes}
    body = json.dumps({name: value for name, value in event.items() if value is not MISSING})
    return body.encode(), [("content-type", b"application/cloudevents+json")]


def binary(data: Any, **attributes: Any) -> Made:
    held: Mapping[str, Any] = {**ATTRIBUTES, **attributes}
    headers = [(f"ce_{name}", value) for name, value in held.items() if value is not MISSING]
    return json.dumps(data).encode(), [
        (name, value.encode() if isinstance(value, str) else value) for name, value in headers
    ]


def read(made: Made, kinds: dict[object, type[Message]] = FROM_CHANNELS) -> Message:
    body, headers = made
    return read_message(body, NOW, kinds, headers=headers, max_skew=LOG_SKEW)


def refused(made: Made, kinds: dict[object, type[Message]] = FROM_CHANNELS) -> tuple[str, str]:
    with pytest.raises(Unusable) as caught:
        read(made, kinds)
    return caught.value.code, caught.value.errors[0]["field"] if caught.value.errors else ""


LIBRARY: dict[str, tuple[Callable[..., Made], Callable[..., Any]]] = {
    "kafka, binary": (on_kafka, kafka.to_binary),
    "kafka, structured": (on_kafka, kafka.to_structured),
    "http, binary": (over_http, http.to_binary),
    "http, structured": (over_http, http.to_structured),
}


@pytest.mark.parametrize("mode", LIBRARY)
def test_what_the_library_writes_is_the_message_inside(mode: str) -> None:
    make, write = LIBRARY[mode]
    donation = a_donation(message="新年快乐 🎉")
    plain = parse(json.dumps(donation).encode(), NOW, FROM_CHANNELS)
    extras = {"time": NOW, "subject": "till 7", "traceparent": "00-1-2-03", "dataschema": "urn:x"}
    assert read(make(write, donation)) == plain
    assert read(make(write, donation, **extras)) == plain

    reversal = a_reversal("t-1")
    del reversal["type"]
    assert isinstance(read(make(write, reversal, type=REVERSAL)), ReversalRequest), "the envelope says so"
    assert refused(make(write, reversal)) != ("", "")
    assert refused(make(write, donation, type="org.shanliu.intake.donation.v2")) == ("unknown-type", "")


def test_the_events_id_is_not_the_donations() -> None:
    donation = a_donation()
    assert read(structured(donation)) == read(structured(donation, id="e-2", source="/tills/8"))
    assert read(binary(donation)) == read(binary(donation, id="e-2", source="/tills/8"))


def test_headers_of_other_kinds_leave_a_plain_donation_plain() -> None:
    body = json.dumps(a_donation()).encode()
    plain = parse(body, NOW, FROM_CHANNELS)
    others: list[Headers] = [
        [("traceparent", b"00-1")],
        [("content-type", b"text/plain")],
        [("content-type", None), ("", None), ("王", b"\xff")],
        [("ce_time", b"2027-01-01T12:00:00Z"), ("ce_traceparent", b"00-1")],
        [(f"x-{n}", b"") for n in range(MAX_HEADERS)],
    ]
    for headers in others:
        assert read((body, headers)) == plain
    assert read((body, [("content-type", b"application/json; charset=utf-8")])) == plain
    assert refused((body, [("x", b"")] * (MAX_HEADERS + 1))) == ("too-many-headers", "")


@pytest.mark.parametrize("form", [structured, binary])
@pytest.mark.parametrize("field", ["specversion", "id", "source", "type"])
@pytest.mark.parametrize(
    "value", [MISSING, "", None, "x" * (MAX_ATTRIBUTE + 1)], ids=["-", "''", "null", "x"]
)
def test_each_required_attribute_is_asked_for(form: Callable[..., Made], field: str, value: Any) -> None:
    assert refused(form(a_donation(), **{field: value})) == ("invalid-field", field)


@pytest.mark.parametrize("form", [structured, binary])
def test_an_attribute_of_another_meaning_is_refused(form: Callable[..., Made]) -> None:
    assert refused(form(a_donation(), specversion="0.3")) == ("invalid-field", "specversion")
    assert refused(form(a_donation(), source="till 7")) == ("invalid-field", "source")
    assert refused(form(a_donation(), type="org.shanliu.donation.received.v1")) == ("unknown-type", "")
    assert refused(form(a_donation(type="reversal"))) == ("unknown-type", ""), "envelope and message differ"
    assert refused(form(a_donation(amount_fen=0))) == ("invalid-field", "amount_fen")
    assert refused(form(a_donation(occurred_at="2027-01-02T12:00:00Z"))) == ("invalid-field", "occurred_at")
    assert refused(form({"donation_id": "0" * 32}), INTERNAL) == ("unknown-type", ""), "not on our own topic"


def test_data_is_the_message_as_json() -> None:
    donation = a_donation()
    assert read(structured(donation, datacontenttype="application/json; charset=utf-8")) == read(
        structured(donation)
    )
    assert refused(structured(donation, datacontenttype="text/xml")) == ("invalid-field", "datacontenttype")
    assert refused(structured(donation, datacontenttype=7)) == ("invalid-field", "datacontenttype")
    anything: list[Any] = [MISSING, None, [], "text", json.dumps(donation)]
    for data in anything:
        assert refused(structured(data)) == ("invalid-field", "data")
    assert refused(structured(donation, data_base64="e30=")) == ("invalid-field", "data_base64")
    many = {f"x{n}": "" for n in range(MAX_HEADERS)}
    assert refused(structured(donation, **many)) == ("too-many-headers", "")


def test_headers_of_a_binary_event_say_one_thing_and_in_text() -> None:
    body, headers = binary(a_donation())
    assert refused((body, [*headers, ("ce_id", b"e-2")])) == ("invalid-field", "id")
    assert refused((body, [*headers[1:], ("CE_SpecVersion", b"0.3")])) == ("invalid-field", "specversion")
    assert refused(binary(a_donation(), id=b"\xff")) == ("invalid-field", "id")
    assert refused(binary(a_donation(), id="字" * MAX_ATTRIBUTE)) == ("invalid-field", "id")
    xml = ("content-type", b"text/xml")
    assert refused((body, [*headers, xml])) == ("invalid-field", "datacontenttype")


def test_a_content_type_of_events_asks_for_an_event() -> None:
    body = json.dumps(a_donation()).encode()
    batch, avro = b"application/cloudevents-batch+json", b"application/cloudevents+avro"
    event = [("Content-Type", b"Application/CloudEvents+JSON; charset=utf-8")]
    assert refused((body, event)) == ("invalid-field", "specversion")
    assert refused((body, [("content-type", batch)])) == ("invalid-field", "content-type")
    assert refused((body, [("content-type", avro)])) == ("invalid-field", "content-type")
    made, _ = structured(json.loads(body))
    plain = parse(body, NOW, FROM_CHANNELS)
    assert read((made, ())) == plain, "a specversion says it as well"
    assert read((made, [*event, ("ce_id", b"ignored"), ("ce_type", b"-")])) == plain, "structured wins"


def test_http_headers_are_told_only_when_they_say_something() -> None:
    assert http_headers([(b"content-type", b"application/json"), (b"accept", b"*/*")]) == ()
    assert http_headers([(b"ce-id", b"1"), (b"content-type", b"application/json")]) == [
        ("ce_id", b"1"),
        ("content-type", b"application/json"),
    ]


names = st.sampled_from([*ATTRIBUTES, "data", "data_base64", "datacontenttype", "time"]) | st.text(max_size=9)
values = st.sampled_from([*ATTRIBUTES.values(), REVERSAL, "application/json", None]) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
header_names = st.sampled_from(
    [*(f"ce_{name}" for name in ATTRIBUTES), "content-type", "CE_ID", "ce_time", ""]
) | st.text(max_size=9)
header_values = st.sampled_from(
    [b"1.0", DONATION.encode(), b"/x", b"application/json", b"application/cloudevents+json", None]
) | st.binary(max_size=9)
bodies = (
    st.binary(max_size=40)
    | st.dictionaries(names, values, max_size=8).map(lambda event: json.dumps(event).encode())
    | st.dictionaries(names, values, max_size=4).map(
        lambda event: json.dumps({**ATTRIBUTES, "data": a_donation(), **event}).encode()
    )
    | st.just(json.dumps(a_donation()).encode())
)
header_lists = st.lists(st.tuples(header_names, header_values), max_size=MAX_HEADERS + 2)


@given(body=bodies, headers=header_lists)
def test_any_record_is_a_message_or_unusable_and_always_the_same(
    body: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    first = outcome(body, headers)
    assert outcome(body, headers) == first
    if isinstance(first, tuple):
        said = json.dumps(first, ensure_ascii=False)
        assert "\\u0000" not in said, "no database can hold it"
        assert said.encode(), "no log can write it"


def outcome(body: bytes, headers: Headers) -> Message | tuple[Any, ...]:
    try:
        return read((body, headers))
    except Unusable as error:
        return error.code, error.detail, error.errors


@given(raw=st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=5))
def test_any_http_headers_are_read(raw: list[tuple[bytes, bytes]]) -> None:
    body = json.dumps(a_donation()).encode()
    outcome(body, http_headers([*raw, (b"ce-" + (raw[0][0] if raw else b""), b"\xff")]))
