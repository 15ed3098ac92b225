"""What operators do with screens: each function is one command inside its caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporting.proving import queries as shown
from services.reporting.screens import links, queries, rights
from services.reporting.screens.air import CONTROL_AFTER, Action, Proposal, highest_of
from services.reporting.screens.schemas import AirBody, NewScreen, ScreenPatch
from services.reporting.totals import CampaignState
from shared import versions
from shared.access import Reach
from shared.refusals import Refused

POLICY_ITSELF: Final = "shanliu"
"""Who is on the record for what the on-air policy did by itself."""


class ScreenExists(Refused):
    """The id is taken."""

    code = "screen-exists"
    title = "There is a screen with this id"


class TooManyScreens(Refused):
    """Every process reads all screens once a second."""

    code = "too-many-screens"
    title = "There are as many screens as there may be"


class NothingShown(Refused):
    """A screen that shows no number yet can't be frozen at one."""

    code = "nothing-shown"
    title = "The screen shows no number yet"


class NothingHeld(Refused):
    """The next segment is opened to show what was held back."""

    code = "nothing-held"
    title = "No lowering waits on this screen"


class NotRehearsing(Refused):
    """Only a rehearsal can end."""

    code = "not-rehearsing"
    title = "The screen is not in a rehearsal"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sends a command, where they may act, and the version they know (None: any)."""

    person: str
    reach: Reach
    expected: int | None


@dataclass(frozen=True, slots=True)
class Numbers:
    """What this process knows of a screen: what it shows, what it would show if it were not frozen, and the
    number it follows itself.
    """

    shown: CampaignState | None = None
    unfrozen: CampaignState | None = None
    actual: CampaignState | None = None


async def register(connection: AsyncConnection, actor: Actor, new: NewScreen) -> tuple[RowMapping, str]:
    """A new screen and its link's token. Raises ScreenExists, TooManyScreens."""
    await rights.require_campaign(connection, actor.reach, new.campaign_id)
    if await queries.count_screens(connection) >= queries.MAX_SCREENS:
        raise TooManyScreens(f"There are {queries.MAX_SCREENS} already; use one that is no longer needed.")
    token = links.new_token()
    values = {**new.model_dump(), "link_hash": links.hash_of(token), "link_issued_at": datetime.now(UTC)}
    if not await queries.add(connection, values):
        raise ScreenExists("Choose another id, or use the screen that has this one.", fields=["screen_id"])
    await queries.note(connection, new.screen_id, actor.person, "created", "", detail=new.model_dump())
    return await queries.screen(connection, new.screen_id), token


async def change(connection: AsyncConnection, actor: Actor, screen_id: str, patch: ScreenPatch) -> RowMapping:
    """How a screen looks and its policy. Another policy begins a segment: nothing stays held by the old one.
    What was held then is shown at once.
    """
    row = await _locked(connection, actor, screen_id)
    wanted = patch.model_dump(exclude_none=True)
    differs = {name: value for name, value in wanted.items() if row[name] != value}
    if not differs:
        return row
    values: dict[str, Any] = {**differs, "version": row["version"] + 1}
    if "policy" in differs:
        values |= _new_segment(row) | _next(row)
    await queries.change(connection, screen_id, values)
    detail = {name: [row[name], value] for name, value in differs.items()}
    await queries.note(connection, screen_id, actor.person, "changed", "", detail=detail)
    return await queries.screen(connection, screen_id)


async def put_on_air(
    connection: AsyncConnection, actor: Actor, screen_id: str, body: AirBody, numbers: Numbers
) -> RowMapping:
    """Freeze, hide, return to live, open the next segment, begin or end a rehearsal; on the record.

    Raises NothingShown, NothingHeld, NotRehearsing.
    """
    row = await _locked(connection, actor, screen_id)
    values = {"version": row["version"] + 1} | _next(row) | _decided(row, body, numbers.shown)
    await queries.change(connection, screen_id, values)
    if body.action == "freeze" and numbers.shown is not None:
        await _pin(connection, numbers.shown)
    await queries.note(
        connection,
        screen_id,
        actor.person,
        body.action,
        body.reason,
        before=numbers.shown,
        after=_shown_after(row, body.action, numbers),
        detail={"rehearsal_campaign_id": body.rehearsal_campaign_id} if body.rehearsal_campaign_id else {},
    )
    return await queries.screen(connection, screen_id)


def _decided(row: RowMapping, body: AirBody, seen: CampaignState | None) -> dict[str, Any]:
    """The columns that an act sets."""
    if body.action == "segment":
        if not row["pending"]:
            raise NothingHeld("There is nothing to show that is not shown. Go on with the show.")
        return _new_segment(row)
    control = {"control": CONTROL_AFTER[body.action], "frozen": None}
    match body.action:
        case "freeze":
            if seen is None:
                raise NothingShown("Wait until its campaign is filed, or hide the screen.")
            return control | {"frozen": queries.written(seen)}
        case "rehearse":
            return control | _rehearsal(body.rehearsal_campaign_id, datetime.now(UTC)) | _new_segment(row)
        case "end_rehearsal":
            if not row["rehearsal"]:
                raise NotRehearsing("It shows the campaign's own number already.")
            return control | _rehearsal(None, None) | _new_segment(row)
        case _:
            return control


def _shown_after(row: RowMapping, action: Action, numbers: Numbers) -> CampaignState | None:
    """The number on the screen after an act; None: it is known only when other numbers come."""
    if action in ("rehearse", "end_rehearsal"):
        return None
    if action == "segment" and row["control"] != "frozen":
        return numbers.actual
    if action == "live":
        return numbers.unfrozen
    return numbers.shown


async def new_link(
    connection: AsyncConnection, actor: Actor, screen_id: str, reason: str
) -> tuple[RowMapping, str]:
    """Another link in the place of the one there was, and its token."""
    token = links.new_token()
    return await _link(connection, actor, screen_id, reason, links.hash_of(token)), token


async def revoke_link(connection: AsyncConnection, actor: Actor, screen_id: str, reason: str) -> RowMapping:
    """No link: whoever has the old one sees nothing more."""
    return await _link(connection, actor, screen_id, reason, None)


async def keep(connection: AsyncConnection, screen_id: str, segment: int, highest: CampaignState) -> None:
    """Keep the highest number of a segment that nothing has lowered yet; nothing when another process has
    seen a higher one. No decision: what is on air stays, and so does the sequence.
    """
    row = await queries.screen(connection, screen_id, lock=True)
    if row["segment"] != segment or row["policy"] != "held" or row["pending"]:
        return
    if row["kept"] is None or net_fen_of(row["kept"]) < highest.amounts.net_fen:
        await queries.change(connection, screen_id, {"kept": queries.written(highest)})


async def record(connection: AsyncConnection, screen_id: str, segment: int, seen: Proposal) -> None:
    """Put on the record that a lowering is held, or that the number has caught up; nothing when another
    process has been first or an operator has decided otherwise in between.
    """
    row = await queries.screen(connection, screen_id, lock=True)
    if row["segment"] != segment or row["policy"] != "held":
        return
    higher = row["pending"] and seen.before.amounts.net_fen > net_fen_of(row["kept"])
    if seen.caught_up != row["pending"] and not higher:
        return
    known = queries.on_air_of(row).kept
    if known is not None and not seen.caught_up:
        seen = replace(seen, before=highest_of(known, seen.before))
    kept = seen.after if seen.caught_up else seen.before
    values = {"kept": queries.written(kept), "pending": not seen.caught_up} | _next(row)
    await queries.change(connection, screen_id, values)
    await _pin(connection, kept)
    fallen = seen.before.amounts.net_fen - seen.after.amounts.net_fen
    reason = (
        "donations have carried the number past what was held"
        if seen.caught_up
        else f"a reversal lowers the number by {fallen} fen; held until the next segment"
    )
    await queries.note(
        connection,
        screen_id,
        POLICY_ITSELF,
        "caught_up" if seen.caught_up else "hold",
        reason,
        before=seen.before,
        after=seen.after,
        detail={"reversed_fen": [seen.before.amounts.reversed_fen, seen.after.amounts.reversed_fen]},
    )


async def _link(
    connection: AsyncConnection,
    actor: Actor,
    screen_id: str,
    reason: str,
    link_hash: bytes | None,
) -> RowMapping:
    action = "link_revoked" if link_hash is None else "link_rotated"
    row = await _locked(connection, actor, screen_id)
    issued_at = None if link_hash is None else datetime.now(UTC)
    values = {"link_hash": link_hash, "link_issued_at": issued_at, "version": row["version"] + 1}
    await queries.change(connection, screen_id, values)
    await queries.note(connection, screen_id, actor.person, action, reason)
    return await queries.screen(connection, screen_id)


async def _locked(connection: AsyncConnection, actor: Actor, screen_id: str) -> RowMapping:
    row = await queries.screen(connection, screen_id, lock=True)
    await rights.require_campaign(connection, actor.reach, row["campaign_id"])
    versions.require_version(row["version"], actor.expected)
    return row


async def _pin(connection: AsyncConnection, state: CampaignState) -> None:
    """What a screen stays at can be proved for ever; sample numbers are of no position and prove nothing."""
    if state.positions:
        await shown.keep(connection, [state], pinned=True)


def net_fen_of(kept: Mapping[str, Any]) -> int:
    """The number of a state as it is kept."""
    net_fen: int = kept["amounts"]["received_fen"] - kept["amounts"]["reversed_fen"]
    return net_fen


def _next(row: RowMapping) -> dict[str, Any]:
    return {"sequence": row["sequence"] + 1}


def _new_segment(row: RowMapping) -> dict[str, Any]:
    return {"segment": row["segment"] + 1, "kept": None, "pending": False}


def _rehearsal(campaign_id: str | None, since: datetime | None) -> dict[str, Any]:
    return {
        "rehearsal": since is not None,
        "rehearsal_since": since,
        "rehearsal_campaign_id": campaign_id,
    }
