"""Signatures of channels, against the reference library of Standard Webhooks, both ways."""

import base64
import hmac
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from services.donation.signatures import TOLERANCE_S, NotSigned, key_of, new_secret, verify

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW_S = 1_798_804_800.0
BODY = '{"transaction_id": "t-1", "donor": {"name": "王小明"}}'.encode()


def signed(
    body: bytes = BODY, secret: str = SECRET, message_id: str = "msg_1", at_s: float = NOW_S
) -> dict[str, str]:
    """The headers as the reference library makes them."""
    at = datetime.fromtimestamp(at_s, UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at_s)),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


def refusal(headers: Mapping[str, str], body: bytes = BODY, now_s: float = NOW_S) -> str:
    with pytest.raises(NotSigned) as caught:
        verify([key_of(SECRET)], headers, body, now_s)
    assert caught.value.detail
    return caught.value.code


@given(st.text(st.characters(codec="utf-8")))
def test_what_the_reference_library_signs_is_accepted(text: str) -> None:
    body = text.encode()
    assert verify([key_of(SECRET)], signed(body), body, NOW_S) == "msg_1"


def test_what_we_would_accept_the_reference_library_accepts() -> None:
    now_s = time.time()
    secret = new_secret()
    mac = hmac.digest(key_of(secret), b"msg_9." + str(int(now_s)).encode() + b"." + BODY, "sha256")
    headers = {
        "webhook-id": "msg_9",
        "webhook-timestamp": str(int(now_s)),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    assert verify([key_of(secret)], headers, BODY, now_s) == "msg_9"
    Webhook(secret).verify(BODY, headers)
    headers["webhook-signature"] = "v1," + base64.b64encode(mac[:-1] + b"\0").decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers)


def test_each_secret_is_new_and_of_32_bytes() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(key_of(secret)) for secret in secrets} == {32}


def test_while_a_secret_is_changed_one_of_several_signatures_is_enough() -> None:
    other = signed(secret=new_secret())["webhook-signature"]
    right = signed()
    for signatures in (
        f"{other} {right['webhook-signature']}",
        f"{right['webhook-signature']} {other}",
        f"v1a,{'A' * 44} {right['webhook-signature']}",  # an asymmetric one beside it
        f"nonsense {right['webhook-signature']}",
    ):
        assert verify([key_of(SECRET)], right | {"webhook-signature": signatures}, BODY, NOW_S) == "msg_1"


def test_a_signature_past_the_bound_of_ten_is_not_looked_at() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1,AAAA " * 10 + headers["webhook-signature"]
    assert refusal(headers) == "signature-wrong"


@pytest.mark.parametrize("off_s", [0, 1, -1, TOLERANCE_S, -TOLERANCE_S])
def test_a_clock_may_be_five_minutes_off(off_s: int) -> None:
    assert verify([key_of(SECRET)], signed(at_s=NOW_S + off_s), BODY, NOW_S) == "msg_1"


@pytest.mark.parametrize("off_s", [TOLERANCE_S + 1, -TOLERANCE_S - 1, 86_400, -86_400])
def test_an_old_or_early_signature_is_refused(off_s: int) -> None:
    assert refusal(signed(at_s=NOW_S + off_s)) == "signature-too-old"


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_header_is_refused(header: str, value: str | None) -> None:
    headers = {key: text for key, text in signed().items() if key != header}
    if value is not None:
        headers[header] = value
    assert refusal(headers) == "signature-missing"


@pytest.mark.parametrize(
    "timestamp",
    [
        "x",
        "1e9",
        "1798804800.0",
        "-1",
        "+1798804800",
        " 1798804800",
        "１７９８８０４８００",
        "²",
        "é",
        "9" * 400,
    ],
)
def test_a_timestamp_that_is_no_number_of_seconds_is_refused(timestamp: str) -> None:
    assert refusal(signed() | {"webhook-timestamp": timestamp}) == "signature-missing"


def test_an_id_beyond_the_bound_is_refused() -> None:
    longest = "m" * 256
    assert verify([key_of(SECRET)], signed(message_id=longest), BODY, NOW_S) == longest
    assert refusal(signed(message_id=longest + "m")) == "signature-missing"


RIGHT = signed()["webhook-signature"]


@pytest.mark.parametrize(
    "signatures",
    [
        RIGHT[:-4],  # cut
        RIGHT + "AAAA",
        "v1,B" + RIGHT[4:],
        RIGHT.replace("v1,", "v2,"),
        RIGHT.replace("v1,", "V1,"),
        RIGHT.removeprefix("v1,"),
        RIGHT.replace(",", ":"),
        "v1,",
        ",",
        " ",
        "v1,====",
        "v1,é",
        "v1,王",
        "é,ÿ",
        "v1,\x00",
        "v1," + base64.b64encode(b"\0" * 32).decode(),
        "v1," + "A" * 100_000,
        "v1," * 100_000,
    ],
)
def test_a_wrong_signature_is_refused(signatures: str) -> None:
    assert refusal(signed() | {"webhook-signature": signatures}) == "signature-wrong"


def test_a_signature_holds_for_its_id_its_time_and_its_bytes_only() -> None:
    headers = signed()
    assert refusal(headers | {"webhook-id": "msg_2"}) == "signature-wrong"
    assert refusal(headers | {"webhook-timestamp": str(int(NOW_S) + 1)}) == "signature-wrong"
    assert refusal(headers, BODY + b" ") == "signature-wrong"
    assert refusal(headers, BODY[:-1]) == "signature-wrong"
    assert refusal(signed(secret=new_secret())) == "signature-wrong"


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]),
        st.text(st.characters(max_codepoint=255)),  # header values come as Latin-1
    )
)
def test_whatever_stands_in_the_headers_is_refused_and_nothing_else(headers: dict[str, str]) -> None:
    assert refusal(signed() | {"webhook-signature": "v1,"} | headers) in {
        "signature-missing",
        "signature-too-old",
        "signature-wrong",
    }


def test_every_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not until the first that fits: how long it takes must not tell which one it was."""
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def counting(left: bytes, right: bytes) -> bool:
        compared.append(left)
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    other = signed(secret=new_secret())["webhook-signature"]
    headers = signed()
    headers["webhook-signature"] = f"{headers['webhook-signature']} {other} {other}"
    verify([key_of(SECRET)], headers, BODY, NOW_S)
    assert len(compared) == 3


@pytest.mark.parametrize("secret", ["whsec_", "whsec_*", "whsec_AAA", "王"])
def test_a_secret_that_is_not_base64_is_an_error_of_ours(secret: str) -> None:
    if secret == "whsec_":
        assert key_of(secret) == b""
        return
    with pytest.raises(ValueError):  # noqa: PT011 - binascii.Error is one
        key_of(secret)
