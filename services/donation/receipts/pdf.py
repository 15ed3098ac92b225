"""A receipt on paper: A5 across, and pages with the list of its donations when there is more than one.

Pure: the same receipt gives the same bytes with the same libraries. What has been given out is kept all the
same (receipt_files), because a library that is renewed may write other bytes.
"""

import string
import tempfile
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, WrapMode

from services.donation.receipts.numbering import ACCOUNTING_TIME
from services.donation.receipts.schemas import Receipt
from shared import fonts
from shared.money import format_yuan

_LEFT: Final = 14.0
_WIDTH: Final = 182.0
_LABEL: Final = 34.0
_ROW: Final = 10.5
_INK: Final = (40, 26, 22)
_QUIET: Final = (112, 88, 78)
_ACCENT: Final = (150, 24, 30)
_LINE: Final = (196, 150, 140)
_LIST_ROWS: Final = 16
_COLUMNS: Final = (("序号 No.", 18), ("捐赠日期 Date", 34), ("渠道 Channel", 40), ("交易号 Transaction", 60))
_MM_PER_POINT: Final = 25.4 / 72
_WEIGHTS: Final = {"": 400, "B": 700}
_LABELS: Final = (
    "捐赠票据号码人种类及数量日期项目（用途）金额小写大写货币资金人民币笔至年月日匿名明细序渠道交易元合计换开替代"
    "接受单位章公募格经办具查验扫描二维码或凭与可真伪。，¥·表字库未收录的第页共附后" + fonts.MISSING
)
"""The letters of everything that is printed on each receipt."""


def draw(receipt: Receipt) -> bytes:
    """The receipt's PDF. `receipt` as it was issued: nothing of what became of it later is looked at."""
    fields = _fields(receipt)
    said = "".join([*(said for *_, said in fields), *_said_elsewhere(receipt)])
    shown = fonts.showable(said)
    letters = {*shown, *_LABELS, *string.printable}
    with tempfile.TemporaryDirectory(prefix="shanliu-receipt-") as folder:
        files = {style: Path(folder) / f"{weight}.ttf" for style, weight in _WEIGHTS.items()}
        subsets = fonts.subsets("".join(sorted(letters)), list(_WEIGHTS.values()))
        for file, font in zip(files.values(), subsets, strict=True):
            file.write_bytes(font)
        sheet = _Sheet(receipt, files, letters, lacks=fonts.MISSING in shown)
        sheet.front(fields)
        if len(receipt.donations) > 1:
            sheet.list_of_donations()
        return sheet.finished()


def _fields(receipt: Receipt) -> list[tuple[str, str, str]]:
    """(Chinese label, English label, what is said) of the front page (Charity Law art. 38)."""
    days = [_day(receipt.donated_from), _day(receipt.donated_to)]
    donated = days[0] if days[0] == days[1] else f"{days[0]} 至 {days[1]}"
    return [
        ("捐赠人", "Donor", receipt.donor_name or "匿名捐赠 (anonymous)"),
        ("捐赠种类及数量", "Kind, quantity", _kind(receipt)),
        ("捐赠日期", "Donated on", donated),
        ("捐赠项目（用途）", "Purpose", receipt.purpose),
        ("金额（小写）", "Amount", f"¥{format_yuan(receipt.amount_fen)}"),
        ("金额（大写）", "In words", receipt.amount_in_capitals),
    ]


def _kind(receipt: Receipt) -> str:
    count = len(receipt.donations)
    return f"货币资金（人民币） {count} 笔{'，明细附后' if count > 1 else ''}"


def _said_elsewhere(receipt: Receipt) -> list[str]:
    """What the foot and the list say."""
    of_donations = [item.channel + item.transaction_id for item in receipt.donations]
    return [receipt.organisation, receipt.licence, receipt.handler, *of_donations]


def _day(moment: datetime) -> str:
    local = moment.astimezone(ACCOUNTING_TIME)
    return f"{local.year}年{local.month}月{local.day}日"


class _Sheet:
    """The paper. Positions in mm from the upper left corner."""

    def __init__(self, receipt: Receipt, files: dict[str, Path], letters: set[str], *, lacks: bool) -> None:
        self._receipt = receipt
        self._letters = letters
        self._lacks = lacks
        self._pdf = FPDF(orientation="landscape", unit="mm", format=(148, 210))
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.set_title(f"捐赠票据 {receipt.number}")
        self._pdf.set_author(receipt.organisation)
        self._pdf.set_lang("zh-CN")
        self._pdf.set_creation_date(receipt.issued_at)
        for style, file in files.items():
            self._pdf.add_font("receipt", style, file)

    def finished(self) -> bytes:
        """The finished file."""
        return bytes(self._pdf.output())

    def front(self, fields: list[tuple[str, str, str]]) -> None:
        """The page that states everything."""
        self._page()
        top = 33.0
        self._frame(top, len(fields) * _ROW)
        for row, (label, english, said) in enumerate(fields):
            y = top + row * _ROW
            if row:
                self._pdf.line(_LEFT, y, _LEFT + _WIDTH, y)
            self._text(_LEFT + 3, y + 1.6, label, 9.5, color=_QUIET, width=_LABEL - 4)
            self._text(_LEFT + 3, y + 6.2, english, 6.5, color=_QUIET, width=_LABEL - 4)
            bold = "B" if label.startswith(("金额", "捐赠人")) else ""
            self._fitted(_LEFT + _LABEL + 4, y, _WIDTH - _LABEL - 8, said, style=bold)
        self._pdf.line(_LEFT + _LABEL, top, _LEFT + _LABEL, top + len(fields) * _ROW)
        self._foot(top + len(fields) * _ROW + 4)

    def list_of_donations(self) -> None:
        """The donations, so many a page, with the sum at the end of the last."""
        donations = self._receipt.donations
        for begin in range(0, len(donations), _LIST_ROWS):
            self._page(f"捐赠明细 List of donations · {len(donations)} 笔")
            y = 33.0
            self._line_of_list(y, [label for label, _ in _COLUMNS], "金额（元） Amount", color=_QUIET)
            for number, item in enumerate(donations[begin : begin + _LIST_ROWS], start=begin + 1):
                y += 5.6
                cells = [str(number), _day(item.occurred_at), item.channel, item.transaction_id]
                self._line_of_list(y, cells, format_yuan(item.amount_fen))
            if begin + _LIST_ROWS >= len(donations):
                y += 6.4
                self._pdf.line(_LEFT, y - 0.6, _LEFT + _WIDTH, y - 0.6)
                self._line_of_list(y, ["合计 Total"], format_yuan(self._receipt.amount_fen), style="B")

    def _page(self, subtitle: str = "Donation Receipt") -> None:
        self._pdf.add_page()
        donations = len(self._receipt.donations)
        of = 1 + (ceil(donations / _LIST_ROWS) if donations > 1 else 0)
        at = f"第 {self._pdf.page_no()} 页，共 {of} 页"
        self._text(_LEFT, 138, at, 7, color=_QUIET, width=_WIDTH, align=Align.R)
        self._pdf.set_draw_color(*_LINE)
        self._pdf.set_line_width(0.25)
        self._pdf.set_fill_color(*_ACCENT)
        self._pdf.rect(0, 0, 210, 3.2, style="F")
        self._text(_LEFT, 9, "捐赠票据", 22, style="B", color=_ACCENT, width=90)
        self._text(_LEFT, 20.5, subtitle, 9, color=_QUIET, width=110)
        right = _LEFT + _WIDTH - 80
        self._text(right, 9.5, "票据号码 No.", 7.5, color=_QUIET, width=80, align=Align.R)
        self._text(right, 13.2, self._receipt.number, 14, style="B", width=80, align=Align.R)
        if self._receipt.replaces:
            replaced = f"换开，替代 replaces {self._receipt.replaces}"
            self._text(right - 20, 21, replaced, 8, color=_QUIET, width=100, align=Align.R)

    def _frame(self, top: float, height: float) -> None:
        self._pdf.set_line_width(0.5)
        self._pdf.rect(_LEFT, top, _WIDTH, height)
        self._pdf.set_line_width(0.25)

    def _foot(self, top: float) -> None:
        receipt = self._receipt
        side = 30.0
        self._qr(_LEFT + _WIDTH - side, top, side)
        width = _WIDTH - side - 8
        rows = [
            ("接受单位（章） Received by", receipt.organisation, "B"),
            ("公开募捐资格 Licence", receipt.licence, ""),
            ("经办人 Handler", receipt.handler, ""),
            ("开具日期 Issued on", _day(receipt.issued_at), ""),
            ("查验码 Check code", receipt.check_code, "B"),
        ]
        for row, (label, said, style) in enumerate(rows):
            y = top + row * 5.9
            self._text(_LEFT, y + 0.7, label, 7.5, color=_QUIET, width=36)
            self._fitted(_LEFT + 36, y - 0.6, width - 36, said, style=style, height=5.9, size=10)
        note = "扫描二维码或凭票据号码与查验码可查验真伪。Scan the code to check this receipt."
        self._text(_LEFT, top + 31.2, note, 7, color=_QUIET, width=width)
        if self._lacks:
            note = f"{fonts.MISSING} 代表字库未收录的字 stands for a letter that the typeface lacks."
            self._text(_LEFT, top + 34.6, note, 6.5, color=_QUIET, width=width)

    def _qr(self, x: float, y: float, side: float) -> None:
        """The check's address as a QR code: level M bears a folded corner or a stamp's edge."""
        code = segno.make_qr(self._receipt.check_address, error="m")
        dot = side / (code.symbol_size(border=0)[0])
        self._pdf.set_fill_color(0, 0, 0)
        for row, line in enumerate(code.matrix):
            for column, dark in enumerate(line):
                if dark:
                    self._pdf.rect(x + column * dot, y + row * dot, dot, dot, style="F")

    def _line_of_list(
        self,
        y: float,
        cells: list[str],
        amount: str,
        *,
        style: str = "",
        color: tuple[int, int, int] = _INK,
    ) -> None:
        x = _LEFT
        for (_, width), cell in zip(_COLUMNS, cells, strict=False):
            self._fitted(x, y, width - 2, cell, style=style, height=5.6, size=8, color=color)
            x += width
        self._text(_LEFT + _WIDTH - 40, y + 1, amount, 8, style=style, color=color, width=40, align=Align.R)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        width: float,
        style: str = "",
        color: tuple[int, int, int] = _INK,
        align: Align = Align.L,
    ) -> None:
        """One line."""
        self._pdf.set_font("receipt", style, size)
        self._pdf.set_text_color(*color)
        self._pdf.set_xy(x, y)
        self._pdf.cell(width, size * _MM_PER_POINT * 1.15, self._drawable(text), align=align)

    def _fitted(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        *,
        style: str = "",
        height: float = _ROW,
        size: float = 12,
        color: tuple[int, int, int] = _INK,
    ) -> None:
        """Text in the middle of a box, smaller and on more lines until all of it is in."""
        shown = self._drawable(text)
        self._pdf.set_text_color(*color)
        while True:
            self._pdf.set_font("receipt", style, size)
            leading = size * _MM_PER_POINT * 1.2
            lines = self._pdf.multi_cell(
                width, leading, shown, dry_run=True, output=MethodReturnValue.LINES, wrapmode=WrapMode.CHAR
            )
            assert isinstance(lines, list)
            if len(lines) * leading <= height or size <= 4:
                break
            size -= 0.5
        self._pdf.set_xy(x, y + (height - len(lines) * leading) / 2)
        self._pdf.multi_cell(width, leading, shown, align=Align.L, wrapmode=WrapMode.CHAR)

    def _drawable(self, text: str) -> str:
        """The text as the typeface can show it."""
        shown = fonts.showable(text)
        assert self._letters.issuperset(shown), "a label has a letter that _LABELS lacks"
        return shown
