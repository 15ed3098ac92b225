"""What 0024 asks of new rows is seen to hold for all: apart, because it reads the whole table, and nobody
waits.
"""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute("ALTER TABLE donations VALIDATE CONSTRAINT donations_erased")
