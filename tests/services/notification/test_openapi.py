"""The whole API of the notification service, by its own document: with a token and without."""

import asyncio

import pytest
from httpx import AsyncClient

from tests.services.driving import drive, let_in_without_a_token, of_this_loop, operations_of
from tests.services.notification.conftest import bearer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


async def test_every_operation_answers_what_its_document_says(api: AsyncClient) -> None:
    operations = operations_of((await api.get("/openapi.json")).json())
    send = of_this_loop(api)
    assert await asyncio.to_thread(lambda: drive(operations, send, bearer("zhao"), examples=5)) == []


async def test_nobody_is_let_in_without_a_token(api: AsyncClient) -> None:
    operations = operations_of((await api.get("/openapi.json")).json())
    assert await asyncio.to_thread(let_in_without_a_token, operations, of_this_loop(api)) == []
