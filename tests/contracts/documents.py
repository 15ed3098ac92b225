"""The published documents of the services, as this release makes them and as they are committed."""

import functools
import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from deploy.contracts import API, APPLICATIONS, rendered

SERVICES = tuple(APPLICATIONS)

Document = dict[str, Any]


@functools.cache
def made() -> dict[str, str]:
    """File name → text, made once for all tests."""
    return rendered()


def committed() -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in API.glob("*.json")}


def openapi(service: str) -> Document:
    document: Document = json.loads(made()[f"openapi.{service}.json"])
    return document


def resolved(document: Document, part: Document) -> Document:
    """What a reference points at; anything else as it is."""
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


def faults(document: Document, schema: Document, value: Any) -> Iterator[str]:
    """What of a value its schema does not take."""
    whole = {**schema, "components": document.get("components", {})}
    for error in Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(value):
        yield f"{'.'.join(map(str, error.absolute_path)) or 'all'}: {error.message[:200]}"
