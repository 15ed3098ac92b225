"""Which addresses a webhook may go to: the table of what is refused, and what hides in what."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.partners.networks import (
    ADDRESSES_MAX,
    BadUrl,
    ForbiddenAddress,
    admitted,
    checked_url,
    is_public,
)

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2400:3200::1",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
FORBIDDEN = [
    "0.0.0.0",  # noqa: S104 - an address in a table
    "0.255.255.255",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_called(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", FORBIDDEN)
def test_what_only_this_machine_can_reach_may_not(address: str) -> None:
    assert not is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_another_is_judged_by_what_is_in_it(inner: object) -> None:
    number = int(ip_address(str(inner)))
    public = is_public(ip_address(str(inner)))
    for wrapped in (
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80) | 1,
    ):
        assert is_public(ip_address(wrapped.to_bytes(16, "big"))) == public


@given(st.ip_addresses(v=4))
def test_nothing_is_called_that_the_library_calls_private(address: object) -> None:
    found = ip_address(str(address))
    if is_public(found):
        inside = (found.is_private, found.is_loopback, found.is_link_local, found.is_multicast)
        assert not any((*inside, found.is_reserved, found.is_unspecified))


def test_a_name_with_one_forbidden_address_is_refused_whole() -> None:
    assert admitted(["8.8.8.8", "1.1.1.1", "8.8.8.8"], private_allowed=False) == ["8.8.8.8", "1.1.1.1"]
    with pytest.raises(ForbiddenAddress):
        admitted(["8.8.8.8", "10.0.0.1"], private_allowed=False)
    with pytest.raises(ForbiddenAddress):
        admitted([], private_allowed=True)
    assert admitted(["127.0.0.1"], private_allowed=True) == ["127.0.0.1"]
    many = [f"8.8.8.{number}" for number in range(10)]
    assert len(admitted(many, private_allowed=False)) == ADDRESSES_MAX


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/",
        "https://hooks.example.org:8443/a/b?c=d",
        "https://8.8.8.8/x",
        "https://[2606:4700:4700::1111]/x",
        "https://xn--fiqs8s.example.org",
    ],
)
def test_a_url_that_can_be_called(url: str) -> None:
    checked_url(url, http_allowed=False, private_allowed=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user@hooks.example.org/",
        "https://:secret@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:70000/",
        "https://hooks.example.org:x/",
        "https://localhost/",
        "https://intranet/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/\r\nx: y",
        "https://hooks.example.org\\@evil.example.org/",
        "https://推送.example.org/",
        "https://hooks.example.org/" + "x" * 2_000,
    ],
)
def test_a_url_that_can_not(url: str) -> None:
    with pytest.raises(BadUrl):
        checked_url(url, http_allowed=False, private_allowed=False)


def test_a_setting_opens_http_and_this_machine_for_a_test() -> None:
    checked_url("http://127.0.0.1:8000/x", http_allowed=True, private_allowed=True)
    checked_url("http://localhost/x", http_allowed=True, private_allowed=True)
    with pytest.raises(BadUrl):
        checked_url("http://127.0.0.1:8000/x", http_allowed=True, private_allowed=False)
    with pytest.raises(BadUrl):
        checked_url("http://127.0.0.1:8000/x", http_allowed=False, private_allowed=True)
