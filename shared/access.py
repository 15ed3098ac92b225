"""Who may do what, and where: operators with bearer tokens, and the roles a route asks for.

OPERATORS_FILE is a JSON list of {"person", "roles", "grants", "token_sha256"}. `roles` are valid everywhere;
`grants`, each {"organisation", "roles"}, at one organisation and all below it. A token itself is never
stored. Tokens have 256 random bits, so a plain hash is enough: there is nothing to guess (argon2 is for
passwords).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, TypeAdapter

from shared.events.fields import ORGANISATION_ID
from shared.problems import Problem

Role = Literal["viewer", "desk", "moderator", "finance", "approver", "administrator"]


MAX_GRANTS: Final = 100


class Grant(BaseModel):
    """Roles at one organisation and at all below it."""

    organisation: str = Field(pattern=ORGANISATION_ID)
    roles: frozenset[Role] = Field(min_length=1)


class Operator(BaseModel):
    """One person as the operators' file names them."""

    person: str = Field(min_length=1, max_length=64)
    roles: frozenset[Role]
    grants: list[Grant] = Field(default=[], max_length=MAX_GRANTS)
    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Reach:
    """Where something may be done: at these organisations and at all below them; None: everywhere."""

    organisations: frozenset[str] | None

    @property
    def everywhere(self) -> bool:
        """Also at what belongs to no organisation."""
        return self.organisations is None

    def __str__(self) -> str:
        return (
            "everywhere" if self.organisations is None else ", ".join(sorted(self.organisations)) or "nowhere"
        )


EVERYWHERE: Final = Reach(None)


@dataclass(frozen=True, slots=True)
class Person:
    """Who a request comes from: the roles they have everywhere, and those at single organisations."""

    name: str
    roles: frozenset[Role]
    grants: Mapping[str, frozenset[Role]] = field(default_factory=dict)

    def reach(self, *roles: Role) -> Reach:
        """Where the person has one of `roles`. An administrator may do what everybody may."""
        asked = {*roles, "administrator"}
        if self.roles & asked:
            return EVERYWHERE
        return Reach(frozenset(place for place, granted in self.grants.items() if granted & asked))


_FILE: Final = TypeAdapter(list[Operator])
BEARER: Final = HTTPBearer(
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
                found = _person(operator)
        return found


def _person(operator: Operator) -> Person:
    grants: dict[str, frozenset[Role]] = {}
    for grant in operator.grants:
        grants[grant.organisation] = grants.get(grant.organisation, frozenset()) | grant.roles
    return Person(operator.person, operator.roles, grants)


def require(*roles: Role) -> Callable[..., Person]:
    """A dependency: the person behind the bearer token (RFC 6750), who must have one of `roles` everywhere.

    The application keeps its Operators in `app.state.operators`. 401 without a known token, 403 without
    the role. An administrator may do what everybody may, but two-person rules still hold for them.
    """

    def person(request: Request, _: Annotated[object, Security(BEARER, scopes=roles)] = None) -> Person:
        found = _signed_in(request)
        reach = found.reach(*roles)
        if not reach.everywhere:
            here = (
                f" You have it at {reach} only, and this concerns all: ask one who has it everywhere."
                if reach.organisations
                else ""
            )
            raise Problem(403, "role-missing", f"This needs one of the roles: {', '.join(roles)}.{here}")
        return found

    return person


def require_somewhere(*roles: Role) -> Callable[..., Person]:
    """The same, but the role may be granted at a single organisation: whoever uses this must ask
    `person.reach(*roles)` where it is, and must do or show nothing beyond it.
    """

    def person(request: Request, _: Annotated[object, Security(BEARER, scopes=roles)] = None) -> Person:
        found = _signed_in(request)
        if found.reach(*roles).organisations == frozenset():
            raise Problem(403, "role-missing", f"This needs one of the roles: {', '.join(roles)}.")
        return found

    return person


def _signed_in(request: Request) -> Person:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found: Person | None = (
        request.app.state.operators.find(token) if scheme.lower() == "bearer" and token else None
    )
    if found is None:
        detail = "Send Authorization: Bearer <an operator's token>."
        raise Problem(401, "not-signed-in", detail, headers={"WWW-Authenticate": "Bearer"})
    return found
