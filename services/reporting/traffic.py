"""What the reporting service sends and receives over Kafka, for the AsyncAPI document."""

from typing import Final

from services.reporting.totals import CampaignState
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, REPORTING_GROUP, TOTALS
from shared.contracts.asyncapi import Message, Topic, Traffic

TRAFFIC: Final = Traffic(
    "reporting",
    sends=(TOTALS, DEAD_LETTER),
    receives=(
        (DONATION_EVENTS, REPORTING_GROUP),
        (CAMPAIGN_EVENTS, REPORTING_GROUP),
        (DEAD_LETTER, REPORTING_GROUP),
        (TOTALS, None),  # every process of the screens reads all of it, in no group
    ),
    own=(
        Topic(
            TOTALS,
            "Totals",
            "The newest number of each campaign with its positions and digest; compacted. Private to the"
            " reporting service: the public contract of a number is GET /v1/campaigns/{campaign_id}/totals.",
            {"cleanup.policy": ["compact"]},
            (Message("totals", CampaignState, "The campaign's id"),),
        ),
    ),
)
