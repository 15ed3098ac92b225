"""One call of a partner: its name looked at, its certificate too, everything bounded. Real servers on
loopback.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notification.partners.client import Bounds, Line
from services.notification.partners.schedule import Outcome
from tests.services.notification.partner import (
    Call,
    Partner,
    endless,
    hanging,
    partner_running,
    saying,
)

NAME = "hooks.partner.example"
TLS = ssl.create_default_context()
OPEN = Bounds(time_out_s=0.5, connections=2, http_allowed=True, private_allowed=True)
STRICT = Bounds(time_out_s=0.5, connections=2, http_allowed=True, private_allowed=False)


class Names:
    """A resolver that gives one answer after the other, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest_asyncio.fixture
async def partner() -> AsyncIterator[Partner]:
    async with partner_running() as found:
        yield found


async def called(line: Line) -> tuple[Outcome, int | None]:
    result = await line.call({"webhook-id": "x"}, b"{}")
    return result.outcome, result.status


async def test_a_name_that_leads_inside_is_not_called(partner: Partner) -> None:
    for inside in (["127.0.0.1"], ["::ffff:127.0.0.1"], ["8.8.8.8", "127.0.0.1"]):
        line = Line(partner.url(host=NAME), STRICT, Names(inside), TLS)
        assert await called(line) == (Outcome.FORBIDDEN_ADDRESS, None)
        await line.close()
    assert partner.connections == 0


async def test_a_name_that_changes_its_answer_gains_nothing(partner: Partner) -> None:
    """DNS rebinding: a public answer for the look and a private one for the call. There is one look, and the
    call goes to what it gave; the next look is judged anew.
    """
    names = Names(["192.0.2.1"], ["127.0.0.1"])
    strict = Line(partner.url(host=NAME), STRICT, names, TLS)
    assert (await called(strict))[0] is Outcome.FORBIDDEN_ADDRESS, "192.0.2.0/24 is for documentation"
    assert (await called(strict))[0] is Outcome.FORBIDDEN_ADDRESS
    await strict.close()
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    line = Line(partner.url(host=NAME), OPEN, names, TLS)
    assert await called(line) == (Outcome.DELIVERED, 204)
    assert await called(line) == (Outcome.DELIVERED, 204)
    assert (names.asked, partner.connections) == (1, 1), "the address is kept, and so is the connection"
    assert partner.calls[0].headers["host"] == f"{NAME}:{partner.port}"
    await line.close()


async def test_the_next_address_of_a_name_is_tried(partner: Partner) -> None:
    line = Line(partner.url(host=NAME), OPEN, Names(["127.0.0.9", "127.0.0.1"]), TLS)
    assert await called(line) == (Outcome.DELIVERED, 204)
    await line.close()


async def test_a_name_that_hangs_is_given_up_and_asked_once_at_a_time(partner: Partner) -> None:
    asked = 0

    async def hangs(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return []

    line = Line(partner.url(host=NAME), OPEN, hangs, TLS)
    results = await asyncio.gather(*(called(line) for _ in range(5)))
    assert {outcome for outcome, _ in results} == {Outcome.TIMED_OUT}
    assert asked == 1
    await line.close()


async def test_a_name_that_does_not_exist_is_not_reached(partner: Partner) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    line = Line(partner.url(host=NAME), OPEN, unknown, TLS)
    assert await called(line) == (Outcome.NOT_REACHED, None)
    await line.close()


async def test_silence_is_given_up(partner: Partner) -> None:
    partner.answer = hanging
    line = Line(partner.url(), OPEN, Names([]), TLS)
    result = await line.call({}, b"{}")
    assert result.outcome is Outcome.TIMED_OUT
    assert 400 <= result.duration_ms < 3_000
    await line.close()


async def test_a_drip_of_headers_is_given_up(partner: Partner) -> None:
    async def drip(_: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    partner.answer = drip
    line = Line(partner.url(), OPEN, Names([]), TLS)
    assert (await called(line))[0] is Outcome.TIMED_OUT
    await line.close()


async def test_an_endless_answer_is_read_to_the_bound(partner: Partner) -> None:
    partner.answer = endless
    line = Line(partner.url(), OPEN, Names([]), TLS)
    result = await line.call({}, b"{}")
    assert result.outcome is Outcome.DELIVERED
    assert result.answer == "x" * 512
    assert result.duration_ms < 500
    await line.close()


async def test_headers_without_an_end_are_no_answer(partner: Partner) -> None:
    partner.answer = saying(200, x_long="y" * 500_000)
    line = Line(partner.url(), OPEN, Names([]), TLS)
    assert (await called(line))[0] is Outcome.NOT_REACHED
    await line.close()


async def test_what_is_no_http_is_not_reached(partner: Partner) -> None:
    async def rubbish(_: Call, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\xff" * 100 + b"\r\n\r\n")
        await writer.drain()
        writer.close()

    partner.answer = rubbish
    line = Line(partner.url(), OPEN, Names([]), TLS)
    assert (await called(line))[0] is Outcome.NOT_REACHED
    await line.close()


async def test_a_redirect_is_told_and_not_followed(partner: Partner) -> None:
    partner.answer = saying(302, location=partner.url("/elsewhere"))
    line = Line(partner.url(), OPEN, Names([]), TLS)
    assert await called(line) == (Outcome.REDIRECTED, 302)
    assert [call.path for call in partner.calls] == ["/hooks"]
    await line.close()


async def test_no_cookie_comes_back_and_no_proxy_is_asked(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    partner.answer = saying(200, set_cookie="a=b")
    line = Line(partner.url(), OPEN, Names([]), TLS)
    assert await called(line) == (Outcome.DELIVERED, 200)
    assert await called(line) == (Outcome.DELIVERED, 200)
    assert "cookie" not in partner.calls[1].headers
    await line.close()


async def test_what_a_partner_says_is_kept_as_one_printable_line(partner: Partner) -> None:
    partner.answer = saying(500, b"a\x00b\r\n\xff\xfe" + "错".encode())
    line = Line(partner.url(), OPEN, Names([]), TLS)
    result = await line.call({}, b"{}")
    assert result.answer == "a b ��错"
    await line.close()


# ---------------------------------------------------------------- TLS


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate_file, key_file


async def test_the_name_and_not_the_address_is_what_the_certificate_must_be_for(tmp_path: Path) -> None:
    certificate_file, key_file = certificate(tmp_path, NAME)
    told: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate_file, key_file)
    server.sni_callback = lambda _, name, __: told.append(name)
    trusting = ssl.create_default_context(cafile=certificate_file)
    async with partner_running(server) as partner:
        for name, tls, outcome in (
            (NAME, trusting, Outcome.DELIVERED),
            ("other.partner.example", trusting, Outcome.NOT_REACHED),
            (NAME, TLS, Outcome.NOT_REACHED),
        ):
            line = Line(partner.url(host=name, scheme="https"), OPEN, Names(["127.0.0.1"]), tls)
            assert (await called(line))[0] is outcome
            await line.close()
        assert told == [NAME, "other.partner.example", NAME]
        assert len(partner.calls) == 1
