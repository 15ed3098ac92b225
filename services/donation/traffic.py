"""What the donation service sends and receives over Kafka, for the AsyncAPI document."""

from typing import Final

from services.donation.intake import (
    DonationRequest,
    MessageDecided,
    Release,
    ReversalDue,
    ReversalRequest,
)
from shared.broker import (
    CAMPAIGN_EVENTS,
    CONTACTS,
    DEAD_LETTER,
    DONATION_CAMPAIGNS_GROUP,
    DONATION_EVENTS,
    DONATION_RECEIPTS_GROUP,
    DONATION_WORKER_GROUP,
    INTAKE_INTERNAL,
)
from shared.contracts.asyncapi import FOR_EVER, INTAKE, Message, Topic, Traffic

_MADE_BY_BROKER: Final = FOR_EVER | {"message.timestamp.type": "LogAppendTime"}
_CONTACT: Final = {"email": "donor@example.org"}
_DONATION: Final = {
    "type": "donation",
    "transaction_id": "4200002026112312345",
    "campaign_id": "gala-2027",
    "amount_fen": 12345,
    "currency": "CNY",
    "occurred_at": "2027-01-01T20:15:00+08:00",
    "donor": {
        "kind": "person",
        "display": "alias",
        "name": "王小明",
        "alias": "爱心人士",
        "contact": _CONTACT,
    },
    "message": "新年快乐",
}
_REVERSAL: Final = {
    "type": "reversal",
    "reversal_id": "refund-1",
    "transaction_id": "4200002026112312345",
    "kind": "refund",
    "amount_fen": 345,
    "occurred_at": "2027-01-02T09:00:00+08:00",
    "reason": "donor asked",
}
_BY_TRANSACTION: Final = "The transaction's id, so that what belongs together is in order"

TRAFFIC: Final = Traffic(
    "donation",
    sends=(INTAKE, INTAKE_INTERNAL, DONATION_EVENTS, CONTACTS, DEAD_LETTER),
    receives=(
        (INTAKE, DONATION_WORKER_GROUP),
        (INTAKE_INTERNAL, DONATION_WORKER_GROUP),
        (CAMPAIGN_EVENTS, DONATION_CAMPAIGNS_GROUP),
        (CAMPAIGN_EVENTS, DONATION_RECEIPTS_GROUP),
    ),
    own=(
        Topic(
            INTAKE,
            "Intake of one channel",
            "RESTRICTED to the channel's own principal, which may write it without HTTP, and to the donation"
            " service. The broker's clock decides when a donation was received.",
            _MADE_BY_BROKER,
            (
                Message("donation", DonationRequest, _BY_TRANSACTION, mode="validation", example=_DONATION),
                Message("reversal", ReversalRequest, _BY_TRANSACTION, mode="validation", example=_REVERSAL),
            ),
            restricted=True,
        ),
        Topic(
            INTAKE_INTERNAL,
            "What the donation service says to itself",
            "Releases of held donations, reversals that came too early, decisions about donors' messages"
            " (never their text): each has a position of its own.",
            _MADE_BY_BROKER,
            (
                Message("release", Release, "The donation's id"),
                Message("reversal-due", ReversalDue, "The reversal's id"),
                Message("message-decided", MessageDecided, "The donation's id"),
            ),
            restricted=True,
        ),
    ),
)
