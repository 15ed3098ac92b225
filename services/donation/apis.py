"""What the donation service answers over HTTP: the routes of all its rooms. Only a process with the role
`api` loads them: their models are a fifth of what its start costs.
"""

from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import api, intake_openapi
from services.donation.casework import api as casework
from services.donation.channels import api as channels
from services.donation.dead_letters import api as dead_letters
from services.donation.desk import api as desk
from services.donation.intake_api import IntakeApi
from services.donation.moderation import api as moderation
from services.donation.privacy import api as privacy
from services.donation.receipts import api as receipts
from services.donation.receipts.checking import admission, checking_router
from services.donation.reconciliation import api as reconciliation
from services.donation.schemes import notices_openapi
from services.donation.schemes.notices_api import NoticesApi
from services.donation.statements import api as statements
from services.donation.trace.tracing import tracing_router

__all__ = [
    "TAGS",
    "IntakeApi",
    "NoticesApi",
    "api",
    "casework",
    "channels",
    "dead_letters",
    "describe_ahead",
    "desk",
    "moderation",
    "privacy",
    "receipts",
    "reconciliation",
    "routers",
    "statements",
]

TAGS: Final = {
    "intake": "Donations and reversals from signed channels: 202 only when the broker has them.",
    "channels": "The channels that may send donations, each with its secret, its limit and its topic.",
    "donations": "Where a donation stands, for whoever knows its id.",
    "casework": "Single donations: found, looked into, taken back, let go on or refused; conflicts resolved.",
    "desk": "Money in hand in the hall: entries, taking them back in time, drawers and what is in them.",
    "messages": "What donors wrote (寄语): the queue, decisions about it, the word list and the rules.",
    "reconciliation": "The channels' bills of each day against our donations, and what differs.",
    "statements": "Files of channels: uploaded, checked, confirmed by a person, imported once.",
    "personal data": "What is known of a donor, given out or erased at the donor's request.",
    "dead letters": "Records that could not be used: looked at, sent again, set aside.",
}


def routers(receipts_engine: AsyncEngine) -> list[APIRouter]:
    """In the order in which the API's description names them."""
    return [
        channels.router,
        casework.router,
        privacy.router,
        api.router,
        dead_letters.router,
        *_public(receipts_engine),
        receipts.router,
        reconciliation.router,
        desk.router,
        moderation.router,
        statements.router,
    ]


def describe_ahead(description: dict[str, Any]) -> None:
    """Add the routes that stand ahead of FastAPI to what it says of itself."""
    intake_openapi.document(description)
    notices_openapi.document(description)


def _public(engine: AsyncEngine) -> list[APIRouter]:
    """What anyone may ask of a receipt, within one limit; ahead of what people with a role may ask."""
    admit = admission()
    return [checking_router(engine, admit), tracing_router(engine, admit)]
