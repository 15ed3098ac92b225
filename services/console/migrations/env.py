"""Alembic's way in: shared.migrations has opened the connection."""

from services.console.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
