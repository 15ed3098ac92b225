"""A day's bill against the day's donations, through the running service: every kind of break, what settles
one and what only a person can close, and that nothing is booked twice.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx import Response
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.intake import donation_id_of
from services.donation.reconciliation import breaks as breaks_of
from services.donation.reconciliation import matching, queries
from services.donation.reconciliation.days import BILL_TIME, bounds_of, day_of, last_due
from services.donation.reconciliation.following import Follower
from services.donation.signatures import new_secret
from shared.gathering import Gatherer
from shared.secret_box import SecretBox
from tests.services.donation.bills import a_line, alipay_bill, alipay_row, plain_file, wechatpay_bill
from tests.services.donation.builders import a_donation, a_reversal, bearer, new_id
from tests.services.donation.places import Channel, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

DAY = day_of(datetime.now(UTC)) - timedelta(days=2)
"""Over, and so is the next one."""
NOON = datetime.combine(DAY, time(12), BILL_TIME).astimezone(UTC)
MIDNIGHT = bounds_of(DAY)[1]


@pytest_asyncio.fixture(loop_scope="package")
async def follower(service: Service) -> AsyncIterator[Follower]:
    """One that waits for no late notice; the service's own waits for ten minutes."""
    place = service.place
    box = SecretBox(place.settings.channel_key.get_secret_value())
    async with Gatherer(place.publisher, place.settings.partitions, 1) as gatherer:
        acceptance = Acceptance(gatherer, Sandbox(place.engine), 1_000)
        yield Follower(place.engine, Directory(place.engine, box), acceptance, timedelta(0))


async def send(
    service: Service,
    channel: Channel,
    *lines: str,
    key: str | None = None,
    query: dict[str, Any] | None = None,
) -> Response:
    """Import a plain bill."""
    return await service.http.post(
        "/v1/reconciliation/bills",
        params={"channel": channel.name, "day": f"{DAY}", "format": "plain"} | (query or {}),
        content=plain_file(*lines),
        headers=bearer("finance") | {"idempotency-key": key or uuid4().hex},
    )


async def imported(service: Service, channel: Channel, *lines: str, **query: Any) -> dict[str, Any]:
    answer = await send(service, channel, *lines, query=query)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def given(service: Service, channel: Channel, **changes: Any) -> str:
    """A donation at noon that has been booked; gives its transaction id."""
    body = a_donation(occurred_at=NOON.isoformat(), campaign_id="nobody-knows") | changes
    answer = await channel.give(body)
    assert answer.status_code == 202, answer.text
    await service.status(answer.json()["donation_id"], "held", "received")
    return str(body["transaction_id"])


async def refunded(service: Service, channel: Channel, transaction_id: str, **changes: Any) -> str:
    """A refund that has been written down; gives the channel's id of it."""
    body = a_reversal(transaction_id, occurred_at=NOON.isoformat()) | changes
    assert (await channel.reverse(body)).status_code == 202
    topic = f"{channel.topic}/%"

    async def there() -> bool:
        return bool(await service.place.rows("SELECT 1 FROM reversals WHERE asked_source LIKE :t", t=topic))

    await until(there)
    return str(body["reversal_id"])


async def listed(service: Service, channel: Channel, **query: Any) -> list[dict[str, Any]]:
    answer = await service.http.get(
        "/v1/reconciliation/breaks", params={"channel": channel.name} | query, headers=bearer("viewer")
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def shown(service: Service, break_id: int) -> dict[str, Any]:
    answer = await service.http.get(f"/v1/reconciliation/breaks/{break_id}", headers=bearer("viewer"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def day_of_channel(service: Service, channel: Channel) -> dict[str, Any]:
    answer = await service.http.get(
        "/v1/reconciliation/days", params={"channel": channel.name, "first": f"{DAY}", "last": f"{DAY}"},
        headers=bearer("viewer"),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    (day,) = answer.json()
    return dict(day)


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, int | None, int | None]]:
    return sorted((each["kind"], each["ours_fen"], each["theirs_fen"]) for each in found)


async def command(service: Service, path: str, person: str = "finance", **body: Any) -> Response:
    return await service.http.post(
        f"/v1/reconciliation/{path}",
        json=body,
        headers=bearer(person) | {"idempotency-key": uuid4().hex},
    )


# ---------------------------------------------------------------- what is found


async def test_a_bill_that_comes_before_it_is_due_is_shown_at_once(service: Service) -> None:
    """A bill is due at 09:00; one that came at midnight is looked at by who has imported it."""
    channel = await service.channel()
    yesterday = day_of(datetime.now(UTC)) - timedelta(days=1)
    noon = datetime.combine(yesterday, time(12), BILL_TIME)
    await imported(service, channel, a_line("t-1", 100, noon), day=f"{yesterday}")
    answer = await service.http.get(
        "/v1/reconciliation/days", params={"channel": channel.name}, headers=bearer("viewer")
    )
    assert [day["day"] for day in answer.json()] == [f"{yesterday}"]


async def test_what_agrees_is_matched_and_opens_nothing(service: Service) -> None:
    channel = await service.channel()
    first, second = await given(service, channel), await given(service, channel, amount_fen=250, fee_fen=2)
    refund = await refunded(service, channel, first)
    bill = await imported(
        service, channel,
        a_line(first, 10_000, NOON, fee_fen=60), a_line(second, 250, NOON, fee_fen=2),
        a_line(first, 100, NOON, reversal_id=refund),
    )  # fmt: skip
    assert (bill["payments"], bill["payments_fen"], bill["refunds_fen"], bill["fees_fen"]) == (
        2,
        10_250,
        100,
        62,
    )
    assert await listed(service, channel, state="open") == []
    day = await day_of_channel(service, channel)
    assert (day["ours"], day["ours_fen"], day["matched"], day["matched_fen"]) == (2, 10_250, 2, 10_250)
    assert (day["share"], day["held"], day["open_breaks"]) == (1.0, 2, {})


async def test_every_kind_of_difference_is_a_break_of_its_own(service: Service) -> None:
    channel = await service.channel()
    absent, other, fee = (
        await given(service, channel, amount_fen=111),
        await given(service, channel, amount_fen=222),
        await given(service, channel, amount_fen=333, fee_fen=3),
    )
    ours = await given(service, channel, amount_fen=444)
    await refunded(service, channel, ours, amount_fen=44)
    await imported(
        service, channel,
        a_line(other, 220, NOON), a_line(fee, 333, NOON, fee_fen=4), a_line(ours, 444, NOON),
        a_line("unknown-1", 555, NOON), a_line(other, 66, NOON, reversal_id="back-1"),
    )  # fmt: skip
    found = await listed(service, channel)
    assert kinds(found) == [
        ("amount_differs", 222, 220),
        ("fee_differs", 3, 4),
        ("missing_here", None, 555),
        ("missing_there", 111, None),
        ("refund_missing_here", None, 66),
        ("refund_missing_there", 44, None),
    ]
    day = await day_of_channel(service, channel)
    assert (day["ours_fen"], day["matched_fen"]) == (111 + 222 + 333 + 444, 333 + 444)
    assert sum(day["open_breaks"].values()) == 6
    (missing,) = await listed(service, channel, kind="missing_there")
    assert missing["transaction_id"] == absent
    assert (await shown(service, missing["break_id"]))["history"][0]["what"] == "opened"


async def test_a_conflict_and_a_held_donation_are_told_apart_from_breaks(service: Service) -> None:
    channel = await service.channel()
    body = a_donation(occurred_at=NOON.isoformat(), campaign_id="nobody-knows")
    await given(service, channel, **body)
    await service.place.put(channel.topic, body | {"amount_fen": 1})

    async def conflicted() -> Any:
        donation_id = donation_id_of(channel.name, body["transaction_id"])
        return await service.place.rows("SELECT 1 FROM conflicts WHERE donation_id = :d", d=donation_id)

    await until(conflicted)
    await imported(service, channel, a_line(body["transaction_id"], 10_000, NOON))
    day = await day_of_channel(service, channel)
    assert (day["held"], day["conflicted"], day["matched"], day["open_breaks"]) == (1, 1, 1, {})


async def test_what_was_voided_here_was_never_money(service: Service) -> None:
    channel = await service.channel()
    campaign_id = await service.place.campaign()
    typed, paid = (
        await given(service, channel, campaign_id=campaign_id),
        await given(service, channel, campaign_id=campaign_id),
    )
    for transaction_id in (typed, paid):
        assert (
            await channel.reverse(a_reversal(transaction_id, kind="void", amount_fen=10_000))
        ).status_code == 202
        await service.status(donation_id_of(channel.name, transaction_id), "reversed")
    await imported(service, channel, a_line(paid, 10_000, NOON))
    assert kinds(await listed(service, channel)) == [("amount_differs", 0, 10_000)]


async def test_a_donation_just_before_midnight_may_stand_in_the_next_day_s_bill(service: Service) -> None:
    channel = await service.channel()
    late = (MIDNIGHT - timedelta(seconds=2)).isoformat()
    moved, lost = (
        await given(service, channel, occurred_at=late),
        await given(service, channel, occurred_at=late, amount_fen=77),
    )
    await imported(service, channel)
    assert await listed(service, channel) == [], "the next bill may have them"
    after = MIDNIGHT + timedelta(seconds=1)
    await imported(service, channel, a_line(moved, 10_000, after), day=f"{DAY + timedelta(days=1)}")
    assert kinds(await listed(service, channel)) == [("missing_there", 77, None)]
    day = await day_of_channel(service, channel)
    assert (day["ours"], day["matched_fen"]) == (2, 10_000)
    (break_,) = await listed(service, channel)
    assert break_["transaction_id"] == lost
    assert break_["day"] == f"{DAY}"


# ---------------------------------------------------------------- bills


async def test_the_same_bill_again_changes_nothing(service: Service) -> None:
    channel = await service.channel()
    line = a_line("unknown-1", 5, NOON)
    bill = await imported(service, channel, line)
    again = await send(service, channel, line)
    assert (again.status_code, again.json()) == (200, bill)
    assert len(await service.place.rows("SELECT 1 FROM bills WHERE channel = :c", c=channel.name)) == 1
    (break_,) = await listed(service, channel)
    assert [each["what"] for each in (await shown(service, break_["break_id"]))["history"]] == ["opened"]


async def test_a_corrected_bill_takes_the_first_one_s_place_and_breaks_are_judged_by_it(
    service: Service,
) -> None:
    channel = await service.channel()
    mine = await given(service, channel)
    wrong = a_line(mine, 9_999, NOON), a_line("unknown-1", 5, NOON)
    first = await imported(service, channel, *wrong)
    assert kinds(await listed(service, channel)) == [
        ("amount_differs", 10_000, 9_999),
        ("missing_here", None, 5),
    ]
    second = await imported(service, channel, a_line(mine, 10_000, NOON), a_line("unknown-1", 6, NOON))
    assert kinds(await listed(service, channel)) == [("missing_here", None, 6)]
    (settled,) = await listed(service, channel, state="settled")
    assert (settled["kind"], settled["closed_by"]) == ("amount_differs", "reconciliation")
    (reopened,) = await listed(service, channel)
    history = (await shown(service, reopened["break_id"]))["history"]
    assert [(each["what"], each["theirs_fen"]) for each in history] == [("opened", 5), ("reopened", 6)]

    answer = await service.http.get(
        "/v1/reconciliation/bills", params={"channel": channel.name}, headers=bearer("viewer")
    )
    states = [(each["bill_id"], each["state"]) for each in answer.json()["items"]]
    assert states == [(second["bill_id"], "current"), (first["bill_id"], "superseded")]
    stale = await send(service, channel, *wrong)
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:shanliu:problem:bill-superseded")


@pytest.mark.parametrize(
    ("query", "lines", "status", "says"),
    [
        ({"day": f"{day_of(datetime.now(UTC))}"}, [], 422, "day-not-over"),
        ({"day": f"{DAY - timedelta(days=1)}"}, [a_line("t-1", 1, NOON)], 422, "bill-unusable"),
        ({"channel": "nobody"}, [], 404, "unknown-channel"),
        ({"format": "guess"}, [], 422, "invalid-field"),
        ({}, ["x"], 422, "bill-unusable"),
        ({}, [a_line("t-1", 1, NOON), a_line("t-1", 1, NOON)], 422, "bill-unusable"),
    ],
    ids=["today", "another day", "no channel", "no format", "no line", "twice"],
)
async def test_a_bill_that_cannot_be_taken_leaves_nothing(
    service: Service, one_channel: Channel, query: dict[str, Any], lines: list[str], status: int, says: str
) -> None:
    answer = await send(service, one_channel, *lines, query=query)
    assert answer.status_code == status, answer.text
    assert answer.json()["type"].endswith(says)
    assert await service.place.rows("SELECT 1 FROM bills WHERE channel = :c", c=one_channel.name) == []


async def test_a_bill_of_a_channel_that_nothing_was_agreed_with_needs_its_format(service: Service) -> None:
    channel = await service.channel()
    query = {"channel": channel.name, "day": f"{DAY}"}

    async def without_format() -> Response:
        content = plain_file(a_line("t-1", 1, NOON))
        headers = bearer("finance") | {"idempotency-key": uuid4().hex}
        return await service.http.post(
            "/v1/reconciliation/bills", params=query, content=content, headers=headers
        )

    answer = await without_format()
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shanliu:problem:terms-missing")
    assert f"PUT /v1/reconciliation/terms/{channel.name}" in answer.json()["detail"]
    await agreed(service, channel, due_from=f"{DAY}")
    assert (await without_format()).status_code == 201


async def test_another_partner_s_bill_waits_for_a_person_before_breaks_open(service: Service) -> None:
    channel = await service.channel()
    for _ in range(2):
        await given(service, channel)
    lines = [a_line(f"{10**27 + n}", 5, NOON) for n in range(12)]
    answer = await send(service, channel, *lines)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:shanliu:problem:bill-doubtful")
    assert answer.json()["doubts"] == [
        "Of 12 payments looked at, 0 are donations here.",
        "Its transaction ids have 28 digits, those of the channel's donations 18 characters.",
    ]
    assert await service.place.rows("SELECT 1 FROM bills WHERE channel = :c", c=channel.name) == []
    assert await listed(service, channel) == []
    sure = await send(service, channel, *lines, query={"confirmed": "true"})
    assert (sure.status_code, sure.json()["doubts"]) == (201, answer.json()["doubts"])
    assert len(await listed(service, channel, kind="missing_here")) == 12


async def test_a_bill_whose_import_dies_in_the_middle_leaves_nothing_and_can_be_sent_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await service.channel()
    lines = [a_line(f"unknown-{n}", 5, NOON) for n in range(20)]
    sure = {"confirmed": "true"}
    monkeypatch.setattr("services.donation.reconciliation.importing.AT_ONCE", 5)
    async with service.place.engine.connect() as connection:
        # The server ends the import's session at a line in the middle of the bill.
        await connection.execute(
            text(
                "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$"
            )
        )
        await connection.execute(
            text(
                "CREATE TRIGGER die BEFORE INSERT ON bill_lines FOR EACH ROW"
                " WHEN (NEW.transaction_id = 'unknown-11' AND NEW.bill_id > 0) EXECUTE FUNCTION die()"
            )
        )
        await connection.commit()
    try:
        answer = await send(service, channel, *lines, key="dies", query=sure)
        assert answer.status_code == 503, answer.text
    finally:
        async with service.place.engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION die CASCADE"))
    assert await service.place.rows("SELECT 1 FROM bills WHERE channel = :c", c=channel.name) == []
    assert (await send(service, channel, *lines, key="dies", query=sure)).status_code == 201
    assert len(await listed(service, channel)) == 20


# ---------------------------------------------------------------- late donations


async def test_money_that_only_the_bill_knows_is_booked_on_its_day_and_then_agrees(
    service: Service, follower: Follower
) -> None:
    channel = await service.channel()
    campaign_id = await service.place.campaign()
    await agreed(service, channel, campaign_id=campaign_id)
    other = await service.place.campaign()
    await imported(
        service, channel,
        a_line("late-1", 1_234, NOON, fee_fen=7), a_line("late-2", 55, NOON, campaign_id=other),
    )  # fmt: skip
    await follower.look()
    for transaction_id in ("late-1", "late-2"):
        await service.status(donation_id_of(channel.name, transaction_id), "received")
    await follower.look()
    assert await listed(service, channel) == []
    rows = await service.place.rows(
        "SELECT campaign_id, amount_fen, fee_fen, occurred_at, donor_display, donor_name FROM donations"
        " WHERE channel = :c ORDER BY transaction_id",
        c=channel.name,
    )
    assert rows == [
        (campaign_id, 1_234, 7, NOON, "anonymous", None),
        (other, 55, None, NOON, "anonymous", None),
    ]
    day = await day_of_channel(service, channel)
    assert (day["matched_fen"], day["ours_fen"], day["share"]) == (1_289, 1_289, 1.0)
    settled = await listed(service, channel, state="settled")
    history = (await shown(service, settled[0]["break_id"]))["history"]
    assert [each["what"] for each in history] == ["opened", "asked", "settled"]


async def test_a_notice_that_comes_after_the_bill_books_nothing_twice(
    service: Service, follower: Follower
) -> None:
    channel = await service.channel()
    campaign_id = await service.place.campaign()
    await agreed(service, channel, campaign_id=campaign_id)
    await imported(service, channel, a_line("late-1", 10_000, NOON))
    await follower.look()
    donation_id = donation_id_of(channel.name, "late-1")
    await service.status(donation_id, "received")
    notice = a_donation(transaction_id="late-1", campaign_id=campaign_id, occurred_at=NOON.isoformat())
    assert (await channel.give(notice)).status_code == 202

    async def conflicted() -> bool:
        return bool((await service.status(donation_id, "received"))["conflicted"])

    await until(conflicted)
    assert (
        await service.place.value("SELECT sum(amount_fen) FROM donations WHERE channel = :c", c=channel.name)
        == 10_000
    )
    await follower.look()
    assert await listed(service, channel) == []


async def test_a_notice_that_comes_in_time_is_the_donation(service: Service) -> None:
    """The service's own follower waits ten minutes for it."""
    channel = await service.channel()
    await agreed(service, channel, campaign_id="gala")
    await imported(service, channel, a_line("late-1", 10_000, NOON))
    await given(service, channel, transaction_id="late-1", campaign_id="gala")

    async def settled() -> list[Any]:
        return await listed(service, channel, state="settled")

    await until(settled)
    (row,) = await service.place.rows("SELECT donor_name FROM donations WHERE channel = :c", c=channel.name)
    assert row == ("王小明",)
    donation_id = donation_id_of(channel.name, "late-1")
    assert not (await service.status(donation_id, "held", "received"))["conflicted"]


async def test_a_follower_that_dies_behind_the_broker_s_word_asks_for_the_same_again(
    service: Service, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = await service.channel()
    campaign_id = await service.place.campaign()
    await agreed(service, channel, campaign_id=campaign_id)
    await imported(service, channel, a_line("late-1", 10_000, NOON))

    async def dies(*_: Any) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patched:
        patched.setattr(breaks_of, "asked", dies)
        with contextlib.suppress(ConnectionResetError):
            await follower.look()
    await agreed(service, channel, campaign_id="another")
    async with service.place.engine.begin() as connection:
        (row,) = await breaks_of_channel(connection, channel)
        assert row.asked_at is None
        assert row.campaign_id == campaign_id, "the next one asks for the very same"
    await service.status(donation_id_of(channel.name, "late-1"), "received")
    await follower.look()
    assert await listed(service, channel) == []
    assert await service.place.value("SELECT count(*) FROM donations WHERE channel = :c", c=channel.name) == 1


async def test_without_a_campaign_a_person_says_what_the_money_is_for(
    service: Service, follower: Follower
) -> None:
    channel = await service.channel()
    await imported(service, channel, a_line("late-1", 10_000, NOON))
    await follower.look()
    (break_,) = await listed(service, channel)
    assert (break_["campaign_id"], break_["asked_at"]) == (None, None)
    path = f"breaks/{break_['break_id']}/book"
    undecided = await command(service, path)
    assert (undecided.status_code, undecided.json()["errors"][0]["field"]) == (422, "campaign_id")
    slip = await command(service, path, campaign_id="gala-nobody-filed")
    assert (slip.status_code, slip.json()["errors"][0]["field"]) == (422, "campaign_id")
    campaign_id = await service.place.campaign()
    booked = await command(service, path, campaign_id=campaign_id)
    assert booked.status_code == 202, booked.text
    assert booked.json()["history"][-1]["who"] == "finance"
    await service.status(donation_id_of(channel.name, "late-1"), "received")
    await follower.look()
    assert await listed(service, channel) == []


async def test_a_refund_that_only_the_bill_knows_is_booked_when_a_person_says_so(
    service: Service, follower: Follower
) -> None:
    channel = await service.channel()
    mine = await given(service, channel, campaign_id=await service.place.campaign())
    await imported(
        service, channel, a_line(mine, 10_000, NOON), a_line(mine, 300, NOON, reversal_id="back-1")
    )
    await follower.look()
    (break_,) = await listed(service, channel)
    assert break_["asked_at"] is None, "money out of the books is a person's decision"
    assert (await command(service, f"breaks/{break_['break_id']}/book")).status_code == 202
    donation_id = donation_id_of(channel.name, mine)

    async def back() -> bool:
        return bool((await service.status(donation_id, "received"))["reversed_fen"] == 300)

    await until(back)
    await follower.look()
    assert await listed(service, channel) == []


async def test_a_late_donation_by_wechat_pay_is_what_its_notice_would_have_been(
    service: Service, follower: Follower
) -> None:
    """The order's own text stands in the bill: the donor's choice is kept, and the notice is a repeat."""
    campaign_id = await service.place.campaign()
    new: dict[str, Any] = {"channel": new_id("wx"), "title": "微信支付", "scheme": "wechatpay"}
    new |= {"settings": {"mchid": "1900000001", "campaign_id": "otherwise"}}
    registered = await service.http.post(
        "/v1/channels", json=new, headers=bearer("admin") | {"idempotency-key": uuid4().hex}
    )
    assert registered.status_code == 201, registered.text
    channel = Channel(service, registered.json()["channel"], new_secret())
    order = "4200002089202701175478901234"
    said = f"c:{campaign_id};n:王小明;d:n;m:加油"
    bill = wechatpay_bill((order, "88.00"), at=f"{DAY} 12:00:00", pack=said)
    answer = await send_file(service, channel, bill, "wechatpay")
    assert answer.status_code == 201, answer.text
    await follower.look()
    await service.status(donation_id_of(channel.name, order), "received")
    (row,) = await service.place.rows(
        "SELECT donor_name, donor_display, message, campaign_id, fee_fen FROM donations WHERE channel = :c",
        c=channel.name,
    )
    assert row == ("王小明", "name", "加油", campaign_id, None)

    notice = a_donation(
        transaction_id=order, campaign_id=campaign_id, amount_fen=8_800, message="加油",
        occurred_at=NOON.astimezone(BILL_TIME).isoformat(),
    )  # fmt: skip
    behind = a_donation(occurred_at=NOON.isoformat())
    await service.place.put(channel.topic, notice, behind)
    await service.status(donation_id_of(channel.name, behind["transaction_id"]), "held")
    assert not (await service.status(donation_id_of(channel.name, order), "received"))["conflicted"]

    await follower.look()
    assert await listed(service, channel, kind="missing_here") == []
    for table in ("bill_lines JOIN bills USING (bill_id)", "breaks"):
        kept = f"SELECT count(said) FROM {table} WHERE channel = :c"
        assert await service.place.value(kept, c=channel.name) == 0, "forgotten when it is booked"


async def test_a_channel_without_settings_holds_nobody_else_up(service: Service, follower: Follower) -> None:
    channel, other = new_id("wx"), await service.channel()
    async with service.place.engine.begin() as connection:
        new = "INSERT INTO channels (channel, title, scheme, limit_per_second, state)"
        await connection.execute(text(f"{new} VALUES (:c, 'x', 'wechatpay', 1, 'active')"), {"c": channel})

    async def known() -> bool:
        """The directory reads what it does not know at most once a second."""
        answer = await send(service, Channel(service, channel, new_secret()), a_line("late-1", 5, NOON))
        return answer.status_code in (200, 201)

    await until(known)
    campaign_id = await service.place.campaign()
    await imported(service, other, a_line("late-1", 5, NOON, campaign_id=campaign_id))
    await follower.look()
    await service.status(donation_id_of(other.name, "late-1"), "received")


async def test_refunds_of_alipay_are_those_that_its_notices_named(service: Service) -> None:
    channel = await service.channel()
    campaign_id = await service.place.campaign()
    trade = "2027011722001458860515315453"
    await given(service, channel, transaction_id=trade, campaign_id=campaign_id)
    before = (NOON - timedelta(days=1)).isoformat()
    for back, so_far, at in (
        (300, 300, before),
        (500, 800, NOON.isoformat()),
        (200, 1_000, NOON.isoformat()),
    ):
        told = a_reversal(trade, reversal_id=f"{trade}-{so_far}", amount_fen=back, occurred_at=at)
        assert (await channel.reverse(told)).status_code == 202

    async def all_back() -> bool:
        view = await service.status(donation_id_of(channel.name, trade), "received")
        return bool(view["reversed_fen"] == 1_000)

    await until(all_back)
    bill = alipay_bill(
        alipay_row(trade, "交易", f"{DAY} 12:00:00", "100.00", "-0.60"),
        alipay_row(trade, "退款", f"{DAY} 12:00:01", "-5.00", "0.03", "request-2"),
        alipay_row(trade, "退款", f"{DAY} 12:00:02", "-2.00", "0.01", "request-3"),
    )
    assert (await send_file(service, channel, bill, "alipay")).status_code == 201
    assert await listed(service, channel) == []


async def test_a_sandbox_has_no_bills(service: Service) -> None:
    channel = await service.channel(sandbox=True)
    answer = await send(service, channel)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shanliu:problem:sandbox-channel")


async def send_file(service: Service, channel: Channel, content: bytes, form: str) -> Response:
    """Import a company's own bill."""
    return await service.http.post(
        "/v1/reconciliation/bills",
        params={"channel": channel.name, "day": f"{DAY}", "format": form},
        content=content,
        headers=bearer("finance") | {"idempotency-key": uuid4().hex},
    )


# ---------------------------------------------------------------- closing


async def test_a_break_stays_open_until_a_person_resolves_it_with_a_reason(
    service: Service, follower: Follower
) -> None:
    channel = await service.channel()
    await given(service, channel)
    await imported(service, channel)
    await follower.look()
    (break_,) = await listed(service, channel)
    path = f"breaks/{break_['break_id']}/resolve"
    for reason in ("", "  "):
        assert (await command(service, path, reason=reason)).status_code == 422
    assert (await command(service, path, reason="渠道确认次月补入账单")).status_code == 200
    assert await listed(service, channel) == []
    (resolved,) = await listed(service, channel, state="resolved")
    assert (resolved["closed_by"], resolved["reason"]) == ("finance", "渠道确认次月补入账单")
    again = await command(service, path, reason="x")
    assert (again.status_code, again.json()["type"]) == (409, "urn:shanliu:problem:break-closed")
    await imported(service, channel, a_line("other-1", 3, NOON))
    assert kinds(await listed(service, channel)) == [("missing_here", None, 3)], "what is resolved stays so"


async def test_the_history_of_a_break_is_only_added_to(service: Service) -> None:
    channel = await service.channel()
    await imported(service, channel, a_line("unknown-1", 5, NOON))
    for statement in ("DELETE FROM break_history", "UPDATE break_history SET who = 'nobody'"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with service.place.engine.begin() as connection:
                await connection.execute(text(statement))


@pytest.mark.parametrize("person", ["viewer", "desk"])
async def test_only_finance_imports_and_resolves(service: Service, one_channel: Channel, person: str) -> None:
    headers = bearer(person) | {"idempotency-key": uuid4().hex}
    query = {"channel": one_channel.name, "day": f"{DAY}"}
    answer = await service.http.post("/v1/reconciliation/bills", params=query, content=b"", headers=headers)
    assert answer.status_code == 403
    for path in ("breaks/1/resolve", "breaks/1/book"):
        assert (await command(service, path, person, reason="x")).status_code == 403
    terms = {"format": "plain", "due_from": f"{DAY}"}
    path = f"/v1/reconciliation/terms/{one_channel.name}"
    assert (await service.http.put(path, json=terms, headers=headers)).status_code == 403
    for path in ("bills", "days", "breaks", "terms", "missing-bills", "shares", "totals?year=2027"):
        assert (await service.http.get(f"/v1/reconciliation/{path}", headers=headers)).status_code == 200
        assert (await service.http.get(f"/v1/reconciliation/{path}")).status_code == 401


# ---------------------------------------------------------------- what is told


async def test_the_metrics_say_what_is_reconciled_what_is_open_and_what_has_not_come(
    service: Service, follower: Follower
) -> None:
    channel, silent = await service.channel(), await service.channel()
    last = last_due(datetime.now(UTC))
    await agreed(service, silent, due_from=f"{last - timedelta(days=1)}")
    await given(service, channel, amount_fen=300)
    await imported(service, channel, a_line(await given(service, channel, amount_fen=100), 100, NOON))
    await follower.look()
    ours = {"channel": channel.name}
    assert REGISTRY.get_sample_value("shanliu_reconciliation_matched_ratio", ours) == 0.25
    assert REGISTRY.get_sample_value("shanliu_reconciliation_unmatched_fen", ours) == 300
    assert await shares(service, channel.name) == {channel.name: (400, 100, 0.25)}
    assert REGISTRY.get_sample_value("shanliu_bills_missing", {"channel": silent.name}) == 2
    oldest = REGISTRY.get_sample_value("shanliu_reconciliation_oldest_break_seconds")
    assert oldest is not None
    assert 0 < oldest < 3_600
    answer = await service.http.get("/v1/reconciliation/missing-bills", headers=bearer("viewer"))
    assert [each["day"] for each in answer.json() if each["channel"] == silent.name] == [
        f"{last}",
        f"{last - timedelta(days=1)}",
    ]
    totals = await service.http.get(
        "/v1/reconciliation/totals", params={"year": DAY.year}, headers=bearer("viewer")
    )
    (month,) = [each for each in totals.json() if each["channel"] == channel.name]
    assert (month["month"], month["ours_fen"], month["matched_fen"]) == (f"{DAY:%Y-%m}", 400, 100)


async def test_a_bill_that_comes_before_it_is_owed_counts(service: Service) -> None:
    channel, waiting = await service.channel(), await service.channel()
    await agreed(service, waiting)
    for each in (channel, waiting):
        await given(service, each, amount_fen=300)
    await imported(service, channel, a_line(await given(service, channel, amount_fen=100), 100, NOON))
    async with service.place.engine.begin() as connection:
        await matching.judge(connection, waiting.name, DAY)
        before = await queries.shares(connection, DAY - timedelta(days=31), DAY - timedelta(days=1))
        due = await queries.shares(connection, DAY - timedelta(days=30), DAY)
    names = (channel.name, waiting.name)
    figures = [
        [(row.channel, row.ours_fen, row.matched_fen) for row in rows if row.channel in names]
        for rows in (before, due)
    ]
    assert figures[0] == [(channel.name, 400, 100)]
    assert sorted(figures[1]) == sorted([(channel.name, 400, 100), (waiting.name, 300, 0)])


async def test_money_of_a_channel_that_nothing_was_agreed_with_agrees_with_nothing(
    service: Service, follower: Follower
) -> None:
    forgotten, sandbox = await service.channel(), await service.channel(sandbox=True)
    await given(service, forgotten, amount_fen=300)
    async with service.place.engine.begin() as connection:
        for outside in (sandbox.name, "desk"):
            await matching.judge(connection, outside, DAY)
            money = text("UPDATE reconciled_days SET ours = 1, ours_fen = 300 WHERE channel = :c")
            await connection.execute(money, {"c": outside})
        looked_at_before = text("DELETE FROM reconciled_days WHERE channel = :c")
        await connection.execute(looked_at_before, {"c": forgotten.name})

    def measured(name: str, channel: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"channel": channel})

    async def counted() -> bool:
        await follower.look()
        return measured("shanliu_reconciliation_matched_ratio", forgotten.name) is not None

    await until(counted)
    assert measured("shanliu_reconciliation_matched_ratio", forgotten.name) == 0
    assert measured("shanliu_reconciliation_unmatched_fen", forgotten.name) == 300
    assert measured("shanliu_bills_missing", forgotten.name) == 1
    assert await shares(service, forgotten.name, sandbox.name, "desk") == {forgotten.name: (300, 0, 0)}
    for outside in (sandbox.name, "desk"):
        assert measured("shanliu_reconciliation_matched_ratio", outside) is None
        assert measured("shanliu_bills_missing", outside) is None
    assert await missing(service, forgotten.name, sandbox.name, "desk") == [(forgotten.name, f"{DAY}", True)]
    await agreed(service, forgotten, due_from=f"{DAY}")
    assert (forgotten.name, f"{DAY}", False) in await missing(service, forgotten.name)
    await agreed(service, forgotten, due_from=f"{DAY + timedelta(days=30)}")

    async def left_out() -> bool:
        await follower.look()
        return measured("shanliu_reconciliation_unmatched_fen", forgotten.name) is None

    await until(left_out)
    assert await missing(service, forgotten.name) == []


async def test_a_day_judged_while_another_judges_has_the_figures_of_who_came_last(
    service: Service, follower: Follower
) -> None:
    """Who judges first holds the others up. Without that lock the figures of one that looked before would be
    written over, or stay instead of, those of one that saw a donation more.
    """
    channel = await service.channel()
    await imported(service, channel, a_line(await given(service, channel), 10_000, NOON))
    async with service.place.engine.connect() as judging:
        await matching.lock(judging, channel.name)
        async with service.place.engine.begin() as connection:
            await connection.execute(
                text("UPDATE reconciled_days SET judged_at = now() - interval '1 day' WHERE channel = :c"),
                {"c": channel.name},
            )
        looking = asyncio.create_task(follower.look())
        held_up = asyncio.create_task(service.place.blocked(1))
        await asyncio.wait((looking, held_up), return_when=asyncio.FIRST_COMPLETED)
        await given(service, channel, amount_fen=7)
        await judging.commit()
    await asyncio.gather(looking, held_up)
    assert (await day_of_channel(service, channel))["ours"] == 2


async def test_two_imports_at_the_same_moment_leave_one_current_bill(service: Service) -> None:
    channel = await service.channel()
    answers = await asyncio.gather(
        *(send(service, channel, a_line(f"unknown-{n % 2}", 5, NOON)) for n in range(4))
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    current = await service.place.rows(
        "SELECT 1 FROM bills WHERE channel = :c AND state = 'current'", c=channel.name
    )
    assert len(current) == 1
    assert len(await listed(service, channel)) == 1


async def missing(service: Service, *channels: str) -> list[tuple[str, str, bool]]:
    """The bills that have not come of some channels, and whether nothing was agreed."""
    answer = await service.http.get("/v1/reconciliation/missing-bills", headers=bearer("viewer"))
    return [
        (each["channel"], each["day"], each["terms_missing"])
        for each in answer.json()
        if each["channel"] in channels
    ]


async def shares(service: Service, *channels: str) -> dict[str, tuple[int, int, float | None]]:
    """Of some channels what they gave, what agrees, and the share."""
    answer = await service.http.get("/v1/reconciliation/shares", headers=bearer("viewer"))
    return {
        each["channel"]: (each["ours_fen"], each["matched_fen"], each["share"])
        for each in answer.json()
        if each["channel"] in channels
    }


async def agreed(service: Service, channel: Channel, **changes: Any) -> None:
    """Agree on daily plain bills."""
    body = {"format": "plain", "due_from": f"{DAY}"} | changes
    answer = await service.http.put(
        f"/v1/reconciliation/terms/{channel.name}", json=body, headers=bearer("finance")
    )
    assert answer.status_code == 200, answer.text


async def breaks_of_channel(connection: Any, channel: Channel) -> Any:
    asked = text("SELECT * FROM breaks WHERE channel = :c")
    return (await connection.execute(asked, {"c": channel.name})).all()
