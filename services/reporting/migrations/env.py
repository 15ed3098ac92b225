import services.reporting.looks.models
import services.reporting.proving.models
import services.reporting.screens.models  # noqa: F401 - its tables are in the metadata
from services.reporting.models import metadata
from shared.migrations import run_migrations

run_migrations(metadata)
