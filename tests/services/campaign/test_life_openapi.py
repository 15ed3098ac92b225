"""What the API says of a campaign's life is so, and nothing that fits it (or doesn't) breaks it."""

import asyncio
import contextlib
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from shared.problems import MEDIA_TYPE
from tests.services.campaign.builders import DESK, launched
from tests.services.campaign.conftest import Service
from tests.services.campaign.test_decisions import a_change, a_remainder, with_money
from tests.services.campaign.test_decisions import asked as asked_decision
from tests.services.campaign.test_matching import confirmed, entered
from tests.services.campaign.test_parts import with_part
from tests.services.campaign.test_pledges_openapi import send

TAGS = {"decisions", "parts", "matching"}
STEPS = ("/file", "/launch", "/pause", "/close", "/settle", "/reopen")

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
    operations = [
        each
        for each in described
        if TAGS & (tags := set(each.definition.raw["tags"]))
        or ("campaigns" in tags and each.path.endswith(STEPS))
    ]
    assert len(operations) >= 20
    running, closed = await launched(service.operator(DESK)), await with_money(service, 1_000)
    part = await with_part(service, running)
    change = await asked_decision(service, f"/campaigns/{running}/changes-of-use", a_change())
    remainder = await asked_decision(service, f"/campaigns/{closed}/remainders", a_remainder(running))
    known = [
        {
            "campaign_id": part,
            "decision_id": change.rpartition("/")[2],
            "match_id": await entered(service, part),
        },
        {
            "campaign_id": closed,
            "decision_id": remainder.rpartition("/")[2],
            "match_id": await confirmed(service, running),
        },
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
