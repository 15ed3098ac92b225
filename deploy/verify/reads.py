"""What `shanliu verify` reads of the services' databases, and all that its roles there may read.

By service and table the columns; a table without columns is read whole. Of donations neither donor, contact
nor message; of the campaign service the ledger whole, because its hashes are over all of it.
"""

from collections.abc import Mapping
from typing import Final

Reads = Mapping[str, tuple[str, ...]]

WHOLE: Final = ()

READS: Final[Mapping[str, Reads]] = {
    "donation": {
        "donations": (
            "donation_id",
            "campaign_id",
            "source",
            "sequence",
            "amount_fen",
            "held_reason",
            "status",
        ),
        "releases": ("donation_id", "source", "sequence"),
        "reversals": ("donation_id", "source", "sequence", "amount_fen", "status"),
    },
    "campaign": {
        "campaigns": ("campaign_id",),
        "disbursements": ("campaign_id", "amount_fen", "returned_fen", "state"),
        "fund_receipts": ("campaign_id", "source", "received_fen", "reversed_fen", "donations"),
        "fund_transfers": ("from_campaign_id", "to_campaign_id", "amount_fen", "state"),
        "goods_gifts": ("campaign_id", "value_fen", "state"),
        "goods_items": ("campaign_id", "left_fen"),
        "goods_movements": ("campaign_id", "kind", "value_fen", "state"),
        "ledger_entries": WHOLE,
        "ledger_journals": WHOLE,
        "ledger_postings": WHOLE,
        "marks": ("source", "sequence"),
        "outbox": ("id", "source", "key", "value"),
        "pledges": ("campaign_id", "amount_fen", "state"),
    },
    # Whole: a rebuild puts other tables in their place, with the rights that these had (beside.py).
    "reporting": {
        "campaign_totals": WHOLE,
        "campaigns": WHOLE,
        "disbursements": WHOLE,
        "goods_movements": WHOLE,
        "marks": WHOLE,
        "minute_totals": WHOLE,
        "organisations": WHOLE,
        "pledges": WHOLE,
    },
}
PROVED: Final = tuple(READS)
"""The services whose databases a proof reads."""
