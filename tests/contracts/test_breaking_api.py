"""What an API was released with stays; and the judge of it finds what breaks a caller."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.breaking_api import breaking_changes, released_form
from tests.contracts.documents import SERVICES, Document, openapi

RELEASED = Path(__file__).parent / "released_apis"
"""Each API as the last release had it. `python -m tests.contracts.release` writes them, at a release only."""

PLAN = "/v1/campaigns/{campaign_id}/plan"


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_of_the_released_api_was_broken(service: str) -> None:
    released = json.loads((RELEASED / f"{service}.json").read_text("utf-8"))
    assert breaking_changes(released, openapi(service)) == [], "make it beside what is there, as /v2"


def changed(change: Callable[[Document], object]) -> list[str]:
    document = openapi("campaign")
    released = released_form(document)
    current = copy.deepcopy(document)
    change(current)
    return breaking_changes(released, current)


def body(document: Document) -> Any:
    return document["components"]["schemas"]["PlanBody"]


BREAKING: dict[str, tuple[Callable[[Document], object], str]] = {
    "path removed": (lambda it: it["paths"].pop(PLAN), f"PUT {PLAN}: removed"),
    "request field removed": (
        lambda it: body(it)["properties"].pop("area"),
        f"PUT {PLAN} body.area: removed",
    ),
    "request field must be sent": (
        lambda it: body(it)["required"].append("area"),
        f"PUT {PLAN} body.area: must be sent now",
    ),
    "new required request field": (
        lambda it: (
            body(it)["properties"].update(city={"type": "string"}),
            body(it)["required"].append("city"),
        ),
        f"PUT {PLAN} body.city: must be sent now",
    ),
    "answer's field removed": (
        lambda it: it["components"]["schemas"]["Campaign"]["properties"].pop("state"),
        f"PUT {PLAN} 200.state: removed",
    ),
    "type changed": (
        lambda it: body(it)["properties"]["title"].update(type="integer"),
        f"PUT {PLAN} body.title: type was string, is integer",
    ),
    "new required parameter": (
        lambda it: it["paths"][PLAN]["put"]["parameters"].append(
            {"in": "query", "name": "why", "required": True, "schema": {"type": "string"}}
        ),
        f"PUT {PLAN} why: new and required",
    ),
}


@pytest.mark.parametrize(("change", "complaint"), BREAKING.values(), ids=BREAKING.keys())
def test_what_breaks_a_caller_is_found_and_named(
    change: Callable[[Document], object], complaint: str
) -> None:
    assert complaint in changed(change)


ALLOWED: dict[str, Callable[[Document], object]] = {
    "nothing": lambda _: None,
    "other words": lambda it: it["paths"][PLAN]["put"].update(summary="Write it anew"),
    "a new optional request field": lambda it: body(it)["properties"].update(city={"type": "string"}),
    "a new field of an answer": lambda it: it["components"]["schemas"]["Campaign"]["properties"].update(
        city={"type": "string"}
    ),
    "a new path": lambda it: it["paths"].update({"/v1/new": {"get": {"responses": {"200": {}}}}}),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_what_no_caller_notices_is_let_through(change: Callable[[Document], object]) -> None:
    assert changed(change) == []
