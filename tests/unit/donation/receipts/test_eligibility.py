"""Which donations can have a receipt, and which can share one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.donation.receipts import eligibility
from services.donation.receipts.eligibility import MAX_PURPOSE, Candidate, draft, purpose_of
from shared.money import MAX_AMOUNT_FEN
from shared.refusals import Refused

AT = datetime(2027, 1, 1, 12, tzinfo=UTC)


def a_candidate(**changes: Any) -> Candidate:
    """100 yuan of a named donor who left a contact."""
    donation = Candidate(
        donation_id=uuid4(),
        held=False,
        conflicted=False,
        waived=False,
        receipt=None,
        amount_fen=10_000,
        reversed_fen=0,
        occurred_at=AT,
        donor_kind="person",
        donor_name="王小明",
        donor_alias=None,
        donor_display="name",
        contact_email="wang@example.org",
        title="慈善晚会",
        organisation="苏州市慈善总会",
        licence="53320500509190000A",
        code="SZCS",
    )
    return replace(donation, **changes)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"held": True}, eligibility.DonationHeld),
        ({"conflicted": True}, eligibility.DonationConflicted),
        ({"receipt": "SZCS-2027-0000001"}, eligibility.ReceiptExists),
        ({"waived": True}, eligibility.ReceiptWaived),
        ({"reversed_fen": 10_000}, eligibility.NothingLeft),
        (
            {"organisation": None, "licence": None, "title": None, "code": None},
            eligibility.OrganisationUnknown,
        ),
        ({"code": None}, eligibility.OrganisationUnknown),
    ],
)
def test_a_donation_is_refused_with_its_reason(changes: dict[str, Any], refusal: type[Refused]) -> None:
    donation = a_candidate(**changes)
    with pytest.raises(refusal) as caught:
        draft([a_candidate(), donation])
    assert caught.value.facts["donation_id"] == str(donation.donation_id)


def test_no_refusal_says_who_gave() -> None:
    for changes in ({"held": True}, {"waived": True}, {"receipt": "SZCS-2027-0000001"}, {"code": None}):
        with pytest.raises(Refused) as caught:
            draft([a_candidate(**changes)])
        assert "王小明" not in repr((caught.value.detail, caught.value.facts))


def test_a_receipt_states_what_is_left() -> None:
    made = draft([a_candidate(reversed_fen=1)])
    assert made.amount_fen == 9_999
    assert list(made.items.values()) == [9_999]


def test_several_donations_of_one_donor_share_a_receipt() -> None:
    first, second = (
        a_candidate(),
        a_candidate(occurred_at=AT - timedelta(days=3), title="一日捐", reversed_fen=500),
    )
    made = draft([first, second])
    assert made.amount_fen == 19_500
    assert made.items == {first.donation_id: 10_000, second.donation_id: 9_500}
    assert (made.donated_from, made.donated_to) == (second.occurred_at, first.occurred_at)
    assert made.purpose == "慈善晚会、一日捐"
    assert (made.donor_name, made.shown_name) == ("王小明", "王小明")


@pytest.mark.parametrize(
    "changes",
    [
        {"donor_name": "王小敏"},
        {"contact_email": "other@example.org"},
        {"contact_email": None},
        {"donor_kind": "company"},
        {"organisation": "吴江区慈善会", "code": "WJCS"},
        {"licence": "another"},
        {"donor_display": "anonymous"},
    ],
)
def test_donations_that_may_be_of_two_donors_are_kept_apart(changes: dict[str, Any]) -> None:
    with pytest.raises(eligibility.NotOneDonor):
        draft([a_candidate(), a_candidate(**changes)])


def test_the_same_name_without_a_contact_may_be_two_people_but_is_one_company() -> None:
    person = {"contact_email": None}
    with pytest.raises(eligibility.NotOneDonor):
        draft([a_candidate(**person), a_candidate(**person)])
    company = {"contact_email": None, "donor_kind": "company", "donor_name": "苏州太湖实业有限公司"}
    assert draft([a_candidate(**company), a_candidate(**company)]).amount_fen == 20_000


@pytest.mark.parametrize(
    ("changes", "anonymous", "named", "shown"),
    [
        ({}, None, "王小明", "王小明"),
        ({}, True, None, None),
        ({"donor_display": "alias", "donor_alias": "爱心"}, None, "王小明", "爱心"),
        ({"donor_display": "alias", "donor_alias": "爱心", "donor_name": None}, None, None, None),
        ({"donor_display": "anonymous"}, None, None, None),
        ({"donor_display": "anonymous"}, False, "王小明", None),
        ({"donor_display": "anonymous", "donor_name": None}, None, None, None),
    ],
)
def test_an_anonymous_gift_has_no_name_and_nothing_is_shown_without_consent(
    changes: dict[str, Any], anonymous: Any, named: str | None, shown: str | None
) -> None:
    made = draft([a_candidate(**changes)], anonymous=anonymous)
    assert (made.donor_name, made.shown_name) == (named, shown)


def test_who_left_no_name_can_not_be_named() -> None:
    with pytest.raises(eligibility.DonorUnnamed):
        draft([a_candidate(donor_name=None, donor_display="anonymous")], anonymous=False)


def test_one_name_is_shown_only_when_it_was_agreed_to_with_every_donation() -> None:
    alias = a_candidate(donor_display="alias", donor_alias="爱心")
    assert draft([a_candidate(), alias]).shown_name is None


def test_a_receipt_states_no_more_than_an_amount_can_be() -> None:
    most = a_candidate(amount_fen=MAX_AMOUNT_FEN)
    assert draft([most]).amount_fen == MAX_AMOUNT_FEN
    with pytest.raises(eligibility.TooMuch):
        draft([most, a_candidate(amount_fen=1)])


def test_the_purpose_names_each_campaign_once_and_ends() -> None:
    assert purpose_of(["晚会", "一日捐", "晚会"]) == "晚会、一日捐"
    many = purpose_of([f"第{number}届慈善一日捐" for number in range(100)])
    assert len(many) == MAX_PURPOSE
    assert many.endswith("…")
