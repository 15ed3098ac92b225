"""The kinds of value that events have: what a field can't hold is refused when the event is read.

A value that the readers' databases refuse (10^30 fen, a time without an offset) would stop the batch it is
in again and again; as a broken event it goes to the dead letters, and the batch around it goes through.
"""

from typing import Annotated, Final

from pydantic import AwareDatetime, Field

from shared.forms import form
from shared.money import MAX_AMOUNT_FEN

AmountFen = Annotated[int, Field(strict=True, ge=1, le=MAX_AMOUNT_FEN)]
"""One movement of money, in fen of CNY."""

FeeFen = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_FEN)]
"""What a channel keeps of a donation, in fen of CNY."""

TotalFen = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
"""A sum of movements, in fen of CNY."""

Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]

Moment = AwareDatetime
"""A time with its offset; UTC as we write it."""

CAMPAIGN_ID: Final = form(
    r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$",
    "1 to 64 of a-z, 0-9 and . _ -, with a letter or digit at both ends, such as gala-2027",
)
"""The desk chooses a campaign's id; donations, addresses of pages and events name it."""

ORGANISATION_ID: Final = CAMPAIGN_ID
"""The same for an organisation's id."""
