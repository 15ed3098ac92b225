"""What of a change to an API breaks somebody who calls it.

Releases are compared: a path, an operation or a field of an answer that went, a parameter or a field of a
request that became required, a new one that is required, and a value that is no longer taken.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from shared.contracts.openapi import operations
from tests.contracts.documents import resolved

Document: TypeAlias = dict[str, Any]

FREE = {"description", "title", "example", "examples", "summary", "operationId", "tags", "security"}


def bare(part: Any, *, named: bool = False) -> Any:
    """A document without words: what is compared, and kept of a release. `named`: the keys are fields."""
    if isinstance(part, list):
        return [bare(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        key: bare(value, named=key in ("properties", "schemas"))
        for key, value in part.items()
        if named or key not in FREE
    }


def released_form(document: Document) -> Document:
    """What is kept of a released document."""
    paths = {
        path: {
            method: {
                "parameters": operation.get("parameters", []),
                "requestBody": operation.get("requestBody", {}),
                "responses": {
                    status: answer for status, answer in operation["responses"].items() if status[0] == "2"
                },
            }
            for method, operation in item.items()
        }
        for path, item in document["paths"].items()
    }
    return {
        "paths": bare(paths, named=True),
        "components": {"schemas": bare(document["components"]["schemas"], named=True)},
    }


def write_release(document: Document, path: Path) -> None:
    """Keep a document as released: one line for each path and each schema, so that a diff is readable."""
    form = released_form(document)
    lines = {
        kind: ",\n".join(
            f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
            for name, value in sorted(part.items())
        )
        for kind, part in (("paths", form["paths"]), ("schemas", form["components"]["schemas"]))
    }
    path.write_text(
        f'{{"paths": {{\n{lines["paths"]}\n}}, "components": {{"schemas": {{\n{lines["schemas"]}\n}}}}}}\n',
        "utf-8",
    )


def breaking_changes(released: Document, current: Document) -> list[str]:
    """Each change that breaks a caller, as "POST /v1/…: what happened". Empty: none does."""
    return list(_changes(released, released_form(current)))


def _changes(released: Document, current: Document) -> Iterator[str]:
    now = dict(operations(current))
    for name, was in operations(released):
        if name not in now:
            yield f"{name}: removed"
            continue
        yield from _parameters(name, was, now[name])
        for media_type, content in was["requestBody"].get("content", {}).items():
            taken = now[name]["requestBody"].get("content", {})
            if media_type not in taken:
                yield f"{name} body: no longer takes {media_type}"
            else:
                pair = (content.get("schema", {}), taken[media_type].get("schema", {}))
                yield from _Walk(released, current, asked=True).changes(f"{name} body", *pair, ())
        if not was["requestBody"].get("required") and now[name]["requestBody"].get("required"):
            yield f"{name} body: became required"
        yield from _answers(name, was, now[name], released, current)


def _answers(name: str, was: Document, now: Document, released: Document, current: Document) -> Iterator[str]:
    for status, answer in was["responses"].items():
        if status not in now["responses"]:
            yield f"{name} {status}: removed"
            continue
        for media_type, content in answer.get("content", {}).items():
            given = now["responses"][status].get("content", {})
            if media_type not in given:
                yield f"{name} {status}: no longer gives {media_type}"
                continue
            pair = (content.get("schema", {}), given[media_type].get("schema", {}))
            yield from _Walk(released, current, asked=False).changes(f"{name} {status}", *pair, ())


def _parameters(name: str, was: Document, now: Document) -> Iterator[str]:
    before = {(each["in"], each["name"].lower()): each for each in was["parameters"]}
    after = {(each["in"], each["name"].lower()): each for each in now["parameters"]}
    for key in before.keys() - after.keys():
        yield f"{name} {key[1]}: no longer taken"
    for key, each in after.items():
        if each.get("required") and not before.get(key, {}).get("required"):
            yield f"{name} {key[1]}: {'became required' if key in before else 'new and required'}"


class _Walk:
    """Compares two schemas of two documents, through their references."""

    def __init__(self, released: Document, current: Document, *, asked: bool) -> None:
        self._released = released
        self._current = current
        self._asked = asked

    def changes(self, place: str, was: Document, now: Document, seen: tuple[str, ...]) -> Iterator[str]:
        """The breaking changes of a schema; what is in itself is looked at once."""
        reference = was.get("$ref", "")
        if reference and reference in seen:
            return
        was, now = resolved(self._released, was), resolved(self._current, now)
        seen = (*seen, reference)
        if was.get("type") != now.get("type"):
            yield f"{place}: type was {was.get('type')}, is {now.get('type')}"
            return
        fields, there = was.get("properties", {}), now.get("properties", {})
        for name in sorted(fields.keys() - there.keys()):
            yield f"{place}.{name}: removed"
        for name in sorted(fields.keys() & there.keys()):
            yield from self.changes(f"{place}.{name}", fields[name], there[name], seen)
        must, is_must = set(was.get("required", ())), set(now.get("required", ()))
        wrong = is_must - must if self._asked else must - is_must
        for name in sorted(wrong & (there.keys() if self._asked else fields.keys() & there.keys())):
            yield f"{place}.{name}: {'must be sent now' if self._asked else 'is not always there any more'}"
        if self._asked and (
            gone := [each for each in was.get("enum", ()) if each not in now.get("enum", [each])]
        ):
            yield f"{place}: no longer takes {gone}"
        if "items" in was and "items" in now:
            yield from self.changes(f"{place}[]", was["items"], now["items"], seen)
        for choice in ("anyOf", "oneOf"):
            for number, (one, other) in enumerate(
                zip(was.get(choice, ()), now.get(choice, ()), strict=False)
            ):
                yield from self.changes(f"{place}|{number}" if number else place, one, other, seen)
