"""What the law has kept when a donor asks to be erased, and until when: pure rules.

A receipt is a voucher of the books. The Measures for the Administration of Accounting Archives
(会计档案管理办法, 2015, art. 14 and its annex) have vouchers kept for thirty years, counted from the first
day after the end of the accounting year. Until then the Personal Information Protection Law (art. 47) has
everything stopped but storing and securing it.
"""

from datetime import date, datetime
from typing import Final

from services.donation.receipts.numbering import year_of

VOUCHER_YEARS: Final = 30


def voucher_kept_until(issued_at: datetime) -> date:
    """The first day on which a voucher issued at `issued_at` (UTC) needs to be kept no longer."""
    return date(year_of(issued_at) + 1 + VOUCHER_YEARS, 1, 1)
