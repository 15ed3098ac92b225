"""The whole API of the reporting service's screens, by its own document: with a token and without."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.handlers import count
from services.reporting.settings import Settings
from tests.services.driving import drive, let_in_without_a_token, operations_of, through
from tests.services.reporting.builders import GALA, CampaignSource, Source
from tests.services.reporting.processes import asking
from tests.waiting import until

# schemathesis's own strategies do it
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")

TOKEN = "a-token-of-the-desk"
SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def client(settings: Settings, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The screens of an evening, with one viewer."""
    people = [
        {"person": "chen", "roles": ["viewer"], "token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}
    ]
    file = tmp_path / "operators.json"
    file.write_text(json.dumps(people), "utf-8")
    async with engine.begin() as connection:
        await count(connection, [CampaignSource().launched(), Source(0, "wechat").received(30_000)])
    async with asking(settings.model_copy(update={"operators_file": file})) as client:

        async def known() -> bool:
            return (await client.get(f"/v1/campaigns/{GALA}/totals")).status_code == 200

        await until(known)
        yield client


async def test_every_operation_answers_what_its_document_says(client: httpx.AsyncClient) -> None:
    operations = operations_of((await client.get("/openapi.json")).json())
    assert len(operations) >= 14
    send = through(client)
    assert await drive(operations, send, SIGNED_IN, examples=5) == []
    ending = [each for each in operations if not each.path.endswith("/stream")]
    assert await drive(ending, send, SIGNED_IN, known={"campaign_id": GALA}, examples=5) == []


async def test_nobody_is_let_in_without_a_token(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert len(document["paths"]["/v1/operations"]["get"]["security"]) == 1
    operations = operations_of(document)
    assert await let_in_without_a_token(operations, through(client)) == []
