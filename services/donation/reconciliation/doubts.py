"""Whether a bill may be another partner's or another day's: then a person looks before breaks open. Pure.

A wrong file would make each of its lines a break, and what it says is "missing here" would be booked ten
minutes later.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from shared.refusals import Refused

MANY: Final = 10
"""From so many payments on, on either side, nearly none in common is no accident."""
FEW: Final = 0.05
LOOKED_AT: Final = 1_000
"""Payments of a bill that are looked up, spread over it."""


class BillDoubtful(Refused):
    """A bill that looks like somebody else's; nothing of it was taken."""

    code = "bill-doubtful"
    title = "The bill may not be this channel's, or not of this day"


@dataclass(frozen=True, slots=True)
class Compared:
    """A bill beside what is known here. `payments`: its number of them; `looked_at`: the ids of some, of
    which `known` are donations here; `ours`: donations of the channel on that day, `our_ids` some of theirs;
    `merchants`: whom the bill says it is of; `merchant`: whom the channel's settings name.
    """

    payments: int
    looked_at: Sequence[str]
    known: int
    ours: int
    our_ids: Sequence[str]
    merchants: frozenset[str] = frozenset()
    merchant: str | None = None


def doubts(compared: Compared) -> list[str]:
    """What is odd about a bill, in words; empty: nothing is."""
    found: list[str] = []
    others = [each for each in sorted(compared.merchants) if not each.startswith(compared.merchant or "")]
    if others:
        found.append(f"It is of merchant {others[0]}; the channel's settings name {compared.merchant}.")
    looked_at = len(compared.looked_at)
    if looked_at >= MANY and compared.known < FEW * looked_at:
        found.append(f"Of {looked_at} payments looked at, {compared.known} are donations here.")
    elif compared.ours >= MANY and (
        compared.payments < FEW * compared.ours or (looked_at and not compared.known)
    ):
        found.append(f"It has {compared.payments} payments, of which {compared.known} are here; the day has")
        found[-1] += f" {compared.ours} donations of this channel."
    theirs, ours = _form(compared.looked_at), _form(compared.our_ids)
    if found and theirs and ours and theirs != ours:
        found.append(f"Its transaction ids have {theirs}, those of the channel's donations {ours}.")
    return found


def require_beyond_doubt(odd: Sequence[str]) -> None:
    """Raise BillDoubtful when anything is odd."""
    if odd:
        raise BillDoubtful(
            f"{' '.join(odd)} Nothing was taken. Look at the file; if it is right all the same, send it again"
            " with confirmed=true and a new Idempotency-Key.",
            fields=["body"],
            doubts=list(odd),
        )


def _form(ids: Iterable[str]) -> str | None:
    """What most of these look like."""
    forms = Counter(f"{len(each)} {'digits' if each.isdecimal() else 'characters'}" for each in ids)
    return forms.most_common(1)[0][0] if forms else None
