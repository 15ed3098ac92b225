"""Commands by HTTP: read from a request with their key and version, run once, answered with their ETag."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, Protocol, TypeVar

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from shared import idempotency, versions
from shared.access import Person, Role, require
from shared.run_once import Answer, Command, Runner

KeyHeader = Annotated[
    str | None, Header(description="Required: 1 … 128 visible ASCII characters, new for each new command")
]
VersionHeader = Annotated[str | None, Header(description="The ETag the command was decided on; *: any")]
NO_STORE: Final = {"Cache-Control": "no-store"}


class Parts(Protocol):
    """What a router works with, as far as commands need it."""

    @property
    def runner(self) -> Runner:
        """Runs each of its commands once."""


PartsT = TypeVar("PartsT", bound=Parts)
Work = Callable[[AsyncConnection], Awaitable[BaseModel | Answer]]


@dataclass(frozen=True)
class Sent(Generic[PartsT]):
    """One command, who sent it knowing which version (None: any), and the parts it works with. A router whose
    commands have more to do than their transaction overrides `run`. (Without slots: Python 3.11 can't make
    one of a generic class that is frozen too.)
    """

    command: Command
    sender: Person
    expected: int | None
    parts: PartsT

    @property
    def person(self) -> str:
        """The name of who sent it."""
        return self.sender.name

    async def run(self, work: Work, status: int = 200, *, once: Mapping[str, Any] | None = None) -> Response:
        """Run the command once, and answer with what it gives back: `status` is that of a model. What `work`
        puts into `once` is said in this answer alone: it is not kept for a repeat.
        """

        async def answered(connection: AsyncConnection) -> Answer:
            found = await work(connection)
            return found if isinstance(found, Answer) else Answer.of(status, found)

        answer = await self.parts.runner.run(self.command, answered)
        return tagged({**answer.body, **(once or {})}, answer.status)


SentT = TypeVar("SentT", bound=Sent[Any])


@dataclass(frozen=True, slots=True)
class Commands(Generic[SentT]):
    """The dependencies of one router: each gives a `sent_class` with the parts that `parts_of` finds.
    `versioned`: every command may name a version (If-Match).
    """

    parts_of: Callable[[Request], Any]
    sent_class: Callable[[Command, Person, int | None, Any], SentT]
    versioned: bool = False

    def sent(self, name: str, *roles: Role, of_version: bool = False) -> Callable[..., Awaitable[SentT]]:
        """A dependency: the command `name`, from a person with one of `roles`, with its key. `of_version`: it
        must say which version it was decided on.
        """

        async def with_key(
            request: Request,
            parts: Annotated[Any, Depends(self.parts_of)],
            person: Annotated[Person, Depends(require(*roles))],
            idempotency_key: KeyHeader = None,
        ) -> SentT:
            command = await command_of(name, person.name, request, idempotency_key)
            return self.sent_class(command, person, None, parts)

        async def with_version(
            request: Request,
            parts: Annotated[Any, Depends(self.parts_of)],
            person: Annotated[Person, Depends(require(*roles))],
            idempotency_key: KeyHeader = None,
            if_match: VersionHeader = None,
        ) -> SentT:
            command = await command_of(name, person.name, request, idempotency_key, if_match)
            if of_version:
                versions.require_if_match(if_match)
            return self.sent_class(command, person, versions.expected_version(if_match), parts)

        return with_version if of_version or self.versioned else with_key


async def command_of(
    name: str, person: str, request: Request, key: str | None, if_match: str | None = None
) -> Command:
    """The command that a request is. Raises KeyMissing or KeyUnusable."""
    path = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    digest = idempotency.request_hash(request.method, path, if_match, await request.body())
    return Command(name, person, idempotency.require_key(key), digest)


def tagged(body: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON object for no cache, its `version` (when it has one) as its ETag."""
    version = body.get("version")
    headers = NO_STORE | ({} if version is None else {"ETag": versions.etag(version)})
    return JSONResponse(dict(body), status, headers=headers)
