"""Settings that come as files."""

from pathlib import Path

import pytest

from deploy.given import given
from shared.service import ServiceSettings


def test_a_file_of_the_secrets_folder_is_a_setting_and_the_environment_goes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "database_url").write_text("postgresql://of-the-file\n", "utf-8")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))

    assert ServiceSettings().database_url == given("DATABASE_URL") == "postgresql://of-the-file"

    monkeypatch.setenv("DATABASE_URL", "postgresql://of-the-environment")
    assert ServiceSettings().database_url == given("DATABASE_URL") == "postgresql://of-the-environment"


def test_without_a_folder_only_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert given("DATABASE_URL") is None
