"""Donors' messages: nothing that no person approved leaves the service, and what they take back is told."""

import asyncio
import io
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx import Response

from services.donation.intake import donation_id_of
from services.donation.moderation.queries import NewDecision, add_decisions
from services.donation.republishing import republish
from shared.broker import CONTACTS, DONATION_EVENTS, INTAKE_INTERNAL
from shared.events import DonorMessageApproved, DonorMessageWithdrawn, decode_event
from tests.services.donation.builders import a_donation, a_donor, a_reversal, bearer, commanding, new_id
from tests.services.donation.places import Channel, Place, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def channel(service: Service) -> Channel:
    """The channel by which these donors give."""
    return await service.channel()


async def given(channel: Channel, campaign_id: str, text: str, **changes: Any) -> str:
    """A donation with a message; gives the message's id."""
    answer = await channel.give(a_donation(campaign_id=campaign_id, message=text, **changes))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["donation_id"])


async def queue(service: Service, campaign_id: str, **asked: Any) -> dict[str, Any]:
    params = {"campaign_id": campaign_id, **asked}
    answer = await service.http.get("/v1/messages", params=params, headers=bearer("moderator"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def waiting(service: Service, campaign_id: str, count: int, **asked: Any) -> list[dict[str, Any]]:
    """The queue, as soon as the rules have looked at so many."""

    async def look() -> Any:
        items = (await queue(service, campaign_id, **asked))["items"]
        return items if len(items) == count else None

    return list(await until(look)) if count else []


def approval(message_id: str, version: int = 0) -> dict[str, Any]:
    return {"message_id": message_id, "version": version, "decision": "approve"}


def refusal(message_id: str, version: int = 0, reason: str = "not_fitting") -> dict[str, Any]:
    return {"message_id": message_id, "version": version, "decision": "refuse", "reason": reason}


def reopening(message_id: str, version: int) -> dict[str, Any]:
    return {"message_id": message_id, "version": version, "decision": "reopen"}


async def decide(
    service: Service, *decisions: dict[str, Any], person: str = "moderator", key: str | None = None
) -> Response:
    headers = bearer(person) | {"idempotency-key": key or uuid4().hex}
    body = {"decisions": list(decisions)}
    return await service.http.post("/v1/messages/decisions", json=body, headers=headers)


async def one(service: Service, message_id: str) -> dict[str, Any]:
    answer = await service.http.get(f"/v1/messages/{message_id}", headers=bearer("moderator"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def told(place: Place, message_id: str) -> list[Any]:
    """The events about a message, in their order."""
    records = [
        each for each in await place.log.event_records(INTAKE_INTERNAL) if each.key == message_id.encode()
    ]
    events = [decode_event(each.value) for each in records]
    return [each for each in events if isinstance(each, DonorMessageApproved | DonorMessageWithdrawn)]


async def told_as(service: Service, message_id: str, *kinds: type) -> list[Any]:
    async def look() -> Any:
        events = await told(service.place, message_id)
        return events if [type(event) for event in events] == list(kinds) else None

    return list(await until(look))


async def test_a_message_is_told_when_a_person_approved_it_and_again_when_they_take_it_back(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    donor = a_donor(display="alias", name="王小明", alias="苏州阿姨")
    shown = await given(channel, campaign_id, "愿孩子们平安长大", donor=donor)
    hidden = await given(channel, campaign_id, "不想署名", donor=a_donor(display="anonymous", name="李芳"))
    items = {item["message_id"]: item for item in await waiting(service, campaign_id, 2)}
    assert items[shown]["name"] == "苏州阿姨"
    assert items[hidden]["name"] is None
    assert (items[shown]["state"], items[shown]["version"]) == ("waiting", 0)
    assert await told(service.place, shown) == []

    answer = await decide(service, approval(shown), approval(hidden))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["done"], answer.json()["refused"]) == (2, 0)
    (event,) = await told_as(service, shown, DonorMessageApproved)
    assert event.data.model_dump(include={"text", "shown_name", "campaign_id", "donor_kind"}) == {
        "text": "愿孩子们平安长大",
        "shown_name": "苏州阿姨",
        "campaign_id": campaign_id,
        "donor_kind": "person",
    }
    assert event.source.startswith("intake.internal/")
    (event,) = await told_as(service, hidden, DonorMessageApproved)
    assert (event.data.text, event.data.shown_name) == ("不想署名", None)

    undone = await decide(service, refusal(shown, version=1, reason="donor_asked"))
    assert undone.json()["items"][0]["state"] == "withdrawn"
    _, gone = await told_as(service, shown, DonorMessageApproved, DonorMessageWithdrawn)
    assert gone.data.cause == "moderator"
    assert gone.previous is not None
    history = (await one(service, shown))["decisions"]
    assert [(step["decided_by"], step["state"], step["reason"]) for step in history] == [
        ("moderator", "approved", None),
        ("moderator", "withdrawn", "donor_asked"),
    ]


async def test_a_moderator_sees_where_messages_wait(service: Service, channel: Channel) -> None:
    busy, quiet = await service.place.campaign(), await service.place.campaign()
    for letter in "甲乙":
        await given(channel, busy, f"加油{letter}")
    await waiting(service, busy, 2)

    async def counts() -> dict[str, int]:
        answer = await service.http.get("/v1/messages/campaigns", headers=bearer("moderator"))
        assert answer.status_code == 200, answer.text
        return {each["campaign_id"]: each["waiting"] for each in answer.json()["items"]}

    found = await counts()
    assert (found[busy], found[quiet]) == (2, 0)
    await decide(service, approval((await queue(service, busy))["items"][0]["message_id"]))
    assert (await counts())[busy] == 1
    refused = await service.http.get("/v1/messages/campaigns", headers=bearer("viewer"))
    assert refused.status_code == 403


async def test_each_decision_is_judged_by_itself(service: Service, channel: Channel) -> None:
    campaign_id = await service.place.campaign()
    ids = [await given(channel, campaign_id, f"加油{letter}") for letter in "甲乙丙"]
    await waiting(service, campaign_id, 3)
    first = await decide(service, approval(ids[0]), refusal(ids[1]))
    assert first.json()["done"] == 2
    unknown = str(uuid4())
    key = uuid4().hex
    mixed = [approval(ids[0], 1), approval(ids[1]), refusal(unknown), approval(ids[2])]
    answers = await asyncio.gather(*(decide(service, *mixed, key=key) for _ in range(3)))
    assert {answer.text for answer in answers} == {answers[0].text}, "the same command is done once"
    said = [(item["outcome"], item["state"], item["problem"]) for item in answers[0].json()["items"]]
    assert said == [
        ("unchanged", "approved", None),
        ("refused", "refused", "version-changed"),
        ("refused", None, "not-found"),
        ("done", "approved", None),
    ]
    assert [item["message_id"] for item in await waiting(service, campaign_id, 1, state="refused")] == [
        ids[1]
    ]
    assert (await decide(service, approval(ids[2], 5), key=key)).status_code == 422, "another request's key"


@pytest.mark.parametrize(
    ("text", "verdicts", "state", "told_then", "told_last"),
    [
        ("加油", "a", "waiting", (1,), DonorMessageWithdrawn),
        ("加油", "r", "waiting", (0,), None),
        ("好" * 101, "a", "refused_by_rule", (1,), DonorMessageWithdrawn),
        ("好" * 101, "r", "refused_by_rule", (0,), None),
        ("加油", "ar", "approved", (1, 2), DonorMessageApproved),
        ("加油", "ra", "refused", (0, 1), DonorMessageWithdrawn),
    ],
    ids=["approval", "refusal", "approval-of-long", "refusal-of-long", "withdrawal", "approval-of-refused"],
)
async def test_a_decision_taken_back_leaves_the_message_as_it_was_before(
    service: Service,
    channel: Channel,
    text: str,
    verdicts: str,
    state: str,
    told_then: tuple[int, ...],
    told_last: type | None,
) -> None:
    campaign_id = await service.place.campaign()
    message_id = await given(channel, campaign_id, text)
    first = "refused_by_rule" if len(text) > 100 else "waiting"
    (item,) = await waiting(service, campaign_id, 1, state=first)
    both: list[type] = [DonorMessageApproved, DonorMessageWithdrawn]
    kinds = both[: max(told_then)]
    if told_last is not None:
        kinds.append(told_last)
    for version, verdict in enumerate(verdicts):
        made = {"a": approval, "r": refusal}[verdict](message_id, version)
        assert (await decide(service, made)).json()["done"] == 1
        if told_then[version]:
            await told_as(service, message_id, *kinds[: told_then[version]])
    late = (await decide(service, reopening(message_id, len(verdicts) - 1))).json()["items"][0]
    assert (late["outcome"], late["problem"]) == ("refused", "version-changed")

    (done,) = (await decide(service, reopening(message_id, len(verdicts)))).json()["items"]
    assert (done["outcome"], done["state"], done["version"]) == ("done", state, len(verdicts) + 1)
    if kinds:
        await told_as(service, message_id, *kinds)
    found = await one(service, message_id)
    assert {name: found[name] for name in ("rule", "word", "state")} == {
        "rule": item["rule"],
        "word": item["word"],
        "state": state,
    }
    last = found["decisions"][-1]
    assert (last["verdict"], last["state"], last["decided_by"]) == ("reopen", state, "moderator")
    (again,) = (await decide(service, reopening(message_id, len(verdicts) + 1))).json()["items"]
    assert (again["outcome"], again["problem"]) == ("refused", "nothing-to-reopen")
    assert (await decide(service, approval(message_id, len(verdicts) + 1))).json()["refused"] == 0
    if state != "approved":
        await told_as(service, message_id, *kinds, DonorMessageApproved)


async def test_what_a_rule_approved_or_a_reversal_took_away_is_not_put_back(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    path, headers = f"/v1/messages/rules/{campaign_id}", bearer("moderator") | {"if-match": "*"}
    assert (await service.http.put(path, json={"automatic": True}, headers=headers)).status_code == 200
    by_rule = await given(channel, campaign_id, "愿平安")
    await told_as(service, by_rule, DonorMessageApproved)
    body = a_donation(campaign_id=campaign_id, message="找我 138 0000 0000")
    assert (await channel.give(body)).status_code == 202
    reversed_ = str(donation_id_of(channel.name, body["transaction_id"]))
    await waiting(service, campaign_id, 1)
    untouched = await decide(service, reopening(reversed_, 0), reopening(by_rule, 1))
    assert [item["problem"] for item in untouched.json()["items"]] == ["nothing-to-reopen"] * 2

    await decide(service, refusal(reversed_))
    reversal = a_reversal(body["transaction_id"], amount_fen=body["amount_fen"])
    del reversal["type"]
    assert (await channel.reverse(reversal)).status_code == 202

    async def gone() -> Any:
        return (await one(service, reversed_))["donation_reversed"]

    await until(gone)
    (item,) = (await decide(service, reopening(reversed_, 1))).json()["items"]
    assert (item["state"], item["problem"]) == ("refused", "donation-reversed")


async def test_what_a_person_took_back_waits_for_a_person_whatever_the_rules(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    touched, other = [await given(channel, campaign_id, f"加油{each}") for each in "甲乙"]
    await waiting(service, campaign_id, 2)
    await decide(service, approval(touched))
    await decide(service, reopening(touched, 1))
    path, headers = f"/v1/messages/rules/{campaign_id}", bearer("moderator") | {"if-match": "*"}
    assert (await service.http.put(path, json={"automatic": True}, headers=headers)).status_code == 200
    await told_as(service, other, DonorMessageApproved)
    (item,) = await waiting(service, campaign_id, 1)
    assert item["message_id"] == touched


@pytest.mark.parametrize(
    ("decisions", "field"),
    [
        ([], "decisions"),
        ([approval(str(uuid4()))] * 2, "decisions"),
        ([approval(str(uuid4())) for _ in range(201)], "decisions"),
        ([{**approval(str(uuid4())), "reason": "insult"}], "decisions.0.reason"),
        ([{**refusal(str(uuid4())), "reason": None}], "decisions.0.reason"),
        ([{**approval(str(uuid4())), "text": "nicer"}], "decisions.0.text"),
        ([{**reopening(str(uuid4()), 1), "reason": "other"}], "decisions.0.reason"),
    ],
    ids=["none", "twice", "too-many", "reason-for-yes", "no-reason", "another-text", "reason-for-undo"],
)
async def test_decisions_sent_wrong_are_told_their_field(
    service: Service, decisions: list[dict[str, Any]], field: str
) -> None:
    answer = await decide(service, *decisions)
    assert answer.status_code == 422, answer.text
    assert field in {error["field"] for error in answer.json()["errors"]}


async def test_only_moderators_read_and_decide(service: Service) -> None:
    for person in ("viewer", "desk", "finance"):
        reading = await service.http.get("/v1/messages?campaign_id=gala", headers=bearer(person))
        words = await service.http.get("/v1/messages/words", headers=bearer(person))
        deciding = await decide(service, approval(str(uuid4())), person=person)
        assert {reading.status_code, words.status_code, deciding.status_code} == {403}
    assert (await service.http.get("/v1/messages?campaign_id=gala")).status_code == 401


async def test_the_queue_is_read_part_by_part_in_either_order(service: Service, channel: Channel) -> None:
    campaign_id = await service.place.campaign()
    rules = {"first_from_fen": 50_000}
    set_ = await service.http.put(
        f"/v1/messages/rules/{campaign_id}", json=rules, headers=bearer("moderator") | {"if-match": '"0"'}
    )
    assert set_.status_code == 200, set_.text
    amounts = [10_000, 60_000, 20_000, 20_000, 90_000, 5_000]
    ids = [await given(channel, campaign_id, "加油", amount_fen=fen) for fen in amounts]
    await waiting(service, campaign_id, len(ids))

    async def pages(**asked: Any) -> list[int]:
        found: list[int] = []
        after: dict[str, str] = {}
        while True:
            page = await queue(service, campaign_id, limit=2, **asked, **after)
            found += [ids.index(item["message_id"]) for item in page["items"]]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}

    assert await pages() == [1, 4, 0, 2, 3, 5], "from the campaign's amount on first, then as they came"
    assert await pages(order="largest") == [4, 1, 3, 2, 0, 5]
    assert await pages(min_amount_fen=20_000) == [1, 4, 2, 3]
    assert await pages(order="largest", min_amount_fen=20_001) == [4, 1]
    cursor = (await queue(service, campaign_id, limit=1))["next"]
    for bad in ("x", cursor + "x", "5LiA"):
        answer = await service.http.get(
            "/v1/messages",
            params={"campaign_id": campaign_id, "order": "largest", "after": bad},
            headers=bearer("moderator"),
        )
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


async def test_what_may_be_personal_data_is_approved_in_a_call_of_its_own_only(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    plain = await given(channel, campaign_id, "愿平安")
    delicate = await given(channel, campaign_id, "找我 138 0000 0000")
    await waiting(service, campaign_id, 2)
    answer = (await decide(service, approval(plain), approval(delicate))).json()
    assert [(each["outcome"], each["problem"]) for each in answer["items"]] == [
        ("done", None),
        ("refused", "personal-data"),
    ]
    assert (await one(service, delicate))["state"] == "waiting"
    assert (await decide(service, approval(delicate))).json()["done"] == 1
    both = (await decide(service, approval(delicate, 1), refusal(plain, 1))).json()
    assert [each["outcome"] for each in both["items"]] == ["unchanged", "done"], "it is approved already"
    gone = await decide(service, refusal(delicate, 1), approval(plain, 2))
    assert gone.json()["done"] == 2, "what is delicate may be refused with others"


async def test_the_rules_refuse_and_a_person_may_still_approve(service: Service, channel: Channel) -> None:
    campaign_id = await service.place.campaign()
    word = new_id("word")
    listed = await service.http.get("/v1/messages/words", headers=bearer("moderator"))
    before = listed.json()["words"]
    assert before, "a new installation has a list"
    message_id = await given(channel, campaign_id, f"看 {word.upper()} 看")
    (item,) = await waiting(service, campaign_id, 1)
    assert item["personal_data"], "figures are for a person to look at"

    async def put(words: list[Any], etag: str) -> Response:
        headers = bearer("moderator") | {"if-match": etag}
        return await service.http.put("/v1/messages/words", json={"words": words}, headers=headers)

    changed = await put([*before, {"word": word}], listed.headers["etag"])
    assert changed.status_code == 200, changed.text
    assert (await put(before, listed.headers["etag"])).status_code == 412
    no_version = await service.http.put(
        "/v1/messages/words", json={"words": before}, headers=bearer("moderator")
    )
    assert no_version.status_code == 428
    (refused,) = await waiting(service, campaign_id, 1, state="refused_by_rule")
    assert (refused["rule"], refused["word"]) == ("word_list", word)
    assert (await put(before, changed.headers["etag"])).status_code == 200
    await waiting(service, campaign_id, 1)
    assert (await decide(service, approval(message_id))).json()["done"] == 1


async def test_what_is_clean_is_approved_automatically_only_where_a_campaign_says_so(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    clean = await given(channel, campaign_id, "愿平安")
    phone = await given(channel, campaign_id, "找我 138 0000 0000")
    large = await given(channel, campaign_id, "大爱", amount_fen=1_000_000)
    await waiting(service, campaign_id, 3)
    headers = bearer("moderator") | {"if-match": "*"}
    rules = {"automatic": True, "required_from_fen": 1_000_000}
    path = f"/v1/messages/rules/{campaign_id}"
    assert (await service.http.put(path, json=rules, headers=headers)).status_code == 200
    await told_as(service, clean, DonorMessageApproved)
    assert {item["message_id"] for item in await waiting(service, campaign_id, 2)} == {phone, large}
    (step,) = (await one(service, clean))["decisions"]
    assert (step["decided_by"], step["rule"]) == (None, "automatic")


async def test_a_reversed_donations_message_is_withdrawn_and_cannot_be_approved(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    bodies = [a_donation(campaign_id=campaign_id, message=f"加油{each}") for each in "甲乙"]
    for body in bodies:
        assert (await channel.give(body)).status_code == 202
    shown, kept = [str(donation_id_of(channel.name, body["transaction_id"])) for body in bodies]
    await waiting(service, campaign_id, 2)
    await decide(service, approval(shown))
    await told_as(service, shown, DonorMessageApproved)
    for body, fen in ((bodies[0], 4_000), (bodies[0], 6_000), (bodies[1], 10_000)):
        reversal = a_reversal(body["transaction_id"], amount_fen=fen)
        del reversal["type"]
        assert (await channel.reverse(reversal)).status_code == 202
    _, gone = await told_as(service, shown, DonorMessageApproved, DonorMessageWithdrawn)
    assert gone.data.cause == "donation_reversed"
    (refused,) = await waiting(service, campaign_id, 1, state="refused_by_rule")
    assert (refused["message_id"], refused["rule"]) == (kept, "donation_reversed")
    answer = await decide(service, approval(shown, 2), approval(kept))
    assert [item["problem"] for item in answer.json()["items"]] == ["donation-reversed"] * 2


async def test_a_held_donations_message_waits_with_it(service: Service, channel: Channel) -> None:
    campaign_id = new_id("gala")
    message_id = await given(channel, campaign_id, "早安")
    await service.status(message_id, "held")
    unknown = await service.http.get(f"/v1/messages/{message_id}", headers=bearer("moderator"))
    assert unknown.status_code == 404
    await service.place.set_campaign(campaign_id, "launched")
    (item,) = await waiting(service, campaign_id, 1)
    assert item["message_id"] == message_id


def record(message_id: str, number: int) -> dict[str, Any]:
    return {"type": "message_decided", "message_id": message_id, "number": number}


async def a_decided_message(place: Place, *states: str) -> str:
    """A message at a place where nobody works, decided about in the tables; gives its id."""
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id, message="加油")
    await place.put(topic, body)
    await place.work(topic)
    message_id = donation_id_of(topic.removeprefix("intake."), body["transaction_id"])
    async with place.engine.begin() as connection:
        for number, state in enumerate(states, 1):
            verdict = "approve" if state == "approved" else "refuse"
            new = NewDecision(message_id, number, verdict, state)  # type: ignore[arg-type]
            await add_decisions(connection, [new], "moderator", datetime.now(UTC))
    return str(message_id)


async def test_a_record_read_again_makes_the_same_event_and_a_second_record_none(place: Place) -> None:
    message_id = await a_decided_message(place, "approved")
    records = await place.internal(record(message_id, 1), record(message_id, 1), record(message_id, 7))
    await place.handler()(records)
    await place.handler()(records)
    values = [
        each.value
        for each in await place.log.event_records(INTAKE_INTERNAL)
        if each.key == message_id.encode()
    ]
    assert len(values) == 2
    assert len(set(values)) == 1
    await republish(place.engine, place.publisher, "intake.internal/0", records[0].offset - 1)
    again = [
        each.value
        for each in await place.log.event_records(INTAKE_INTERNAL)
        if each.key == message_id.encode()
    ]
    assert set(again) == set(values)
    assert len(again) == 3


async def test_a_later_decision_is_the_one_that_counts_whatever_order_the_records_come_in(
    place: Place,
) -> None:
    message_id = await a_decided_message(place, "approved", "withdrawn")
    records = await place.internal(record(message_id, 2), record(message_id, 1))
    for _ in range(2):
        await place.handler()(records)
    assert {type(event) for event in await told(place, message_id)} == {DonorMessageWithdrawn}


async def test_what_was_not_approved_is_in_no_topic_log_metric_or_public_answer(
    service: Service, channel: Channel, written: io.StringIO
) -> None:
    campaign_id, mark = await service.place.campaign(), new_id("寄语")
    ids = [await given(channel, campaign_id, f"{mark}{each}") for each in ("待审", "不可", "撤回", "可以")]
    await waiting(service, campaign_id, 4)
    # Each by itself: the mark has figures, which may be somebody's number.
    answers = [await decide(service, each) for each in (refusal(ids[1]), approval(ids[3]))]
    assert not any(mark in answer.text for answer in answers)
    await told_as(service, ids[3], DonorMessageApproved)
    statuses = [(await service.http.get(f"/v1/donations/{each}")).text for each in ids]
    metrics = (await service.http.get("/metrics")).text
    assert mark not in "".join([*statuses, metrics, written.getvalue()])
    assert mark not in str(await service.place.rows("SELECT answer FROM idempotency_keys"))
    for topic in (DONATION_EVENTS, INTAKE_INTERNAL, CONTACTS, "dead-letter"):
        found = [
            each for each in await service.place.log.records(topic) if mark.encode() in (each.value or b"")
        ]
        approved = [each for each in found if f"{mark}可以".encode() in (each.value or b"")]
        assert found == approved, f"{topic}: only what was approved"
        assert bool(found) == (topic == DONATION_EVENTS)


async def test_a_shown_message_goes_with_its_donor_s_name_and_comes_back_without(
    service: Service, channel: Channel
) -> None:
    campaign_id = await service.place.campaign()
    shown = await given(channel, campaign_id, "愿平安", donor=a_donor(display="name", name="王小明"))
    await waiting(service, campaign_id, 1)
    await decide(service, approval(shown))
    await told_as(service, shown, DonorMessageApproved)
    answer = await service.http.post(
        f"/v1/donations/{shown}/consent/withdraw", json={"reason": "asked"}, headers=commanding("desk")
    )
    assert answer.status_code == 202, answer.text
    _, gone = await told_as(service, shown, DonorMessageApproved, DonorMessageWithdrawn)
    assert gone.data.cause == "consent_withdrawn"
    assert (await one(service, shown))["name"] is None
    await decide(service, approval(shown, version=2))
    *_, back = await told_as(
        service, shown, DonorMessageApproved, DonorMessageWithdrawn, DonorMessageApproved
    )
    assert back.data.shown_name is None
