from sqlalchemy import MetaData

from shared.database import run_migrations

run_migrations(MetaData())
