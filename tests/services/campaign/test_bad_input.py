"""Every field wrong in every usual way: a clear 4xx that names it, and nothing written."""

import json
from typing import Any

import pytest

from tests.services.campaign.builders import (
    DESK,
    FINANCE,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = [
    "",
    "   ",
    "x" * 2001,
    "a\u0000b",
    "a\nb",
    "a\u001b[31m",
    "a\u202eb",
    "a\u2028b",
    "\ud800",
    5,
    [],
    {},
    True,
]
FEN = [0, -1, 10**13 + 1, 1.5, 1.0, "100", True, [], 10**30]
TIMES = [
    "2026-12-31",
    "2026-12-31T20:00:00",
    "tomorrow",
    1798718400,
    "9999-12-31T23:59:59-23:59",
    "2026-13-01T00:00:00Z",
]


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("campaign_id", ["", "A", "a b", "-a", "a-", "x" * 65, "爱", "a/b", "../a", 7, None, "a\n"]),
        ("kind", ["", "party", None, 3]),
        ("title", [*TEXT, None]),
        ("purpose", TEXT),
        ("account", TEXT),
        ("goal_fen", FEN),
        ("cost_fen", [-1, *FEN[2:]]),
        ("milestones_fen", [[0], ["1"], [1] * 21, 5, [1.5]]),
        ("milestone_percents", [[0], [1001], [1.5], [1] * 21, "25"]),
        ("uses", [[""], ["x"] * 21, "助学", [5], None]),
        ("window_start", TIMES),
        ("window_end", [*TIMES, "2026-01-01T20:00:00+08:00", "2020-01-01T00:00:00Z"]),
        ("surprise", [1, None]),
    ],
)
async def test_a_wrong_field_of_a_plan_is_named(service: Service, field: str, values: list[Any]) -> None:
    desk = service.operator(DESK)
    for value in values:
        campaign_id = new_campaign_id("bad")
        body = json.dumps(a_campaign(campaign_id) | {field: value}).encode()
        refused = await desk.send("/campaigns", body)
        assert refused.status_code == 422, (value, refused.text)
        problem = refused.json()
        assert problem["errors"][0]["field"].split(".")[0] == field, value
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await desk.get(f"/campaigns/{campaign_id}")).status_code == 404


@pytest.mark.parametrize("field", ["campaign_id", "kind", "title"])
async def test_a_missing_field_is_named(service: Service, field: str) -> None:
    refused = await service.operator(DESK).post("/campaigns", a_campaign(new_campaign_id()) | {field: None})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    body = a_campaign(new_campaign_id())
    del body[field]
    refused = await service.operator(DESK).post("/campaigns", body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_a_wrong_field_of_a_disbursement_is_named(service: Service) -> None:
    finance = service.operator(FINANCE)
    campaign_id = await launched(service.operator(DESK))
    wrong: list[tuple[str, list[Any]]] = [
        ("amount_fen", [*FEN, None]),
        ("use", [*TEXT, None]),
        ("payee", [*TEXT, None]),
        ("beneficiaries", [0, -1, 1.5, "12", 2_000_000_001, None]),
        ("beneficiary_unit", ["", "cats", None, 1]),
        ("approved_by", ["zhao"]),
    ]
    for field, values in wrong:
        for value in values:
            body = json.dumps(a_disbursement() | {field: value}).encode()
            refused = await finance.send(f"/campaigns/{campaign_id}/disbursements", body)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field), (field, value)
    assert (await finance.get(f"/campaigns/{campaign_id}/disbursements")).json()["items"] == []


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'{"campaign_id": "a", "campaign_id": "b"}', 400, "malformed-json"),
        (b'{"campaign_id": {"x": 1, "x": 2}}', 400, "malformed-json"),
        (b'{"goal_fen": NaN}', 400, "malformed-json"),
        (b'{"goal_fen": Infinity}', 400, "malformed-json"),
        (b'{"campaign_id": "a", ', 400, "malformed-json"),
        (b"\xff\xfe", 400, "malformed-json"),
        (b"[" * 60_000, 400, "malformed-json"),
        (b'{"goal_fen": ' + b"9" * 5000 + b"}", 400, "malformed-json"),
        (b"", 422, "invalid-field"),
        (b"[]", 422, "invalid-field"),
        (b"null", 422, "invalid-field"),
        (b"7", 422, "invalid-field"),
        (b'{"title": "' + b"x" * 70_000 + b'"}', 413, "body-too-large"),
        (b" " * 10_000_000, 413, "body-too-large"),
    ],
    ids=lambda value: str(value[:24]) if isinstance(value, bytes) else None,
)
async def test_a_body_that_is_not_one_json_object_is_refused(
    service: Service, content: bytes, status: int, code: str
) -> None:
    refused = await service.operator(DESK).send("/campaigns", content)
    assert (refused.status_code, refused.json()["type"]) == (status, f"urn:shanliu:problem:{code}")


async def test_another_media_type_is_refused(service: Service) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        refused = await service.operator(DESK).send("/campaigns", b"{}", **{"Content-Type": media_type})
        assert (refused.status_code, refused.json()["type"]) == (
            415,
            "urn:shanliu:problem:unsupported-media-type",
        )


@pytest.mark.parametrize(
    "path", ["/campaigns/A%20B/launch", "/campaigns/%00/launch", "/disbursements/not-a-uuid/approve"]
)
async def test_an_id_that_cannot_be_one_is_refused(service: Service, path: str) -> None:
    refused = await service.operator("zhou").post(path)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:shanliu:problem:invalid-field")


async def test_an_if_match_that_is_no_version_is_refused(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    refused = await desk.post(f"/campaigns/{campaign_id}/pause", if_match="yesterday's")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "If-Match")


async def test_text_outside_the_basic_plane_and_emoji_are_text(service: Service) -> None:
    campaign_id = new_campaign_id()
    answer = await service.operator(DESK).post("/campaigns", a_campaign(campaign_id, title="𠮷祥 ❤️ 晚会"))
    assert (answer.status_code, answer.json()["title"]) == (201, "𠮷祥 ❤️ 晚会")
