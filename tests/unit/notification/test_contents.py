"""Templates: only known placeholders, nothing is run, and what a donor wrote stays text."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from services.notification.letters.contents import (
    PLACEHOLDERS,
    UNSUBSCRIBE,
    Content,
    MailContent,
    SmsContent,
    WechatContent,
    as_html,
    filled,
    sms_parameters,
    values_of,
    wechat_data,
)
from tests.unit.notification.test_thanks import THANKS

CONTENT: TypeAdapter[Content] = TypeAdapter(Content)
MAIL = {
    "way": "mail",
    "subject": "感谢您，{name}",
    "text": "{name}：\n\n{title}，{amount} 元。\n{organisation}\n\n退订：{unsubscribe}",
}
SMS = {
    "way": "sms",
    "template_id": "SMS_1234",
    "parameters": [{"name": "name", "value": "{name}"}, {"name": "sum", "value": "{amount}元"}],
}
WECHAT = {
    "way": "wechat",
    "app_id": "wx0123456789abcdef",
    "template_id": "ngqIpbwh8bUfcSsECmogfXcV14J0tQlEpBO27izEYtY",
    "data": {"thing1": "{title}", "amount2": "{amount}元", "time3": "{donated_at}"},
}


def content(base: dict[str, Any], **changed: Any) -> Content:
    return CONTENT.validate_python({**base, **changed})


def test_a_mail_is_filled_in_as_text_and_html() -> None:
    mail = content(MAIL)
    assert isinstance(mail, MailContent)
    values = {**values_of(THANKS, "zh"), UNSUBSCRIBE: "https://gift.example/u?a=1&b=2"}
    assert filled(mail.subject, values) == "感谢您，张三"
    assert "1,234.56 元" in filled(mail.text, values)
    html = as_html(mail.text, values, "zh")
    assert html.count("<p>") == 3
    assert '<a href="https://gift.example/u?a=1&amp;b=2">' in html


def test_the_language_decides_on_title_and_greeting() -> None:
    nameless = replace(THANKS, name=None)
    assert values_of(nameless, "zh")["name"] == "爱心人士"
    english = values_of(nameless, "en")
    assert (english["name"], english["title"]) == ("kind heart", THANKS.campaign.title_en)


def test_every_placeholder_has_a_value() -> None:
    assert values_of(THANKS, "zh").keys() == PLACEHOLDERS


def test_a_short_message_has_its_parameters_in_order_and_short() -> None:
    sms = content(SMS)
    assert isinstance(sms, SmsContent)
    assert sms_parameters(sms, values_of(THANKS, "zh")) == (("name", "张三"), ("sum", "1,234.56元"))
    long = replace(THANKS, campaign=replace(THANKS.campaign, title="会" * 60))
    only_title = content(SMS, parameters=[{"name": "t", "value": "{title}"}])
    assert isinstance(only_title, SmsContent)
    ((_, value),) = sms_parameters(only_title, values_of(long, "zh"))
    assert len(value) == 35


def test_wechats_fields_are_as_long_as_their_kind_allows() -> None:
    wechat = content(WECHAT)
    assert isinstance(wechat, WechatContent)
    long = replace(THANKS, campaign=replace(THANKS.campaign, title="会" * 60))
    data = dict(wechat_data(wechat, values_of(long, "zh")))
    assert len(data["thing1"]) == 20
    assert data["time3"] == datetime(2024, 1, 6, 0, 30, tzinfo=UTC).strftime("%Y-%m-%d %H:%M")


WRONG: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *((MAIL, {"text": text}) for text in ["", "{organisation}", "{unsubscribe}", "x" * 8_001]),
    *((MAIL, {"text": MAIL["text"] + more}) for more in ["{email}", "{", "}", "{{name}}", "{0}", "{name!r}"]),
    *(
        (MAIL, {"text": MAIL["text"] + more})
        for more in ["{name.x}", "{name:9}", "{% if %}", "\x00", "\u202e"]
    ),
    *((MAIL, {"subject": subject}) for subject in ["", " ", "a\nb", "x" * 121, "{unsubscribe}"]),
    *((SMS, {"template_id": value}) for value in ["", "a b", "x" * 65]),
    (SMS, {"parameters": [{"name": "a", "value": "1"}] * 2}),
    (SMS, {"parameters": [{"name": f"a{n}", "value": "1"} for n in range(11)]}),
    *(
        (SMS, {"parameters": [{"name": "a", "value": value}]})
        for value in ["", "a\nb", "{unsubscribe}", "x" * 101]
    ),
    *((WECHAT, {"data": data}) for data in [{}, {"1": "x"}, {"a": "{x}"}, {f"a{n}": "x" for n in range(11)}]),
    *((WECHAT, {"url": url}) for url in ["http://x.example", "javascript:alert(1)", "https://a b"]),
    (WECHAT, {"app_id": ""}),
    (MAIL, {"way": "fax"}),
    (MAIL, {"html": "<p>"}),
]


@pytest.mark.parametrize(("base", "changed"), WRONG, ids=[str(n) for n in range(len(WRONG))])
def test_what_can_not_be_sent_can_not_be_written(base: dict[str, Any], changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        content(base, **changed)


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def tags(html: str) -> list[str]:
    parser = Tags()
    parser.feed(html)
    return parser.found


@given(st.text(max_size=40))
def test_no_value_becomes_markup_or_a_placeholder(value: str) -> None:
    values = {**values_of(THANKS, "zh"), UNSUBSCRIBE: "https://gift.example/u"}
    plain = as_html(MAIL["text"], values, "zh")
    hostile = replace(THANKS, campaign=replace(THANKS.campaign, title=value + "<script>{name}&lt;"))
    html = as_html(MAIL["text"], {**values, "title": values_of(hostile, "zh")["title"]}, "zh")
    assert tags(html) == tags(plain)
    assert "{name}" in filled("{title}", {"title": "{name}"})
