"""Operators write templates, look at them, and have them sent to themselves."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient, Response

from deploy.local.mailcatcher.mailbox import Mode
from tests.services.notification.conftest import World, bearer
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAIL = {
    "way": "mail",
    "subject": "感谢您，{name}",
    "text": "{name}：\n\n{title}，{amount} 元。<b>\n{organisation}\n\n退订：{unsubscribe}",
}
SMS = {"way": "sms", "template_id": "SMS_1", "parameters": [{"name": "name", "value": "{name}"}]}


def campaign() -> str:
    """A campaign of its own for each test."""
    return f"c-{uuid4().hex[:12]}"


async def post(
    api: AsyncClient, path: str, body: Any, person: str = "li", key: str | None = None
) -> Response:
    headers = bearer(person) | {"idempotency-key": key or str(uuid4())}
    return await api.post(f"/v1/templates{path}", json=body, headers=headers)


async def written(api: AsyncClient, **fields: Any) -> dict[str, Any]:
    """A version that an operator has written."""
    body = {"campaign_id": campaign(), "language": "zh", "content": MAIL, "based_on": 0, **fields}
    answer = await post(api, "", body)
    assert answer.status_code == 201, answer.text
    version: dict[str, Any] = answer.json()
    return version


async def test_versions_follow_each_other_and_are_never_changed(api: AsyncClient) -> None:
    first = await written(api)
    place = {"campaign_id": first["campaign_id"]}
    second = await written(api, **place, based_on=1, content={**MAIL, "subject": "谢谢"})
    assert (first["version"], second["version"], second["written_by"]) == (1, 2, "li")
    assert second["in_force"]
    shown = (await api.get(f"/v1/templates/{first['template_id']}", headers=bearer("wu"))).json()
    assert shown == {**first, "in_force": False}

    async def listed(**query: Any) -> list[int]:
        answer = await api.get("/v1/templates", params=place | query, headers=bearer("wu"))
        return [each["version"] for each in answer.json()["templates"]]

    assert await listed() == [2]
    assert await listed(every_version=True) == [2, 1]
    retired = await written(api, **place, based_on=2, retired=True)
    assert not retired["in_force"]


async def test_two_writers_do_not_overwrite_each_other(api: AsyncClient) -> None:
    first = await written(api)
    body = {"campaign_id": first["campaign_id"], "language": "zh", "content": MAIL, "based_on": 0}
    answer = await post(api, "", body)
    assert answer.status_code == 409
    assert answer.json()["type"].endswith(":template-changed")
    assert answer.json()["version"] == 1


async def test_a_repeated_command_writes_once(api: AsyncClient) -> None:
    body = {"campaign_id": campaign(), "language": "zh", "content": MAIL, "based_on": 0}
    key = str(uuid4())
    answers = [await post(api, "", body, key=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["template_id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"content": {**MAIL, "text": "{organisation} {unsubscribe} {email}"}}, "content.mail.text"),
        ({"content": {**MAIL, "text": "no placeholders"}}, "content.mail.text"),
        ({"content": {**MAIL, "html": "<p>"}}, "content.mail.html"),
        ({"language": "fr"}, "language"),
        ({"campaign_id": "Gala!"}, "campaign_id"),
        ({"based_on": -1}, "based_on"),
    ],
)
async def test_what_can_not_be_sent_is_refused_by_its_field(
    api: AsyncClient, change: dict[str, Any], field: str
) -> None:
    body = {"campaign_id": campaign(), "language": "zh", "content": MAIL, "based_on": 0, **change}
    answer = await post(api, "", body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_only_the_desk_writes_and_finance_does_not_look(api: AsyncClient) -> None:
    body = {"campaign_id": campaign(), "language": "zh", "content": MAIL, "based_on": 0}
    for person, status in (("wu", 403), ("wang", 403), ("nobody", 401)):
        assert (await post(api, "", body, person)).status_code == status
    assert (await api.get("/v1/templates", headers=bearer("wang"))).status_code == 403
    answer = await api.post("/v1/templates", json=body, headers=bearer("li"))
    assert answer.json()["type"].endswith(":idempotency-key-missing")


async def test_a_preview_shows_what_a_donor_would_read(api: AsyncClient) -> None:
    async def preview(content: Any, language: str = "zh") -> dict[str, Any]:
        answer = await post(api, "/preview", {"language": language, "content": content}, "wu")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    mail = await preview(MAIL)
    assert mail["subject"] == "感谢您，王小明"
    assert "1,234.56 元。<b>" in mail["text"]
    assert "1,234.56 元。&lt;b&gt;<br>" in mail["html"]
    assert (await preview(SMS))["parameters"] == [["name", "王小明"]]
    wechat = {"way": "wechat", "app_id": "wx1", "template_id": "t", "data": {"thing1": "{title}"}}
    assert (await preview(wechat, "en"))["data"] == {"thing1": "6th New Year Charit…"}
    version = await written(api)
    kept = await api.get(f"/v1/templates/{version['template_id']}/preview", headers=bearer("wu"))
    assert kept.json() == mail


async def test_what_donors_of_both_languages_are_sent_now_is_shown(api: AsyncClient) -> None:
    async def shown(**query: str) -> Any:
        answer = await api.get("/v1/templates/preview", params=query, headers=bearer("wu"))
        assert answer.status_code == 200, answer.text
        return answer.json()

    place = campaign()
    own = await shown(way="mail", campaign_id=place)
    assert own["zh"] == own["en"]
    assert "感谢您的捐赠" in own["zh"]["subject"]
    assert "1,234.56" in own["zh"]["text"]
    assert "1,234.56" in own["zh"]["html"]
    english = {**MAIL, "subject": "Thank you, {name}", "text": "{title}: {organisation} {unsubscribe}"}
    chinese = {**MAIL, "text": "{title}: {organisation} {unsubscribe}"}
    await written(api, campaign_id=place, content=chinese)
    one = await shown(way="mail", campaign_id=place)
    assert one["en"] == one["zh"], "the Chinese text is filled in in Chinese, whoever reads it"
    assert "第六届新年慈善晚会" in one["en"]["text"]
    await written(api, campaign_id=place, language="en", content=english)
    both = await shown(way="mail", campaign_id=place)
    assert (both["zh"]["subject"], both["en"]["subject"]) == ("感谢您，王小明", "Thank you, 王小明")
    assert "6th New Year Charity Gala" in both["en"]["text"]
    assert await shown(way="sms", campaign_id=place) == {"zh": None, "en": None}
    assert (await api.get("/v1/templates/preview?way=mail", headers=bearer("wang"))).status_code == 403


async def ended(api: AsyncClient, notice_id: str) -> dict[str, Any]:
    """An operational message when it has come to its end."""
    found: dict[str, Any] = {}

    async def over() -> bool:
        answer = await api.get(f"/v1/notices/{notice_id}", headers=bearer("wu"))
        found.update(answer.json())
        return found["state"] not in {"pending", "sending", "retry"}

    await until(over)
    return found


async def test_a_template_is_sent_to_whoever_wrote_it(world: World, api: AsyncClient) -> None:
    world.mailbox.behave(Mode.ACCEPT)
    version = await written(api)
    to = f"{uuid4().hex}@example.com"
    path = f"/{version['template_id']}/test"
    key = str(uuid4())
    answers = [await post(api, path, {"to": to}, key=key) for _ in range(2)]
    assert {answer.status_code for answer in answers} == {202}
    notice = await ended(api, answers[0].json()["notice_id"])
    assert (notice["state"], notice["purpose"], notice["attempts"]) == ("delivered", "test", 1)
    (mail,) = world.mailbox.find(to=to)
    assert mail.subject == "感谢您，王小明"
    letters = await world.rows(
        "SELECT letter FROM notices WHERE notice_id = :id", id=UUID(notice["notice_id"])
    )
    assert letters == [(None,)], "its address is forgotten"


async def test_a_test_message_that_can_not_be_sent_is_refused(world: World, api: AsyncClient) -> None:
    mail, sms = await written(api), await written(api, content=SMS)

    async def refusal(template_id: str, to: str) -> tuple[int, str]:
        answer = await post(api, f"/{template_id}/test", {"to": to})
        return answer.status_code, answer.json()["type"].rpartition(":")[2]

    assert await refusal(mail["template_id"], "no address") == (422, "not-an-address")
    assert await refusal(sms["template_id"], "+8613812345678") == (409, "way-not-set-up")
    assert await refusal(str(uuid4()), "a@b.example") == (404, "unknown-template")
    assert (await api.get(f"/v1/notices/{uuid4()}", headers=bearer("wu"))).status_code == 404
    await world.change(
        "INSERT INTO notices (notice_id, way, purpose, state, requested_by, created_at, changed_at)"
        " SELECT gen_random_uuid(), 'mail', 'test', 'delivered', 'li', now(), now()"
        " FROM generate_series(1, 20)"
    )
    try:
        assert await refusal(mail["template_id"], "a@b.example") == (429, "too-many-tests")
    finally:
        await world.change("DELETE FROM notices WHERE requested_by = 'li'")
