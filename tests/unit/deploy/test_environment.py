"""What a child of ours inherits."""

import pytest

from deploy.local.environment import own_environment


def test_a_child_inherits_no_setting_that_is_meant_for_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DATABASE_URL", "KAFKA_NAMESPACE", "PGPORT", "PGDATA", "JAVA_TOOL_OPTIONS", "ROLES"):
        monkeypatch.setenv(name, "another")
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")

    environment = own_environment()

    assert "another" not in environment.values()
    assert environment["LANG"] == "zh_CN.UTF-8"
    assert "PATH" in environment
