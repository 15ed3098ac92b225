"""Alembic's entry: the tables are in models, partners.models and receipts.models."""

import services.notification.partners.models
import services.notification.receipts.models  # noqa: F401 - the tables of all are of the same metadata
from services.notification.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
