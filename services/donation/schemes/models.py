"""What the schemes have to remember."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, ForeignKey, Table, Text, text

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
    Column("refunded_at", DateTime(timezone=True), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("amount_fen BETWEEN 1 AND refunded_fen", name="alipay_refunds_amount"),
)
