"""ETag and If-Match: a command says which version it was decided on, so that no change is lost (RFC 9110)."""

import re
from typing import Final

from shared.refusals import Refused

_TAG: Final = re.compile(r'"(\d{1,18})"')


class VersionUnusable(Refused):
    """An If-Match that is not an ETag of this service."""

    code = "if-match-unusable"
    title = "The If-Match header can't be used"
    status = 400


class VersionRequired(Refused):
    """A change that must say which version it replaces."""

    code = "if-match-missing"
    title = "The If-Match header is missing"
    status = 428


class VersionChanged(Refused):
    """Somebody else changed it in between."""

    code = "version-changed"
    title = "It was changed by somebody else"
    status = 412


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Whether a client's If-None-Match names this ETag (weak comparison, RFC 9110 section 13.1.2)."""
    named = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in named or "*" in named


def require_if_match(if_match: str | None) -> str:
    """Give back the If-Match. Raises VersionRequired when there is none."""
    if if_match is None:
        raise VersionRequired("Read it first, and send its ETag as If-Match.", fields=["If-Match"])
    return if_match


def expected_version(if_match: str | None) -> int | None:
    """The version an If-Match names; None when there is none, or "*". Raises VersionUnusable."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _TAG.fullmatch(if_match.strip())
    if match is None:
        raise VersionUnusable('Send the ETag of the last answer, such as "3", or *.', fields=["If-Match"])
    return int(match[1])


def require_version(current: int, expected: int | None) -> None:
    """Raise VersionChanged unless the caller expects no version, or the current one."""
    if expected is not None and expected != current:
        raise VersionChanged(
            f"You know version {expected}, it is at {current}. Read it again, then decide again.",
            version=current,
            fields=["If-Match"],
        )
