"""A schema only grows between two releases, unless it is declared what a contraction has waited for."""

import json
from collections.abc import Callable

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from deploy.local.databases import run
from deploy.local.layout import DATABASES
from deploy.local.processes import SOURCE
from shared.migrations import migrate
from tests.contracts.release import MIGRATIONS
from tests.contracts.schema_changes import Schema, contractions, read_schema

HARMLESS: dict[str, dict[str, str]] = {
    "donation": {
        "rule donations.donations_erased is new": "it binds only rows that were erased, which the release"
        " before neither does nor undoes"
    },
    "campaign": {
        f"rule disbursement_invoices.disbursement_invoices_{name} is new": "its column is new, and empty"
        " in what the release before writes"
        for name in ("invoice_number", "amount")
    },
    "reporting": {
        "trigger company_totals.carry_company_totals is new": "it carries what the release before writes to"
        " where the release of now reads"
    },
}
"""By service: what looks like a contraction since the last release, and why the release before does not trip
over it: a rule that is only wider, or "contracts RELEASE", the release since which nothing uses it."""


def released() -> dict[str, str]:
    heads: dict[str, str] = json.loads(MIGRATIONS.read_text("utf-8"))["heads"]
    return heads


def test_every_service_has_a_released_version() -> None:
    assert set(released()) == set(DATABASES)


@pytest.mark.parametrize("service", DATABASES)
def test_what_was_released_is_still_the_beginning(service: str) -> None:
    """A migration that was released is never renumbered: a database stands there."""
    config = Config()
    config.set_main_option("script_location", str(SOURCE / "services" / service / "migrations"))
    line = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    assert released()[service] in line


@pytest.mark.parametrize("service", DATABASES)
def test_the_release_before_can_work_on_the_schema_of_now(postgres: str, service: str) -> None:
    found = run(_changes(postgres, service))
    declared = HARMLESS.get(service, {})
    assert set(found) - set(declared) == set(), (
        "expand now, contract after the next release: docs/upgrades.md"
    )
    assert set(declared) - set(found) == set(), "declared, but no longer so: take it out"


async def _changes(admin_url: str, service: str) -> list[str]:
    from deploy.local import databases  # noqa: PLC0415

    name = f"grown_{service}_{id(admin_url) % 10_000}"
    admin = await databases.connect(databases.parse_url(admin_url))
    url = databases.parse_url(admin_url).set(database=name)
    await admin.execute(f'CREATE DATABASE "{name}"')
    try:
        text = url.render_as_string(hide_password=False)
        schemas = []
        for revision in (released()[service], "head"):
            await migrate(text, f"services.{service}", revision)
            connection = await asyncpg.connect(text.replace("+asyncpg", ""))
            schemas.append(await read_schema(connection))
            await connection.close()
        return contractions(*schemas)
    finally:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


BEFORE = """
CREATE TABLE gifts (id bigint PRIMARY KEY, fen bigint NOT NULL CHECK (fen > 0), note text, at date NOT NULL
    DEFAULT now(), UNIQUE (note));
CREATE TABLE other (id int);
"""
GROWTH = {
    "a new table": "CREATE TABLE more (id int NOT NULL, fen bigint CHECK (fen > 0), UNIQUE (id))",
    "a new column": "ALTER TABLE gifts ADD COLUMN city text",
    "a new column with a default": "ALTER TABLE gifts ADD COLUMN city text NOT NULL DEFAULT ''",
    "an index": "CREATE INDEX gifts_by_fen ON gifts (fen)",
    "a rule less": "ALTER TABLE gifts DROP CONSTRAINT gifts_fen_check",
    "a value may be missing": "ALTER TABLE gifts ALTER COLUMN fen DROP NOT NULL",
}
SHRINKING = {
    "DROP TABLE other": "table other is gone",
    "ALTER TABLE other RENAME TO others": "table other is gone",
    "ALTER TABLE gifts DROP COLUMN at": "column gifts.at is gone",
    "ALTER TABLE gifts RENAME COLUMN at TO given_at": "column gifts.at is gone",
    "ALTER TABLE gifts ALTER COLUMN fen TYPE numeric": "column gifts.fen is numeric instead of bigint",
    "ALTER TABLE other ALTER COLUMN id SET NOT NULL": "column other.id is required now",
    "ALTER TABLE gifts ALTER COLUMN at DROP DEFAULT": "column gifts.at is not filled by itself any more",
    "ALTER TABLE other ADD COLUMN more int NOT NULL": (
        "column other.more is new, required, and not filled by itself"
    ),
    "ALTER TABLE other ADD CONSTRAINT positive CHECK (id > 0)": "rule other.positive is new",
    "ALTER TABLE other ADD FOREIGN KEY (id) REFERENCES gifts (id)": "rule other.other_id_fkey is new",
    "ALTER TABLE gifts DROP CONSTRAINT gifts_fen_check, ADD CONSTRAINT gifts_fen_check CHECK (fen > 9)": (
        "rule gifts.gifts_fen_check is other"
    ),
    "CREATE UNIQUE INDEX other_once ON other (id)": "unique index other.other_once is new",
    "ALTER TABLE gifts DROP CONSTRAINT gifts_note_key": "unique index gifts.gifts_note_key is gone",
    "CREATE TRIGGER still BEFORE UPDATE ON other FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()": "trigger other.still is new",
}


@pytest.fixture(scope="module")
def changed(postgres: str) -> Callable[[str], list[str]]:
    """What a statement changes for who knows the schema before it."""

    async def change(statement: str) -> list[str]:
        connection = await asyncpg.connect(postgres.replace("+asyncpg", ""))
        before: Schema
        try:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(BEFORE)
            before = await read_schema(connection)
            await connection.execute(statement)
            return contractions(before, await read_schema(connection))
        finally:
            await connection.close()

    return lambda statement: run(change(statement))


@pytest.mark.parametrize("statement", GROWTH.values(), ids=GROWTH)
def test_growth_is_let_through(changed: Callable[[str], list[str]], statement: str) -> None:
    assert changed(statement) == []


@pytest.mark.parametrize(("statement", "told"), SHRINKING.items(), ids=SHRINKING.values())
def test_what_takes_away_is_found(changed: Callable[[str], list[str]], statement: str, told: str) -> None:
    assert told in changed(statement)
