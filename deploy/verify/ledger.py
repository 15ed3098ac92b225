"""The campaign service's ledger, read again from its first entry: chains, balance, and each fund.

The encoding that is hashed is written out here once more, after docs/decisions/0009-ledger.md.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from deploy.verify.workbook import Sums

INCOME: Final = "410101"
"""捐赠收入—限定性收入: credited by donations, debited by what goes back."""
COSTS: Final = frozenset({"5101", "5201", "5301"})
"""业务活动成本, 管理费用, 筹资费用: debited by payments, credited by what comes back of them."""
NET_ASSETS: Final = "3102"
"""限定性净资产: with a campaign, debited where a transfer leaves and credited where it goes to."""
TRUSTS: Final = "510109"
"""业务活动成本—设立慈善信托: debited where a transfer leaves the books."""
STORE: Final = "1201"
"""存货: goods in the store, at their values."""
GOODS: Final = {
    "410103": ("goods_received_fen", -1),
    "510101": ("goods_distributed_fen", 1),
    "520101": ("goods_written_off_fen", 1),
}
"""实物捐赠收入, 物资发放, 存货损失: what each is, and the sign of a debit there."""

_ENTRIES: Final = """
SELECT e.*, (SELECT json_agg(json_build_object('account', p.account, 'campaign_id', p.campaign_id,
                                               'side', p.side, 'amount_fen', p.amount_fen) ORDER BY p.line)
             FROM ledger_postings p WHERE p.journal = e.journal AND p.sequence = e.sequence) AS postings
FROM ledger_entries e ORDER BY e.journal, e.sequence
"""
_HEADS: Final = "SELECT journal, sequence, hash FROM ledger_journals"
_STRAY: Final = """
SELECT p.journal || ':' || p.sequence
FROM ledger_postings p LEFT JOIN ledger_entries e USING (journal, sequence)
WHERE e.journal IS NULL OR e.booked_on <> p.booked_on LIMIT 10
"""


@dataclass(slots=True)
class Ledger:
    """What the ledger says. `parts`: by campaign and source; `spent_fen`, `returned_fen`: by campaign;
    `moved_fen`: what was transferred in and out, by campaign; `goods`: amounts of goods by campaign;
    `stored_fen`: what lies in the store, by campaign; `broken`: where and what, of every journal that does
    not hold and of what is not balanced.
    """

    parts: dict[str, dict[str, Sums]] = field(default_factory=lambda: defaultdict(dict))
    spent_fen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    returned_fen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    moved_fen: dict[str, tuple[int, int]] = field(default_factory=dict)
    goods: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    stored_fen: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    broken: list[tuple[str, str]] = field(default_factory=list)


async def read_ledger(books: "asyncpg.Connection[asyncpg.Record]") -> Ledger:
    """Walk every journal in the caller's transaction; of each, the first place that does not hold is told."""
    ledger = Ledger()
    heads = {row[0]: (row[1], bytes(row[2])) for row in await books.fetch(_HEADS)}
    ends: dict[str, tuple[int, bytes]] = {}
    torn: set[str] = set()
    surplus: defaultdict[str | None, int] = defaultdict(int)
    async for record in books.cursor(_ENTRIES, prefetch=1_000):
        row = dict(record)
        postings = json.loads(row["postings"] or "[]")
        last, digest = ends.get(row["journal"], (0, bytes(32)))
        what = _fault(last, digest, row, postings)
        if what and row["journal"] not in torn:
            torn.add(row["journal"])
            ledger.broken.append((f"{row['journal']}:{min(last + 1, row['sequence'])}", what))
        ends[row["journal"]] = (row["sequence"], bytes(row["hash"]))
        for posting in postings:
            sign = 1 if posting["side"] == "debit" else -1
            surplus[posting["campaign_id"]] += sign * posting["amount_fen"]
        _add(ledger, row, postings)
    for journal in sorted({*heads, *ends} - torn):
        if heads.get(journal) != ends.get(journal, (0, bytes(32))):
            ledger.broken.append((f"{journal}", "does not end with the entry its head names"))
    ledger.broken += [
        (row[0], "postings without their entry, or of another day") for row in await books.fetch(_STRAY)
    ]
    ledger.broken += [
        ("trial balance", f"{fen} fen more debit than credit for {campaign_id or 'no campaign'}")
        for campaign_id, fen in surplus.items()
        if fen
    ]
    return ledger


def _fault(last: int, previous: bytes, row: Mapping[str, Any], postings: list[dict[str, Any]]) -> str | None:
    if row["sequence"] != last + 1:
        return "is missing"
    said = {name: _plain(value) for name, value in row.items() if name not in {"hash", "postings"}}
    said["postings"] = [
        {name: value for name, value in line.items() if value is not None} for line in postings
    ]
    told = {name: value for name, value in said.items() if value is not None}
    encoded = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    if hashlib.sha256(previous + encoded).digest() != bytes(row["hash"]):
        return "its hash is not that of its content and the entry before it"
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value if value is None or isinstance(value, int | str) else str(value)


def _add(ledger: Ledger, row: Mapping[str, Any], postings: list[dict[str, Any]]) -> None:
    counted = False
    for posting in postings:
        campaign_id, account, fen = posting["campaign_id"], posting["account"], posting["amount_fen"]
        if campaign_id is None:
            continue
        debit = posting["side"] == "debit"
        if account in COSTS:
            ledger.spent_fen[campaign_id] += fen if debit else 0
            ledger.returned_fen[campaign_id] += 0 if debit else fen
        elif account in {NET_ASSETS, TRUSTS}:
            in_fen, out_fen = ledger.moved_fen.get(campaign_id, (0, 0))
            ledger.moved_fen[campaign_id] = (in_fen, out_fen + fen) if debit else (in_fen + fen, out_fen)
        elif account == STORE:
            ledger.stored_fen[campaign_id] += fen if debit else -fen
        elif account in GOODS:
            name, sign = GOODS[account]
            ledger.goods[campaign_id][name] += sign * (fen if debit else -fen)
        elif account == INCOME:
            source = row["source"] or ""
            part = ledger.parts[campaign_id].get(source, Sums())
            ledger.parts[campaign_id][source] = replace(
                part,
                received_fen=part.received_fen + (0 if debit else fen),
                reversed_fen=part.reversed_fen + (fen if debit else 0),
                donations=part.donations + (0 if counted else row["donations"] or 0),
            )
            counted = True
