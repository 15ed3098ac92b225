"""Alembic's way in: shared.database has opened the connection."""

from services.campaign.models import metadata
from shared.database import run_migrations

run_migrations(metadata)
