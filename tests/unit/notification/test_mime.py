"""A mail as bytes: any text arrives as it was, and none becomes a header of its own."""

from email.header import decode_header, make_header
from email.headerregistry import Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.couriers.mime import block, encoded, mailbox


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_whole(text: str) -> None:
    assert str(make_header(decode_header(encoded(text)))) == text


@given(st.text())
def test_any_text_becomes_short_lines_of_plain_ascii(text: str) -> None:
    lines = block({"Subject": encoded(text)}).decode("ascii").removesuffix("\r\n").split("\r\n")
    assert all(line.isprintable() and len(line) <= 76 for line in lines)
    assert all(line.startswith(" =?utf-8?b?") for line in lines[1:])


@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.com", "a\nb", "a\rb", "a\0b", "张三", "a\r\n\tb"])
def test_a_value_that_was_not_encoded_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Subject"):
        block({"Subject": value})


def test_a_sender_without_a_display_name_is_an_address_alone() -> None:
    assert mailbox(Address("", "thanks", "shanliu.example")) == "<thanks@shanliu.example>"
