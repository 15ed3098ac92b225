"""Alembic's way in: shared.migrations has opened the connection."""

import services.campaign.ledger.models  # noqa: F401 - puts its tables on the metadata
from services.campaign.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
