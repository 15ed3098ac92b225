"""What a donor chose where the order was made, as it comes back with the notice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.intake import DonationRequest
from services.donation.schemes.notices import donation
from services.donation.schemes.passback import is_ours, read
from services.donation.schemes.settings import NoticeSettings
from tests.services.donation.builders import OCCURRED_AT

SETTINGS = NoticeSettings(campaign_id="gala")
ANONYMOUS = {"campaign_id": "gala", "donor": {"kind": "person", "display": "anonymous"}}
PLEDGE = "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d"


def test_all_of_it() -> None:
    said = read(
        f"c:flood-2026;n:苏州某公司;a:爱心人士;d:a;k:c;m:新年快乐;e:a@b.cn;t:13800000000;l:en;p:{PLEDGE}",
        SETTINGS,
    )
    assert said == {
        "campaign_id": "flood-2026",
        "donor": {
            "kind": "company",
            "display": "alias",
            "name": "苏州某公司",
            "alias": "爱心人士",
            "contact": {"email": "a@b.cn", "phone": "+8613800000000", "language": "en"},
        },
        "message": "新年快乐",
        "pledge_id": PLEDGE,
    }


@pytest.mark.parametrize(
    "text", ["", "order 7", "x:1", "c:gala;", "c:gala;c:other", "n", '{"c":"gala"}', "c:" + "a" * 2_000]
)
def test_another_system_s_text_says_nothing(text: str) -> None:
    assert not is_ours(text)
    assert read(text, SETTINGS) == ANONYMOUS


@pytest.mark.parametrize(
    "text",
    [
        "c:NO CAMPAIGN",
        "n:\u200b;d:n",
        "m:\u001b[2J",
        "e:a@b",
        "t:12",
        "d:n",
        "d:a;n:王小明"[:3],
        "p:17",
        "l:en",
        "w:1",
    ],
)
def test_a_value_that_can_t_be_used_is_left_out(text: str) -> None:
    assert is_ours(text)
    assert read(text, SETTINGS) == ANONYMOUS


def test_a_name_is_shown_only_when_the_donor_said_so() -> None:
    assert read("n:王小明", SETTINGS)["donor"] == {"kind": "person", "display": "anonymous", "name": "王小明"}
    assert read("n:王小明;d:a", SETTINGS)["donor"]["display"] == "anonymous"
    assert read("n:王小明;d:n", SETTINGS)["donor"]["display"] == "name"


def test_a_semicolon_and_a_percent_sign_may_stand_in_a_value() -> None:
    assert read("m:100%25; 加油".replace("; ", "%3B "), SETTINGS)["message"] == "100%; 加油"


def test_who_gives_when_the_order_does_not_say() -> None:
    shop = NoticeSettings(campaign_id="gala", donor_kind="company", donor_name="糕团店")
    assert read("m:加油", shop)["donor"] == {"kind": "company", "display": "name", "name": "糕团店"}
    assert read("n:王小明", shop)["donor"]["name"] == "王小明", "the order's own word goes first"


def test_a_payer_is_reached_by_wechat_only_when_asked() -> None:
    payer = {"wechat_openid": "oUpF8uMuAJO", "wechat_app_id": "wxd678efh567"}
    assert "contact" not in read("n:王小明", SETTINGS, payer)["donor"]
    assert read("w:1", SETTINGS, payer)["donor"]["contact"] == payer
    assert "contact" not in read("w:1", SETTINGS, {**payer, "wechat_openid": "!"})["donor"]


@given(
    st.text(max_size=200)
    | st.lists(st.tuples(st.sampled_from("cnadkmetwlp"), st.text(max_size=80))).map(
        lambda parts: ";".join(f"{letter}:{value}" for letter, value in parts)
    )
)
def test_whatever_an_order_says_its_money_is_booked(text: str) -> None:
    fields = {"transaction_id": "t", "amount_fen": 1, "occurred_at": OCCURRED_AT.isoformat()}
    assert isinstance(donation({**fields, **read(text, SETTINGS)}, OCCURRED_AT), DonationRequest)
