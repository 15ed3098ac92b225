"""Idempotency-Key: one effect and one answer, whatever comes twice, also at the same moment."""

import asyncio
from uuid import uuid4

import pytest

from services.campaign import queries
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    a_campaign,
    a_disbursement,
    a_pledge,
    launched,
    new_campaign_id,
    token,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_same_command_again_gives_the_same_answer_and_has_one_effect(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, key = await launched(desk), str(uuid4())
    first = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(), key=key)
    again = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(), key=key)
    assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
    assert len((await desk.get(f"/campaigns/{campaign_id}/pledges")).json()["items"]) == 1


async def test_an_answer_is_repeated_with_its_etag_also_after_things_went_on(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, key = await launched(desk), str(uuid4())
    paused = await desk.post(f"/campaigns/{campaign_id}/pause", key=key)
    await desk.post(f"/campaigns/{campaign_id}/close")
    again = await desk.post(f"/campaigns/{campaign_id}/pause", key=key)
    assert (again.status_code, again.content, again.headers["etag"]) == (200, paused.content, '"4"')
    assert (await desk.get(f"/campaigns/{campaign_id}")).json()["state"] == "closed"


async def test_a_refusal_is_an_answer_too(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, key = new_campaign_id(), str(uuid4())
    await desk.post("/campaigns", a_campaign(campaign_id))
    refused = await desk.post(f"/campaigns/{campaign_id}/launch", key=key)
    await desk.post(f"/campaigns/{campaign_id}/file", {"filing_number": f"BA-{campaign_id}"})
    again = await desk.post(f"/campaigns/{campaign_id}/launch", key=key)
    assert (
        (again.status_code, again.content) == (refused.status_code, refused.content) == (409, refused.content)
    )
    assert (await desk.post(f"/campaigns/{campaign_id}/launch")).status_code == 200


async def test_a_refused_command_leaves_nothing_but_its_answer(service: Service) -> None:
    approver, finance = service.operator(APPROVER), service.operator(FINANCE)
    campaign_id = await launched(service.operator(DESK))
    asked = (await finance.post(f"/campaigns/{campaign_id}/disbursements", a_disbursement(5))).json()
    path = f"/disbursements/{asked['disbursement_id']}"
    assert (await approver.decide(path, "approve")).status_code == 409
    assert (await approver.get(path)).json() == asked


async def test_the_key_of_another_request_is_refused_and_changes_nothing(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, key = await launched(desk), str(uuid4())
    await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(100), key=key)
    for path, body, if_match in [
        (f"/campaigns/{campaign_id}/pledges", a_pledge(101), None),
        (f"/campaigns/{campaign_id}/pledges", a_pledge(100), '"3"'),
        (f"/campaigns/{campaign_id}/pause", None, None),
    ]:
        refused = await desk.post(path, body, key=key, if_match=if_match)
        assert (refused.status_code, refused.json()["type"]) == (
            422,
            "urn:shanliu:problem:idempotency-key-reused",
        )
    assert len((await desk.get(f"/campaigns/{campaign_id}/pledges")).json()["items"]) == 1
    assert (await desk.get(f"/campaigns/{campaign_id}")).json()["state"] == "launched"


async def test_a_key_belongs_to_the_person_who_sent_it(service: Service) -> None:
    campaign_id, key = await launched(service.operator(DESK)), str(uuid4())
    path = f"/campaigns/{campaign_id}/disbursements"
    for person in (DESK, FINANCE):
        answer = await service.operator(person).post(path, a_disbursement(), key=key)
        assert (answer.status_code, answer.json()["requested_by"]) == (201, person)


@pytest.mark.parametrize("path", ["/campaigns", "/campaigns/x/launch", "/disbursements/{id}/pay"])
@pytest.mark.parametrize(
    ("key", "code"),
    [({}, "missing"), ({"Idempotency-Key": "x" * 129}, "unusable"), ({"Idempotency-Key": "a b"}, "unusable")],
)
async def test_every_post_needs_a_key(service: Service, path: str, key: dict[str, str], code: str) -> None:
    body = a_campaign(new_campaign_id()) if path == "/campaigns" else None
    headers = {"Authorization": f"Bearer {token(ADMINISTRATOR)}"} | key
    refused = await service.client.post(f"/v1{path.format(id=uuid4())}", json=body, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (
        400,
        f"urn:shanliu:problem:idempotency-key-{code}",
    )
    assert refused.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_the_same_command_many_times_at_once_has_one_effect(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, key = await launched(desk), str(uuid4())
    path = f"/campaigns/{campaign_id}/pledges"
    answers = await asyncio.gather(*(desk.post(path, a_pledge(), key=key) for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert (await desk.get(path)).json()["items"] == [answers[0].json()]
    assert len((await desk.get(f"/campaigns/{campaign_id}/pledges")).json()["items"]) == 1


async def test_an_old_answer_is_forgotten_when_new_commands_come(service: Service) -> None:
    desk = service.operator(DESK)
    key = str(uuid4())
    await desk.post("/campaigns", a_campaign(new_campaign_id()), key=key)
    async with service.engine.begin() as connection:
        await connection.exec_driver_sql(
            "UPDATE idempotency_keys SET created_at = created_at - interval '31 days'"
            f" WHERE idempotency_key = '{key}'"
        )
    await desk.post("/campaigns", a_campaign(new_campaign_id()))
    kept = await service.rows("SELECT count(*) FROM idempotency_keys WHERE idempotency_key = :key", key=key)
    assert kept == [(0,)]


async def test_a_command_that_waited_too_long_had_no_effect_and_may_come_again(service: Service) -> None:
    """The database gives up after lock_timeout (4 s); the answer is not kept, so the key is still new."""
    desk = service.operator(DESK)
    campaign_id, key = await launched(desk), str(uuid4())
    async with service.engine.connect() as other:
        await queries.campaign(other, campaign_id, lock=True)
        busy = await desk.post(f"/campaigns/{campaign_id}/pause", key=key)
        await other.rollback()
    assert (busy.status_code, busy.json()["type"]) == (503, "urn:shanliu:problem:unavailable")
    assert int(busy.headers["retry-after"]) > 0
    assert (await desk.get(f"/campaigns/{campaign_id}")).json()["state"] == "launched"
    assert (await desk.post(f"/campaigns/{campaign_id}/pause", key=key)).json()["state"] == "paused"
