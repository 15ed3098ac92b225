"""What a trace says: fen, UTC; of the donor nothing, of others only sums that the law has published."""

from datetime import date, datetime

from pydantic import BaseModel, Field

from services.donation.receipts.schemas import PublicState


class Helped(BaseModel):
    """How many were helped. `unit`: person_times 人次, households 户, schools 所, or others; `of` says what
    is counted when the unit does not.
    """

    count: int
    unit: str
    of: str | None = None


class Use(BaseModel):
    """What a campaign spent on one use: paid, less what came back, in so many payments."""

    use: str
    titles: list[str] = Field(description="What it was in particular, a few of them")
    spent_fen: int
    returned_fen: int = Field(description="Of what was paid, came back to the fund")
    payments: int
    last_on: date
    helped: list[Helped]


class Goods(BaseModel):
    """Goods that a campaign gave out for one use, at their stated value: apart from money."""

    use: str
    titles: list[str] = Field(description="What they were, a few of them")
    value_fen: int = Field(description="Given out, less what came back into the store")
    last_on: date
    helped: list[Helped]


class Transfer(BaseModel):
    """Money that a campaign moved to another fund. `towards`: its campaign's title, or the trustee."""

    towards: str | None
    amount_fen: int


class FundFigures(BaseModel):
    """A campaign's money at the stated moment, all donors' together.

    in_fen = received − returned to donors − split off + moved in from other funds;
    left_fen = in_fen − spent_fen − moved_out_fen. spent_fen: paid, less returned_fen.
    """

    received_fen: int
    reversed_fen: int
    split_fen: int = Field(description="Parts of donations that went to other funds at once")
    moved_in_fen: int
    in_fen: int
    spent_fen: int
    returned_fen: int
    moved_out_fen: int
    left_fen: int


class Part(BaseModel):
    """A receipt's money in one campaign, divided as the fund is: own_fen = spent_fen + moved_fen + left_fen.

    `new_fen` came in after the stated moment and is not part of own_fen yet.
    """

    campaign_id: str
    title: str
    own_fen: int
    spent_fen: int
    moved_fen: int
    left_fen: int
    spent_basis_points: int = Field(description="Of own_fen, in hundredths of a percent, never rounded up")
    new_fen: int
    fund: FundFigures
    uses: list[Use]
    transfers: list[Transfer]
    goods_in_fen: int = Field(description="Goods given to the campaign, less what went back to their donors")
    goods_lost_fen: int = Field(description="Of those, written off")
    goods: list[Goods]


class Trace(BaseModel):
    """Where the money of a receipt stands. `stated_at` null: nothing has been counted yet; try again shortly.
    `back_fen`: went back to the donor after the receipt was issued. A receipt that is void or replaced has no
    parts: the one that is valid has them.
    """

    number: str
    state: PublicState
    replaced_by: str | None
    amount_fen: int
    back_fen: int
    stated_at: datetime | None
    parts: list[Part]
