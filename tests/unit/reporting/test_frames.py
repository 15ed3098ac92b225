"""Frames as a browser's EventSource reads them."""

import json
from datetime import UTC, datetime
from typing import Any

from services.reporting.frames import change_frame, heartbeat_frame, snapshot_frame
from tests.services.reporting.builders import donor, message, state


def read(frame: bytes) -> tuple[str, str | None, dict[str, Any]]:
    """The event's name, id and data."""
    text = frame.decode()
    assert text.endswith("\n\n")
    assert "\n\n" not in text[:-2]
    fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
    return fields["event"], fields.get("id"), json.loads(fields["data"])


def test_a_snapshot_has_what_the_law_wants_on_the_screen() -> None:
    name, identity, data = read(snapshot_frame(state(1_000)))
    assert (name, identity) == ("snapshot", "1001")
    for field in ("title", "organisation", "licence", "filing_number", "contact", "query_method"):
        assert data[field], field


def test_a_snapshot_keeps_the_three_promises_apart() -> None:
    _, _, data = read(snapshot_frame(state(1_000, reversed_fen=100, promised_fen=5_000, disbursed_fen=300)))
    assert (data["received_fen"], data["reversed_fen"], data["net_fen"]) == (1_000, 100, 900)
    assert (data["promised_fen"], data["disbursed_fen"]) == (5_000, 300)


def test_a_change_has_only_the_donors_that_are_new() -> None:
    before = state(1_000, recent=[donor(2), donor(1)])
    after = state(2_000, recent=[donor(4, "张三"), donor(3), donor(2), donor(1)])
    name, identity, data = read(change_frame(before, after))
    assert (name, identity) == ("change", "2001")
    assert [shown["donation_id"] for shown in data["recent"]] == [
        str(donor(4).donation_id),
        str(donor(3).donation_id),
    ]
    assert [shown["name"] for shown in data["recent"]] == ["张三", None]
    assert "title" not in data


def test_a_change_has_the_messages_that_are_new_and_the_ids_of_those_that_must_go() -> None:
    three, two, one = message(3, "愿平安", "张三"), message(2), message(1)
    before = state(1_000, messages=[two, one])
    _, _, whole = read(snapshot_frame(before))
    assert [shown["message_id"] for shown in whole["messages"]] == [str(two.message_id), str(one.message_id)]
    after = state(2_000, messages=[three, two])
    change = read(change_frame(before, after))[2]
    assert change["messages_new"] == [
        {
            "message_id": str(three.message_id),
            "name": "张三",
            "text": "愿平安",
            "at": "2026-01-18T11:30:18.000Z",
        }
    ]
    assert change["messages_gone"] == [str(one.message_id)]
    again = one.model_copy(update={"at": three.at})
    approved_again = state(1_001, messages=[again, two])
    change = read(change_frame(before, approved_again))[2]
    assert [shown["message_id"] for shown in change["messages_new"]] == [str(one.message_id)]
    quiet = read(change_frame(after, state(3_000, messages=[three, two])))[2]
    assert not quiet.keys() & {"messages", "messages_new", "messages_gone"}


def test_a_pause_is_a_change_and_another_title_a_new_snapshot() -> None:
    before = state(1_000)
    paused = state(1_001, status="paused")
    assert read(change_frame(before, paused))[0] == "change"
    assert read(change_frame(before, paused))[2]["status"] == "paused"
    retitled = paused.model_copy(update={"plan": paused.plan.model_copy(update={"title": "另一场"})})
    assert read(change_frame(before, retitled))[0] == "snapshot"


def test_a_heartbeat_has_no_id() -> None:
    name, identity, data = read(heartbeat_frame(datetime(2026, 1, 18, 11, 30, tzinfo=UTC)))
    assert (name, identity) == ("heartbeat", None)
    assert data == {"as_of": "2026-01-18T11:30:00.000Z"}


def test_a_line_break_in_a_name_cannot_break_the_frame() -> None:
    name, _, data = read(snapshot_frame(state(1, recent=[donor(1, "张\n\nevent: 三")])))
    assert name == "snapshot"
    assert data["recent"][0]["name"] == "张\n\nevent: 三"
