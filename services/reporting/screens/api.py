"""Registered screens: what comes by HTTP.

| who (role) | may |
| --- | --- |
| viewer, desk | read screens and their record |
| desk | freeze, hide, return to live, open the next segment, rehearse |
| desk | register and change screens, give and revoke their links |
| administrator | all of it |

Each role everywhere, or at an organisation for the screens of its campaigns and of those below it. Every POST
needs an `Idempotency-Key`; the answer kept under it has no link: repeated, it says `"link": null`. What is on
air is decided for all processes: at once in the one that is asked, within a second in the others.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting.hub import Hub
from services.reporting.screens import commands, links, queries, rights
from services.reporting.screens.commands import Actor, Numbers
from services.reporting.screens.models import idempotency_keys
from services.reporting.screens.schemas import (
    SCREEN_ID,
    AirBody,
    Change,
    ChangePage,
    LinkedScreen,
    NewScreen,
    ReasonBody,
    Screen,
    ScreenList,
    ScreenPatch,
)
from services.reporting.screens.watching import ScreenWatch
from shared import versions
from shared.access import Person, Reach, Role, require_somewhere
from shared.events.fields import CAMPAIGN_ID
from shared.http_commands import KeyHeader, VersionHeader, command_of, tagged
from shared.run_once import Answer, Command, Runner
from shared.strict_json import StrictJsonRoute

READERS: Final[tuple[Role, ...]] = ("viewer", "desk")

ScreenPath = Annotated[str, Path(pattern=SCREEN_ID, description="The screen's id")]

router = APIRouter(prefix="/v1/screens", route_class=StrictJsonRoute, tags=["screens"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.screens`."""

    engine: AsyncEngine
    runner: Runner
    hub: Hub
    watch: ScreenWatch

    @classmethod
    def of(cls, engine: AsyncEngine, hub: Hub, watch: ScreenWatch) -> "Parts":
        """The parts of one process."""
        return cls(engine, Runner(engine, idempotency_keys), hub, watch)

    def numbers(self, screen_id: str) -> Numbers:
        """What this process knows of a screen's number."""
        feed = self.hub.screen(screen_id)
        return Numbers() if feed is None else Numbers(feed.shown, feed.unfrozen, feed.current)

    def told(self, row: RowMapping) -> Screen:
        """A screen with its numbers."""
        numbers = self.numbers(row["screen_id"])
        return Screen.of(row, numbers.shown, numbers.actual)


async def _parts(request: Request) -> Parts:
    parts = request.app.state.screens
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]
Reader = Annotated[Person, Depends(require_somewhere(*READERS))]
Desk = Annotated[Person, Depends(require_somewhere("desk"))]


@dataclass(frozen=True, slots=True)
class Sent:
    """One POST: the command, who sent it knowing which version, and the parts it is for."""

    command: Command
    actor: Actor
    parts: Parts

    async def run(
        self, work: Callable[[AsyncConnection], Awaitable[BaseModel]], status: int = 200
    ) -> dict[str, Any]:
        """Run the command once, have this process know of it, and give back what to answer."""

        async def answered(connection: AsyncConnection) -> Answer:
            return Answer.of(status, await work(connection))

        answer = await self.parts.runner.run(self.command, answered)
        await self.parts.watch.look()
        return dict(answer.body)


def sent(name: str) -> Callable[..., Awaitable[Sent]]:
    """A dependency: the command `name` of somebody with the desk's role, with its key and version."""

    async def dependency(
        request: Request,
        parts: Wired,
        person: Desk,
        idempotency_key: KeyHeader = None,
        if_match: VersionHeader = None,
    ) -> Sent:
        command = await command_of(name, person.name, request, idempotency_key, if_match)
        return Sent(command, Actor(person.name, _reach(person), versions.expected_version(if_match)), parts)

    return dependency


def _reach(person: Person) -> Reach:
    return person.reach("desk")


# ---------------------------------------------------------------- the register


@router.post("", status_code=201, response_model=LinkedScreen, summary="Register a screen")
async def register(new: NewScreen, sent: Annotated[Sent, Depends(sent("register_screen"))]) -> Response:
    """Its link is shown this once. A screen may be registered before its campaign is filed."""
    once: dict[str, str] = {}

    async def work(connection: AsyncConnection) -> LinkedScreen:
        row, token = await commands.register(connection, sent.actor, new)
        once["link"] = links.path_of(token)
        return _linked(sent.parts.told(row))

    return tagged(await sent.run(work, 201) | once, 201)


@router.get("", summary="The screens")
async def list_screens(
    parts: Wired,
    person: Reader,
    campaign_id: Annotated[str | None, Query(pattern=CAMPAIGN_ID, description="Of this campaign")] = None,
) -> ScreenList:
    """Those of campaigns in reach, with what each shows and what it would show without control."""
    async with parts.engine.connect() as connection:
        seen = await rights.seen(connection, person.reach(*READERS))
        rows = await queries.all_screens(connection, seen=seen, campaign_id=campaign_id)
    return ScreenList(screens=[parts.told(row) for row in rows])


@router.get("/{screen_id}", response_model=Screen, summary="A screen")
async def read(screen_id: ScreenPath, parts: Wired, person: Reader) -> Response:
    """With its version as the ETag."""
    async with parts.engine.connect() as connection:
        row = await queries.screen(connection, screen_id)
        await rights.require_campaign(connection, person.reach(*READERS), row["campaign_id"])
    return tagged(parts.told(row).model_dump(mode="json"))


@router.patch("/{screen_id}", response_model=Screen, summary="Change how a screen looks, or its policy")
async def change(
    screen_id: ScreenPath, patch: ScreenPatch, parts: Wired, person: Desk, if_match: VersionHeader = None
) -> Response:
    """Only what is named. With another policy nothing stays held. Campaign and id stay for ever."""
    expected = versions.expected_version(versions.require_if_match(if_match))
    async with parts.engine.begin() as connection:
        row = await commands.change(
            connection, Actor(person.name, _reach(person), expected), screen_id, patch
        )
    await parts.watch.look()
    return tagged(parts.told(row).model_dump(mode="json"))


@router.get("/{screen_id}/changes", summary="What was done to a screen, and what it showed before and after")
async def list_changes(
    screen_id: ScreenPath,
    parts: Wired,
    person: Reader,
    before: Annotated[int | None, Query(ge=1, description="The `next` of the part before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most")] = 50,
) -> ChangePage:
    """The newest first. A held reversal stands there with both numbers; nothing is ever taken away."""
    async with parts.engine.connect() as connection:
        row = await queries.screen(connection, screen_id)
        await rights.require_campaign(connection, person.reach(*READERS), row["campaign_id"])
        rows = await queries.changes(connection, screen_id, before=before, limit=limit)
    found = [Change.model_validate(dict(each)) for each in rows]
    return ChangePage(changes=found, next=found[-1].change_id if len(found) == limit else None)


# ---------------------------------------------------------------- on air


@router.post("/{screen_id}/air", response_model=Screen, summary="Decide what is on air")
async def put_on_air(
    screen_id: ScreenPath, body: AirBody, sent: Annotated[Sent, Depends(sent("put_on_air"))]
) -> Response:
    """`freeze`: the number stays at the version shown now. `hide`: title alone. `live`: back to the number.
    `segment`: what a reversal has lowered is shown from now on. `rehearse`, `end_rehearsal`: sample numbers,
    or those of another campaign, marked all over the screen. Each with a reason, on the record.
    """
    return await _told(
        sent,
        screen_id,
        lambda connection: commands.put_on_air(
            connection, sent.actor, screen_id, body, sent.parts.numbers(screen_id)
        ),
    )


# ---------------------------------------------------------------- links


@router.post("/{screen_id}/link", response_model=LinkedScreen, summary="Give a screen another link")
async def rotate_link(
    screen_id: ScreenPath, body: ReasonBody, sent: Annotated[Sent, Depends(sent("rotate_link"))]
) -> Response:
    """Shown this once. Whoever has opened the old one is cut off within seconds."""
    once: dict[str, str] = {}

    async def work(connection: AsyncConnection) -> LinkedScreen:
        row, token = await commands.new_link(connection, sent.actor, screen_id, body.reason)
        once["link"] = links.path_of(token)
        return _linked(sent.parts.told(row))

    return tagged(await sent.run(work) | once)


@router.post("/{screen_id}/revoke", response_model=Screen, summary="Revoke a screen's link")
async def revoke_link(
    screen_id: ScreenPath, body: ReasonBody, sent: Annotated[Sent, Depends(sent("revoke_link"))]
) -> Response:
    """Whoever has opened it is cut off within seconds; the address answers a plain page from then on."""
    return await _told(
        sent,
        screen_id,
        lambda connection: commands.revoke_link(connection, sent.actor, screen_id, body.reason),
    )


async def _told(
    sent: Sent, screen_id: str, work: Callable[[AsyncConnection], Awaitable[RowMapping]]
) -> Response:
    """Run a command; the first answer has the number that is shown after it."""

    async def answered(connection: AsyncConnection) -> Screen:
        return sent.parts.told(await work(connection))

    body = await sent.run(answered)
    numbers = sent.parts.numbers(screen_id)
    shown = Screen.model_validate(body).with_numbers(numbers.shown, numbers.actual)
    return tagged(shown.model_dump(mode="json"))


def _linked(screen: Screen) -> LinkedScreen:
    return LinkedScreen(**screen.model_dump(), link=None)
