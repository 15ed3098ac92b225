"""A report on paper (PDF, A4): across when a table is wide; headers come again, pages are numbered.

Pure: the same report gives the same bytes with the same libraries. What was given out is kept all the same.
"""

import re
import string
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fpdf import FPDF
from fpdf.enums import Align

from services.reporting.disclosure.words import UNITS, cell_text, heading_lines, left_out, period
from shared import fonts
from shared.events.documents import Cell, Change, Column, Document, Row, Table

_MARGIN: Final = 16.0
_TOP: Final = 18.0
_BOTTOM: Final = 16.0
_INK: Final = (30, 24, 22)
_QUIET: Final = (105, 92, 86)
_ACCENT: Final = (150, 24, 30)
_LINE: Final = (176, 160, 150)
_SHADE: Final = (246, 240, 232)
_MM_PER_POINT: Final = 25.4 / 72
_BODY: Final = 8.5
_HEADER: Final = 7.0
_KEPT_WHOLE: Final = 8
"""A table of so few rows is not broken over two pages."""
_PAD: Final = 1.3
_NARROW_TEXT: Final = 30.0
"""What a column of texts may be pressed to, in mm, before the paper is turned."""
_PIECES: Final = re.compile(r"\s+|(?:（[^（）]{1,4}）|[（《“【]*(?:[!-~]+|.))[）》”】，。、；：！？％]*")
"""What a line is not broken within: a number, a word, a short bracket, a letter and the mark behind it."""
_WEIGHTS: Final = {"": 400, "B": 700}
_LABELS: Final = (
    "报告期间公开依据版次联系方式查询方法数据读取时间慈善组织募捐资格证书活动项目备案编号第首更正次，共页：（）元％%"
    "摘要位置账簿末号散列值事件来源全部凭证借贷差额附注说明内容原因前后表行列被另有处未逐一出编制人审核单位负责章日"
    "本已请以为准的北京·" + fonts.MISSING
)


def draw(document: Document, digest: str, *, corrected: bool) -> bytes:
    """The report's PDF; `corrected`: it says that a later report stands in its place."""
    letters = {*_said(document, digest), *_LABELS, *string.printable}
    shown = "".join(sorted(fonts.showable("".join(letters))))
    with tempfile.TemporaryDirectory(prefix="shanliu-report-") as folder:
        files = {style: Path(folder) / f"{weight}.ttf" for style, weight in _WEIGHTS.items()}
        for file, font in zip(files.values(), fonts.subsets(shown, list(_WEIGHTS.values())), strict=True):
            file.write_bytes(font)
        # Twice: how many pages there are is known when they are drawn.
        pages = _Paper(document, digest, files, pages=0).drawn(corrected=corrected).page_no()
        return bytes(_Paper(document, digest, files, pages=pages).drawn(corrected=corrected).output())


def _said(document: Document, digest: str) -> Iterable[str]:
    """Every letter that may be printed."""
    return {
        *document.model_dump_json(),
        *digest,
        *(each for _, said in heading_lines(document) for each in said.zh),
    }


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    width: float
    align: Align = Align.L


class _Paper:
    """The pages. Positions in mm from the upper left corner."""

    def __init__(self, document: Document, digest: str, files: dict[str, Path], *, pages: int) -> None:
        self._document = document
        self._digest = digest
        self._pages = pages
        self._pdf = FPDF(orientation="landscape" if _wide(document) else "portrait", unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.set_title(document.heading.title)
        self._pdf.set_author(document.heading.organisation)
        self._pdf.set_lang("zh-CN")
        self._pdf.set_creation_date(document.position.read_at)
        for style, file in files.items():
            self._pdf.add_font("report", style, file)

    def drawn(self, *, corrected: bool) -> FPDF:
        """Draw everything."""
        document = self._document
        self._page()
        self._head(corrected=corrected)
        if document.corrects is not None:
            self._corrections()
        for number, table in enumerate(document.tables, start=1):
            self._table(number, table)
        self._notes()
        self._signatures()
        self._position()
        return self._pdf

    # ------------------------------------------------------------ parts

    def _head(self, *, corrected: bool) -> None:
        heading = self._document.heading
        self._lines(heading.title, 17, style="B", color=_ACCENT, align=Align.C)
        self._lines(heading.title_en, 9, color=_QUIET, align=Align.C)
        self._down(3)
        if corrected:
            self._lines("本报告已被更正，请以更正后的报告为准。", 11, style="B", color=_ACCENT, align=Align.C)
            self._down(2)
        lines = [(f"{label.zh} {label.en}", said.zh) for label, said in heading_lines(self._document)]
        for label, said in (*lines, ("摘要 SHA-256", self._digest)):
            self._row([_Cell(label, 48), _Cell(said, self._width - 48)], shade_first=True)
        self._down(4)

    def _corrections(self) -> None:
        corrects = self._document.corrects
        assert corrects is not None
        self._title("更正内容 Corrections")
        self._lines(f"更正原因：{corrects.reason}", _BODY + 0.5)
        self._lines(f"被更正报告的摘要：{corrects.digest}", _BODY, color=_QUIET)
        self._down(1)
        widths = [34.0, 44.0, 30.0, (self._width - 108) / 2, (self._width - 108) / 2]
        labels = ("表", "行", "列", "更正前", "更正后")
        header = [_Cell(label, width, Align.C) for label, width in zip(labels, widths, strict=True)]
        self._row(header, style="B", shade=True)
        for change in corrects.changes:
            said = [change.table, change.row, change.column, *_before_and_after(change)]
            aligns = [Align.L] * 3 + [Align.L if change.kind == "text" else Align.R] * 2
            cells = [_Cell(*each) for each in zip(said, widths, aligns, strict=True)]
            self._row(cells, again=header)
        if corrects.changes_left_out:
            self._lines(left_out(corrects.changes_left_out).zh, _BODY)
        self._down(4)

    def _table(self, number: int, table: Table) -> None:
        widths = _widths(table, self._width)
        header = [
            _Cell(_head(column), width, Align.C) for column, width in zip(table.columns, widths, strict=True)
        ]
        short = len(table.rows) <= _KEPT_WHOLE
        self._room(28 + 7 * len(table.rows) if short else 34)
        self._title(f"{number}  {table.title}  {table.title_en}")
        if table.about:
            self._lines(table.about, 7.5, color=_QUIET)
            self._down(0.8)
        self._row(header, style="B", shade=True, size=_HEADER)
        for row in table.rows:
            cells = [
                _Cell(cell_text(cell, column.kind), width, _align(column, cell))
                for column, cell, width in zip(table.columns, row.cells, widths, strict=True)
            ]
            self._row(cells, again=header, style="B" if row.level == "sum" else "", shade=row.level == "sum")
        self._down(5)

    def _notes(self) -> None:
        self._room(30)
        self._title("附注 Notes")
        for number, note in enumerate((*self._document.notes, *self._document.remarks), start=1):
            self._lines(f"{number}. {note}", _BODY + 0.5)
            self._down(0.8)
        self._down(3)

    def _position(self) -> None:
        """Behind the hands, as an annex: on one page when it fits on one."""
        position = self._document.position
        height = 30 + 6 * len(position.journals)
        self._room(height if height <= self._pdf.h - _TOP - _BOTTOM else 30)
        self._title("数据位置 Position")
        self._lines(f"全部凭证借贷差额：{position.difference_fen}.00 元", _BODY, color=_QUIET)
        self._down(1)
        widths = (56.0, 20.0, self._width - 76)
        header = [
            _Cell(label, width, Align.C)
            for label, width in zip(("账簿 Journal", "末号", "散列值 SHA-256"), widths, strict=True)
        ]
        self._row(header, style="B", shade=True, size=7)
        for head in position.journals:
            said = (head.journal, str(head.sequence), head.hash)
            cells = [_Cell(each, width) for each, width in zip(said, widths, strict=True)]
            self._row(cells, again=header, size=6.5)
        marks = "，".join(f"{source}: {at}" for source, at in sorted(position.marks.items()))
        if marks:
            self._down(1.5)
            self._lines(f"事件位置 Marks：{marks}", 6.5, color=_QUIET)
        self._down(6)

    def _signatures(self) -> None:
        """Places for the hands that the audited account needs; the record of who decided stays inside."""
        self._room(40)
        y = self._pdf.y
        half = self._width / 2
        places = ("编制人：", "审核人：", "单位负责人：", "单位（公章）：", "日期：")
        for number, place in enumerate(places):
            x = _MARGIN + (number % 2) * half
            at = y + (number // 2) * 13
            self._at(x, at, place, 10)
            self._pdf.set_draw_color(*_LINE)
            self._pdf.line(x + 26, at + 5.5, x + half - 8, at + 5.5)
        self._pdf.set_y(y + 46)

    # ------------------------------------------------------------ what they are made of

    @property
    def _width(self) -> float:
        return float(self._pdf.w) - 2 * _MARGIN

    def _page(self) -> None:
        pdf = self._pdf
        pdf.add_page()
        pdf.set_fill_color(*_ACCENT)
        pdf.rect(0, 0, pdf.w, 2.6, style="F")
        foot = pdf.h - 10
        document = self._document
        covered = period(document.period_from, document.period_to).zh
        said = f"{document.heading.organisation} · {covered} · {self._digest[:16]}"
        self._at(_MARGIN, foot, said, 7, color=_QUIET)
        at = f"第 {pdf.page_no()} 页，共 {self._pages} 页"
        self._at(pdf.w - _MARGIN - 60, foot, at, 7, color=_QUIET, width=60, align=Align.R)
        pdf.set_y(_TOP)

    def _room(self, height: float) -> None:
        """Go to the next page unless there is so much room on this one."""
        if self._pdf.y + height > self._pdf.h - _BOTTOM:
            self._page()

    def _down(self, height: float) -> None:
        self._pdf.set_y(self._pdf.y + height)

    def _title(self, text: str) -> None:
        self._lines(text, 11, style="B")
        self._down(1.2)

    def _at(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        width: float = 0,
        color: tuple[int, int, int] = _INK,
        align: Align = Align.L,
    ) -> None:
        self._pdf.set_font("report", "", size)
        self._pdf.set_text_color(*color)
        self._pdf.set_xy(x, y)
        self._pdf.cell(width, size * _MM_PER_POINT * 1.25, fonts.showable(text), align=align)

    def _lines(
        self,
        text: str,
        size: float,
        *,
        style: str = "",
        color: tuple[int, int, int] = _INK,
        align: Align = Align.L,
    ) -> None:
        """A paragraph over the whole width."""
        leading = size * _MM_PER_POINT * 1.45
        lines = self._split(text, self._width, size, style)
        self._pdf.set_text_color(*color)
        for line in lines:
            self._room(leading)
            self._pdf.set_font("report", style, size)
            self._pdf.set_text_color(*color)
            self._pdf.set_x(_MARGIN)
            self._pdf.cell(self._width, leading, line, align=align)
            self._down(leading)

    def _row(
        self,
        cells: Sequence[_Cell],
        *,
        style: str = "",
        shade: bool = False,
        shade_first: bool = False,
        size: float = _BODY,
        again: Sequence[_Cell] | None = None,
    ) -> None:
        """A row as high as its highest cell; when a page is full, the header comes `again` on the next."""
        leading = size * _MM_PER_POINT * 1.3
        split = [self._split(cell.text, cell.width - 2 * _PAD, size, style) for cell in cells]
        height = max(len(lines) for lines in split) * leading + 2 * _PAD
        if self._pdf.y + height > self._pdf.h - _BOTTOM:
            self._page()
            if again is not None:
                self._row(again, style="B", shade=True, size=min(size, _HEADER))
        x, y = _MARGIN, self._pdf.y
        self._pdf.set_draw_color(*_LINE)
        self._pdf.set_line_width(0.2)
        for number, (cell, lines) in enumerate(zip(cells, split, strict=True)):
            filled = shade or (shade_first and number == 0)
            self._pdf.set_fill_color(*_SHADE)
            self._pdf.rect(x, y, cell.width, height, style="DF" if filled else "D")
            self._pdf.set_font("report", style, size)
            self._pdf.set_text_color(*_INK)
            top = y + (height - len(lines) * leading) / 2 if shade else y + _PAD
            for at, line in enumerate(lines):
                self._pdf.set_xy(x + _PAD, top + at * leading)
                self._pdf.cell(cell.width - 2 * _PAD, leading, line, align=cell.align)
            x += cell.width
        self._pdf.set_y(y + height)

    def _split(self, text: str, width: float, size: float, style: str) -> list[str]:
        """The text on lines of this width, broken between its pieces; within one that is wider."""
        self._pdf.set_font("report", style, size)
        return [line for part in text.split("\n") for line in self._broken(fonts.showable(part), width)]

    def _broken(self, text: str, width: float) -> list[str]:
        """In the font that is set."""
        measure = self._pdf.get_string_width
        if measure(text) <= width:
            return [text]
        room = width - 2 * self._pdf.c_margin
        lines, line = [], ""
        for piece in _PIECES.findall(text):
            for part in [piece] if measure(piece) <= room else piece:
                if line and measure(line + part.rstrip()) > room:
                    lines.append(line.rstrip())
                    line = ""
                line = line + part if line else part.lstrip()
        return [*lines, line.rstrip()]


def _head(column: Column) -> str:
    unit = f"{UNITS[column.kind].zh}\n" if UNITS[column.kind].zh else ""
    return f"{column.label}\n{unit}{column.label_en}"


def _before_and_after(change: Change) -> tuple[str, str]:
    return cell_text(change.before, change.kind), cell_text(change.after, change.kind)


def _align(column: Column, cell: Cell) -> Align:
    return Align.L if column.kind in {"text", "day"} or isinstance(cell, str) else Align.R


def _wide(document: Document) -> bool:
    """Whether a table is too wide for paper that stands."""
    return any(
        sum(
            min(_wanted(column, at, table.rows), _NARROW_TEXT)
            if column.kind == "text"
            else _wanted(column, at, table.rows)
            for at, column in enumerate(table.columns)
        )
        > 210 - 2 * _MARGIN
        for table in document.tables
    )


def _widths(table: Table, width: float) -> list[float]:
    """Each column as wide as what is in it wants, and together as wide as the page."""
    wanted = [_wanted(column, at, table.rows) for at, column in enumerate(table.columns)]
    fixed = sum(want for column, want in zip(table.columns, wanted, strict=True) if column.kind != "text")
    texts = sum(want for column, want in zip(table.columns, wanted, strict=True) if column.kind == "text")
    stretch = (width - fixed) / texts if texts and width > fixed else width / (fixed + texts)
    return [
        want * stretch if column.kind == "text" or width <= fixed else want
        for column, want in zip(table.columns, wanted, strict=True)
    ]


def _wanted(column: Column, at: int, rows: Sequence[Row]) -> float:
    """In mm at the size of the body, for one line of a figure, or some lines of a text."""
    texts = [cell_text(row.cells[at], column.kind) for row in rows]
    longest = max((_length(text) for text in texts), default=0.0)
    words = [column.label[:6], *f"{UNITS[column.kind].zh} {column.label_en}".split()]
    head = max(_length(word) for word in words) * _HEADER / _BODY * 1.3 + 1
    if column.kind == "text":
        return min(max(longest + 3, head + 3, 12.0), 60.0)
    return max(longest + 3.4, head + 3)


def _length(text: str) -> float:
    """About how long a text is in mm: a Chinese letter is as wide as high, a figure half as wide."""
    em = _BODY * _MM_PER_POINT
    return sum(em if ord(letter) > 0x2E80 else em * 0.58 for letter in text)
