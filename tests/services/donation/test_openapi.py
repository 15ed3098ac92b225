"""What the API says of itself is so, and nothing that fits it (or doesn't) breaks it."""

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from services.donation.intake import FROM_CHANNELS, parse
from shared.contracts.openapi import OWN_ANSWERS
from shared.problems import MEDIA_TYPE
from tests.services.donation.builders import bearer
from tests.services.donation.places import Channel, Service

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

BOUNDED = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
MAKES_TOPICS = "POST /v1/channels"


async def described(service: Service) -> Any:
    document = (await service.http.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    return schema


def drive(operation: Any, send: Callable[[Case[Any]], httpx.Response]) -> None:
    """Send what fits the description of an operation, and what does not."""
    for mode in MODES:
        if operation.label == MAKES_TOPICS and mode is GenerationMode.POSITIVE:
            continue  # each would make a topic; tests/services/donation/test_operators.py registers channels

        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case[Any]) -> None:
            answer = send(case)
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
                assert answer.json()["type"].startswith("urn:shanliu:problem:")

        with contextlib.suppress(Unsatisfiable):  # without a parameter nothing can be wrong
            answered()


async def test_the_description_says_who_is_let_in_and_shows_a_donation_that_fits(service: Service) -> None:
    document = (await service.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["operator"]["scheme"] == "bearer"
    assert document["paths"]["/v1/dead-letters"]["get"]["security"] == [{"operator": ["viewer", "desk"]}]
    for kind, name in (("donations", "donation"), ("reversals", "reversal")):
        operation = document["paths"]["/v1/channels/{channel}/" + kind]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        parsed = parse(json.dumps(example).encode(), datetime(2027, 1, 3, tzinfo=UTC), FROM_CHANNELS, name)
        assert type(parsed) is FROM_CHANNELS[name]
        assert operation["security"] == [{"channel": []}], "signed, not with a token"


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    schema = await described(service)
    every = [each.ok() for each in schema.get_all_operations()]
    # Payment companies are answered in their own words: test_notices.py sends those routes what it likes.
    operations = [each for each in every if not each.definition.raw.get(OWN_ANSWERS)]
    assert len(operations) >= 11

    def all_of_them() -> None:
        with httpx.Client(base_url=service.http.base_url, timeout=20) as http:
            for operation in operations:
                drive(operation, functools.partial(sent, http))

    await asyncio.to_thread(all_of_them)


def sent(http: httpx.Client, case: Case[Any]) -> httpx.Response:
    """Send a case as an administrator."""
    request = case.as_transport_kwargs(base_url=str(http.base_url).rstrip("/"), headers=bearer("admin"))
    headers = {name: str(value) for name, value in request["headers"].items()}
    return http.request(
        case.method, request["url"], params=request.get("params"), content=body_of(case), headers=headers
    )


def body_of(case: Case[Any]) -> bytes:
    if isinstance(case.body, bytes):
        return case.body
    return b"" if isinstance(case.body, NotSet) else json.dumps(case.body, default=repr).encode()


async def test_what_fits_the_description_of_intake_is_taken_or_told_its_field(
    service: Service, one_channel: Channel
) -> None:
    schema = await described(service)
    answers: list[int] = []

    def signed(http: httpx.Client, path: str, case: Case[Any]) -> httpx.Response:
        content = body_of(case)
        answer = http.post(path, content=content, headers=one_channel.signed(content))
        answers.append(answer.status_code)
        if answer.status_code == 422:
            assert answer.json()["detail"]
        return answer

    def all_of_them() -> None:
        with httpx.Client(base_url=service.http.base_url, timeout=20) as http:
            for kind in ("donations", "reversals"):
                operation = schema["/v1/channels/{channel}/" + kind]["POST"]
                path = f"/v1/channels/{one_channel.name}/{kind}"
                drive(operation, functools.partial(signed, http, path))

    await asyncio.to_thread(all_of_them)
    assert set(answers) <= {202, 400, 409, 413, 422}
