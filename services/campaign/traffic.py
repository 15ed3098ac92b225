"""What the campaign service sends and receives over Kafka, for the AsyncAPI document."""

from typing import Final

from shared.broker import CAMPAIGN_EVENTS, CAMPAIGN_GROUP, DEAD_LETTER, DONATION_EVENTS
from shared.contracts.asyncapi import Traffic

TRAFFIC: Final = Traffic(
    "campaign", sends=(CAMPAIGN_EVENTS, DEAD_LETTER), receives=((DONATION_EVENTS, CAMPAIGN_GROUP),)
)
