"""Matching gifts on the real database: exact at the cap, whoever counts and in whatever order."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.campaign.announcements import Announcer
from services.campaign.handlers import count
from shared.events import Event
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    SECOND_DESK,
    VIEWER,
    Source,
    a_campaign,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGIN = datetime(2026, 1, 10, 12, tzinfo=UTC)
END = BEGIN + timedelta(hours=3)
INSIDE = BEGIN + timedelta(hours=1)


def a_match(**changes: Any) -> dict[str, Any]:
    return {
        "company": "某某公司",
        "ratio_bp": 10_000,
        "cap_fen": 100_000,
        "window_start": BEGIN.isoformat(),
        "window_end": END.isoformat(),
        "agreement": "配捐协议〔2026〕1号",
    } | changes


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def entered(service: Service, campaign_id: str, **changes: Any) -> str:
    answer = await service.operator(DESK).post(f"/campaigns/{campaign_id}/matches", a_match(**changes))
    assert answer.status_code == 201, answer.text
    match_id: str = answer.json()["match_id"]
    return match_id


async def confirmed(service: Service, campaign_id: str, **changes: Any) -> str:
    match_id = await entered(service, campaign_id, **changes)
    read = {"cap_fen": a_match(**changes)["cap_fen"]}
    answer = await service.operator(SECOND_DESK).post(f"/matches/{match_id}/confirm", read, if_match='"1"')
    assert answer.status_code == 200, answer.text
    return match_id


async def seen(service: Service, match_id: str) -> dict[str, Any]:
    answer = await service.operator(VIEWER).get(f"/matches/{match_id}")
    assert answer.status_code == 200, answer.text
    match: dict[str, Any] = answer.json()
    return match


async def closed(service: Service, match_id: str) -> Response:
    due_on = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
    asked = await service.operator(FINANCE).post(
        f"/matches/{match_id}/closing", {"due_on": due_on}, if_match='"2"'
    )
    assert asked.status_code == 200, asked.text
    return await service.operator(APPROVER).post(f"/matches/{match_id}/close", if_match='"3"')


async def take(service: Service, events: list[Event]) -> None:
    """Count a batch as the worker does, in a transaction of its own."""
    async with service.engine.begin() as connection:
        await count(connection, Announcer(service.settings.partitions), events)


async def test_what_is_given_in_the_window_is_matched_up_to_the_cap_and_is_never_received(
    service: Service,
) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id = await confirmed(service, campaign_id, ratio_bp=5_000, cap_fen=1_000)
    source = Source()
    expected = []
    for event, fen in [
        (source.received(campaign_id, 1_001, INSIDE), 500),
        (source.received(campaign_id, 99_999, END), 500),
        (source.received(campaign_id, 99_999, BEGIN - timedelta(seconds=1)), 500),
        (source.received(campaign_id, 5_000, BEGIN), 1_000),
        (source.reversed(campaign_id, 4_002, INSIDE), 999),
    ]:
        await take(service, [event])
        expected.append((await seen(service, match_id))["matched_fen"] == fen)
    assert all(expected), expected
    balance = await service.balance(campaign_id)
    assert balance["received_fen"] == 1_001 + 2 * 99_999 + 5_000, "what is matched is a promise"
    assert balance["promised_fen"] == 0, "and it is none yet while it may change"


async def test_a_match_counts_when_another_person_has_read_the_agreement(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id = await entered(service, campaign_id)
    await take(service, [Source().received(campaign_id, 50, END + timedelta(days=-30))])
    path, read = f"/matches/{match_id}/confirm", {"cap_fen": 100_000}
    for person, body, if_match, expected in [
        (DESK, read, '"1"', (403, "same-person")),
        (SECOND_DESK, {"cap_fen": 1}, '"1"', (409, "read-back-differs")),
        (SECOND_DESK, read, None, (428, "if-match-missing")),
        (SECOND_DESK, read, '"2"', (412, "version-changed")),
        (VIEWER, read, '"1"', (403, "role-missing")),
    ]:
        assert problem(await service.operator(person).post(path, body, if_match=if_match)) == expected
    done = await service.operator(SECOND_DESK).post(path, read, if_match='"1"')
    assert (done.json()["state"], done.json()["confirmed_by"]) == ("confirmed", SECOND_DESK), done.text
    told = (await service.outbox(campaign_id))[-1]
    assert (told.type, told.data.cap_fen) == ("org.shanliu.match.offered.v1", 100_000)
    late = await service.operator(DESK).post(f"/matches/{match_id}/cancel", {"reason": "x"}, if_match='"2"')
    assert problem(late) == (409, "match-step-not-allowed")


async def test_a_match_is_refused_once_something_in_its_window_was_counted(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id = await entered(service, campaign_id)
    await take(service, [Source().received(campaign_id, 50, INSIDE)])
    path, read = f"/matches/{match_id}/confirm", {"cap_fen": 100_000}
    refused = await service.operator(SECOND_DESK).post(path, read, if_match='"1"')
    assert problem(refused) == (409, "match-window-begun")
    dropped = await service.operator(DESK).post(
        f"/matches/{match_id}/cancel", {"reason": "来不及"}, if_match='"1"'
    )
    assert dropped.json()["state"] == "cancelled", dropped.text
    soon = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1)
    window = {"window_start": soon.isoformat(), "window_end": (soon + timedelta(hours=1)).isoformat()}
    assert await confirmed(service, campaign_id, **window)


async def test_parts_are_matched_with_their_parent(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, part = await launched(desk), new_campaign_id("part")
    body = {"campaign_id": part, "part_kind": "team", "title": "一队", "goal_fen": 100}
    await desk.post(f"/campaigns/{campaign_id}/parts", body)
    await desk.post(f"/campaigns/{part}/launch")
    refused = await desk.post(f"/campaigns/{campaign_id}/matches", a_match(campaign_ids=[campaign_id, part]))
    assert refused.status_code == 201, refused.text
    match_id = refused.json()["match_id"]
    read = {"cap_fen": 100_000}
    await service.operator(SECOND_DESK).post(f"/matches/{match_id}/confirm", read, if_match='"1"')
    source = Source()
    await take(service, [source.received(campaign_id, 30, INSIDE), source.received(part, 12, INSIDE)])
    assert (await seen(service, match_id))["matched_fen"] == 42
    for each in (campaign_id, part):
        listed = (await service.operator(VIEWER).get(f"/campaigns/{each}/matches")).json()["items"]
        assert [item["match_id"] for item in listed] == [match_id]


async def test_any_interleaving_by_any_number_of_workers_comes_to_the_same_sum(service: Service) -> None:
    """Four workers at once, three rounds; the one at the cap, one below it, one with what went back."""
    dice = random.Random(5)
    for cap_fen in (10_000, 10**9, 40_000):
        campaign_id = await launched(service.operator(DESK))
        match_id = await confirmed(service, campaign_id, ratio_bp=7_777, cap_fen=cap_fen)
        net_fen = 0
        batches: list[list[list[Event]]] = []
        for number in range(4):
            source, mine = Source(number), []
            for _ in range(12):
                batch = []
                for _ in range(dice.randint(1, 9)):
                    at = BEGIN + timedelta(minutes=dice.randint(-30, 210))
                    fen = dice.randint(1, 2_000)
                    batch.append(source.received(campaign_id, fen, at))
                    back_fen = dice.choice([0, 0, fen, fen // 2])
                    if back_fen:
                        batch.append(source.reversed(campaign_id, back_fen, at))
                    if BEGIN <= at < END:
                        net_fen += fen - back_fen
                mine.append(batch)
            batches.append(mine)

        async def work(mine: list[list[Event]]) -> None:
            for batch in mine:
                await take(service, batch)

        await asyncio.gather(*map(work, batches))
        match = await seen(service, match_id)
        assert match["eligible_received_fen"] - match["eligible_reversed_fen"] == net_fen
        assert match["matched_fen"] == min(cap_fen, net_fen * 7_777 // 10_000)


async def test_what_was_counted_already_is_not_counted_again(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id, source = await confirmed(service, campaign_id), Source()
    events = [source.received(campaign_id, fen, INSIDE) for fen in (5, 70, 600)]
    await asyncio.gather(*(take(service, events) for _ in range(4)))
    await take(service, events[:2])
    assert (await seen(service, match_id))["matched_fen"] == 675


async def test_no_batch_in_flight_slips_past_a_confirmation(service: Service) -> None:
    """Whatever is counted at the same moment is matched, or the confirmation is refused: never neither."""
    for round_number in range(6):
        campaign_id = await launched(service.operator(DESK))
        match_id, source = await entered(service, campaign_id), Source()
        path, read = f"/matches/{match_id}/confirm", {"cap_fen": 100_000}

        async def late(source: Source, campaign_id: str, wait_s: float) -> None:
            await asyncio.sleep(wait_s)
            await take(service, [source.received(campaign_id, 7, INSIDE)])

        answer, _ = await asyncio.gather(
            service.operator(SECOND_DESK).post(path, read, if_match='"1"'),
            late(source, campaign_id, round_number * 0.003),
        )
        matched = (await seen(service, match_id))["matched_fen"]
        assert (answer.status_code, matched) in {(200, 7), (409, 0)}


async def test_a_closed_match_is_a_pledge_that_donations_keep(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id, source = await confirmed(service, campaign_id, cap_fen=500), Source()
    await take(service, [source.received(campaign_id, 9_000, INSIDE)])
    done = await closed(service, match_id)
    assert (done.status_code, done.json()["closed_fen"]) == (200, 500), done.text
    pledge_id = done.json()["pledge_id"]
    assert (await service.announced(campaign_id))[-2:] == ["match.closed", "pledge.made"]
    assert (await service.balance(campaign_id))["promised_fen"] == 500
    await take(service, [source.received(campaign_id, 500, pledge_id=pledge_id)])
    pledge = (await service.operator(VIEWER).get(f"/pledges/{pledge_id}")).json()
    assert (pledge["company"], pledge["promised_on"], pledge["fulfilled_fen"], pledge["open_fen"]) == (
        "某某公司",
        "2026-01-10",
        500,
        0,
    )
    await take(service, [source.reversed(campaign_id, 8_700, INSIDE)])
    after = await seen(service, match_id)
    assert (after["matched_fen"], after["closed_fen"]) == (300, 500), "what goes back late is seen"


async def test_a_match_of_nothing_makes_no_pledge(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    done = await closed(service, await confirmed(service, campaign_id))
    assert (done.status_code, done.json()["closed_fen"], done.json()["pledge_id"]) == (200, 0, None)
    assert (await service.announced(campaign_id))[-1] == "match.closed"


async def test_two_who_close_at_once_make_one_pledge(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    match_id = await confirmed(service, campaign_id)
    await take(service, [Source().received(campaign_id, 9, INSIDE)])
    due_on = (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
    await service.operator(FINANCE).post(f"/matches/{match_id}/closing", {"due_on": due_on}, if_match='"2"')
    answers = await asyncio.gather(
        *(service.operator(APPROVER).post(f"/matches/{match_id}/close", if_match='"3"') for _ in range(3))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
    assert (await service.balance(campaign_id))["promised_fen"] == 9


async def test_what_the_rules_refuse_is_refused_by_http(service: Service) -> None:
    desk = service.operator(DESK)
    draft, campaign_id = new_campaign_id(), await launched(desk)
    await desk.post("/campaigns", a_campaign(draft))
    place = f"/campaigns/{campaign_id}/matches"
    for path, body, expected in [
        (f"/campaigns/{draft}/matches", a_match(), (409, "match-not-taken")),
        (place, a_match(campaign_ids=[campaign_id, draft]), (409, "match-not-taken")),
        (place, a_match(campaign_ids=["not-there"]), (404, "not-found")),
        (place, a_match(campaign_ids=[campaign_id, campaign_id]), (422, "match-campaign-repeated")),
        (place, a_match(window_end=BEGIN.isoformat()), (422, "match-window-wrong")),
        (place, a_match(window_end="2026-01-10T12:00:30Z"), (422, "invalid-field")),
        (place, a_match(ratio_bp=0), (422, "invalid-field")),
        (place, a_match(display="alias"), (422, "alias-missing")),
        (place, a_match(agreed_on="2199-01-01"), (422, "day-not-yet")),
    ]:
        assert problem(await desk.post(path, body)) == expected, body
    soon = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
    running = await confirmed(service, campaign_id, window_end=soon.isoformat())
    due_on = (soon + timedelta(days=30)).date().isoformat()
    asked = await service.operator(FINANCE).post(
        f"/matches/{running}/closing", {"due_on": due_on}, if_match='"2"'
    )
    assert problem(asked) == (409, "match-window-open")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("confirmed_by = entered_by", "matches_two_people"),
        ("confirmed_by = NULL, confirmed_at = NULL", "matches_confirmed"),
        ("state = 'closed'", "matches_closed"),
        ("closed_fen = cap_fen", "matches_(capped|closed)"),
        ("cap_fen = 0", "matches_cap"),
        ("ratio_bp = 0", "matches_ratio"),
        ("window_end = window_start", "matches_window"),
        ("state = 'cancelled'", "matches_(cancelled|confirmed)"),
        ("display = 'loud'", "matches_display"),
    ],
)
async def test_a_match_cannot_be_written_wrong(service: Service, change: str, constraint: str) -> None:
    match_id = await confirmed(service, await launched(service.operator(DESK)))
    with pytest.raises(IntegrityError, match=constraint):
        async with service.engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE matches SET {change} WHERE match_id = :id"),
                {"id": match_id},
            )
