"""A report as a spreadsheet (XLSX): amounts are numbers in yuan that can be added up, units in the header.

Pure: the same report gives the same bytes with the same library. Every text is written as a text, so that
nothing in a report can become a formula or a link.
"""

import io
from collections.abc import Sequence
from typing import Any, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.reporting.disclosure.words import column_head, heading_lines, left_out
from shared.events.documents import Cell, Column, Document, Table

EXACT_FEN: Final = 10**15
"""A spreadsheet's numbers have 15 digits. What needs more is written as a text, to the fen."""

_WIDTHS: Final = {"text": 26, "fen": 20, "count": 12, "day": 13, "basis_points": 12}
_NUMBERS: Final = {"fen": "#,##0.00", "count": "#,##0", "basis_points": "0.00"}
_FIRST_ROW: Final = 4
_FONT: Final = "Noto Sans CJK SC"


def make(document: Document, digest: str, *, corrected: bool) -> bytes:
    """The workbook: a cover, a sheet for each table, the position with its notes."""
    file = io.BytesIO()
    book = _Book(Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}))
    book.name(document)
    book.cover(document, digest, corrected=corrected)
    for number, table in enumerate(document.tables, start=1):
        book.table(f"{number} {table.title}", table)
    if document.corrects is not None:
        book.changes(document)
    book.position(document)
    book.close()
    return file.getvalue()


class _Book:
    """The workbook as it is being made."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self._formats: dict[tuple[tuple[str, Any], ...], Format] = {}

    def close(self) -> None:
        """Write it."""
        self._workbook.close()

    def name(self, document: Document) -> None:
        """What the file says of itself."""
        heading = document.heading
        self._workbook.set_properties(
            {
                "title": heading.title,
                "author": heading.organisation,
                # Without a zone, and the same each time it is made.
                "created": document.position.read_at.replace(tzinfo=None, microsecond=0),
            }
        )

    def cover(self, document: Document, digest: str, *, corrected: bool) -> None:
        """Who reports on what, and how the report is told from another."""
        sheet = self._sheet("封面")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 68)  # with the digest's 64 letters a page wide: the print is not made small
        sheet.write_string(0, 0, document.heading.title, self._format(bold=True, font_size=16))
        sheet.write_string(1, 0, document.heading.title_en, self._format(font_color="#555555"))
        lines = [(f"{label.zh} {label.en}", said.zh) for label, said in heading_lines(document)]
        lines.append(("摘要 SHA-256", digest))
        if corrected:
            lines.append(("提示 Notice", "本报告已被更正，请以更正后的报告为准。"))
        if document.corrects is not None:
            lines.append(("更正原因 Reason", document.corrects.reason))
            lines.append(("被更正报告 Corrects", document.corrects.digest))
        row = 3
        for label, said in lines:
            sheet.write_string(row, 0, label, self._format(border=1, indent=1, bg_color="#F5EFE6"))
            sheet.write_string(row, 1, said, self._format(border=1, indent=1, text_wrap=True))
            row += 1
        row += 1
        for number, note in enumerate((*document.notes, *document.remarks), start=1):
            sheet.write_string(
                row, 0, f"附注 {number}", self._format(border=1, indent=1, align="left", valign="top")
            )
            sheet.write_string(row, 1, note, self._format(border=1, indent=1, text_wrap=True))
            row += 1
        for place in ("编制人：", "审核人：", "单位负责人：", "单位（公章）：", "日期："):
            row += 2
            sheet.set_row(row, 24)
            sheet.write_string(row, 0, place, self._format(bottom=1))
            sheet.write_blank(row, 1, None, self._format(bottom=1))

    def table(self, name: str, table: Table) -> None:
        """A table on a sheet of its own; its header stays in sight and on each printed page."""
        sheet = self._sheet(name)
        sheet.set_landscape()
        sheet.write_string(0, 0, table.title, self._format(bold=True, font_size=14))
        sheet.write_string(1, 0, table.title_en, self._format(font_color="#555555"))
        if table.about:
            sheet.write_string(2, 0, table.about, self._format(font_color="#555555"))
        header = self._format(bold=True, border=1, text_wrap=True, align="center", valign="vcenter")
        header.set_bg_color("#F5EFE6")
        sheet.set_row(_FIRST_ROW - 1, 34)
        for at, column in enumerate(table.columns):
            sheet.set_column(at, at, self._width(table, at))
            label = f"{column_head(column).zh}\n{column.label_en}"
            sheet.write_string(_FIRST_ROW - 1, at, label, header)
        sheet.freeze_panes(_FIRST_ROW, 1)
        sheet.repeat_rows(_FIRST_ROW - 1)
        for at, row in enumerate(table.rows, start=_FIRST_ROW):
            for place, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
                self._cell(sheet, (at, place), cell, column, bold=row.level == "sum")

    def changes(self, document: Document) -> None:
        """What a correction changes."""
        assert document.corrects is not None
        sheet = self._sheet("更正内容")
        sheet.set_landscape()
        widths = (26, 34, 20, 24, 24)
        header = self._format(bold=True, border=1, bg_color="#F5EFE6")
        for at, (label, width) in enumerate(
            zip(("表", "行", "列", "更正前（金额：元）", "更正后（金额：元）"), widths, strict=True)
        ):
            sheet.set_column(at, at, width)
            sheet.write_string(0, at, label, header)
        for at, change in enumerate(document.corrects.changes, start=1):
            column = Column(id="", label="", label_en="", kind=change.kind)
            for place, said in enumerate((change.table, change.row, change.column)):
                sheet.write_string(at, place, said, self._format(border=1, text_wrap=True))
            self._cell(sheet, (at, 3), change.before, column)
            self._cell(sheet, (at, 4), change.after, column)
        left = document.corrects.changes_left_out
        if left:
            sheet.write_string(len(document.corrects.changes) + 2, 0, left_out(left).zh)

    def position(self, document: Document) -> None:
        """What it was read from."""
        sheet = self._sheet("数据位置")
        for at, width in enumerate((36, 14, 70)):
            sheet.set_column(at, at, width)
        header = self._format(bold=True, border=1, bg_color="#F5EFE6")
        plain = self._format(border=1)
        rows: list[tuple[str, str, str]] = [
            (head.journal, str(head.sequence), head.hash) for head in document.position.journals
        ]
        self._lines(sheet, 0, ("账簿 Journal", "末号 Sequence", "散列值 SHA-256"), rows, (header, plain))
        marks = [(source, str(at), "") for source, at in sorted(document.position.marks.items())]
        self._lines(sheet, len(rows) + 2, ("事件来源 Source", "位置 Mark", ""), marks, (header, plain))
        said = f"全部凭证借贷差额（元）：{document.position.difference_fen}.00"
        sheet.write_string(len(rows) + len(marks) + 4, 0, said)

    def _lines(
        self,
        sheet: Worksheet,
        first: int,
        labels: Sequence[str],
        rows: Sequence[Sequence[str]],
        formats: tuple[Format, Format],
    ) -> None:
        for at, label in enumerate(labels):
            sheet.write_string(first, at, label, formats[0])
        for number, row in enumerate(rows, start=first + 1):
            for at, said in enumerate(row):
                sheet.write_string(number, at, said, formats[1])

    def _cell(
        self, sheet: Worksheet, place: tuple[int, int], cell: Cell, column: Column, *, bold: bool = False
    ) -> None:
        look: dict[str, Any] = {"border": 1, "bold": bold, "indent": 1}
        if cell is None:
            sheet.write_blank(*place, None, self._format(**look))
        elif isinstance(cell, str):
            sheet.write_string(*place, cell, self._format(**look, text_wrap=True, align="left", valign="top"))
        elif abs(cell) >= EXACT_FEN:
            said = f"{'-' if cell < 0 else ''}{abs(cell) // 100}.{abs(cell) % 100:02d}"
            sheet.write_string(*place, said if column.kind == "fen" else str(cell), self._format(**look))
        else:
            number = cell if column.kind == "count" else cell / 100
            look |= {"num_format": _NUMBERS[column.kind], "align": "right", "valign": "top"}
            sheet.write_number(*place, number, self._format(**look))

    def _sheet(self, name: str) -> Worksheet:
        # A sheet's name has at most 31 characters, and none of these.
        plain = "".join("·" if letter in r"[]:*?/\'" else letter for letter in name)
        sheet = self._workbook.add_worksheet(plain[:31])
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.hide_gridlines(2)
        sheet.set_footer("&L&A&R第 &P 页，共 &N 页")
        return sheet

    def _width(self, table: Table, at: int) -> float:
        """Wide enough for the longest number, and for a text on two lines or three."""
        column = table.columns[at]
        if column.kind != "text":
            return _WIDTHS[column.kind]
        longest = max((len(str(row.cells[at] or "")) for row in table.rows), default=0)
        return min(max(8.0, longest * 2.1 + 2), 44.0 if at == 0 else 34.0)

    def _format(self, **look: Any) -> Format:
        key = tuple(sorted(look.items()))
        if key not in self._formats:
            self._formats[key] = self._workbook.add_format({"font_name": _FONT, "font_size": 10, **look})
        return self._formats[key]
