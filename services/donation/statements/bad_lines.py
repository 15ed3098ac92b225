"""The bad lines of a file as a file of the same shape: to be mended and uploaded again.

CSV in UTF-8 with a byte order mark, which a spreadsheet opens as it is, also where it is set to GB18030, and
which reading takes before any declared encoding. No cell is a formula (reading.escaped).
"""

import codecs
import csv
import io
from collections.abc import Sequence
from typing import Final

from services.donation.statements.checking import OWN_ID, Line
from services.donation.statements.reading import escaped

LINE: Final = "原行号"
REASONS: Final = "原因"
MAX_LINES: Final = 100_000
"""More are counted and not given back: a file like that has the wrong profile."""


class BadLines:
    """Collects them."""

    def __init__(self, header: Sequence[str], delimiter: str) -> None:
        self._header = [name for name in header if name not in (LINE, REASONS, OWN_ID)]
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, delimiter=delimiter, lineterminator="\r\n")
        self._writer.writerow([escaped(name) for name in (*self._header, OWN_ID, LINE, REASONS)])
        self._count = 0

    def add(self, line: Line) -> None:
        """One more."""
        self._count += 1
        if self._count <= MAX_LINES:
            cells = [line.cells.get(name, "") for name in self._header]
            row = (*cells, line.own_id, str(line.number), "; ".join(line.reasons))
            self._writer.writerow([escaped(cell) for cell in row])

    def content(self) -> bytes | None:
        """The file; None when there is no bad line."""
        return codecs.BOM_UTF8 + self._text.getvalue().encode() if self._count else None
