"""ETag and If-Match: which version a command was decided on."""

import pytest

from shared.versions import (
    VersionChanged,
    VersionRequired,
    VersionUnusable,
    etag,
    expected_version,
    require_if_match,
    require_version,
)


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
