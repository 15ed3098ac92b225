"""What a line of a statement says: a donation, a reversal, nothing of ours, or what is wrong with it.

Pure: the same file under the same profile comes to the same, however often it is read, so that an import that
was killed goes on where it was. `received_at` is when the file was uploaded.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from services.donation.intake import FROM_CHANNELS, DonationRequest, ReversalRequest, Unusable, parse
from services.donation.statements.amounts import read_fen
from services.donation.statements.profiles import Profile, When
from services.donation.statements.reading import Row

OWN_ID: Final = "善流流水号"
"""A column of the file of bad lines: the derived id of a line, which it keeps however it is mended."""

Verdict = Literal["donation", "reversal", "passed_over", "repeated", "bad"]
Message = DonationRequest | ReversalRequest

_DERIVED: Final = re.compile(r"line-[0-9a-f]{32}-[1-9][0-9]{0,6}", re.ASCII)
_YUAN: Final = frozenset({"CNY", "RMB", "人民币", "156", "人民币元"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was looked at. `own_id`: the derived id, of a line that has none of the channel's."""

    number: int
    verdict: Verdict
    cells: dict[str, str] = field(repr=False)
    message: Message | None = field(default=None, repr=False)
    reasons: tuple[str, ...] = ()
    own_id: str = ""
    notice: bool = False


class Checker:
    """Looks at the lines of one file in their order: it remembers which it has seen."""

    def __init__(self, profile: Profile, received_at: datetime) -> None:
        self._profile = profile
        self._received_at = received_at
        self._times: dict[bytes, int] = {}
        self._seen: dict[str, bytes] = {}

    def lines(self, rows: Iterable[Row]) -> Iterator[Line]:
        """What each line says."""
        return map(self.check, rows)

    def check(self, row: Row) -> Line:
        """What the next line says."""
        profile, cells = self._profile, row.cells
        notice = any(holds(each, cells) for each in profile.notice)
        if any(holds(each, cells) for each in profile.pass_over):
            return Line(row.number, "passed_over", cells, notice=notice)
        reader = _Reader(profile, cells)
        own_id = self._own_id(reader)
        if row.fault:
            return Line(row.number, "bad", cells, None, (row.fault,), own_id, notice)
        message, reasons = reader.message(own_id, self._received_at)
        if message is None:
            return Line(row.number, "bad", cells, None, reasons, own_id, notice)
        verdict, reasons = self._once(message)
        return Line(row.number, verdict, cells, message, reasons, own_id, notice)

    def _own_id(self, reader: "_Reader") -> str:
        """The derived id of a line that needs one: equal lines of a file are numbered."""
        if not reader.needs_id():
            return ""
        known = reader.cells.get(OWN_ID, "")
        if _DERIVED.fullmatch(known):
            return known
        content = reader.content()
        digest = hashlib.sha256(content).digest()[:16]
        self._times[digest] = times = self._times.get(digest, 0) + 1
        return f"line-{digest.hex()}-{times}"

    def _once(self, message: Message) -> tuple[Verdict, tuple[str, ...]]:
        """A line that comes again in its file counts once; one that says something else is bad."""
        own = message.transaction_id if isinstance(message, DonationRequest) else message.reversal_id
        written = hashlib.blake2b(message.model_dump_json().encode(), digest_size=16).digest()
        before = self._seen.setdefault(f"{message.type}/{own}", written)
        if before is written:
            return message.type, ()
        if before == written:
            return "repeated", ()
        return "bad", ("its id stands in the file before, with other content",)


class _Reader:
    """One line under a profile."""

    def __init__(self, profile: Profile, cells: dict[str, str]) -> None:
        self._profile = profile
        self.cells = cells
        self._is_refund = profile.refunds is not None and holds(profile.refunds.when, cells)

    def needs_id(self) -> bool:
        """Whether the channel gives the line no id, and the profile says how to derive one."""
        profile = self._profile
        column = profile.transaction_id
        if self._is_refund:
            assert profile.refunds is not None
            column = profile.refunds.own_id
        return bool(profile.derived_from) and not (column and self.cells[column])

    def content(self) -> bytes:
        """What a derived id is made of: amounts in fen and times with their zone, so that CSV and XLSX of
        one bank come to the same; of other cells the text without white space.
        """
        parts = []
        for column in self._profile.derived_from:
            text = "".join(self.cells[column].split())
            if column == self._profile.amount.column:
                text = str(_tried(self._amount, column) or text)
            elif column in self._profile.time.columns:
                text = str(_tried(self._time) or text)
            parts.append(text)
        return json.dumps([self._is_refund, *parts]).encode()

    def message(self, own_id: str, received_at: datetime) -> tuple[Message | None, tuple[str, ...]]:
        """The message, or what is wrong with the line: each reason begins with its column."""
        reasons: list[str] = []
        body = self._refund(own_id, reasons) if self._is_refund else self._donation(own_id, reasons)
        if reasons:
            return None, tuple(reasons)
        try:
            kinds = {body["type"]: FROM_CHANNELS[body["type"]]}
            message: Any = parse(json.dumps(body).encode(), received_at, kinds)
        except Unusable as error:
            places = self._places()
            named = [(places.get(each["field"], each["field"]), each["message"]) for each in error.errors]
            return None, tuple(f"{where}: {what}" for where, what in named) or (error.detail,)
        return message, ()

    def _donation(self, own_id: str, reasons: list[str]) -> dict[str, Any]:
        profile = self._profile
        body: dict[str, Any] = {
            "type": "donation",
            "transaction_id": own_id or self._required(profile.transaction_id, reasons),
            "campaign_id": _noted(reasons, profile.campaign.column, self._campaign),
            "amount_fen": self._positive(profile.amount.column, reasons),
            "currency": "CNY",
            "occurred_at": _noted(reasons, " ".join(profile.time.columns), self._time),
            "donor": self._donor(),
        }
        self._check_currency(reasons)
        if profile.message and self.cells[profile.message]:
            body["message"] = self.cells[profile.message]
        if profile.fee and self.cells[profile.fee]:
            fee_fen = _noted(reasons, profile.fee, lambda: self._amount(str(profile.fee)))
            body["fee_fen"] = abs(fee_fen or 0)
        return body

    def _refund(self, own_id: str, reasons: list[str]) -> dict[str, Any]:
        refunds = self._profile.refunds
        assert refunds is not None
        amount_fen = _noted(
            reasons, self._profile.amount.column, lambda: self._amount(self._profile.amount.column)
        )
        self._check_currency(reasons)
        return {
            "type": "reversal",
            "reversal_id": own_id or self._required(refunds.own_id, reasons),
            "transaction_id": self._required(refunds.original, reasons),
            "kind": refunds.kind,
            "amount_fen": abs(amount_fen or 0),
            "occurred_at": _noted(reasons, " ".join(self._profile.time.columns), self._time),
        }

    def _places(self) -> dict[str, str]:
        """The column in which each field of a message is said."""
        profile = self._profile
        refunds = profile.refunds
        transaction_id = refunds.original if self._is_refund and refunds else profile.transaction_id
        places = {
            "transaction_id": transaction_id,
            "reversal_id": refunds and refunds.own_id,
            "campaign_id": profile.campaign.column,
            "amount_fen": profile.amount.column,
            "fee_fen": profile.fee,
            "occurred_at": " ".join(profile.time.columns),
            "donor.name": profile.donor.name,
            "donor.alias": profile.donor.alias,
            "message": profile.message,
        }
        return {name: column for name, column in places.items() if column}

    def _required(self, column: str | None, reasons: list[str]) -> str:
        text = self.cells[column] if column else ""
        if not text:
            reasons.append(f"{column}: is empty" if column else "has no id of its own")
        return text

    def _amount(self, column: str) -> int:
        return read_fen(self.cells[column], self._profile.amount.unit)

    def _positive(self, column: str, reasons: list[str]) -> int | None:
        amount_fen: int | None = _noted(reasons, column, lambda: self._amount(column))
        if amount_fen is not None and amount_fen <= 0:
            reasons.append(f"{column}: is not more than zero, and no rule of the profile is for such a line")
        return amount_fen

    def _time(self) -> str:
        time = self._profile.time
        text = " ".join(self.cells[column] for column in time.columns).strip()
        if not text:
            raise ValueError("is empty")
        found = next((read for form in (None, *time.formats) if (read := _read_time(text, form))), None)
        if found is None:
            raise ValueError("is not a time in a format of the profile")
        return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(time.zone))).isoformat()

    def _check_currency(self, reasons: list[str]) -> None:
        column = self._profile.currency
        if column and self.cells[column].upper() not in _YUAN:
            reasons.append(f"{column}: is not CNY")

    def _campaign(self) -> str:
        campaign = self._profile.campaign
        text = self.cells[campaign.column] if campaign.column else ""
        if campaign.column and not (campaign.by_value or campaign.by_word) and text:
            return text
        if text in campaign.by_value:
            return campaign.by_value[text]
        found = {target for word, target in campaign.by_word.items() if word in text}
        if len(found) > 1:
            raise ValueError(f"names more than one campaign: {', '.join(sorted(found))}")
        if not found and campaign.otherwise is None:
            raise ValueError("names no campaign that the profile knows" if text else "is empty")
        return found.pop() if found else str(campaign.otherwise)

    def _donor(self) -> dict[str, Any]:
        said = self._profile.donor
        name = self.cells[said.name] if said.name else ""
        alias = self.cells[said.alias] if said.alias else ""
        name, alias = ("" if each in said.unnamed else each for each in (name, alias))
        display = "anonymous"
        if said.consent:
            agreed = self.cells[said.consent.column]
            if agreed in said.consent.to_name and name:
                display = "name"
            elif agreed in said.consent.to_alias and alias:
                display = "alias"
        company = said.companies is not None and holds(said.companies, self.cells)
        donor = {"kind": "company" if company else "person", "display": display}
        return donor | ({"name": name} if name else {}) | ({"alias": alias} if alias else {})


def holds(when: When, cells: dict[str, str]) -> bool:
    """Whether a line is one of those that are meant."""
    text = cells[when.column]
    if when.is_one_of is not None:
        return text in when.is_one_of
    if when.contains_one_of is not None:
        return any(word in text for word in when.contains_one_of)
    if when.is_empty is not None:
        return when.is_empty == (not text)
    negative = text.startswith(("-", "−", "－"))
    return when.is_negative == negative


def _noted(reasons: list[str], column: str | None, read: Any) -> Any:
    """What `read` gives, or None and a reason."""
    try:
        return read()
    except ValueError as error:
        reasons.append(f"{column}: {error}" if column else str(error))
        return None


def _tried(read: Any, *given: Any) -> Any:
    try:
        return read(*given)
    except ValueError:
        return None


def _read_time(text: str, form: str | None) -> datetime | None:
    try:
        return datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - the profile's
    except ValueError:
        return None
