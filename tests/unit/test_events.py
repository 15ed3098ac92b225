"""What the services say to each other is read as it was written, and refused when it is broken."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import MsgspecError

from shared.events import (
    EVENT_CLASSES,
    DonationReceived,
    Event,
    UnknownEvent,
    UnusableEvent,
    decode_event,
    read_any,
)
from shared.events import examples as samples
from shared.events import wire as wire_format
from shared.events.donations import DonationReceivedData
from shared.events.envelope import MAX_SEQUENCE
from shared.money import MAX_AMOUNT_FEN


def wire(**changed: Any) -> dict[str, Any]:
    """The sample donation as JSON, with other attributes."""
    document: dict[str, Any] = json.loads(samples.event().to_bytes())
    return {**document, **changed}


def with_data(**changed: Any) -> dict[str, Any]:
    """The sample donation as JSON, with other data."""
    return wire(data={**wire()["data"], **changed})


def read(document: Any) -> Event:
    return decode_event(json.dumps(document).encode())


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
def test_every_event_is_read_as_it_was_written(event_class: type[Event]) -> None:
    written = samples.event(event_class)
    again = decode_event(written.to_bytes())
    assert type(again) is event_class
    assert again == written


@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("previous", [None, 0, MAX_SEQUENCE])
def test_bytes_at_a_position_are_those_of_the_event_made_there(
    event_class: type[Event], previous: int | None
) -> None:
    data = samples.event(event_class).data
    made = event_class.at("s/1", MAX_SEQUENCE, previous, subject="x", time=samples.AT, data=data)
    again = event_class.bytes_at("s/1", MAX_SEQUENCE, previous, subject="x", time=samples.AT, data=data)
    assert again == made.to_bytes()


@given(st.datetimes(timezones=st.just(UTC)))
def test_bytes_at_a_position_have_the_time_as_the_event_writes_it(time: datetime) -> None:
    made = samples.event()
    at = DonationReceived.at("s/0", 1, None, subject="x", time=time, data=made.data)
    assert DonationReceived.bytes_at("s/0", 1, None, subject="x", time=time, data=made.data) == at.to_bytes()


def test_every_class_of_the_contract_has_its_own_type() -> None:
    types = [cls.TYPE for cls in EVENT_CLASSES]
    assert len(set(types)) == len(types)
    assert all(re.fullmatch(r"org\.shanliu\.[a-z-]+\.[a-z-]+\.v[1-9]", name) for name in types)


@given(sequence=st.integers(0, MAX_SEQUENCE), previous=st.none() | st.integers(0, MAX_SEQUENCE))
def test_a_position_survives_the_wire(sequence: int, previous: int | None) -> None:
    again = decode_event(samples.event(sequence=sequence, previous=previous).to_bytes())
    assert (again.source, again.sequence, again.previous) == ("intake.wechat/2", sequence, previous)


@given(st.integers(0, MAX_SEQUENCE), st.integers(0, MAX_SEQUENCE))
def test_sequences_sort_as_text_like_the_numbers(one: int, other: int) -> None:
    def text(sequence: int) -> str:
        written: str = json.loads(samples.event(sequence=sequence).to_bytes())["sequence"]
        return written

    assert (text(one) < text(other)) == (one < other)
    assert len(text(one)) == 19


def test_the_first_event_of_a_source_says_nothing_of_a_previous() -> None:
    written = samples.event(sequence=0, previous=None).to_bytes()
    assert "previous" not in json.loads(written)
    assert decode_event(written).previous is None


def test_what_an_anonymous_donor_did_not_agree_to_is_not_on_the_wire() -> None:
    written = samples.event(data=samples.received(shown_name=None)).to_bytes()
    assert "shown_name" not in json.loads(written)["data"]


def test_fields_added_by_a_later_release_are_ignored() -> None:
    later = wire(dataschema="https://charity.example/v1", partitionkey="x")
    later["data"] = {**later["data"], "campaign_phase": "second", "channel_fee_waived": True}
    assert read(later) == samples.event()


def test_an_event_of_a_type_not_known_yet_keeps_its_position() -> None:
    event = read(wire(type="org.shanliu.raffle.drawn.v1", data={"raffle": 1}))
    assert isinstance(event, UnknownEvent)
    assert (event.source, event.sequence, event.previous) == ("intake.wechat/2", 1041, 1038)


@pytest.mark.parametrize("data", [None, [1, 2], "text", 7], ids=repr)
def test_an_event_not_known_yet_may_have_any_data_or_none(data: object) -> None:
    """Its mark has to move: those after it name it as the one before them."""
    assert read(wire(type="org.shanliu.raffle.drawn.v1", data=data)).sequence == 1041
    without = wire(type="org.shanliu.raffle.drawn.v1")
    del without["data"]
    assert read(without).sequence == 1041


def test_a_later_version_of_a_known_type_is_an_unknown_event() -> None:
    assert isinstance(read(wire(type="org.shanliu.donation.received.v2")), UnknownEvent)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b"\xff\xfe",
        b"\x00",
        b'{"type": "org.shanliu.donation.received.v1"',
        b'{"type": "org.shanliu.donation.received.v1"}',
        b"[" * 100_000,
        b'{"data":' * 100_000,
        samples.event().to_bytes()[:-1],
        samples.event().to_bytes() + b"x",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_not_an_event_is_unusable(value: bytes | None) -> None:
    with pytest.raises(UnusableEvent):
        decode_event(value)


@pytest.mark.parametrize(
    "field", ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"]
)
def test_an_event_without_a_required_attribute_is_unusable(field: str) -> None:
    document = wire()
    del document[field]
    if field == "specversion":  # it has only one value, so it is assumed
        assert read(document) == samples.event()
        return
    with pytest.raises(UnusableEvent):
        read(document)


@pytest.mark.parametrize(
    "sequence",
    [-1, "-1", "", "x", "1.0", 1.5, "1" * 20, MAX_SEQUENCE + 1, str(MAX_SEQUENCE + 1), True, None, "١"],
)
def test_a_sequence_that_is_not_a_place_is_unusable(sequence: object) -> None:
    with pytest.raises(UnusableEvent):
        read(wire(sequence=sequence))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount_fen", 0),
        ("amount_fen", -1),
        ("amount_fen", MAX_AMOUNT_FEN + 1),
        ("amount_fen", 10**30),
        ("amount_fen", 1.0),
        ("amount_fen", "100"),
        ("amount_fen", True),
        ("amount_fen", None),
        ("fee_fen", -1),
        ("donation_id", "not-a-uuid"),
        ("donor_kind", "animal"),
        ("occurred_at", "2024-01-05T12:30:15"),  # without an offset it could be any of 24 hours
        ("occurred_at", "yesterday"),
        ("campaign_id", None),
        ("shown_name", 7),
    ],
)
def test_data_that_break_the_contract_are_unusable(field: str, value: object) -> None:
    with pytest.raises(UnusableEvent, match=field):
        read(with_data(**{field: value}))


def test_text_that_no_database_can_hold_is_unusable() -> None:
    document = samples.event().to_bytes().replace("苏州市民".encode(), rb"\ud800")
    with pytest.raises(UnusableEvent):
        decode_event(document)


def test_the_reason_names_the_field_and_never_its_content() -> None:
    with pytest.raises(UnusableEvent) as refused:
        read(with_data(donation_id="张三的电话13800000000"))
    assert "donation_id" in str(refused.value)
    assert "13800000000" not in str(refused.value)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_the_named_error(value: bytes) -> None:
    with pytest.raises(UnusableEvent):
        decode_event(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(wire())), value=json_values)
def test_any_attribute_gone_wrong_gives_an_event_or_the_named_error(field: str, value: object) -> None:
    document = json.dumps(wire(**{field: value})).encode()
    try:
        event = decode_event(document)
    except UnusableEvent:
        return
    assert 0 <= event.sequence <= MAX_SEQUENCE


def test_an_event_can_not_be_made_with_the_data_of_another() -> None:
    with pytest.raises(ValueError, match="data"):
        DonationReceived.at("intake.wechat/2", 1, None, subject="x", time=samples.AT, data=samples.campaign())


donations = st.builds(
    samples.received,
    channel=st.text(max_size=8),
    amount_fen=st.integers(1, MAX_AMOUNT_FEN),
    fee_fen=st.none() | st.integers(0, MAX_AMOUNT_FEN),
    occurred_at=st.datetimes(timezones=st.just(UTC)),
    donor_kind=st.sampled_from(["person", "company"]),
    shown_name=st.none() | st.text(max_size=8),
    has_contact=st.booleans(),
    released=st.booleans(),
    pledge_id=st.none() | st.uuids(),
)


@given(
    data=donations, sequence=st.integers(0, MAX_SEQUENCE), previous=st.none() | st.integers(0, MAX_SEQUENCE)
)
def test_a_donation_is_written_and_read_the_quick_way_as_by_its_model(
    data: DonationReceivedData, sequence: int, previous: int | None
) -> None:
    made = DonationReceived.at("s/0", sequence, previous, subject="x", time=samples.AT, data=data)
    written = made.to_bytes()
    again = DonationReceived.bytes_at("s/0", sequence, previous, subject="x", time=samples.AT, data=data)
    assert again == written
    read_quickly = DonationReceived.read(written)
    assert read_quickly == made == read_any(written)
    assert read_quickly.to_bytes() == written
    assert read_quickly.model_copy(update={"subject": "y"}).subject == "y"


def test_a_donation_on_the_wire_has_the_fields_of_its_models() -> None:
    assert list(wire_format.Received.__struct_fields__) == list(DonationReceivedData.model_fields)
    assert list(wire_format.Envelope.__struct_fields__) == list(DonationReceived.model_fields)


@given(
    change=st.sampled_from(sorted(wire())).map(lambda name: (wire, name))
    | st.sampled_from(sorted(wire()["data"])).map(lambda name: (with_data, name)),
    value=json_values,
)
def test_what_the_quick_way_reads_the_model_reads_too(
    change: tuple[Callable[..., dict[str, Any]], str], value: object
) -> None:
    changed, field = change
    body = json.dumps(changed(**{field: value})).encode()
    try:
        quick = DonationReceived.read(body)
    except (MsgspecError, ValueError):
        return
    assert quick == read_any(body)
