"""What the API says of itself is so, and nothing that fits it (or doesn't) breaks it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from schemathesis import Case, GenerationMode

from services.donation.intake import FROM_CHANNELS, parse
from shared.contracts.openapi import OWN_ANSWERS
from tests.services.donation.builders import bearer, commanding, new_id
from tests.services.donation.places import Channel, Service
from tests.services.driving import body_of, drive, operations_of, through

pytestmark = [
    pytest.mark.asyncio(loop_scope="package"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]

MAKES_TOPICS = "POST /v1/channels"


async def test_the_description_says_who_is_let_in_and_shows_a_donation_that_fits(service: Service) -> None:
    document = (await service.http.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["operator"]["scheme"] == "bearer"
    assert document["paths"]["/v1/dead-letters"]["get"]["security"] == [
        {"operator": ["viewer", "desk", "finance"]}
    ]
    for kind, name in (("donations", "donation"), ("reversals", "reversal")):
        operation = document["paths"]["/v1/channels/{channel}/" + kind]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        parsed = parse(json.dumps(example).encode(), datetime(2027, 1, 3, tzinfo=UTC), FROM_CHANNELS, name)
        assert type(parsed) is FROM_CHANNELS[name]
        assert operation["security"] == [{"channel": []}], "signed, not with a token"


async def test_every_operation_answers_whatever_it_is_sent(service: Service) -> None:
    """The one that makes a topic is sent only what does not fit: test_operators.py registers channels."""
    every = operations_of((await service.http.get("/openapi.json")).json())
    # Payment companies are answered in their own words: test_notices.py sends those routes what it likes.
    operations = [each for each in every if not each.definition.raw.get(OWN_ANSWERS)]
    assert len(operations) >= 11
    harmless = [each for each in operations if each.label != MAKES_TOPICS]

    send, admin = through(service.http), bearer("admin")
    found = await drive(harmless, send, admin, examples=3, modes=(GenerationMode.POSITIVE,))
    found += await drive(operations, send, admin, examples=3, modes=(GenerationMode.NEGATIVE,))
    assert found == []


async def test_what_fits_the_description_of_intake_is_answered_as_it_says(
    service: Service, one_channel: Channel
) -> None:
    operations = operations_of((await service.http.get("/openapi.json")).json())
    signed = [each for each in operations if {"channel": []} in each.definition.raw.get("security", ())]
    assert len(signed) == 3
    answers: set[int] = set()

    async def send(case: Case[Any], _: Mapping[str, str]) -> httpx.Response:
        case.path_parameters["channel"] = one_channel.name
        content = body_of(case)
        path = case.path.format(channel=one_channel.name)
        media_type = case.media_type or "application/json"
        headers = one_channel.signed(content) | {"content-type": media_type}
        answer = await service.http.post(path, content=content, headers=headers)
        answers.add(answer.status_code)
        return answer

    assert await drive(signed, send, {}, examples=6) == []
    assert {200, 202, 422} <= answers <= {200, 202, 400, 409, 413, 422}


async def test_notices_are_answered_as_the_description_says(service: Service) -> None:
    """Whatever is sent: nothing of it is signed by a company."""
    operations = operations_of((await service.http.get("/openapi.json")).json())
    notices = [each for each in operations if each.definition.raw.get(OWN_ANSWERS)]
    assert len(notices) == 3
    names: dict[str, str] = {}
    settings = {
        "wechatpay": {"campaign_id": "gala", "mchid": "1900000109"},
        "alipay": {"campaign_id": "gala", "app_id": "2021000000000001"},
        "unionpay": {"campaign_id": "gala", "mer_id": "777290058110048"},
    }
    for scheme, of_it in settings.items():
        names[scheme] = new_id("ch")
        new = {"channel": names[scheme], "title": "测试", "scheme": scheme, "settings": of_it}
        made = await service.http.post("/v1/channels", json=new, headers=commanding())
        assert made.status_code == 201, made.text
    found: list[str] = []

    as_it_is = through(service.http)

    async def send(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        documented = case.operation.definition.raw["responses"]
        scheme = case.path.rpartition("/")[2]
        case.path_parameters["channel"] = names[scheme]
        answer = await as_it_is(case, headers)
        media_type = answer.headers["content-type"].partition(";")[0]
        told = documented.get(str(answer.status_code), {})
        if answer.status_code >= 500 or media_type not in told.get("content", ()):
            found.append(f"{case.as_curl_command()}: {answer.status_code} {media_type} {answer.text}")
        return httpx.Response(200)  # judged above: the answers are the company's own form

    await drive(notices, send, bearer("admin"), examples=6)
    assert found == []


async def test_a_signed_example_of_the_document_is_taken(service: Service, one_channel: Channel) -> None:
    document = (await service.http.get("/openapi.json")).json()
    for kind in ("donations", "reversals", "donations/batch"):
        operation = document["paths"][f"/v1/channels/{{channel}}/{kind}"]["post"]
        for media_type, shown in operation["requestBody"]["content"].items():
            content = json.dumps(shown["example"]).encode()
            headers = one_channel.signed(content) | {"content-type": media_type}
            answer = await service.http.post(
                f"/v1/channels/{one_channel.name}/{kind}", content=content, headers=headers
            )
            # Its time is of a fixed day, which lies ahead until it has come.
            told = answer.json() | answer.json().get("items", [{}])[0].get("problem", {})
            ahead = told.get("detail") == "occurred_at: is in the future"
            assert ahead or answer.status_code in {200, 202}, answer.text
