"""The numbers of receipts: `<organisation's code>-<year>-<serial>`, such as SZCS-2027-0000123.

The year is the one of the issue in Asia/Shanghai, where the accounting year ends at midnight.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.forms import form

ACCOUNTING_TIME: Final = ZoneInfo("Asia/Shanghai")
CODE: Final = form(r"^[A-Z][A-Z0-9]{1,11}$", "2 to 12 of A-Z and 0-9, beginning with a letter, such as SZCS")
NUMBER: Final = form(
    r"^[A-Z][A-Z0-9]{1,11}-2[01][0-9]{2}-[0-9]{7}$", "a receipt's number, such as SZCS-2027-0000123"
)
_NUMBER: Final = re.compile(NUMBER, re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """A receipt's number. Serials begin at 1 in each series of organisation and year."""

    code: str
    year: int
    serial: int

    def __str__(self) -> str:
        return f"{self.code}-{self.year}-{self.serial:07d}"

    @classmethod
    def parse(cls, text: str) -> "Number | None":
        """Read a number; None when the text is none."""
        if not _NUMBER.fullmatch(text):
            return None
        code, year, serial = text.split("-")
        return cls(code, int(year), int(serial))


def year_of(moment: datetime) -> int:
    """The accounting year of a moment: 2026-12-31T16:00Z is 2027."""
    return moment.astimezone(ACCOUNTING_TIME).year
