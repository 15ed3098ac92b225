"""The migrations make exactly the tables that models.py describes."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from services.notification.delivery import State
from services.notification.models import metadata
from tests.services.notification.conftest import World

pytestmark = pytest.mark.asyncio(loop_scope="module")


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), metadata))


def constraints(connection: Connection) -> set[str]:
    rows = connection.execute(text("SELECT conname FROM pg_constraint WHERE contype IN ('c', 'u')"))
    return {row.conname for row in rows}


async def test_the_migrated_tables_are_the_models(apart: World) -> None:
    async with apart.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        there = await connection.run_sync(constraints)
    named = {
        constraint.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        if constraint.name is not None
    }
    assert named - {name for name in named if "_pkey" in str(name)} <= there


@pytest.mark.parametrize("state", State)
async def test_a_state_that_must_not_exist_can_not_be_written(apart: World, state: State) -> None:
    """A message without an attempt, a lease, a next attempt or a reason can only wait or be withdrawn."""
    insert = (
        "INSERT INTO messages (donation_id, campaign_id, channel, amount_fen, occurred_at, state,"
        " attempts_left, created_at, changed_at)"
        " VALUES (gen_random_uuid(), 'g', 'c', 1, now(), :state, 1, now(), now())"
    )
    if state in {State.WAITING, State.WITHDRAWN}:
        await apart.change(insert, state=state.value)
    else:
        with pytest.raises(IntegrityError):
            await apart.change(insert, state=state.value)
