"""What the donation service sends and receives over Kafka, for the AsyncAPI document."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.donation.cloud_events import JSON_EVENT, MAX_ATTRIBUTE
from services.donation.intake import (
    ConsentWithdrawal,
    DonationRequest,
    DonorErased,
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


class _Envelope(BaseModel):
    """A CloudEvent 1.0 around a message. Its attributes say which kind it is, and are not kept."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTE)]
    source: Annotated[str, Field(min_length=1, max_length=MAX_ATTRIBUTE, description="A URI reference")]
    datacontenttype: Literal["application/json"] | None = None


class DonationEvent(_Envelope):
    """A donation as a CloudEvent in structured mode."""

    type: Literal["org.shanliu.intake.donation.v1"]
    data: DonationRequest


class ReversalEvent(_Envelope):
    """A reversal as a CloudEvent in structured mode."""

    type: Literal["org.shanliu.intake.reversal.v1"]
    data: ReversalRequest


def _event(name: str, kind: str, model: type[_Envelope], data: Mapping[str, Any]) -> Message:
    example = {
        "specversion": "1.0",
        "id": "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d",
        "source": "/tills/7",
        "type": f"org.shanliu.intake.{kind}.v1",
        "data": data,
    }
    return Message(name, model, _BY_TRANSACTION, JSON_EVENT, mode="validation", example=example)


def _binary(kind: str) -> dict[str, Any]:
    """The headers that make a plain message a CloudEvent in binary mode: all of them, or none."""
    text = {"type": "string", "minLength": 1, "maxLength": MAX_ATTRIBUTE}
    return {
        "ce_specversion": {
            "const": "1.0",
            "description": "With the other three: an event in binary mode",
        },
        "ce_id": text,
        "ce_source": {**text, "description": "A URI reference"},
        "ce_type": {"const": f"org.shanliu.intake.{kind}.v1"},
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
            " service. Plain JSON, or a CloudEvent in structured or binary mode. The broker's clock decides"
            " when a donation was received.",
            _MADE_BY_BROKER,
            (
                Message(
                    "donation",
                    DonationRequest,
                    _BY_TRANSACTION,
                    mode="validation",
                    example=_DONATION,
                    headers=_binary("donation"),
                ),
                Message(
                    "reversal",
                    ReversalRequest,
                    _BY_TRANSACTION,
                    mode="validation",
                    example=_REVERSAL,
                    headers=_binary("reversal"),
                ),
                _event("donation-event", "donation", DonationEvent, _DONATION),
                _event("reversal-event", "reversal", ReversalEvent, _REVERSAL),
            ),
            restricted=True,
        ),
        Topic(
            INTAKE_INTERNAL,
            "What the donation service says to itself",
            "Releases of held donations, reversals that came too early, decisions about donors' messages"
            " (never their text), consents withdrawn, donors erased: each has a position of its own.",
            _MADE_BY_BROKER,
            (
                Message("release", Release, "The donation's id"),
                Message("reversal-due", ReversalDue, "The reversal's id"),
                Message("message-decided", MessageDecided, "The donation's id"),
                Message("consent-withdrawn", ConsentWithdrawal, "The donation's id"),
                Message("donor-erased", DonorErased, "The donation's id"),
            ),
            restricted=True,
        ),
    ),
)
