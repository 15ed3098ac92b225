"""Events of the donation service. Their source is the intake topic's partition they came in by."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar, Unpack
from uuid import UUID

from msgspec.structs import asdict
from pydantic import BaseModel, Field

from shared.events import wire
from shared.events.envelope import Event, EventData, Written
from shared.events.fields import AmountFen, FeeFen, Moment

M = TypeVar("M", bound=BaseModel)
HeldReason = Literal["unknown_campaign", "not_launched", "paused", "closed"]
ReversalKind = Literal["refund", "chargeback", "void"]
DonorKind = Literal["person", "company"]


class DonationReceivedData(EventData):
    """Money came in. `shown_name` is what the donor agreed to show; None: anonymous (art. 82).

    `pledge_id`: the promise that the donor says this fulfils.
    """

    donation_id: UUID
    channel: str
    campaign_id: str
    amount_fen: AmountFen
    fee_fen: FeeFen | None = None
    occurred_at: Moment
    received_at: Moment
    donor_kind: DonorKind
    shown_name: str | None = None
    has_contact: bool = False
    released: bool = False
    pledge_id: UUID | None = None


class DonationHeldData(EventData):
    """Money came in for a campaign that can't take it now; it counts when it is released.

    `cause`: what it is exactly, where `reason` has no word for it (the list of a released event can't grow).
    campaign_not_allowed: the channel may not give to this campaign.
    """

    donation_id: UUID
    channel: str
    campaign_id: str
    amount_fen: AmountFen
    occurred_at: Moment
    received_at: Moment
    reason: HeldReason
    cause: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")] | None = None


class DonationConflictedData(EventData):
    """A known transaction came again with other content: no money moved, a person has to look."""

    donation_id: UUID
    channel: str
    campaign_id: str
    amount_fen: AmountFen
    received_at: Moment


class DonationReversedData(EventData):
    """Money of a received donation went back, wholly or in part. `amount_fen` is what went back.

    `pledge_id`: as in the donation's own event.
    """

    reversal_id: UUID
    donation_id: UUID
    channel: str
    campaign_id: str
    kind: ReversalKind
    amount_fen: AmountFen
    occurred_at: Moment
    donation_occurred_at: Moment
    pledge_id: UUID | None = None


class DonorMessageApprovedData(EventData):
    """A donor's message (寄语) that was moderated, as it was written. `message_id` is the donation's id.

    `shown_name` is what the donor agreed to show; None: anonymous (art. 82). It may be approved again after
    it was withdrawn.
    """

    message_id: UUID
    campaign_id: str
    channel: str
    donor_kind: DonorKind
    shown_name: str | None = None
    text: Annotated[str, Field(min_length=1, max_length=200)]
    approved_at: Moment


class DonorMessageWithdrawnData(EventData):
    """A message must not be shown any longer. `cause`: moderator, or the rule that did it, such as
    donation_reversed.
    """

    message_id: UUID
    campaign_id: str
    channel: str
    cause: Annotated[str, Field(pattern=r"^[a-z_]{1,64}$")]
    withdrawn_at: Moment


class ConsentWithdrawnData(EventData):
    """A donor is not to be named any more (art. 82): whatever showed the name of this donation takes it off.
    The money stays. It may be read before the donation itself.
    """

    donation_id: UUID
    channel: str
    campaign_id: str
    withdrawn_at: Moment


class DonorDataErasedData(EventData):
    """Nothing is to be known of a donor any more (Personal Information Protection Law art. 47): whoever holds
    the name, the message or an address of this donation erases it. The money stays. It may be read before the
    donation itself.

    `event_ids`: of the events that named the donor. `receipt_mail_ids`: of the mails that told of receipts.
    """

    donation_id: UUID
    channel: str
    campaign_id: str
    event_ids: tuple[str, ...] = ()
    receipt_mail_ids: tuple[UUID, ...] = ()
    erased_at: Moment


def _checked(model: type[M], members: dict[str, Any]) -> M:
    """A model of checked values, one for each field and in their order: what model_construct gives, in an
    eighth of its time.
    """
    made = object.__new__(model)
    _set_members(made, members)
    _set_fields(made, _FIELDS[model])
    _set_extra(made, None)
    _set_private(made, None)
    return made


class DonationReceived(Event):
    TYPE: ClassVar[str] = wire.RECEIVED
    type: Literal["org.shanliu.donation.received.v1"]
    data: DonationReceivedData

    @classmethod
    def bytes_at(cls, source: str, sequence: int, previous: int | None, **written: Unpack[Written]) -> bytes:
        """As of every event, in a fraction of the time (shared.events.wire)."""
        data = written["data"]
        if not isinstance(data, wire.Received):
            data = wire.Received(**{name: getattr(data, name) for name in wire.Received.__struct_fields__})
        return wire.encode(
            wire.Envelope(
                specversion="1.0",
                id=f"{source}:{sequence}",
                source=source,
                type=wire.RECEIVED,
                datacontenttype="application/json",
                sequence=f"{sequence:019d}",
                previous=None if previous is None else f"{previous:019d}",
                subject=written["subject"],
                time=written["time"],
                traceparent=written.get("traceparent"),
                data=data,
            )
        )

    @classmethod
    def read(cls, value: bytes) -> Self:
        """Read one that is as we write them. Raises MsgspecError, ValueError or RecursionError for all
        others, which may be events all the same: the contract says so.
        """
        event = wire.decode(value)
        members = asdict(event)
        members["sequence"] = wire.number(event.sequence)
        if event.previous is not None:
            members["previous"] = wire.number(event.previous)
        members["data"] = _checked(DonationReceivedData, asdict(event.data))
        return _checked(cls, members)


class DonationHeld(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.held.v1"
    type: Literal["org.shanliu.donation.held.v1"]
    data: DonationHeldData


class DonationConflicted(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.conflicted.v1"
    type: Literal["org.shanliu.donation.conflicted.v1"]
    data: DonationConflictedData


class DonationReversed(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.reversed.v1"
    type: Literal["org.shanliu.donation.reversed.v1"]
    data: DonationReversedData


class DonorMessageApproved(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.message-approved.v1"
    type: Literal["org.shanliu.donation.message-approved.v1"]
    data: DonorMessageApprovedData


class DonorMessageWithdrawn(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.message-withdrawn.v1"
    type: Literal["org.shanliu.donation.message-withdrawn.v1"]
    data: DonorMessageWithdrawnData


class ConsentWithdrawn(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.consent-withdrawn.v1"
    type: Literal["org.shanliu.donation.consent-withdrawn.v1"]
    data: ConsentWithdrawnData


class DonorDataErased(Event):
    TYPE: ClassVar[str] = "org.shanliu.donation.donor-data-erased.v1"
    type: Literal["org.shanliu.donation.donor-data-erased.v1"]
    data: DonorDataErasedData


_set_members, _set_fields, _set_extra, _set_private = (
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""The slots of a model, past what a frozen one refuses; by name each takes half as long again."""
_FIELDS: Final[dict[type[BaseModel], set[str]]] = {
    model: set(model.model_fields) for model in (DonationReceived, DonationReceivedData)
}
