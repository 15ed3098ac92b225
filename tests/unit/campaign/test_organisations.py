"""The rules of the register."""

import pytest

from services.campaign.organisations.hierarchy import (
    MAX_DEPTH,
    MAX_ORGANISATIONS,
    NamedOtherwise,
    OrganisationChosen,
    RegisterFull,
    TooDeep,
    as_registered,
    depth_below,
    require_not_chosen,
    require_room,
)


def test_levels_are_counted_from_the_top() -> None:
    assert depth_below(None, 0) == 1
    assert depth_below("city", 1) == 2
    with pytest.raises(TooDeep) as refused:
        depth_below("town", MAX_DEPTH)
    assert refused.value.fields == ("parent_id",)


def test_the_register_has_a_bound() -> None:
    require_room(MAX_ORGANISATIONS - 1)
    with pytest.raises(RegisterFull):
        require_room(MAX_ORGANISATIONS)


def test_a_plan_has_the_words_of_the_register_or_its_own_where_that_has_none() -> None:
    assert as_registered("licence", None, "A1") == "A1"
    assert as_registered("licence", "A1", "A1") == "A1"
    assert as_registered("licence", "B2", None) == "B2"
    assert as_registered("licence", None, None) is None
    with pytest.raises(NamedOtherwise) as refused:
        as_registered("licence", "B2", "A1")
    assert "A1" in refused.value.detail


def test_a_campaign_is_given_to_an_organisation_once() -> None:
    require_not_chosen(None)
    with pytest.raises(OrganisationChosen) as refused:
        require_not_chosen("gusu")
    assert refused.value.facts == {"organisation_id": "gusu"}
