"""What a process is told by its environment."""

import pytest
from pydantic import SecretStr, ValidationError

from services.donation.settings import Settings


def settings(roles: str) -> Settings:
    return Settings(database_url="postgresql+asyncpg://x/y", channel_key=SecretStr("k"), roles=roles)


@pytest.mark.parametrize(
    ("roles", "api", "worker"),
    [("api", True, False), ("worker", False, True), ("api,worker", True, True), ("worker,api", True, True)],
)
def test_a_process_plays_the_roles_it_is_given(roles: str, api: bool, worker: bool) -> None:  # noqa: FBT001
    made = settings(roles)
    assert (made.has_role("api"), made.has_role("worker")) == (api, worker)


@pytest.mark.parametrize("roles", ["", "wroker", "api,", "api, worker", "API", "screens"])
def test_a_role_that_is_misspelt_is_refused(roles: str) -> None:
    """A process that does nothing looks like one that does its work."""
    with pytest.raises(ValidationError, match="not a role"):
        settings(roles)


def test_the_key_does_not_show_in_a_log() -> None:
    assert "k'" not in repr(settings("api"))
