"""Addresses are kept as keyed hashes, and only a link of ours ends messages."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.addressees import Addressees
from services.notification.couriers.ways import Way

OURS = Addressees(b"k" * 32)
HASH = OURS.hash_of(Way.MAIL, "zhang@example.com")


def test_an_address_has_one_hash_by_its_way_and_key() -> None:
    assert OURS.hash_of(Way.MAIL, "Zhang@Example.com") == HASH
    others = [
        OURS.hash_of(Way.SMS, "zhang@example.com"),
        OURS.hash_of(Way.MAIL, "zhang2@example.com"),
        Addressees(b"x" * 32).hash_of(Way.MAIL, "zhang@example.com"),
        OURS.hash_of(Way.WECHAT, "oABC"),
        OURS.hash_of(Way.WECHAT, "oabc"),
    ]
    assert len({HASH, *others}) == 6


def test_a_link_stands_for_its_address() -> None:
    token = OURS.token_of(HASH)
    assert OURS.read_token(token) == HASH
    assert "zhang" not in token


def test_a_link_of_another_key_ends_nothing() -> None:
    assert OURS.read_token(Addressees(b"x" * 32).token_of(HASH)) is None


@given(st.integers(0, 26), st.integers(1, 255))
def test_a_changed_link_ends_nothing(place: int, change: int) -> None:
    said = bytearray(base64.urlsafe_b64decode(OURS.token_of(HASH)))
    said[place] ^= change
    assert OURS.read_token(base64.urlsafe_b64encode(bytes(said)).decode()) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 36, "中" * 36, "=" * 36])
def test_what_is_no_link_ends_nothing(token: str) -> None:
    assert OURS.read_token(token) is None


def test_the_key_does_not_show() -> None:
    assert "kkkk" not in repr(OURS)
