"""Tokens of the operations console: who asks through it, at which service, for one minute at most.

A JWT (RFC 7519) signed with Ed25519 (RFC 8037; named as RFC 9864 wants it). The console holds the private
key; the services are given the public ones as a JWK set, several while the key is renewed. What a token says
is the contract between them, so both sides stand here.
"""

import json
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.access import MAX_GRANTS, Grant, Person, Role, person_of

log = structlog.get_logger(__name__)

ISSUER: Final = "shanliu-console"
ALGORITHM: Final = "Ed25519"
LIFETIME_S: Final = 60
LEEWAY_S: Final = 5
"""By how much the clocks of two machines may differ."""
MAX_TOKEN_BYTES: Final = 16_384


class Claims(BaseModel):
    """What a token says. `aud` is one service; times are seconds since 1970."""

    model_config = ConfigDict(extra="forbid", strict=True)

    iss: Literal["shanliu-console"]
    aud: str
    sub: str = Field(min_length=1, max_length=64)
    roles: list[Role]
    grants: list[Grant] = Field(max_length=MAX_GRANTS, strict=False)
    iat: int
    exp: int
    jti: str = Field(min_length=16, max_length=64)


def new_key() -> OKPKey:
    """A private key; its public half may lie beside it in every service."""
    return OKPKey.generate_key("Ed25519", {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)


def public_set(*keys: OKPKey) -> str:
    """The JWK set that services read: the public halves of these keys."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}, indent=2) + "\n"


def private_key(path: Path) -> OKPKey:
    """The console's own key, from a file with one private JWK. Raises ValueError when it is none."""
    try:
        key = OKPKey.import_key(json.loads(path.read_text("utf-8")))
    except (JoseError, TypeError, KeyError) as error:
        raise ValueError(f"{path} holds no private Ed25519 key as a JWK") from error
    if not key.is_private or key.get("crv") != "Ed25519":
        raise ValueError(f"{path} holds no private Ed25519 key as a JWK")
    key.ensure_kid()
    return key


def mint(key: OKPKey, person: Person, audience: str) -> str:
    """A token for one call of this person to one service."""
    now_s = int(time.time())
    grants = [{"organisation": place, "roles": sorted(roles)} for place, roles in person.grants.items()]
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": person.name,
        "roles": sorted(person.roles),
        "grants": grants,
        "iat": now_s,
        "exp": now_s + LIFETIME_S,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


class ConsoleTokens:
    """What a service believes of the console's tokens. The file is read again when it has changed, so that a
    key can be renewed without a restart.
    """

    def __init__(self, service: str, keys_file: Path) -> None:
        """Raises ValueError when the file is no JWK set: a service must not start deaf."""
        self._service = service
        self._file = keys_file
        self._changed_ns = keys_file.stat().st_mtime_ns
        self._keys = _read(keys_file)

    def find(self, token: str) -> Person | None:
        """Whom a token speaks for; None when it is not the console's, not for this service, or not of now."""
        if len(token) > MAX_TOKEN_BYTES:
            return None
        try:
            decoded = jwt.decode(token, self._current(), algorithms=[ALGORITHM])
            claims = Claims.model_validate(decoded.claims)
        except (JoseError, ValidationError, ValueError, TypeError, KeyError) as error:
            log.warning("console_token_refused", kind=type(error).__name__)
            return None
        if claims.aud != self._service or not _is_of_now(claims):
            log.warning("console_token_refused", kind="audience or time")
            return None
        return person_of(claims.sub, frozenset(claims.roles), claims.grants)

    def _current(self) -> KeySet:
        try:
            changed_ns = self._file.stat().st_mtime_ns
            if changed_ns != self._changed_ns:
                self._keys = _read(self._file)
                self._changed_ns = changed_ns
        except (OSError, ValueError) as error:
            log.warning("console_keys_unreadable", error=repr(error)[:200])
        return self._keys


def _read(path: Path) -> KeySet:
    """Ed25519 keys alone: a JWK set with a secret or an RSA key in it is a mistake."""
    try:
        keys = json.loads(path.read_text("utf-8"))["keys"]
        if not keys or any(key.get("crv") != "Ed25519" or "d" in key for key in keys):
            raise ValueError("not public Ed25519 keys")
        return KeySet.import_key_set({"keys": keys})
    except (JoseError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no JWK set of public Ed25519 keys: {error}") from error


def _is_of_now(claims: Claims) -> bool:
    now_s = datetime.now(UTC).timestamp()
    lives = 0 < claims.exp - claims.iat <= LIFETIME_S
    return lives and claims.iat - LEEWAY_S <= now_s < claims.exp + LEEWAY_S
