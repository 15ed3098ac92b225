"""Settings that could not work are refused at the start, not at the first mail."""

import base64
from typing import Any

import pytest
from pydantic import ValidationError

from services.notification.couriers.ways import Way
from services.notification.settings import Settings

KEY = base64.b64encode(b"k" * 32).decode()
SMS = {"sms_provider": "aliyun", "sms_sign_name": "善流", "aliyun_access_key_id": "id"}


def settings(**values: Any) -> Settings:
    given = {"database_url": "postgresql+asyncpg://x@127.0.0.1/x", "address_key": KEY, **values}
    return Settings.model_validate(given)


def test_the_sender_has_a_name_and_an_address() -> None:
    sender = settings(smtp_from="苏州市慈善总会 <thanks@charity.example>").sender
    assert (sender.display_name, sender.addr_spec) == ("苏州市慈善总会", "thanks@charity.example")


def test_a_lease_outlasts_the_longest_attempt() -> None:
    longest = settings(smtp_command_timeout_s=30, smtp_data_timeout_s=600)
    assert longest.lease_s > 2 * 30 + 2 * 600


@pytest.mark.parametrize(
    "wrong",
    [
        {"smtp_from": "no address"},
        {"smtp_from": "x <a@b.example>\r\nBcc: c@d.example"},
        {"smtp_tls": True, "smtp_starttls": True},
        {"smtp_username": "u"},
        {"smtp_username": "u", "smtp_password": "p"},
        {"smtp_rate_per_s": 0},
        {"smtp_connections": 0},
        {"address_key": "c2hvcnQ="},
        {"address_key": "not base64" * 8},
        {"ways": "mail,fax"},
        {"ways": "mail,mail"},
        {"ways": ""},
        {"sms_quiet": "22-08"},
        {"sms_quiet": "24:00-08:00"},
        {"public_url": "ftp://x"},
        {"daily_limit": 0},
        SMS,
        {"sms_provider": "tencent"},
    ],
)
def test_settings_that_could_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_only_ways_that_are_set_up_are_used() -> None:
    assert settings().usable_ways == (Way.MAIL,)
    ready = settings(**SMS, aliyun_access_key_secret="s", wechat_app_secrets={"wx1": "s"}, ways="sms,wechat")
    assert ready.usable_ways == (Way.SMS, Way.WECHAT)


def test_no_secret_shows() -> None:
    shown = repr(settings(**SMS, aliyun_access_key_secret="hunter2", wechat_app_secrets={"wx1": "hunter2"}))
    assert "hunter2" not in shown
    assert KEY not in shown


def test_the_password_does_not_show() -> None:
    shown = repr(settings(smtp_username="u", smtp_password="hunter2", smtp_starttls=True))
    assert "hunter2" not in shown
