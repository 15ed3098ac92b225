"""Whoever sends what a pattern refuses is told in words, with an example, what it asks for."""

import re
from collections.abc import Iterator
from typing import Any, Final

from shared.forms import words_of
from tests.contracts.documents import SERVICES, Document, openapi, resolved

TOLD_OTHERWISE: Final = {
    r'^("\d{1,18}"|\*)$': "If-Match, shared/versions.py",
    r"^[!-~]{1,128}$": "Idempotency-Key, shared/idempotency.py",
    r"^(?:(?:\+|00)?86)?1[3-9][0-9]{9}$": "a phone, services/donation/intake.py",
}
SAID: Final = {"intake", "channels", "statements", "desk", "reconciliation"}


def patterns(document: Document, node: Any, met: set[str]) -> Iterator[str]:
    """Those of a part of a document and of what it refers to."""
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in met:
            met.add(reference)
            yield from patterns(document, resolved(document, node), met)
        for each in node.values():
            yield from patterns(document, each, met)
    elif isinstance(node, list):
        for each in node:
            yield from patterns(document, each, met)


def test_every_pattern_that_a_channel_or_its_operators_meet_is_said_in_words() -> None:
    document = openapi("donation")
    operations = [
        operation
        for operations in document["paths"].values()
        for operation in operations.values()
        if set(operation["tags"]) & SAID
    ]
    assert len(operations) > 30
    asked = [[each.get("parameters", []), each.get("requestBody", {})] for each in operations]
    unsaid = {
        each for each in patterns(document, asked, set()) if not words_of(each) and each not in TOLD_OTHERWISE
    }
    assert unsaid == set(), "declare what they ask for with shared/forms.py"


def test_an_example_has_the_form_it_is_the_example_of() -> None:
    said = 0
    for service in SERVICES:
        document = openapi(service)
        for pattern in set(patterns(document, document, set())):
            words = words_of(pattern) or ""
            found = re.search(r"such as (\S+?):?(?:$| )", words)
            if found:
                said += 1
                assert re.fullmatch(pattern.strip("^$"), found[1]), words
    assert said > 10
