"""Certificates of our own, looked at with OpenSSL's eyes: what it lets in, and what it refuses."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy import certificates
from deploy.certificates import AUTHORITY, AUTHORITY_KEY, Wanted, wanted, write_certificates
from deploy.local.problems import StackProblem

BROKER = Wanted("kafka", ("kafka", "127.0.0.1"), client=True)
DATABASE = Wanted("postgres", ("postgres",))
CALLER = Wanted("administrator")


def shake_hands(
    server: Path, authority: Path, host: str, *, asking: Path | None = None, asked: bool = False
) -> str:
    """What OpenSSL says when a client calls `host` and a server answers with its certificate."""
    answering = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    answering.load_cert_chain(server)
    if asked:
        answering.load_verify_locations(authority)
        answering.verify_mode = ssl.CERT_REQUIRED
    calling = ssl.create_default_context(cafile=authority)
    if asking is not None:
        calling.load_cert_chain(asking)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = calling.wrap_bio(back, there, server_hostname=host)
    other = answering.wrap_bio(there, back, server_side=True)
    done = 0
    for _ in range(6):
        for side in (client, other):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                return (
                    error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
                )
    return "let in" if done >= 2 else "nothing"


def test_each_server_has_one_of_its_own_and_keys_are_their_owners(tmp_path: Path) -> None:
    ends = write_certificates(tmp_path, [BROKER, DATABASE, CALLER])
    now = datetime.now(UTC)

    assert set(ends) == {AUTHORITY, "kafka.pem", "postgres.pem", "administrator.pem"}
    assert all(end > now + timedelta(days=390) for end in ends.values())
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o644 if path.name == AUTHORITY else 0o600), path.name
    assert "PRIVATE" not in (tmp_path / AUTHORITY).read_text()


@pytest.mark.parametrize(
    ("server", "host", "asking", "says"),
    [
        pytest.param(BROKER, "kafka", None, "let in", id="by its name"),
        pytest.param(BROKER, "127.0.0.1", None, "let in", id="by its address"),
        pytest.param(BROKER, "postgres", None, "Hostname mismatch", id="another's name"),
        pytest.param(BROKER, "kafka", CALLER, "let in", id="a client that shows its own"),
        pytest.param(BROKER, "kafka", BROKER, "let in", id="a broker calls a broker"),
        pytest.param(
            BROKER, "kafka", DATABASE, "unsuitable certificate purpose", id="a server that may not call"
        ),
        pytest.param(
            CALLER, "administrator", None, "unsuitable certificate purpose", id="a client's is no server's"
        ),
    ],
)
def test_who_is_let_in(tmp_path: Path, server: Wanted, host: str, asking: Wanted | None, says: str) -> None:
    write_certificates(tmp_path, [BROKER, DATABASE, CALLER])
    shown = tmp_path / asking.file if asking else None

    found = shake_hands(
        tmp_path / server.file, tmp_path / AUTHORITY, host, asking=shown, asked=asking is not None
    )

    assert says in found


def test_another_authority_is_refused(tmp_path: Path) -> None:
    write_certificates(tmp_path / "ours", [BROKER])
    write_certificates(tmp_path / "theirs", [BROKER])

    found = shake_hands(tmp_path / "ours" / "kafka.pem", tmp_path / "theirs" / AUTHORITY, "kafka")

    assert "unable to get" in found or "self-signed" in found


def test_what_is_good_stays_and_what_is_not_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bytes_of(each: Wanted) -> bytes:
        return (tmp_path / each.file).read_bytes()

    write_certificates(tmp_path, [BROKER, DATABASE])
    broker, database = bytes_of(BROKER), bytes_of(DATABASE)
    moved = Wanted("kafka", ("kafka", "10.0.0.7"), client=True)

    write_certificates(tmp_path, [BROKER, DATABASE])
    assert (bytes_of(BROKER), bytes_of(DATABASE)) == (broker, database)
    write_certificates(tmp_path, [moved, DATABASE])
    assert (bytes_of(BROKER) == broker, bytes_of(DATABASE) == database) == (False, True)
    write_certificates(tmp_path, [DATABASE], renew=True)
    assert bytes_of(DATABASE) != database
    database = bytes_of(DATABASE)
    monkeypatch.setattr(certificates, "RENEWED_BEFORE", timedelta(days=398))
    write_certificates(tmp_path, [DATABASE])
    assert bytes_of(DATABASE) != database, "in its last days"


def test_a_new_authority_signs_and_the_earlier_is_still_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_certificates(tmp_path, [BROKER])
    earlier, key = (tmp_path / "kafka.pem").read_bytes(), (tmp_path / AUTHORITY_KEY).read_bytes()
    monkeypatch.setattr(certificates, "AUTHORITY_RENEWED_BEFORE", timedelta(days=3_651))
    write_certificates(tmp_path, [BROKER])
    (tmp_path / "earlier.pem").write_bytes(earlier)

    assert (tmp_path / AUTHORITY_KEY).read_bytes() != key
    assert (tmp_path / "kafka.pem").read_bytes() != earlier
    for name in ("kafka.pem", "earlier.pem"):
        assert shake_hands(tmp_path / name, tmp_path / AUTHORITY, "kafka") == "let in"


@pytest.mark.parametrize(
    "text", ["", "kafka=", "kafka=a,,b", "../kafka=a", "Kafka", "kafka+server=a", "a=b c"]
)
def test_what_is_no_certificate_is_told(text: str) -> None:
    with pytest.raises(StackProblem, match="is no certificate"):
        wanted(text)


def test_names_as_they_are_written() -> None:
    assert wanted("kafka+client=kafka,127.0.0.1") == BROKER
    assert wanted("postgres=postgres") == DATABASE
    assert wanted("administrator") == CALLER


def test_a_key_of_another_authority_signs_nothing(tmp_path: Path) -> None:
    write_certificates(tmp_path / "ours", [])
    write_certificates(tmp_path / "theirs", [])
    (tmp_path / "theirs" / AUTHORITY_KEY).replace(tmp_path / "ours" / AUTHORITY_KEY)

    with pytest.raises(StackProblem, match="is not the key of"):
        write_certificates(tmp_path / "ours", [BROKER])
