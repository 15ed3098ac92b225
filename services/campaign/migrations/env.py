"""Alembic's way in: shared.migrations has opened the connection."""

import services.campaign.decisions.models
import services.campaign.disclosure.models
import services.campaign.funds.models
import services.campaign.goods.models
import services.campaign.ledger.models
import services.campaign.matching.models
import services.campaign.organisations.models
import services.campaign.pledges.models
import services.campaign.spending.models  # noqa: F401 - the same
from services.campaign.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
