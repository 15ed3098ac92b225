"""A sandbox answers as money would be answered, and is none."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text

from services.donation.channels import queries
from services.donation.channels.sandbox import KEPT
from tests.services.donation.builders import (
    a_donation,
    a_donor,
    a_reversal,
    as_json,
    bearer,
    commanding,
    new_id,
)
from tests.services.donation.conftest import serving
from tests.services.donation.places import Channel, Service

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def sandbox(service: Service, **fields: Any) -> Channel:
    return await service.channel(sandbox=True, **fields)


async def standing(service: Service, answer: Response) -> dict[str, Any]:
    return dict((await service.http.get(f"/v1/donations/{answer.json()['donation_id']}")).json())


def problem_of(answer: Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:shanliu:problem:{code}"


async def test_a_sandbox_answers_like_money_and_nothing_of_it_reaches_a_log(service: Service) -> None:
    real, tried = await service.channel(), await sandbox(service)
    donor = a_donor(contact={"email": f"{new_id()}@example.cn"})
    body = a_donation(donor=donor, campaign_id=new_id("gala"), message="加油")
    truly, asked = await real.give(body), await tried.give(body)
    assert asked.status_code == truly.status_code == 202
    assert asked.json().keys() == truly.json().keys()
    assert (await tried.give(body)).json() == asked.json(), "a repeat"
    assert (await standing(service, asked))["status"] == "received"
    problem_of(await tried.give({**body, "amount_fen": 1}), 409, "conflict")
    problem_of(await tried.give(a_donation(), webhook_signature="v1,AAAA"), 401, "signature-wrong")
    problem_of(await tried.give(a_donation(amount_fen=0)), 422, "invalid-field")
    batch = await tried.post("donations/batch", {"donations": [body, a_donation(), {}]})
    assert (batch.json()["accepted"], batch.json()["refused"]) == (2, 1)

    part = a_reversal(body["transaction_id"])
    assert (await tried.reverse(part)).json().keys() == {"reversal_id", "status"}
    assert (await tried.reverse(part)).status_code == 202, "counts once"
    view = await standing(service, asked)
    assert (view["status"], view["reversed_fen"]) == ("received", 100)
    assert (await tried.reverse(a_reversal(body["transaction_id"], amount_fen=10_001))).status_code == 202
    assert (await standing(service, asked))["reversed_fen"] == 100, "more than remains goes not back"
    assert (await tried.reverse(a_reversal(body["transaction_id"], amount_fen=9_900))).status_code == 202
    view = await standing(service, asked)
    assert (view["status"], view["reversed_fen"]) == ("reversed", 10_000)

    await service.status(truly.json()["donation_id"], "held")  # the real one has come through
    events = await service.place.log.events()
    assert [event for event in events if tried.name in event.to_bytes().decode()] == []
    assert [event for event in events if real.name in event.to_bytes().decode()]
    for topic in ("dead-letter", "contacts"):
        records = await service.place.log.records(topic)
        assert not [each for each in records if tried.name.encode() in (each.value or b"")]
    assert await service.place.value("SELECT count(*) FROM donations WHERE channel = :c", c=tried.name) == 0
    assert (
        await service.place.value(
            "SELECT count(*) FROM reversals WHERE donation_id = :d", d=asked.json()["donation_id"]
        )
        == 0
    )


async def test_a_sandbox_has_no_topic(service: Service) -> None:
    tried = await sandbox(service)
    read = await service.http.get(f"/v1/channels/{tried.name}", headers=bearer("viewer"))
    assert (read.json()["topic"], read.json()["sandbox"]) == (None, True)
    assert service.place.settings.topic(tried.topic) not in await service.place.topics()


async def test_a_refund_that_comes_first_waits_for_its_donation(service: Service) -> None:
    tried, body = await sandbox(service), a_donation()
    assert (await tried.reverse(a_reversal(body["transaction_id"]))).status_code == 202
    unknown = await service.http.get(
        f"/v1/channels/{tried.name}/donations/{body['transaction_id']}", headers=bearer("viewer")
    )
    problem_of(unknown, 404, "unknown-donation")
    assert (await standing(service, await tried.give(body)))["reversed_fen"] == 100


@pytest.mark.parametrize(("asked", "code"), [("429", "too-many"), ("503", "not-confirmed")])
async def test_what_is_asked_for_is_refused_once_on_all_processes_together(
    service: Service, asked: str, code: str
) -> None:
    tried = await sandbox(service)
    body = a_donation(transaction_id=new_id(f"sandbox-{asked}"))
    async with serving(service.place.settings.model_copy(update={"roles": "api"})) as url:
        first = await tried.give(body)
        problem_of(first, int(asked), code)
        assert first.headers["retry-after"] == "1"
        transaction = f"{url}/v1/channels/{tried.name}/donations/{body['transaction_id']}"
        assert (await service.http.get(transaction, headers=bearer("viewer"))).status_code == 404
        content = as_json(body)
        headers = tried.signed(content)
        again = await service.http.post(
            f"{url}/v1/channels/{tried.name}/donations", content=content, headers=headers
        )
    assert again.status_code == 202, again.text
    assert (await standing(service, again))["status"] == "received"


async def test_a_conflict_and_a_held_donation_can_be_tried_out(service: Service) -> None:
    tried = await sandbox(service)
    problem_of(await tried.give(a_donation(transaction_id=new_id("sandbox-conflict"))), 409, "conflict")
    held = a_donation(transaction_id=new_id("sandbox-held"))
    view = await standing(service, await tried.give(held))
    assert (view["status"], view["held_reason"]) == ("held", "not_launched")
    assert (await tried.reverse(a_reversal(held["transaction_id"]))).status_code == 202
    assert (await standing(service, await tried.give(held)))["reversed_fen"] == 0, "waits as money would"
    real = await service.channel()
    as_money = await real.give(a_donation(transaction_id=new_id("sandbox-conflict")))
    assert as_money.status_code == 202, "only a sandbox listens to that"


async def test_a_sandbox_says_what_became_of_a_reversal(service: Service) -> None:
    tried = await sandbox(service)
    body = a_donation(amount_fen=10_000)
    early, more, rest = (a_reversal(body["transaction_id"], amount_fen=fen) for fen in (4_000, 6_001, 6_000))

    async def became(reversal: dict[str, Any]) -> str:
        path = f"/v1/channels/{tried.name}/reversals/{reversal['reversal_id']}"
        answer = await service.http.get(path, headers=tried.signed(b"", content_type=None))
        return str(answer.json().get("status"))

    assert await became(early) == "404"
    assert (await tried.reverse(early)).status_code == 202
    assert await became(early) == "pending"
    for message in (body, more, rest):
        sent = tried.reverse if message is not body else tried.give
        assert (await sent(message)).status_code == 202
    assert [await became(each) for each in (early, more, rest)] == ["applied", "refused", "applied"]


async def test_a_paused_sandbox_and_one_over_its_limit_are_told_so(service: Service) -> None:
    tried = await sandbox(service, limit_per_second=1, campaigns=["gala"])
    answers = await asyncio.gather(*(tried.give(a_donation()) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202, 429}
    url = f"/v1/channels/{tried.name}"
    faster = await service.http.patch(url, json={"limit_per_second": 101}, headers=bearer("admin"))
    problem_of(faster, 422, "sandbox-limit")
    await service.http.patch(url, json={"limit_per_second": 100}, headers=bearer("admin"))
    problem_of(await tried.give(a_donation(campaign_id="drive")), 422, "campaign-not-allowed")
    await service.http.post(f"{url}/pause", json={"reason": "x"}, headers=commanding())
    problem_of(await tried.give(a_donation()), 503, "channel-paused")


async def test_what_is_old_or_too_much_is_forgotten(service: Service) -> None:
    tried = await sandbox(service)
    answers = [await tried.give(a_donation()) for _ in range(4)]
    aged = "UPDATE sandbox_messages SET created_at = now() - interval '31 days' WHERE donation_id = :d"
    async with service.place.engine.begin() as connection:
        await connection.execute(text(aged), {"d": answers[0].json()["donation_id"]})
        now = (await connection.execute(text("SELECT now()"))).scalar_one()
        await queries.prune_sandboxes(connection, now - KEPT, 2)
        assert timedelta(days=30) == KEPT
    left = await service.place.rows(
        "SELECT CAST(donation_id AS text) FROM sandbox_messages WHERE channel = :c ORDER BY message_id",
        c=tried.name,
    )
    assert [row[0] for row in left] == [answer.json()["donation_id"] for answer in answers[2:]]


async def test_nothing_of_a_donor_is_kept(service: Service) -> None:
    tried, mark = await sandbox(service), new_id("王")
    assert (await tried.give(a_donation(donor=a_donor(name=mark), message=mark))).status_code == 202
    rows = await service.place.rows("SELECT * FROM sandbox_messages WHERE channel = :c", c=tried.name)
    assert len(rows) == 1
    assert mark not in str(rows)
