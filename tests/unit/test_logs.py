"""Logs are one JSON object a line, and nothing in them says who gave."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError

from shared import logs

DONOR = "张三丰"


class Log:
    """What a process has written so far."""

    def __init__(self, stream: io.BytesIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue().decode()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def entry(self) -> dict[str, Any]:
        (only,) = self.entries
        return only


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="utf-8", write_through=True))
    logs.configure("donation", "info")
    yield Log(stream)
    root.handlers, root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_an_entry_is_one_line_of_json_with_its_service_and_utc_time(written: Log) -> None:
    structlog.get_logger("here").info("started", note="two\nlines", text="善流")
    entry = written.entry
    assert written.text.count("\n") == 1
    assert "善流" in written.text
    assert {
        "event": "started",
        "service": "donation",
        "level": "info",
        "logger": "here",
    }.items() <= entry.items()
    assert entry["timestamp"].endswith("Z")


def test_the_standard_librarys_loggers_are_written_the_same_way(written: Log) -> None:
    logging.getLogger("sqlalchemy").warning("%s waits", "pool", extra={"email": "a@b.example", "size": 5})
    assert {"event": "pool waits", "service": "donation", "email": "[personal]", "size": 5}.items() <= (
        written.entry.items()
    )


@pytest.mark.parametrize("field", sorted(logs.PERSONAL))
def test_a_personal_field_is_blanked(written: Log, field: str) -> None:
    structlog.get_logger().info("given", **{field: DONOR})
    assert DONOR not in written.text
    assert written.entry[field] == "[personal]"


def test_a_personal_field_inside_another_is_blanked(written: Log) -> None:
    structlog.get_logger().info(
        "given", record={"donor": {"name": DONOR}, "rows": [{"email": DONOR}], "n": 1}
    )
    assert DONOR not in written.text
    assert written.entry["record"]["n"] == 1


def test_entries_below_the_level_are_not_written(written: Log) -> None:
    structlog.get_logger().debug("noise")
    assert written.text == ""


def _fails(body: str) -> None:
    secret = f"token of {body}"
    raise KeyError(len(secret))


def test_a_traceback_shows_the_way_but_no_local_variable(written: Log) -> None:
    try:
        _fails(DONOR)
    except KeyError:
        structlog.get_logger().exception("batch_failed")
    assert DONOR not in written.text
    (failure,) = written.entry["exception"]
    assert failure["exc_type"] == "KeyError"
    assert [frame["name"] for frame in failure["frames"]][-1] == "_fails"


class Donation(BaseModel):
    amount_fen: int


def test_a_refused_model_is_logged_without_what_was_sent(written: Log) -> None:
    try:
        Donation.model_validate_json(json.dumps({"amount_fen": DONOR}))
    except ValueError as error:
        structlog.get_logger().exception("refused", error=str(error), again=repr(error))
    assert DONOR not in written.text
    assert "Donation" in written.text


def test_a_refused_row_is_logged_without_the_row(written: Log) -> None:
    refused = Exception(
        'new row for relation "donations" violates check constraint "donations_amount"\n'
        f"DETAIL:  Failing row contains (1, {DONOR}, 0)."
    )
    error = IntegrityError("INSERT INTO donations VALUES (:name)", {"name": DONOR}, refused)
    try:
        raise error
    except IntegrityError:
        structlog.get_logger().exception("batch_failed", error=repr(error), text=str(error))
        logging.getLogger("shanliu.consumer").exception("%s: %s", type(error).__name__, error)
    assert DONOR not in written.text
    assert len(written.entries) == 2
    assert all("donations_amount" in json.dumps(entry["exception"]) for entry in written.entries)


def test_the_cause_of_an_error_is_logged_under_the_same_rules(written: Log) -> None:
    try:
        try:
            Donation.model_validate({"amount_fen": DONOR})
        except ValueError as error:
            raise RuntimeError("the batch comes again") from error
    except RuntimeError:
        structlog.get_logger().exception("batch_failed")
    assert DONOR not in written.text
    assert [failure["exc_type"] for failure in written.entry["exception"]] == [
        "RuntimeError",
        "ValidationError",
    ]


def test_errors_of_a_group_are_logged_under_the_same_rules(written: Log) -> None:
    try:
        raise ExceptionGroup("two parts failed", [ValueError(f"input_value={DONOR}"), KeyError("left")])
    except ExceptionGroup:
        structlog.get_logger().exception("failed")
    assert DONOR not in written.text
    inner = [failure["exc_type"] for (failure,) in written.entry["exception"][0]["exceptions"]]
    assert inner == ["ValueError", "KeyError"]


def test_text_that_is_not_unicode_is_written_all_the_same(
    written: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.get_logger().info("odd", path="/\ud800")
    assert written.entry["path"] == "/\ud800"
    assert capsys.readouterr().err == ""
