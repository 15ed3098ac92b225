"""Where a receipt's money stands: sums to the fen at a stated moment, shares pro rata, nobody else's data."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from services.donation.trace.schemas import Helped, Transfer
from services.donation.trace.stating import Stating
from services.donation.trace.tracing import KnownCampaigns
from shared.events import CampaignLaunched, FundsDisbursed
from shared.events.campaigns import FundsDisbursedData
from tests.services.donation.builders import a_donation, a_reversal, bearer, new_id
from tests.services.donation.places import Place, Service
from tests.services.donation.receipt_books import a_code, receipt_books
from tests.services.donation.test_receipts_http import until_let_in
from tests.services.donation.tracing_books import TracingBooks, a_movement
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


@pytest_asyncio.fixture(loop_scope="package")
async def tracing(place: Place) -> TracingBooks:
    return TracingBooks(await receipt_books(place))


# ---------------------------------------------------------------- shares


async def test_a_donor_sees_the_share_that_was_spent_on_what_and_whom_it_helped(
    tracing: TracingBooks,
) -> None:
    own = await tracing.books.donation()
    await tracing.books.donations(3)
    number = await tracing.books.issue(own)
    await tracing.pays(10_000, use="助学", title="助学圆梦", helped={("person_times", ""): 7})
    await tracing.pays(5_000, use="助学", helped={("person_times", ""): 1, ("schools", ""): 2})
    await tracing.pays(5_001, use="敬老", helped={("households", ""): 3})
    await tracing.count()
    found = await tracing.trace(number)
    (part,) = found.parts
    assert (part.title, part.own_fen, part.spent_fen, part.left_fen) == ("慈善晚会", 10_000, 5_000, 5_000)
    assert part.spent_basis_points == 5_000
    assert (part.fund.in_fen, part.fund.spent_fen, part.fund.left_fen) == (40_000, 20_001, 19_999)
    assert [use.titles for use in part.uses] == [["助学圆梦"], []]
    assert [(use.use, use.spent_fen, use.payments, use.helped) for use in part.uses] == [
        ("助学", 15_000, 2, [Helped(unit="person_times", count=8), Helped(unit="schools", count=2)]),
        ("敬老", 5_001, 1, [Helped(unit="households", count=3)]),
    ]


async def test_what_comes_back_to_the_fund_is_no_longer_spent_and_helped_nobody(
    tracing: TracingBooks,
) -> None:
    number = await tracing.books.issue(await tracing.books.donation())
    whole = await tracing.pays(4_000, helped={("schools", ""): 9})
    partly = await tracing.pays(6_000, helped={("schools", ""): 2})
    await tracing.moves("return", 4_000, about=whole)
    await tracing.moves("return", 1_000, about=partly)
    await tracing.count()
    (part,) = (await tracing.trace(number)).parts
    assert (part.spent_fen, part.left_fen) == (5_000, 5_000)
    (use,) = part.uses
    assert (use.spent_fen, use.returned_fen, use.helped) == (5_000, 5_000, [Helped(unit="schools", count=2)])


async def test_money_that_moved_to_another_fund_is_shown_with_where_it_went(tracing: TracingBooks) -> None:
    number = await tracing.books.issue(await tracing.books.donation())
    other = new_id("fund")
    await tracing.books.know(other, title="敬老基金")
    await tracing.moves("transfer_out", 2_500, other=other)
    await tracing.moves("transfer_out", 1_000, other="某信托公司")
    await tracing.moves("transfer_in", 10_000, other=other)
    await tracing.pays(5_000)
    await tracing.count()
    (part,) = (await tracing.trace(number)).parts
    assert (part.own_fen, part.spent_fen, part.moved_fen, part.left_fen) == (10_000, 2_500, 1_750, 5_750)
    assert part.transfers == [
        Transfer(towards="敬老基金", amount_fen=2_500),
        Transfer(towards="某信托公司", amount_fen=1_000),
    ]


async def test_a_donation_that_was_split_is_followed_into_each_fund(tracing: TracingBooks) -> None:
    own, other = await tracing.books.donations(2)
    number, fund = await tracing.books.issue(own), new_id("fund")
    await tracing.books.know(fund, title="敬老基金")
    for kind, campaign_id, towards in (
        ("transfer_out", tracing.books.campaign_id, fund),
        ("transfer_in", fund, tracing.books.campaign_id),
    ):
        await tracing.moves(kind, 6_000, campaign_id, other=towards, donation_id=own)
    await tracing.pays(7_000)
    await tracing.moves("payment", 1_500, fund)
    await tracing.count()
    parts = {part.title: part for part in (await tracing.trace(number)).parts}
    assert (parts["慈善晚会"].own_fen, parts["慈善晚会"].spent_fen) == (4_000, 2_000)
    assert (parts["慈善晚会"].fund.split_fen, parts["慈善晚会"].fund.in_fen) == (6_000, 14_000)
    assert parts["慈善晚会"].transfers == []
    assert (parts["敬老基金"].own_fen, parts["敬老基金"].spent_fen) == (6_000, 1_500)
    (part,) = (await tracing.trace(await tracing.books.issue(other))).parts
    assert (part.own_fen, part.spent_fen, part.moved_fen) == (10_000, 5_000, 0)
    await tracing.books.refund(own, 7_000)
    parts = {part.title: part for part in (await tracing.trace(number)).parts}
    assert [part.own_fen for part in parts.values()] == [3_000], (
        "what is left lies where the split has put it"
    )


async def test_goods_are_shown_apart_from_money(tracing: TracingBooks) -> None:
    number = await tracing.books.issue(await tracing.books.donation())
    out, whole = uuid4(), uuid4()
    await tracing.moves("goods_in", 1_000_000)
    await tracing.moves("goods_back", 100_000)
    await tracing.moves("goods_lost", 50_000)
    await tracing.moves("goods_returned", 30_000, about=out)
    await tracing.moves("goods_out", 70_000, use="医疗", about=whole, helped={("schools", ""): 1})
    await tracing.moves("goods_returned", 70_000, about=whole)
    await tracing.moves(
        "goods_out", 830_000, use="医疗", title="药品", about=out, helped={("person_times", ""): 40}
    )
    await tracing.count()
    (part,) = (await tracing.trace(number)).parts
    assert (part.spent_fen, part.fund.in_fen, part.fund.spent_fen) == (0, 10_000, 0)
    assert (part.uses, part.goods_in_fen, part.goods_lost_fen) == ([], 900_000, 50_000)
    (goods,) = part.goods
    assert (goods.use, goods.titles, goods.value_fen) == ("医疗", ["药品"], 800_000)
    assert [(each.unit, each.count) for each in goods.helped] == [("person_times", 40)]


async def test_a_receipt_over_donations_to_several_campaigns_is_followed_in_each(
    tracing: TracingBooks,
) -> None:
    second = new_id("drive")
    await tracing.books.know(second, title="一日捐")
    first_ids = await tracing.books.donations(2)
    third = await tracing.books.donation(campaign_id=second, amount_fen=700)
    await tracing.books.donation(campaign_id=second, amount_fen=700, donor_name="李女士")
    number = await tracing.books.issue(*first_ids, third)
    await tracing.moves("payment", 700, second)
    await tracing.count()
    parts = {part.title: part for part in (await tracing.trace(number)).parts}
    assert parts["慈善晚会"].own_fen == 20_000
    assert (parts["一日捐"].own_fen, parts["一日捐"].spent_fen) == (700, 350)


async def test_what_went_back_to_the_donor_is_not_followed(tracing: TracingBooks) -> None:
    one, other = await tracing.books.donations(2)
    number = await tracing.books.issue(one)
    await tracing.books.issue(other)
    await tracing.books.refund(one, 9_000)
    await tracing.pays(5_500)
    await tracing.count()
    found = await tracing.trace(number)
    (part,) = found.parts
    assert (found.state, found.back_fen, part.own_fen, part.spent_fen) == ("overstated", 9_000, 1_000, 500)
    await tracing.books.refund(one, 1_000)
    await tracing.count()
    found = await tracing.trace(number)
    assert (found.back_fen, found.parts[0].own_fen, found.parts[0].new_fen) == (10_000, 0, 0)


async def test_a_void_or_replaced_receipt_has_nothing_to_follow(tracing: TracingBooks) -> None:
    void, replaced = [await tracing.books.issue(each) for each in await tracing.books.donations(2)]
    await tracing.books.void(void)
    new = await tracing.books.reissue(replaced)
    await tracing.count()
    found = [await tracing.trace(each) for each in (void, replaced)]
    assert [(each.state, each.replaced_by, each.parts) for each in found] == [
        ("void", None, []),
        ("replaced", new, []),
    ]
    assert len((await tracing.trace(new)).parts) == 1


# ---------------------------------------------------------------- the stated moment


async def test_what_came_after_the_stated_moment_is_left_to_the_next(tracing: TracingBooks) -> None:
    early = await tracing.books.donation()
    await tracing.count()
    late = await tracing.books.donation(amount_fen=600)
    number = await tracing.books.issue(early, late)
    at = datetime.now(UTC)
    await tracing.pays(5_000, announced_at=at + timedelta(seconds=1))
    found = await tracing.trace(number)
    (part,) = found.parts
    assert found.stated_at is not None
    assert found.stated_at < at
    assert (part.own_fen, part.new_fen, part.spent_fen, part.uses) == (10_000, 600, 0, [])
    await until_counted(tracing, at + timedelta(seconds=1))
    (part,) = (await tracing.trace(number)).parts
    assert (part.own_fen, part.new_fen, part.fund.in_fen, part.fund.spent_fen) == (10_600, 0, 10_600, 5_000)


async def test_a_campaign_is_read_once_for_a_moment_and_anew_for_the_next(tracing: TracingBooks) -> None:
    number = await tracing.books.issue(await tracing.books.donation())
    await tracing.pays(1_000)
    await tracing.count()
    campaigns = KnownCampaigns()
    await tracing.trace(number, campaigns)
    await tracing.pays(2_000)
    assert (await tracing.trace(number, campaigns)).parts[0].spent_fen == 1_000
    await tracing.count()
    assert (await tracing.trace(number, campaigns)).parts[0].spent_fen == 3_000


async def until_counted(tracing: TracingBooks, moment: datetime) -> None:
    """Count until the stated moment lies behind this one."""

    async def stated() -> bool:
        await tracing.count()
        return bool(
            await tracing.books.place.value("SELECT stated_at > :moment FROM trace_moment", moment=moment)
        )

    await until(stated)


async def test_the_sums_are_those_of_the_tables_whatever_the_steps(place: Place) -> None:
    """Donations at random positions, of which some were held and some went back, counted between them."""
    tracing = TracingBooks(await receipt_books(place))

    @settings(max_examples=1, database=None)
    @given(st.data())
    def choose(data: st.DataObject) -> None:
        steps.extend(data.draw(st.lists(st.integers(1, 4), min_size=12, max_size=12)))

    steps: list[int] = []
    choose()
    topic, campaign_id = await place.channel(), await place.campaign("filed")
    for number, rows in enumerate(steps):
        body = a_donation(campaign_id=campaign_id, amount_fen=1_000 + number)
        held = "SELECT donation_id FROM donations WHERE campaign_id = :id AND status = 'held' LIMIT 1"
        if number > len(steps) // 2:
            releases = [{"donation_id": str(row[0])} for row in await place.rows(held, id=campaign_id)]
            await place.handler()(await place.internal(*[{"type": "release"} | each for each in releases]))
        await place.put(topic, body, a_reversal(body["transaction_id"]), partition=number % 2)
        if number == len(steps) // 2:
            await place.set_campaign(campaign_id, "launched")
        await place.work(topic)
        await tracing.count(rows)
    assert await tracing.count(1) >= 1
    assert (
        await place.value(
            "SELECT count(*) FROM releases JOIN donations d USING (donation_id) WHERE d.campaign_id = :id",
            id=campaign_id,
        )
        > 1
    )
    summed = await place.rows(
        "SELECT coalesce(sum(amount_fen), 0) FROM donations WHERE campaign_id = :id AND status = 'received'"
        " UNION ALL SELECT coalesce(sum(v.amount_fen), 0) FROM reversals v JOIN donations USING (donation_id)"
        " WHERE campaign_id = :id AND v.status = 'applied'",
        id=campaign_id,
    )
    stated = "SELECT received_fen, reversed_fen FROM trace_funds WHERE campaign_id = :id"
    assert await place.rows(stated, id=campaign_id) == [tuple(row[0] for row in summed)]


async def test_two_that_count_at_once_count_nothing_twice(tracing: TracingBooks) -> None:
    await tracing.books.donations(8)
    await asyncio.gather(*(Stating(tracing.books.place.engine).step(3) for _ in range(6)))
    await tracing.count(3)
    statement = "SELECT received_fen FROM trace_funds WHERE campaign_id = :id"
    assert await tracing.books.place.value(statement, id=tracing.books.campaign_id) == 80_000


async def test_an_event_that_comes_again_moves_nothing(tracing: TracingBooks) -> None:
    payment = a_movement(tracing.books.campaign_id, "payment", 5_000)
    for _ in range(2):
        await tracing.announce(payment, payment)
    number = await tracing.books.issue(await tracing.books.donation())
    await tracing.count()
    (use,) = (await tracing.trace(number)).parts[0].uses
    assert (use.spent_fen, use.payments, use.helped[0].count) == (5_000, 1, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_fen": 0},
        {"kind": "gift"},
        {"use": None},
        {"about": None},
        {"helped": {("schools", ""): 0}},
    ],
)
async def test_a_movement_cannot_be_written_wrong(tracing: TracingBooks, changes: dict[str, Any]) -> None:
    values: dict[str, Any] = {"kind": "payment", "amount_fen": 1} | changes
    with pytest.raises(IntegrityError):
        await tracing.moves(values.pop("kind"), values.pop("amount_fen"), **values)


# ---------------------------------------------------------------- by HTTP


async def test_from_the_payment_to_the_page(service: Service) -> None:
    """Through the topics: a campaign is launched, pays, and whoever has the paper sees it."""
    code, campaign_id = a_code(), new_id("gala")
    campaigns = service.campaigns
    launched = campaigns.event(CampaignLaunched, campaign_id, organisation=f"慈善会 {code}", title="新年晚会")
    paid = FundsDisbursedData(
        disbursement_id=uuid4(),
        campaign_id=campaign_id,
        amount_fen=2_500,
        use="助学圆梦",
        beneficiaries=12,
        beneficiary_unit="person_times",
    )
    payment = campaigns.of(FundsDisbursed, campaign_id, paid, datetime.now(UTC))
    await service.place.tell(launched, payment)
    await service.http.post(
        "/v1/receipt-organisations",
        json={"organisation": f"慈善会 {code}", "code": code},
        headers=bearer("admin") | {"idempotency-key": code},
    )
    channel = await service.channel()
    body = a_donation(campaign_id=campaign_id)
    answer = (await channel.give(body)).json()
    await service.status(answer["donation_id"], "received")

    async def issued() -> Any:
        asked = {"donation_ids": [answer["donation_id"]], "handler": "陈会计"}
        headers = bearer("finance") | {"idempotency-key": uuid4().hex}
        made = await service.http.post("/v1/receipts", json=asked, headers=headers)
        return made.json() if made.status_code == 201 else None

    receipt = await until(issued)
    asked = {"number": receipt["number"], "code": receipt["check_code"]}

    async def followed() -> Any:
        await Stating(service.place.engine).step()
        path = f"/v1/receipts/trace/{receipt['number']}"
        found = await until_let_in(lambda: service.http.get(path, params={"code": receipt["check_code"]}))
        return found if found.json()["parts"][0]["spent_fen"] else None

    found = await until(followed)
    assert found.headers["cache-control"] == "no-store"
    assert found.json()["parts"][0]["spent_fen"] == 2_500
    page = await until_let_in(lambda: service.http.get("/receipts/trace", params=asked))
    assert page.status_code == 200
    for said in ("新年晚会", "¥25.00", "25.00%", "助学圆梦", "12 人次", "按比例"):
        assert said in page.text, said
    assert page.headers["referrer-policy"] == "no-referrer"
    english = await until_let_in(lambda: service.http.get("/receipts/trace", params=asked | {"lang": "en"}))
    assert "12 person-times" in english.text
    check = await until_let_in(lambda: service.http.get("/receipts/check", params=asked))
    assert "/receipts/trace?" in check.text
    for text in (found.text, page.text):
        assert "王小明" not in text, "the donor's own name too is not the trace's to tell"


async def test_a_wrong_code_learns_nothing(service: Service) -> None:
    books = await receipt_books(service.place)
    number = await books.issue(await books.donation())
    other = (await books.receipt(await books.issue(await books.donation()))).check_code
    wrong = await until_let_in(lambda: service.http.get(f"/v1/receipts/trace/{number}?code={other}"))
    unknown = await until_let_in(lambda: service.http.get(f"/v1/receipts/trace/{number[:-1]}9?code={other}"))
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.json() == unknown.json()
    page = await until_let_in(lambda: service.http.get(f"/receipts/trace?number={number}&code={other}"))
    assert (page.status_code, "慈善晚会" in page.text) == (404, False)
    slip = await until_let_in(lambda: service.http.get(f"/v1/receipts/trace/{number}?code=1"))
    assert slip.status_code == 422
