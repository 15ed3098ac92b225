"""Which addresses can be written to, and what of one an operator sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.addresses import ADDRESS_MAX, BadAddress, deliverable, masked


@pytest.mark.parametrize(
    ("address", "as_sent"),
    [
        ("zhang@example.com", "zhang@example.com"),
        (" zhang@example.com ", "zhang@example.com"),
        ("Zhang.San+gala@Example.COM", "Zhang.San+gala@example.com"),
        ("o'neill_1@mail.example.cn", "o'neill_1@mail.example.cn"),
        ("zhang@例子.测试", "zhang@xn--fsqu00a.xn--0zwm56d"),
    ],
)
def test_a_good_address_is_written_as_smtp_takes_it(address: str, as_sent: str) -> None:
    assert deliverable(address) == as_sent


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "zhang",
        "zhang@",
        "@example.com",
        "zhang@example",
        "zhang@@example.com",
        "zhang@example.com, li@example.com",
        "zhang@example.com\r\nRCPT TO:<li@example.com>",
        "zhang\r\nBcc: li@example.com@example.com",
        "zhang@example.com>",
        "<zhang@example.com>",
        "zhang san@example.com",
        '"zhang san"@example.com',
        ".zhang@example.com",
        "zhang..san@example.com",
        "zhang@[127.0.0.1]",
        "zhang@-example.com",
        "zhang@example..com",
        "zhang@exa_mple.com",
        "张三@example.com",
        "zhang\0@example.com",
        f"{'a' * 65}@example.com",
        f"zhang@{'a' * 64}.com",
        f"zhang@{'.'.join(['a' * 60] * 5)}.com",
    ],
)
def test_a_bad_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(BadAddress) as refused:
        deliverable(address)
    assert len(address) < 2 or address not in str(refused.value)


def test_an_address_without_an_at_sign_is_told_so() -> None:
    with pytest.raises(BadAddress, match="has no @"):
        deliverable("zhang")


@given(st.text() | st.from_regex(r"\A[^@\s]{1,70}@[^@\s]{1,70}\Z"))
def test_whatever_is_let_through_is_one_line_of_printable_ascii(address: str) -> None:
    try:
        as_sent = deliverable(address)
    except BadAddress:
        return
    assert as_sent.isascii()
    assert as_sent.isprintable()
    assert as_sent.count("@") == 1
    assert not set(as_sent) & set(' <>,;:"()[]\\')
    assert len(as_sent) <= ADDRESS_MAX


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("zhang@example.com", "z***@e***.com"),
        ("a@b.cn", "a***@b***.cn"),
        ("zhang@mail.example.cn", "z***@m***.cn"),
        ("no address", "***"),
        ("+8613812345678", "+86138****5678"),
        ("o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "o6***"),
        ("zhang@example", "***"),
        ("", "***"),
    ],
)
def test_operators_see_a_mask(address: str, shown: str) -> None:
    assert masked(address) == shown
