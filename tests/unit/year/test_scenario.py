"""The declared year adds up to the seed's figures, to the fen."""

from collections.abc import Callable, Iterable

import pytest

from deploy.year import city, seed
from deploy.year.federation import CITY, COUNTIES
from deploy.year.scenario import year_2023
from deploy.year.terms import ONLINE, Campaign, Year


@pytest.fixture(scope="module")
def year() -> Year:
    return year_2023()


def _raised(campaigns: Iterable[Campaign]) -> int:
    return sum(each.received_fen + each.goods_fen for each in campaigns)


def _spent(campaigns: Iterable[Campaign]) -> int:
    return sum(each.disbursed_fen + each.goods_fen for each in campaigns)


def _tree(measure: Callable[[Iterable[Campaign]], int], key: str) -> int:
    return measure(year_2023().tree(key))


def _people(campaigns: Iterable[Campaign]) -> int:
    """How many were helped, by money and by goods."""
    return sum(
        sum(payment.beneficiaries for payment in each.payments)
        + sum(handout.beneficiaries for goods in each.goods for handout in goods.handouts)
        for each in campaigns
    )


@pytest.mark.parametrize(
    ("organisations", "raised_fen", "spent_fen"),
    [((), seed.RAISED, seed.SPENT), ((CITY,), seed.CITY_RAISED, seed.CITY_SPENT)],
    ids=["city and counties", "city"],
)
def test_the_books_add_up_to_the_report(
    year: Year, organisations: tuple[str, ...], raised_fen: int, spent_fen: int
) -> None:
    own = list(year.of(*organisations))
    assert _raised(own) == raised_fen
    assert _spent(own) == spent_fen


def test_projects_are_counted_without_parts_and_events(year: Year) -> None:
    assert sum(each.is_project for each in year.campaigns) == seed.PROJECTS
    assert sum(each.is_project for each in year.of(CITY)) == seed.CITY_PROJECTS


@pytest.mark.parametrize(
    ("key", "spent_fen", "helped"),
    [
        ("flood", seed.FLOOD, None),
        ("quake", seed.QUAKE, None),
        ("suqian-yancheng", seed.SUQIAN + seed.YANCHENG, None),
        ("illness-aid", seed.ILLNESS, None),
        ("visits", seed.VISITS, seed.VISITED),
        ("study", seed.STUDY, seed.STUDENTS),
        ("smoke-alarms", seed.ALARMS, seed.ALARM_HOMES + seed.ADAPTED_HOMES),
        ("nursing-homes", seed.NURSING, seed.NURSING_HOMES),
        ("judicial", seed.JUDICIAL, seed.VICTIMS),
        ("cornea", seed.CORNEA, seed.CORNEA_PATIENTS),
        ("bright", seed.BRIGHT, seed.BRIGHT_HOMES),
        ("solar", seed.SOLAR, seed.SOLAR_HOMES),
        ("sanitation", seed.SANITATION, seed.MEALS + seed.WATERS),
        ("books", seed.BOOKS, seed.BOOK_SCHOOLS),
        ("clothes", seed.CLOTHES, seed.CLOTHED),
        ("scanner", seed.SCANNER, None),
        ("university", seed.UNIVERSITY, None),
        ("biomedical", seed.BIOMEDICAL, None),
    ],
)
def test_what_the_report_names_went_out_and_helped(
    year: Year, key: str, spent_fen: int, helped: int | None
) -> None:
    tree = year.tree(key)
    assert _spent(tree) == spent_fen
    if helped is not None:
        assert _people(tree) == helped


def test_placards_and_what_was_raised_on_them(year: Year) -> None:
    gala, drive = year.tree("gala"), year.tree("drive")
    assert sum(len(each.placards) for each in gala) == seed.GALA_COMPANIES
    assert sum(each.promised_fen for each in gala) == seed.GALA_PROMISED
    assert sum(len(each.placards) for each in drive) == seed.DRIVE_COMPANIES
    assert sum(each.promised_fen for each in drive) == seed.DRIVE_PROMISED
    assert _raised(drive) == seed.DRIVE_RAISED
    assert _raised(year.tree("flood")) == seed.FLOOD
    assert _raised(year.tree("quake")) == seed.QUAKE
    assert _raised(year.tree("judicial")) == seed.JUDICIAL_FUND


def test_medicines_come_in_and_go_out(year: Year) -> None:
    medicines = [goods for each in year.of(CITY) for goods in each.goods if goods.category == "medicine"]
    assert sum(goods.value_fen for goods in medicines) == seed.MEDICINES
    for goods in medicines:
        assert sum(handout.quantity for handout in goods.handouts) == goods.quantity
    assert city.CLUSTER_MEDICINES < seed.MEDICINES


def test_all_goods_of_the_year_go_out(year: Year) -> None:
    for campaign in year.campaigns:
        for goods in campaign.goods:
            assert sum(handout.quantity for handout in goods.handouts) == goods.quantity, campaign.key
            assert all(handout.day >= goods.day for handout in goods.handouts), campaign.key


def test_what_is_given_online_adds_up(year: Year) -> None:
    entries = [online for each in year.campaigns for online in each.online]
    assert sum(each.amount_fen for each in entries) == seed.ONLINE
    assert sum(each.person_times for each in entries) == seed.PERSON_TIMES
    assert sum(each.amount_fen for each in entries if each.channel == "ecny") == seed.ECNY
    assert {each.channel for each in entries} == set(ONLINE)


def test_insurance_covers_whom_the_report_tells(year: Year) -> None:
    policies = [policy for each in year.campaigns for policy in each.policies]
    new = [policy for policy in policies if not policy.renewed]
    assert [count for policy in new for _, count in policy.covered] == [
        seed.NEW_LOW_INCOME,
        seed.NEW_SOLDIERS,
    ]
    renewed = [policy for policy in policies if policy.renewed]
    assert len(renewed) == seed.RENEWALS
    assert sum(count for policy in renewed for _, count in policy.covered) == seed.RENEWED_PEOPLE
    assert max(claim for policy in policies for claim in policy.claims_fen) == seed.LARGEST_CLAIM


def test_no_fund_spends_what_it_has_not(year: Year) -> None:
    for each in year.campaigns:
        assert each.disbursed_fen <= each.received_fen, each.key
        assert all(payment.use in each.uses for payment in each.payments), each.key
        assert all(handout.use in each.uses for goods in each.goods for handout in goods.handouts), each.key


def test_everything_lies_within_the_year(year: Year) -> None:
    for each in year.campaigns:
        days = [
            *(gift.day for gift in each.gifts),
            *(payment.day for payment in each.payments),
            *(goods.day for goods in each.goods),
            *(handout.day for goods in each.goods for handout in goods.handouts),
            *(day for online in each.online for day in (online.first, online.last)),
        ]
        assert all(each.first <= day <= each.last for day in days), each.key
        assert each.last.year == each.first.year == 2023


def test_every_campaign_has_a_key_and_a_home_of_its_own(year: Year) -> None:
    keys = [each.key for each in year.campaigns]
    assert len(set(keys)) == len(keys)
    known = {CITY, *COUNTIES}
    for each in year.campaigns:
        assert each.organisation in known
        assert (each.parent is None) == (each.part is None)
        assert each.parent is None or each.parent in keys


def test_a_promise_is_kept_by_the_company_that_made_it(year: Year) -> None:
    for each in year.campaigns:
        makers = {placard.number: placard for placard in each.placards}
        assert len(makers) == len(each.placards), each.key
        for gift in each.gifts:
            if gift.placard is not None:
                assert makers[gift.placard].company == gift.donor, each.key
                assert gift.amount_fen <= makers[gift.placard].amount_fen, each.key


def test_a_campaign_is_closed_when_all_is_in_and_every_promise_is_kept(year: Year) -> None:
    closed = [each for each in year.campaigns if each.closed_on is not None]
    assert {each.key for each in closed} == {"drive", "flood", "quake", "suqian-yancheng"}
    for top in closed:
        assert top.parent is None
        assert top.closed_on is not None
        for each in year.tree(top.key):
            assert each.first <= top.closed_on <= each.last
            given = [gift.day for gift in each.gifts] + [online.last for online in each.online]
            given += [goods.day for goods in each.goods]
            assert all(day <= top.closed_on for day in given), each.key
            kept = sum(gift.amount_fen for gift in each.gifts if gift.placard is not None)
            kept += sum(goods.value_fen for goods in each.goods if goods.placard is not None)
            assert kept == each.promised_fen, each.key
