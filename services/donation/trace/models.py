"""The tables of the trace, beside the service's others. A state that must not exist can't be written.

`trace_funds` has sums of the service's own donations, counted up to `trace_positions` (stating.py).
`trace_movements` has what campaigns' events say of money and goods, a row for each side of each event: its
key is the event's position, so an event that comes again changes nothing and no mark is needed.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)

from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)

trace_moment: Final = Table(
    "trace_moment",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=text("true")),
    Column("stated_at", UTC_TIME, nullable=False),
    CheckConstraint("one", name="trace_moment_one"),
)
"""One row: until when everything is counted. None: nothing has been counted yet."""

trace_positions: Final = Table(
    "trace_positions",
    metadata,
    Column("what", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False, comment="the last that is counted"),
    CheckConstraint("what IN ('donations', 'releases', 'reversals')", name="trace_positions_what"),
)

trace_funds: Final = Table(
    "trace_funds",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("received_fen", BigInteger, nullable=False),
    Column("reversed_fen", BigInteger, nullable=False),
    CheckConstraint("received_fen >= 0 AND reversed_fen >= 0", name="trace_funds_amounts"),
)

trace_movements: Final = Table(
    "trace_movements",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("use", Text, comment="what it is spent on"),
    Column("title", Text, comment="what it was in particular"),
    Column("about", Uuid, comment="the disbursement that was paid or came back"),
    Column("other", Text, comment="the campaign, or the trustee, at a transfer's other end"),
    Column("donation_id", Uuid, comment="of a split: the donation that it divides"),
    Column("moved_on", Date, nullable=False),
    Column("announced_at", UTC_TIME, nullable=False),
    CheckConstraint(
        "kind IN ('payment', 'return', 'transfer_in', 'transfer_out',"
        " 'goods_in', 'goods_back', 'goods_out', 'goods_returned', 'goods_lost')",
        name="trace_movements_kind",
    ),
    CheckConstraint("amount_fen > 0", name="trace_movements_amount"),
    CheckConstraint("kind NOT IN ('payment', 'goods_out') OR use IS NOT NULL", name="trace_movements_use"),
    CheckConstraint("kind NOT IN ('payment', 'return') OR about IS NOT NULL", name="trace_movements_about"),
    Index("trace_movements_campaign", "campaign_id"),
    Index("trace_movements_splits", "donation_id", postgresql_where=text("donation_id IS NOT NULL")),
    Index("trace_movements_returns", "about", postgresql_where=text("kind IN ('return', 'goods_returned')")),
)

trace_helped: Final = Table(
    "trace_helped",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("of", Text, primary_key=True, comment="what is counted, when the unit does not say so"),
    Column("count", Integer, nullable=False),
    CheckConstraint("count > 0", name="trace_helped_count"),
    ForeignKeyConstraint(
        ["source", "sequence", "kind"],
        ["trace_movements.source", "trace_movements.sequence", "trace_movements.kind"],
        name="trace_helped_movement",
    ),
)
"""How many a payment, or goods given out, helped: person-times, schools, 9614 台 of smoke alarms."""
