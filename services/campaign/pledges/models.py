"""The tables of the pledges. A pledge that counts and was seen by one person can't be written."""

from collections.abc import Iterable
from typing import Any, Final, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.pledges.fulfilment import Problem
from services.campaign.pledges.rules import STAGES, Action, Display, PledgeState, StepState
from services.campaign.two_people import asked_and_decided
from shared.events.campaigns import ValueBasis

TERMS: Final = (
    "company",
    "display",
    "shown_name",
    "amount_fen",
    "promised_on",
    "due_on",
    "placard",
    "goods",
    "quantity",
    "unit",
    "basis",
)
"""What was promised, by whom, and how it is shown."""


def _terms(table: str) -> Iterable[Any]:
    return (
        Column("company", Text, nullable=False),
        Column("display", Text, nullable=False),
        Column("shown_name", Text, nullable=False),
        Column("amount_fen", BigInteger, nullable=False),
        Column("promised_on", Date, nullable=False),
        Column("due_on", Date, nullable=False),
        Column("placard", Text),
        Column("goods", Text),
        Column("quantity", BigInteger),
        Column("unit", Text),
        Column("basis", Text),
        CheckConstraint(one_of("display", get_args(Display)), name=f"{table}_display"),
        CheckConstraint(amount("amount_fen"), name=f"{table}_amount"),
        CheckConstraint("quantity BETWEEN 1 AND 2147483647", name=f"{table}_quantity"),
        CheckConstraint(one_of("basis", get_args(ValueBasis)), name=f"{table}_basis"),
        CheckConstraint("due_on >= promised_on", name=f"{table}_due_after"),
        CheckConstraint("num_nonnulls(goods, quantity, unit, basis) IN (0, 4)", name=f"{table}_goods"),
    )


def _step(table: str) -> Iterable[Any]:
    """What one person asks for and another decides. One of a kind waits at a time."""
    return (
        Column("step_id", Uuid, primary_key=True),
        Column("pledge_id", Uuid, ForeignKey("pledges.pledge_id"), nullable=False),
        Column("state", Text, nullable=False),
        Column("reason", Text, nullable=False),
        CheckConstraint(one_of("state", StepState), name=f"{table}_state"),
        *asked_and_decided(table, waiting=StepState.ASKED, done=StepState.DONE),
        Index(f"{table}_of_pledge", "pledge_id", "step_id"),
        Index(f"{table}_one_waits", "pledge_id", unique=True, postgresql_where=text("state = 'asked'")),
    )


pledges: Final = Table(
    "pledges",
    metadata,
    Column("pledge_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    *_terms("pledges"),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", UTC_TIME, nullable=False),
    # Who wrote what was confirmed: the other of the two people.
    Column("written_by", Text, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", UTC_TIME),
    Column("cancelled_by", Text),
    Column("cancelled_at", UTC_TIME),
    Column("cancel_reason", Text),
    Column("paid_fen", BigInteger, nullable=False, server_default="0"),
    Column("returned_fen", BigInteger, nullable=False, server_default="0"),
    Column("delivered_fen", BigInteger, nullable=False, server_default="0"),
    Column("delivered_quantity", BigInteger, nullable=False, server_default="0"),
    Column("released_fen", BigInteger, nullable=False, server_default="0"),
    Column("fulfilled_at", UTC_TIME),
    CheckConstraint(one_of("state", PledgeState), name="pledges_state"),
    CheckConstraint("version >= 1", name="pledges_version"),
    CheckConstraint("confirmed_by <> written_by", name="pledges_two_people"),
    CheckConstraint(
        "(state IN ('confirmed', 'released')) = (confirmed_by IS NOT NULL)"
        " AND (confirmed_by IS NULL) = (confirmed_at IS NULL)",
        name="pledges_confirmed",
    ),
    CheckConstraint(
        "num_nonnulls(cancelled_by, cancelled_at, cancel_reason)"
        " = CASE state WHEN 'cancelled' THEN 3 ELSE 0 END",
        name="pledges_cancelled",
    ),
    CheckConstraint(
        "paid_fen >= 0 AND returned_fen >= 0 AND delivered_fen >= 0 AND delivered_quantity >= 0",
        name="pledges_kept",
    ),
    CheckConstraint(
        "released_fen BETWEEN 0 AND amount_fen AND (state = 'released') = (released_fen > 0)",
        name="pledges_released",
    ),
    CheckConstraint("fulfilled_at IS NULL OR confirmed_at IS NOT NULL", name="pledges_fulfilled"),
    Index("pledges_of_campaign", "campaign_id", "pledge_id"),
    Index("pledges_due", "due_on", "pledge_id", postgresql_where=text("state = 'confirmed'")),
    Index(
        "pledges_placard",
        "campaign_id",
        "placard",
        unique=True,
        postgresql_where=text("state <> 'cancelled'"),
    ),
)

pledge_versions: Final = Table(
    "pledge_versions",
    metadata,
    Column("pledge_id", Uuid, ForeignKey("pledges.pledge_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    *_terms("pledge_versions"),
    Column("reason", Text),
    Column("person", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("action", Action), name="pledge_versions_action"),
    CheckConstraint(one_of("state", PledgeState), name="pledge_versions_state"),
)
"""Every version of a pledge with who made it and when: the trace."""

pledge_corrections: Final = Table(
    "pledge_corrections",
    metadata,
    *_step("pledge_corrections"),
    *_terms("pledge_corrections"),
    # The values before it are those of this version.
    Column("from_version", BigInteger, nullable=False),
    CheckConstraint("from_version >= 1", name="pledge_corrections_from"),
)
"""New terms for a confirmed pledge."""

pledge_deliveries: Final = Table(
    "pledge_deliveries",
    metadata,
    *_step("pledge_deliveries"),
    Column("quantity", BigInteger, nullable=False),
    Column("value_fen", BigInteger, nullable=False),
    Column("delivered_on", Date, nullable=False),
    Column("gift_id", Uuid, ForeignKey("goods_gifts.gift_id")),
    CheckConstraint("quantity BETWEEN 1 AND 2147483647", name="pledge_deliveries_quantity"),
    CheckConstraint(amount("value_fen"), name="pledge_deliveries_value"),
    Index(
        "pledge_deliveries_gift",
        "gift_id",
        unique=True,
        postgresql_where=text("gift_id IS NOT NULL AND state <> 'withdrawn'"),
    ),
)
"""Promised goods that came in; `gift_id`: what they are in the store. A gift keeps one promise."""

pledge_releases: Final = Table(
    "pledge_releases",
    metadata,
    *_step("pledge_releases"),
    Column("report_reference", Text, nullable=False),
    Column("reported_to", Text, nullable=False),
    Column("reported_on", Date, nullable=False),
    Column("public_statement", Text, nullable=False),
    Index("pledge_releases_once", "pledge_id", unique=True, postgresql_where=text("state = 'done'")),
)
"""The report to the civil-affairs bureau and the public statement that art. 41 asks for."""

pledge_payments: Final = Table(
    "pledge_payments",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    # No foreign keys: what a donor names must not stop the money.
    Column("pledge_id", Uuid, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("donation_id", Uuid, nullable=False),
    Column("paid_fen", BigInteger, nullable=False),
    Column("returned_fen", BigInteger, nullable=False),
    Column("problem", Text),
    Column("counted_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("problem", Problem), name="pledge_payments_problem"),
    CheckConstraint(
        "paid_fen >= 0 AND returned_fen >= 0 AND (paid_fen = 0) <> (returned_fen = 0)",
        name="pledge_payments_amount",
    ),
    Index("pledge_payments_of_pledge", "pledge_id"),
    Index(
        "pledge_payments_to_look_at",
        "campaign_id",
        "source",
        "sequence",
        postgresql_where=text("problem IS NOT NULL"),
    ),
)
"""Donations and reversals that name a pledge. With a `problem` one counts nowhere: the desk has to look."""

pledge_reminders: Final = Table(
    "pledge_reminders",
    metadata,
    Column("pledge_id", Uuid, ForeignKey("pledges.pledge_id"), primary_key=True),
    Column("due_on", Date, primary_key=True),
    Column("stage", SmallInteger, primary_key=True, autoincrement=False),
    Column("reminded_at", UTC_TIME, nullable=False),
    CheckConstraint(f"stage IN ({', '.join(map(str, STAGES))})", name="pledge_reminders_stage"),
)
"""That a stage was announced, once; a corrected due date has its own."""
