"""What people do about donors' personal data: each function is one command, in its caller's transaction."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.privacy import erasing, queries
from services.donation.privacy.schemas import (
    MAX_DONATIONS,
    DonorContactData,
    DonorData,
    DonorExport,
    DonorsDonation,
    Erasure,
    ErasureBody,
    FoundDonations,
    ReceiptData,
    SoughtDonor,
)
from shared.refusals import NotFound, Refused
from shared.two_people import require_another

ELSEWHERE: Final = (
    "notification: where the donor is reached, until the message is delivered, seven days at most",
    "reporting: the name or message that the donor agreed to show, while it is among the newest",
    "Kafka: the records as the channel sent them, for as long as vouchers are kept; nobody is shown them",
)


class UnknownDonations(NotFound):
    """Ids of nothing."""

    code = "unknown-donation"
    title = "No donation has this id"


class AlreadyErased(Refused):
    """The same donor twice."""

    code = "already-erased"
    title = "The donor was erased before"


class AlreadyDecided(Refused):
    """A request is decided once."""

    code = "already-decided"
    title = "The request was decided before"


async def find(connection: AsyncConnection, person: str, sought: SoughtDonor) -> FoundDonations:
    """A donor's donations; the search is written down."""
    field, value = sought.by
    rows = await queries.find(connection, field, value, MAX_DONATIONS + 1)
    items = [DonorsDonation.model_validate(row) for row in rows[:MAX_DONATIONS]]
    await queries.note_look(connection, person, "find", field, [each.donation_id for each in items])
    return FoundDonations(items=items, more=len(rows) > MAX_DONATIONS)


async def export(connection: AsyncConnection, person: str, ids: list[UUID]) -> DonorExport:
    """All that is held of the donors of these donations; it is written down. Raises UnknownDonations."""
    rows = await queries.data_of(connection, ids)
    _require_all(ids, {row.donation_id for row in rows})
    receipts: dict[UUID, list[ReceiptData]] = {}
    for row in await queries.receipts_of(connection, ids):
        receipts.setdefault(row.donation_id, []).append(ReceiptData.model_validate(row))
    await queries.note_look(connection, person, "export", "donation_id", ids)
    found = [
        DonorData.model_validate(
            {
                **row._mapping,  # noqa: SLF001 - public
                "display": row.donor_display,
                "contact": _contact(row._mapping),  # noqa: SLF001 - public
                "receipts": receipts.get(row.donation_id, []),
            }
        )
        for row in rows
    ]
    return DonorExport(made_at=datetime.now(UTC), donations=found, elsewhere=list(ELSEWHERE))


def _contact(row: RowMapping) -> DonorContactData | None:
    values = {name: row[f"contact_{name}"] for name in DonorContactData.model_fields}
    return DonorContactData(**values) if any(values.values()) else None


async def ask(connection: AsyncConnection, person: str, body: ErasureBody) -> Erasure:
    """Write a request down. Raises UnknownDonations, AlreadyErased."""
    _require_all(body.donation_ids, await queries.known(connection, body.donation_ids))
    if done := await queries.erased(connection, body.donation_ids):
        raise AlreadyErased("Leave it out.", fields=["donation_ids"], donation_ids=sorted(map(str, done)))
    row = {
        "erasure_id": uuid4(),
        "reference": body.reference,
        "donation_ids": body.donation_ids,
        "state": "asked",
        "asked_by": person,
        "asked_at": datetime.now(UTC),
    }
    return Erasure.model_validate(await queries.add_erasure(connection, row))


async def carry_out(connection: AsyncConnection, person: str, erasure_id: UUID) -> Erasure:
    """Erase, at the word of another person. Raises NotFound, AlreadyDecided, SamePerson."""
    row = await _asked(connection, erasure_id)
    require_another(person, row.asked_by)
    now = datetime.now(UTC)
    await erasing.erase(connection, erasure_id, row.donation_ids, now)
    done = await queries.decide(connection, erasure_id, "done", person, now)
    return (await shown(connection, [done]))[0]


async def refuse(connection: AsyncConnection, person: str, erasure_id: UUID) -> Erasure:
    """Leave all as it is. Raises NotFound, AlreadyDecided."""
    await _asked(connection, erasure_id)
    return Erasure.model_validate(
        await queries.decide(connection, erasure_id, "refused", person, datetime.now(UTC))
    )


async def shown(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[Erasure]:
    """Requests with the receipts that they have restricted."""
    restricted = await queries.restricted_of(connection, [row.erasure_id for row in rows])
    return [
        Erasure.model_validate({**row._mapping, "restricted": restricted.get(row.erasure_id, [])})  # noqa: SLF001 - public
        for row in rows
    ]


async def _asked(connection: AsyncConnection, erasure_id: UUID) -> Row[Any]:
    row = await queries.lock_erasure(connection, erasure_id)
    if row is None:
        raise NotFound("There is no request of this id.")
    if row.state != "asked":
        raise AlreadyDecided(f"{row.decided_by} has decided it.")
    return row


def _require_all(ids: Iterable[UUID], found: set[UUID]) -> None:
    if missing := sorted(str(each) for each in set(ids) - found):
        raise UnknownDonations(
            "Look for it: POST /v1/personal-data/find.", fields=["donation_ids"], donation_ids=missing
        )
