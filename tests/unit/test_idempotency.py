"""Idempotency-Key: what is accepted, and what makes two requests the same."""

import pytest

from shared.idempotency import (
    KeyMissing,
    KeyReused,
    KeyUnusable,
    request_hash,
    require_key,
    require_same_request,
)

SAME = ("POST", "/v1/campaigns", None, b'{"a": 1, "b": [1, 2]}')


@pytest.mark.parametrize("key", ["a", "0c9f7f9e-4b0e-4f0c-8d1e-0d6f5d7f6a11", "~" * 128])
def test_a_key_is_visible_ascii(key: str) -> None:
    assert require_key(key) == key


@pytest.mark.parametrize("key", ["", " ", "two words", "x" * 129, "钥匙", "a\n"])
def test_any_other_key_is_refused(key: str) -> None:
    with pytest.raises(KeyUnusable):
        require_key(key)


def test_a_key_is_required() -> None:
    with pytest.raises(KeyMissing):
        require_key(None)


@pytest.mark.parametrize("body", [SAME[3], b'{"b":[1,2],"a":1}', b' {"a":1,\n"b":[1, 2]} '])
def test_the_same_request_may_be_written_in_another_way(body: bytes) -> None:
    require_same_request(request_hash(*SAME), request_hash(*SAME[:3], body))


@pytest.mark.parametrize(
    "other",
    [
        ("PUT", *SAME[1:]),
        ("POST", "/v1/campaign", None, SAME[3]),
        ("POST", "/v1/campaigns", '"1"', SAME[3]),
        ("POST", "/v1/campaigns", None, b""),
        ("POST", "/v1/campaigns", None, b'{"a": 1, "b": [2, 1]}'),
        ("POST", "/v1/campaigns", None, b'{"a": 1.0, "b": [1, 2]}'),
        ("POST/v1", "/campaigns", None, SAME[3]),
    ],
)
def test_any_other_request_under_the_key_is_refused(other: tuple[str, str, str | None, bytes]) -> None:
    with pytest.raises(KeyReused):
        require_same_request(request_hash(*SAME), request_hash(*other))
