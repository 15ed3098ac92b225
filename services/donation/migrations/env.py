"""Alembic's way in: shared.database has opened the connection."""

import services.donation.receipts.models  # noqa: F401 - its tables are of the same metadata
from services.donation.models import metadata
from shared.database import run_migrations

run_migrations(metadata)
