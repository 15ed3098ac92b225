"""Who may do what: operators with bearer tokens, and the roles a route asks for.

OPERATORS_FILE is a JSON list of {"person", "roles", "token_sha256"}; a token itself is never stored. Tokens
have 256 random bits, so a plain hash is enough: there is nothing to guess (argon2 is for passwords).
"""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, TypeAdapter

from shared.problems import Problem

Role = Literal["viewer", "desk", "moderator", "finance", "approver", "administrator"]


class Operator(BaseModel):
    """One person as the operators' file names them."""

    person: str = Field(min_length=1, max_length=64)
    roles: frozenset[Role]
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Person:
    """Who a request comes from."""

    name: str
    roles: frozenset[Role]


_FILE: Final = TypeAdapter(list[Operator])
_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="operator", description="An operator's token; each route asks for a role."
)
"""For the API's own description; `require` reads the header itself, to answer in its own words."""


class Operators:
    """The people who may use the operators' parts of an API."""

    def __init__(self, operators: list[Operator]) -> None:
        self._operators = operators

    @classmethod
    def from_file(cls, path: Path | None) -> Self:
        """Read the operators' file; without one nobody is let in."""
        return cls(_FILE.validate_python(json.loads(path.read_text("utf-8"))) if path else [])

    def find(self, token: str) -> Person | None:
        """The person a token belongs to. Every entry is compared, in constant time."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found: Person | None = None
        for operator in self._operators:
            if hmac.compare_digest(operator.token_sha256, digest):
                found = Person(operator.person, operator.roles)
        return found


def require(*roles: Role) -> Callable[..., Person]:
    """A dependency: the person behind the bearer token (RFC 6750), who must have one of `roles`.

    The application keeps its Operators in `app.state.operators`. 401 without a known token, 403 without
    the role. An administrator may do what everybody may, but two-person rules still hold for them.
    """

    def person(request: Request, _: Annotated[object, Security(_BEARER)] = None) -> Person:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = request.app.state.operators.find(token) if scheme.lower() == "bearer" and token else None
        if found is None:
            detail = "Send Authorization: Bearer <an operator's token>."
            raise Problem(401, "not-signed-in", detail, headers={"WWW-Authenticate": "Bearer"})
        if not found.roles & {*roles, "administrator"}:
            raise Problem(403, "role-missing", f"This needs one of the roles: {', '.join(roles)}.")
        return found  # type: ignore[no-any-return]

    return person
