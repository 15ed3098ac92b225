"""Settings that could not work are refused at the start, not at the first mail."""

from typing import Any

import pytest
from pydantic import ValidationError

from services.notification.settings import Settings


def settings(**values: Any) -> Settings:
    return Settings.model_validate({"database_url": "postgresql+asyncpg://x@127.0.0.1/x", **values})


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
    ],
)
def test_settings_that_could_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)


def test_the_password_does_not_show() -> None:
    shown = repr(settings(smtp_username="u", smtp_password="hunter2", smtp_starttls=True))
    assert "hunter2" not in shown
