"""Bodies as channels send them, complete and right unless a test says otherwise."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from shared.events import Event, EventData
from shared.events.campaigns import CampaignData

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


PEOPLE = {
    "admin": ["administrator"],
    "desk": ["desk"],
    "viewer": ["viewer"],
    "finance": ["finance"],
    "moderator": ["moderator"],
    "approver": ["approver"],
}


def write_operators(path: Path) -> Path:
    """Write the file that a service reads these people from."""
    people = [
        {"person": person, "roles": roles, "token_sha256": hashlib.sha256(token(person).encode()).hexdigest()}
        for person, roles in PEOPLE.items()
    ]
    path.write_text(json.dumps(people))
    return path


def token(person: str) -> str:
    return f"token-of-{person}"


def bearer(person: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token(person)}"}


def commanding(person: str = "admin") -> dict[str, str]:
    """The headers of a command: who sends it, and a new Idempotency-Key."""
    return bearer(person) | {"idempotency-key": uuid4().hex}


def campaign_data(campaign_id: str, **changes: Any) -> CampaignData:
    """A filed gala as its events show it."""
    values: dict[str, Any] = {
        "campaign_id": campaign_id,
        "kind": "gala",
        "title": "慈善晚会",
        "organisation": "苏州市慈善总会",
        "licence": "53320500509190000A",
        "filing_number": "53320500509190000A27001",
        "purpose": "助学",
        "goal_fen": 1_000_000,
        "window_start": OCCURRED_AT - timedelta(days=1),
        "window_end": OCCURRED_AT + timedelta(days=1),
        "contact": "0512-00000000",
        "query_method": "慈善中国",
        "changed_at": OCCURRED_AT,
    }
    return CampaignData.model_validate(values | changes)


class Campaigns:
    """Makes campaign events as the campaign service does: one source, its sequences without gaps."""

    def __init__(self, partition: int = 0) -> None:
        self.source = f"campaign/{partition}"
        self._sequence = 0

    def event(
        self,
        event_class: type[Event],
        campaign_id: str,
        changed_at: datetime = OCCURRED_AT,
        **changes: Any,
    ) -> Event:
        data = campaign_data(campaign_id, changed_at=changed_at, **changes)
        return self.of(event_class, campaign_id, data, changed_at)

    def of(self, event_class: type[Event], subject: str, data: EventData, time: datetime) -> Event:
        """The next event of this source."""
        self._sequence += 1
        previous = self._sequence - 1 or None
        return event_class.at(self.source, self._sequence, previous, subject=subject, time=time, data=data)
