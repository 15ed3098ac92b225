"""The tables of charity insurance. A claim past its policy's cap, or outside its period, can't be written."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.campaign.insurance.rules import CONFIRMED_ONCE, HOLDS, RecordState
from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.two_people import asked_and_decided


def _record(table: str) -> Iterator[Any]:
    """What policies and claims have in common: two people to count, and two to count no longer."""
    yield Column("state", Text, nullable=False)
    yield Column("version", BigInteger, nullable=False)
    yield from asked_and_decided(table, waiting=RecordState.ENTERED, done=RecordState.CONFIRMED)
    yield Column("reason", Text)
    yield Column("void_asked_by", Text)
    yield Column("void_asked_at", UTC_TIME)
    yield Column("voided_by", Text)
    yield Column("voided_at", UTC_TIME)
    yield CheckConstraint(one_of("state", RecordState), name=f"{table}_state")
    yield CheckConstraint("version >= 1", name=f"{table}_version")
    yield CheckConstraint(
        f"NOT {one_of('state', CONFIRMED_ONCE)} OR decided_by <> asked_by", name=f"{table}_seen_by_two"
    )
    yield CheckConstraint(
        "(state IN ('withdrawn', 'voiding', 'voided')) = (reason IS NOT NULL)", name=f"{table}_reason"
    )
    yield CheckConstraint(
        "num_nonnulls(void_asked_by, void_asked_at)"
        " = CASE WHEN state IN ('voiding', 'voided') THEN 2 ELSE 0 END"
        " AND num_nonnulls(voided_by, voided_at) = CASE state WHEN 'voided' THEN 2 ELSE 0 END"
        " AND voided_by <> void_asked_by",
        name=f"{table}_voided",
    )


insurance_policies: Final = Table(
    "insurance_policies",
    metadata,
    Column("policy_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    *_record("insurance_policies"),
    Column("title", Text, nullable=False),
    Column("insurer", Text, nullable=False),
    Column("policy_number", Text, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("premium_fen", BigInteger, nullable=False),
    Column("cap_fen", BigInteger, nullable=False),
    Column("limit_fen", BigInteger),
    Column("renewed", Boolean, nullable=False),
    Column("renews", Uuid, ForeignKey("insurance_policies.policy_id")),
    # What paid the premium.
    Column("disbursement_id", Uuid, ForeignKey("disbursements.disbursement_id")),
    CheckConstraint("starts_on <= ends_on", name="insurance_policies_period"),
    CheckConstraint(amount("premium_fen"), name="insurance_policies_premium"),
    CheckConstraint(amount("cap_fen"), name="insurance_policies_cap"),
    CheckConstraint(f"{amount('limit_fen')} AND limit_fen >= cap_fen", name="insurance_policies_limit"),
    CheckConstraint("renewed OR renews IS NULL", name="insurance_policies_renews"),
    CheckConstraint(
        f"({one_of('state', CONFIRMED_ONCE)}) = (disbursement_id IS NOT NULL)",
        name="insurance_policies_paid",
    ),
    # What a claim has to keep to; so the terms stay once there is one.
    UniqueConstraint("policy_id", "cap_fen", "starts_on", "ends_on", name="insurance_policies_terms"),
    Index("insurance_policies_of_campaign", "campaign_id", "policy_id"),
    Index("insurance_policies_premiums", "disbursement_id"),
    Index(
        "insurance_policies_once",
        "insurer",
        "policy_number",
        unique=True,
        postgresql_where=text(one_of("state", HOLDS)),
    ),
    Index(
        "insurance_policies_renewed_once",
        "renews",
        unique=True,
        postgresql_where=text(one_of("state", HOLDS)),
    ),
)

insurance_covered: Final = Table(
    "insurance_covered",
    metadata,
    Column("policy_id", Uuid, ForeignKey("insurance_policies.policy_id"), primary_key=True),
    Column("group_name", Text, primary_key=True),
    Column("people", BigInteger, nullable=False),
    CheckConstraint("people BETWEEN 1 AND 2000000000", name="insurance_covered_people"),
)
"""How many of each group a policy covers. Nobody's name is here."""

insurance_claims: Final = Table(
    "insurance_claims",
    metadata,
    Column("claim_id", Uuid, primary_key=True),
    Column("policy_id", Uuid, nullable=False),
    *_record("insurance_claims"),
    # The insurer's own number: tells two claims apart without anybody's name.
    Column("claim_number", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("occurred_on", Date, nullable=False),
    Column("paid_on", Date, nullable=False),
    # The policy's terms, held equal to them by the foreign key.
    Column("cap_fen", BigInteger, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    ForeignKeyConstraint(
        ["policy_id", "cap_fen", "starts_on", "ends_on"],
        [
            "insurance_policies.policy_id",
            "insurance_policies.cap_fen",
            "insurance_policies.starts_on",
            "insurance_policies.ends_on",
        ],
        name="insurance_claims_terms",
    ),
    ForeignKeyConstraint(
        ["policy_id", "group_name"],
        ["insurance_covered.policy_id", "insurance_covered.group_name"],
        name="insurance_claims_group",
    ),
    CheckConstraint("amount_fen BETWEEN 1 AND cap_fen", name="insurance_claims_cap"),
    CheckConstraint("occurred_on BETWEEN starts_on AND ends_on", name="insurance_claims_period"),
    CheckConstraint("paid_on >= occurred_on", name="insurance_claims_paid_on"),
    CheckConstraint("claim_number ~ '^[A-Za-z0-9._/-]{1,40}$'", name="insurance_claims_number"),
    Index("insurance_claims_of_policy", "policy_id", "claim_id"),
    Index(
        "insurance_claims_once",
        "policy_id",
        "claim_number",
        unique=True,
        postgresql_where=text(one_of("state", HOLDS)),
    ),
)
