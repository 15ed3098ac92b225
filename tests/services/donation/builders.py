"""Bodies as channels send them, complete and right unless a test says otherwise."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

OCCURRED_AT = (datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)

MISSING: Any = object()
"""As the value of a field: the field is left out."""


def new_id(kind: str = "t") -> str:
    return f"{kind}-{uuid4().hex[:16]}"


def a_donor(**changes: Any) -> dict[str, Any]:
    return _changed({"kind": "person", "display": "name", "name": "王小明"}, changes)


def a_donation(**changes: Any) -> dict[str, Any]:
    """100 yuan for the gala from a person who agrees to be named; each with an id of its own."""
    donation = {
        "transaction_id": new_id(),
        "campaign_id": "gala",
        "amount_fen": 10_000,
        "currency": "CNY",
        "occurred_at": OCCURRED_AT.isoformat(),
        "donor": a_donor(),
    }
    return _changed(donation, changes)


def a_reversal(transaction_id: str, /, **changes: Any) -> dict[str, Any]:
    """A refund of 1 yuan."""
    reversal = {
        "type": "reversal",
        "reversal_id": new_id("r"),
        "transaction_id": transaction_id,
        "kind": "refund",
        "amount_fen": 100,
        "occurred_at": OCCURRED_AT.isoformat(),
    }
    return _changed(reversal, changes)


def as_json(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _changed(body: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in (body | changes).items() if value is not MISSING}
