"""Whoever sends what a pattern refuses is told in words, with an example, what it asks for."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from shared.forms import words_of
from tests.contracts.documents import SERVICES, openapi

TOLD_OTHERWISE: Final = {
    r'^("\d{1,18}"|\*)$': "If-Match, shared/versions.py",
    r"^[!-~]{1,128}$": "Idempotency-Key, shared/idempotency.py",
    r"^(?:(?:\+|00)?86)?1[3-9][0-9]{9}$": "a phone, services/donation/intake.py",
    r"^urn:shanliu:problem:[a-z0-9-]+$": "of answers only",
}


def patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for each in node.values():
            yield from patterns(each)
    elif isinstance(node, list):
        for each in node:
            yield from patterns(each)


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_a_request_is_said_in_words(service: str) -> None:
    asked = set(patterns(openapi(service))) - TOLD_OTHERWISE.keys()
    decimals = {each for each in asked if each.startswith("^(?!")}  # pydantic's own, with words of their own
    assert [each for each in asked - decimals if not words_of(each)] == []


def test_an_example_has_the_form_it_is_the_example_of() -> None:
    said = 0
    for service in SERVICES:
        for pattern in set(patterns(openapi(service))):
            words = words_of(pattern) or ""
            found = re.search(r"such as (\S+?):?(?:$| )", words)
            if found:
                said += 1
                assert re.fullmatch(pattern.strip("^$"), found[1]), words
    assert said > 10
