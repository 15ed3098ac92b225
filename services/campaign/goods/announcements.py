"""What the other services hear of goods: the name a donor agreed to show, the use and those who were helped;
never the donor's own name, the recipient, the papers, or who decided and why.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.goods.rules import MovementKind
from services.campaign.goods.schemas import Gift, Movement
from shared.events import (
    Event,
    EventData,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
)
from shared.events.goods import (
    GoodsDistributedData,
    GoodsReceivedData,
    GoodsReturnedData,
    GoodsReversedData,
    GoodsWrittenOffData,
)


async def goods_received(connection: AsyncConnection, announcer: Announcer, gift: Gift) -> None:
    """GoodsReceived: two people have seen the goods in the store."""
    data = GoodsReceivedData.model_validate(gift.model_dump())
    await announcer.append(connection, GoodsReceived, gift.campaign_id, gift.gift_id, data)


async def goods_moved(connection: AsyncConnection, announcer: Announcer, movement: Movement) -> None:
    """The event of a movement that is done."""
    event_class, data = _told(movement)
    await announcer.append(connection, event_class, movement.campaign_id, movement.movement_id, data)


def _told(movement: Movement) -> tuple[type[Event], EventData]:
    said, own_id, day = movement.model_dump(), movement.movement_id, movement.happened_on
    match movement.kind:
        case MovementKind.DISTRIBUTION:
            facts = {"distribution_id": own_id, "distributed_on": day}
            return GoodsDistributed, GoodsDistributedData.model_validate(said | facts)
        case MovementKind.RETURN:
            facts = {"return_id": own_id, "returned_on": day}
            return GoodsReturned, GoodsReturnedData.model_validate(said | facts)
        case MovementKind.WRITE_OFF:
            facts = {"write_off_id": own_id, "written_off_on": day}
            return GoodsWrittenOff, GoodsWrittenOffData.model_validate(said | facts)
        case MovementKind.REVERSAL:
            facts = {"reversal_id": own_id, "reversed_on": day, "kind": movement.cause}
            return GoodsReversed, GoodsReversedData.model_validate(said | facts)
