"""What the API says of goods is so, and nothing that fits it (or doesn't) breaks it."""

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
from tests.services.campaign.store import a_distribution, asked, done, entered
from tests.services.campaign.store import given as given_goods
from tests.services.campaign.test_pledges_openapi import send

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
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    document = (await service.client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    described = [cast(Any, each).ok() for each in schema.get_all_operations()]
    operations = [each for each in described if "goods" in each.definition.raw["tags"]]
    assert len(operations) >= 16
    campaign_id = await launched(service.operator(DESK))
    path = f"/campaigns/{campaign_id}/goods-distributions"
    waiting, there = await entered(service, campaign_id), await given_goods(service, campaign_id)
    item = there["items"][0]["item_id"]
    out = (await done(service, path, a_distribution(item, 2)))["movement_id"]
    ahead = await asked(service, path, a_distribution(item, 1))
    known = [
        {"campaign_id": campaign_id, "gift_id": gift["gift_id"], "movement_id": movement}
        for gift, movement in ((waiting, ahead), (there, out))
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
            drive(operation, GenerationMode.NEGATIVE, {})
            for mode, about in zip(MODES, known, strict=True):
                drive(operation, mode, about)
            drive(operation, GenerationMode.POSITIVE, known[1])

    await asyncio.to_thread(all_of_them)
    assert {200, 201, 404, 409, 412, 422} <= answers, "all of it was reached"
