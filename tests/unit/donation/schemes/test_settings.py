"""What a channel has to say of itself, by its scheme."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from services.donation.channels.schemes import Scheme
from services.donation.schemes.settings import SETTINGS_OF

USABLE: dict[str, dict[str, Any]] = {
    "webhooks": {},
    "wechatpay": {"mchid": "1900000109", "campaign_id": "gala-2027"},
    "alipay": {"app_id": "2021000000000001", "campaign_id": "gala-2027", "seller_id": "2088000000000001"},
    "unionpay": {"mer_id": "777290058110048", "campaign_id": "gala-2027"},
    "files": {"profile": "bank-csv"},
    "kafka": {},
    "desk": {},
}


def test_each_scheme_has_its_settings() -> None:
    assert set(SETTINGS_OF) == set(get_args(Scheme)) == set(USABLE)


@pytest.mark.parametrize("scheme", USABLE)
def test_what_a_scheme_asks_for_is_enough(scheme: Scheme) -> None:
    SETTINGS_OF[scheme].model_validate(USABLE[scheme])


@pytest.mark.parametrize("scheme", USABLE)
def test_what_a_scheme_does_not_know_is_refused(scheme: Scheme) -> None:
    with pytest.raises(ValidationError):
        SETTINGS_OF[scheme].model_validate(USABLE[scheme] | {"secret": "x"})


@pytest.mark.parametrize("scheme", ["wechatpay", "alipay", "unionpay"])
def test_a_payment_company_can_t_do_without_its_merchant(scheme: Scheme) -> None:
    with pytest.raises(ValidationError):
        SETTINGS_OF[scheme].model_validate({"campaign_id": "gala-2027"})
