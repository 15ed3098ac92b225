"""What the schemes have to remember."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from services.donation.models import metadata

alipay_refunds = Table(
    "alipay_refunds",
    metadata,
    Column("channel", Text, ForeignKey("channels.channel"), primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column(
        "refunded_fen", BigInteger, primary_key=True, comment="all of the trade that went back until then"
    ),
    Column("amount_fen", BigInteger, nullable=False, comment="what this one adds to those before it"),
    Column("reversal_id", Text, nullable=False, comment="Alipay's number of it, unless another has that"),
    Column("refunded_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("channel", "reversal_id"),
    CheckConstraint("amount_fen BETWEEN 1 AND refunded_fen", name="alipay_refunds_amount"),
)
