"""Alembic's entry: the tables are in services.notification.models."""

from services.notification.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
