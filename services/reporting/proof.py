"""How a number proves itself: its version and its digest.

Whoever wants to check a total recomputes the digest without this code:

1. `positions` says, for every source, the sequence of the last event counted: {"intake.alipay/0": 1041, …}.
   A source is an intake topic's partition (sequence = offset) or "campaign/<partition>" (sequence = the row
   of the campaign service's outbox).
2. Add up, over the events of those sources up to and including these sequences, what belongs to the campaign:
   received, reversed, promised, disbursed and returned fen, and the number of donations received.
3. Write {"campaign_id", "disbursed_fen", "donations", "positions", "promised_fen", "received_fen",
   "reversed_fen"} as canonical JSON (RFC 8785: keys sorted at every level, no white space, integers as they
   are), encode it as UTF-8 and take SHA-256, in lower-case hexadecimal. In Python:
   json.dumps(it, sort_keys=True, separators=(",", ":"), ensure_ascii=False), then hashlib.sha256.
   "returned_fen" (what came back of the disbursed) is in it, too, where it is not 0.

An organisation's number is proved in the same way: `organisation_id` stands in the place of `campaign_id`,
and what is added up belongs to the campaigns whose newest event names the organisation, or one below it, as
their `organisation_id` (organisation.registered.v1 names the one above each). `returned_fen` is always
there.

The digest of a tree, a campaign with its parts, is SHA-256 over {"campaign_id", "digests"} in the same form:
`digests` has those of the campaign and of each part by their ids, all at the positions of the campaign.

Goods given in kind are no part of it: the digest proves money (`shanliu verify` recomputes goods as well).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from services.reporting.totals import Amounts

PROVED: Final = ("received_fen", "reversed_fen", "promised_fen", "disbursed_fen", "donations")
"""The amounts that the digest is over."""


def version_of(positions: Mapping[str, int]) -> int:
    """How far the projection has read: Σ(mark + 1) over all its sources.

    Marks only grow and every reading is one consistent snapshot, so of two readings the one with the larger
    version is the newer, and two with the same version read the same events.
    """
    return sum(sequence + 1 for sequence in positions.values())


def digest_of(campaign_id: str, positions: Mapping[str, int], amounts: Amounts) -> str:
    """SHA-256 (64 hexadecimal digits) over what is claimed and the positions it is claimed for."""
    return hashlib.sha256(canonical_claim(campaign_id, positions, amounts).encode()).hexdigest()


def canonical_claim(campaign_id: str, positions: Mapping[str, int], amounts: Amounts) -> str:
    """What is claimed, as the text that the digest is of."""
    claim: dict[str, object] = {
        "campaign_id": campaign_id,
        "positions": dict(positions),
        **{name: getattr(amounts, name) for name in PROVED},
    }
    if amounts.returned_fen:
        claim["returned_fen"] = amounts.returned_fen
    return _canonical(claim)


def organisation_digest(organisation_id: str, positions: Mapping[str, int], sums: Mapping[str, int]) -> str:
    """The same over what rolls up to an organisation; `sums` has PROVED and returned_fen."""
    proved = {name: sums[name] for name in (*PROVED, "returned_fen")}
    return _sha256({"organisation_id": organisation_id, "positions": dict(positions), **proved})


def tree_digest_of(campaign_id: str, digests: Mapping[str, str]) -> str:
    """SHA-256 (64 hexadecimal digits) over the digests of a campaign and of its parts, by their ids."""
    return _sha256({"campaign_id": campaign_id, "digests": dict(digests)})


def _sha256(claim: Mapping[str, object]) -> str:
    return hashlib.sha256(_canonical(claim).encode()).hexdigest()


def _canonical(claim: Mapping[str, object]) -> str:
    return json.dumps(claim, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
