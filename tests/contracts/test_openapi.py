"""What the services say of their APIs: published as made, valid, complete, and kept to what was released."""

import json
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest

from shared.access import Role
from shared.contracts.openapi import OWN_ANSWERS, operations
from shared.contracts.reading import render
from shared.problems import MEDIA_TYPE
from tests.contracts.documents import SERVICES, Document, committed, faults, made, openapi, resolved

each_service = pytest.mark.parametrize("service", SERVICES)


def test_the_committed_documents_are_those_of_the_services() -> None:
    assert committed().keys() == made().keys(), "run `make contracts`, and commit docs/api/"
    stale = [name for name, text in made().items() if committed()[name] != text]
    assert stale == [], "an API or an event has changed: run `make contracts`, look at the diff, commit it"


@each_service
def test_a_document_is_valid_by_the_specification(service: str) -> None:
    validator = pytest.importorskip(
        "openapi_spec_validator", reason="not installed: pip install --require-hashes -r requirements/dev.txt"
    )
    validator.validate(openapi(service), cls=validator.OpenAPIV31SpecValidator)


@each_service
def test_a_document_says_who_speaks_and_under_which_licence(service: str) -> None:
    document = openapi(service)
    assert document["openapi"].startswith("3.1")
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["info"]["contact"]["name"]
    assert document["info"]["description"]
    assert [server["url"] for server in document["servers"]] == ["/"], "relative: it is read where it is"
    assert len(document["x-problem-types"]) > 5


@each_service
def test_the_page_of_a_service_shows_every_route(service: str) -> None:
    document = openapi(service)
    page = render(document, {"components": {"schemas": {}}, "channels": {}, "operations": {}})
    assert [name for name, _ in operations(document) if name.partition(" ")[2] not in page] == []


def test_code_in_a_parameter_s_words_is_shown_as_code() -> None:
    page = render(openapi("donation"), {"components": {"schemas": {}}, "channels": {}, "operations": {}})
    assert "The <code>next</code> of the part before" in page


@each_service
def test_every_route_is_described(service: str) -> None:
    document = openapi(service)
    described = {tag["name"] for tag in document["tags"] if len(tag["description"]) > 20}
    lacking = [
        f"{name}: {what}"
        for name, operation in operations(document)
        for what, there in (
            ("a summary=", operation.get("summary")),
            ("a docstring", operation.get("description")),
            ("a tag that is described", operation.get("tags") and set(operation["tags"]) <= described),
        )
        if not there
    ]
    assert lacking == []
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def contents(document: Document, operation: Document) -> Iterator[tuple[str, Document]]:
    """Every body of an operation, asked or answered, with its place."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"body {media_type}", content
    for status, answer in operation["responses"].items():
        for media_type, content in resolved(document, answer).get("content", {}).items():
            yield f"{status} {media_type}", content


NOT_READY = ("GET /readyz", "503")
"""What its keeper asks: it has one form, ready or not."""


def examples_of(content: Document) -> list[Any]:
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    return [content["example"]] if "example" in content else []


@each_service
def test_everything_has_an_example_that_its_schema_takes(service: str) -> None:
    document = openapi(service)
    wrong: list[str] = []
    for name, operation in operations(document):
        for place, content in contents(document, operation):
            shown = examples_of(content)
            if not shown:
                wrong.append(f"{name} {place}: no example")
            for each in shown:
                wrong += [f"{name} {place}: {fault}" for fault in faults(document, content["schema"], each)]
        for parameter in operation.get("parameters", ()):
            for fault in faults(document, parameter["schema"], parameter["example"]):
                wrong.append(f"{name} {parameter['name']}: {fault}")
    assert wrong == [], "give the field an example of its own: Field(examples=[…])"


@each_service
def test_every_route_says_what_it_refuses(service: str) -> None:
    document = openapi(service)
    wrong: list[str] = []
    for name, operation in operations(document):
        if operation.get(OWN_ANSWERS):
            continue
        wanted = {"default"}
        if "/v1/" in name:
            wanted.add("503")
        if any("operator" in each for each in operation.get("security", ())):
            wanted |= {"401", "403"}
        if "requestBody" in operation:
            wanted |= {"413", "415", "422"}
        wrong += [f"{name}: {status} is missing" for status in sorted(wanted - operation["responses"].keys())]
        for status, answer in operation["responses"].items():
            if (status == "default" or int(status) >= 400) and (name, status) != NOT_READY:
                wrong += not_a_problem(document, f"{name} {status}", resolved(document, answer))
    assert wrong == []


def not_a_problem(document: Document, where: str, answer: Document) -> Iterator[str]:
    if set(answer["content"]) != {MEDIA_TYPE}:
        yield f"{where}: answers {sorted(answer['content'])}"
        return
    content = answer["content"][MEDIA_TYPE]
    if content["schema"] != {"$ref": "#/components/schemas/ProblemDetails"} or not examples_of(content):
        yield f"{where}: is no problem document with an example"
    for example in examples_of(content):
        if "default" not in where and str(example["status"]) != where.rpartition(" ")[2]:
            yield f"{where}: its example says {example['status']}"


READS: Final = {"GET", "HEAD"}
ANYBODY: Final = {
    "POST /unsubscribe/{token}": "the token in the letter is the right",
    "POST /v1/sms-replies/{provider}/{secret}": "the secret in the address is the right",
    "POST /v1/sms-reports/{provider}/{secret}": "the secret in the address is the right",
    "POST /v1/channels/{channel}/alipay": "the notice is signed by the platform",
    "POST /v1/channels/{channel}/unionpay": "the notice is signed by the platform",
    "POST /v1/channels/{channel}/wechatpay": "the notice is signed by the platform",
}
"""What changes something without a role or a channel's signature, and why it may."""

CHANNEL: Final = ("donations", "donations/batch", "reversals")
VIEWER: Final = {"notification POST /v1/templates/preview"}
"""It makes a text and keeps nothing."""
MODERATOR: Final = {
    "donation POST /v1/messages/decisions",
    "donation PUT /v1/messages/rules/{campaign_id}",
    "donation PUT /v1/messages/words",
}
SECOND: Final = {
    "approve", "book", "carry-out", "close", "confirm", "publish", "refuse", "reject", "withdraw"
}  # fmt: skip
"""The last word of what an approver may do: the second person's yes or no, never the first's wish."""


def writes() -> Iterator[tuple[str, str, Document]]:
    """Every operation of all services that may change something."""
    for service in SERVICES:
        for name, operation in operations(openapi(service)):
            if name.partition(" ")[0] not in READS:
                yield service, name, operation


def asked_roles(operation: Document) -> set[str]:
    return {role for each in operation.get("security", ()) for role in each.get("operator", ())}


def written_by(role: str) -> set[str]:
    return {f"{service} {name}" for service, name, operation in writes() if role in asked_roles(operation)}


def test_whatever_changes_something_asks_for_a_right() -> None:
    unasked = {name for _, name, operation in writes() if not operation.get("security")}
    assert unasked == set(ANYBODY)
    signed = {name for _, name, operation in writes() if {"channel": []} in operation.get("security", ())}
    assert signed == {f"POST /v1/channels/{{channel}}/{each}" for each in CHANNEL}
    assert {role for *_, operation in writes() for role in asked_roles(operation)} == set(get_args(Role))


def test_each_role_changes_only_what_is_its_own() -> None:
    assert written_by("viewer") == VIEWER
    assert written_by("moderator") == MODERATOR
    second = written_by("approver")
    assert {name.rpartition("/")[2] for name in second} <= SECOND
    wishes = {
        name
        for name in written_by("desk") | written_by("finance")
        if name.rpartition("/")[2] in {"approve", "carry-out", "publish"}
    }
    assert wishes == set(), "who asks has no right to approve as well"


@each_service
def test_operators_routes_say_which_roles_they_ask_for(service: str) -> None:
    document = openapi(service)
    for name, operation in operations(document):
        for each in operation.get("security", ()):
            assert each.get("operator", ["-"]), f"{name}: any of which roles?"
    assert set(document["components"].get("securitySchemes", {})) <= {"operator", "channel", "session"}


def test_the_text_of_a_document_is_the_same_each_time() -> None:
    assert json.loads(made()["openapi.notification.json"]) == openapi("notification")
