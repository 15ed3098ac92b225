"""The tables of the goods. Pieces or value below zero, and a gift or a loss that one person has decided
alone, can't be written.
"""

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.campaign.goods.rules import (
    MAX_QUANTITY,
    Category,
    GiftAction,
    GiftState,
    MovementKind,
    MovementState,
)
from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.pledges.rules import Display
from services.campaign.two_people import asked_and_decided
from shared.events.campaigns import BeneficiaryUnit, ValueBasis
from shared.events.donations import DonorKind

goods_gifts: Final = Table(
    "goods_gifts",
    metadata,
    Column("gift_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("donor", Text, nullable=False),
    Column("donor_kind", Text, nullable=False),
    Column("display", Text, nullable=False),
    # NULL: the donor did not agree to be shown (art. 82).
    Column("shown_name", Text),
    Column("received_on", Date, nullable=False),
    Column("value_fen", BigInteger, nullable=False),
    Column("note", Text),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", UTC_TIME, nullable=False),
    # Who wrote what was confirmed: the other of the two people.
    Column("written_by", Text, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", UTC_TIME),
    Column("cancelled_by", Text),
    Column("cancelled_at", UTC_TIME),
    Column("cancel_reason", Text),
    UniqueConstraint("campaign_id", "gift_id", name="goods_gifts_of_campaign"),
    CheckConstraint(one_of("state", GiftState), name="goods_gifts_state"),
    CheckConstraint("version >= 1", name="goods_gifts_version"),
    CheckConstraint(one_of("donor_kind", get_args(DonorKind)), name="goods_gifts_donor_kind"),
    CheckConstraint(one_of("display", get_args(Display)), name="goods_gifts_display"),
    CheckConstraint("(display = 'anonymous') = (shown_name IS NULL)", name="goods_gifts_consent"),
    CheckConstraint(amount("value_fen"), name="goods_gifts_value"),
    CheckConstraint("confirmed_by <> written_by", name="goods_gifts_two_people"),
    CheckConstraint(
        "(state = 'confirmed') = (confirmed_by IS NOT NULL)"
        " AND (confirmed_by IS NULL) = (confirmed_at IS NULL)",
        name="goods_gifts_confirmed",
    ),
    CheckConstraint(
        "num_nonnulls(cancelled_by, cancelled_at, cancel_reason)"
        " = CASE state WHEN 'cancelled' THEN 3 ELSE 0 END",
        name="goods_gifts_cancelled",
    ),
)
"""A donor's goods (捐赠物资); `value_fen` is that of all its items."""

goods_gift_changes: Final = Table(
    "goods_gift_changes",
    metadata,
    Column("gift_id", Uuid, ForeignKey("goods_gifts.gift_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("action", Text, nullable=False),
    Column("value_fen", BigInteger, nullable=False),
    Column("person", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("action", GiftAction), name="goods_gift_changes_action"),
)
"""Who brought a gift to which version."""

goods_items: Final = Table(
    "goods_items",
    metadata,
    Column("item_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("gift_id", Uuid, nullable=False),
    Column("line", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("unit", Text, nullable=False),
    Column("value_fen", BigInteger, nullable=False),
    Column("basis", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("batch", Text),
    Column("expires_on", Date),
    Column("store", Text, nullable=False),
    # What lies in the store; nothing before the gift is confirmed.
    Column("left_quantity", BigInteger, nullable=False, server_default="0"),
    Column("left_fen", BigInteger, nullable=False, server_default="0"),
    ForeignKeyConstraint(
        ["campaign_id", "gift_id"],
        ["goods_gifts.campaign_id", "goods_gifts.gift_id"],
        name="goods_items_gift",
    ),
    UniqueConstraint("campaign_id", "item_id", name="goods_items_of_campaign"),
    UniqueConstraint("gift_id", "line", name="goods_items_line"),
    CheckConstraint("line >= 1", name="goods_items_order"),
    CheckConstraint(one_of("category", Category), name="goods_items_category"),
    CheckConstraint(f"quantity BETWEEN 1 AND {MAX_QUANTITY}", name="goods_items_quantity"),
    CheckConstraint(f"{amount('value_fen')} AND value_fen >= quantity", name="goods_items_value"),
    CheckConstraint(one_of("basis", get_args(ValueBasis)), name="goods_items_basis"),
    CheckConstraint(
        "category <> 'medicine' OR (batch IS NOT NULL AND expires_on IS NOT NULL)", name="goods_items_batch"
    ),
    CheckConstraint("left_quantity BETWEEN 0 AND quantity", name="goods_items_left_quantity"),
    CheckConstraint(
        "left_fen BETWEEN left_quantity AND value_fen AND (left_quantity > 0 OR left_fen = 0)",
        name="goods_items_left_fen",
    ),
    Index("goods_items_left", "campaign_id", "item_id", postgresql_where=text("left_quantity > 0")),
    Index(
        "goods_items_expiring",
        "expires_on",
        "item_id",
        postgresql_where=text("left_quantity > 0 AND expires_on IS NOT NULL"),
    ),
)
"""Goods of one kind in a gift, and what of them lies in the store."""

goods_movements: Final = Table(
    "goods_movements",
    metadata,
    Column("movement_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("happened_on", Date, nullable=False),
    Column("reason", Text),
    Column("use", Text),
    Column("recipient", Text),
    Column("beneficiaries", BigInteger),
    Column("beneficiary_unit", Text),
    Column("cause", Text),
    Column("distribution_id", Uuid),
    Column("gift_id", Uuid),
    Column("value_fen", BigInteger),
    *asked_and_decided("goods_movements", waiting=MovementState.ASKED, done=MovementState.DONE),
    Column("decision", Text),
    ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name="goods_movements_campaign"),
    ForeignKeyConstraint(
        ["campaign_id", "distribution_id"],
        ["goods_movements.campaign_id", "goods_movements.movement_id"],
        name="goods_movements_distribution",
    ),
    ForeignKeyConstraint(
        ["campaign_id", "gift_id"],
        ["goods_gifts.campaign_id", "goods_gifts.gift_id"],
        name="goods_movements_gift",
    ),
    UniqueConstraint("campaign_id", "movement_id", name="goods_movements_of_campaign"),
    CheckConstraint(one_of("kind", MovementKind), name="goods_movements_kind"),
    CheckConstraint(one_of("state", MovementState), name="goods_movements_state"),
    CheckConstraint("version >= 1", name="goods_movements_version"),
    CheckConstraint(
        "num_nonnulls(use, recipient, beneficiaries, beneficiary_unit)"
        " = CASE kind WHEN 'distribution' THEN 4 ELSE 0 END",
        name="goods_movements_use",
    ),
    CheckConstraint(f"beneficiaries BETWEEN 1 AND {MAX_QUANTITY}", name="goods_movements_beneficiaries"),
    CheckConstraint(one_of("beneficiary_unit", get_args(BeneficiaryUnit)), name="goods_movements_unit"),
    CheckConstraint(
        "kind = 'distribution' OR reason IS NOT NULL",
        name="goods_movements_reason",
    ),
    CheckConstraint(
        "CASE kind WHEN 'write_off' THEN cause IS NOT NULL AND cause IN ('expired', 'damaged', 'lost')"
        " WHEN 'reversal' THEN cause IS NOT NULL AND cause IN ('sent_back', 'mistake')"
        " ELSE cause IS NULL END",
        name="goods_movements_cause",
    ),
    CheckConstraint(
        "(kind = 'return') = (distribution_id IS NOT NULL) AND (kind = 'reversal') = (gift_id IS NOT NULL)",
        name="goods_movements_about",
    ),
    CheckConstraint(
        "(state = 'done') = (value_fen IS NOT NULL) AND value_fen > 0", name="goods_movements_value"
    ),
    Index("goods_movements_in_order", "campaign_id", "kind", "movement_id"),
)
"""Goods that go out, come back, are lost, or go back to their donor. One person asks, another decides."""

goods_movement_items: Final = Table(
    "goods_movement_items",
    metadata,
    Column("movement_id", Uuid, primary_key=True),
    Column("item_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("value_fen", BigInteger),
    # Of a distribution that was done: what has not come back.
    Column("left_quantity", BigInteger),
    Column("left_fen", BigInteger),
    ForeignKeyConstraint(
        ["campaign_id", "movement_id"],
        ["goods_movements.campaign_id", "goods_movements.movement_id"],
        name="goods_movement_items_movement",
    ),
    ForeignKeyConstraint(
        ["campaign_id", "item_id"],
        ["goods_items.campaign_id", "goods_items.item_id"],
        name="goods_movement_items_item",
    ),
    CheckConstraint(f"quantity BETWEEN 1 AND {MAX_QUANTITY}", name="goods_movement_items_quantity"),
    CheckConstraint("value_fen >= quantity", name="goods_movement_items_value"),
    CheckConstraint(
        "(left_quantity IS NULL) = (left_fen IS NULL)"
        " AND left_quantity BETWEEN 0 AND quantity AND left_fen BETWEEN left_quantity AND value_fen"
        " AND (left_quantity > 0 OR left_fen = 0)",
        name="goods_movement_items_left",
    ),
    Index("goods_movement_items_of_item", "item_id"),
)
"""The lines of a movement; `value_fen` is known when it is done."""

goods_carries: Final = Table(
    "goods_carries",
    metadata,
    Column("carry_id", Uuid, primary_key=True),
    Column("item_id", Uuid, ForeignKey("goods_items.item_id"), nullable=False),
    Column("from_store", Text, nullable=False),
    Column("to_store", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("carried_on", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("recorded_at", UTC_TIME, nullable=False),
    CheckConstraint("from_store <> to_store", name="goods_carries_stores"),
    CheckConstraint(f"quantity BETWEEN 1 AND {MAX_QUANTITY}", name="goods_carries_quantity"),
    Index("goods_carries_of_item", "item_id", "carry_id"),
)
"""What was carried from one store to another: no value moves, so one person records it."""
