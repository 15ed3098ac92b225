"""A service's OpenAPI document, completed by rules, so that a new route is described by being there.

FastAPI says what a route takes and gives. What every route here has in common is added from what FastAPI has
said, never by hand on a route: who is let in answers 401 and 403, a body 400, 413, 415 and 422, an
Idempotency-Key 400, 409 and 422, an If-Match 412 and 428, an id in the path 404, and a part that is away 503.
The refusals of a service's rules (shared/refusals.py) are found where they are defined: a route names those
of its own package. What a route answers besides, it says itself: `responses=problems.answers(…)`.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from fastapi.routing import APIRoute

from shared.contracts.examples import example_of
from shared.problems import MEDIA_TYPE, Problem
from shared.refusals import Refused

Document: TypeAlias = dict[str, Any]
Operation: TypeAlias = dict[str, Any]

JSON: Final = "application/json"
LICENCE: Final = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
CONTACT: Final = {"name": "Shanliu (善流)"}
SERVERS: Final = [{"url": "/", "description": "Where this document was read from"}]
METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})
OWN_ANSWERS: Final = "x-own-answers"
"""On an operation whose answers are another's protocol, such as a payment company's: nothing is added."""
_PROBLEM: Final = {"$ref": "#/components/schemas/ProblemDetails"}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "Seconds until it is worth a try", "schema": {"type": "integer"}}
}
_HEADERS: Final[Mapping[int, Any]] = {
    401: {"WWW-Authenticate": {"description": "Bearer", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_ETAG: Final = {
    "ETag": {"description": "Its version, to be sent back as If-Match", "schema": {"type": "string"}}
}

ANSWERS: Final[Mapping[str, Problem]] = {
    "signed-in": Problem(401, "not-signed-in", "Send Authorization: Bearer <an operator's token>."),
    "role": Problem(403, "role-missing", "This needs one of the roles: desk."),
    "json": Problem(400, "malformed-json", "The body is not the JSON it should be."),
    "key": Problem(
        400,
        "idempotency-key-missing",
        "Send a new random key, such as a UUID, with each new command; the same one to repeat it.",
        title="The Idempotency-Key header is missing",
        errors=[{"field": "Idempotency-Key", "message": "Send a new random key."}],
    ),
    "tag": Problem(
        400,
        "if-match-unusable",
        'Send the ETag of the last answer, such as "3", or *.',
        title="The If-Match header can't be used",
        errors=[{"field": "If-Match", "message": "Send the ETag of the last answer."}],
    ),
    "size": Problem(413, "body-too-large", "Send at most 65536 bytes."),
    "media": Problem(415, "unsupported-media-type", "Send Content-Type: application/json."),
    "field": Problem(
        422,
        "invalid-field",
        "amount_fen: must be at least 1",
        errors=[{"field": "amount_fen", "message": "must be at least 1"}],
    ),
    "reused": Problem(
        422,
        "idempotency-key-reused",
        "This key was used for another request. Send a new key with a new command.",
        title="The Idempotency-Key belongs to another request",
        errors=[{"field": "Idempotency-Key", "message": "It was used for another request."}],
    ),
    "changed": Problem(
        412,
        "version-changed",
        "You know version 2, it is at 3. Read it again, then decide again.",
        title="It was changed by somebody else",
        version=3,
        errors=[{"field": "If-Match", "message": "You know version 2, it is at 3."}],
    ),
    "required": Problem(
        428,
        "if-match-missing",
        "Read it first, and send its ETag as If-Match.",
        title="The If-Match header is missing",
        errors=[{"field": "If-Match", "message": "Read it first."}],
    ),
    "found": Problem(404, "not-found", "There is nothing of this id."),
    "away": Problem(
        503, "unavailable", "A part this needs does not answer at the moment. Send the same request again."
    ),
    "mistake": Problem(
        500,
        "internal-error",
        "A mistake of ours, now in our log. The same request may be sent again: nothing is done twice.",
    ),
}
"""What is answered by what every service shares."""

VAGUE: Final = frozenset({"not-found", "refused"})
"""What stands for a status only where nothing better is known."""
_SHARED: Final = VAGUE | {each.code for each in ANSWERS.values()}

_MEANING: Final[Mapping[int, str]] = {
    400: "The request can't be read: its body is no JSON, or a header is missing or can't be used",
    401: "Not signed in: no token, or none that is known",
    403: "Signed in, but without the role it needs, here or everywhere",
    404: "There is no such thing",
    408: "The body did not come in time",
    409: "A rule says no as things stand; nothing was changed",
    412: "It was changed by somebody else since it was read",
    413: "The body is too large",
    415: "The body is not of a media type that is taken here",
    422: "A field is wrong; `errors` names each",
    428: "It must be said which version is meant: If-Match",
    429: "Too many at once; see Retry-After",
    500: "A mistake of ours",
    503: "A part this needs does not answer; send the same again after Retry-After",
}


class Completer:
    """Completes what FastAPI says of one application. It learns each operation's module as FastAPI asks for
    the operation's id, which is the name of the route's function.
    """

    def __init__(self, name: str, tags: Mapping[str, str], extend: Callable[[Document], None] | None) -> None:
        self._service = f"services.{name}"
        self._tags = tags
        self._extend = extend
        self._modules: dict[str, str] = {}

    def operation_id(self, route: APIRoute) -> str:
        """The name of the route's function, behind its module's where another has the name; the module is
        remembered.
        """
        module = inspect.unwrap(route.endpoint).__module__
        near = module.removesuffix(".api").rpartition(".")[2]
        name = route.name if self._modules.get(route.name, module) == module else f"{near}_{route.name}"
        self._modules[name] = module
        return name

    def complete(self, document: Document) -> Document:
        """Complete the document in place, and give it back."""
        if self._extend:
            self._extend(document)
        document["servers"] = SERVERS
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        responses: Document = {}
        for path, operation in operations(document):
            if not operation.get(OWN_ANSWERS):
                self._operation(path, operation, schemas, responses)
        document["components"]["responses"] = dict(sorted(responses.items()))
        document["tags"] = self._described_tags(document)
        document["x-problem-types"] = self._problem_types()
        return document

    def _operation(self, path: str, operation: Operation, schemas: Document, responses: Document) -> None:
        parameters: list[Document] = operation.get("parameters", [])
        _complete_headers(parameters)
        for each in parameters:
            if "example" not in each and "examples" not in each:
                each["example"] = example_of(each["schema"], schemas, each["name"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            _add_example(content, schemas, whole=False)
        module = self._modules.get(operation["operationId"], "")
        common = list(_common(path, operation, parameters))
        answered = {problem.status for problem in common}
        if path.startswith("GET "):
            answered -= {403}  # a reader is refused for want of a role alone
        for status, response in list(operation["responses"].items()):
            if status == "default" or (int(status) >= 400 and not _has_a_form_of_its_own(response)):
                _as_problem(response, operation, status)
            else:
                _complete_answer(response, schemas, status)
        rules = self._rules_of(module, answered)
        self._add(operation, [*common, *rules], module, responses)

    def _rules_of(self, module: str, statuses: set[int]) -> list[Problem]:
        """The refusals of the package that a route's module lies in and of those that the whole service has,
        of the statuses the route can have.
        """
        places = {module.rpartition(".")[0], self._service}
        return [
            _shown(each)
            for each in _refusals()
            if each.__module__.rpartition(".")[0] in places and each.status in statuses
        ]

    def _add(
        self, operation: Operation, problems: Sequence[Problem], module: str, responses: Document
    ) -> None:
        """Refer from an operation to the answers it shares with others; its own are at itself."""
        by_status: dict[int, list[Problem]] = {}
        for problem in problems:
            by_status.setdefault(problem.status, []).append(problem)
        for status, each in sorted(by_status.items()):
            told = [problem for problem in each if problem.code not in VAGUE] or each
            own, made = operation["responses"].get(str(status)), _response(status, told)
            if own is not None:
                if status in (409, 422):
                    examples = made["content"][MEDIA_TYPE]["examples"]
                    more = {code: example for code, example in examples.items() if code not in VAGUE}
                    own["content"][MEDIA_TYPE]["examples"] |= more
                continue
            shared = all(problem.code in _SHARED for problem in told)
            package = "" if shared else module.removeprefix(self._service).rpartition(".")[0]
            name = _named(f"{status}{package}", made, responses)
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/{name}"}
        responses.setdefault("default", _response(0, [ANSWERS["mistake"]]))
        operation["responses"]["default"] = {"$ref": "#/components/responses/default"}
        operation["responses"] = dict(sorted(operation["responses"].items()))

    def _described_tags(self, document: Document) -> list[Document]:
        """Each tag with what it is about: as the service says, else as the module of its routes does."""
        found: dict[str, str] = {}
        for _, operation in operations(document):
            for tag in operation.get("tags", ()):
                module = sys.modules.get(self._modules.get(operation["operationId"], ""))
                found.setdefault(
                    tag, self._tags.get(tag) or inspect.cleandoc((module and module.__doc__) or "")
                )
        return [{"name": name, "description": text} for name, text in found.items()]

    def _problem_types(self) -> list[Document]:
        """Every `type` that the service's rules and what it shares can answer with, and its status."""
        known = {each.type: each for each in ANSWERS.values()}
        for refused in _refusals():
            if refused.__module__.startswith((f"{self._service}.", "shared.")):
                shown = _shown(refused)
                known.setdefault(shown.type, shown)
        return [
            {"type": each.type, "status": each.status, "title": each.title}
            for each in sorted(known.values(), key=lambda each: (each.status, each.type))
        ]


def operations(document: Document) -> Iterator[tuple[str, Operation]]:
    """Every operation of a document as ("GET /v1/…", operation)."""
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def _refusals() -> list[type[Refused]]:
    """Every refusal that is known to this process, in a settled order."""
    found: list[type[Refused]] = []
    waiting = Refused.__subclasses__()
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += each.__subclasses__()
    return sorted(found, key=lambda each: (each.__module__, each.code))


def _shown(refused: type[Refused]) -> Problem:
    """What the answer of a refusal looks like: its own words depend on what was asked."""
    return Problem(refused.status, refused.code, f"{refused.title}.", title=refused.title)


def _common(path: str, operation: Operation, parameters: Sequence[Document]) -> Iterator[Problem]:
    """What an operation can answer for what it takes and who may call it."""
    method, _, place = path.partition(" ")
    headers = {each["name"].lower() for each in parameters if each["in"] == "header"}
    body = operation.get("requestBody", {}).get("content", {})
    if any("operator" in each for each in operation.get("security", ())):
        yield ANSWERS["signed-in"]
        yield ANSWERS["role"]
    if body:
        yield from (ANSWERS["size"], ANSWERS["media"], ANSWERS["field"])
    if JSON in body:
        yield ANSWERS["json"]
    if "idempotency-key" in headers:
        yield from (ANSWERS["key"], ANSWERS["reused"])
    if "if-match" in headers:
        yield from (ANSWERS["tag"], ANSWERS["changed"], ANSWERS["required"])
    if any(each["in"] in ("path", "query") for each in parameters):
        yield ANSWERS["field"]
    if "{" in place or _names_another(operation, parameters):
        yield ANSWERS["found"]
    if method != "GET" and "security" in operation:
        yield Problem(409, "refused", "A rule of the domain says no as things stand.")
    if place.startswith("/v1/"):
        yield ANSWERS["away"]


def _names_another(operation: Operation, parameters: Sequence[Document]) -> bool:
    """Whether a request names, in its body or query, what may not be there."""
    signed_in = "security" in operation
    asked = any(each["in"] == "query" and each["name"].endswith("_id") for each in parameters)
    return signed_in and ("requestBody" in operation or asked)


def _complete_headers(parameters: Sequence[Document]) -> None:
    """The headers of commands, as they are checked by idempotency.py and versions.py."""
    for each in parameters:
        if each["in"] != "header":
            continue
        if each["name"].lower() == "idempotency-key":
            each |= {
                "name": "Idempotency-Key",
                "required": True,
                "example": "0f8fad5b-d9cb-469f-a165-70867728950e",
            }
            each["schema"] = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]{1,128}$"}
        elif each["name"].lower() == "if-match":
            each |= {"name": "If-Match", "example": '"3"'}
            each["schema"] = {"type": "string", "pattern": r'^("\d{1,18}"|\*)$'}


def _complete_answer(response: Document, schemas: Document, status: str) -> None:
    if response.get("description") in (None, "", "Successful Response"):
        response["description"] = {"201": "Made", "202": "Taken, to be done"}.get(status, "As it is now")
    for media_type, content in response.get("content", {}).items():
        if media_type != JSON and not content.get("schema"):
            content["schema"] = {"type": "string", "contentMediaType": media_type}
        _add_example(content, schemas, whole=True)
        shown = content.get("example")
        if isinstance(shown, dict) and "version" in shown and isinstance(shown["version"], int):
            response.setdefault("headers", {}).update(_ETAG)


def _add_example(content: Document, schemas: Document, *, whole: bool) -> None:
    if "example" not in content and "examples" not in content and "schema" in content:
        kind = content["schema"].get("contentMediaType", "")
        made = f"… ({kind})" if kind else example_of(content["schema"], schemas, whole=whole)
        # Where nothing must be sent, what may be sent is shown.
        content["example"] = made if made != {} else example_of(content["schema"], schemas)


def _has_a_form_of_its_own(response: Document) -> bool:
    """Such as /readyz: its answer says the same of a part that is there and of one that is not."""
    return response.get("content", {}).get(JSON, {}).get("schema", _PROBLEM) not in (_PROBLEM, {})


def _as_problem(response: Document, operation: Operation, status: str) -> None:
    """A problem answer that a route has named itself, in the form that all have."""
    if status == "default":
        operation["responses"].pop("default")
        return
    response.get("content", {}).pop(JSON, None)
    content = response.setdefault("content", {}).setdefault(MEDIA_TYPE, {})
    content["schema"] = _PROBLEM
    response["description"] = response.get("description") or _MEANING[int(status)]
    if int(status) in _HEADERS:
        response["headers"] = _HEADERS[int(status)]


def _response(status: int, problems: Sequence[Problem]) -> Document:
    made: Document = {
        "description": _MEANING.get(status) or "Any other problem (RFC 9457)",
        "content": {
            MEDIA_TYPE: {
                "schema": _PROBLEM,
                "examples": {
                    each.code: {"summary": each.title, "value": each.document()} for each in problems
                },
            }
        },
    }
    if status in _HEADERS:
        made["headers"] = _HEADERS[status]
    return made


def _named(base: str, made: Document, responses: Document) -> str:
    """The name under which the document has this answer; a new one unless it has it already."""
    for number in range(1, len(responses) + 2):
        name = base if number == 1 else f"{base}.{number}"
        if responses.setdefault(name, made) == made:
            return name
    raise AssertionError("one of the names is free")
