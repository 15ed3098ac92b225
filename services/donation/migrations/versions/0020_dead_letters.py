"""Dead letters are set aside with a reason; who looks at one's content is written down."""

from alembic import op

revision = "0020"
down_revision = "0019"

STATEMENTS = (
    """
    ALTER TABLE dead_letters ADD COLUMN set_aside_at timestamptz, ADD COLUMN set_aside_by text,
        ADD COLUMN set_aside_reason text,
        ADD CONSTRAINT dead_letters_set_aside CHECK (
            (set_aside_at IS NULL) = (set_aside_by IS NULL)
            AND (set_aside_at IS NULL) = (set_aside_reason IS NULL)
        )
    """,
    "DROP INDEX dead_letters_by_time",
    "CREATE INDEX dead_letters_by_time ON dead_letters (failed_at, source, sequence)",
    """
    CREATE INDEX dead_letters_open ON dead_letters (failed_at, source, sequence)
        WHERE replayed_at IS NULL AND set_aside_at IS NULL
    """,
    """
    CREATE TABLE dead_letter_looks (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        source text NOT NULL,
        sequence bigint NOT NULL,
        person text NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT dead_letter_looks_letter FOREIGN KEY (source, sequence)
            REFERENCES dead_letters (source, sequence)
    )
    """,
    "CREATE INDEX dead_letter_looks_of ON dead_letter_looks (source, sequence)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
