"""Events of goods given in kind (物资). Their source is `campaign/<partition>`, as of all campaign events.

Goods have a stated value and are shown apart from money: nothing here is ever added to what was received or
disbursed in money. A campaign's goods: received − reversed = distributed − returned + written off + in store.
"""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.campaigns import BeneficiaryUnit, ValueBasis
from shared.events.donations import DonorKind
from shared.events.envelope import Event, EventData
from shared.events.fields import AmountFen, Count, TotalFen

GoodsReversalKind = Literal["sent_back", "mistake"]


class ReceivedItem(EventData):
    """Goods of one kind. `value_fen` is that of all of them, and `basis` says what it rests on.

    `category` is a word such as medicine, food, clothing; readers pass over those they don't know.
    """

    item_id: UUID
    description: str
    category: str
    quantity: Count
    unit: str
    value_fen: AmountFen
    basis: ValueBasis
    batch: str | None = None
    expires_on: date | None = None


class MovedItem(EventData):
    """Goods of one kind that moved, and their part of the value."""

    item_id: UUID
    description: str
    quantity: Count
    unit: str
    value_fen: AmountFen


class GoodsReceivedData(EventData):
    """A gift in kind that two people have seen in the store. `shown_name`: what the donor agreed to show;
    None: anonymous (art. 82). `received_on` is a day in Asia/Shanghai.
    """

    gift_id: UUID
    campaign_id: str
    donor_kind: DonorKind
    shown_name: str | None = None
    value_fen: TotalFen
    items: tuple[ReceivedItem, ...]
    received_on: date


class GoodsReversedData(EventData):
    """Of a gift, what went back to its donor, or had been recorded by mistake."""

    reversal_id: UUID
    gift_id: UUID
    campaign_id: str
    kind: GoodsReversalKind
    value_fen: TotalFen
    items: tuple[MovedItem, ...]
    reversed_on: date


class GoodsDistributedData(EventData):
    """Goods that went out to a use. `beneficiaries` counts `beneficiary_unit`."""

    distribution_id: UUID
    campaign_id: str
    use: str
    value_fen: TotalFen
    items: tuple[MovedItem, ...]
    beneficiaries: Count
    beneficiary_unit: BeneficiaryUnit
    distributed_on: date


class GoodsReturnedData(EventData):
    """Of a distribution, what came back into the store."""

    return_id: UUID
    distribution_id: UUID
    campaign_id: str
    value_fen: TotalFen
    items: tuple[MovedItem, ...]
    returned_on: date


class GoodsWrittenOffData(EventData):
    """Goods that are lost to every use; `cause` is a word such as expired, damaged, lost."""

    write_off_id: UUID
    campaign_id: str
    cause: str
    value_fen: TotalFen
    items: tuple[MovedItem, ...]
    written_off_on: date


class GoodsReceived(Event):
    TYPE: ClassVar[str] = "org.shanliu.goods.received.v1"
    type: Literal["org.shanliu.goods.received.v1"]
    data: GoodsReceivedData


class GoodsReversed(Event):
    TYPE: ClassVar[str] = "org.shanliu.goods.reversed.v1"
    type: Literal["org.shanliu.goods.reversed.v1"]
    data: GoodsReversedData


class GoodsDistributed(Event):
    TYPE: ClassVar[str] = "org.shanliu.goods.distributed.v1"
    type: Literal["org.shanliu.goods.distributed.v1"]
    data: GoodsDistributedData


class GoodsReturned(Event):
    TYPE: ClassVar[str] = "org.shanliu.goods.returned.v1"
    type: Literal["org.shanliu.goods.returned.v1"]
    data: GoodsReturnedData


class GoodsWrittenOff(Event):
    TYPE: ClassVar[str] = "org.shanliu.goods.written-off.v1"
    type: Literal["org.shanliu.goods.written-off.v1"]
    data: GoodsWrittenOffData
