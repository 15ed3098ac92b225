"""A record that can't be used is kept whole, whatever it holds."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.broker import MAX_LETTER_BYTES, MAX_RECORD_BYTES, KafkaSettings, Record
from shared.dead_letters import MAX_DETAIL, DeadLetter, bury

SETTINGS = KafkaSettings(kafka_namespace="t1.")


def record(**fields: Any) -> Record:
    """A record as the consumer gives it."""
    given_fields: dict[str, Any] = {
        "topic": "t1.intake.wechat",
        "partition": 2,
        "offset": 1041,
        "timestamp": 1_704_456_000_000,
        "timestamp_type": 0,
        "key": b"k",
        "value": b"{",
        "checksum": None,
        "serialized_key_size": 1,
        "serialized_value_size": 1,
        "headers": (),
        **fields,
    }
    return ConsumerRecord(**given_fields)


def again(letter: DeadLetter) -> DeadLetter:
    """The letter as it is read back from its topic."""
    return DeadLetter.model_validate_json(letter.to_bytes())


maybe_bytes = st.none() | st.binary(max_size=300)


@given(
    key=maybe_bytes,
    value=maybe_bytes,
    headers=st.lists(st.tuples(st.text(st.characters(codec="utf-8")), maybe_bytes)),
)
@example(key=b"", value=b"", headers=[("", b"")])
@example(key=None, value=None, headers=[("content-type", None), ("content-type", b"\xff")])
def test_any_bytes_come_back_as_they_were(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    letter = again(
        bury(SETTINGS, "donation", record(key=key, value=value, headers=tuple(headers)), "malformed", "no")
    )
    assert (letter.key, letter.value) == (key, value)
    assert letter.headers == tuple(headers)


def test_a_letter_says_why_and_where() -> None:
    letter = again(bury(SETTINGS, "donation", record(), "malformed-json", "the body ends too early"))
    assert (letter.reason, letter.detail, letter.service) == (
        "malformed-json",
        "the body ends too early",
        "donation",
    )
    assert (letter.topic, letter.partition, letter.offset) == ("intake.wechat", 2, 1041)
    assert letter.origin == "intake.wechat/2:1041"
    assert letter.recorded_at == datetime(2024, 1, 5, 12, tzinfo=UTC)


def test_a_letter_is_json_that_other_tools_read() -> None:
    document = json.loads(bury(SETTINGS, "donation", record(value=b"\x00\xff"), "malformed", "no").to_bytes())
    assert document["value"] == "AP8="
    assert document["offset"] == 1041


def test_a_long_detail_is_cut_to_its_bound() -> None:
    letter = again(bury(SETTINGS, "donation", record(), "malformed", "字" * 10_000))
    assert letter.detail == "字" * MAX_DETAIL


@given(st.integers(-(2**63), 2**63 - 1))
@example(-1)  # the record has none
def test_a_record_with_any_timestamp_can_be_buried(timestamp: int) -> None:
    """A channel's own producer sets the timestamp: it may be anything that fits into 64 bits."""
    letter = again(bury(SETTINGS, "donation", record(timestamp=timestamp), "malformed", "no"))
    assert letter.recorded_at.tzinfo is not None


def test_the_largest_record_fits_on_the_dead_letter_topic() -> None:
    """base64 makes four bytes of three."""
    letter = bury(SETTINGS, "donation", record(value=b"\xff" * MAX_RECORD_BYTES), "too-large", "no")
    assert again(letter).value == b"\xff" * MAX_RECORD_BYTES


def test_the_letter_of_any_record_has_a_bound() -> None:
    """Nothing grows more in JSON than empty headers, each two bytes in the record."""
    headers = (("", None),) * (MAX_RECORD_BYTES // 2)
    letter = bury(SETTINGS, "donation", record(headers=headers, value=None, key=None), "too-large", "no")
    assert len(letter.to_bytes()) < MAX_LETTER_BYTES


@pytest.mark.parametrize("value", ["&&&&", "AP8", "A P8=", 7, [], {"a": 1}])
def test_a_letter_that_was_tampered_with_is_refused(value: object) -> None:
    document = json.loads(bury(SETTINGS, "donation", record(), "malformed", "no").to_bytes())
    with pytest.raises(ValidationError):
        DeadLetter.model_validate_json(json.dumps({**document, "value": value}))
