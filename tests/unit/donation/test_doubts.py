"""Whose bill it is: what makes a person look before breaks open, and what does not."""

import pytest

from services.donation.reconciliation.bill_formats import merchants_of
from services.donation.reconciliation.doubts import Compared, doubts
from tests.services.donation.bills import ALIPAY, WECHATPAY

DIGITS = [f"{10**27 + n}" for n in range(100)]
OURS = [f"t-{n:04}" for n in range(100)]


@pytest.mark.parametrize(
    ("compared", "says"),
    [
        (Compared(100, OURS, 98, 100, OURS), ""),
        (Compared(0, [], 0, 0, []), ""),
        (Compared(9, DIGITS[:9], 0, 9, OURS[:9]), ""),
        (Compared(100, OURS, 50, 100, OURS), ""),
        (Compared(100, DIGITS, 0, 0, []), "Of 100 payments looked at, 0 are"),
        (Compared(100, DIGITS, 4, 100, OURS), "28 digits, those of the channel's donations 6 characters"),
        (Compared(0, [], 0, 500, OURS), "It has 0 payments, of which 0 are here; the day has 500"),
        (Compared(3, OURS[:3], 3, 500, OURS), "It has 3 payments, of which 3 are here; the day has 500"),
        (Compared(3, DIGITS[:3], 0, 10, OURS), "It has 3 payments"),
        (Compared(1, OURS[:1], 1, 1, OURS[:1], frozenset({"1900000001"}), "1900000001"), ""),
        (Compared(1, OURS[:1], 1, 1, OURS[:1], frozenset({"19000009"}), "1900000001"), "merchant 19000009"),
        (Compared(1, OURS[:1], 1, 1, OURS[:1], frozenset({"20880001"}), None), ""),
    ],
    ids=[
        "agrees", "nothing on either side", "few", "half", "nothing known", "nearly nothing known", "empty",
        "a part", "few of another", "its merchant", "another merchant", "no merchant set",
    ],
)  # fmt: skip
def test_a_bill_is_doubtful_when_nearly_nothing_of_it_is_known(compared: Compared, says: str) -> None:
    found = " ".join(doubts(compared))
    assert says in found
    assert bool(found) == bool(says)


def test_a_company_s_bill_says_whose_it_is() -> None:
    assert merchants_of(WECHATPAY, "wechatpay") == {"1900000001"}
    assert merchants_of(ALIPAY, "alipay") == {"20880000000000000156"}
    assert merchants_of(b"", "plain") == frozenset()
