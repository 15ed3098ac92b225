"""Sends a service what fits its OpenAPI document, and what does not: it answers what the document says."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast
from uuid import uuid4

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from shared.problems import MEDIA_TYPE

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

Send = Callable[[Case[Any], Mapping[str, str]], Awaitable[httpx.Response]]
"""Sends a case with these headers besides its own."""


def through(client: httpx.AsyncClient) -> Send:
    """Sends through a client; who a case says it is has no say."""

    async def send(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        request = case.as_transport_kwargs(base_url=str(client.base_url).rstrip("/"))
        own = {key: str(value) for key, value in request["headers"].items() if key.lower() != "authorization"}
        return await client.request(
            case.method,
            request["url"],
            params=request.get("params"),
            content=body_of(case),
            headers=own | dict(headers),
        )

    return send


def body_of(case: Case[Any]) -> bytes:
    """What is sent of a case's body."""
    if isinstance(case.body, bytes):
        return case.body
    return b"" if isinstance(case.body, NotSet) else json.dumps(case.body, default=repr).encode()


def operations_of(document: dict[str, Any]) -> list[Any]:
    """Every operation of a document, which must be valid."""
    return list(_operations_of(json.dumps(document)))


@cache
def _operations_of(document: str) -> Sequence[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(document))
    schema.validate()
    return [cast(Any, each).ok() for each in schema.get_all_operations()]


async def drive(
    operations: Sequence[Any],
    send: Send,
    headers: Mapping[str, str],
    *,
    known: Mapping[str, str] | None = None,
    examples: int = 1,
    modes: Sequence[GenerationMode] = MODES,
) -> list[str]:
    """What was answered otherwise than the document says. `known` stands in for parameters of the path."""
    found: list[str] = []
    for operation in operations:
        for mode in modes:
            for made in _cases(operation, mode, examples):
                case = _about(known or {}, made)
                more = dict(headers)
                if known and case.method != "GET":  # a command that gets past its headers
                    more |= {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
                found += _faults(case, await send(case, more))
    return found


def _about(known: Mapping[str, str], made: Case[Any]) -> Case[Any]:
    """A case of one's own like that which was made, about what is known."""
    path = {name: known.get(name, value) for name, value in made.path_parameters.items()}
    case: Case[Any] = made.operation.Case(
        path_parameters=path,
        headers=made.headers,
        cookies=made.cookies,
        query=made.query,
        body=made.body,
        media_type=made.media_type,
        multipart_content_types=made.multipart_content_types,
    )
    return case


@cache
def _cases(operation: Any, mode: GenerationMode, examples: int) -> Sequence[Case[Any]]:
    """The same each time, so they are made once."""
    cases: list[Case[Any]] = []
    if mode is GenerationMode.NEGATIVE and _takes_anything(operation):
        return cases

    @seed(0)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def made(case: Case[Any]) -> None:
        cases.append(case)

    made()
    return cases


def _takes_anything(operation: Any) -> bool:
    """Whether nothing that is sent can be wrong: there is at most a part of the path that is any text. To
    look for what does not fit took five hundred tries.
    """
    raw = operation.definition.raw
    return "requestBody" not in raw and all(
        each["in"] == "path"
        and each["schema"].keys() <= {"type", "title"}
        and each["schema"]["type"] == "string"
        for each in raw.get("parameters", ())
    )


def _faults(case: Case[Any], answer: httpx.Response) -> list[str]:
    fault = _fault(case.operation, answer)
    sent = f"{answer.status_code} {answer.text[:300]} to {case.as_curl_command()[:600]}" if fault else ""
    return [f"{fault}: {case.operation.label} {sent}"] if fault else []


def _fault(operation: Any, answer: httpx.Response) -> str | None:
    if answer.status_code >= 500 and answer.status_code != 503:
        return "a mistake of ours"
    if str(answer.status_code) not in operation.definition.raw["responses"] and answer.status_code != 405:
        return "not documented"  # an empty part of a path is another path, and "." too
    if answer.status_code >= 400 and answer.headers["content-type"] != MEDIA_TYPE:
        return "no problem document"
    return None


async def let_in_without_a_token(operations: Sequence[Any], send: Send) -> list[str]:
    """Operators' operations that answer somebody without a token otherwise than with 401."""
    guarded = [each for each in operations if "401" in each.definition.raw["responses"]]
    answers: dict[str, set[int]] = {}

    async def noted(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        answer = await send(case, headers)
        answers.setdefault(f"{case.method} {case.path}", set()).add(answer.status_code)
        return answer

    await drive(guarded, noted, {}, modes=(GenerationMode.POSITIVE,))
    return [f"{name}: {sorted(statuses)}" for name, statuses in answers.items() if statuses - {401, 404, 405}]
