"""A donation split over several funds: read off the log, to the fen, once; what goes back is not lost."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from services.campaign.days import today_of
from services.campaign.funds.lookup import Lookups
from tests.services.campaign.books import require_exact, take
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    SECOND_APPROVER,
    VIEWER,
    Source,
    launched,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def campaigns_of(service: Service, number: int) -> list[str]:
    return [await launched(service.operator(DESK)) for _ in range(number)]


def a_split(donation_id: UUID, parts: dict[str, int], unit: str = "amount_fen", **changes: Any) -> Any:
    return {
        "donation_id": str(donation_id),
        "received_on": str(today_of(datetime.now(UTC))),
        "parts": [{"campaign_id": each, unit: size} for each, size in parts.items()],
        "reason": "捐赠人指定多个用途",
    } | changes


async def asked(service: Service, campaign_id: str, body: Any, *, read: bool = True) -> dict[str, Any]:
    """A split that waits; when it is `read`, the log has shown its donation."""
    answer = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/splits", body)
    assert answer.status_code == 201, answer.text
    split_id = answer.json()["split_id"]

    async def shown() -> bool:
        return (await split_of(service, split_id))["donation"]["source"] is not None

    if read:
        await until(shown)
    return await split_of(service, split_id)


async def split_of(service: Service, split_id: str) -> dict[str, Any]:
    answer = await service.operator(VIEWER).get(f"/splits/{split_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def approve(service: Service, split: dict[str, Any], person: str = APPROVER) -> Any:
    path = f"/splits/{split['split_id']}/approve"
    return await service.operator(person).post(path, if_match=f'"{split["version"]}"')


async def balances_of(service: Service, campaigns: list[str]) -> list[int]:
    return [(await service.balance(each))["balance_fen"] for each in campaigns]


async def to_correct(service: Service) -> list[str]:
    found, after = [], None
    while True:
        query: dict[str, Any] = {"limit": 200} if after is None else {"limit": 200, "after": after}
        page = (await service.operator(VIEWER).get("/splits/to-correct", **query)).json()
        found += [each["split_id"] for each in page["items"]]
        if (after := page["next"]) is None:
            return found


async def approved_split(service: Service, amount_fen: int, *shares_bp: int) -> tuple[list[str], Any, Any]:
    """(campaigns, the split, its donation's source): the first share stays in the donation's own fund."""
    campaigns = await campaigns_of(service, len(shares_bp))
    source, donation_id = Source(), uuid4()
    await service.book([source.received(campaigns[0], amount_fen, donation_id=donation_id)])
    body = a_split(donation_id, dict(zip(campaigns, shares_bp, strict=True)), "share_bp")
    answer = await approve(service, await asked(service, campaigns[0], body))
    assert answer.status_code == 200, answer.text
    return campaigns, answer.json(), source


async def test_a_donation_is_read_off_the_log_and_split_to_the_fen(service: Service) -> None:
    campaigns = await campaigns_of(service, 3)
    source, donation_id = Source(), uuid4()
    await service.book(
        [
            source.received(campaigns[0], 5),
            source.received(campaigns[0], 1001, donation_id=donation_id),
            source.reversed(campaigns[0], 1, donation_id=donation_id),
            source.reversed(campaigns[0], 2),
        ]
    )
    body = a_split(donation_id, dict(zip(campaigns, [3333, 3333, 3334], strict=True)), "share_bp")
    split = await asked(service, campaigns[0], body)
    assert split["donation"] == split["donation"] | {
        "source": source.name,
        "sequence": 1,
        "campaign_id": campaigns[0],
        "amount_fen": 1001,
        "reversed_fen": 1,
    }
    assert await balances_of(service, campaigns) == [1003, 0, 0]
    answer = await approve(service, split)
    assert answer.status_code == 200, answer.text
    approved = answer.json()
    assert [part["given_fen"] for part in approved["parts"]] == [333, 333, 334]
    assert (approved["left_fen"], approved["to_correct"]) == (1000, False)
    assert await balances_of(service, campaigns) == [336, 333, 334]
    events = [each for each in await service.outbox(campaigns[0]) if each.type.endswith("transferred.v1")]
    assert [(each.data.to_campaign_id, each.data.amount_fen) for each in events] == [
        (campaigns[1], 333),
        (campaigns[2], 334),
    ]
    assert {(each.data.donation_id, str(each.data.split_id)) for each in events} == {
        (donation_id, split["split_id"])
    }
    listed = (await service.operator(VIEWER).get(f"/campaigns/{campaigns[2]}/splits")).json()["items"]
    assert [each["split_id"] for each in listed] == [split["split_id"]]
    await require_exact(service)


async def test_amounts_have_to_make_what_is_left_of_the_donation(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    source, donation_id = Source(), uuid4()
    await service.book([source.received(campaigns[0], 1000, donation_id=donation_id)])
    body = a_split(donation_id, dict(zip(campaigns, [400, 600], strict=True)))
    split = await asked(service, campaigns[0], body)
    await service.book([source.reversed(campaigns[0], 10, donation_id=donation_id)])
    answer = await approve(service, split)
    assert (answer.status_code, answer.json()["type"], answer.json()["left_fen"]) == (
        409,
        "urn:shanliu:problem:split-parts-differ",
        990,
    )
    path = f"/splits/{split['split_id']}/withdraw"
    withdrawn = await service.operator(FINANCE).post(path, {"reason": "部分退款"}, if_match='"1"')
    assert withdrawn.json()["state"] == "withdrawn"
    again = await asked(service, campaigns[0], a_split(donation_id, {campaigns[0]: 390, campaigns[1]: 600}))
    assert (await approve(service, again)).status_code == 200
    assert await balances_of(service, campaigns) == [390, 600]


async def test_a_donation_is_split_once(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    donation_id = uuid4()
    await service.book([Source().received(campaigns[0], 1000, donation_id=donation_id)])
    body = a_split(donation_id, dict(zip(campaigns, [5000, 5000], strict=True)), "share_bp")
    finance = service.operator(FINANCE)
    answers = await asyncio.gather(
        *(finance.post(f"/campaigns/{campaigns[0]}/splits", body) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_of_two_approvals_at_once_one_moves_the_parts(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    donation_id = uuid4()
    await service.book([Source().received(campaigns[0], 1000, donation_id=donation_id)])
    body = a_split(donation_id, {campaigns[0]: 1, campaigns[1]: 999})
    split = await asked(service, campaigns[0], body)
    answers = await asyncio.gather(*(approve(service, split, each) for each in (APPROVER, SECOND_APPROVER)))
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 412])
    assert await balances_of(service, campaigns) == [1, 999]


async def test_what_is_spent_already_cannot_be_split(service: Service) -> None:
    campaigns = await campaigns_of(service, 3)
    donation_id = uuid4()
    await service.book([Source().received(campaigns[0], 1000, donation_id=donation_id)])
    split = await asked(service, campaigns[0], a_split(donation_id, {campaigns[0]: 100, campaigns[1]: 900}))
    move = {"to_campaign_id": campaigns[2], "amount_fen": 200, "reason": "x"}
    transfer = (await service.operator(FINANCE).post(f"/campaigns/{campaigns[0]}/transfers", move)).json()
    path = f"/transfers/{transfer['transfer_id']}/approve"
    assert (await service.operator(APPROVER).post(path, if_match='"1"')).status_code == 200
    answer = await approve(service, split)
    assert (answer.status_code, answer.json()["remaining_fen"]) == (409, 800)
    assert await balances_of(service, campaigns) == [800, 0, 200]


async def test_a_donation_that_nobody_gave_or_into_another_fund_is_not_split(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    donation_id = uuid4()
    parts = {campaigns[0]: 1, campaigns[1]: 1}
    await service.book([Source().received(campaigns[1], 2, donation_id=donation_id)])
    other = await asked(service, campaigns[0], a_split(donation_id, parts))
    answer = await approve(service, other)
    assert (answer.json()["type"], answer.json()["campaign_id"]) == (
        "urn:shanliu:problem:split-other-fund",
        campaigns[1],
    )
    nobody = await asked(service, campaigns[0], a_split(uuid4(), parts), read=False)

    async def searched() -> bool:
        return (await split_of(service, nobody["split_id"]))["donation"]["searched_at"] is not None

    await until(searched)
    answer = await approve(service, nobody)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:shanliu:problem:split-donation-not-read")


async def test_a_donation_that_is_on_the_log_and_not_counted_waits(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    source, donation_id = Source(), uuid4()
    missing, event = (
        source.received(campaigns[0], 1),
        source.received(campaigns[0], 2, donation_id=donation_id),
    )
    await service.publish([event])
    split = await asked(service, campaigns[0], a_split(donation_id, {campaigns[0]: 1, campaigns[1]: 1}))
    answer = await approve(service, split)
    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:shanliu:problem:split-donation-not-counted",
    )
    await service.book([missing, event])
    assert (await approve(service, split)).status_code == 200


async def test_a_reversal_of_a_split_donation_stays_in_the_list_until_it_is_corrected(
    service: Service,
) -> None:
    campaigns, split, source = await approved_split(service, 1000, 2000, 3000, 5000)
    donation_id = UUID(split["donation"]["donation_id"])
    assert split["split_id"] not in await to_correct(service)
    await service.book([source.reversed(campaigns[0], 100, donation_id=donation_id)])
    assert split["split_id"] in await to_correct(service)
    assert await balances_of(service, campaigns) == [100, 300, 500]
    path = f"/splits/{split['split_id']}/correct"
    asked_ = await service.operator(FINANCE).post(path, if_match=f'"{split["version"]}"')
    assert asked_.status_code == 200, asked_.text
    assert [part["corrected_fen"] for part in asked_.json()["parts"]] == [0, 30, 50]
    again = await service.operator(FINANCE).post(path, if_match=f'"{split["version"]}"')
    assert [part["corrected_fen"] for part in again.json()["parts"]] == [0, 30, 50], "asked for once"
    await service.book([source.reversed(campaigns[0], 1, donation_id=donation_id)])
    for transfer_id in await waiting_corrections(service, split["split_id"]):
        assert split["split_id"] in await to_correct(service)
        answer = await service.operator(APPROVER).post(f"/transfers/{transfer_id}/approve", if_match='"1"')
        assert answer.status_code == 200, answer.text
    # One more fen has gone back meanwhile: most of it is the last part's.
    assert split["split_id"] in await to_correct(service)
    await service.operator(FINANCE).post(path, if_match=f'"{split["version"]}"')
    for transfer_id in await waiting_corrections(service, split["split_id"]):
        await service.operator(APPROVER).post(f"/transfers/{transfer_id}/approve", if_match='"1"')
    assert split["split_id"] not in await to_correct(service)
    assert sum(await balances_of(service, campaigns)) == 899
    assert await balances_of(service, campaigns) == [180, 270, 449]
    await require_exact(service)


async def waiting_corrections(service: Service, split_id: str) -> list[str]:
    rows = await service.rows(
        "SELECT CAST(transfer_id AS text) FROM fund_transfers WHERE split_id = :id AND state = 'asked'"
        " ORDER BY transfer_id",
        id=UUID(split_id),
    )
    return [row[0] for row in rows]


async def test_a_whole_refund_of_a_split_donation_brings_everything_back(service: Service) -> None:
    campaigns, split, source = await approved_split(service, 101, 1, 4999, 5000)
    donation_id = UUID(split["donation"]["donation_id"])
    await service.book([source.reversed(campaigns[0], 101, donation_id=donation_id)])
    await service.operator(FINANCE).post(
        f"/splits/{split['split_id']}/correct", if_match=f'"{split["version"]}"'
    )
    for transfer_id in await waiting_corrections(service, split["split_id"]):
        await service.operator(APPROVER).post(f"/transfers/{transfer_id}/approve", if_match='"1"')
    assert await balances_of(service, campaigns) == [0, 0, 0]
    assert split["split_id"] not in await to_correct(service)


async def test_a_reversal_that_was_heard_while_the_log_was_read_counts_once(service: Service) -> None:
    """The worker and the reading of the log both see it; and reading again changes nothing."""
    campaigns, split, source = await approved_split(service, 1000, 5000, 5000)
    donation_id = UUID(split["donation"]["donation_id"])
    await service.book([source.reversed(campaigns[0], 10, donation_id=donation_id)])
    await service.rows_changed(
        "UPDATE split_donations SET source = NULL, sequence = NULL, campaign_id = NULL, amount_fen = NULL,"
        " searched_at = NULL WHERE donation_id = :id",
        id=donation_id,
    )
    await service.rows_changed(
        "UPDATE donation_splits SET state = 'asked', decided_by = NULL, decided_at = NULL, left_fen = NULL,"
        " settled_fen = NULL WHERE donation_id = :id",
        id=donation_id,
    )
    lookups = Lookups(service.engine, service.settings)
    await lookups.look()
    found = await split_of(service, split["split_id"])
    assert (found["donation"]["amount_fen"], found["donation"]["reversed_fen"]) == (1000, 10)


async def test_a_reversal_before_its_donation_is_known_here_is_kept_without_one_more_statement(
    service: Service,
) -> None:
    """Reversals of donations that nobody splits leave nothing here."""
    (campaign_id,) = await campaigns_of(service, 1)
    before = await service.rows("SELECT count(*) FROM split_reversals")
    await take(service, [Source().reversed(campaign_id, 5)])
    assert await service.rows("SELECT count(*) FROM split_reversals") == before


async def test_nobody_splits_alone(service: Service) -> None:
    campaigns = await campaigns_of(service, 2)
    donation_id = uuid4()
    await service.book([Source().received(campaigns[0], 2, donation_id=donation_id)])
    body = a_split(donation_id, {campaigns[0]: 1, campaigns[1]: 1})
    answer = await service.operator(ADMINISTRATOR).post(f"/campaigns/{campaigns[0]}/splits", body)
    split_id = answer.json()["split_id"]

    async def shown() -> bool:
        return (await split_of(service, split_id))["donation"]["source"] is not None

    await until(shown)
    refused = await approve(service, answer.json(), ADMINISTRATOR)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:same-person")
    assert (await service.operator(APPROVER).post(f"/splits/{split_id}/approve")).status_code == 428


async def test_parts_that_are_not_the_whole_cannot_be_written(service: Service) -> None:
    campaigns, split, _ = await approved_split(service, 1000, 5000, 5000)
    for change in (
        "UPDATE donation_splits SET left_fen = left_fen + 1 WHERE split_id = :id",
        "UPDATE donation_split_parts SET given_fen = given_fen + 1 WHERE split_id = :id AND place = 1",
        "UPDATE donation_split_parts SET given_fen = 1000 - given_fen + place - 1 WHERE split_id = :id",
    ):
        with pytest.raises(IntegrityError, match="are not what is left"):
            await service.rows_changed(change, id=UUID(split["split_id"]))
    assert await balances_of(service, campaigns) == [500, 500]
