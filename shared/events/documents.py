"""A report as it is frozen: a heading, the position it was read at, tables, notes, what a correction changed.

Whoever shows one needs to know nothing of what is in it: a table says of each column what it holds. Amounts
are whole fen. The bytes are `encode(document)`; their SHA-256 is the report's digest, for ever: a reader
keeps the bytes, and never writes them again.
"""

import hashlib
import json
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.fields import Moment

MAX_WIRE_BYTES: Final = 900_000
"""Of a document as a JSON text, its quotation marks escaped: its event is one record of Kafka (1 MiB)."""

ColumnKind = Literal["text", "fen", "count", "day", "basis_points"]
ReportKind = Literal["emergency", "quarterly", "final", "annual"]
Cell = str | int | None


class Part(BaseModel):
    """A part of a document. What a later release adds, this one passes over."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Column(Part):
    """A column of a table: what its cells hold. A day is text such as 2026-12-31."""

    id: str
    label: str
    label_en: str
    kind: ColumnKind


class Row(Part):
    """A row of a table; `id` is unique in it, and the same in every report that has the row."""

    id: str
    cells: tuple[Cell, ...]
    level: Literal["line", "sum"] = "line"


class Table(Part):
    """A table of a report, with what has to be known to read it."""

    id: str
    title: str
    title_en: str
    about: str | None = None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def value(self, row_id: str, column_id: str) -> Cell:
        """The cell of a row and a column. Raises KeyError."""
        column = {column.id: at for at, column in enumerate(self.columns)}[column_id]
        return {row.id: row for row in self.rows}[row_id].cells[column]


class Heading(Part):
    """Who reports on what (Charity Law art. 25)."""

    title: str
    title_en: str
    organisation: str
    organisation_id: str | None = None
    licence: str
    campaign_id: str | None = None
    campaign: str | None = None
    filing_number: str | None = None
    contact: str | None = None
    query_method: str | None = None
    law: str


class JournalHead(Part):
    """A journal's last entry that is counted; its hash proves every entry before it."""

    journal: str
    sequence: int
    hash: str


class Position(Part):
    """What a report was read from: journals up to these entries, events up to these marks.

    The difference is that of the trial balance of everything up to there.
    """

    read_at: Moment
    journals: tuple[JournalHead, ...]
    marks: dict[str, int]
    difference_fen: Literal[0]


class Change(Part):
    """A cell, a row or the notes that a correction changes. `before` or `after` is null: it was not there."""

    table: str
    row: str
    column: str
    kind: ColumnKind
    before: Cell = None
    after: Cell = None


class Corrects(Part):
    """What a correction stands in the place of, why, and everything that is another."""

    report_id: str
    digest: str
    reason: str
    changes: tuple[Change, ...]
    changes_left_out: int = 0


class Document(Part):
    """A report, whole."""

    format: Literal[1] = 1
    report_id: str
    kind: ReportKind
    revision: Annotated[int, Field(ge=1)]
    period_from: date
    period_to: date
    heading: Heading
    position: Position
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    """How it is to be read, the same in every report of its kind."""
    remarks: tuple[str, ...] = ()
    """What whoever drew it up says besides."""
    corrects: Corrects | None = None

    def table(self, table_id: str) -> Table:
        """One of its tables. Raises KeyError."""
        return {table.id: table for table in self.tables}[table_id]


def encode(document: Document) -> bytes:
    """The bytes that are frozen: JSON in UTF-8, keys sorted, no white space, null fields left out."""
    said = document.model_dump(mode="json", exclude_none=True)
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode(content: bytes | str) -> Document:
    """Read what was frozen. Raises pydantic.ValidationError."""
    return Document.model_validate_json(content)


def digest_of(content: bytes) -> str:
    """The SHA-256 of a document's bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def wire_bytes(content: bytes) -> int:
    """How long the bytes are as a text in an event."""
    return len(json.dumps(content.decode(), ensure_ascii=False).encode())
