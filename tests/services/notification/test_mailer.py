"""One connection to a real SMTP server: TLS, login, reuse, and what is left when it goes wrong."""

import base64
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local.mailcatcher.mailbox import Mailbox, Mode
from deploy.local.mailcatcher.smtp import smtp_running
from services.notification.couriers.mailer import Mailer
from services.notification.couriers.ways import CourierUnavailable, MailLetter
from services.notification.delivery import Answer, Outcome
from services.notification.settings import Settings

MAIL = b"Subject: x\r\n\r\nx\r\n"
LETTER = MailLetter("zhang@example.com", MAIL)


def later() -> float:
    return time.monotonic() + 60


def settings(port: int, **values: Any) -> Settings:
    database_url = "postgresql+asyncpg://nobody@127.0.0.1/none"
    key = base64.b64encode(b"k" * 32).decode()
    times = {"address_key": key, "smtp_command_timeout_s": 3, "smtp_data_timeout_s": 3}
    return Settings.model_validate({"database_url": database_url, "smtp_port": port, **times, **values})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


def knows_us(_: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"shanliu", b"secret")
    return AuthResult(success=right, handled=False)


@pytest.fixture
async def strict_port(mailbox: Mailbox, certificate: tuple[Path, Path]) -> AsyncIterator[int]:
    """A mail server that wants STARTTLS and a login."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    async with smtp_running(mailbox, tls_context=context, authenticator=knows_us) as port:
        yield port


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def port(mailbox: Mailbox) -> AsyncIterator[int]:
    async with smtp_running(mailbox) as port:
        yield port


async def test_mail_goes_over_tls_after_a_login(
    mailbox: Mailbox, strict_port: int, certificate: tuple[Path, Path]
) -> None:
    login = {"smtp_username": "shanliu", "smtp_password": "secret", "smtp_starttls": True}
    mailer = Mailer(settings(strict_port, smtp_ca_file=certificate[0], **login))
    await mailer.ready()
    assert await mailer.send(LETTER, not_after_s=later()) == Answer(Outcome.ACCEPTED)
    await mailer.close()
    assert len(mailbox) == 1


@pytest.mark.parametrize(
    ("password", "trusted", "reason"),
    [("wrong", True, "smtp_535"), ("secret", False, "tls_failed")],
    ids=["wrong password", "unknown certificate"],
)
async def test_a_server_that_does_not_let_us_in_or_is_not_the_right_one_gets_no_mail(
    mailbox: Mailbox,
    strict_port: int,
    certificate: tuple[Path, Path],
    *,
    password: str,
    trusted: bool,
    reason: str,
) -> None:
    login = {"smtp_username": "shanliu", "smtp_password": password, "smtp_starttls": True}
    mailer = Mailer(settings(strict_port, smtp_ca_file=certificate[0] if trusted else None, **login))
    with pytest.raises(CourierUnavailable, match=reason):
        await mailer.ready()
    assert (await mailer.send(LETTER, not_after_s=later())).outcome is Outcome.NOT_REACHED
    assert len(mailbox) == 0


async def test_a_server_without_starttls_gets_no_mail_in_the_clear(mailbox: Mailbox, port: int) -> None:
    mailer = Mailer(settings(port, smtp_starttls=True))
    with pytest.raises(CourierUnavailable):
        await mailer.ready()
    assert len(mailbox) == 0


async def test_a_connection_carries_many_mails_past_refusals_and_is_renewed_in_time(
    mailbox: Mailbox, port: int
) -> None:
    mailer = Mailer(settings(port, smtp_mails_per_connection=4))
    connections = set()
    outcomes = []
    for mode in (Mode.ACCEPT, Mode.REJECT_550, Mode.REJECT_451, Mode.ACCEPT, Mode.ACCEPT):
        mailbox.behave(mode)
        await mailer.ready()
        assert mailer._smtp is not None
        connections.add(id(mailer._smtp))
        outcomes.append((await mailer.send(LETTER, not_after_s=later())).outcome)
    await mailer.close()
    accepted = Outcome.ACCEPTED
    assert outcomes == [accepted, Outcome.REFUSED, Outcome.REFUSED_FOR_NOW, accepted, accepted]
    assert len(connections) == 2


async def test_a_connection_the_server_has_closed_is_replaced_before_a_mail_is_claimed(
    mailbox: Mailbox, port: int
) -> None:
    mailer = Mailer(settings(port))
    await mailer.ready()
    assert (await mailer.send(LETTER, not_after_s=later())).outcome is Outcome.ACCEPTED
    mailbox.behave(Mode.DROP_AFTER_DATA, count=1)
    await mailer.ready()
    assert (await mailer.send(LETTER, not_after_s=later())).outcome is Outcome.UNKNOWN
    await mailer.ready()
    assert (await mailer.send(LETTER, not_after_s=later())).outcome is Outcome.ACCEPTED
    await mailer.close()


async def test_nothing_is_given_away_once_the_lease_is_lost(mailbox: Mailbox, port: int) -> None:
    mailer = Mailer(settings(port))
    await mailer.ready()
    answer = await mailer.send(LETTER, not_after_s=time.monotonic() - 1)
    assert answer == Answer(Outcome.NOT_REACHED, "lease_lost")
    assert len(mailbox) == 0
