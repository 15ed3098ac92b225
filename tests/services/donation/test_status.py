"""Where a donation stands, told to whoever knows its id, and nothing about who gave it."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.broker import CONTACTS
from shared.events import CampaignClosed, CampaignLaunched, DonationReceived
from tests.services.donation.builders import (
    OCCURRED_AT,
    a_donation,
    a_donor,
    a_reversal,
    bearer,
    new_id,
)
from tests.services.donation.places import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_a_donation_is_accepted_then_received_then_reversed(service: Service) -> None:
    campaign_id, channel = new_id("gala"), await service.channel()
    await service.place.tell(service.campaigns.event(CampaignLaunched, campaign_id))

    async def launched() -> bool:
        return bool(await service.place.rows("SELECT 1 FROM campaigns WHERE campaign_id = :c", c=campaign_id))

    await until(launched)
    body = a_donation(campaign_id=campaign_id)
    async with service.place.engine.begin() as connection:  # the worker has to wait
        await connection.execute(text("LOCK TABLE donations IN EXCLUSIVE MODE"))
        donation_id = (await channel.give(body)).json()["donation_id"]
        answer = await service.http.get(f"/v1/donations/{donation_id}")
        assert answer.json() == {
            "donation_id": donation_id,
            "status": "accepted",
            "position": None,
            "held_reason": None,
            "conflicted": False,
            "reversed_fen": 0,
        }
    view = await service.status(donation_id, "received")
    (record,) = await service.place.batch(channel.topic)
    assert view["position"] == {"source": f"{channel.topic}/{record.partition}", "sequence": record.offset}

    assert (await channel.reverse(a_reversal(body["transaction_id"], amount_fen=4_000))).status_code == 202
    await until(lambda: reversed_fen(service, donation_id, 4_000))
    assert (await service.status(donation_id, "received"))["reversed_fen"] == 4_000
    assert (await channel.reverse(a_reversal(body["transaction_id"], amount_fen=6_000))).status_code == 202
    assert (await service.status(donation_id, "reversed"))["reversed_fen"] == 10_000
    assert "王" not in answer.text


async def reversed_fen(service: Service, donation_id: str, fen: int) -> bool:
    return bool((await service.http.get(f"/v1/donations/{donation_id}")).json()["reversed_fen"] == fen)


async def test_a_held_donation_goes_on_when_its_campaign_is_launched(service: Service) -> None:
    """The whole way: held, launched, released by a record of its own, counted once at that position."""
    campaign_id, channel = new_id("gala"), await service.channel()
    email = f"{new_id()}@example.cn"
    bodies = [
        a_donation(campaign_id=campaign_id, donor=a_donor(contact={"email": email})),
        a_donation(campaign_id=campaign_id),
    ]
    ids = [(await channel.give(body)).json()["donation_id"] for body in bodies]
    await channel.reverse(a_reversal(bodies[1]["transaction_id"], amount_fen=10_000))
    for donation_id in ids:
        held = await service.status(donation_id, "held")
        assert held["held_reason"] == "unknown_campaign"
        assert held["position"]["source"].startswith(channel.topic)
    assert not [each for each in await service.place.log.records(CONTACTS) if email.encode() in each.value]

    await service.place.tell(service.campaigns.event(CampaignLaunched, campaign_id))
    first = await service.status(ids[0], "received")
    await service.status(ids[1], "reversed")
    assert first["position"]["source"].startswith("intake.internal/")
    assert first["held_reason"] is None

    events = await service.place.log.events(channel.topic, "intake.internal")
    received = [each for each in events if isinstance(each, DonationReceived) and each.subject in ids]
    assert sorted(each.subject for each in received) == sorted(ids)
    assert {(each.source, each.sequence) for each in received if each.subject == ids[0]} == {
        (first["position"]["source"], first["position"]["sequence"])
    }
    assert [each for each in await service.place.log.records(CONTACTS) if email.encode() in each.value]


async def test_money_given_in_time_belongs_to_a_campaign_that_has_closed(service: Service) -> None:
    campaign_id, channel = new_id("gala"), await service.channel()
    early = (await channel.give(a_donation(campaign_id=campaign_id))).json()["donation_id"]
    await service.status(early, "held")
    await service.place.tell(service.campaigns.event(CampaignClosed, campaign_id, OCCURRED_AT))
    await service.status(early, "received")
    late = a_donation(campaign_id=campaign_id)
    assert await service.status((await channel.give(late)).json()["donation_id"], "received")
    after = OCCURRED_AT.replace(microsecond=1).isoformat()
    too_late = (await channel.give(a_donation(campaign_id=campaign_id, occurred_at=after))).json()
    assert (await service.status(too_late["donation_id"], "held"))["held_reason"] == "closed"


async def test_a_conflict_is_marked_on_the_donation_it_met(service: Service) -> None:
    """Another content that HTTP doesn't see, for it came by the channel's own way into Kafka."""
    channel, body = await service.channel(), a_donation(campaign_id=new_id("gala"))
    donation_id = (await channel.give(body)).json()["donation_id"]
    await service.status(donation_id, "held")
    await service.place.put(channel.topic, {**body, "amount_fen": 1})

    async def conflicted() -> bool:
        return bool((await service.http.get(f"/v1/donations/{donation_id}")).json()["conflicted"])

    await until(conflicted)
    assert (await service.status(donation_id, "held"))["status"] == "held", "and nothing else has changed"


async def test_what_nobody_gave_is_not_found(service: Service) -> None:
    channel = await service.channel()
    reversal = (await channel.reverse(a_reversal(new_id()))).json()["reversal_id"]
    for unknown in (str(uuid4()), reversal):
        answer = await service.http.get(f"/v1/donations/{unknown}")
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:shanliu:problem:unknown-donation"
    assert (await service.http.get("/v1/donations/nonsense")).status_code == 422
    assert (await service.http.get("/v1/donations/" + "0" * 5_000)).status_code == 422


async def test_whoever_asks_needs_no_token_and_learns_nothing_of_the_donor(service: Service) -> None:
    channel = await service.channel()
    donor = a_donor(alias="小明", contact={"email": "wang@example.cn"})
    donation_id = (await channel.give(a_donation(donor=donor, message="加油"))).json()["donation_id"]
    view = await service.status(donation_id, "held", "received")
    for secret in ("王小明", "小明", "wang", "加油", "person", "amount"):
        assert secret not in str(view)
    assert (await service.http.get(f"/v1/donations/{donation_id}", headers=bearer("nobody"))).is_success


async def test_a_channel_looks_its_reversal_up_by_its_own_id(service: Service) -> None:
    campaign_id, channel = new_id("gala"), await service.channel()
    await service.place.tell(service.campaigns.event(CampaignLaunched, campaign_id))
    body = a_donation(campaign_id=campaign_id)
    refund = a_reversal(body["transaction_id"], amount_fen=4_000)
    path = f"/v1/channels/{channel.name}/reversals/{refund['reversal_id']}"

    async def stands(*wanted: str) -> dict[str, Any]:
        async def look() -> Any:
            answer = await service.http.get(path, headers=channel.signed(b"", content_type=None))
            return answer.json() if answer.status_code == 200 and answer.json()["status"] in wanted else None

        return dict(await until(look))

    assert (await service.http.get(path, headers=channel.signed(b"", content_type=None))).status_code == 404
    answer = await channel.reverse(refund)
    own = answer.json()["reversal_id"]
    assert (await stands("pending"))["reversal_id"] == own
    donation_id = (await channel.give(body)).json()["donation_id"]
    found = await stands("applied")
    assert (found["donation_id"], found["kind"], found["amount_fen"]) == (donation_id, "refund", 4_000)
    assert found["applied_at"] is not None

    by_operator = await service.http.get(path, headers=bearer("viewer"))
    assert by_operator.json() == found
    other = await service.channel()
    assert (await service.http.get(path, headers=other.signed(b"", content_type=None))).status_code == 401
    assert (await service.http.get(path)).status_code == 401
