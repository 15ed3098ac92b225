"""Alembic's entry: the tables are in services.notification.models and partners.models."""

import services.notification.partners.models  # noqa: F401 - its tables are of the same metadata
from services.notification.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
