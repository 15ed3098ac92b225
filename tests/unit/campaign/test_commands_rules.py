"""Idempotency-Key and If-Match: what is accepted, and what makes two requests the same."""

import pytest

from services.campaign.idempotency import (
    KeyMissing,
    KeyReused,
    KeyUnusable,
    request_hash,
    require_key,
    require_same_request,
)
from services.campaign.identifiers import new_id
from services.campaign.versions import (
    VersionChanged,
    VersionRequired,
    VersionUnusable,
    etag,
    expected_version,
    require_if_match,
    require_version,
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


@pytest.mark.parametrize(
    ("if_match", "version"), [(None, None), ("*", None), ('"3"', 3), (' "12" ', 12), (etag(7), 7)]
)
def test_if_match_names_a_version(if_match: str | None, version: int | None) -> None:
    assert expected_version(if_match) == version


@pytest.mark.parametrize("if_match", ["3", "", 'W/"3"', '"3", "4"', '"-1"', '"9999999999999999999"'])
def test_an_if_match_that_is_no_version_is_refused(if_match: str) -> None:
    with pytest.raises(VersionUnusable):
        expected_version(if_match)


def test_a_command_on_an_older_version_is_refused() -> None:
    require_version(3, 3)
    require_version(3, None)
    with pytest.raises(VersionChanged) as refused:
        require_version(4, 3)
    assert refused.value.facts == {"version": 4}


def test_a_plan_is_not_rewritten_unseen() -> None:
    with pytest.raises(VersionRequired):
        require_if_match(None)


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert {each.version for each in ids} == {7}
    milliseconds = [each.int >> 80 for each in ids]
    assert milliseconds == sorted(milliseconds)
