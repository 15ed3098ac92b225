"""UnionPay's notices 5.1.0: the certificate they bring must chain to the root, be UnionPay's, be valid."""

import base64
import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.intake import DonationRequest, ReversalRequest
from services.donation.schemes.keys import platform_key, signature_bytes
from services.donation.schemes.notices import BadNotice, Meaning, NoMoney
from services.donation.schemes.settings import UnionpaySettings
from services.donation.schemes.unionpay import read, signed_text
from tests.companies import MISSING, Unionpay, a_certificate, a_key, pem

COMPANY = Unionpay()
TRUSTED = tuple(COMPANY.trusted)
DIGEST = b"efe28fb9819d59c6d1a91aee037f4d6e3152c64c2c9651b469e15c7df2d8f28a"
REAL: dict[str, str] = json.loads(Path(__file__).with_name("unionpay_refund.json").read_text("utf-8"))
SETTINGS = UnionpaySettings.model_validate(COMPANY.settings())


def understood(
    body: bytes,
    settings: UnionpaySettings = SETTINGS,
    trusted: tuple[str, ...] = TRUSTED,
    now: datetime | None = None,
) -> Meaning:
    return read(settings, trusted, body, now or datetime.now(UTC))


def refused(body: bytes, **given: Any) -> tuple[int, str]:
    with pytest.raises(BadNotice) as caught:
        understood(body, **given)
    return caught.value.status, caught.value.code


def paid(**changes: Any) -> bytes:
    return COMPANY.notice(COMPANY.payment(**changes))


# ------------------------------------------------------------------------------------------ what it means


def test_a_payment_is_a_donation_of_unionpay_s_own_number() -> None:
    fields = COMPANY.payment(txnTime="20261126201500")
    donation = understood(COMPANY.notice(fields))
    assert isinstance(donation, DonationRequest)
    assert (donation.transaction_id, donation.amount_fen) == (fields["queryId"], 12345)
    assert donation.occurred_at == datetime(2026, 11, 26, 12, 15, tzinfo=UTC)
    assert (donation.campaign_id, donation.donor.shown_name) == ("gala", None)


@pytest.mark.parametrize(("kind", "meant"), [("04", "refund"), ("31", "void")])
def test_money_that_goes_back_names_its_payment(kind: str, meant: str) -> None:
    fields = COMPANY.refund("777", txnType=kind)
    reversal = understood(COMPANY.notice(fields))
    assert isinstance(reversal, ReversalRequest)
    assert (reversal.reversal_id, reversal.transaction_id) == (fields["queryId"], "777")
    assert (reversal.kind, reversal.amount_fen) == (meant, 2345)


def test_a_payment_that_was_done_with_a_flaw_is_done() -> None:
    assert isinstance(understood(paid(respCode="A6")), DonationRequest)


@pytest.mark.parametrize("code", ["01", "03", "05", "34", MISSING])
def test_a_payment_that_failed_or_waits_moves_nothing(code: Any) -> None:
    assert isinstance(understood(paid(respCode=code)), NoMoney)


@pytest.mark.parametrize("kind", ["00", "02", "03", "32", "72"])
def test_another_kind_of_notice_moves_nothing(kind: str) -> None:
    assert understood(paid(txnType=kind)) == NoMoney(f"txnType {kind}")


def test_the_order_s_reserved_text_says_what_the_donor_chose() -> None:
    text = "c:flood-2026;n:王小明;d:n"
    for reserved in (text, base64.b64encode(text.encode()).decode()):
        donation = understood(paid(reqReserved=reserved))
        assert isinstance(donation, DonationRequest)
        assert (donation.campaign_id, donation.donor.shown_name) == ("flood-2026", "王小明")


def test_a_reserved_text_of_another_system_says_nothing() -> None:
    for text in ("order 7", "AAAA", "//////", "c"):
        donation = understood(paid(reqReserved=text))
        assert isinstance(donation, DonationRequest)
        assert donation.campaign_id == "gala"


# ------------------------------------------------------------------------------------------ who may say it


def test_what_is_signed_is_written_as_unionpay_writes_it() -> None:
    """The digest is sha256sum's of `merId=777290058110048&txnAmt=1&version=5.1.0`."""
    fields = {"version": "5.1.0", "signature": "x", "merId": "777290058110048", "txnAmt": "1"}
    assert signed_text(fields) == DIGEST


def test_what_unionpay_s_own_test_system_signed_is_its_signature() -> None:
    """A refund of 2024-01-05 by UnionPay's test system, as an open library keeps it among its tests."""
    key = platform_key(REAL["signPubKeyCert"])
    signature, at = signature_bytes(REAL["signature"]), datetime(2024, 1, 5, tzinfo=UTC)
    assert key.signed(signature, signed_text(REAL), at)
    assert not key.signed(signature, signed_text(REAL | {"txnAmt": "2"}), at)
    assert not key.signed(signature, signed_text(REAL), datetime(2026, 1, 5, tzinfo=UTC)), "it ended in 2025"
    trusted = "\n".join(REAL["signPubKeyCert"].split("\r\n"))
    body = urlencode(REAL).encode()
    assert refused(body, trusted=(trusted,)) == (401, "unknown-certificate"), "it may not vouch for itself"


def test_a_certificate_of_another_root_proves_nothing() -> None:
    other_key = a_key(6)
    root = a_certificate("Test CA", other_key, ca=True)
    middle = a_certificate("Test OCA1", a_key(7), (root, other_key), ca=True)
    leaf = a_certificate(COMPANY.name, a_key(8), (middle, a_key(7)))
    forged = COMPANY.notice(COMPANY.payment(signPubKeyCert=pem(leaf)), a_key(8))
    assert refused(forged) == (401, "unknown-certificate")
    assert isinstance(understood(forged, trusted=(pem(root), pem(middle))), DonationRequest)


def test_a_certificate_that_signs_itself_proves_nothing() -> None:
    own = a_certificate(COMPANY.name, a_key(8), ca=True)
    forged = COMPANY.notice(COMPANY.payment(signPubKeyCert=pem(own)), a_key(8))
    assert refused(forged) == (401, "unknown-certificate")


def test_another_merchant_s_certificate_of_the_same_root_proves_nothing() -> None:
    other = replace(COMPANY, name="041@8310000000083040@某某商户@00016495")
    assert refused(other.notice(other.payment()), trusted=tuple(other.trusted)) == (
        401,
        "unknown-certificate",
    )
    settings = UnionpaySettings.model_validate(COMPANY.settings(signer="某某商户"))
    assert isinstance(
        understood(other.notice(other.payment()), settings, tuple(other.trusted)), DonationRequest
    )


def test_who_is_certified_may_not_certify_others() -> None:
    leaf = a_certificate(COMPANY.name, a_key(8), (COMPANY.certificate, COMPANY.key))
    forged = COMPANY.notice(COMPANY.payment(signPubKeyCert=pem(leaf)), a_key(8))
    assert refused(forged) == (401, "unknown-certificate")
    assert refused(forged, trusted=(*TRUSTED, pem(COMPANY.certificate))) == (401, "unknown-certificate")


def test_a_chain_without_its_root_is_not_trusted() -> None:
    assert refused(paid(), trusted=(pem(COMPANY.middle),)) == (401, "unknown-certificate")
    assert refused(paid(), trusted=()) == (401, "unknown-certificate")
    assert refused(paid(), trusted=("no certificate",)) == (401, "unknown-certificate")
    assert isinstance(understood(paid(), trusted=("\n".join(TRUSTED),)), DonationRequest)


def test_certificates_signed_with_sha1_count_only_where_that_is_set() -> None:
    """As UnionPay's test system has them. Made with OpenSSL: `cryptography` signs with SHA-1 no more."""
    made = json.loads(Path(__file__).with_name("unionpay_sha1.json").read_text("utf-8"))
    body, trusted, now = made["body"].encode(), (made["root"],), datetime(2026, 11, 27, tzinfo=UTC)
    assert refused(body, trusted=trusted, now=now) == (401, "unknown-certificate")
    settings = UnionpaySettings.model_validate(COMPANY.settings(sha1_certificates=True))
    assert isinstance(understood(body, settings, trusted, now), DonationRequest)
    assert isinstance(understood(paid(), settings), DonationRequest)
    other = (pem(a_certificate("R", a_key(8), ca=True)),)
    assert refused(body, settings=settings, trusted=other, now=now) == (401, "unknown-certificate")


def test_a_certificate_counts_as_long_as_it_is_valid() -> None:
    body, now = paid(), datetime.now(UTC)
    assert refused(body, now=now + timedelta(days=3651)) == (401, "signature-wrong")
    assert refused(body, now=now - timedelta(days=31)) == (401, "signature-wrong")


def test_a_notice_that_was_changed_proves_nothing() -> None:
    body = paid()
    for changed in (
        body.replace(b"txnAmt=12345", b"txnAmt=99999"),
        body + b"&more=1",
        COMPANY.notice(COMPANY.payment(), a_key(8)),
        paid(version="5.0.0"),
        paid(signMethod="11"),
        b"&".join(part for part in body.split(b"&") if not part.startswith(b"signature=")),
        b"&".join(part for part in body.split(b"&") if not part.startswith(b"signPubKeyCert=")),
    ):
        status, code = refused(changed)
        assert (status, code[:10]) == (401, "signature-")


def test_fields_that_are_empty_are_not_signed() -> None:
    assert isinstance(understood(paid() + b"&reserved="), DonationRequest)


# -------------------------------------------------------------------------------------- what can't be booked


@pytest.mark.parametrize(
    "changes",
    [
        {"merId": "777290058110049"},
        {"currencyCode": "344"},
        {"queryId": MISSING},
        {"queryId": "a b"},
        {"txnAmt": "1.5"},
        {"txnAmt": "0"},
        {"txnAmt": MISSING},
        {"txnTime": "20260230000000"},
        {"txnTime": "now"},
        {"txnTime": MISSING},
        {"txnType": "04"},
        {"txnType": MISSING},
    ],
    ids="-".join,
)
def test_a_payment_that_is_not_the_merchant_s_or_not_whole_is_not_taken(changes: dict[str, Any]) -> None:
    assert refused(paid(**changes)) == (422, "unusable-notice")


@given(st.binary(max_size=300) | st.text(alphabet="abc=&%;+signature0", max_size=100).map(str.encode))
def test_whatever_comes_is_refused_and_nothing_breaks(body: bytes) -> None:
    with pytest.raises(BadNotice):
        understood(body)


@given(st.text(max_size=300), st.text(max_size=40))
def test_whatever_certificate_comes_is_refused(certificate: str, signature: str) -> None:
    fields = dict(parse_qsl(paid().decode())) | {"signPubKeyCert": certificate, "signature": signature}
    with pytest.raises(BadNotice):
        understood(COMPANY.notice(fields))


@given(st.dictionaries(st.sampled_from([*COMPANY.payment(), "reqReserved"]), st.text(max_size=50)))
def test_whatever_is_signed_is_taken_or_told_why_not(fields: dict[str, str]) -> None:
    with contextlib.suppress(BadNotice):
        understood(paid(**fields))
