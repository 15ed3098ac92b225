"""Tables out of files that others have written: CSV, XLSX and camt.053, line by line, every cell a text.

What a cell means is its reader's business (statements/checking.py, reconciliation). What kind of file it is
says its content and not its name. Everything is bounded: whoever wrote the file may have meant harm.
"""

import codecs
import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from services.donation.statements import camt053
from services.donation.statements.unreadable import Unreadable

MAX_BYTES: Final = 50 * 1024 * 1024
MAX_ROWS: Final = 1_000_000
MAX_COLUMNS: Final = 200
MAX_WIDTH: Final = 1_000
"""Of a sheet, with what is empty: rows are given out as wide as their last cell stands."""
MAX_CELL: Final = 2_000
MAX_CELL_LINES: Final = 50
"""A quotation mark that is never closed would take the rest of the file for one cell."""
HEADER_WITHIN: Final = 100
MAX_TRAILER: Final = 100
MAX_UNPACKED_BYTES: Final = 500 * 1024 * 1024
"""All that an XLSX (a ZIP) unpacks to; its texts lie in memory, a million lines of a bank's take 400 MB."""
MAX_PARTS: Final = 1_000
EXACT_DIGITS: Final = 15
"""As many decimal digits a spreadsheet keeps of a number (it is an IEEE double): an amount is exact with
them, a transaction id that was stored as a number is not."""

Encoding = Literal["auto", "utf-8", "gb18030"]
INEXACT: Final = "a number with more than 15 digits, of which the spreadsheet has kept 15: make it a text"

BEHIND_THE_END: Final = "lies behind the end of the table: are two exports in one file?"

_ZIP: Final = b"PK\x03\x04"
_OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
_AS_TEXT: Final = re.compile(r'="(.*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"'+[=+\-@\t\r]")


class Layout(BaseModel):
    """How a table lies in its file. What does not concern the kind of file that comes is not looked at.

    `header`: columns that the header line must have, by which it is found among the first HEADER_WITHIN
    lines. A file that begins with a byte order mark is UTF-8 whatever `encoding` says; `auto` is UTF-8 when
    the bytes are that, GB18030 otherwise. `comment`: a line that begins with it is passed over. `strip`:
    characters taken off both ends of a cell, beside white space. `ends`: the first line whose first cell
    begins with one of these ends the lines; it and what follows are the trailer. `every_line`: columns that
    each line has something in; what has it in all of them behind the end (two exports in one file) is a line
    with a fault and no trailer. `sheet`: the name of the sheet of an XLSX; the first when there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    header: tuple[str, ...] = Field(default=(), max_length=MAX_COLUMNS)
    encoding: Encoding = "auto"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    comment: str = Field(default="", max_length=16)
    strip: str = Field(default="", max_length=16)
    ends: tuple[str, ...] = Field(default=(), max_length=20)
    every_line: tuple[str, ...] = Field(default=(), max_length=20)
    sheet: str | None = Field(default=None, max_length=64)


class Row(NamedTuple):
    """One line: its number in the file (from 1; the row of a sheet, the payment of a camt.053), its cells by
    the names of the header, and what is wrong with the line as such, in words without its content.
    """

    number: int
    cells: dict[str, str]
    fault: str | None = None


class Table:
    """A table, read once from front to back. `trailer` has the lines behind the last, once it is reached."""

    def __init__(self, header: tuple[str, ...], lines: Iterator["Row"]) -> None:
        self.header = header
        self.trailer: list[dict[str, str]] = []
        self._lines = lines

    def __iter__(self) -> Iterator[Row]:
        return self._lines


def rows(content: bytes, layout: Layout) -> Iterator[Row]:
    """The lines of a file's table. Raises Unreadable, at once or while it is read on."""
    return iter(open_table(content, layout))


def open_table(content: bytes, layout: Layout) -> Table:
    """Find the table in a file. Raises Unreadable when there is none, or when the file breaks a bound."""
    if len(content) > MAX_BYTES:
        raise Unreadable(f"The file has more than {MAX_BYTES} bytes.")
    if not content.strip():
        raise Unreadable("The file is empty.")
    if content.startswith(_OLD_EXCEL):
        raise Unreadable("An old Excel file (.xls), or one with a password: save it as .xlsx.")
    if content.startswith(_ZIP):
        return _Found(_bounded(_of_workbook(content, layout)), layout).table()
    if content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return _of_camt(content, layout)
    return _Found(_bounded(_of_csv(content, layout)), layout).table()


# ---------------------------------------------------------------- the table among the lines


class _Cells(NamedTuple):
    number: int
    cells: list[str]
    faults: list[str]
    whole: bool
    """Whether empty cells at its end are there too, as in a CSV; a sheet ends with its last full cell."""


def _bounded(lines: Iterable[_Cells]) -> Iterator[_Cells]:
    for line in lines:
        if line.number > MAX_ROWS:
            raise Unreadable(f"The file has more than {MAX_ROWS} lines.")
        if len(line.cells) > MAX_COLUMNS and any(line.cells[MAX_COLUMNS:]):
            raise Unreadable(f"Line {line.number} has more than {MAX_COLUMNS} columns.")
        yield line


class _Found:
    def __init__(self, lines: Iterator[_Cells], layout: Layout) -> None:
        self._lines = lines
        self._layout = layout
        self._header = self._find_header()

    def table(self) -> Table:
        table = Table(self._header, iter(()))
        table._lines = self._rows(table)  # noqa: SLF001 - the same file
        return table

    def _find_header(self) -> tuple[str, ...]:
        wanted = set(self._layout.header)
        missing = wanted
        for line in self._lines:
            if line.number > HEADER_WITHIN:
                break
            names = [_cleaned(cell, self._layout.strip) for cell in line.cells]
            if wanted <= set(names) and any(names):
                self._refuse_doubles(names)
                return _distinct(names)
            missing = min(missing, wanted - set(names), key=len)
        raise Unreadable(
            "There is no header line with these columns among the first"
            f" {HEADER_WITHIN} lines: {', '.join(sorted(missing))}."
        )

    def _refuse_doubles(self, names: list[str]) -> None:
        for name in self._layout.header:
            if names.count(name) > 1:
                raise Unreadable(f"The header line has the column {name} twice.")

    def _rows(self, table: Table) -> Iterator[Row]:
        ended = False
        for line in self._lines:
            cells = [_cleaned(cell, self._layout.strip) for cell in line.cells]
            first = next(filter(None, cells), "")
            if not first or (self._layout.comment and first.startswith(self._layout.comment)):
                continue
            named = dict(zip(self._header, [*cells, *[""] * len(self._header)], strict=False))
            ends = first.startswith(self._layout.ends or ("\0",))
            ended = ended or ends
            if not ended:
                yield Row(line.number, named, _fault(line, cells, self._header))
            elif not ends and self._is_line(named):
                yield Row(line.number, named, BEHIND_THE_END)
            elif len(table.trailer) < MAX_TRAILER:
                table.trailer.append(named)

    def _is_line(self, named: dict[str, str]) -> bool:
        has = self._layout.every_line
        return bool(has) and all(named[each] for each in has)


def _fault(line: _Cells, cells: list[str], header: tuple[str, ...]) -> str | None:
    if line.faults:
        return "; ".join(line.faults)
    if len(cells) < len(header) and line.whole:
        return f"has {len(cells)} cells, the header line {len(header)}: cut off?"
    if any(cells[len(header) :]):
        return "has more cells than the header line (a delimiter inside a cell?)"
    for name, cell in zip(header, cells, strict=False):
        if len(cell) > MAX_CELL:
            return f"{name}: has more than {MAX_CELL} characters"
    return None


def _distinct(names: list[str]) -> tuple[str, ...]:
    """Names once each: what comes again, or is empty, is numbered."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if name and seen[name] == 1 else f"{name}#{seen[name]}")
    return tuple(distinct)


def _cleaned(cell: str, strip: str) -> str:
    text = cell.strip()
    if strip:
        text = text.strip(strip).strip()
    if as_text := _AS_TEXT.fullmatch(text):
        text = as_text[1].strip()
    return unescaped(text)


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins with = + - @, a tab or a carriage
    return (OWASP, CSV Injection) gets an apostrophe in front; `unescaped` takes it off again.
    """
    return f"'{cell}" if cell[:1] in set("=+-@\t\r") or _ESCAPED.match(cell) else cell


def unescaped(cell: str) -> str:
    """The cell that `escaped` was given."""
    return cell[1:] if _ESCAPED.match(cell) else cell


# ---------------------------------------------------------------- CSV


def _of_csv(content: bytes, layout: Layout) -> Iterator[_Cells]:
    encoding = _encoding(content, layout.encoding)
    text = io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
    reader = csv.reader(text, delimiter=layout.delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            if reader.line_num - number >= MAX_CELL_LINES:
                raise Unreadable(f"Line {number}: a quotation mark is not closed.")
            yield _Cells(number, cells, [], whole=True)
            number = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"Line {number} is not CSV: {error}.") from None


def _encoding(content: bytes, declared: Encoding) -> str:
    if content.startswith(codecs.BOM_UTF8):
        candidates = ["utf-8-sig"]
    else:
        candidates = ["utf-8", "gb18030"] if declared == "auto" else [declared]
    read_until = 0
    for candidate in candidates:
        wrong_at = _undecodable(content, candidate)
        if wrong_at is None:
            return candidate
        read_until = max(read_until, wrong_at)
    line = content.count(b"\n", 0, read_until) + 1
    tried = " or ".join(each.removesuffix("-sig").upper() for each in candidates)
    raise Unreadable(f"Line {line} is not text in {tried}.")


def _undecodable(content: bytes, encoding: str) -> int | None:
    """Where the content is not of that encoding; None: nowhere."""
    decoder = codecs.getincrementaldecoder(encoding)()
    step = 1024 * 1024
    for start in range(0, len(content), step):
        try:
            decoder.decode(content[start : start + step], final=start + step >= len(content))
        except UnicodeDecodeError as error:
            return start + error.start
    return None


# ---------------------------------------------------------------- XLSX


def _of_workbook(content: bytes, layout: Layout) -> Iterator[_Cells]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what openpyxl does not know it leaves out and says so
            yield from _of_sheet(content, layout)
    except Unreadable:
        raise
    except Exception as error:  # noqa: BLE001 - a broken workbook breaks openpyxl in any way there is
        raise Unreadable(f"The file is not a workbook that can be read ({type(error).__name__}).") from None


def _of_sheet(content: bytes, layout: Layout) -> Iterator[_Cells]:
    from openpyxl import load_workbook  # noqa: PLC0415 - 0.3 s that no start of a service need pay

    _check_parts(content)
    workbook = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
    if layout.sheet is not None and layout.sheet not in workbook.sheetnames:
        raise Unreadable(f"The workbook has no sheet {layout.sheet}.")
    sheet = workbook[layout.sheet or workbook.sheetnames[0]]
    sheet.reset_dimensions()  # a file may say anything of its size
    for number, cells in enumerate(sheet.iter_rows(max_row=MAX_ROWS + 1), 1):
        if len(cells) > MAX_WIDTH:
            raise Unreadable(f"Row {number} reaches beyond column {MAX_WIDTH}.")
        texts, faults = [], []
        for cell in cells:
            text, fault = _text_of(cell.value)
            texts.append(text)
            if fault or cell.data_type == "e":
                faults.append(f"{cell.coordinate}: {fault or 'an error of the spreadsheet'}")
        while texts and not texts[-1]:
            texts.pop()
        yield _Cells(number, texts, faults, whole=False)


def _check_parts(content: bytes) -> None:
    """What a part unpacks to is never more than the archive says here: zipfile stops there."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = archive.infolist()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise Unreadable(f"The workbook unpacks to more than {MAX_UNPACKED_BYTES} bytes.")


def _text_of(value: Any) -> tuple[str, str | None]:
    """A cell's text, and what is wrong with it."""
    if isinstance(value, bool):
        return str(value).upper(), None
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "seconds"), None
    if isinstance(value, date | time):
        return value.isoformat(), None
    return "" if value is None else str(value), None


def _number(value: float) -> tuple[str, str | None]:
    """As the spreadsheet has it: 15 digits, which is also what it shows of 0.1 + 0.2."""
    if isinstance(value, int) and abs(value) < 10**EXACT_DIGITS:
        return str(value), None
    text = f"{float(value):.{EXACT_DIGITS}g}"
    if "e+" in text or "n" in text:  # inf, nan
        return text, INEXACT
    return format(Decimal(text), "f"), None


# ---------------------------------------------------------------- camt.053


def _of_camt(content: bytes, layout: Layout) -> Table:
    if missing := set(layout.header) - set(camt053.COLUMNS):
        raise Unreadable(
            f"A camt.053 has no columns {', '.join(sorted(missing))}; the profile asks for them."
        )
    lines = camt053.payments(content)
    return Table(camt053.COLUMNS, _camt_rows(lines))


def _camt_rows(payments: Iterator[camt053.Payment]) -> Iterator[Row]:
    for number, payment in enumerate(payments, 1):
        if number > MAX_ROWS:
            raise Unreadable(f"The file has more than {MAX_ROWS} payments.")
        cells = {name: getattr(payment, name) for name in camt053.COLUMNS}
        long = next((name for name, cell in cells.items() if len(cell) > MAX_CELL), None)
        fault = f"{long}: has more than {MAX_CELL} characters" if long else payment.fault
        yield Row(number, cells, fault)
