"""Which donations a receipt can be issued for, and which can share one: pure rules (Charity Law art. 38).

A receipt states what the organisation has kept: what had gone back before is subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.events.donations import DonorKind
from shared.money import MAX_AMOUNT_FEN
from shared.refusals import Refused

MAX_DONATIONS: Final = 100
"""Donations on one receipt: four pages of list, and one short transaction."""
MAX_PURPOSE: Final = 200
"""Letters of the purpose, which has a line or two on the paper."""


class DonationHeld(Refused):
    """Nobody knows yet which campaign's money it is."""

    code = "donation-held"
    title = "The donation is held"


class DonationConflicted(Refused):
    """Two contents are known under one transaction."""

    code = "donation-conflicted"
    title = "The donation is in conflict"


class NothingLeft(Refused):
    """All of it has gone back."""

    code = "nothing-left"
    title = "All of it has gone back to the donor"


class ReceiptExists(Refused):
    """A donation is on at most one valid receipt."""

    code = "receipt-exists"
    title = "There is a valid receipt of this donation"


class ReceiptWaived(Refused):
    """The donor gave the receipt up."""

    code = "receipt-waived"
    title = "The donor has waived the receipt"


class OrganisationUnknown(Refused):
    """Who received the money can't be said."""

    code = "organisation-unknown"
    title = "The campaign's organisation can't issue receipts yet"


class NotOneDonor(Refused):
    """A receipt is made out to one donor."""

    code = "not-one-donor"
    title = "The donations can't share a receipt"


class DonorUnnamed(Refused):
    """The donor left no name."""

    code = "donor-unnamed"
    title = "The donor left no name"


class TooMuch(Refused):
    """More than an amount can be."""

    code = "amount-too-large"
    title = "The amount is too large for one receipt"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A donation as it stands while it is locked. Amounts in fen, times in UTC.

    `receipt`: the number of its valid receipt. `organisation`, `licence`, `title` are of its campaign; `code`
    is the organisation's, once it is registered.
    """

    donation_id: UUID
    held: bool
    conflicted: bool
    waived: bool
    receipt: str | None
    amount_fen: int
    reversed_fen: int
    occurred_at: datetime
    donor_kind: DonorKind
    donor_name: str | None
    donor_alias: str | None
    donor_display: str
    contact_email: str | None
    title: str | None
    organisation: str | None
    licence: str | None
    code: str | None

    @property
    def net_fen(self) -> int:
        """What is left of it."""
        return self.amount_fen - self.reversed_fen


@dataclass(frozen=True, slots=True)
class Draft:
    """What a receipt will say. `items`: donation → what is left of it, in fen."""

    code: str
    organisation: str
    licence: str
    purpose: str
    donor_kind: DonorKind
    donor_name: str | None
    shown_name: str | None
    amount_fen: int
    donated_from: datetime
    donated_to: datetime
    items: dict[UUID, int]


def require_eligible(donation: Candidate, *, replacing: str | None = None) -> None:
    """Raise the first reason why this donation can't have a receipt. `replacing`: the receipt that the new
    one takes the place of.
    """
    known = {"donation_id": str(donation.donation_id)}
    if donation.held:
        raise DonationHeld("It counts for no campaign yet. Wait until it is released.", **known)
    if donation.conflicted:
        raise DonationConflicted(
            "It came with two contents. Have the channel say which is right, then correct it.", **known
        )
    if donation.receipt is not None and donation.receipt != replacing:
        raise ReceiptExists(
            f"It is on {donation.receipt}: void or reissue that.", receipt=donation.receipt, **known
        )
    if donation.waived:
        raise ReceiptWaived("Withdraw the waiver first, if the donor wants a receipt after all.", **known)
    if donation.net_fen <= 0:
        raise NothingLeft("There is nothing left to state.", **known)
    if donation.organisation is None or donation.code is None:
        raise OrganisationUnknown(
            "Register its code for receipts first."
            if donation.organisation
            else "Its campaign has not been announced yet. Try again shortly.",
            organisation=donation.organisation,
            **known,
        )


def draft(
    donations: Sequence[Candidate], *, anonymous: bool | None = None, replacing: str | None = None
) -> Draft:
    """The receipt of these donations, or the reason why there can't be one (Refused).

    `anonymous` None: without a name when any of them was given anonymously or nobody left a name; False: the
    donor asks for the name on the paper, which is theirs alone (art. 82 is about what the public sees).
    """
    for donation in donations:
        require_eligible(donation, replacing=replacing)
    first = donations[0]
    nameless = any(each.donor_display == "anonymous" or each.donor_name is None for each in donations)
    unnamed = nameless if anonymous is None else anonymous
    _require_one_donor(donations, unnamed=unnamed)
    if not unnamed and first.donor_name is None:
        raise DonorUnnamed("Issue it as the receipt of an anonymous gift.", fields=["anonymous"])
    amount_fen = sum(each.net_fen for each in donations)
    if amount_fen > MAX_AMOUNT_FEN:
        raise TooMuch("Issue more than one receipt.", fields=["donation_ids"], amount_fen=amount_fen)
    assert first.code is not None
    assert first.organisation is not None
    assert first.licence is not None
    return Draft(
        code=first.code,
        organisation=first.organisation,
        licence=first.licence,
        purpose=purpose_of([each.title or "" for each in donations]),
        donor_kind=first.donor_kind,
        donor_name=None if unnamed else first.donor_name,
        shown_name=None if unnamed else _shown_name(donations),
        amount_fen=amount_fen,
        donated_from=min(each.occurred_at for each in donations),
        donated_to=max(each.occurred_at for each in donations),
        items={each.donation_id: each.net_fen for each in donations},
    )


def purpose_of(titles: Sequence[str]) -> str:
    """The campaigns' titles, each once, in one text of at most MAX_PURPOSE letters."""
    text = "、".join(dict.fromkeys(titles))
    return text if len(text) <= MAX_PURPOSE else f"{text[: MAX_PURPOSE - 1]}…"


def _require_one_donor(donations: Sequence[Candidate], *, unnamed: bool) -> None:
    """Two people may have one name: the contact tells them apart. A company's registered name is its own."""
    if len(donations) == 1:
        return
    first = donations[0]
    if unnamed:
        raise NotOneDonor(
            "Nobody can say that anonymous gifts are of one donor. Issue one receipt for each.",
            fields=["donation_ids"],
        )
    for each in donations[1:]:
        if (each.organisation, each.licence) != (first.organisation, first.licence):
            raise NotOneDonor("They were given to different organisations.", fields=["donation_ids"])
        same = (each.donor_kind, each.donor_name, each.contact_email) == (
            first.donor_kind,
            first.donor_name,
            first.contact_email,
        )
        if not same or (first.contact_email is None and first.donor_kind == "person"):
            raise NotOneDonor(
                "They must have the same name and the same contact.",
                fields=["donation_ids"],
                donation_id=str(each.donation_id),
            )


def _shown_name(donations: Sequence[Candidate]) -> str | None:
    """What the donor agreed to be shown with every one of the donations."""
    shown = {
        {"name": each.donor_name, "alias": each.donor_alias}.get(each.donor_display) for each in donations
    }
    return shown.pop() if len(shown) == 1 else None
