"""What operators ask about receipts' mails: what donors read, and what became of one.

| who (role) | may |
| --- | --- |
| viewer, desk, finance | read both |
"""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.receipts import queries
from services.notification.receipts.letters import Kind, ReceiptMail, compose
from shared.access import require
from shared.strict_json import StrictJsonRoute

NUMBER: Final = r"^[A-Z][A-Z0-9]{1,11}-2[01][0-9]{2}-[0-9]{7}$"
READING: Final = [Depends(require("viewer", "desk", "finance"))]
_SAMPLE_SENT: Final = datetime(2027, 1, 4, 2, 1, tzinfo=UTC)


class Mail(BaseModel):
    """One mail. `state`: waiting (its address has not come yet), pending, sending, retry, delivered, failed
    or uncertain (the server may have taken it: it is not sent again by itself). Times in UTC.
    """

    mail_id: UUID
    kind: Kind
    number: str
    replaces: str | None
    at: datetime
    state: str
    attempts: int
    reason: str | None
    changed_at: datetime


class Mails(BaseModel):
    """None: the donor left no mail address, or there is no such receipt."""

    mails: list[Mail]


class MailPreview(BaseModel):
    """The mail as donors read it, filled in with nobody's data; Chinese and English in one."""

    kind: Kind
    subject: str
    text: str
    html: str


def create_router(engine: AsyncEngine) -> APIRouter:
    """/v1/receipt-mails …"""
    router = APIRouter(prefix="/v1", tags=["receipts"], route_class=StrictJsonRoute)

    @router.get("/receipt-mails/preview", summary="What donors read about receipts", dependencies=READING)
    async def preview_receipt_mail(kind: Kind = Kind.ISSUED) -> MailPreview:
        """Of a receipt that is issued, issued in the place of another, or voided."""
        return _preview(kind)

    @router.get(
        "/receipt-mails/{number}", summary="What became of the mails about a receipt", dependencies=READING
    )
    async def show_receipt_mails(
        number: Annotated[str, Path(pattern=NUMBER, description="Such as SZCS-2027-0000123")],
    ) -> Mails:
        """The mail that told of its issue, and the one that told that it is void."""
        async with engine.connect() as connection:
            rows = await queries.of_receipt(connection, number)
        return Mails(mails=[Mail.model_validate(row, from_attributes=True) for row in rows])

    return router


def _preview(kind: Kind) -> MailPreview:
    sample = ReceiptMail(
        mail_id=UUID("6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b31"),
        kind=kind,
        number="SZCS-2027-0000124",
        replaces="SZCS-2027-0000123" if kind is Kind.REPLACED else None,
        organisation="某某市慈善总会",
        licence="慈证字第 1 号",
        purpose="第六届新年慈善晚会",
        amount_fen=123_456,
        check_address="https://charity.example.org/receipts/check?number=SZCS-2027-0000124&code=0123456789ABCDEF",
        at=datetime(2027, 1, 4, 2, tzinfo=UTC),
        name="王小明",
    )
    sender = Address(addr_spec="thanks@example.org")
    mail = message_from_bytes(compose(sample, sender, "you@example.org", _SAMPLE_SENT), policy=policy.default)
    parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
    return MailPreview(
        kind=kind, subject=str(mail["Subject"]), text=parts["text/plain"], html=parts["text/html"]
    )
