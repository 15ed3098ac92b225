"""What the notification service sends and receives over Kafka, for the AsyncAPI document."""

from typing import Final

from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DEAD_LETTER,
    DONATION_EVENTS,
    NOTIFICATION_CONTACTS_GROUP,
    NOTIFICATION_EVENTS,
    NOTIFICATION_GROUP,
)
from shared.contracts.asyncapi import Traffic

TRAFFIC: Final = Traffic(
    "notification",
    sends=(NOTIFICATION_EVENTS, DEAD_LETTER),
    receives=(
        (DONATION_EVENTS, NOTIFICATION_GROUP),
        (CAMPAIGN_EVENTS, NOTIFICATION_GROUP),
        (CONTACTS, NOTIFICATION_CONTACTS_GROUP),
    ),
)
