"""A key at rest renewed: all is sealed anew by the service's own command, and the old key can go."""

import base64
import os
import tempfile
from collections.abc import Callable

import asyncpg
import pytest

from services.donation.statements.files import owner_of
from shared.secret_box import SecretBox
from tests.processes import Process

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
ENDPOINT = "6f4a2c1e-0000-4000-8000-000000000001"
DONATION = """
INSERT INTO channels (channel, title, limit_per_second, state) VALUES ('wechat', '微信', 10, 'active');
INSERT INTO statements (channel, file_name, sha256, size_bytes, origin, profile, state, uploaded_by)
    VALUES ('wechat', 'a.csv', decode(repeat('00', 32), 'hex'), 1, 'upload', '{}', 'uploaded', 'desk.lin')
"""
NOTIFICATION = f"""
INSERT INTO webhook_endpoints (endpoint_id, url, description, owner_email, event_types, ordered, state,
    created_by, created_at, changed_at, secret)
    VALUES ('{ENDPOINT}', 'https://partner.example', '', 'a@partner.example', '{{donation}}', false, 'active',
    'desk.lin', now(), now(), '\\x00')
"""


async def _reseal(service: str, url: str, keys: str) -> str:
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "CHANNEL_KEY": keys,
        "WEBHOOK_KEY": keys,
        "ADDRESS_KEY": OLD,
        "SMTP_FROM": "no-reply@shanliu.example",
    }
    with tempfile.TemporaryFile() as output:
        code = await Process(f"services.{service}", environment, output, "reseal").wait()
        output.seek(0)
        said = output.read().decode()
    assert code == 0, said
    return said


@pytest.mark.parametrize("service", ["donation", "notification"])
async def test_everything_that_is_sealed_is_sealed_with_the_new_key(
    service_database: Callable[[str], str], service: str
) -> None:
    url = service_database(service)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    old, new = SecretBox(OLD), SecretBox(NEW)
    try:
        if service == "donation":
            await connection.execute(DONATION)
            number = await connection.fetchval("SELECT statement_id FROM statements")
            places = [
                ("channel_keys", "sealed", "key_id = '1'", "wechat"),
                ("statement_files", "sealed", "what = 'original'", owner_of(number, "original")),
            ]
            await connection.execute(
                "INSERT INTO channel_keys (channel, purpose, key_id, sealed)"
                " VALUES ('wechat', 'signing', '1', ''), ('wechat', 'signing', '0', '')"
            )
            await connection.execute(
                "INSERT INTO statement_files VALUES ($1, 'original', '', now() + interval '1 day')", number
            )
        else:
            await connection.execute(NOTIFICATION)
            places = [("webhook_endpoints", "secret", "true", ENDPOINT)]
        for table, column, row, owner in places:
            await connection.execute(
                f"UPDATE {table} SET {column} = $1 WHERE {row}", old.seal(owner, "secret")
            )

        assert f"sealed {len(places)} secrets" in await _reseal(service, url, f"{NEW},{OLD}")
        for table, column, row, owner in places:
            sealed = await connection.fetchval(f"SELECT {column} FROM {table} WHERE {row}")
            assert new.open(owner, sealed) == "secret"
        assert "sealed 0 secrets" in await _reseal(service, url, NEW), "the old key is not needed any more"
    finally:
        await connection.close()
