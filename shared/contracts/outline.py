"""A schema as rows for a table: each field with its depth, its type in words, its rules and what it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.contracts.examples import REFERENCE

MAX_DEPTH: Final = 4
"""Objects in each other that are shown; what lies deeper is named by its type."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    depth: int
    name: str
    kind: str
    required: bool
    about: str


_BOUNDS: Final = (
    ("minimum", "at least {}"),
    ("maximum", "at most {}"),
    ("exclusiveMinimum", "more than {}"),
    ("exclusiveMaximum", "less than {}"),
    ("minLength", "{} characters or more"),
    ("maxLength", "{} characters at most"),
    ("minItems", "{} entries or more"),
    ("maxItems", "{} entries at most"),
    ("pattern", "form {}"),
)


def rows_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[Row]:
    """The rows of a schema. A list's rows are those of its entries."""
    return list(_rows(schema, schemas, 0))


def _rows(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Iterator[Row]:
    target = _target(schema, schemas)
    if depth >= MAX_DEPTH:
        return
    must = target.get("required", ())
    for name, field in target.get("properties", {}).items():
        rules = [said.format(_core(field)[rule]) for rule, said in _BOUNDS if rule in _core(field)]
        about = field.get("description") or _target(field, schemas).get("description", "") or ""
        said = " · ".join(filter(None, [" ".join(str(about).split()), ", ".join(rules)]))
        yield Row(depth, name, kind_of(field, schemas), name in must, said)
        yield from _rows(field, schemas, depth + 1)


def _target(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object that a field holds, through references, lists and what may be null."""
    while True:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].removeprefix(REFERENCE)]
        elif "items" in schema:
            schema = schema["items"]
        elif (core := _core(schema)) is not schema:
            schema = core
        else:
            return schema


def _core(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What may be there, of what may be null."""
    choices = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def kind_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """A type in words, such as "text (date)", "list of PledgedGoods" or "amount or null"."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        target = schemas[name]
        return kind_of(target, schemas) if "enum" in target else name
    types = schema.get("type")
    several = [{**schema, "type": each} for each in types] if isinstance(types, list) else None
    if choices := schema.get("anyOf") or schema.get("oneOf") or several:
        return " or ".join(dict.fromkeys(kind_of(each, schemas) for each in choices))
    if "const" in schema:
        return f"“{schema['const']}”"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}), schemas)}"
    named = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "object"}
    kind = named.get(schema.get("type", ""), schema.get("type", "any"))
    return f"{kind} ({schema['format']})" if "format" in schema else kind
