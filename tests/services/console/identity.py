"""A small OpenID provider over real HTTP, by the specification and not by our client: it refuses what a
provider has to refuse, and can be told to go wrong.
"""

import asyncio
import base64
import hashlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.local.layout import unused_ports
from tests.waiting import until

CLIENT_ID: Final = "shanliu-console"
SECRET: Final = "the-console's-secret:with-a-colon"


class IdentityProvider:
    """`person` is who is signed in there; `changes` go into the next ID tokens, `...` takes a claim out."""

    def __init__(self, redirect_uri: str) -> None:
        self.port = unused_ports(1)[0]
        self.issuer = f"http://127.0.0.1:{self.port}/realm"
        self.redirect_uri = redirect_uri
        self.keys: list[Key] = [RSAKey.generate_key(2048, {"use": "sig"}, auto_kid=True)]
        self.signs_with: Key | None = None
        self.algorithm = "RS256"
        self.named_issuer = self.issuer
        self.well()
        self._codes: dict[str, dict[str, str]] = {}
        self.key_requests = 0
        self.app = Starlette(
            routes=[
                Route("/realm/.well-known/openid-configuration", self._discovery),
                Route("/realm/authorize", self._authorize),
                Route("/realm/token", self._token, methods=["POST"]),
                Route("/realm/keys", self._keys),
            ]
        )

    def well(self) -> None:
        """Go right again."""
        self.person: dict[str, Any] = {"sub": "u-1", "preferred_username": "李会计", "groups": ["finance"]}
        self.changes: dict[str, Any] = {}
        self.response: dict[str, Any] = {}
        self.signs_with, self.named_issuer = None, self.issuer
        self.algorithm = "RS256" if isinstance(self.keys[0], RSAKey) else "ES256"

    def rotate(self) -> None:
        """Sign with a new key from now on; the old one is published no more."""
        self.keys = [ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)]
        self.algorithm = "ES256"

    async def _discovery(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.named_issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _keys(self, _: Request) -> Response:
        self.key_requests += 1
        return JSONResponse(KeySet(self.keys).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        known = asked.get("client_id") == CLIENT_ID and asked.get("redirect_uri") == self.redirect_uri
        if not known:
            return Response("unknown client", 400)
        whole = (
            asked.get("response_type") == "code"
            and "openid" in asked.get("scope", "").split()
            and asked.get("code_challenge_method") == "S256"
            and len(asked.get("code_challenge", "")) == 43
        )
        answer = {"state": asked.get("state", ""), "iss": self.issuer}
        if whole:
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            answer["code"] = code
        else:
            answer["error"] = "invalid_request"
        answer = {name: value for name, value in {**answer, **self.response}.items() if value is not ...}
        return RedirectResponse(f"{self.redirect_uri}?{urlencode(answer)}", 303)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        expected = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self._codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked is None or challenge != asked["code_challenge"] or form["redirect_uri"] != self.redirect_uri:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(
            {"access_token": "x", "token_type": "Bearer", "id_token": self._id_token(asked.get("nonce"))}
        )

    def _id_token(self, nonce: str | None) -> str:
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "exp": now_s + 300,
            "iat": now_s,
            "nonce": nonce,
            **self.person,
            **self.changes,
        }
        said = {name: value for name, value in claims.items() if value is not ...}
        key = self.signs_with or self.keys[0]
        header = {"alg": self.algorithm, "kid": self.keys[0].kid}
        return jwt.encode(header, said, key, algorithms=[self.algorithm])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until left."""
        server = uvicorn.Server(uvicorn.Config(self.app, port=self.port, log_config=None, lifespan="off"))
        task = asyncio.create_task(server.serve())

        async def started() -> bool:
            return server.started

        await until(started)
        yield
        server.should_exit = True
        await task


def a_secret() -> OctKey:
    """A symmetric key, with which nobody may sign an ID token for the console."""
    return OctKey.generate_key(256)
