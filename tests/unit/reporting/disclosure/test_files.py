"""A report as a spreadsheet and on paper, read back by other libraries."""

import io
import re
from functools import cache

import pytest
from openpyxl import Workbook, load_workbook
from pypdf import PdfReader

from services.reporting.disclosure import paper, spreadsheet, words
from shared.events.documents import Column, Document, Row
from tests.reports import DIGEST, ORGANISATION, a_correction, a_document, a_table


def the_workbook(document: Document, *, corrected: bool = False) -> Workbook:
    return load_workbook(io.BytesIO(spreadsheet.make(document, DIGEST, corrected=corrected)))


@cache
def plain() -> bytes:
    """The paper of a report that nobody has corrected: drawing takes half a second."""
    return paper.draw(a_document(), DIGEST, corrected=False)


def the_pages(document: Document, *, corrected: bool = False) -> list[str]:
    return pages_of(paper.draw(document, DIGEST, corrected=corrected))


def pages_of(content: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(content)).pages]


def test_amounts_are_numbers_in_yuan_that_add_up_and_their_unit_is_in_the_header() -> None:
    sheet = the_workbook(a_document())["1 拨付支出按用途"]
    header = [cell.value for cell in sheet[4]]
    assert header[3] == "拨付金额（元）\nAmount"
    amounts = [sheet.cell(row, 4) for row in (5, 6, 7)]
    assert [cell.value for cell in amounts] == [1_000_000.01, 2_000_000.02, 3_000_000.03]
    assert {(cell.data_type, cell.number_format) for cell in amounts} == {("n", "#,##0.00")}
    total = sheet.cell(8, 4)
    assert (total.value, total.font.bold) == (6_000_000.06, True)
    assert [sheet.cell(5, column).data_type for column in (1, 3, 5)] == ["s", "n", "n"]
    assert sheet.freeze_panes == "B5"
    assert (sheet.print_title_rows, sheet.page_setup.orientation) == ("$4:$4", "landscape")


def test_a_number_that_a_spreadsheet_would_round_is_a_text() -> None:
    column = Column(id="fen", label="金额", label_en="Amount", kind="fen")
    rows = [Row(id="a", cells=(10**15 + 1,)), Row(id="b", cells=(10**15 - 1,)), Row(id="c", cells=(-1,))]
    sheet = the_workbook(a_document(tables=(a_table(columns=[column], rows=rows, title="表"),)))["1 表"]
    assert [sheet.cell(row, 1).value for row in (5, 6, 7)] == [
        "10000000000000.01",
        9_999_999_999_999.99,
        -0.01,
    ]


def test_no_text_of_a_report_becomes_a_formula_or_a_link() -> None:
    rows = [Row(id="a", cells=("=1+1",)), Row(id="b", cells=("https://charity.example",))]
    column = Column(id="text", label="说明", label_en="Text", kind="text")
    sheet = the_workbook(a_document(tables=(a_table(columns=[column], rows=rows, title="表"),)))["1 表"]
    assert [(sheet.cell(row, 1).value, sheet.cell(row, 1).data_type) for row in (5, 6)] == [
        ("=1+1", "s"),
        ("https://charity.example", "s"),
    ]
    assert sheet.cell(6, 1).hyperlink is None


def test_the_cover_says_who_reports_on_what_and_which_report_it_is() -> None:
    sheet = the_workbook(a_correction(), corrected=True)["封面"]
    said = {sheet.cell(row, 1).value: sheet.cell(row, 2).value for row in range(1, 40)}
    assert said["慈善组织 Organisation"] == ORGANISATION
    assert said["报告期间 Period"] == "2023-08-02 至 2023-10-31"
    assert said["摘要 SHA-256"] == DIGEST
    assert said["更正原因 Reason"] == "漏列一笔支出"
    assert "提示 Notice" in said
    assert {"编制人：", "审核人：", "单位负责人：", "单位（公章）："} <= said.keys()
    assert the_workbook(a_correction())["更正内容"].cell(2, 5).value == pytest.approx(0.02)


def test_a_page_of_paper_names_the_organisation_the_period_and_its_number() -> None:
    pages = the_pages(a_document(tables=(a_table(60), a_table(2))))
    assert len(pages) >= 3
    for number, page in enumerate(pages, start=1):
        assert f"第 {number} 页，共 {len(pages)} 页" in page
        assert ORGANISATION in page
        assert "2023-08-02 至 2023-10-31" in page
        assert DIGEST[:16] in page


def test_every_amount_is_on_paper_and_the_header_comes_again_on_each_page() -> None:
    table = a_table(60)
    pages = the_pages(a_document(tables=(table,)))
    text = "".join(pages)
    for row in table.rows:
        assert words.cell_text(row.cells[3], "fen") in text
    with_lines = [page for page in pages if re.search(r"第\s*\d+\s*项", page)]
    assert len(with_lines) > 1
    assert all("Beneficiaries" in page for page in with_lines)


def test_paper_has_places_for_hands_notes_and_the_position() -> None:
    text = "".join(pages_of(plain()))
    for said in (
        "编制人：",
        "审核人：",
        "单位负责人：",
        "附注",
        "未经四舍五入",
        "数据位置",
        "ab" * 32,
        "4711",
    ):
        assert said in text


def test_a_line_of_paper_breaks_within_no_number_and_no_short_bracket() -> None:
    columns = [Column(id="name", label="慈善组织", label_en="Organisation", kind="text")]
    columns += [
        Column(id=f"goods{each}", label="物资退回（另列）", label_en="Goods back", kind="fen")
        for each in range(9)
    ]
    names = [f"{'慈' * length}20231234567号慈善会" for length in range(1, 25)]
    rows = [Row(id=name, cells=(name, *[1] * 9)) for name in names]
    text = "".join(the_pages(a_document(tables=(a_table(columns=columns, rows=rows),))))
    assert text.count("20231234567") == len(names)
    headers = text.count("Organisation") - 1  # one is the heading's
    assert text.count("（另列）") == 9 * headers


def test_a_short_bracket_without_room_behind_its_word_goes_to_the_next_line() -> None:
    columns = [
        Column(id="name", label="慈善组织", label_en="Organisation", kind="text"),
        Column(id="amount", label="加：接受捐赠（货币）", label_en="Donations", kind="fen"),
    ]
    rows = [Row(id="a", cells=("慈" * 60, 1_000_000_000))]
    assert "（货币）" in "".join(the_pages(a_document(tables=(a_table(columns=columns, rows=rows),))))


def test_what_is_wider_than_a_line_is_broken_and_nothing_of_it_is_lost() -> None:
    said = "a1" * 400
    column = Column(id="text", label="说明", label_en="Text", kind="text")
    table = a_table(columns=[column], rows=[Row(id="a", cells=(f"见 {said}",))], about="")
    text = re.sub(r"\s", "", "".join(the_pages(a_document(tables=(table,)))))
    assert f"见{said}" in text


def test_the_hands_come_before_the_position_which_is_on_one_page_if_it_fits() -> None:
    position = a_document().position
    heads = [position.journals[0].model_copy(update={"journal": f"journal-{each}"}) for each in range(18)]
    for uses in (3, 12):
        moved = position.model_copy(update={"journals": tuple(heads)})
        pages = the_pages(a_document(tables=(a_table(uses),), position=moved))
        named = [number for number, page in enumerate(pages) if "journal-" in page]
        assert len(named) == 1
        text = "".join(pages)
        assert text.index("编制人") < text.index("数据位置")


def test_what_was_corrected_says_so_on_paper_and_the_correction_what_it_changes() -> None:
    assert "已被更正" in the_pages(a_document(), corrected=True)[0]
    text = "".join(the_pages(a_correction()))
    assert "已被更正，请" not in text
    for said in ("漏列一笔支出", "0.01", "0.02", "第 2 版（更正）"):
        assert said in text


def test_the_same_report_gives_the_same_files() -> None:
    assert paper.draw(a_document(), DIGEST, corrected=False) == plain()
    document = a_document()
    made = [spreadsheet.make(document, DIGEST, corrected=False) for _ in range(2)]
    assert made[0] == made[1]
