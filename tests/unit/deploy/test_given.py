"""Settings that come as files."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.given import given
from deploy.local.external import external_kafka
from deploy.local.running import Running
from deploy.servers import servers_of
from deploy.verify.places import Places
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


def test_the_stack_s_own_broker_is_asked_as_nobody_whatever_a_channel_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:8193"),
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_SASL_USERNAME", "channel-wechat"),
        ("KAFKA_SASL_PASSWORD", "secret"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("DONATION_DATABASE_URL", "CAMPAIGN_DATABASE_URL", "REPORTING_DATABASE_URL", "REPORTING_URL"):
        monkeypatch.delenv(name, raising=False)
    stack = SimpleNamespace(
        kafka="127.0.0.1:8192",
        kafka_is_ours=True,
        namespace="x.",
        databases={"donation": "postgresql://d"},
        urls={"reporting": "http://r"},
    )
    monkeypatch.setattr(Running, "find", lambda: stack)

    settings, url = servers_of("donation")

    plain = {"bootstrap_servers": ["127.0.0.1:8192"]}
    assert settings.client() == Places.find().kafka_client() == plain
    assert (settings.kafka_namespace, url) == ("x.", "postgresql://d")
    assert external_kafka() == "127.0.0.1:8193", "no door of ours"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "localhost:8194")
    assert external_kafka() is None
    stack.kafka_is_ours, stack.kafka = False, "kafka.example:9092"
    assert servers_of("donation")[0].client()["sasl_plain_username"] == "channel-wechat"
    assert Places.find().kafka_client()["sasl_plain_username"] == "channel-wechat"
