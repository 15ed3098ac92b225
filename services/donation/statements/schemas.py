"""What the API shows of statements: nothing that stands in their lines."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field
from sqlalchemy import Row

from services.donation.statements.preview import BadLine, Preview
from services.donation.statements.queries import State
from shared.forms import SHA256


class ImportOutcome(BaseModel):
    """What an import has come to so far. `known`: was in the books before; `refused`: could be read, and was
    not taken, because the books have something else under its id or the channel may not give there.
    """

    sent: int
    known: int
    refused: int
    refused_lines: list[BadLine]


class Statement(BaseModel):
    """One file of a channel. `profile` is how it was read: the channel's, as it was when the file came."""

    statement_id: int
    channel: str
    file_name: str
    sha256: str = Field(pattern=SHA256)
    size_bytes: int
    origin: str = Field(description="upload | folder", examples=["upload"])
    state: State
    reason: str | None = Field(description="why the file as a whole can't be read")
    preview: Preview | None = Field(description="null until it is checked")
    outcome: ImportOutcome | None = Field(description="null until it is imported")
    done_line: int = Field(description="an import is done up to this line of the file")
    uploaded_by: str
    uploaded_at: datetime
    decided_by: str | None = Field(description="who confirmed or discarded it; profile; time")
    decided_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """As it is shown."""
        values = {name: getattr(row, name) for name in cls.model_fields}
        return cls.model_validate(values | {"sha256": row.sha256.hex()})


class StatementPage(BaseModel):
    """A part of a list; send `next` as `before` until it is null."""

    items: list[Statement]
    next: int | None
