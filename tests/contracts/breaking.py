"""What of a change to an event's schema breaks somebody who reads it.

Two kinds of readers have to be served: releases older than the event (a rolling deployment, a partner) and
releases newer than it (the event topics keep everything). So a new field is optional, and anything else is
a new type beside the old one; only titles, descriptions and defaults are free.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Schema: TypeAlias = dict[str, Any]

_FREE: Final = {"$schema", "$id", "$defs", "title", "description", "default", "examples"}
_WALKED: Final = {"properties", "required", "items", "enum"}


def breaking_changes(released: Schema, current: Schema) -> list[str]:
    """Each change that breaks a reader, as "data.amount_fen: what happened". Empty: none does."""
    return list(_changes("", resolved_schema(released, released), resolved_schema(current, current)))


def resolved_schema(schema: Any, root: Schema) -> Any:
    """The schema with every reference replaced by what it points at, and without what is free."""
    if isinstance(schema, list):
        return [resolved_schema(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].rpartition("/")[2]]
        return resolved_schema({**target, **{key: schema[key] for key in schema if key != "$ref"}}, root)
    return {
        key: {name: resolved_schema(inner, root) for name, inner in value.items()}
        if key == "properties"
        else resolved_schema(value, root)
        for key, value in schema.items()
        if key not in _FREE
    }


def _changes(path: str, released: Schema, current: Schema) -> Iterator[str]:
    yield from _field_changes(path, released, current)
    yield from _enum_changes(path, released, current)
    if "items" in released and "items" in current:
        yield from _changes(f"{path}[]", released["items"], current["items"])
    for rule in sorted((released.keys() | current.keys()) - _WALKED):
        was, now = released.get(rule), current.get(rule)
        if was != now:
            yield f"{path or 'event'}: {rule} was {_shown(was)}, is {_shown(now)}"


def _field_changes(path: str, released: Schema, current: Schema) -> Iterator[str]:
    was, now = released.get("properties", {}), current.get("properties", {})
    always_was, always_is = set(released.get("required", ())), set(current.get("required", ()))
    for name in sorted(was.keys() | now.keys()):
        field = f"{path}.{name}".lstrip(".")
        if name not in now:
            yield f"{field}: removed"
        elif name not in was:
            if name in always_is:
                yield f"{field}: new and required, so older events don't have it"
        else:
            yield from _changes(field, was[name], now[name])
            if name in always_is - always_was:
                yield f"{field}: became required, but older events may lack it"
            if name in always_was - always_is:
                yield f"{field}: became optional, but older readers count on it"


def _enum_changes(path: str, released: Schema, current: Schema) -> Iterator[str]:
    was, now = released.get("enum"), current.get("enum")
    if was is None and now is None:
        return
    if was is None or now is None:
        yield f"{path}: enum was {_shown(was)}, is {_shown(now)}"
        return
    if gone := [value for value in was if value not in now]:
        yield f"{path}: no longer takes {_shown(gone)}, which older events have"
    if new := [value for value in now if value not in was]:
        yield f"{path}: takes {_shown(new)}, which older readers refuse"


def _shown(value: Any) -> str:
    return "not there" if value is None else f"{value}"
