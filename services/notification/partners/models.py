"""The tables of partners' webhooks, beside the service's others. A state that must not exist can't be
written.

An event's public projection is stored once (`webhook_events`), and each endpoint that takes it has one row
of `webhook_deliveries`: a second one of the same event and endpoint can't be written, except by a replay,
which has an id of its own. Nothing here is a donor's: what goes out is public. `owner_email` is a partner's
business contact, for the notices alone.
"""

from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.notification.models import metadata, one_of
from services.notification.partners.networks import URL_MAX
from services.notification.partners.schedule import EndpointState, Notice, Outcome, State

UTC_TIME: Final = DateTime(timezone=True)
NO_REPLAY: Final = UUID(int=0)
"""The `replay_id` of what was written when its event came."""
ANSWER_MAX: Final = 512
"""Characters that are kept of a partner's answer."""

webhook_endpoints: Final = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("url", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("owner_email", Text, nullable=False),
    Column("event_types", ARRAY(Text), nullable=False),
    Column("campaigns", ARRAY(Text), comment="NULL: all"),
    Column("ordered", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is paused, in a person's words; why it is disabled: a notice"),
    Column("disabled_at", UTC_TIME),
    Column("deleted_at", UTC_TIME),
    Column("failures", Integer, nullable=False, server_default=text("0"), comment="in a row"),
    Column("slowed_at", UTC_TIME),
    Column("probes", Integer, nullable=False, server_default=text("0"), comment="since it is slowed"),
    Column("not_before", UTC_TIME, comment="nothing is sent to it until then"),
    Column("secret", LargeBinary, comment="AES-256-GCM, see shared/secret_box.py"),
    Column("previous_secret", LargeBinary),
    Column("previous_until", UTC_TIME, comment="until then both sign"),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("created_by", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    CheckConstraint(f"length(url) <= {URL_MAX}", name="webhook_endpoints_url"),
    CheckConstraint("cardinality(event_types) >= 1", name="webhook_endpoints_event_types"),
    CheckConstraint("cardinality(campaigns) >= 1", name="webhook_endpoints_campaigns"),
    CheckConstraint(one_of("state", EndpointState), name="webhook_endpoints_state"),
    CheckConstraint("(state = 'disabled') = (disabled_at IS NOT NULL)", name="webhook_endpoints_disabled"),
    CheckConstraint("(state = 'deleted') = (deleted_at IS NOT NULL)", name="webhook_endpoints_deleted"),
    CheckConstraint(
        "(state = 'deleted') = (secret IS NULL) AND (state <> 'deleted' OR previous_secret IS NULL)",
        name="webhook_endpoints_secret",
    ),
    CheckConstraint("state <> 'active' OR reason IS NULL", name="webhook_endpoints_reason"),
    CheckConstraint("failures >= 0 AND probes >= 0 AND version >= 1", name="webhook_endpoints_counts"),
    CheckConstraint(
        "(previous_secret IS NULL) = (previous_until IS NULL)", name="webhook_endpoints_previous_secret"
    ),
)

webhook_events: Final = Table(
    "webhook_events",
    metadata,
    Column("event_id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("campaign_id", Text, nullable=False, comment="what it is ordered by; '': of no campaign"),
    Column("body", LargeBinary, nullable=False),
    Column("stored_at", UTC_TIME, nullable=False),
    Index("webhook_events_age", "stored_at"),
)

webhook_unnamed: Final = Table(
    "webhook_unnamed",
    metadata,
    Column("donation_id", Uuid, primary_key=True),
    Column("withdrawn_at", UTC_TIME, nullable=False),
)
"""Donations whose donors have withdrawn the consent to be named: whatever of them goes out from then on, late
or replayed, is without the name. Kept for good, as the topics are.
"""

webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", BigInteger, Identity(), primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.endpoint_id"), nullable=False),
    Column("event_id", Text, ForeignKey("webhook_events.event_id"), nullable=False),
    Column("replay_id", Uuid, nullable=False, server_default=text("'00000000-0000-0000-0000-000000000000'")),
    Column("campaign_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "attempts_before", Integer, nullable=False, server_default=text("0"), comment="before it was resent"
    ),
    Column("next_attempt_at", UTC_TIME),
    Column("lease_until", UTC_TIME),
    Column("reason", Text),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    UniqueConstraint("event_id", "endpoint_id", "replay_id", name="webhook_deliveries_once"),
    CheckConstraint(one_of("state", State), name="webhook_deliveries_state"),
    CheckConstraint(
        "attempts_before >= 0 AND attempts >= attempts_before", name="webhook_deliveries_attempts"
    ),
    CheckConstraint(
        "(state IN ('pending', 'retry')) = (next_attempt_at IS NOT NULL)",
        name="webhook_deliveries_next_attempt",
    ),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="webhook_deliveries_lease"),
    CheckConstraint("state <> 'exhausted' OR reason IS NOT NULL", name="webhook_deliveries_reason"),
    Index(
        "webhook_deliveries_due",
        "endpoint_id",
        "next_attempt_at",
        "delivery_id",
        postgresql_where=text("state IN ('pending', 'retry')"),
    ),
    Index(
        "webhook_deliveries_order",
        "endpoint_id",
        "campaign_id",
        "delivery_id",
        postgresql_where=text("state IN ('pending', 'sending', 'retry')"),
    ),
    Index("webhook_deliveries_leases", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("webhook_deliveries_waiting", "changed_at", postgresql_where=text("state IN ('pending', 'retry')")),
    Index(
        "webhook_deliveries_ended",
        "changed_at",
        postgresql_where=text("state IN ('delivered', 'exhausted', 'cancelled')"),
    ),
    Index("webhook_deliveries_listed", "endpoint_id", "state", "delivery_id"),
    Index(
        "webhook_deliveries_replayed",
        "replay_id",
        postgresql_where=text(
            "state IN ('pending', 'sending', 'retry') AND replay_id <> '00000000-0000-0000-0000-000000000000'"
        ),
    ),
)
"""One event for one endpoint. The id rises in the order in which the events came."""

webhook_attempts: Final = Table(
    "webhook_attempts",
    metadata,
    Column(
        "delivery_id",
        BigInteger,
        ForeignKey("webhook_deliveries.delivery_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("attempt", Integer, primary_key=True),
    Column("started_at", UTC_TIME, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("answer", Text, comment="its first characters"),
    CheckConstraint("attempt >= 1 AND duration_ms >= 0", name="webhook_attempts_numbers"),
    CheckConstraint(one_of("outcome", Outcome), name="webhook_attempts_outcome"),
    CheckConstraint(f"length(answer) <= {ANSWER_MAX}", name="webhook_attempts_answer"),
)
"""The delivery log."""

webhook_replays: Final = Table(
    "webhook_replays",
    metadata,
    Column("replay_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.endpoint_id"), nullable=False),
    Column("since", UTC_TIME, nullable=False),
    Column("places", JSONB, comment="topic/partition → [next offset, end]; NULL: not looked up yet"),
    Column("found", BigInteger, nullable=False, server_default=text("0")),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UTC_TIME, nullable=False),
    Column("ended_at", UTC_TIME),
    Index("webhook_replays_open", "endpoint_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("webhook_replays_of_endpoint", "endpoint_id", "asked_at"),
)
"""Events written again for an endpoint from a date on, read from Kafka; one at a time for an endpoint."""

webhook_notices: Final = Table(
    "webhook_notices",
    metadata,
    Column("notice_id", Uuid, ForeignKey("notices.notice_id"), primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("webhook_endpoints.endpoint_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("kind", Notice), name="webhook_notices_kind"),
    Index("webhook_notices_of_endpoint", "endpoint_id", "kind", "created_at"),
)
"""Which operational messages are mails to the owners of endpoints, and what they tell."""
