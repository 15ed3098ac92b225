"""Which company (企业) a gift is ranked under, and what its gifts come to: pure rules.

Ranked is what a company has given in money, less what went back, under the name it agreed to show. Nobody is
ranked who is a person, who is anonymous, or who has withdrawn that consent (Charity Law art. 82). A placard's
promise is not in it: promised and received are never added together.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

COMPANIES_SHOWN: Final = 10
"""Companies a screen gets at most."""
_CHINESE: Final = re.compile(r"[\u3400-\u9fff]")
_BRACKETS: Final = str.maketrans("()", "\uff08\uff09")


@dataclass(slots=True)
class Gift:
    """What a batch says of one donation, as far as the ranking asks; amounts in fen.

    `company` is None where only its reversal or withdrawal was read so far, or it is no company's.
    """

    campaign_id: str
    company: str | None = None
    received_fen: int = 0
    reversed_fen: int = 0
    withdrawals: int = 0


def company_name(shown: str) -> str:
    """One name for the ways in which channels write it: full width or half (Unicode NFKC), one blank between
    words, and the brackets of a Chinese name in full width.
    """
    name = " ".join(unicodedata.normalize("NFKC", shown).split())
    return name.translate(_BRACKETS) if _CHINESE.search(name) else name
