"""Tables out of files: every cell as it was written, every broken file said to be one."""

import contextlib
import io
import tracemalloc
import zipfile
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.statements import reading
from services.donation.statements.reading import INEXACT, Layout, escaped, open_table, rows, unescaped
from services.donation.statements.unreadable import Unreadable
from tests.unit.donation.statements.builders import (
    HEADER,
    camt,
    csv_of,
    entry_02,
    entry_08,
    xlsx_by_openpyxl,
    xlsx_by_xlsxwriter,
)

LAYOUT = Layout(header=("交易流水号", "金额"))
LINE = ("T1", "2027-01-05 20:00:00", "100.00", "王小明", "加油")

# What a cell can hold and a reader gives back as it was: no white space at its ends, no apostrophe that
# stands for an escape, no CSV text formula.
cells = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=30).map(
    lambda text: text.strip()
)
plain_cells = cells.filter(lambda text: unescaped(text) == text and not text.startswith('="'))


def table_of(content: bytes, layout: Layout = LAYOUT) -> list[dict[str, str]]:
    found = list(rows(content, layout))
    assert [row.fault for row in found] == [None] * len(found)
    return [row.cells for row in found]


def refused(content: bytes, layout: Layout = LAYOUT) -> str:
    with pytest.raises(Unreadable) as caught:
        list(rows(content, layout))
    assert caught.value.status == 422
    return caught.value.detail


# ---------------------------------------------------------------- CSV


@given(
    st.lists(st.tuples(plain_cells.filter(bool), *[plain_cells] * 4), max_size=20),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_whatever_is_written_as_csv_is_read_again(
    lines: list[tuple[str, ...]], encoding: str, delimiter: str
) -> None:
    content = csv_of(lines, encoding=encoding, delimiter=delimiter)
    declared = "gb18030" if encoding == "gb18030" else "utf-8"
    layout = Layout(header=HEADER, encoding=declared, delimiter=delimiter)  # type: ignore[arg-type]
    assert table_of(content, layout) == [dict(zip(HEADER, line, strict=True)) for line in lines]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_the_encoding_is_found(encoding: str) -> None:
    (line,) = table_of(csv_of([LINE], encoding=encoding))
    assert line == dict(zip(HEADER, LINE, strict=True))


def test_a_byte_order_mark_wins_over_what_was_declared() -> None:
    content = csv_of([LINE], encoding="utf-8-sig")
    assert table_of(content, LAYOUT.model_copy(update={"encoding": "gb18030"}))[0]["付款人"] == "王小明"


def test_what_is_text_in_neither_encoding_is_refused_with_its_line() -> None:
    content = csv_of([LINE, LINE]) + b"T3,\xff\xff,1,,\r\n"
    assert refused(content) == "Line 4 is not text in UTF-8 or GB18030."
    assert "王" not in refused(content)


def test_the_header_is_found_below_what_a_bank_writes_above_it() -> None:
    above = "交通银行企业网银\r\n户名:,苏州市慈善总会\r\n\r\n".encode()
    (row,) = rows(above + csv_of([LINE]), LAYOUT)
    assert (row.number, row.cells["金额"]) == (5, "100.00")


def test_a_header_that_lacks_a_column_is_refused_and_names_it() -> None:
    content = csv_of([LINE], header=("流水", "时间", "金额", "付款人", "附言"))
    assert "交易流水号" in refused(content)
    assert "金额" not in refused(content)


def test_a_needed_column_that_stands_twice_is_refused() -> None:
    assert "金额 twice" in refused(csv_of([LINE], header=("交易流水号", "时间", "金额", "金额", "附言")))


def test_other_columns_may_stand_twice() -> None:
    (line,) = table_of(csv_of([LINE], header=("交易流水号", "备注", "金额", "备注", "")))
    assert line["备注"] == "2027-01-05 20:00:00"
    assert line["备注#2"] == "王小明"


def test_the_trailer_is_no_line() -> None:
    content = csv_of([LINE, ("合计", "", "100.00", "", ""), ("打印时间", "2027", "", "", "")])
    table = open_table(content, Layout(header=HEADER, ends=("合计", "总计")))
    assert [row.number for row in table] == [2]
    assert [line["金额"] for line in table.trailer] == ["100.00", ""]


def test_a_second_table_behind_the_totals_is_not_lost() -> None:
    behind = [("合计", "", "100.00", "", ""), HEADER, LINE, ("合计", "", "100.00", "", "")]
    layout = Layout(header=HEADER, ends=("合计",), every_line=("交易流水号", "金额"))
    lines = list(open_table(csv_of([LINE, *behind]), layout))
    assert [(line.number, line.fault) for line in lines] == [
        (2, None),
        (4, reading.BEHIND_THE_END),
        (5, reading.BEHIND_THE_END),
    ]


def test_a_line_that_was_cut_off_is_bad_and_an_end_that_a_sheet_leaves_out_is_not() -> None:
    (line,) = rows(csv_of([LINE[:2]]), Layout(header=HEADER))
    assert line.fault == "has 2 cells, the header line 5: cut off?"
    (line,) = rows(xlsx_by_openpyxl([LINE[:2]]), Layout(header=HEADER))
    assert line.fault is None


def test_comments_empty_lines_and_marks_around_cells_are_taken_away() -> None:
    text = '#账务明细\r\n交易流水号,金额\r\n\r\n`T1,`1.00\r\n="002",\t2.00\t\r\n#结束,\r\n'
    layout = Layout(header=("交易流水号", "金额"), comment="#", strip="`")
    assert table_of(text.encode(), layout) == [
        {"交易流水号": "T1", "金额": "1.00"},
        {"交易流水号": "002", "金额": "2.00"},
    ]


def test_a_line_number_is_where_the_line_begins() -> None:
    content = csv_of([("T1", "", "1", "", "一\r\n二"), ("T2", "", "2", "", "")])
    assert [(row.number, row.cells["交易流水号"]) for row in rows(content, LAYOUT)] == [(2, "T1"), (4, "T2")]


def test_a_delimiter_inside_a_cell_is_seen() -> None:
    (row,) = rows("交易流水号,金额\r\nT1,1,234.00\r\n".encode(), LAYOUT)
    assert row.fault == "has more cells than the header line (a delimiter inside a cell?)"


def test_a_cell_too_long_is_seen() -> None:
    (row,) = rows(csv_of([("T1", "", "1", "字" * 2_001, "")]), LAYOUT)
    assert row.fault == "付款人: has more than 2000 characters"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        (csv_of([]) + b'"T1,2027,1' + b"\r\nT2" * 60, "line 2"),
        (csv_of([]) + b'"T1"x,2027,1\r\n', "line 2"),
        (csv_of([]) + b"T1," + b"x" * 200_000, "line 2"),
        (csv_of([]) + b"T1" + b"," * 300 + b"x", "more than 200 columns"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, said: str) -> None:
    assert said.lower() in refused(content).lower()


def test_bounds_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROWS", 5)
    monkeypatch.setattr(reading, "MAX_BYTES", 1_000)
    assert len(table_of(csv_of([LINE] * 4))) == 4
    assert "more than 5 lines" in refused(csv_of([LINE] * 5))
    assert "more than 1000 bytes" in refused(csv_of([LINE] * 50))
    monkeypatch.setattr(reading, "MAX_BYTES", 100_000)
    assert "more than 5 lines" in refused(xlsx_by_openpyxl([LINE] * 5))
    assert "more than 5 payments" in refused(camt(entry_02() * 6), Layout())


# ---------------------------------------------------------------- against formulas


@given(cells)
def test_an_escaped_cell_is_no_formula_and_comes_back(cell: str) -> None:
    assert not escaped(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescaped(escaped(cell)) == cell


@pytest.mark.parametrize(
    "cell", ["=1+1", "+8613800000000", "-5.00", "@SUM(A1)", "'=1+1", "''=1", "'a", "a=1"]
)
def test_what_could_be_a_formula_comes_back_through_a_file(cell: str) -> None:
    (line,) = table_of(csv_of([("T1", "", "1", escaped(cell), "")]))
    assert line["付款人"] == cell


# ---------------------------------------------------------------- XLSX


@given(st.integers(1, 10**13))
def test_an_amount_in_a_spreadsheet_is_exact_to_the_fen(amount_fen: int) -> None:
    yuan = amount_fen / 100  # what a spreadsheet keeps
    text, fault = reading._number(yuan)
    assert fault is None
    assert Decimal(text) * 100 == amount_fen


@pytest.mark.parametrize("make", [xlsx_by_openpyxl, xlsx_by_xlsxwriter], ids=["openpyxl", "xlsxwriter"])
def test_numbers_dates_and_texts_of_a_spreadsheet_become_texts(make: Any) -> None:
    lines = [
        ("007", datetime(2027, 1, 5, 20, 0), 1234.56, "王小明", None),  # noqa: DTZ001 - a cell has no zone
        (123456789012345, "2027-01-05", 0.1 + 0.2, True, "0.00001"),
        ("T3", "x", 100_000_000_000.01, 0.00001, -5),
    ]
    first, second, third = table_of(make(lines))
    assert list(first.values()) == ["007", "2027-01-05 20:00:00", "1234.56", "王小明", ""]
    assert list(second.values()) == ["123456789012345", "2027-01-05", "0.3", "TRUE", "0.00001"]
    assert list(third.values()) == ["T3", "x", "100000000000.01", "0.00001", "-5"]


@pytest.mark.parametrize("number", [10**15, 4200001234202701051234567890, 1.5e300])
def test_a_number_the_spreadsheet_has_not_kept_whole_is_seen(number: float) -> None:
    (row,) = rows(xlsx_by_openpyxl([(number, "", 1, "", "")]), LAYOUT)
    assert row.fault == f"A2: {INEXACT}"


def test_an_error_of_the_spreadsheet_is_seen() -> None:
    (row,) = rows(xlsx_by_openpyxl([("T1", "", "#N/A", "", "")]), LAYOUT)
    assert row.fault == "C2: an error of the spreadsheet"


def test_a_sheet_is_taken_by_its_name() -> None:
    content = xlsx_by_xlsxwriter([LINE])
    assert len(table_of(content, LAYOUT.model_copy(update={"sheet": "明细"}))) == 1
    assert "no sheet 汇总" in refused(content, LAYOUT.model_copy(update={"sheet": "汇总"}))


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MAX_UNPACKED_BYTES", 20_000_000)
    bomb = repacked(xlsx_by_openpyxl([LINE]), "xl/worksheets/sheet1.xml", b" " * 20_000_000)
    assert len(bomb) < 100_000
    tracemalloc.start()
    assert "unpacks to more" in refused(bomb)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


SHEET = (
    "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'>"
    "<sheetData>{}</sheetData></worksheet>"
)


@pytest.mark.parametrize(
    "sheet",
    [
        "<worksheet",
        "<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'>]><worksheet>&b;</worksheet>",
        SHEET.format("<row r='1'><c r='A1' t='s'><v>99999</v></c></row>"),
        SHEET.format("<row r='999999999999'><c r='A1'><v>1</v></c></row>"),
        SHEET.format("<row r='1'><c r='XFD1'/></row>"),
    ],
    ids=["cut", "entities", "no such text", "a far row", "a far column"],
)
def test_a_broken_workbook_is_refused(sheet: str) -> None:
    refused(repacked(xlsx_by_openpyxl([LINE]), "xl/worksheets/sheet1.xml", sheet.encode()))


@given(st.data())
def test_a_workbook_with_wrong_bytes_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(WORKBOOK)
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_or_refused(bytes(content))


@given(st.binary(max_size=300))
def test_bytes_are_read_or_refused(content: bytes) -> None:
    for start in (b"", b"PK\x03\x04", b"<", csv_of([])):
        read_or_refused(start + content)


WORKBOOK = xlsx_by_openpyxl([LINE])


def read_or_refused(content: bytes) -> None:
    with contextlib.suppress(Unreadable):
        list(rows(content, LAYOUT))


def repacked(workbook: bytes, name: str, part: bytes) -> bytes:
    """The workbook with another part."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for each in old.namelist():
            new.writestr(each, part if each == name else old.read(each))
    return made.getvalue()


# ---------------------------------------------------------------- camt.053


@pytest.mark.parametrize(("version", "entry"), [("02", entry_02), ("08", entry_08)], ids=["02", "08"])
def test_a_payment_is_read_from_either_version(version: str, entry: Any) -> None:
    (line,) = table_of(camt(entry(end_to_end_id="E2E-1"), version), Layout())
    assert line == {
        "reference": "BOC20270105000001",
        "end_to_end_id": "E2E-1",
        "transaction_id": "",
        "amount": "1000.00",
        "currency": "CNY",
        "direction": "CRDT",
        "status": "BOOK",
        "reversal": "false",
        "booked_at": "2027-01-05",
        "valued_at": "2027-01-05",
        "counterparty": "苏州工业园区某某公司",
        "counterparty_account": "6222000012345678",
        "remittance": "慈善晚会捐款",
        "account": "10550101040012345",
    }


def test_where_the_payer_gave_no_id_there_is_none() -> None:
    (line,) = table_of(camt(entry_02(end_to_end_id="NOTPROVIDED")), Layout())
    assert line["end_to_end_id"] == ""


BATCH = (
    "<Ntry><Amt Ccy='CNY'>30.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
    "<BookgDt><DtTm>2027-01-05T20:00:00+08:00</DtTm></BookgDt><AcctSvcrRef>B1</AcctSvcrRef><NtryDtls>"
    "<TxDtls><Refs><TxId>X1</TxId></Refs><Amt Ccy='CNY'>10.00</Amt></TxDtls>"
    "<TxDtls><Refs><AcctSvcrRef>B1-own</AcctSvcrRef></Refs>"
    "<AmtDtls><TxAmt><Amt Ccy='CNY'>SECOND</Amt></TxAmt></AmtDtls></TxDtls></NtryDtls></Ntry>"
)


def test_each_payment_of_an_entry_is_a_line_with_a_reference_of_its_own() -> None:
    first, second = table_of(camt(BATCH.replace("SECOND", "20.00"), "08"), Layout())
    assert (first["reference"], first["amount"], first["transaction_id"]) == ("B1.1", "10.00", "X1")
    assert (second["reference"], second["amount"]) == ("B1-own", "20.00")
    assert first["booked_at"] == "2027-01-05T20:00:00+08:00"


@pytest.mark.parametrize("second", ["20.01", "", "many"])
def test_payments_that_are_not_their_entry_are_seen(second: str) -> None:
    found = list(rows(camt(BATCH.replace("SECOND", second), "08"), Layout()))
    assert {row.fault for row in found} == {"the payments of the entry do not make up its amount"}


def test_an_entry_without_details_is_a_payment() -> None:
    entry = "<Ntry><Amt Ccy='CNY'>5.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>true</RvslInd></Ntry>"
    (line,) = table_of(camt(entry), Layout())
    assert (line["amount"], line["direction"], line["reversal"]) == ("5.00", "DBIT", "true")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<a/>", "not a camt.053"),
        (camt(entry_02(), "01"), "not a camt.053"),
        (camt(entry_02())[:-30], "not well-formed"),
        (b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + b"<a>&x;</a>", "DTD or entities"),
        (camt("<a>" * 40 + "</a>" * 40), "nested too deeply"),
        (b"<?xml version='1.0' encoding='no-such'?><a/>", "not well-formed"),
    ],
    ids=["another root", "another version", "cut", "an entity", "deep", "no such encoding"],
)
def test_what_is_no_camt_is_refused(content: bytes, said: str) -> None:
    assert said in refused(content, Layout())


def test_a_camt_has_the_columns_it_has() -> None:
    assert "金额" in refused(camt(entry_02()))
