"""The whole API of the notification service, by its own document: with a token and without."""

import pytest
from httpx import AsyncClient

from tests.services.driving import drive, let_in_without_a_token, operations_of, through
from tests.services.notification.conftest import bearer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


async def test_every_operation_answers_what_its_document_says(api: AsyncClient) -> None:
    operations = operations_of((await api.get("/openapi.json")).json())
    assert await drive(operations, through(api), bearer("zhao"), examples=5) == []


async def test_nobody_is_let_in_without_a_token(api: AsyncClient) -> None:
    operations = operations_of((await api.get("/openapi.json")).json())
    assert await let_in_without_a_token(operations, through(api)) == []
