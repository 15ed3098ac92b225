"""ISO 20022 camt.053.001.02 to .08: what a bank says of an account at the end of a day, read as a table.

One line is one payment: each TxDtls of an entry, or the entry itself where it has none. The names of elements
are those of the standard's message definition; what moved between its versions is looked for in both places.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from services.donation.statements.unreadable import Unreadable

_ROOT: Final = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.0[2-8]\}Document")
NOT_PROVIDED: Final = "NOTPROVIDED"
"""What stands where the payer gave no EndToEndId (EPC and CGI-MP guidelines)."""
MAX_DEPTH: Final = 30
MAX_OPEN_ELEMENTS: Final = 1_000_000
"""Of one entry: a bank may book a day's transfers as one entry with a hundred thousand payments."""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment. Amounts in units of the currency (yuan), as the file has them; times RFC 3339 or dates.

    `reference` is the bank's own (AcctSvcrRef): of the payment, or of the entry with the payment's number in
    it when it has several. `direction`: CRDT or DBIT. `status`: BOOK, PDNG, INFO. `reversal`: true when the
    entry takes another one back. `counterparty`: who paid, for a debit who was paid.
    """

    reference: str
    end_to_end_id: str
    transaction_id: str
    amount: str
    currency: str
    direction: str
    status: str
    reversal: str
    booked_at: str
    valued_at: str
    counterparty: str
    counterparty_account: str
    remittance: str
    account: str
    fault: str | None = None


COLUMNS: Final = tuple(field.name for field in fields(Payment) if field.name != "fault")


def payments(content: bytes) -> Iterator[Payment]:
    """The payments of all statements of a message, in their order. Raises Unreadable."""
    try:
        yield from _payments(content)
    except DefusedXmlException:
        raise Unreadable("The XML has a DTD or entities, which no camt.053 has.") from None
    except (ParseError, ValueError, LookupError) as error:
        place = getattr(error, "position", None)
        where = f" at line {place[0]}" if place else ""
        raise Unreadable(f"The file is not well-formed XML{where}.") from None


def _payments(content: bytes) -> Iterator[Payment]:
    open_elements: list[Any] = []
    account = ""
    seen = 0
    for event, element in iterparse(io.BytesIO(content), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            if not open_elements and not _ROOT.fullmatch(element.tag):
                raise Unreadable("The XML is not a camt.053.001.02 to .08.")
            open_elements.append(element)
            seen += 1
            if len(open_elements) > MAX_DEPTH or seen > MAX_OPEN_ELEMENTS:
                raise Unreadable("An entry is too large, or nested too deeply.")
            continue
        open_elements.pop()
        path = [_local(each) for each in open_elements]
        if path == ["Document", "BkToCstmrStmt", "Stmt"]:
            if _local(element) == "Acct":
                account = _text(element, "Id/IBAN", "Id/Othr/Id")
            if _local(element) == "Ntry":
                yield from _entry(element, account)
            open_elements[-1].remove(element)
            seen = 0


def _entry(entry: Element, account: str) -> Iterator[Payment]:
    amount, currency = _amount(entry, "Amt")
    whole = Payment(
        reference=_text(entry, "AcctSvcrRef"),
        end_to_end_id="",
        transaction_id="",
        amount=amount,
        currency=currency,
        direction=_text(entry, "CdtDbtInd"),
        status=_text(entry, "Sts/Cd") or _text(entry, "Sts"),
        reversal=_text(entry, "RvslInd").lower() or "false",
        booked_at=_text(entry, "BookgDt/DtTm", "BookgDt/Dt"),
        valued_at=_text(entry, "ValDt/DtTm", "ValDt/Dt"),
        counterparty="",
        counterparty_account="",
        remittance=_text(entry, "AddtlNtryInf"),
        account=account,
    )
    details = entry.findall("{*}NtryDtls/{*}TxDtls")
    if not details:
        yield whole
        return
    parts = [_part(whole, each, number, len(details)) for number, each in enumerate(details, 1)]
    fault = _sum_fault(whole, parts)
    yield from (replace(part, fault=fault) for part in parts)


def _part(whole: Payment, details: Element, number: int, of: int) -> Payment:
    """One payment of an entry."""
    amount, currency = _amount(details, "Amt", "AmtDtls/TxAmt/Amt")
    if not amount and of == 1:
        amount, currency = whole.amount, whole.currency
    direction = _text(details, "CdtDbtInd") or whole.direction
    party = "Dbtr" if direction == "CRDT" else "Cdtr"
    own = _text(details, "Refs/AcctSvcrRef")
    if own and own == whole.reference and of > 1:
        own = ""
    in_entry = whole.reference if of == 1 or not whole.reference else f"{whole.reference}.{number}"
    end_to_end_id = _text(details, "Refs/EndToEndId")
    return replace(
        whole,
        reference=own or in_entry,
        end_to_end_id="" if end_to_end_id == NOT_PROVIDED else end_to_end_id,
        transaction_id=_text(details, "Refs/TxId"),
        amount=amount,
        currency=currency,
        direction=direction,
        counterparty=_text(details, f"RltdPties/{party}/Pty/Nm", f"RltdPties/{party}/Nm"),
        counterparty_account=_text(
            details, f"RltdPties/{party}Acct/Id/IBAN", f"RltdPties/{party}Acct/Id/Othr/Id"
        ),
        remittance=" ".join(_texts(details, "RmtInf/Ustrd"))
        or _text(details, "AddtlTxInf")
        or whole.remittance,
    )


def _sum_fault(whole: Payment, parts: list[Payment]) -> str | None:
    """An entry whose payments are not what was booked is taken in no part of it."""
    try:
        signed = sum(
            Decimal(part.amount) * (1 if part.direction == whole.direction else -1) for part in parts
        )
        if signed == Decimal(whole.amount) and {part.currency for part in parts} == {whole.currency}:
            return None
    except InvalidOperation:
        pass
    return "the payments of the entry do not make up its amount"


def _amount(element: Element, *paths: str) -> tuple[str, str]:
    for path in paths:
        found = element.find(_qualified(path))
        if found is not None:
            return (found.text or "").strip(), found.get("Ccy", "")
    return "", ""


def _text(element: Element, *paths: str) -> str:
    """The first text that stands at one of the paths."""
    return next((text for path in paths for text in _texts(element, path) if text), "")


def _texts(element: Element, path: str) -> list[str]:
    return [" ".join((each.text or "").split()) for each in element.findall(_qualified(path))]


def _qualified(path: str) -> str:
    return "/".join(f"{{*}}{step}" for step in path.split("/"))


def _local(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]
