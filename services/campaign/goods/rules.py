"""What may be done with goods, and what they are worth on their way. Pure.

A gift: entered → confirmed by another person who has counted it; entered → cancelled. A movement (out to a
use, back from it, written off, back to the donor) is asked for by one person and decided by another.

| movement | draws on | its value leaves |
| --- | --- | --- |
| distribution 发放 | the store | the store, for a use |
| return 退库 | what its distribution gave out | that distribution, for the store |
| write_off 报损 | the store | the store, as a loss |
| reversal 冲回 | the store, goods of one gift | the store and what was received |

Value follows the goods: of a pile worth `fen` with `quantity` pieces, some pieces take their share, rounded
down, and the last one takes the rest. So a pile is worth nothing when, and only when, it is empty, and what
came in is at every moment what went out and what is still there. No piece is worth less than a fen, so no
movement is worth nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.campaign.lifecycle import State
from shared.money import MAX_AMOUNT_FEN
from shared.refusals import NotFound, Refused

MAX_QUANTITY: Final = 2**31 - 1
MAX_ITEMS: Final = 100
"""Lines of one gift or one movement; a larger delivery is entered in parts."""


class GiftState(StrEnum):
    """Where a gift stands. Only a confirmed one was received."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class GiftAction(StrEnum):
    """What made a version of a gift."""

    ENTER = "enter"
    REWRITE = "rewrite"
    CONFIRM = "confirm"
    CANCEL = "cancel"


class Category(StrEnum):
    """What kind of goods: medicine 药品, medical_supplies 医疗用品, food 食品, clothing 衣物, books 图书,
    daily_goods 日用品, relief_goods 救灾物资, equipment 设备.
    """

    MEDICINE = "medicine"
    MEDICAL_SUPPLIES = "medical_supplies"
    FOOD = "food"
    CLOTHING = "clothing"
    BOOKS = "books"
    DAILY_GOODS = "daily_goods"
    RELIEF_GOODS = "relief_goods"
    EQUIPMENT = "equipment"
    OTHER = "other"


class MovementKind(StrEnum):
    """What a movement does with goods."""

    DISTRIBUTION = "distribution"
    RETURN = "return"
    WRITE_OFF = "write_off"
    REVERSAL = "reversal"


class MovementState(StrEnum):
    """Where a movement stands; only a done one has moved anything."""

    ASKED = "asked"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class Cause(StrEnum):
    """Why goods are lost to every use."""

    EXPIRED = "expired"
    DAMAGED = "damaged"
    LOST = "lost"


class GoodsNotTaken(Refused):
    """Goods for a campaign that has never been launched, or is settled."""

    code = "goods-not-taken"
    title = "The campaign takes no goods now"


class GiftStepNotAllowed(Refused):
    """The gift's state has no such step."""

    code = "goods-gift-step-not-allowed"
    title = "The gift can't take this step from its state"


class MovementDecided(Refused):
    """A movement that is done or withdrawn already."""

    code = "goods-movement-decided"
    title = "The movement is decided"


class CountDiffers(Refused):
    """What the second person has counted is not what was entered."""

    code = "goods-count-differs"
    title = "What was counted is not what was entered"


class PieceWorthless(Refused):
    """A piece that would be worth less than a fen."""

    code = "goods-piece-below-a-fen"
    title = "A piece would be worth less than a fen"
    status = 422


class ValueTooLarge(Refused):
    """A gift worth more than one entry may be."""

    code = "goods-value-too-large"
    title = "The gift is worth more than one entry can hold"
    status = 422


class BatchMissing(Refused):
    """Medicine without its batch or its expiry date."""

    code = "goods-batch-missing"
    title = "Medicine needs its batch and its expiry date"
    status = 422


class GoodsExpired(Refused):
    """Goods that are past their date."""

    code = "goods-expired"
    title = "The goods are past their date"


class ItemTwice(Refused):
    """The same goods on two lines of one movement."""

    code = "goods-item-twice"
    title = "The same goods stand on two lines"
    status = 422


class ItemElsewhere(Refused):
    """Goods that the movement can't name: of another gift, or of none that it may draw on."""

    code = "goods-item-elsewhere"
    title = "The goods don't belong to what the movement is about"


class PastPile(Refused):
    """More pieces than there are."""

    code = "goods-past-store"
    title = "There are not so many pieces"


class NothingThere(Refused):
    """Carrying goods that have all gone out."""

    code = "goods-none-left"
    title = "Nothing of the goods is in the store"


class StoreDiffers(Refused):
    """Carrying goods from a store that they are not in."""

    code = "goods-store-differs"
    title = "The goods are in another store"


class SameStore(Refused):
    """Carrying goods to where they are."""

    code = "goods-same-store"
    title = "The goods are there already"


class NotDistributed(Refused):
    """A return of what was never given out."""

    code = "goods-not-distributed"
    title = "Only what was distributed comes back"


@dataclass(frozen=True, slots=True)
class Pile:
    """Pieces that lie together and what all of them are worth, in fen. No piece is worth less than a fen."""

    quantity: int
    fen: int

    def __post_init__(self) -> None:
        assert self.fen >= self.quantity >= 0, "a piece is worth a fen or more"
        assert self.quantity or not self.fen, "nothing is worth nothing"

    def share_fen(self, quantity: int) -> int:
        """What `quantity` (1 … all) of the pieces take along: rounded down, and all of it with the last."""
        assert 1 <= quantity <= self.quantity, "the pieces are there"
        return self.fen * quantity // self.quantity


@dataclass(frozen=True, slots=True)
class Line:
    """So many pieces of one kind of goods."""

    item_id: UUID
    quantity: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A line with the value it takes along."""

    item_id: UUID
    quantity: int
    value_fen: int


def moved(lines: Iterable[Line], piles: Mapping[UUID, Pile]) -> list[Moved]:
    """Value the lines of a movement, in the order of their goods' ids.

    `piles`: what each of them draws on, read under the campaign's lock, or two movements can both win. Raises
    PastPile, with how many there are, or ItemElsewhere.
    """
    valued = []
    for line in sorted(lines, key=lambda each: each.item_id):
        pile = piles.get(line.item_id)
        if pile is None:
            raise ItemElsewhere(
                "Name goods that lie where the movement takes them from.", item_id=str(line.item_id)
            )
        if line.quantity > pile.quantity:
            raise PastPile(
                f"{pile.quantity} pieces are there, {line.quantity} were asked for.",
                fields=["items"],
                item_id=str(line.item_id),
                remaining_quantity=pile.quantity,
                remaining_fen=pile.fen,
            )
        valued.append(Moved(line.item_id, line.quantity, pile.share_fen(line.quantity)))
    return valued


# ---------------------------------------------------------------- gifts


def require_taking(state: State) -> None:
    """Raise GoodsNotTaken unless the campaign is launched, paused or closed: goods that came before it was
    closed may be recorded after.
    """
    if state not in (State.LAUNCHED, State.PAUSED, State.CLOSED):
        raise GoodsNotTaken(
            f"The campaign is {state}; goods come and go once it is launched and until it is settled.",
            state=state.value,
        )


def require_gift_state(state: GiftState, needed: GiftState) -> None:
    """Raise GiftStepNotAllowed unless the gift is in the state that the step begins from."""
    if state is not needed:
        raise GiftStepNotAllowed(
            f"The gift is {state}; this is done with one that is {needed}. What is confirmed is corrected by "
            "a reversal.",
            state=state.value,
        )


def require_gift_of(campaign_id: str, state: GiftState, wanted_id: str) -> None:
    """Raise NotFound for a gift to another campaign than `wanted_id`, GiftStepNotAllowed unless confirmed."""
    if campaign_id != wanted_id:
        raise NotFound("The campaign has no gift with this id.", fields=["gift_id"])
    require_gift_state(state, GiftState.CONFIRMED)


def require_counted(entered_fen: int, counted_fen: int) -> None:
    """Raise CountDiffers unless the second person finds the same value on the papers."""
    if entered_fen != counted_fen:
        raise CountDiffers(
            "Count the goods together. Is the entry wrong, rewrite it, and confirm it then.",
            fields=["value_fen"],
        )


def require_worth(values: Sequence[tuple[int, int]]) -> int:
    """The whole value of (quantity, value_fen) of each item. Raises PieceWorthless or ValueTooLarge."""
    for at, (quantity, value_fen) in enumerate(values):
        if value_fen < quantity:
            raise PieceWorthless(
                f"{quantity} pieces for {value_fen} fen: choose a larger unit, such as boxes.",
                fields=[f"items.{at}.quantity"],
            )
    whole_fen = sum(value_fen for _, value_fen in values)
    if whole_fen > MAX_AMOUNT_FEN:
        raise ValueTooLarge("Enter it as several gifts.", fields=["items"], value_fen=whole_fen)
    return whole_fen


def require_batch(category: Category, batch: str | None, expires_on: date | None, at: int) -> None:
    """Raise BatchMissing for medicine that nobody could recall, or find expired."""
    if category is Category.MEDICINE and (batch is None or expires_on is None):
        missing = "batch" if batch is None else "expires_on"
        raise BatchMissing("Read both off the package.", fields=[f"items.{at}.{missing}"])


def require_not_expired(expires_on: date | None, day: date, field: str) -> None:
    """Raise GoodsExpired for goods that were past their date on that day; their last day is a good one."""
    if expires_on is not None and expires_on < day:
        raise GoodsExpired(
            f"They expired on {expires_on}. Write them off; nobody is given them.",
            fields=[field],
            expires_on=expires_on.isoformat(),
        )


# ---------------------------------------------------------------- movements


def require_waiting(state: MovementState) -> None:
    """Raise MovementDecided unless the movement waits for its second person."""
    if state is not MovementState.ASKED:
        raise MovementDecided(f"It is {state} already.", state=state.value)


def require_once(lines: Sequence[Line]) -> None:
    """Raise ItemTwice when two lines name the same goods."""
    if len({line.item_id for line in lines}) < len(lines):
        raise ItemTwice("Put them on one line with the sum of their pieces.", fields=["items"])


def require_distributed(kind: MovementKind, state: MovementState) -> None:
    """Raise NotDistributed unless it is a distribution that was done."""
    if kind is not MovementKind.DISTRIBUTION or state is not MovementState.DONE:
        raise NotDistributed(
            f"It is a {kind.replace('_', ' ')} that is {state}.", kind=kind.value, state=state.value
        )


def require_known(wanted: Iterable[UUID], known: Iterable[UUID]) -> None:
    """Raise NotFound for goods that the campaign does not have."""
    if missing := sorted(set(wanted) - set(known)):
        raise NotFound(f"The campaign has no goods {missing[0]}.", fields=["items"])


def require_carried(left_quantity: int, store: str, *, from_store: str, to_store: str) -> None:
    """Raise NothingThere, StoreDiffers or SameStore unless goods lie in `from_store` and go elsewhere."""
    if not left_quantity:
        raise NothingThere("All of them have gone out.")
    if store != from_store:
        raise StoreDiffers(f"They lie in {store}. Look again, then say where they go.", store=store)
    if store == to_store:
        raise SameStore("Name another store.", fields=["to_store"])
