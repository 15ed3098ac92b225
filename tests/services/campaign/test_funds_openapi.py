"""What the API says of funds is so, and nothing that fits it (or doesn't) breaks it."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from shared.problems import MEDIA_TYPE
from tests.services.campaign.conftest import Service
from tests.services.campaign.test_named_funds import a_named_fund
from tests.services.campaign.test_pledges_openapi import send
from tests.services.campaign.test_splits import approved_split
from tests.services.campaign.test_transfers import approve
from tests.services.campaign.test_transfers import asked as asked_transfer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

BOUNDED = settings(
    max_examples=2,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    document = (await service.client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    described = [cast(Any, each).ok() for each in schema.get_all_operations()]
    operations = [each for each in described if "funds" in each.definition.raw["tags"]]
    assert len(operations) >= 18
    campaigns, split, _ = await approved_split(service, 1000, 5000, 5000)
    named = await a_named_fund(service)
    moved = await asked_transfer(service, campaigns, 1)
    assert (await approve(service, moved)).status_code == 200
    known = [
        {"campaign_id": campaigns[0], "transfer_id": moved, "split_id": split["split_id"]},
        {"campaign_id": named, "transfer_id": await asked_transfer(service, campaigns, 1)},
    ]
    answers: set[int] = set()
    loop = asyncio.get_running_loop()

    def drive(operation: Any, mode: GenerationMode, about: dict[str, str]) -> None:
        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Case[Any]) -> None:
            answer = asyncio.run_coroutine_threadsafe(send(service, case, about), loop).result(20)
            answers.add(answer.status_code)
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
                assert answer.json()["type"].startswith("urn:shanliu:problem:")

        with contextlib.suppress(Unsatisfiable):  # without a parameter nothing can be wrong
            answered()

    def all_of_them() -> None:
        for operation in operations:
            drive(operation, GenerationMode.NEGATIVE, known[0])
            for about in known:
                drive(operation, GenerationMode.POSITIVE, about)

    await asyncio.to_thread(all_of_them)
    assert {200, 404, 409, 412, 422} <= answers, "all of it was reached"
