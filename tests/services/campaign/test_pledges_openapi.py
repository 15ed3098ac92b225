"""What the API says of pledges is so, and nothing that fits it (or doesn't) breaks it."""

import asyncio
import contextlib
import json
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core import NotSet

from shared.problems import MEDIA_TYPE
from tests.services.campaign.builders import ADMINISTRATOR, DESK, launched, some_goods, token
from tests.services.campaign.conftest import Service

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

BOUNDED = settings(
    max_examples=4,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TAGS = {"pledges", "organisations"}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    document = (await service.client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    described = [cast(Any, each).ok() for each in schema.get_all_operations()]
    operations = [each for each in described if TAGS & {*each.definition.raw["tags"]}]
    assert len(operations) >= 20
    campaign_id = await launched(service.operator(DESK))
    there = [await service.entered(campaign_id), await service.pledge(campaign_id, goods=some_goods(3))]
    answers: set[int] = set()
    loop = asyncio.get_running_loop()

    def drive(operation: Any, mode: GenerationMode, known: dict[str, str]) -> None:
        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case[Any]) -> None:
            sending = send(service, case, known)
            answer = asyncio.run_coroutine_threadsafe(sending, loop).result(20)
            answers.add(answer.status_code)
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
                assert answer.json()["type"].startswith("urn:shanliu:problem:")

        with contextlib.suppress(Unsatisfiable):  # without a parameter nothing can be wrong
            answered()

    def all_of_them() -> None:
        for operation in operations:
            for mode in MODES:
                drive(operation, mode, {})
                for pledge_id in there:
                    drive(operation, mode, {"pledge_id": pledge_id, "campaign_id": campaign_id})

    await asyncio.to_thread(all_of_them)
    assert {200, 201, 404, 409, 412, 422} <= answers, "all of it was reached"


async def send(service: Service, case: Case[Any], known: dict[str, str]) -> httpx.Response:
    """Send a case as an administrator, with a key of its own, about something that is there when `known`."""
    case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
    request = case.as_transport_kwargs(base_url="http://campaign")
    headers = {name: str(value) for name, value in request["headers"].items()}
    if known:  # else what is wrong in the headers is all that is looked at
        headers |= {"Idempotency-Key": str(uuid4()), "If-Match": '"2"'}
    headers |= {"Authorization": f"Bearer {token(ADMINISTRATOR)}"}
    return await service.client.request(
        case.method, request["url"], params=request.get("params"), content=body_of(case), headers=headers
    )


def body_of(case: Case[Any]) -> bytes:
    if isinstance(case.body, bytes):
        return case.body
    return b"" if isinstance(case.body, NotSet) else json.dumps(case.body, default=repr).encode()
