"""Receipts are told: events on the donations' topic, addresses on the restricted one, each once."""

from typing import Any

import pytest

from services.donation.receipts.telling import AREA, ContactSender, mail_id
from shared.broker import CONTACTS, DONATION_EVENTS
from shared.events import Contact, ReceiptIssued, ReceiptVoided
from shared.outbox import Relay
from tests.services.donation.places import Place
from tests.services.donation.receipt_books import FINANCE, HANDLER, receipt_books

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def told(place: Place, number: str) -> list[Any]:
    """The events of a receipt as they lie on the topic."""
    await Relay(place.engine, place.publisher, DONATION_EVENTS).publish_waiting()
    return [each for each in await place.log.events(AREA) if each.subject == number]


async def contacts(place: Place) -> dict[Any, Contact]:
    """What lies on the restricted topic for receipts' mails, by mail."""
    while await ContactSender(place.engine, place.publisher).send():
        pass
    records = await place.log.records(CONTACTS)
    found = [Contact.model_validate_json(record.value or b"") for record in records]
    return {each.receipt_mail_id: each for each in found if each.receipt_mail_id is not None}


async def test_an_issue_a_reissue_and_a_voiding_are_told_with_one_mail_each(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation(contact_language="en", contact_phone="+8613800000000")
    first = await books.issue(donation_id)
    second = await books.reissue(first)
    await books.void(second)

    issued, voided = await told(place, first)
    assert isinstance(issued, ReceiptIssued)
    assert issued.data.donation_ids == (donation_id,)
    assert (issued.data.amount_fen, issued.data.organisation) == (10_000, books.organisation)
    assert issued.data.mail_id == mail_id("issued", first)
    assert f"number={first}&code=" in issued.data.check_address
    assert isinstance(voided, ReceiptVoided)
    assert (voided.data.replaced_by, voided.data.mail_id) == (second, None)

    again, gone = await told(place, second)
    assert (again.data.replaces, again.data.mail_id) == (first, mail_id("issued", second))
    assert (gone.data.replaced_by, gone.data.mail_id) == (None, mail_id("voided", second))
    for event in (issued, voided, again, gone):
        assert event.source.startswith("receipt/")
        assert not {"王小明", "wang@example.org", "写错"} & set(event.to_bytes().decode().split('"'))

    sent = await contacts(place)
    ours = {mail_id("issued", first), mail_id("issued", second), mail_id("voided", second)}
    assert {each for each, contact in sent.items() if contact.donation_id == donation_id} == ours
    contact = sent[mail_id("issued", first)]
    assert (contact.email, contact.name, contact.language) == ("wang@example.org", "王小明", "en")
    assert contact.phone is None


@pytest.mark.parametrize(
    ("donor", "mailed", "name"),
    [
        pytest.param({"donor_display": "anonymous"}, True, None, id="anonymous"),
        pytest.param({"contact_email": None}, False, None, id="no address"),
    ],
)
async def test_who_stays_unnamed_and_who_left_no_address(
    place: Place, donor: dict[str, Any], *, mailed: bool, name: str | None
) -> None:
    books = await receipt_books(place)
    number = await books.issue(await books.donation(**donor))
    (issued,) = await told(place, number)
    assert issued.data.mail_id == (mail_id("issued", number) if mailed else None)
    contact = (await contacts(place)).get(mail_id("issued", number))
    assert (contact is not None, contact and contact.name) == (mailed, name)


async def test_a_command_that_is_undone_tells_nothing(place: Place) -> None:
    books = await receipt_books(place)
    donation_id = await books.donation()
    async with place.engine.connect() as connection:
        number = await books.office.issue(connection, FINANCE, [donation_id], handler=HANDLER)
        await connection.rollback()
    kept = "SELECT (SELECT count(*) FROM outbox WHERE key = :number), count(*) FROM receipt_mails"
    assert await place.rows(f"{kept} WHERE number = :number", number=number) == [(0, 0)]
