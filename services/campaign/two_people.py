"""The tables of what two people decide: one asks, another decides (制单, 审核; shared/two_people.py)."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import CheckConstraint, Column, DateTime, Text

_UTC_TIME: Final = DateTime(timezone=True)


def asked_and_decided(table: str, *, waiting: str, done: str) -> Iterator[Any]:
    """The columns asked_by, asked_at, decided_by, decided_at, and the constraints of `decided`."""
    yield Column("asked_by", Text, nullable=False)
    yield Column("asked_at", _UTC_TIME, nullable=False)
    yield Column("decided_by", Text)
    yield Column("decided_at", _UTC_TIME)
    yield from decided(table, waiting=waiting, done=done)


def decided(table: str, *, waiting: str, done: str, asked_by: str = "asked_by") -> Iterator[CheckConstraint]:
    """<table>_decided: all but what is `waiting` has decided_by and decided_at; <table>_two_people: what is
    `done` was decided by another person. What ends otherwise may be ended by whoever began it.
    """
    yield CheckConstraint(
        f"(state = '{waiting}') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
        name=f"{table}_decided",
    )
    yield CheckConstraint(f"state <> '{done}' OR decided_by <> {asked_by}", name=f"{table}_two_people")
