"""A page's table as a file: CSV or XLSX, to the fen, with nothing in it that a spreadsheet would run."""

import csv
import io
from datetime import datetime
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

Cell = Annotated[str, Field(max_length=2_000)] | int | None
MAX_ROWS: Final = 50_000
MAX_BYTES: Final = 32 * 1024 * 1024
EXACT_FEN: Final = 10**15
"""A spreadsheet's numbers have 15 digits: what needs more is written as a text."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A CSV cell that begins so is run by spreadsheets (OWASP, CSV injection): it gets an apostrophe."""
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
WIDTHS: Final = {"text": 28, "money": 18, "number": 12, "time": 20}


class Column(BaseModel):
    """`money` cells are whole fen, `time` cells RFC 3339."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=100)
    kind: Literal["text", "money", "number", "time"] = "text"


class Sheet(BaseModel):
    """What a page shows, as it wants it written."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9-]{1,40}$", description="the page's, for the file's name")
    columns: list[Column] = Field(min_length=1, max_length=60)
    rows: list[list[Cell]] = Field(max_length=MAX_ROWS)


def as_csv(sheet: Sheet) -> bytes:
    """UTF-8 with a mark, which spreadsheets need to read Chinese."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([_harmless(column.title) for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow([_text(column, cell) for column, cell in zip(sheet.columns, row, strict=True)])
    return b"\xef\xbb\xbf" + file.getvalue().encode()


def as_xlsx(sheet: Sheet) -> bytes:
    """Amounts as numbers that can be added up, in yuan; times as Shanghai has them."""
    from xlsxwriter import Workbook  # noqa: PLC0415 - 0.1 s that the console's start need not pay

    file = io.BytesIO()
    book = Workbook(file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    page = book.add_worksheet(sheet.name[:31])
    bold = book.add_format({"bold": True})
    money = book.add_format({"num_format": "#,##0.00"})
    for at, column in enumerate(sheet.columns):
        page.set_column(at, at, WIDTHS[column.kind])
        page.write_string(0, at, column.title, bold)
    page.freeze_panes(1, 0)
    for line, row in enumerate(sheet.rows, start=1):
        for at, (column, cell) in enumerate(zip(sheet.columns, row, strict=True)):
            if column.kind == "money" and isinstance(cell, int) and abs(cell) < EXACT_FEN:
                page.write_number(line, at, cell / 100, money)
            elif column.kind == "number" and isinstance(cell, int) and abs(cell) < EXACT_FEN:
                page.write_number(line, at, cell)
            elif cell is not None:
                page.write_string(line, at, _said(column, cell))
    book.close()
    return file.getvalue()


def _said(column: Column, cell: str | int | None) -> str:
    if cell is None:
        return ""
    if column.kind == "money" and isinstance(cell, int):
        sign, size = ("-" if cell < 0 else ""), abs(cell)
        return f"{sign}{size // 100}.{size % 100:02d}"
    if column.kind == "time" and isinstance(cell, str):
        return datetime.fromisoformat(cell).astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    return str(cell)


def _text(column: Column, cell: str | int | None) -> str:
    said = _said(column, cell)
    return said if isinstance(cell, int) else _harmless(said)


def _harmless(said: str) -> str:
    return f"'{said}" if said.startswith(FORMULA) else said
