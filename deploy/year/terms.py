"""What a year is made of: declared data, amounts in fen, days in Asia/Shanghai."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.events.campaigns import BeneficiaryUnit, CampaignKind, ValueBasis

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

PartKind = Literal["team", "county", "company", "other"]

ONLINE: Final = {"wechat": "微信支付", "tencent": "腾讯公益", "unionpay": "银联", "ecny": "数字人民币"}
"""The channels on which the public gives, and their titles."""
BANK: Final = "bank"
BANK_TITLE: Final = "银行转账"
"""How companies, offices and foundations pay."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """A federation. `parent` is the one above it."""

    key: str
    name: str
    name_en: str
    licence: str
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Online:
    """What the public gave to a campaign on one channel, from `first` to `last`: so much by so many."""

    channel: str
    amount_fen: int
    person_times: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Gift:
    """One payment by bank. `placard`: the number of the promise that it keeps."""

    donor: str
    amount_fen: int
    day: date
    placard: str | None = None


@dataclass(frozen=True, slots=True)
class Placard:
    """A promise made in public. With `goods` it is one of goods, which come in as `Goods` of this number."""

    number: str
    company: str
    amount_fen: int
    due_on: date
    goods: "Goods | None" = None


@dataclass(frozen=True, slots=True)
class Handout:
    """Goods that went out to a use. Its value is what its share of the goods is carried at."""

    quantity: int
    use: str
    recipient: str
    day: date
    beneficiaries: int
    unit: BeneficiaryUnit


@dataclass(frozen=True, slots=True)
class Goods:
    """Goods that came in: so many of a unit, their value, what it rests on, and where they went."""

    donor: str
    description: str
    category: str
    quantity: int
    unit: str
    value_fen: int
    basis: ValueBasis
    document: str
    day: date
    handouts: Sequence[Handout] = ()
    placard: str | None = None
    """The number of the promise that they keep."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that went out to a use, with how many it helped."""

    amount_fen: int
    use: str
    payee: str
    day: date
    beneficiaries: int
    unit: BeneficiaryUnit


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of charity insurance: who is covered, and the largest claim it paid, if any was."""

    title: str
    insurer: str
    premium_fen: int
    covered: Sequence[tuple[str, int]]
    """(group, people)"""
    renewed: bool
    cap_fen: int
    claims_fen: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of one organisation. A part (`parent`) has a fund of its own and adds up to its parent."""

    key: str
    organisation: str
    kind: CampaignKind
    title: str
    title_en: str
    uses: Sequence[str]
    first: date = date(2023, 1, 1)
    last: date = date(2023, 12, 31)
    parent: str | None = None
    part: PartKind | None = None
    purpose: str = "扶老、助残、济困、助医、助学"
    beneficiaries: str = "困难家庭、学生与老人"
    online: Sequence[Online] = ()
    gifts: Sequence[Gift] = ()
    placards: Sequence[Placard] = ()
    goods: Sequence[Goods] = ()
    payments: Sequence[Payment] = ()
    policies: Sequence[Policy] = ()
    named_fund: str | None = None
    """A named fund's wish; its donors are those of `gifts`."""
    closed_on: date | None = None
    """When it was closed within the year; its parts close with it. What is given after would be held."""

    @property
    def received_fen(self) -> int:
        """Money in."""
        return sum(each.amount_fen for each in self.online) + sum(each.amount_fen for each in self.gifts)

    @property
    def goods_fen(self) -> int:
        """Goods in, at their value."""
        return sum(each.value_fen for each in self.goods)

    @property
    def disbursed_fen(self) -> int:
        """Money out, premiums of insurance among it."""
        premiums = sum(each.premium_fen for each in self.policies)
        return premiums + sum(each.amount_fen for each in self.payments)

    @property
    def promised_fen(self) -> int:
        """Promised in public; never added to the others."""
        return sum(each.amount_fen for each in self.placards)

    @property
    def is_project(self) -> bool:
        """Whether it counts as a project (项目): help that is given, not an event that raises for it, and
        not a part of another.
        """
        return self.parent is None and self.kind in {"programme", "emergency_appeal"}


@dataclass(frozen=True, slots=True)
class Year:
    """Everything that is played."""

    organisations: Sequence[Organisation]
    campaigns: Sequence[Campaign]
    root: str = field(default="city")

    def of(self, *organisations: str) -> Iterator[Campaign]:
        """The campaigns of these organisations; of all without any."""
        return (each for each in self.campaigns if not organisations or each.organisation in organisations)

    def tree(self, key: str) -> list[Campaign]:
        """A campaign and its parts."""
        return [each for each in self.campaigns if key in {each.key, each.parent}]
