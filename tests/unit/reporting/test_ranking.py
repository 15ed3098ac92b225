"""Under which name a company is ranked, and what a batch says of its gifts."""

import pytest

from services.reporting.ranking import Gift, company_name
from services.reporting.tally import tally
from tests.services.reporting.builders import GALA, Source


@pytest.mark.parametrize(
    ("shown", "ranked"),
    [
        ("某某（苏州）有限公司", "某某（苏州）有限公司"),
        ("某某(苏州)有限公司", "某某（苏州）有限公司"),
        ("某某（苏州） 有限公司", "某某（苏州） 有限公司"),
        ("ＡＢＣ科技\u3000集团", "ABC科技 集团"),
        ("Sample  (China) Co.", "Sample (China) Co."),
    ],
    ids=["full", "half", "blank", "wide-letters", "latin"],
)
def test_one_name_for_the_ways_in_which_channels_write_it(shown: str, ranked: str) -> None:
    assert company_name(shown) == ranked
    assert company_name(ranked) == ranked


def test_no_person_and_nobody_without_a_name_is_ranked() -> None:
    source = Source()
    ranked = source.received(700, name="甲公司", kind="company", number=1)
    events = [ranked, source.received(5, name="张三"), source.received(9, kind="company")]
    assert tally([*events, source.reversed(200, number=1)]).gifts == {
        source.donation_id(1): Gift(GALA, "甲公司", received_fen=700, reversed_fen=200)
    }
