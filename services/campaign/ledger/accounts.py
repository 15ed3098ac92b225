"""The chart of accounts (会计科目), after the accounting system for private non-profit organisations.

Numbers are those of 民间非营利组织会计制度 (财会〔2004〕7号); four digits are the system's account, two more
a sub-account of our own, which the system allows. Income, expense and net assets that name a campaign are
money restricted to it (限定性). No entry carries balances over at a year's end: what an account has is
always the sum of all its postings, and the net assets of a fund are its income less its expense since it
began.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.events.campaigns import SpendingCategory


class AccountClass(StrEnum):
    """What an account shows, by the first digit of its number."""

    ASSET = "asset"
    LIABILITY = "liability"
    NET_ASSETS = "net_assets"
    INCOME = "income"
    EXPENSE = "expense"


class Side(StrEnum):
    """借 or 贷."""

    DEBIT = "debit"
    CREDIT = "credit"

    @property
    def other(self) -> "Side":
        """The opposite side."""
        return Side.CREDIT if self is Side.DEBIT else Side.DEBIT


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `name` is the system's own, in Chinese."""

    number: str
    name: str
    name_en: str
    kind: AccountClass

    @property
    def normal_side(self) -> Side:
        """The side that makes it grow."""
        grows_by_debit = self.kind in {AccountClass.ASSET, AccountClass.EXPENSE}
        return Side.DEBIT if grows_by_debit else Side.CREDIT

    @property
    def of_fund(self) -> bool:
        """Whether a posting on it that names a campaign changes the campaign's fund."""
        return self.kind in {AccountClass.NET_ASSETS, AccountClass.INCOME, AccountClass.EXPENSE}


BANK: Final = "1002"
RECEIVABLE: Final = "112201"
RESTRICTED_INCOME: Final = "410101"
RESTRICTED_NET_ASSETS: Final = "3102"
"""With a campaign only transfers between funds are posted on it; opening balances name none."""
PROGRAMME_COST: Final = "5101"
TRUST_COST: Final = "510109"
"""Apart from what was spent on a use: no beneficiary has been helped by it yet."""
INVENTORY: Final = "1201"
GOODS_INCOME: Final = "410103"
GOODS_COST: Final = "510101"
GOODS_LOSS: Final = "520101"
OF_GOODS: Final = (INVENTORY, GOODS_INCOME, GOODS_COST, GOODS_LOSS)
"""Goods given in kind have accounts of their own: a fund's money is what the others say."""
MANAGEMENT_COST: Final = "5201"
FUNDRAISING_COST: Final = "5301"

EXPENSE_OF: Final[Mapping[SpendingCategory, str]] = MappingProxyType(
    {"programme": PROGRAMME_COST, "management": MANAGEMENT_COST, "fundraising": FUNDRAISING_COST}
)
"""What a disbursement of each category is booked as."""

_ACCOUNTS: Final = (
    Account("1001", "现金", "Cash", AccountClass.ASSET),
    Account(BANK, "银行存款", "Bank", AccountClass.ASSET),
    Account(RECEIVABLE, "其他应收款—应收渠道款", "Receivable from channels", AccountClass.ASSET),
    Account(INVENTORY, "存货", "Goods in store", AccountClass.ASSET),
    Account("2209", "其他应付款", "Other payables", AccountClass.LIABILITY),
    Account("3101", "非限定性净资产", "Unrestricted net assets", AccountClass.NET_ASSETS),
    Account(RESTRICTED_NET_ASSETS, "限定性净资产", "Restricted net assets", AccountClass.NET_ASSETS),
    Account(RESTRICTED_INCOME, "捐赠收入—限定性收入", "Restricted donation income", AccountClass.INCOME),
    Account("410102", "捐赠收入—非限定性收入", "Unrestricted donation income", AccountClass.INCOME),
    Account(GOODS_INCOME, "捐赠收入—限定性收入（实物）", "Restricted donations in kind", AccountClass.INCOME),
    Account("4901", "其他收入", "Other income", AccountClass.INCOME),
    Account(PROGRAMME_COST, "业务活动成本", "Programme expense", AccountClass.EXPENSE),
    Account(GOODS_COST, "业务活动成本—物资发放", "Goods distributed", AccountClass.EXPENSE),
    Account(TRUST_COST, "业务活动成本—设立慈善信托", "Charitable trusts set up", AccountClass.EXPENSE),
    Account(MANAGEMENT_COST, "管理费用", "Management expense", AccountClass.EXPENSE),
    Account(GOODS_LOSS, "管理费用—存货损失", "Goods written off", AccountClass.EXPENSE),
    Account(FUNDRAISING_COST, "筹资费用", "Fund-raising expense", AccountClass.EXPENSE),
    Account("5401", "其他费用", "Other expense", AccountClass.EXPENSE),
)

CHART: Final[Mapping[str, Account]] = MappingProxyType({each.number: each for each in _ACCOUNTS})
"""Every account by its number, in the order of the numbers."""
