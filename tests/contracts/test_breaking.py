"""The judge of changes to the contract finds what breaks a reader, and lets through what doesn't."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shared.events import DonationReceived
from shared.events.export import schema_of
from tests.contracts.breaking import Schema, breaking_changes

RELEASED = schema_of(DonationReceived)
Change = Callable[[Schema, dict[str, Any]], object]


def changed(change: Change) -> Schema:
    """The schema of a received donation after a change to it or to its data."""
    schema = copy.deepcopy(RELEASED)
    change(schema, schema["$defs"]["DonationReceivedData"])
    return schema


def test_the_same_schema_breaks_nothing() -> None:
    assert breaking_changes(RELEASED, copy.deepcopy(RELEASED)) == []


ALLOWED: dict[str, Change] = {
    "a new optional field": lambda _, data: data["properties"].update(city={"type": "string", "default": ""}),
    "a new optional attribute": lambda event, _: event["properties"].update(dataschema={"type": "string"}),
    "other words": lambda _, data: data["properties"]["amount_fen"].update(description="fen", title="Fen"),
    "another default": lambda _, data: data["properties"]["released"].update(default=True),
    "another order": lambda _, data: data["required"].reverse(),
    "another name of the data's class": lambda event, data: (
        event["$defs"].update(Renamed=data),
        event["properties"]["data"].update({"$ref": "#/$defs/Renamed"}),
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_no_reader_notices_is_let_through(change: Change) -> None:
    assert breaking_changes(RELEASED, changed(change)) == []


BREAKING: dict[str, tuple[Change, str]] = {
    "field removed": (lambda _, data: data["properties"].pop("fee_fen"), "data.fee_fen: removed"),
    "required field removed": (
        lambda _, data: (data["properties"].pop("channel"), data["required"].remove("channel")),
        "data.channel: removed",
    ),
    "attribute removed": (lambda event, _: event["properties"].pop("previous"), "previous: removed"),
    "field renamed": (
        lambda _, data: data["properties"].update(amount=data["properties"].pop("amount_fen")),
        "data.amount_fen: removed",
    ),
    "type changed": (
        lambda _, data: data["properties"]["amount_fen"].update(type="string"),
        "data.amount_fen: type was integer, is string",
    ),
    "null allowed": (
        lambda _, data: data["properties"].update(channel={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "data.channel: anyOf was not there",
    ),
    "null refused": (
        lambda _, data: data["properties"].update(shown_name={"type": "string"}),
        "data.shown_name: anyOf was",
    ),
    "new required field": (
        lambda _, data: (data["properties"].update(city={"type": "string"}), data["required"].append("city")),
        "data.city: new and required",
    ),
    "became required": (lambda _, data: data["required"].append("fee_fen"), "data.fee_fen: became required"),
    "became optional": (
        lambda _, data: data["required"].remove("received_at"),
        "data.received_at: became optional",
    ),
    "enum narrowed": (
        lambda _, data: data["properties"]["donor_kind"]["enum"].remove("company"),
        "data.donor_kind: no longer takes ['company']",
    ),
    "enum widened": (
        lambda _, data: data["properties"]["donor_kind"]["enum"].append("foundation"),
        "data.donor_kind: takes ['foundation']",
    ),
    "enum dropped": (
        lambda _, data: data["properties"]["donor_kind"].pop("enum"),
        "data.donor_kind: enum was",
    ),
    "bound moved": (
        lambda _, data: data["properties"]["amount_fen"].update(maximum=10**15),
        "data.amount_fen: maximum was 10000000000000, is 1000000000000000",
    ),
    "format changed": (
        lambda _, data: data["properties"]["occurred_at"].update(format="date"),
        "data.occurred_at: format was date-time, is date",
    ),
    "pattern changed": (
        lambda event, _: event["properties"]["sequence"].update(pattern="^[0-9]+$"),
        "sequence: pattern was",
    ),
    "type name changed": (
        lambda event, _: event["properties"]["type"].update(const="org.shanliu.donation.received.v2"),
        "type: const was org.shanliu.donation.received.v1",
    ),
    "unknown fields refused": (
        lambda _, data: data.update(additionalProperties=False),
        "data: additionalProperties was not there, is False",
    ),
}


@pytest.mark.parametrize(("change", "complaint"), BREAKING.values(), ids=BREAKING.keys())
def test_what_breaks_a_reader_is_found_and_named(change: Change, complaint: str) -> None:
    found = breaking_changes(RELEASED, changed(change))
    assert any(each.startswith(complaint) for each in found), found


def test_a_change_inside_a_list_is_found() -> None:
    def listing(kind: str) -> Schema:
        return {"properties": {"milestones_fen": {"type": "array", "items": {"type": kind}}}}

    assert breaking_changes(listing("integer"), listing("integer")) == []
    assert breaking_changes(listing("integer"), listing("string")) == [
        "milestones_fen[]: type was integer, is string"
    ]
