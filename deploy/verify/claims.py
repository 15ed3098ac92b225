"""What each place says a campaign's number is, and the positions it says it for."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any, Final

import asyncpg
import httpx

from deploy.local.problems import StackProblem
from deploy.screen import frames
from deploy.verify.ledger import read_ledger
from deploy.verify.places import Places
from deploy.verify.progress import Progress
from deploy.verify.records import SpendingRow, campaign_event
from deploy.verify.workbook import Evidence, Sums, Workbook

REPORTING: Final = "reporting database"
CAMPAIGN: Final = "campaign database"
LEDGER: Final = "ledger"
TOTALS: Final = "GET totals"
STREAM: Final = "stream"
ANSWER_S: Final = 10.0
AT_ONCE: Final = 8
PAGE: Final = 10_000
STATEMENT_S: Final = 300.0
OF_FUNDS: Final = frozenset({"transferred_in_fen", "transferred_out_fen"})
"""What only the campaign service says: the public total does not change when money changes its fund."""

OF_GOODS: Final = ("goods_received_fen", "goods_distributed_fen", "goods_written_off_fen")
"""Goods given in kind, at their values: less what went back to donors, and what came back from uses."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One campaign's number at one place. `by_source`: the parts it is the sum of, where the place has them;
    `spending`: the evidence that what it says of promised and disbursed is compared with; `unsaid`: the names
    of amounts that it does not have.
    """

    place: str
    campaign_id: str
    sums: Sums
    positions: Mapping[str, int]
    by_source: Mapping[str, Sums] = field(default_factory=dict)
    spending: Evidence = Evidence.CAMPAIGN_EVENTS
    unsaid: frozenset[str] = frozenset()
    digest: str | None = None
    version: int | None = None
    tree: "Tree | None" = None


@dataclass(frozen=True, slots=True)
class Tree:
    """What a place says of a campaign with its parts together: their sums, and the digest over theirs."""

    parts: tuple[str, ...]
    sums: Sums
    digest: str


@dataclass(frozen=True, slots=True)
class Silent:
    """A place that did not say a number it should know."""

    place: str
    campaign_id: str
    reason: str


def digest_of(campaign_id: str, positions: Mapping[str, int], sums: Sums) -> str:
    """The digest that a number is published with (described in services/reporting/proof.py)."""
    claim = {
        "campaign_id": campaign_id,
        "disbursed_fen": sums.disbursed_fen,
        "donations": sums.donations,
        "positions": dict(positions),
        "promised_fen": sums.promised_fen,
        "received_fen": sums.received_fen,
        "reversed_fen": sums.reversed_fen,
    }
    if sums.returned_fen:
        claim["returned_fen"] = sums.returned_fen
    return _sha256(claim)


def tree_digest_of(campaign_id: str, digests: Mapping[str, str]) -> str:
    """The digest of a campaign with its parts, over the digest of each by its id."""
    return _sha256({"campaign_id": campaign_id, "digests": dict(digests)})


def _sha256(claim: Mapping[str, Any]) -> str:
    text = json.dumps(claim, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- the screen


async def screen_claims(places: Places, campaigns: Sequence[str]) -> list[Claim | Silent]:
    """The first frame of each campaign's stream, and the answer of GET totals."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def asked(client: httpx.AsyncClient, campaign_id: str) -> list[Claim | Silent]:
        async with at_once:
            return [
                await _from_stream(client, places, campaign_id),
                await _from_totals(client, places, campaign_id),
            ]

    async with httpx.AsyncClient(timeout=ANSWER_S) as client:
        answers = await asyncio.gather(*(asked(client, campaign_id) for campaign_id in campaigns))
    return [claim for answer in answers for claim in answer]


async def _from_stream(client: httpx.AsyncClient, places: Places, campaign_id: str) -> Claim | Silent:
    url = f"{places.reporting_url}/v1/campaigns/{campaign_id}/stream"
    try:
        async with asyncio.timeout(ANSWER_S):
            async for frame in frames(client, url):
                if frame.kind == "snapshot":
                    return _claim(STREAM, campaign_id, frame.data)
    except (httpx.HTTPError, TimeoutError) as error:
        return Silent(STREAM, campaign_id, _reason(error))
    return Silent(STREAM, campaign_id, "it ended without a snapshot")


async def _from_totals(client: httpx.AsyncClient, places: Places, campaign_id: str) -> Claim | Silent:
    try:
        answer = await client.get(f"{places.reporting_url}/v1/campaigns/{campaign_id}/totals")
        answer.raise_for_status()
        return _claim(TOTALS, campaign_id, answer.json())
    except (httpx.HTTPError, ValueError) as error:
        return Silent(TOTALS, campaign_id, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"answers {error.response.status_code}"
    return f"does not answer ({type(error).__name__})"


def _claim(place: str, campaign_id: str, said: Mapping[str, Any]) -> Claim:
    return Claim(
        place,
        campaign_id,
        _sums(said),
        said["positions"],
        unsaid=OF_FUNDS,
        digest=said["digest"],
        version=said["version"],
        tree=_tree(said.get("tree")),
    )


def _sums(said: Mapping[str, Any]) -> Sums:
    names = (
        "received_fen",
        "reversed_fen",
        "promised_fen",
        "disbursed_fen",
        "returned_fen",
        "donations",
        *OF_GOODS,
    )
    return Sums(**{name: said[name] for name in names})


def _tree(said: Mapping[str, Any] | None) -> Tree | None:
    """The tree of an answer of GET totals; a stream tells the first parts only, and is no claim of all."""
    if said is None or "total" not in said:
        return None
    parts = tuple(part["campaign_id"] for part in said["parts"])
    return Tree(parts, _sums(said["total"]), said["digest"])


# ---------------------------------------------------------------- the databases


_REPORTING_SUMS: Final = """
SELECT campaign_id, source, sum(received_fen)::bigint, sum(reversed_fen)::bigint, 0::bigint, 0::bigint,
       sum(donations)::bigint
FROM campaign_totals GROUP BY campaign_id, source
"""
_CAMPAIGN_SUMS: Final = """
SELECT campaign_id, source, received_fen, reversed_fen, 0::bigint, 0::bigint, donations FROM fund_receipts
"""
_MINUTES: Final = """
SELECT campaign_id, sum(received_fen)::bigint, sum(reversed_fen)::bigint, sum(donations)::bigint
FROM minute_totals GROUP BY campaign_id
"""
_REPORTING_SPENDING: Final = """
SELECT c.campaign_id,
       coalesce((SELECT sum(amount_fen) FROM pledges p WHERE p.campaign_id = c.campaign_id), 0)::bigint,
       coalesce((SELECT sum(amount_fen) FROM disbursements d WHERE d.campaign_id = c.campaign_id), 0)::bigint
FROM campaigns c
"""
_CAMPAIGN_SPENDING: Final = """
SELECT c.campaign_id,
       coalesce((SELECT sum(amount_fen) FROM pledges p
                 WHERE p.campaign_id = c.campaign_id AND p.state IN ('confirmed', 'released')), 0)::bigint,
       coalesce((SELECT sum(amount_fen) FROM disbursements d
                 WHERE d.campaign_id = c.campaign_id AND d.state = 'paid'), 0)::bigint
FROM campaigns c
"""
_CAMPAIGN_TRANSFERS: Final = """
SELECT campaign_id, sum(in_fen)::bigint, sum(out_fen)::bigint
FROM (SELECT to_campaign_id AS campaign_id, amount_fen AS in_fen, 0 AS out_fen FROM fund_transfers
      WHERE state = 'approved' AND to_campaign_id IS NOT NULL
      UNION ALL SELECT from_campaign_id, 0, amount_fen FROM fund_transfers WHERE state = 'approved') AS sides
GROUP BY campaign_id
"""
_RETURNS: Final = """
SELECT campaign_id, sum(returned_fen)::bigint FROM disbursements GROUP BY campaign_id
"""
_REPORTING_GOODS: Final = """
SELECT campaign_id,
       sum(CASE kind WHEN 'received' THEN value_fen WHEN 'reversed' THEN -value_fen ELSE 0 END)::bigint,
       sum(CASE kind WHEN 'distributed' THEN value_fen WHEN 'returned' THEN -value_fen ELSE 0 END)::bigint,
       sum(CASE kind WHEN 'written_off' THEN value_fen ELSE 0 END)::bigint
FROM goods_movements GROUP BY campaign_id
"""
_CAMPAIGN_GOODS: Final = """
SELECT campaign_id, sum(received_fen)::bigint, sum(distributed_fen)::bigint, sum(written_off_fen)::bigint
FROM (SELECT campaign_id, value_fen AS received_fen, 0 AS distributed_fen, 0 AS written_off_fen
      FROM goods_gifts WHERE state = 'confirmed'
      UNION ALL
      SELECT campaign_id, CASE kind WHEN 'reversal' THEN -value_fen ELSE 0 END,
             CASE kind WHEN 'distribution' THEN value_fen WHEN 'return' THEN -value_fen ELSE 0 END,
             CASE kind WHEN 'write_off' THEN value_fen ELSE 0 END
      FROM goods_movements WHERE state = 'done') AS goods
GROUP BY campaign_id
"""
_STORED: Final = "SELECT campaign_id, sum(left_fen)::bigint FROM goods_items GROUP BY campaign_id"
_MARKS: Final = "SELECT source, sequence FROM marks WHERE sequence >= 0"
_OUTBOX_HEADS: Final = "SELECT source, max(id) FROM outbox GROUP BY source"


class Books:
    """One read-only look into a service's database: a snapshot, however long it takes to read."""

    def __init__(self, places: Places, service: str) -> None:
        self._places = places
        self._service = service

    async def __aenter__(self) -> "asyncpg.Connection[asyncpg.Record]":
        try:
            self._connection = await asyncpg.connect(
                self._places.dsn(self._service),
                timeout=5,
                command_timeout=STATEMENT_S,
                server_settings={"application_name": "verify", "statement_timeout": "0"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise StackProblem(f"The {self._service} database does not let us in: {error}.") from error
        self._transaction = self._connection.transaction(isolation="repeatable_read", readonly=True)
        await self._transaction.start()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close(timeout=5)


async def reporting_claims(places: Places) -> tuple[list[Claim], list[str], list[str]]:
    """Reporting's number of every campaign; the campaigns that a screen can show; what does not add up
    inside this database.
    """
    async with Books(places, "reporting") as books:
        positions = await _positions(books, _MARKS)
        sums = [tuple(row) for row in await books.fetch(_REPORTING_SUMS)]
        spending = {row[0]: (row[1], row[2]) for row in await books.fetch(_REPORTING_SPENDING)}
        returned = dict(map(tuple, await books.fetch(_RETURNS)))
        minutes = {row[0]: tuple(row)[1:] for row in await books.fetch(_MINUTES)}
        goods = await _goods(books, _REPORTING_GOODS)
    claims = [
        replace(_stored(_returned(claim, returned), goods), unsaid=OF_FUNDS)
        for claim in _claims(REPORTING, sums, spending, positions, Evidence.CAMPAIGN_EVENTS)
    ]
    uneven = [
        f"the minutes of {claim.campaign_id} make {found[0] - found[1]} fen of {found[2]} donations"
        for claim in claims
        if (found := minutes.get(claim.campaign_id, (0, 0, 0)))
        != (claim.sums.received_fen, claim.sums.reversed_fen, claim.sums.donations)
    ]
    return claims, sorted(spending), uneven


async def campaign_claims(places: Places, workbook: Workbook) -> tuple[list[Claim], list[tuple[str, str]]]:
    """The campaign service's number of every campaign, and its ledger's; where and what does not hold in the
    ledger itself. The outbox goes into the workbook.
    """
    async with Books(places, "campaign") as books:
        moved = {row[0]: (row[1], row[2]) for row in await books.fetch(_CAMPAIGN_TRANSFERS)}
        returned = dict(map(tuple, await books.fetch(_RETURNS)))
        positions = await _positions(books, _MARKS) | await _positions(books, _OUTBOX_HEADS)
        sums = [tuple(row) for row in await books.fetch(_CAMPAIGN_SUMS)]
        spending = {row[0]: (row[1], row[2]) for row in await books.fetch(_CAMPAIGN_SPENDING)}
        goods = await _goods(books, _CAMPAIGN_GOODS)
        stored_fen = {row[0]: row[1] for row in await books.fetch(_STORED)}
        await _read_outbox(books, workbook)
        ledger = await read_ledger(books)
    claims = _claims(CAMPAIGN, sums, spending, positions, Evidence.OUTBOX)
    claims = [_stored(_returned(_moved(claim, moved), returned), goods) for claim in claims]
    posted = [
        (campaign_id, source, *astuple(part))
        for campaign_id, parts in ledger.parts.items()
        for source, part in parts.items()
    ]
    every = {claim.campaign_id for claim in claims}
    every |= ledger.spent_fen.keys() | ledger.moved_fen.keys() | ledger.goods.keys()
    spent = {campaign_id: (0, ledger.spent_fen.get(campaign_id, 0)) for campaign_id in every}
    booked = _claims(LEDGER, posted, spent, positions, Evidence.OUTBOX)
    claims += [
        replace(
            _stored(_returned(_moved(claim, ledger.moved_fen), ledger.returned_fen), ledger.goods),
            unsaid=frozenset({"promised_fen"}),
        )
        for claim in booked
    ]
    for campaign_id in sorted({*stored_fen, *ledger.stored_fen}):
        lies_fen, posted_fen = stored_fen.get(campaign_id, 0), ledger.stored_fen.get(campaign_id, 0)
        if lies_fen != posted_fen:
            what = f"has {posted_fen} fen of goods in store, the store has {lies_fen}"
            ledger.broken.append((campaign_id, what))
    return claims, ledger.broken


async def _goods(books: "asyncpg.Connection[asyncpg.Record]", statement: str) -> dict[str, dict[str, int]]:
    """Amounts of goods by campaign, from rows of (campaign_id, received, distributed, written off)."""
    rows = [tuple(row) for row in await books.fetch(statement)]
    return {row[0]: dict(zip(OF_GOODS, row[1:], strict=True)) for row in rows}


def _stored(claim: Claim, goods: Mapping[str, Mapping[str, int]]) -> Claim:
    """The claim with its goods, of the place that says them."""
    return replace(claim, sums=replace(claim.sums, **goods.get(claim.campaign_id, {})))


def _moved(claim: Claim, moved: Mapping[str, tuple[int, int]]) -> Claim:
    """The claim with what was transferred in and out, in fen; of the place that says it."""
    in_fen, out_fen = moved.get(claim.campaign_id, (0, 0))
    return replace(claim, sums=replace(claim.sums, transferred_in_fen=in_fen, transferred_out_fen=out_fen))


def _returned(claim: Claim, returned_fen: Mapping[str, int]) -> Claim:
    """The claim with what came back of the disbursed, in fen; of the place that says it."""
    sums = replace(claim.sums, returned_fen=returned_fen.get(claim.campaign_id, 0))
    return replace(claim, sums=sums)


async def _positions(books: "asyncpg.Connection[asyncpg.Record]", statement: str) -> dict[str, int]:
    return {row[0]: row[1] for row in await books.fetch(statement)}


def _claims(
    place: str,
    rows: Sequence[Sequence[Any]],
    spending: Mapping[str, tuple[int, int]],
    positions: Mapping[str, int],
    evidence: Evidence,
) -> list[Claim]:
    """Claims from rows of (campaign_id, source, received, reversed, 0, 0, donations)."""
    parts: dict[str, dict[str, Sums]] = {campaign_id: {} for campaign_id in spending}
    for campaign_id, source, *amounts in rows:
        parts.setdefault(campaign_id, {})[source] = Sums(*amounts)
    return [
        Claim(
            place,
            campaign_id,
            Sums(
                sum(part.received_fen for part in by_source.values()),
                sum(part.reversed_fen for part in by_source.values()),
                *spending.get(campaign_id, (0, 0)),
                sum(part.donations for part in by_source.values()),
            ),
            positions,
            by_source,
            evidence,
        )
        for campaign_id, by_source in sorted(parts.items())
    ]


async def _read_outbox(books: "asyncpg.Connection[asyncpg.Record]", workbook: Workbook) -> None:
    rows: list[SpendingRow] = []
    async for value in books.cursor("SELECT value FROM outbox ORDER BY id", prefetch=1_000):
        rows += campaign_event(value[0])[0]
    workbook.add_spending(Evidence.OUTBOX, rows)


_BOOKED: Final = (
    """
    SELECT campaign_id, source, sequence, amount_fen, 0::bigint FROM donations WHERE held_reason IS NULL
    """,
    """
    SELECT d.campaign_id, r.source, r.sequence, d.amount_fen, 0::bigint
    FROM releases r JOIN donations d USING (donation_id)
    """,
    """
    SELECT d.campaign_id, r.source, r.sequence, 0::bigint, r.amount_fen
    FROM reversals r JOIN donations d USING (donation_id) WHERE r.status = 'applied'
    """,
)
_WRONG_STATUS: Final = """
SELECT d.source || ':' || d.sequence FROM donations d LEFT JOIN releases r USING (donation_id)
WHERE (d.status = 'received') <> (d.held_reason IS NULL OR r.donation_id IS NOT NULL) LIMIT 10
"""


async def read_donation_database(places: Places, workbook: Workbook, progress: Progress) -> list[str]:
    """Every movement of money that the donation service has booked, into the workbook; gives back the
    positions of donations whose status denies what happened to them.
    """
    async with Books(places, "donation") as books:
        total = await books.fetchval("SELECT reltuples::bigint FROM pg_class WHERE relname = 'donations'")
        read = 0
        for statement in _BOOKED:
            cursor = await books.cursor(statement)
            while rows := await cursor.fetch(PAGE):
                workbook.add_facts(Evidence.DONATION_DATABASE, map(tuple, rows))
                read += len(rows)
                progress("reading the donation database", read, max(total, read))
        return [row[0] for row in await books.fetch(_WRONG_STATUS)]
