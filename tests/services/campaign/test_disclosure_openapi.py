"""What the API says of disclosure is so, and nothing that fits it (or doesn't) breaks it."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import given
from hypothesis.errors import Unsatisfiable
from schemathesis import Case

from shared.problems import MEDIA_TYPE
from tests.services.campaign.conftest import Service
from tests.services.campaign.test_disclosure import an_appeal, asked, drafted
from tests.services.campaign.test_pledges_openapi import BOUNDED, MODES, send

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    document = (await service.client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    described = [cast(Any, each).ok() for each in schema.get_all_operations()]
    operations = [each for each in described if "disclosure" in each.definition.raw["tags"]]
    assert len(operations) >= 7
    report = await drafted(service, asked(await an_appeal(service)))
    answers: set[int] = set()
    loop = asyncio.get_running_loop()

    def drive(operation: Any, mode: Any, known: dict[str, str]) -> None:
        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case[Any]) -> None:
            sending = send(service, case, known)
            answer = asyncio.run_coroutine_threadsafe(sending, loop).result(20)
            answers.add(answer.status_code)
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == MEDIA_TYPE, answer.text

        with contextlib.suppress(Unsatisfiable):  # without a parameter nothing can be wrong
            answered()

    def all_of_them() -> None:
        for operation in operations:
            for mode in MODES:
                drive(operation, mode, {})
                if "report_id" in operation.path:
                    drive(operation, mode, {"report_id": report["report_id"]})

    await asyncio.to_thread(all_of_them)
    assert {200, 404, 412, 422} <= answers, answers
