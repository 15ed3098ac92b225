"""What the columns of a channel's statements mean: declared in the channel's settings, checked when stored.

A profile may be the name of a shipped one (shipped/*.json), or be written out, or take a shipped one as its
`base` and say only what differs: {"base": "bank-csv", "campaign": {"otherwise": "one-day-drive"}}.
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from services.donation.intake import CampaignId
from services.donation.statements import camt053
from services.donation.statements.reading import Layout
from shared.events.donations import ReversalKind

SHIPPED: Final = Path(__file__).parent / "shipped"

Column = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Words = Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class When(_Declared):
    """Lines for which something holds of one column: exactly one of the four is said."""

    column: Column
    is_one_of: Words | None = None
    contains_one_of: Words | None = None
    is_empty: bool | None = None
    is_negative: bool | None = Field(default=None, description="an amount below zero")

    @model_validator(mode="after")
    def _one(self) -> Self:
        said = (self.is_one_of, self.contains_one_of, self.is_empty, self.is_negative)
        if sum(each is not None for each in said) != 1:
            raise ValueError("say one of is_one_of, contains_one_of, is_empty, is_negative")
        return self


class Amount(_Declared):
    """Where the amount stands, always of the donation itself: more than zero."""

    column: Column
    unit: Literal["yuan", "fen"] = "yuan"


class Time(_Declared):
    """When the money was given. Two columns are put together with a space. `formats`: as strptime has them;
    what ISO 8601 writes is understood without. A day alone is its midnight. `zone`: of times that name none.
    """

    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=2)]
    formats: Annotated[tuple[Word, ...], Field(max_length=10)] = ()
    zone: str = Field(default="Asia/Shanghai", max_length=64)

    @model_validator(mode="after")
    def _zone_is_known(self) -> Self:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("zone is none of the IANA time zones") from None
        return self


class Consent(_Declared):
    """The column in which donors said what of them may be shown, and what stands there when they agreed.
    Anything else there is no consent.
    """

    column: Column
    to_name: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    to_alias: Annotated[tuple[Word, ...], Field(max_length=20)] = ()


class DonorColumns(_Declared):
    """Who gives. Without `consent` every donor of the file is anonymous: a payer's name on a statement was
    written for the bank and not for a screen (Charity Law art. 82). `unnamed`: what stands for no name.
    `companies`: donors who are one; all others are persons.
    """

    name: Column | None = None
    alias: Column | None = None
    unnamed: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    companies: When | None = None
    consent: Consent | None = None


class Campaign(_Declared):
    """What the money is for. `column`: where it is said: the campaign's id itself, unless it is mapped by its
    whole value (a platform's project number) or by a word in it (a transfer's remark). `otherwise`: for lines
    that say nothing known, or all lines when there is no column; without it such a line is bad.
    """

    column: Column | None = None
    by_value: Annotated[dict[Word, CampaignId], Field(max_length=1_000)] = {}
    by_word: Annotated[dict[Word, CampaignId], Field(max_length=200)] = {}
    otherwise: CampaignId | None = None

    @model_validator(mode="after")
    def _said_somewhere(self) -> Self:
        if self.column is None and (self.otherwise is None or self.by_value or self.by_word):
            raise ValueError("say the column, or the campaign of all lines as `otherwise`")
        return self


class Refunds(_Declared):
    """Lines that say money went back. `original`: the column with the transaction id of the donation;
    `own_id`: the refund's own; without one it is derived from the line like a donation's.
    """

    when: When
    original: Column
    own_id: Column | None = None
    kind: ReversalKind = "refund"


class Totals(_Declared):
    """A line below the others that begins with `begins` and has the sum of donations in the column `amount`,
    or their number in `count`: what differs is a warning, and nothing imports itself with a warning.
    """

    begins: Word
    amount: Column | None = None
    count: Column | None = None


class Form(_Declared):
    """How the files are written; see reading.Layout."""

    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    comment: str = Field(default="", max_length=16)
    strip: str = Field(default="", max_length=16)
    ends: Annotated[tuple[Word, ...], Field(max_length=20)] = ()
    sheet: Word | None = None


class Profile(_Declared):
    """How the statements of a channel are read.

    `transaction_id`: the column with the channel's own id of a payment. `derived_from`: for lines without
    one, the columns that tell one payment from all others; see checking.derived_id. `currency`: the column
    that must say CNY. `pass_over`: lines that are no donations. `notice`: lines a person should look at, in
    the preview; they may be passed over as well. `auto_confirm`: a file from the watched folder without a
    bad line or a warning is imported without a person. `keep_days`: for so long the file itself is kept.
    """

    form: Form = Form()
    transaction_id: Column | None = None
    derived_from: Annotated[tuple[Column, ...], Field(max_length=10)] = ()
    amount: Amount
    time: Time
    currency: Column | None = None
    campaign: Campaign
    donor: DonorColumns = DonorColumns()
    message: Column | None = None
    fee: Column | None = None
    refunds: Refunds | None = None
    pass_over: Annotated[tuple[When, ...], Field(max_length=20)] = ()
    notice: Annotated[tuple[When, ...], Field(max_length=20)] = ()
    totals: Totals | None = None
    auto_confirm: bool = False
    keep_days: Annotated[int, Field(ge=1, le=366)] = 30

    @model_validator(mode="after")
    def _lines_have_ids(self) -> Self:
        if self.transaction_id is None and not self.derived_from:
            raise ValueError("say transaction_id, or derived_from, or both")
        return self

    def columns(self) -> set[str]:
        """Every column that is looked at: the header of a file must have them all."""
        donor, campaign, refunds = self.donor, self.campaign, self.refunds
        conditions = [*self.pass_over, *self.notice, donor.companies, refunds.when if refunds else None]
        named: Iterable[str | None] = (
            *(self.transaction_id, *self.derived_from, self.amount.column, *self.time.columns),
            *(self.currency, self.message, self.fee, campaign.column, donor.name, donor.alias),
            donor.consent.column if donor.consent else None,
            *((refunds.original, refunds.own_id) if refunds else ()),
            *(each.column for each in conditions if each),
            *((self.totals.amount, self.totals.count) if self.totals else ()),
        )
        return {each for each in named if each is not None}

    def layout(self) -> Layout:
        """How its files are read."""
        ends = (*self.form.ends, *((self.totals.begins,) if self.totals else ()))
        return Layout(
            **self.form.model_dump(exclude={"ends"}),
            ends=ends,
            header=tuple(sorted(self.columns())),
            every_line=(self.amount.column, self.time.columns[0]),
        )

    @property
    def of_camt(self) -> bool:
        """Whether it reads the columns that a camt.053 has."""
        return self.columns() <= set(camt053.COLUMNS)


@cache
def shipped() -> dict[str, dict[str, Any]]:
    """The profiles that come with the service, by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(SHIPPED.glob("*.json"))}


def written_out(declared: Any) -> Any:
    """A declaration without names of shipped profiles. Raises ValueError for a name that is none."""
    if isinstance(declared, str):
        declared = {"base": declared}
    if not isinstance(declared, dict) or "base" not in declared:
        return declared
    base = shipped().get(declared["base"]) if isinstance(declared["base"], str) else None
    if base is None:
        raise ValueError(f"base is none of the shipped profiles: {', '.join(shipped())}")
    return base | {name: value for name, value in declared.items() if name != "base"}


Declared = Annotated[Profile, BeforeValidator(written_out)]
