"""A contact as it comes from Kafka: what is taken, what is refused, and that a refusal names no person."""

import json
from typing import Any

import pytest

from services.notification.contacts import NAME_MAX, UnusableContact, read_contact

CONTACT = {
    "donation_id": "6f1f0c1e-3b52-5d1c-9d57-0d8c4f1a2b30",
    "channel": "wechat",
    "campaign_id": "gala-2024",
    "email": "zhang@example.com",
    "name": "张三",
    "amount_fen": 10_000,
    "occurred_at": "2024-01-05T12:30:15Z",
}


def record(**fields: Any) -> bytes:
    return json.dumps({**CONTACT, **fields}).encode()


def test_a_contact_is_read_and_unknown_fields_are_passed_over() -> None:
    contact = read_contact(record(display="name", source="intake.wechat/0", sequence=7))
    assert (contact.email, contact.name) == ("zhang@example.com", "张三")


@pytest.mark.parametrize(
    "way",
    [
        {"phone": "+8613812345678"},
        {"wechat_openid": "o6_bmjrPTlm6", "wechat_app_id": "wx0123456789abcdef", "language": "en"},
    ],
    ids=["phone", "wechat"],
)
def test_a_contact_by_any_way_is_read(way: dict[str, str]) -> None:
    contact = read_contact(record(email=None, **way))
    assert {field: getattr(contact, field) for field in way} == way
    assert contact.email is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        (None, None),
        ("", None),
        ("\x00\r\n", None),
        ("张\x00三", "张 三"),
        ("x" * 1000, "x" * NAME_MAX),
    ],
)
def test_a_name_is_made_fit_to_be_stored(name: str | None, kept: str | None) -> None:
    assert read_contact(record(name=name)).name == kept


@pytest.mark.parametrize("address", ["", "not an address", "a@b\r\nBcc: c@d.example"])
def test_an_address_that_is_no_good_is_kept_so_that_its_mail_fails_visibly(address: str) -> None:
    assert read_contact(record(email=address)).email == address


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"donation_id": "6f1f0c1e',
        record(donation_id="not-an-id"),
        record(email=None),
        record(phone="secret" * 20),
        record(phone="secret\x00"),
        record(wechat_openid="secret"),
        record(wechat_app_id="secret"),
        record(language="secret"),
        record(email=["secret@example.com"]),
        record(email="secret@example.com" * 20),
        record(email="secret\x00@example.com"),
        record(amount_fen="secret"),
        record(name="\ud800"),
    ],
)
def test_what_is_not_a_contact_is_refused_without_telling_what_it_holds(value: bytes | None) -> None:
    with pytest.raises(UnusableContact) as refused:
        read_contact(value)
    assert "secret" not in str(refused.value)
