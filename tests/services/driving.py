"""Sends a service what fits its OpenAPI document, and what does not: it answers what the document says."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from shared.problems import MEDIA_TYPE

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)

Send = Callable[[Case[Any], Mapping[str, str]], httpx.Response]
"""Sends a case with these headers besides its own."""


def of_this_loop(client: httpx.AsyncClient) -> Send:
    """Sends through the client of this event loop, from a thread of its own."""
    loop = asyncio.get_running_loop()

    def send(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(_sent(client, case, headers), loop).result(20)

    return send


async def _sent(client: httpx.AsyncClient, case: Case[Any], more: Mapping[str, str]) -> httpx.Response:
    request = case.as_transport_kwargs(base_url=str(client.base_url).rstrip("/"))
    own = {name: str(value) for name, value in request["headers"].items() if name.lower() != "authorization"}
    return await client.request(
        case.method,
        request["url"],
        params=request.get("params"),
        content=_body(case),
        headers=own | dict(more),
    )


def _body(case: Case[Any]) -> bytes:
    if isinstance(case.body, bytes):
        return case.body
    return b"" if isinstance(case.body, NotSet) else json.dumps(case.body, default=repr).encode()


def operations_of(document: dict[str, Any]) -> list[Any]:
    """Every operation of a document, which must be valid."""
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    return [cast(Any, each).ok() for each in schema.get_all_operations()]


def drive(
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
            with contextlib.suppress(Unsatisfiable):  # without a parameter nothing can be wrong
                _drive(operation, mode, examples, lambda case: _told(case, send, headers, known or {}, found))
    return found


def _drive(operation: Any, mode: GenerationMode, examples: int, told: Callable[[Case[Any]], None]) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answered(case: Case[Any]) -> None:
        told(case)

    answered()


def _told(
    case: Case[Any], send: Send, headers: Mapping[str, str], known: Mapping[str, str], found: list[str]
) -> None:
    case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
    more = dict(headers)
    if known and case.method != "GET":  # a command that gets past its headers
        more |= {"Idempotency-Key": str(uuid4()), "If-Match": "*"}
    found.extend(_faults(case.operation, case, send(case, more)))


def _faults(operation: Any, case: Case[Any], answer: httpx.Response) -> list[str]:
    said = f"{operation.label} {answer.status_code} {answer.text[:300]} to {case.as_curl_command()[:600]}"
    if answer.status_code >= 500 and answer.status_code != 503:
        return [f"a mistake of ours: {said}"]
    if str(answer.status_code) not in operation.definition.raw["responses"] and answer.status_code != 405:
        # An empty part of a path is another path, and "." too.
        return [f"not documented: {said}"]
    if answer.status_code >= 400 and answer.headers["content-type"] != MEDIA_TYPE:
        return [f"no problem document: {said}"]
    return []


def let_in_without_a_token(operations: Sequence[Any], send: Send) -> list[str]:
    """Operators' operations that answer somebody without a token otherwise than with 401."""
    guarded = [each for each in operations if "401" in each.definition.raw["responses"]]
    answers: dict[str, set[int]] = {}

    def noted(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        answer = send(case, headers)
        answers.setdefault(f"{case.method} {case.path}", set()).add(answer.status_code)
        return answer

    drive(guarded, noted, {}, modes=(GenerationMode.POSITIVE,))
    return [f"{name}: {sorted(statuses)}" for name, statuses in answers.items() if statuses - {401, 404, 405}]
