"""Who comes through the console is let in by its word alone, for a minute, at one service."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey

from deploy.local.credentials import Credentials
from shared.access import AccessSettings, Operators, Person, Reach
from shared.console_tokens import ALGORITHM, mint, new_key, private_key, public_set

KEY = new_key()
OTHER = new_key()
PERSON = Person("陈财务", frozenset({"finance", "viewer"}), {"gusu": frozenset({"desk"})})


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(public_set(KEY), "utf-8")
    return path


def operators(keys_file: Path, service: str = "campaign") -> Operators:
    return Operators.of(service, AccessSettings(console_key_file=keys_file))


def claims(**changes: Any) -> dict[str, Any]:
    now_s = int(time.time())
    made = {
        "iss": "shanliu-console",
        "aud": "campaign",
        "sub": "mallory",
        "roles": ["administrator"],
        "grants": [],
        "iat": now_s,
        "exp": now_s + 60,
        "jti": "0123456789abcdef0123",
    }
    return {name: value for name, value in {**made, **changes}.items() if value is not ...}


def signed(said: dict[str, Any], key: OKPKey = KEY, kid: str | None = None) -> str:
    header = {"alg": ALGORITHM, "kid": kid or key.kid}
    return jwt.encode(header, said, key, algorithms=[ALGORITHM])


def by_hand(header: dict[str, Any], said: dict[str, Any], signature: str = "") -> str:
    def part(value: dict[str, Any]) -> str:
        return jwt.encode({"alg": "none"}, value, OctKey.generate_key(), algorithms=["none"]).split(".")[1]

    return f"{part(header)}.{part(said)}.{signature}"


def now_s() -> int:
    return int(time.time())


def test_who_comes_through_the_console_is_known_with_roles_and_places(keys_file: Path) -> None:
    found = operators(keys_file).find(mint(KEY, PERSON, "campaign"))
    assert found == PERSON
    assert found is not None
    assert found.reach("desk") == Reach(frozenset({"gusu"}))


def test_a_tokens_claims_that_a_test_makes_are_taken_as_they_are(keys_file: Path) -> None:
    """Else the refusals below would show nothing."""
    assert operators(keys_file).find(signed(claims())) is not None


REFUSED: dict[str, Callable[[], str]] = {
    "other service": lambda: mint(KEY, PERSON, "donation"),
    "audience list": lambda: signed(claims(aud=["campaign", "donation"])),
    "no audience": lambda: signed(claims(aud=...)),
    "other issuer": lambda: signed(claims(iss="https://idp.example")),
    "no issuer": lambda: signed(claims(iss=...)),
    "expired": lambda: signed(claims(iat=now_s() - 70, exp=now_s() - 10)),
    "no expiry": lambda: signed(claims(exp=...)),
    "valid too long": lambda: signed(claims(exp=now_s() + 3600)),
    "of the future": lambda: signed(claims(iat=now_s() + 30, exp=now_s() + 60)),
    "nobody": lambda: signed(claims(sub="")),
    "unknown role": lambda: signed(claims(roles=["king"])),
    "further claim": lambda: signed(claims(admin=True)),
    "other key": lambda: mint(OTHER, PERSON, "campaign"),
    "other key under our name": lambda: signed(claims(), OTHER, KEY.kid),
    "alg none": lambda: by_hand({"alg": "none"}, claims()),
    "alg none, named key": lambda: by_hand({"alg": "None", "kid": KEY.kid}, claims()),
    "public key as a secret": lambda: jwt.encode(
        {"alg": "HS256", "kid": KEY.kid},
        claims(),
        OctKey.import_key(json.dumps(KEY.as_dict(private=False))),
        algorithms=["HS256"],
    ),
    "another algorithm": lambda: jwt.encode(
        {"alg": "RS256"}, claims(), RSAKey.generate_key(2048), algorithms=["RS256"]
    ),
    "signature cut off": lambda: mint(KEY, PERSON, "campaign").rpartition(".")[0] + ".",
    "not JSON": lambda: "a.b.c",
    "very long": lambda: signed(claims(sub="x" * 20_000)),
}


@pytest.mark.parametrize("made", REFUSED)
def test_any_other_token_is_refused(keys_file: Path, made: str) -> None:
    assert operators(keys_file).find(REFUSED[made]()) is None


def test_an_operators_own_token_still_counts_beside_the_consoles(tmp_path: Path, keys_file: Path) -> None:
    credentials = Credentials.load_or_make(tmp_path / "secrets.json")
    file = tmp_path / "operators.json"
    file.write_text(credentials.operators_json(), "utf-8")
    both = Operators.of("campaign", AccessSettings(operators_file=file, console_key_file=keys_file))
    assert both.find(credentials.operators["desk.lin"]) is not None
    assert both.find(mint(KEY, PERSON, "campaign")) == PERSON


def test_a_key_is_renewed_without_a_restart(keys_file: Path) -> None:
    known = operators(keys_file)
    assert known.find(mint(OTHER, PERSON, "campaign")) is None
    _write(keys_file, public_set(KEY, OTHER))
    assert known.find(mint(OTHER, PERSON, "campaign")) == PERSON
    _write(keys_file, public_set(OTHER))
    assert known.find(mint(KEY, PERSON, "campaign")) is None
    _write(keys_file, "half a fi")  # while somebody writes it
    assert known.find(mint(OTHER, PERSON, "campaign")) == PERSON


def _write(path: Path, text: str) -> None:
    before = path.stat().st_mtime_ns
    path.write_text(text, "utf-8")
    os.utime(path, ns=(before + 1_000_000, before + 1_000_000))


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        '{"keys": []}',
        "not json",
        json.dumps({"keys": [KEY.as_dict(private=True)]}),
        json.dumps({"keys": [OctKey.generate_key().as_dict()]}),
    ],
    ids=["empty", "no key", "no JSON", "private key", "secret"],
)
def test_a_service_does_not_start_with_a_file_that_is_no_set_of_public_keys(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=r"keys\.json"):
        operators(path)


def test_the_local_stacks_key_pair_fits_together(tmp_path: Path) -> None:
    credentials = Credentials.load_or_make(tmp_path / "secrets.json")
    private, public = tmp_path / "private.json", tmp_path / "public.json"
    credentials.write_console_keys(private, public)
    assert '"d"' not in public.read_text("utf-8")
    assert operators(public).find(mint(private_key(private), PERSON, "campaign")) == PERSON
