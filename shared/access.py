"""Who may do what, and where: operators with bearer tokens, and the roles a route asks for.

OPERATORS_FILE is a JSON list of {"person", "roles", "grants", "token_sha256"}. `roles` are valid everywhere;
`grants`, each {"organisation", "roles"}, at one organisation and all below it. A token itself is never
stored. Tokens have 256 random bits, so a plain hash is enough: there is nothing to guess (argon2 is for
passwords). With CONSOLE_KEY_FILE people also come through the operations console, which says for a minute who
they are (shared/console_tokens.py).
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal, Protocol, Self

from fastapi import Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field, TypeAdapter
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.events.fields import ORGANISATION_ID
from shared.problems import Problem

Role = Literal["viewer", "desk", "moderator", "finance", "approver", "administrator"]


MAX_GRANTS: Final = 100
JWT_DOTS: Final = 2
"""An operator's own token is base64url and has none."""


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


class AccessSettings(BaseSettings):
    """Whom a service lets in. Without a file nobody comes in by that way."""

    model_config = SettingsConfigDict(extra="ignore")

    operators_file: Path | None = None
    console_key_file: Path | None = Field(
        default=None, description="the operations console's public keys, a JWK set"
    )
    operators_by_proxy: bool = Field(
        default=True,
        description="false: what a proxy passes on (X-Forwarded-For) is nothing for operators. For a service"
        " whose only proxy is the internet's way in",
    )


class Console(Protocol):
    """Reads the tokens of the operations console."""

    def find(self, token: str) -> Person | None:
        """Whom a token speaks for."""


class Operators:
    """The people who may use the operators' parts of an API."""

    def __init__(
        self, operators: list[Operator], console: Console | None = None, *, by_proxy: bool = True
    ) -> None:
        self._operators = operators
        self._console = console
        self.by_proxy = by_proxy

    @classmethod
    def of(cls, service: str, settings: AccessSettings) -> Self:
        """Those of the operators' file, and those who come through the console to this service."""
        operators = _read(settings.operators_file)
        if settings.console_key_file is None:
            return cls(operators, by_proxy=settings.operators_by_proxy)
        from shared.console_tokens import ConsoleTokens  # noqa: PLC0415 - 0.3 s without a console

        console = ConsoleTokens(service, settings.console_key_file)
        return cls(operators, console, by_proxy=settings.operators_by_proxy)

    @classmethod
    def from_file(cls, path: Path | None) -> Self:
        """Read the operators' file; without one nobody is let in."""
        return cls(_read(path))

    def find(self, token: str) -> Person | None:
        """The person a token belongs to. Every entry is compared, in constant time."""
        if self._console is not None and token.count(".") == JWT_DOTS:
            return self._console.find(token)
        digest = hashlib.sha256(token.encode()).hexdigest()
        found: Person | None = None
        for operator in self._operators:
            if hmac.compare_digest(operator.token_sha256, digest):
                found = person_of(operator.person, operator.roles, operator.grants)
        return found


def _read(path: Path | None) -> list[Operator]:
    return _FILE.validate_python(json.loads(path.read_text("utf-8"))) if path else []


def person_of(name: str, roles: frozenset[Role], granted: Iterable[Grant]) -> Person:
    """Grants of one organisation add up."""
    grants: dict[str, frozenset[Role]] = {}
    for grant in granted:
        grants[grant.organisation] = grants.get(grant.organisation, frozenset()) | grant.roles
    return Person(name, roles, grants)


def require(*roles: Role) -> Callable[..., Awaitable[Person]]:
    """A dependency: the person behind the bearer token (RFC 6750), who must have one of `roles` everywhere.

    The application keeps its Operators in `app.state.operators`. 401 without a known token, 403 without
    the role, 404 for who comes by a proxy that isn't theirs (OPERATORS_BY_PROXY). An administrator may do
    what everybody may, but two-person rules still hold for them.
    """

    async def person(request: Request, _: Annotated[object, Security(BEARER, scopes=roles)] = None) -> Person:
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


def require_somewhere(*roles: Role) -> Callable[..., Awaitable[Person]]:
    """The same, but the role may be granted at a single organisation: whoever uses this must ask
    `person.reach(*roles)` where it is, and must do or show nothing beyond it.
    """

    async def person(request: Request, _: Annotated[object, Security(BEARER, scopes=roles)] = None) -> Person:
        found = _signed_in(request)
        if found.reach(*roles).organisations == frozenset():
            raise Problem(403, "role-missing", f"This needs one of the roles: {', '.join(roles)}.")
        return found

    return person


def _signed_in(request: Request) -> Person:
    operators: Operators = request.app.state.operators
    if not operators.by_proxy and "x-forwarded-for" in request.headers:
        raise Problem(404, "not-found", "There is nothing here for who comes from outside.")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = operators.find(token) if scheme.lower() == "bearer" and token else None
    if found is None:
        detail = "Send Authorization: Bearer <an operator's token>."
        raise Problem(401, "not-signed-in", detail, headers={"WWW-Authenticate": "Bearer"})
    return found
