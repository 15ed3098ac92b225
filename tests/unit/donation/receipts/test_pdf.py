"""The paper, read back by another library."""

import io
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from fontTools.ttLib import TTFont
from pypdf import PdfReader

from services.donation.receipts import pdf
from services.donation.receipts.capitals import in_capitals
from services.donation.receipts.schemas import Item, Receipt
from shared import fonts
from shared.money import MAX_AMOUNT_FEN, format_yuan

ISSUED_AT = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)


def a_receipt(donations: int = 1, **changes: Any) -> Receipt:
    given_at = ISSUED_AT - timedelta(days=2)
    items = [
        Item(
            donation_id=UUID(int=number),
            channel="wechat",
            transaction_id=f"42000012342026{number:04d}",
            occurred_at=given_at + timedelta(hours=number),
            amount_fen=12_345,
        )
        for number in range(donations)
    ]
    values: dict[str, Any] = {
        "number": "SZCS-2027-0000123",
        "state": "valid",
        "version": 1,
        "organisation": "苏州市慈善总会",
        "licence": "53320500509190000A",
        "purpose": "2027新年慈善晚会",
        "donor_kind": "person",
        "donor_name": "王小明",
        "amount_fen": 12_345 * donations,
        "amount_in_capitals": in_capitals(12_345 * donations),
        "overstated_fen": 0,
        "donated_from": items[0].occurred_at,
        "donated_to": items[-1].occurred_at,
        "handler": "陈会计",
        "issued_by": "finance.chen",
        "issued_at": ISSUED_AT,
        "check_code": "7QK2-M9XD-0TRV-H4WC",
        "check_address": "https://charity.example.org/receipts/check?number=SZCS-2027-0000123&code=7QK2",
        "replaces": None,
        "replaced_by": None,
        "void_reason": None,
        "voided_by": None,
        "voided_at": None,
        "donations": items,
    }
    return Receipt.model_validate(values | changes)


@cache
def plain() -> bytes:
    """The paper of a receipt for one donation: drawing takes most of a second."""
    return pdf.draw(a_receipt())


def texts(content: bytes) -> list[str]:
    """The text of each page, without white space: readers put some between letters."""
    return ["".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(content)).pages]


def test_the_paper_states_what_the_law_asks_for() -> None:
    receipt = a_receipt()
    (page,) = texts(plain())
    for said in (
        receipt.number,
        "王小明",
        "货币资金（人民币）1笔",
        "2026年12月30日",  # 00:30 of the 30th in Shanghai
        receipt.purpose,
        "¥123.45",
        "人民币壹佰贰拾叁元肆角伍分",
        receipt.organisation,
        receipt.licence,
        "陈会计",
        "2027年1月1日",
        receipt.check_code,
    ):
        assert said in page, said


def test_an_anonymous_gift_has_no_name_on_the_paper() -> None:
    (page,) = texts(pdf.draw(a_receipt(donor_name=None)))
    assert "匿名捐赠" in page


def test_a_receipt_of_many_lists_each_donation_and_their_sum() -> None:
    receipt = a_receipt(40, replaces="SZCS-2026-0000007")
    front, *lists = texts(pdf.draw(receipt))
    assert "40笔，明细附后" in front
    for number, said in enumerate([front, *lists], start=1):
        assert f"第{number}页，共4页" in said
    assert "replacesSZCS-2026-0000007" in front
    assert len(lists) == 3
    for number, item in enumerate(receipt.donations):
        assert item.transaction_id in lists[number // 16]
    assert format_yuan(receipt.amount_fen) in lists[-1]
    assert sum(page.count("123.45") for page in lists) == 40


def test_the_longest_texts_are_all_on_the_paper() -> None:
    longest: dict[str, Any] = {
        "donor_name": "苏" * 64,
        "purpose": "捐" * 200,
        "organisation": "会" * 200,
        "licence": "9" * 200,
        "handler": "陈" * 64,
        "amount_fen": MAX_AMOUNT_FEN,
        "amount_in_capitals": in_capitals(987_654_321_098),
    }
    (page,) = texts(pdf.draw(a_receipt(**longest)))
    for said in ("苏" * 64, "捐" * 200, "会" * 200, "9" * 200, "陈" * 64, "¥100,000,000,000.00"):
        assert said in page


def test_a_letter_that_the_typeface_lacks_is_marked_and_the_mark_explained() -> None:
    (page,) = texts(pdf.draw(a_receipt(donor_name="王🎉\U0002a6a5\U0001f600")))
    assert f"王{fonts.MISSING}" in page
    assert "字库未收录" in page
    assert "字库未收录" not in texts(plain())[0]


def test_the_same_receipt_is_the_same_bytes_whatever_became_of_it() -> None:
    later: dict[str, Any] = {"state": "void", "version": 2, "void_reason": "写错", "overstated_fen": 5}
    assert pdf.draw(a_receipt(**later)) == plain()


def test_the_letters_are_embedded_as_truetype() -> None:
    page = PdfReader(io.BytesIO(plain())).pages[0]
    resources: Any = page["/Resources"]
    fonts_of_page = [font.get_object() for font in resources["/Font"].values()]
    assert len(fonts_of_page) == 2
    for font in fonts_of_page:
        (descendant,) = (each.get_object() for each in font["/DescendantFonts"])
        assert (font["/Encoding"], descendant["/Subtype"]) == ("/Identity-H", "/CIDFontType2")
        assert "/FontFile2" in descendant["/FontDescriptor"]


def test_a_subset_has_the_letters_it_was_asked_for() -> None:
    regular, bold = (TTFont(io.BytesIO(each)) for each in fonts.subsets("捐赠A1", [400, 700]))
    for font in (regular, bold):
        assert set(font.getBestCmap()) == {ord(letter) for letter in "捐赠A1"}
        assert "fvar" not in font
    assert regular["glyf"] != bold["glyf"]
