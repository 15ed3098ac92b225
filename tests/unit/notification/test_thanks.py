"""The thank-you mail: what it says, and that nothing hostile gets into its headers or its HTML."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.thanks import Campaign, Envelope, Thanks, compose, greeted_as, message_id, one_line

DONATION = UUID("6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b30")
SENDER = Address("善流 Shanliu", "thanks", "shanliu.example")
NOW = datetime(2024, 1, 5, 12, 31, tzinfo=UTC)
CAMPAIGN = Campaign(
    title="第六届新年慈善晚会",
    title_en="6th New Year Charity Gala",
    organisation="苏州市慈善总会",
    licence="公开募捐资格 53320500",
    filing_number="53320500A001",
    contact="0512-6522 0000",
    query_method="慈善中国",
)
THANKS = Thanks(
    donation_id=DONATION,
    name="张三",
    amount_fen=123_456,
    reversed_fen=0,
    occurred_at=datetime(2024, 1, 5, 16, 30, tzinfo=UTC),
    campaign=CAMPAIGN,
)


LINK = "https://gift.example/unsubscribe/abc"
ENVELOPE = Envelope(SENDER, "zhang@example.com", NOW, LINK)


def read(thanks: Thanks) -> EmailMessage:
    raw = compose(thanks, ENVELOPE)
    raw.decode("ascii")  # 7 bit, whatever is in it
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_it_names_what_the_law_wants_shown_in_both_languages_and_parts() -> None:
    message = read(THANKS)
    for kind in ("plain", "html"):
        text = part(message, kind)
        for expected in (
            "尊敬的张三",
            "Dear 张三",
            "1,234.56",
            "第六届新年慈善晚会",
            "6th New Year Charity Gala",
            "苏州市慈善总会",
            "公开募捐资格 53320500",
            "53320500A001",
            "0512-6522 0000",
            "慈善中国",
            str(DONATION),
            "2024-01-06 00:30",  # Beijing time: the next day
            "不是捐赠票据",
            "not a donation receipt",
        ):
            assert expected in text


def test_the_headers_name_the_donation_and_ask_for_no_automatic_answer() -> None:
    message = read(THANKS)
    assert message["From"] == "善流 Shanliu <thanks@shanliu.example>"
    assert message["To"] == "zhang@example.com"
    assert message["Subject"] == "感谢您的捐赠：第六届新年慈善晚会 / Thank you for your donation"
    assert message["X-Shanliu-Donation-Id"] == str(DONATION)
    assert message["Message-ID"] == f"<{message_id(DONATION)}@shanliu.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert not message.defects


def test_the_message_id_is_the_donation_s_own_each_time() -> None:
    assert message_id(DONATION) == message_id(DONATION) != message_id(uuid4())
    assert read(THANKS)["Message-ID"] == read(replace(THANKS, name=None))["Message-ID"]


def test_a_donor_without_a_name_is_a_kind_heart() -> None:
    text = part(read(replace(THANKS, name=None)), "plain")
    assert "尊敬的爱心人士" in text
    assert "Dear kind heart" in text


def test_what_went_back_in_part_is_said() -> None:
    text = part(read(replace(THANKS, reversed_fen=23_456)), "plain")
    assert "其中 234.56 元已退回" in text
    assert "CNY 234.56 has been returned" in text


def test_an_appeal_without_a_filing_number_yet_has_no_empty_line_for_it() -> None:
    text = part(read(replace(THANKS, campaign=replace(CAMPAIGN, filing_number=None))), "plain")
    assert "备案编号" not in text


@pytest.mark.parametrize(
    ("name", "greeted"),
    [
        ("张三", "张三"),
        ("  张\t三  ", "张 三"),
        ("Anne-Marie O'Neill", "Anne-Marie O'Neill"),
        ("J. R. Smith", "J. R. Smith"),
        ("👨‍👩‍👧 一家", "👨‍👩‍👧 一家"),
        ("张三\r\nBcc: li", "张三 Bcc: li"),
        ("\u202e三张", "三张"),
        ("\u202egnp.exe", None),
        ("", None),
        (" \r\n ", None),
        (None, None),
        ("x" * 41, None),
        ("win at http://evil.example", None),
        ("evil.example wants you", None),
        ("li@example.com", None),
        ("<b>", None),
    ],
)
def test_who_is_greeted_by_name(name: str | None, greeted: str | None) -> None:
    assert greeted_as(name) == greeted


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def tags(html: str) -> list[str]:
    parser = _Tags()
    parser.feed(html)
    return parser.tags


HOSTILE = st.text(max_size=300) | st.sampled_from(
    [
        "\r\nBcc: li@example.com\r\n\r\nhello",
        "=?utf-8?q?=0D=0ABcc:_li@example.com?=",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7 * 7 }}{% raw %}",
        "\u2028\u2029\x85\x0b\x0c\x00",
        "\r\n.\r\nMAIL FROM:<li@example.com>",
        "晚" * 200,
        "😀" * 200,
    ]
)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_hostile_texts_add_no_header_no_recipient_and_no_tag(
    name: str, title: str, organisation: str, contact: str
) -> None:
    campaign = replace(
        CAMPAIGN,
        title=title,
        title_en=title,
        organisation=organisation,
        contact=contact,
        query_method=contact,
    )
    plain, hostile = read(THANKS), read(replace(THANKS, name=name, campaign=campaign))
    assert hostile.keys() == plain.keys()
    assert [address.addr_spec for address in hostile["To"].addresses] == ["zhang@example.com"]
    assert not hostile.defects
    assert tags(part(hostile, "html")) == tags(part(plain, "html"))
    assert hostile["X-Shanliu-Donation-Id"] == str(DONATION)


@given(st.text(alphabet=st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=1, max_size=120))
def test_a_chinese_subject_of_any_length_arrives_whole_in_short_lines(title: str) -> None:
    raw = compose(replace(THANKS, campaign=replace(CAMPAIGN, title=title)), ENVELOPE)
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["Subject"] == f"感谢您的捐赠：{title} / Thank you for your donation"
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78  # RFC 5322 2.1.1


def test_a_reader_can_end_the_messages_with_one_click() -> None:
    """RFC 8058, 3.1."""
    message = read(THANKS)
    assert message["List-Unsubscribe"].strip() == f"<{LINK}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert LINK in part(message, "plain")
    assert f'<a href="{LINK}">' in part(message, "html")


def test_one_click_is_not_offered_without_https() -> None:
    raw = compose(THANKS, replace(ENVELOPE, unsubscribe="http://127.0.0.1:8103/unsubscribe/abc"))
    assert b"List-Unsubscribe: " in raw
    assert b"List-Unsubscribe-Post" not in raw


@given(st.text(), st.integers(1, 200))
def test_one_line_is_one_printable_line(text: str, length_max: int) -> None:
    line = one_line(text, length_max)
    assert len(line) <= length_max
    assert len(line.splitlines()) <= 1


def test_nothing_of_the_donor_shows_when_it_is_logged() -> None:
    assert "张三" not in repr(THANKS)
