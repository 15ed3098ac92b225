"""A single donation found, looked into, taken back, let go on or refused by a person."""

from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from services.donation.reconciliation.days import day_of
from services.donation.republishing import republish
from shared.broker import INTAKE_INTERNAL
from shared.events import (
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    ConsentWithdrawn,
    DonationReceived,
    DonationReversed,
)
from tests.services.donation.builders import (
    OCCURRED_AT,
    a_donation,
    a_donor,
    a_reversal,
    bearer,
    commanding,
    new_id,
)
from tests.services.donation.places import Channel, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def campaign(service: Service, *events: Any) -> str:
    """A campaign of its own that these events tell of, known here."""
    campaign_id = new_id("gala")
    for event_class in events:
        await service.place.tell(service.campaigns.event(event_class, campaign_id))

    async def known() -> bool:
        rows = await service.place.rows("SELECT status FROM campaigns WHERE campaign_id = :c", c=campaign_id)
        wanted = {CampaignFiled: "filed", CampaignLaunched: "launched", CampaignPaused: "paused"}[events[-1]]
        return rows == [(wanted,)]

    await until(known)
    return campaign_id


async def given(service: Service, channel: Channel, status: str = "received", **changes: Any) -> Any:
    """A donation that has come to stand so: its body and its id."""
    body = a_donation(**changes)
    donation_id = (await channel.give(body)).json()["donation_id"]
    await service.status(donation_id, status)
    return body, donation_id


async def get(service: Service, path: str, person: str = "viewer", **query: Any) -> Any:
    answer = await service.http.get(path, params=query, headers=bearer(person))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def post(service: Service, path: str, body: Any, person: str = "finance") -> Any:
    return await service.http.post(path, json=body, headers=commanding(person))


async def test_a_donation_is_found_by_what_its_donor_can_say(service: Service) -> None:
    channel, campaign_id = await service.channel(), await campaign(service, CampaignLaunched)
    amount_fen = 10_000 + int(uuid4().hex[:6], 16)
    donor = a_donor(display="alias", alias="爱心人士", contact={"email": "wang@example.cn"})
    body, donation_id = await given(
        service, channel, campaign_id=campaign_id, amount_fen=amount_fen, donor=donor, message="加油"
    )
    _, other = await given(service, channel, campaign_id=campaign_id, amount_fen=amount_fen)
    for sought in (
        {"donation_id": donation_id},
        {"transaction_id": body["transaction_id"]},
        {"transaction_id_ends": body["transaction_id"][-8:]},
        {"transaction_id_ends": body["transaction_id"][-4:], "amount_fen": amount_fen},
    ):
        (found,) = (await get(service, "/v1/donations", **sought))["items"]
        assert (found["donation_id"], found["shown_name"]) == (donation_id, "爱心人士"), sought
        for secret in ("王小明", "wang", "加油"):
            assert secret not in str(found)
    by_amount: dict[str, Any] = {"amount_fen": amount_fen, "day": day_of(OCCURRED_AT).isoformat()}
    ids = [each["donation_id"] for each in (await get(service, "/v1/donations", **by_amount))["items"]]
    assert sorted(ids) == sorted([donation_id, other])
    first = await get(service, "/v1/donations", **by_amount, limit=1)
    second = await get(service, "/v1/donations", **by_amount, limit=1, after=first["next"])
    assert [first["items"][0]["donation_id"], second["items"][0]["donation_id"]] == ids
    assert (await get(service, "/v1/donations", **by_amount, after=second["next"]))["items"] == []
    assert (await get(service, "/v1/donations", amount_fen=amount_fen, day="2020-01-01"))["items"] == []
    assert (await get(service, "/v1/donations", receipt="NONE-2027-0000001"))["items"] == []


@pytest.mark.parametrize(
    "query",
    [
        {"after": "yesterday"},
        {"after": "2027-01-01T00:00:00.000000Z~nobody"},
        {"transaction_id_ends": "123"},
        {"amount_fen": 0},
        {"day": "0001-01-01"},
        {"limit": 201},
        {"name": "王小明"},
    ],
    ids=str,
)
async def test_what_no_donation_can_have_is_refused(service: Service, query: dict[str, Any]) -> None:
    answer = await service.http.get("/v1/donations", params=query, headers=bearer("viewer"))
    assert answer.status_code == 422, answer.text


async def test_money_goes_back_by_a_person_s_word_once_and_never_more_than_remains(service: Service) -> None:
    channel, campaign_id = await service.channel(), await campaign(service, CampaignLaunched)
    _, donation_id = await given(service, channel, campaign_id=campaign_id)
    path = f"/v1/donations/{donation_id}/reversals"
    body = {"kind": "refund", "amount_fen": 4_000, "reason": "gave twice"}
    headers = commanding("finance")
    answers = [await service.http.post(path, json=body, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202], answers[0].text
    assert answers[0].json() == answers[1].json()
    too_much = await post(service, path, body | {"amount_fen": 6_001})
    assert (too_much.status_code, too_much.json()["remaining_fen"]) == (409, 6_000)
    assert (await post(service, path, {"kind": "refund", "reason": "the rest"})).json()["amount_fen"] == 6_000
    await service.status(donation_id, "reversed")

    record = await get(service, f"/v1/donations/{donation_id}/record")
    assert [each["type"] for each in record["events"]] == ["DonationReceived", *["DonationReversed"] * 2]
    assert [(each["amount_fen"], each["status"], each["asked_by"]) for each in record["reversals"]] == [
        (4_000, "applied", "finance"),
        (6_000, "applied", "finance"),
    ]
    assert record["donation"]["reversed_fen"] == 10_000
    assert record["reconciliation"]["state"] == "waiting"
    events = [
        each for each in await service.place.log.events(channel.topic) if isinstance(each, DonationReversed)
    ]
    assert len(events) == 2
    assert await service.place.rows("SELECT 1 FROM operator_reversals WHERE sent_at IS NULL") == []


async def test_the_channel_s_own_notice_of_the_same_refund_is_not_subtracted_again(service: Service) -> None:
    channel, campaign_id = await service.channel(), await campaign(service, CampaignLaunched)
    _, donation_id = await given(service, channel, campaign_id=campaign_id)
    path = f"/v1/donations/{donation_id}/reversals"
    body = {"kind": "refund", "amount_fen": 100, "reversal_id": "refund-1", "reason": "asked"}
    assert (await post(service, path, body)).status_code == 202
    again = await post(service, path, body)
    assert again.json()["type"] == "urn:shanliu:problem:reversal-known"


async def test_held_donations_are_listed_and_let_go_on_or_refused_each_with_its_answer(
    service: Service,
) -> None:
    channel = await service.channel()
    paused = await campaign(service, CampaignLaunched, CampaignPaused)
    filed = await campaign(service, CampaignFiled)
    _, first = await given(service, channel, "held", campaign_id=paused)
    _, second = await given(service, channel, "held", campaign_id=paused)
    _, too_early = await given(service, channel, "held", campaign_id=filed)
    _, unknown = await given(service, channel, "held", campaign_id=new_id("gala"))
    page = await get(service, "/v1/held", campaign_id=paused, limit=1)
    rest = await get(service, "/v1/held", campaign_id=paused, reason="paused", after=page["next"])
    listed = page["items"] + rest["items"]
    assert sorted(each["donation_id"] for each in listed) == sorted([first, second])
    assert {(each["held_reason"], each["campaign_status"]) for each in listed} == {("paused", "paused")}

    body = {"donation_ids": [first, too_early, unknown, str(uuid4())], "reason": "checked with the bank"}
    answer = await post(service, "/v1/held/release", body)
    assert [each["code"] for each in answer.json()["items"]] == [
        None,
        "not-launched",
        "campaign-unknown",
        "unknown-donation",
    ]
    view = await service.status(first, "received")
    assert view["position"]["source"].startswith("intake.internal/")
    refused = await post(service, "/v1/held/refuse", {"donation_ids": [first, second], "reason": "fraud"})
    assert [each["code"] for each in refused.json()["items"]] == ["not-held", None]
    assert (await service.status(second, "refused"))["held_reason"] is None
    assert (await get(service, "/v1/held", campaign_id=paused))["items"] == []
    record = await get(service, f"/v1/donations/{second}/record")
    assert record["decision"]["decision"] == "refuse"
    assert record["decision"]["decided_by"] == "finance"

    await service.place.tell(service.campaigns.event(CampaignLaunched, paused))
    await given(service, channel, campaign_id=paused)  # the launch is known, and what it lets go on is booked
    assert (await get(service, f"/v1/donations/{second}/record"))["donation"]["status"] == "refused"
    back = await post(service, f"/v1/donations/{second}/reversals", {"kind": "refund", "reason": "fraud"})
    assert back.json()["type"] == "urn:shanliu:problem:still-held"


async def test_a_conflict_is_listed_with_both_contents_and_resolved_with_a_reason(service: Service) -> None:
    channel = await service.channel()
    body, donation_id = await given(service, channel, "held", campaign_id=new_id("gala"))
    await service.place.put(channel.topic, {**body, "amount_fen": 1})

    async def listed() -> Any:
        found = await get(service, "/v1/conflicts", limit=200)
        return [each for each in found["items"] if each["donation_id"] == donation_id]

    (conflict,) = await until(listed)
    assert (conflict["known_amount_fen"], conflict["amount_fen"]) == (10_000, 1)
    assert conflict["differs"] == ["amount_fen"]
    position = {key: conflict[key] for key in ("source", "sequence")}
    asked = {
        "conflicts": [position, {"source": "intake.nobody/0", "sequence": 1}],
        "reason": "first is right",
    }
    answers = [await post(service, "/v1/conflicts/resolve", asked) for _ in range(2)]
    assert [[each["code"] for each in answer.json()["items"]] for answer in answers] == [
        [None, "unknown-conflict"],
        ["already-resolved", "unknown-conflict"],
    ]
    assert await listed() == []
    record = await get(service, f"/v1/donations/{donation_id}/record")
    assert record["donation"]["conflicted"] is False
    assert record["conflicts"][0]["resolution"] == "first is right"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/donations", {"admin", "viewer", "desk", "finance"}),
        ("GET", f"/v1/donations/{uuid4()}/record", {"admin", "viewer", "desk", "finance"}),
        ("GET", "/v1/held", {"admin", "viewer", "desk", "finance"}),
        ("GET", "/v1/conflicts", {"admin", "viewer", "desk", "finance"}),
        ("POST", f"/v1/donations/{uuid4()}/reversals", {"admin", "finance"}),
        ("POST", "/v1/held/release", {"admin", "finance"}),
        ("POST", "/v1/held/refuse", {"admin", "finance"}),
        ("POST", "/v1/conflicts/resolve", {"admin", "finance"}),
    ],
    ids=lambda each: each.rpartition("/")[2] if isinstance(each, str) else None,
)
async def test_each_route_asks_for_its_role(
    service: Service, method: str, path: str, allowed: set[str]
) -> None:
    for person in ("admin", "desk", "viewer", "finance"):
        answer = await service.http.request(method, path, headers=commanding(person))
        assert (answer.status_code == 403) == (person not in allowed), (person, answer.text)
    assert (await service.http.request(method, path)).status_code == 401


async def consent_events(service: Service, donation_id: str) -> list[ConsentWithdrawn]:
    found = await service.place.log.events(INTAKE_INTERNAL)
    mine = [each for each in found if isinstance(each, ConsentWithdrawn)]
    return [each for each in mine if str(each.data.donation_id) == donation_id]


async def test_a_donor_who_takes_the_name_back_is_named_nowhere_and_the_money_stays(service: Service) -> None:
    channel, campaign_id = await service.channel(), await campaign(service, CampaignLaunched)
    body, donation_id = await given(service, channel, campaign_id=campaign_id, message="加油")
    path, reason = f"/v1/donations/{donation_id}/consent/withdraw", {"reason": "asked by telephone"}
    assert (await post(service, path, reason, "viewer")).status_code == 403
    headers = commanding("desk")
    answers = [await service.http.post(path, json=reason, headers=headers) for _ in range(2)]
    assert [each.status_code for each in answers] == [202, 202], answers[0].text
    again = await post(service, path, reason)
    assert again.json()["type"] == "urn:shanliu:problem:already-withdrawn"

    async def told() -> list[ConsentWithdrawn]:
        return await consent_events(service, donation_id)

    (event,) = await until(told)
    assert event.source.startswith("intake.internal/")
    assert (event.data.campaign_id, event.data.channel) == (campaign_id, channel.name)
    record = await get(service, f"/v1/donations/{donation_id}/record")
    assert (record["donation"]["shown_name"], record["donation"]["status"]) == (None, "received")
    withdrawal = record["consent_withdrawal"]
    assert (withdrawal["withdrawn_by"], withdrawal["reason"]) == ("desk", reason["reason"])

    assert (await channel.give(body)).status_code == 202
    assert (await get(service, f"/v1/donations/{donation_id}/record"))["conflicts"] == [], "still a repeat"
    log = await service.place.log.events(channel.topic)
    (named,) = [each for each in log if isinstance(each, DonationReceived) and each.subject == donation_id]
    assert named.data.shown_name == "王小明"
    await republish(service.place.engine, service.place.publisher, named.source)
    await republish(service.place.engine, service.place.publisher, event.source, event.sequence - 1)
    log = await service.place.log.events(channel.topic)
    _, nameless = [each for each in log if isinstance(each, DonationReceived) and each.subject == donation_id]
    assert (nameless.id, nameless.data.shown_name) == (named.id, None)
    assert [each.model_dump() for each in await told()] == [event.model_dump()] * 2


async def test_a_name_taken_back_before_the_release_is_never_told_and_nobody_s_can_t_be(
    service: Service,
) -> None:
    channel, campaign_id = await service.channel(), await campaign(service, CampaignPaused)
    _, donation_id = await given(service, channel, "held", campaign_id=campaign_id)
    path, reason = "/v1/donations/{}/consent/withdraw", {"reason": "asked"}
    assert (await post(service, path.format(donation_id), reason)).status_code == 202
    done = await post(service, "/v1/held/release", {"donation_ids": [donation_id], "reason": "late"})
    assert done.json()["items"][0]["outcome"] == "done"
    await service.status(donation_id, "received")

    async def released() -> list[DonationReceived]:
        log = await service.place.log.events(INTAKE_INTERNAL)
        return [each for each in log if isinstance(each, DonationReceived) and each.subject == donation_id]

    (event,) = await until(released)
    assert (event.data.shown_name, event.data.released) == (None, True)
    _, other = await given(
        service, channel, "held", campaign_id=campaign_id, donor=a_donor(display="anonymous")
    )
    assert (await post(service, path.format(other), reason)).json()["type"].endswith(":nobody-named")
    assert (await post(service, path.format(uuid4()), reason)).status_code == 404


# ---------------------------------------------------------------- reversals that wait


async def waiting_since(service: Service, channel: Channel, transaction_id: str) -> dict[str, Any]:
    """The reversal of this channel that waits for this donation, as soon as it does."""
    found: list[dict[str, Any]] = []

    async def listed() -> bool:
        items = (await get(service, "/v1/waiting-reversals", limit=200))["items"]
        found[:] = [
            each
            for each in items
            if (each["channel"], each["transaction_id"]) == (channel.name, transaction_id)
        ]
        return len(found) == 1

    await until(listed)
    return found[0]


async def set_aside(service: Service, *ids: str, person: str = "finance") -> Any:
    body = {"reversal_ids": ids, "reason": "交易号有误，渠道已重报"}
    return await service.http.post("/v1/waiting-reversals/set-aside", json=body, headers=commanding(person))


async def test_a_reversal_of_a_mistyped_transaction_is_seen_and_set_aside(service: Service) -> None:
    channel = await service.channel()
    mistyped = new_id()
    await channel.reverse(a_reversal(mistyped, amount_fen=12_345))

    waits = await waiting_since(service, channel, mistyped)
    assert (waits["amount_fen"], waits["kind"], waits["donation_status"]) == (12_345, "refund", None)
    answer = await set_aside(service, waits["reversal_id"])
    assert answer.json()["items"] == [
        {"reversal_id": waits["reversal_id"], "outcome": "done", "code": None, "detail": None}
    ]

    row = await service.place.rows(
        "SELECT status, set_aside_by, set_aside_reason FROM reversals WHERE reversal_id = :r",
        r=waits["reversal_id"],
    )
    assert row == [("refused", "finance", "交易号有误，渠道已重报")]
    again = (await set_aside(service, waits["reversal_id"])).json()["items"][0]
    assert (again["outcome"], again["code"]) == ("not_done", "not-pending")
    unknown = (await set_aside(service, str(uuid4()))).json()["items"][0]
    assert (unknown["outcome"], unknown["code"]) == ("not_done", "unknown-reversal")
    late = a_donation(transaction_id=mistyped)
    donation_id = (await channel.give(late)).json()["donation_id"]
    await service.status(donation_id, "held")


async def test_a_reversal_whose_donation_is_held_is_seen_and_not_set_aside(service: Service) -> None:
    channel = await service.channel()
    body, _ = await given(service, channel, "held")
    await channel.reverse(a_reversal(body["transaction_id"]))

    waits = await waiting_since(service, channel, body["transaction_id"])
    assert waits["donation_status"] == "held"
    refused = (await set_aside(service, waits["reversal_id"])).json()["items"][0]
    assert (refused["outcome"], refused["code"]) == ("not_done", "donation-known")
    assert (await set_aside(service, waits["reversal_id"], person="desk")).status_code == 403


async def test_how_long_reversals_wait_is_measured(service: Service) -> None:
    channel = await service.channel()
    mistyped = new_id()
    await channel.reverse(a_reversal(mistyped))
    await waiting_since(service, channel, mistyped)

    async def measured() -> bool:
        many = REGISTRY.get_sample_value("shanliu_reversals_waiting", {"state": "unknown"}) or 0
        age_s = REGISTRY.get_sample_value("shanliu_reversals_oldest_waiting_seconds", {"state": "unknown"})
        return many >= 1 and age_s is not None and 0 < age_s < 600

    await until(measured)
    held = {"state": "held"}
    assert REGISTRY.get_sample_value("shanliu_reversals_waiting", held) is not None, "none is 0, not nothing"
    assert REGISTRY.get_sample_value("shanliu_reversals_oldest_waiting_seconds", held) is not None
