"""What rolls up to an organisation: every campaign once at each level, each figure by itself."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.federation import Federation
from services.reporting.proof import organisation_digest
from services.reporting.totals import CampaignState, OrganisationName
from tests.services.reporting.builders import state as a_state

POSITIONS = {"intake.wechat/0": 41, "campaign/0": 7}


def named(organisation_id: str, parent_id: str | None = None) -> OrganisationName:
    return OrganisationName(
        organisation_id=organisation_id,
        parent_id=parent_id,
        name=f"慈善会 {organisation_id}",
        name_en=None,
        licence="A1",
        contact=None,
        query_method=None,
    )


CITY = [named("suzhou"), named("gusu", "suzhou"), named("wujiang", "suzhou"), named("shengze", "wujiang")]


def campaign(organisation_id: str | None, number: int = 0, **amounts: Any) -> CampaignState:
    """A campaign's state with these amounts."""
    campaign_id = f"{organisation_id or 'none'}-{number}"
    return a_state(campaign_id=campaign_id, organisation_id=organisation_id, **amounts)


def test_a_county_is_part_of_its_city_and_a_town_of_both() -> None:
    states = [
        campaign("suzhou", received_fen=1000, promised_fen=7, donations=1),
        campaign("gusu", received_fen=200, reversed_fen=50, donations=2),
        campaign("wujiang", received_fen=30, disbursed_fen=20, goods_received_fen=9),
        campaign("shengze", received_fen=4, promised_fen=70),
        campaign(None, received_fen=10**9),
        campaign("nobody", received_fen=10**9),
    ]
    found = Federation.of(CITY, states, POSITIONS)
    city = found.totals("suzhou")
    assert city is not None
    assert (city.total.received_fen, city.total.net_fen, city.total.promised_fen) == (1234, 1184, 77)
    assert (city.total.disbursed_fen, city.total.goods_received_fen, city.total.campaigns) == (20, 9, 4)
    assert (city.own.received_fen, city.own.campaigns) == (1000, 1)
    assert [(line.organisation_id, line.total.net_fen) for line in city.below] == [
        ("gusu", 150),
        ("wujiang", 34),
    ]
    assert [each.campaign_id for each in city.campaigns] == ["suzhou-0"]
    assert city.digest == organisation_digest("suzhou", POSITIONS, city.total.model_dump())
    assert found.totals("nobody") is None


def test_each_stands_below_the_one_above_it() -> None:
    listed = Federation.of([*CITY[::-1], named("lost", "never-heard-of")], [], POSITIONS).listed()
    assert [(line.organisation_id, line.level) for line in listed.organisations] == [
        ("suzhou", 1),
        ("wujiang", 2),
        ("shengze", 3),
        ("gusu", 2),
        ("lost", 1),
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from([each.organisation_id for each in CITY]), st.integers(0, 10**13)),
        max_size=20,
    )
)
def test_total_is_own_and_what_is_below(given_fen: list[tuple[str, int]]) -> None:
    states = [campaign(of, number, received_fen=fen) for number, (of, fen) in enumerate(given_fen)]
    found = Federation.of(CITY, states, POSITIONS)
    for name in CITY:
        told = found.totals(name.organisation_id)
        assert told is not None
        below = sum(line.total.received_fen for line in told.below)
        assert told.total.received_fen == told.own.received_fen + below
    top = found.totals("suzhou")
    assert top is not None
    assert top.total.received_fen == sum(fen for _, fen in given_fen)
