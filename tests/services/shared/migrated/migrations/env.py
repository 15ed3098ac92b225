from sqlalchemy import MetaData

from shared.migrations import run_migrations

run_migrations(MetaData())
