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


class NotificationByWayData(EventData):
    """The same for a message that went by any way."""

    message_id: UUID
    donation_id: UUID
    campaign_id: str
    way: Literal["mail", "sms", "wechat"]
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


class NotificationDeliveredByWay(Event):
    """What v1 can't say: it knows mail only. A mail is told by v1, any other way by this."""

    TYPE: ClassVar[str] = "org.shanliu.notification.delivered.v2"
    type: Literal["org.shanliu.notification.delivered.v2"]
    data: NotificationByWayData


class NotificationFailedByWay(Event):
    """What v1 can't say: it knows mail only. A mail is told by v1, any other way by this."""

    TYPE: ClassVar[str] = "org.shanliu.notification.failed.v2"
    type: Literal["org.shanliu.notification.failed.v2"]
    data: NotificationByWayData


class Contact(BaseModel):
    """Where a donor is reached, on the restricted topic `contacts` only, kept there for days. At least one of
    `email`, `phone` (E.164) and `wechat_openid` (with the `wechat_app_id` it was given to) is there.

    `name` is how the donor is addressed in the message, whatever the screens may show; `language` is the one
    they chose. `receipt_mail_id`: it is for that mail about a receipt (shared.events.receipts); None: for the
    thanks.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    donation_id: UUID
    channel: str
    campaign_id: str
    email: str | None = None
    phone: str | None = None
    wechat_openid: str | None = None
    wechat_app_id: str | None = None
    language: Literal["zh", "en"] | None = None
    name: str | None = None
    amount_fen: AmountFen
    occurred_at: Moment
    receipt_mail_id: UUID | None = None
