"""Events about receipts, from the donation service's outbox. Their source is "receipt/<partition>".

Neither says who gave, nor why a receipt is void: both are finance's to know. `mail_id`: the mail that tells
the donor, whose address comes apart, on the restricted topic; None: the donor left no mail address, or is
told by another mail. `check_address` is the page on which anyone who has the paper checks it.
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.envelope import Event, EventData
from shared.events.fields import AmountFen, Moment

ReceiptNumber = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}-2[01][0-9]{2}-[0-9]{7}$")]


class _ReceiptData(EventData):
    number: ReceiptNumber
    organisation: str
    licence: str
    purpose: str
    amount_fen: AmountFen
    check_address: str
    mail_id: UUID | None = None


class ReceiptIssuedData(_ReceiptData):
    """A receipt for these donations. `replaces`: the one in whose place it stands, which is void."""

    donation_ids: tuple[UUID, ...]
    issued_at: Moment
    replaces: ReceiptNumber | None = None


class ReceiptVoidedData(_ReceiptData):
    """A receipt is void for good. `replaced_by`: the one that stands in its place."""

    voided_at: Moment
    replaced_by: ReceiptNumber | None = None


class ReceiptIssued(Event):
    TYPE: ClassVar[str] = "org.shanliu.receipt.issued.v1"
    type: Literal["org.shanliu.receipt.issued.v1"]
    data: ReceiptIssuedData


class ReceiptVoided(Event):
    TYPE: ClassVar[str] = "org.shanliu.receipt.voided.v1"
    type: Literal["org.shanliu.receipt.voided.v1"]
    data: ReceiptVoidedData
