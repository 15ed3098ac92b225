"""Alembic's way in: shared.migrations has opened the connection."""

import services.donation.casework.models
import services.donation.desk.models
import services.donation.moderation.models
import services.donation.privacy.models
import services.donation.receipts.models
import services.donation.reconciliation.models
import services.donation.schemes.models  # noqa: F401 - the tables of all are of the same metadata
from services.donation.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
