"""Looks the whole ledger through: every chain, the trial balance, every fund against the guardrail's
tables, and every store of goods against its own.
"""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.ledger import chain, queries
from services.campaign.ledger.schemas import Break, Check, JournalHead
from shared import hash_chain

PAGE: Final = 500
"""Entries read at once: some milliseconds of hashing between two looks at other requests."""


async def check(connection: AsyncConnection) -> Check:
    """Check everything at one moment; the caller's transaction must be REPEATABLE READ."""
    heads = await queries.heads(connection)
    seen, broken = 0, None
    for head in heads:
        entries, broken = await _follow(connection, head)
        seen += entries
        if broken is not None:
            break
    if broken is None and (stray := await queries.stray(connection)) is not None:
        broken = Break(journal=stray[0], sequence=stray[1], what="belongs to nothing that is booked")
    positions = {head.journal: 2**63 - 1 for head in heads}
    lines = await queries.sums(connection, positions, campaign_id=None, day=None)
    difference_fen = sum(line.debit_fen - line.credit_fen for line in lines)
    unequal = await queries.unequal_funds(connection)
    stores = await queries.unequal_stores(connection)
    return Check(
        exact=broken is None and difference_fen == 0 and not unequal and not stores,
        entries=seen,
        broken=broken,
        difference_fen=difference_fen,
        unequal_funds=unequal,
        unequal_stores=stores,
        heads=heads,
    )


async def _follow(connection: AsyncConnection, head: JournalHead) -> tuple[int, Break | None]:
    """Walk one chain to its head: how many entries there were, and the first place where it does not hold."""
    sequence, digest = 0, hash_chain.NO_HASH
    async for row in queries.walk(connection, head.journal, PAGE):
        what = fault(sequence, digest, row)
        if what is not None:
            wanted = min(row["sequence"], sequence + 1)
            return sequence, Break(journal=head.journal, sequence=wanted, what=what)
        sequence, digest = row["sequence"], bytes(row["hash"])
    if (sequence, digest.hex()) != (head.sequence, head.hash):
        what = f"the journal's head says {head.sequence}, its entries end at {sequence}"
        return sequence, Break(journal=head.journal, sequence=min(sequence, head.sequence) + 1, what=what)
    return sequence, None


def fault(last: int, previous: bytes, row: Mapping[str, Any]) -> str | None:
    """What is wrong with the entry that comes after number `last` with hash `previous`; None: nothing."""
    if row["sequence"] != last + 1:
        return "is missing" if row["sequence"] > last + 1 else "has no place in the journal"
    if chain.next_hash(previous, row, row["postings"]) != bytes(row["hash"]):
        return "its hash is not that of its content and the entry before it"
    return None if row["in_order"] else "its postings have another day or other lines"
