"""Events of the notification service, and the contact that reaches it on its own restricted topic."""

from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.events.envelope import Event, EventData
from shared.events.fields import AmountFen, Count, Moment


class NotificationData(EventData):
    """How a message to a donor ended. No contact, no name: those stay with the service (invariant 5)."""

    message_id: UUID
    donation_id: UUID
    campaign_id: str
    way: Literal["mail"]
    attempts: Count
    reason: str | None = None


class NotificationDelivered(Event):
    TYPE: ClassVar[str] = "org.shanliu.notification.delivered.v1"
    type: Literal["org.shanliu.notification.delivered.v1"]
    data: NotificationData


class NotificationFailed(Event):
    TYPE: ClassVar[str] = "org.shanliu.notification.failed.v1"
    type: Literal["org.shanliu.notification.failed.v1"]
    data: NotificationData


class Contact(BaseModel):
    """A donor's address, on the restricted topic `contacts` only, kept there for days.

    `name` is how the donor is addressed in the mail, whatever the screens may show.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    donation_id: UUID
    channel: str
    campaign_id: str
    email: str
    name: str | None = None
    amount_fen: AmountFen
    occurred_at: Moment
