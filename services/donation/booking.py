"""Books a batch of intake records in one transaction and says which events that makes.

Whatever is decided about a record is either a function of the record alone or written down in this
transaction, so a batch that is read again after a crash makes the same events at the same positions:

  same key, same position      a replay: its event again
  same key, other position     the same content: a repeat, no event; other content: a conflict
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import queries
from services.donation.casework import consent
from services.donation.holding import Known, Reason, told
from services.donation.intake import (
    ConsentWithdrawal,
    DonationRequest,
    Donor,
    DonorContact,
    DonorErased,
    Message,
    MessageDecided,
    Release,
    ReversalDue,
    ReversalRequest,
    donation_id_of,
    reversal_id_of,
)
from services.donation.metrics import OUTCOMES
from services.donation.moderation import booking as moderation
from services.donation.moderation.queries import NewMessage, add_messages
from services.donation.privacy import erasing
from services.donation.reversals import Decision, Reversible, decide
from shared.broker import Record
from shared.events import (
    ConsentWithdrawn,
    Contact,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    DonorDataErased,
    DonorMessageApproved,
    DonorMessageWithdrawn,
    Event,
    EventData,
    wire,
)
from shared.events.donations import (
    ConsentWithdrawnData,
    DonationConflictedData,
    DonationHeldData,
    DonationReceivedData,
    DonationReversedData,
    DonorDataErasedData,
    DonorMessageApprovedData,
    DonorMessageWithdrawnData,
)

M = TypeVar("M", bound=Message)
LIKELY_AT_ONCE: Final = 200
_NO_CONTACT: Final = (None,) * len(DonorContact.model_fields)
_OF_THE_DONOR: Final = frozenset(
    {
        "donor_name",
        "donor_alias",
        "donor_display",
        *(f"contact_{field}" for field in DonorContact.model_fields),
        "message",
    }
)
"""What is not known any more of a donor who was erased."""
_DONATION_FIELDS = (
    "campaign_id",
    "amount_fen",
    "fee_fen",
    "occurred_at",
    "donor_kind",
    "donor_name",
    "donor_alias",
    "donor_display",
    *(f"contact_{field}" for field in DonorContact.model_fields),
    "message",
    "pledge_id",
)


class Intake(NamedTuple, Generic[M]):
    """A usable record of an intake topic and its position. `received_at`: when the broker took it (UTC)."""

    source: str
    sequence: int
    partition: int
    channel: str
    received_at: datetime
    message: M
    record: Record

    @property
    def position(self) -> tuple[str, int]:
        """Where the record lies: (source, sequence)."""
        return self.source, self.sequence


class Entry(NamedTuple):
    """An event to be, and the contact that goes ahead of it on its own topic."""

    source: str
    sequence: int
    partition: int
    event_class: type[Event]
    subject: str
    time: datetime
    data: EventData | wire.Received
    contact: Contact | None = None


class Published(NamedTuple):
    """An event as it goes to its partition of donation.events. `traceparent`: as the event has it."""

    partition: int
    key: bytes
    value: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that was understood but can't be done: it goes to the dead letters."""

    intake: Intake[Any]
    reason: str
    detail: str


def only(intakes: Iterable[Intake[Any]], kind: type[M]) -> list[Intake[M]]:
    """The intakes whose message is of a kind."""
    # Not isinstance: pydantic's metaclass makes that a call into Python, 0.5 µs, four times a record.
    return [intake for intake in intakes if type(intake.message) is kind]


async def look(
    connection: AsyncConnection, spans: Mapping[str, tuple[int, int]], intakes: Sequence[Intake[Any]]
) -> queries.Look:
    """Ask what a batch's booking has to know. `spans`: the first and the last sequence of each source."""
    donations = only(intakes, DonationRequest)
    campaigns = {intake.message.campaign_id for intake in donations}
    return await queries.look(connection, spans, campaigns, {intake.channel for intake in donations})


async def book(
    connection: AsyncConnection, intakes: Sequence[Intake[Any]], known: Known
) -> tuple[list[Entry], list[Refusal]]:
    """Write a batch down; gives back its events in no particular order, and what was refused.

    Donations come first, so that a refund in the same batch finds its donation. Locks are taken in one order,
    reversals before donations and each by their ids, so that two workers never wait for each other in a ring.
    """
    donations = only(intakes, DonationRequest)
    tried = [intake for intake in donations if intake.channel in known.sandboxes]
    real = [intake for intake in donations if intake.channel not in known.sandboxes] if tried else donations
    entries = await _book_donations(connection, real, known)
    asked, due = only(intakes, ReversalRequest), only(intakes, ReversalDue)
    releases = only(intakes, Release)
    reversals = await _claim_reversals(connection, asked, due)
    erasures = only(intakes, DonorErased)
    touched = {intake.message.donation_id for intake in releases} | reversals.donation_ids
    touched |= {intake.message.donation_id for intake in erasures}
    locked = await queries.lock_donations(connection, touched) if touched else {}
    entries += await book_releases(connection, releases, locked)
    await reversals.judge(connection, asked, due)
    entries += await _book_decisions(connection, only(intakes, MessageDecided), reversals.emptied)
    entries += await _book_withdrawals(connection, only(intakes, ConsentWithdrawal))
    entries += await _book_erasures(connection, erasures)
    return entries + reversals.entries, reversals.refusals + [_no_money(intake) for intake in tried]


def chain(
    entries: Iterable[Entry],
    before: Mapping[str, int | None],
    traced: Mapping[tuple[str, int], str] = MappingProxyType({}),
) -> list[Published]:
    """Give each entry its `previous` and write its event, in the order of positions. `before`: of each source
    the last event before these. `traced`: the trace that a position's record came with.
    """
    ordered = sorted(entries, key=lambda entry: (entry.source, entry.sequence))
    previous = dict(before)
    events = []
    for entry in ordered:
        traceparent = traced.get((entry.source, entry.sequence)) if traced else None
        value = entry.event_class.bytes_at(
            entry.source,
            entry.sequence,
            previous[entry.source],
            subject=entry.subject,
            time=entry.time,
            data=entry.data,
            traceparent=traceparent,
        )
        previous[entry.source] = entry.sequence
        events.append(Published(entry.partition, entry.subject.encode(), value, traceparent))
    return events


# ------------------------------------------------------------------------------------------- donations


def _no_money(intake: Intake[DonationRequest]) -> Refusal:
    """A sandbox has no topic; whoever made one all the same sends no money by it."""
    _count(intake, "refused")
    return Refusal(intake, "sandbox-channel", "this channel is a sandbox: what it sends is no money")


async def _book_donations(
    connection: AsyncConnection, intakes: list[Intake[DonationRequest]], known_now: Known
) -> list[Entry]:
    if not intakes:
        return []
    keyed = [(donation_id_of(intake.channel, intake.message.transaction_id), intake) for intake in intakes]
    rows: dict[UUID, tuple[Any, ...]] = {}
    for donation_id, intake in keyed:
        if donation_id not in rows:
            message = intake.message
            reason = known_now.held_reason(intake.channel, message.campaign_id, message.occurred_at)
            rows[donation_id] = row_of(donation_id, intake, reason)
    inserting = asyncio.create_task(queries.insert_donations(connection, list(rows.values())))
    try:
        likely = await _likely(keyed, rows)
    finally:
        new = await inserting
    known = await _known(connection, keyed, rows, new)
    entries: list[Entry] = []
    conflicts: list[dict[str, Any]] = []
    for donation_id, intake in keyed:
        row = known.get(donation_id)
        if row is None:
            reason = rows[donation_id][-2]
        elif (row["source"], row["sequence"]) == intake.position:
            reason = row["held_reason"]
            if donation_id not in new:
                _count(intake, "replayed")
        elif differs := differences(row, intake.message):
            conflicts.append(conflict_of(donation_id, intake, differs))
            entries.append(_conflicted(donation_id, intake))
            continue
        else:
            _count(intake, "repeated")
            continue
        _count(intake, "held" if reason else "received")
        entries.append(_made(donation_id, intake, reason, row, likely))
    if conflicts:
        await queries.insert_conflicts(connection, conflicts)
    return entries


def _made(
    donation_id: UUID,
    intake: Intake[DonationRequest],
    reason: Any,
    row: Mapping[str, Any] | None,
    likely: Mapping[tuple[str, int], Entry],
) -> Entry:
    """The event of a donation at its own position, as it was foreseen unless it turned out otherwise."""
    if row is not None and row.get("erased_at"):
        return _taken(donation_id, _without_donor(intake), reason)
    foreseen = likely.get(intake.position) if reason is None else None
    return foreseen or _taken(donation_id, intake, reason)


async def _likely(
    keyed: Sequence[tuple[UUID, Intake[DonationRequest]]], rows: Mapping[UUID, tuple[Any, ...]]
) -> dict[tuple[str, int], Entry]:
    """What most donations come to, by their position: new and counting. Made while the database inserts them,
    which takes as long, and put aside where it turns out otherwise.
    """
    likely: dict[tuple[str, int], Entry] = {}
    for start in range(0, len(keyed), LIKELY_AT_ONCE):
        await asyncio.sleep(0)  # what is being sent to the database goes on
        for donation_id, intake in keyed[start : start + LIKELY_AT_ONCE]:
            if rows[donation_id][-2] is None:
                likely[intake.position] = _received(donation_id, intake)
    return likely


async def _known(
    connection: AsyncConnection,
    keyed: list[tuple[UUID, Intake[DonationRequest]]],
    rows: dict[UUID, tuple[Any, ...]],
    new: set[UUID],
) -> dict[UUID, Mapping[str, Any]]:
    """The stored row of each donation that was there before, or stands more than once in this batch."""
    twice = {donation_id for donation_id, again in _repeated(keyed).items() if again and donation_id in new}
    known: dict[UUID, Mapping[str, Any]] = {
        donation_id: dict(zip(queries.COLUMNS, rows[donation_id], strict=True)) for donation_id in twice
    }
    if len(new) < len(rows):
        stored = await queries.stored_donations(connection, rows.keys() - new)
        known |= {donation_id: dict(row._mapping) for donation_id, row in stored.items()}  # noqa: SLF001 - public
    return known


def _repeated(keyed: Iterable[tuple[UUID, Intake[Any]]]) -> dict[UUID, bool]:
    """Which donations stand more than once in a batch."""
    seen: dict[UUID, bool] = {}
    for donation_id, _ in keyed:
        seen[donation_id] = donation_id in seen
    return seen


def row_of(donation_id: UUID, intake: Intake[DonationRequest], reason: Reason | None) -> tuple[Any, ...]:
    """A donation as it is stored, held for a reason or counting; in the order of queries.COLUMNS."""
    message = intake.message
    donor = message.donor
    return (
        donation_id,
        intake.channel,
        message.transaction_id,
        message.campaign_id,
        message.amount_fen,
        message.fee_fen,
        message.occurred_at,
        intake.received_at,
        donor.kind,
        donor.name,
        donor.alias,
        donor.display,
        *_contact_columns(donor.contact),
        message.message,
        message.pledge_id,
        intake.source,
        intake.sequence,
        reason,
        "held" if reason else "received",
    )


def _contact_columns(contact: DonorContact | None) -> tuple[str | None, ...]:
    """In the order of queries.COLUMNS."""
    if contact is None:
        return _NO_CONTACT
    return (
        contact.email,
        contact.phone,
        contact.wechat_openid,
        contact.wechat_app_id,
        contact.language,
    )


def differences(row: Mapping[str, Any], message: DonationRequest) -> list[str]:
    """The fields in which a message is not the donation that is stored under its key: of a donor who was
    erased nothing is left to compare.
    """
    donor = message.donor
    said = {
        "campaign_id": message.campaign_id,
        "amount_fen": message.amount_fen,
        "fee_fen": message.fee_fen,
        "occurred_at": message.occurred_at,
        "donor_kind": donor.kind,
        "donor_name": donor.name,
        "donor_alias": donor.alias,
        "donor_display": donor.display,
        **{f"contact_{field}": getattr(donor.contact, field, None) for field in DonorContact.model_fields},
        "message": message.message,
        "pledge_id": message.pledge_id,
    }
    passed_over = _OF_THE_DONOR if row.get("erased_at") else frozenset()
    return [field for field in _DONATION_FIELDS if row[field] != said[field] and field not in passed_over]


def _without_donor(intake: Intake[DonationRequest]) -> Intake[DonationRequest]:
    """The same money from nobody: what a record says of a donor who was erased is told nobody again."""
    nobody = Donor.model_construct(kind=intake.message.donor.kind, display="anonymous")
    return intake._replace(message=intake.message.model_copy(update={"donor": nobody, "message": None}))


def _received(donation_id: UUID, intake: Intake[DonationRequest]) -> Entry:
    message = intake.message
    donor = message.donor
    contact = None
    if donor.contact:
        contact = Contact(
            donation_id=donation_id,
            channel=intake.channel,
            campaign_id=message.campaign_id,
            email=donor.contact.email,
            phone=donor.contact.phone,
            wechat_openid=donor.contact.wechat_openid,
            wechat_app_id=donor.contact.wechat_app_id,
            language=donor.contact.language,
            name=donor.name or donor.alias,
            amount_fen=message.amount_fen,
            occurred_at=message.occurred_at,
        )
    data = wire.Received(
        donation_id=donation_id,
        channel=intake.channel,
        campaign_id=message.campaign_id,
        amount_fen=message.amount_fen,
        fee_fen=message.fee_fen,
        occurred_at=message.occurred_at,
        received_at=intake.received_at,
        donor_kind=donor.kind,
        shown_name=donor.shown_name,
        has_contact=contact is not None,
        released=False,
        pledge_id=message.pledge_id,
    )
    return _entry(intake, DonationReceived, donation_id, data, contact)


def _taken(donation_id: UUID, intake: Intake[DonationRequest], reason: Any) -> Entry:
    return _held(donation_id, intake, reason) if reason else _received(donation_id, intake)


def _held(donation_id: UUID, intake: Intake[DonationRequest], reason: Any) -> Entry:
    message = intake.message
    said, cause = told(reason)
    data = DonationHeldData(
        donation_id=donation_id,
        channel=intake.channel,
        campaign_id=message.campaign_id,
        amount_fen=message.amount_fen,
        occurred_at=message.occurred_at,
        received_at=intake.received_at,
        reason=said,
        cause=cause,
    )
    return _entry(intake, DonationHeld, donation_id, data)


def _conflicted(donation_id: UUID, intake: Intake[DonationRequest]) -> Entry:
    _count(intake, "conflicted")
    data = DonationConflictedData(
        donation_id=donation_id,
        channel=intake.channel,
        campaign_id=intake.message.campaign_id,
        amount_fen=intake.message.amount_fen,
        received_at=intake.received_at,
    )
    return _entry(intake, DonationConflicted, donation_id, data)


def conflict_of(donation_id: UUID, intake: Intake[DonationRequest], differs: list[str]) -> dict[str, Any]:
    """A conflict as it is stored."""
    return {
        "source": intake.source,
        "sequence": intake.sequence,
        "donation_id": donation_id,
        "campaign_id": intake.message.campaign_id,
        "amount_fen": intake.message.amount_fen,
        "received_at": intake.received_at,
        "differs": differs,
    }


# -------------------------------------------------------------------------------------------- releases


async def book_releases(
    connection: AsyncConnection, intakes: list[Intake[Release]], locked: Mapping[UUID, Row[Any]]
) -> list[Entry]:
    """A release that is on the log is obeyed: whether the campaign takes the donation was decided by who
    put it there. Deciding again here could come out otherwise when the record is read again.
    """
    if not intakes:
        return []
    ids = {intake.message.donation_id for intake in intakes}
    booked = {
        row.donation_id: (row.source, row.sequence)
        for row in (await queries.releases_of(connection, ids)).values()
    }
    nameless = await consent.withdrawn(connection, ids)
    new: list[dict[str, Any]] = []
    entries: list[Entry] = []
    for intake in intakes:
        donation_id = intake.message.donation_id
        row = locked.get(donation_id)
        if row is None or (donation_id not in booked and row.status != "held"):
            _count(intake, "repeated")
            continue
        if donation_id not in booked:
            booked[donation_id] = intake.position
            new.append(
                {
                    "donation_id": donation_id,
                    "source": intake.source,
                    "sequence": intake.sequence,
                    "released_at": intake.received_at,
                }
            )
        if booked[donation_id] == intake.position:
            _count(intake, "released")
            named = donation_id not in nameless
            entries.append(
                released(
                    intake.source, intake.sequence, intake.partition, intake.received_at, row, named=named
                )
            )
    if new:
        await queries.insert_releases(connection, new)
        rows = [locked[each["donation_id"]] for each in new]
        if messages := [
            NewMessage(row.donation_id, row.campaign_id, row.amount_fen, row.received_at)
            for row in rows
            if row.message is not None
        ]:
            await add_messages(connection, messages)
    return entries


def released(source: str, sequence: int, partition: int, time: datetime, row: Any, *, named: bool) -> Entry:
    """The DonationReceived of a held donation's release, from its stored row."""
    data = received_data(row, released=True, named=named)
    subject = str(row.donation_id)
    return Entry(source, sequence, partition, DonationReceived, subject, time, data, contact_of(row))


def received_data(row: Any, *, released: bool, named: bool) -> DonationReceivedData:
    """What DonationReceived says of a stored donation. `named`: the consent to it still holds."""
    shown_name = {"name": row.donor_name, "alias": row.donor_alias}.get(row.donor_display)
    return DonationReceivedData(
        donation_id=row.donation_id,
        channel=row.channel,
        campaign_id=row.campaign_id,
        amount_fen=row.amount_fen,
        fee_fen=row.fee_fen,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        donor_kind=row.donor_kind,
        shown_name=shown_name if named else None,
        has_contact=_has_contact(row),
        released=released,
        pledge_id=row.pledge_id,
    )


def _has_contact(row: Any) -> bool:
    return any((row.contact_email, row.contact_phone, row.contact_wechat_openid))


def contact_of(row: Any) -> Contact | None:
    """The contact of a stored donation, when its donor left one."""
    if not _has_contact(row):
        return None
    return Contact(
        donation_id=row.donation_id,
        channel=row.channel,
        campaign_id=row.campaign_id,
        email=row.contact_email,
        phone=row.contact_phone,
        wechat_openid=row.contact_wechat_openid,
        wechat_app_id=row.contact_wechat_app_id,
        language=row.contact_language,
        name=row.donor_name or row.donor_alias,
        amount_fen=row.amount_fen,
        occurred_at=row.occurred_at,
    )


# ------------------------------------------------------------------------------------------- reversals


async def _claim_reversals(
    connection: AsyncConnection, asked: list[Intake[ReversalRequest]], due: list[Intake[ReversalDue]]
) -> "_ReversalBooks":
    """Write down the reversals that are new, and lock all of this batch: who comes second with one, in
    another batch at the same moment, waits here and then sees what became of it.
    """
    first: dict[UUID, dict[str, Any]] = {}
    for intake in asked:
        row = asked_of(intake)
        first.setdefault(row["reversal_id"], row)
    new = await queries.insert_reversals(connection, list(first.values())) if first else set()
    ids = {*first, *(intake.message.reversal_id for intake in due)}
    known = await queries.lock_reversals(connection, ids) if ids else {}
    return _ReversalBooks(new, known)


def asked_of(intake: Intake[ReversalRequest]) -> dict[str, Any]:
    """A reversal as its record asks for it."""
    message = intake.message
    return {
        "reversal_id": reversal_id_of(intake.channel, message.reversal_id),
        "donation_id": donation_id_of(intake.channel, message.transaction_id),
        "kind": message.kind,
        "amount_fen": message.amount_fen,
        "occurred_at": message.occurred_at,
        "reason": message.reason,
        "asked_source": intake.source,
        "asked_sequence": intake.sequence,
        "transaction_id": message.transaction_id,
        "asked_at": intake.received_at,
    }


class _ReversalBooks:
    """The reversals of one batch, locked, and judged one after the other against their locked donations."""

    def __init__(self, new: set[UUID], rows: Mapping[UUID, Row[Any]]) -> None:
        self._new = new
        self._rows = {reversal_id: dict(row._mapping) for reversal_id, row in rows.items()}  # noqa: SLF001 - public
        self._donations: Mapping[UUID, Any] = {}
        self._reversed_fen: dict[UUID, int] = {}
        self.emptied: set[UUID] = set()
        """Donations of which this batch has left nothing."""
        self.entries: list[Entry] = []
        self.refusals: list[Refusal] = []

    @property
    def donation_ids(self) -> set[UUID]:
        """The donations that these reversals are of."""
        return {row["donation_id"] for row in self._rows.values()}

    async def judge(
        self,
        connection: AsyncConnection,
        asked: list[Intake[ReversalRequest]],
        due: list[Intake[ReversalDue]],
    ) -> None:
        """Decide on what is undecided, and write it down. The caller has locked the donations."""
        if not self._rows:
            return
        self._donations = await queries.stored_donations(connection, self.donation_ids)
        self._reversed_fen = await queries.reversed_amounts(connection, self.donation_ids)
        decided = [row for intake in asked if (row := self._ask(intake))]
        decided += [row for intake in due if (row := self._come_due(intake))]
        if decided:
            await queries.decide_reversals(connection, decided)

    def _ask(self, intake: Intake[ReversalRequest]) -> dict[str, Any] | None:
        """A channel's own record of a reversal; gives back the row when this decided it."""
        said = asked_of(intake)
        row = self._rows[said["reversal_id"]]
        if (row["asked_source"], row["asked_sequence"]) != intake.position:
            if any(
                row[field] != said[field] for field in ("donation_id", "kind", "amount_fen", "occurred_at")
            ):
                self._refuse(intake, "reversal-conflict", "this reversal_id is known with other content")
            else:
                _count(intake, "repeated")
        elif row["reversal_id"] in self._new:
            return self._decide(intake, row)
        else:
            self._again(intake, row)
        return None

    def _come_due(self, intake: Intake[ReversalDue]) -> dict[str, Any] | None:
        """This service's own record that a waiting reversal can be applied."""
        row = self._rows.get(intake.message.reversal_id)
        if row is not None and row["status"] == Decision.WAIT.value:
            return self._decide(intake, row)
        if row is not None:
            self._again(intake, row)
        return None

    def _decide(self, intake: Intake[Any], row: dict[str, Any]) -> dict[str, Any]:
        donation = self._donations.get(row["donation_id"])
        before_fen = self._reversed_fen.get(row["donation_id"], 0)
        reversible = donation and Reversible(donation.amount_fen, before_fen, donation.status == "received")
        decision = decide(reversible, row["amount_fen"])
        row["status"] = decision.value
        if decision is Decision.APPLY:
            row["source"], row["sequence"] = intake.position
            row["applied_at"] = intake.received_at
            self._reversed_fen[row["donation_id"]] = before_fen + row["amount_fen"]
            if donation is not None and before_fen + row["amount_fen"] == donation.amount_fen:
                self.emptied.add(row["donation_id"])
        if decision is Decision.REFUSE:
            asked = f"{row['asked_source']}:{row['asked_sequence']}"
            detail = f"more goes back than remains of the donation; asked for at {asked}"
            self._refuse(intake, "reversal-too-large", detail)
        else:
            self._again(intake, row)
        return row

    def _again(self, intake: Intake[Any], row: dict[str, Any]) -> None:
        """The event of what was decided, now or when this record was read before."""
        if (row["source"], row["sequence"]) == intake.position:
            _count(intake, "reversed")
            donation = self._donations[row["donation_id"]]
            self.entries.append(
                _entry(intake, DonationReversed, row["reversal_id"], reversed_data(row, donation))
            )
        else:
            _count(intake, "waiting" if row["status"] == Decision.WAIT.value else "repeated")

    def _refuse(self, intake: Intake[Any], reason: str, detail: str) -> None:
        _count(intake, "refused")
        self.refusals.append(Refusal(intake, reason, detail))


def reversed_data(reversal: Mapping[str, Any], donation: Any) -> DonationReversedData:
    """What DonationReversed says of a stored reversal and its donation."""
    return DonationReversedData(
        reversal_id=reversal["reversal_id"],
        donation_id=donation.donation_id,
        channel=donation.channel,
        campaign_id=donation.campaign_id,
        kind=reversal["kind"],
        amount_fen=reversal["amount_fen"],
        occurred_at=reversal["occurred_at"],
        donation_occurred_at=donation.occurred_at,
        pledge_id=donation.pledge_id,
    )


# -------------------------------------------------------------------------------- decisions on messages


async def _book_decisions(
    connection: AsyncConnection, intakes: list[Intake[MessageDecided]], emptied: set[UUID]
) -> list[Entry]:
    """Of each decision the event, at the position of its first record; the messages of donations that this
    batch has emptied are withdrawn, by decisions whose records are to come.
    """
    asked = [
        moderation.Asked(
            intake.message.message_id, intake.message.number, *intake.position, intake.received_at
        )
        for intake in intakes
    ]
    entries = [
        decided(row, intake.partition)
        for row in await moderation.book(connection, asked, emptied)
        for intake in intakes
        if intake.position == (row["source"], row["sequence"])
    ]
    told = {(entry.source, entry.sequence) for entry in entries}
    for intake in intakes:
        _count(intake, "decided" if intake.position in told else "repeated")
    return entries


def decided(row: Mapping[str, Any], partition: int) -> Entry:
    """The event of a stored decision about a message (moderation.queries.telling)."""
    about = {name: row[name] for name in ("message_id", "campaign_id", "channel")}
    data: EventData
    shown = row["state"] == "approved" and row["text"] is not None
    if shown:
        data = DonorMessageApprovedData(
            **about,
            donor_kind=row["donor_kind"],
            shown_name={"name": row["donor_name"], "alias": row["donor_alias"]}.get(row["donor_display"]),
            text=row["text"],
            approved_at=row["decided_at"],
        )
    else:
        data = DonorMessageWithdrawnData(**about, cause=_cause(row), withdrawn_at=row["decided_at"])
    event_class = DonorMessageApproved if shown else DonorMessageWithdrawn
    subject = str(row["message_id"])
    return Entry(row["source"], row["sequence"], partition, event_class, subject, row["booked_at"], data)


def _cause(row: Mapping[str, Any]) -> str:
    """Why a message is not shown: an approval of words that were erased since is one too."""
    return erasing.RULE if row["text"] is None else row["rule"] or "moderator"


# ----------------------------------------------------------------------------- withdrawals of consent


async def _book_withdrawals(
    connection: AsyncConnection, intakes: list[Intake[ConsentWithdrawal]]
) -> list[Entry]:
    """Of each withdrawal the event, at the position of its first record."""
    if not intakes:
        return []
    asked = [
        consent.Asked(intake.message.donation_id, *intake.position, intake.received_at) for intake in intakes
    ]
    partitions = {intake.source: intake.partition for intake in intakes}
    entries = [unnamed(row, partitions[row["source"]]) for row in await consent.book(connection, asked)]
    told = {(entry.source, entry.sequence) for entry in entries}
    for intake in intakes:
        _count(intake, "unnamed" if intake.position in told else "repeated")
    return entries


def unnamed(row: Mapping[str, Any], partition: int) -> Entry:
    """The event of a stored withdrawal of consent (consent.TOLD_AT)."""
    data = ConsentWithdrawnData(
        **{name: row[name] for name in ("donation_id", "channel", "campaign_id", "withdrawn_at")}
    )
    subject = str(row["donation_id"])
    return Entry(row["source"], row["sequence"], partition, ConsentWithdrawn, subject, row["booked_at"], data)


# ------------------------------------------------------------------------------------- erased donors


async def _book_erasures(connection: AsyncConnection, intakes: list[Intake[DonorErased]]) -> list[Entry]:
    """Of each erasure the event, at the position of its first record. The caller has locked the donations."""
    if not intakes:
        return []
    asked = [
        erasing.Asked(
            intake.message.donation_id,
            erasing.told_of(intake.message.model_dump()),
            *intake.position,
            intake.received_at,
        )
        for intake in intakes
    ]
    partitions = {intake.source: intake.partition for intake in intakes}
    entries = [erased(row, partitions[row["source"]]) for row in await erasing.book(connection, asked)]
    told = {(entry.source, entry.sequence) for entry in entries}
    for intake in intakes:
        _count(intake, "erased" if intake.position in told else "repeated")
    return entries


def erased(row: Mapping[str, Any], partition: int) -> Entry:
    """The event of a stored erasure (privacy.queries.TOLD_AT)."""
    data = DonorDataErasedData(**{name: row[name] for name in DonorDataErasedData.model_fields})
    subject = str(row["donation_id"])
    return Entry(row["source"], row["sequence"], partition, DonorDataErased, subject, row["booked_at"], data)


# ----------------------------------------------------------------------------------------------- both


def _entry(
    intake: Intake[Any],
    event_class: type[Event],
    subject: UUID,
    data: EventData | wire.Received,
    contact: Contact | None = None,
) -> Entry:
    return Entry(
        intake.source,
        intake.sequence,
        intake.partition,
        event_class,
        str(subject),
        intake.received_at,
        data,
        contact,
    )


def _count(intake: Intake[Any], outcome: str) -> None:
    _counter(intake.channel, outcome).inc()


@cache
def _counter(channel: str, outcome: str) -> Counter:
    """The counter's child: looking it up by its labels costs four times what counting does."""
    return OUTCOMES.labels(channel, outcome)
