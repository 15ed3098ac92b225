"""Sign-in with an identity provider: OpenID Connect, authorization code with PKCE (RFC 7636, S256).

What is checked: `state` (the answer belongs to this browser's question), `iss` of the answer (RFC 9207, where
the provider sends it), the ID token's signature by the provider's published keys, its issuer, audience, times
and nonce (OpenID Connect Core 1.0, 3.1.3.7). The document of a provider's discovery must name the issuer that
is configured.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import structlog
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.access import Grant, Role

log = structlog.get_logger(__name__)

ALGORITHMS: Final = ["RS256", "PS256", "ES256", "Ed25519"]
"""Asymmetric ones alone: with a shared secret anybody who has the console's settings could sign."""
LEEWAY_S: Final = 30
FRESH_S: Final = 3_600.0
"""How long a provider's document and keys are kept; an unknown key is asked for at once."""
ASK_S: Final = 10.0
MAX_BYTES: Final = 1_000_000
SECRET_BYTES: Final = 32
MAX_NAME: Final = 64


class Refused(Exception):
    """Nobody is let in. `code` goes to the log; the person is told to try again or to ask."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Client:
    """The console as the provider knows it, and how its claims are read. `roles` maps a value of the claim
    `roles_claim` to roles: "finance" everywhere, "gusu:finance" at one organisation.
    """

    issuer: str
    client_id: str
    secret: SecretStr | None
    redirect_uri: str
    scope: str
    name_claim: str
    roles_claim: str
    roles: Mapping[str, Sequence[str]]


class Metadata(BaseModel):
    """Of a provider's discovery document what is needed (OpenID Connect Discovery 1.0)."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: str = Field(pattern="^https?://")
    token_endpoint: str = Field(pattern="^https?://")
    jwks_uri: str = Field(pattern="^https?://")
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False


class Pending(BaseModel):
    """What a browser keeps while its person is at the provider, in a cookie of ten minutes."""

    model_config = ConfigDict(extra="forbid")

    state: str = Field(min_length=20, max_length=100)
    nonce: str = Field(min_length=20, max_length=100)
    verifier: str = Field(min_length=43, max_length=128)
    next: str = Field(max_length=1_000)

    def to_cookie(self) -> str:
        """Characters that a cookie may have."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode()

    @classmethod
    def from_cookie(cls, cookie: str) -> "Pending":
        """Raises Refused for one that is not ours."""
        try:
            return cls.model_validate_json(base64.urlsafe_b64decode(cookie.encode()))
        except (ValueError, ValidationError) as error:
            raise Refused("no sign-in was begun in this browser") from error


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is by the provider's word, and what they may do by the configured mapping."""

    issuer: str
    subject: str
    name: str
    roles: frozenset[Role]
    grants: list[Grant]


class Provider:
    """One identity provider."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._http: httpx.AsyncClient | None = None
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the connection."""
        async with httpx.AsyncClient(timeout=ASK_S, trust_env=False, follow_redirects=False) as http:
            self._http = http
            yield

    async def begin(self, to: str) -> tuple[str, Pending]:
        """Where the browser has to go, and what it keeps meanwhile. Raises Refused."""
        metadata = await self._known()
        pending = Pending(
            state=secrets.token_urlsafe(SECRET_BYTES),
            nonce=secrets.token_urlsafe(SECRET_BYTES),
            verifier=secrets.token_urlsafe(SECRET_BYTES),
            next=to,
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": self.client.scope,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", pending

    async def finish(self, answer: Mapping[str, str], pending: Pending) -> Identity:
        """Who has come back. Raises Refused."""
        if not secrets.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise Refused("state is another")
        metadata = await self._known()
        issuer = answer.get("iss")
        if issuer is None and metadata.authorization_response_iss_parameter_supported:
            raise Refused("iss is missing")
        if issuer is not None and issuer != self.client.issuer:
            raise Refused("iss is another")
        if "error" in answer or not answer.get("code"):
            raise Refused("the provider let nobody in")
        token = await self._token(metadata, answer["code"], pending.verifier)
        return self._identity(await self._claims(metadata, token, pending.nonce))

    async def _token(self, metadata: Metadata, code: str, verifier: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": verifier,
        }
        auth: httpx.BasicAuth | None = None
        secret = self.client.secret.get_secret_value() if self.client.secret else None
        if secret is not None and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            auth = httpx.BasicAuth(self.client.client_id, secret)
        else:
            form["client_id"] = self.client.client_id
            if secret is not None:
                form["client_secret"] = secret
        said = await self._ask("POST", metadata.token_endpoint, data=form, auth=auth)
        token = said.get("id_token")
        if not isinstance(token, str):
            raise Refused("no ID token")
        return token

    async def _claims(self, metadata: Metadata, token: str, nonce: str) -> dict[str, Any]:
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            keys = await self._key_set(metadata, kid)
            claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.client.issuer},
                aud={"essential": True, "value": self.client.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("id_token_refused", kind=type(error).__name__)
            raise Refused(f"the ID token is not good: {type(error).__name__}") from error
        audience = claims["aud"]
        if claims.get("azp", self.client.client_id) != self.client.client_id or (
            isinstance(audience, list) and len(audience) > 1 and "azp" not in claims
        ):
            raise Refused("the ID token is for another")
        return dict(claims)

    async def _key_set(self, metadata: Metadata, kid: Any) -> KeySet:
        now_s = time.monotonic()
        if self._keys is not None and now_s - self._keys[0] < FRESH_S:
            known = {key.kid for key in self._keys[1].keys}
            if kid is None or kid in known:
                return self._keys[1]
        said = await self._ask("GET", metadata.jwks_uri)
        keys = [
            key for key in said.get("keys", []) if key.get("use", "sig") == "sig" and key.get("kty") != "oct"
        ]
        self._keys = (now_s, KeySet.import_key_set({"keys": keys}))
        return self._keys[1]

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        subject, name = claims["sub"], claims.get(self.client.name_claim)
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise Refused("sub can't be used")
        if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME or not name.isprintable():
            raise Refused(f"the claim {self.client.name_claim} can't be used as a name")
        said = claims.get(self.client.roles_claim, [])
        values = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        named = [
            role for value in values if isinstance(value, str) for role in self.client.roles.get(value, [])
        ]
        return Identity(self.client.issuer, subject, name.strip(), *rights_of(named))

    async def _known(self) -> Metadata:
        now_s = time.monotonic()
        if self._metadata is None or now_s - self._metadata[0] > FRESH_S:
            url = self.client.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                found = Metadata.model_validate(await self._ask("GET", url))
            except ValidationError as error:
                raise Refused("the provider's document is not whole") from error
            if found.issuer != self.client.issuer:
                raise Refused("the provider's document names another issuer")
            self._metadata = (now_s, found)
        return self._metadata[1]

    async def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        assert self._http is not None, "the application's parts are entered first"
        try:
            answer = await self._http.request(method, url, headers={"accept": "application/json"}, **given)
            said = json.loads(answer.content) if len(answer.content) <= MAX_BYTES else None
        except (httpx.HTTPError, ValueError) as error:
            log.warning("provider_away", error=repr(error)[:200])
            raise Refused("the provider does not answer") from error
        if answer.status_code != 200 or not isinstance(said, dict):
            raise Refused(f"the provider answered {answer.status_code}")
        return said


def rights_of(named: Sequence[str]) -> tuple[frozenset[Role], list[Grant]]:
    """Of "finance", a role everywhere, and "gusu:finance", one at an organisation. Raises ValidationError."""
    roles: set[Any] = {each for each in named if ":" not in each}
    grants = [
        Grant.model_validate({"organisation": place, "roles": [role]})
        for place, _, role in (each.partition(":") for each in named if ":" in each)
    ]
    return frozenset(roles), grants
