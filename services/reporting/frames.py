"""The frames of the stream: a state as Server-Sent Events (WHATWG HTML, 9.2), encoded once for all."""

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from services.reporting.totals import Amounts, CampaignState, RecentDonor, ShownMessage, Tree

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
PARTS_SHOWN: Final = 20
"""Parts that a screen is told of, ten times a second; the API tells them all."""


def snapshot_frame(state: CampaignState, air: Mapping[str, Any] = NOTHING) -> bytes:
    """Everything a screen needs to start with; `air`: what its operators decided, for a registered one."""
    return frame_of("snapshot", {**snapshot_of(state), **air}, state.version)


def change_frame(before: CampaignState, after: CampaignState, air: Mapping[str, Any] = NOTHING) -> bytes:
    """What is new since the frame of `before`; a whole snapshot when the campaign's plan has changed."""
    if after.plan.model_copy(update={"status": before.plan.status}) != before.plan:
        return snapshot_frame(after, air)
    known = {donor.donation_id for donor in before.recent}
    dropped = [str(each) for each in after.dropped if each not in before.dropped]
    ranked = before.companies != after.companies
    change = {
        **_numbers(after),
        "status": after.plan.status,
        "recent": [_donor(donor) for donor in after.recent if donor.donation_id not in known],
        **({"companies": _companies(after)} if ranked else {}),
        **_messages_changed(before, after),
        **({"dropped": dropped} if dropped else {}),
        **air,
    }
    return frame_of("change", change, after.version)


def ended_frame(why: str) -> bytes:
    """The last frame of a stream that must not be opened again under this address."""
    return frame_of("ended", {"why": why}, None)


def heartbeat_frame(now: datetime) -> bytes:
    """Sign of life. It has no id: the place to resume from stays the last number's."""
    return frame_of("heartbeat", {"as_of": _utc(now)}, None)


def snapshot_of(state: CampaignState) -> dict[str, Any]:
    """A campaign's public data as JSON: amounts in fen, times in UTC."""
    plan = state.plan.model_dump(mode="json", exclude={"window_start", "window_end"})
    return {
        **plan,
        "window_start": _utc(state.plan.window_start),
        "window_end": _utc(state.plan.window_end),
        **_numbers(state),
        "positions": state.positions,
        "recent": [_donor(donor) for donor in state.recent],
        "companies": _companies(state),
        "messages": [_message(message) for message in state.messages],
        "dropped": [str(each) for each in state.dropped],
    }


def _messages_changed(before: CampaignState, after: CampaignState) -> dict[str, list[Any]]:
    """What is new, newest first, and the ids of what is no longer shown: withdrawn, or older than the last
    that is. One that was withdrawn and approved again is new. Nothing at all for most frames.
    """
    if before.messages_json == after.messages_json:
        return {}
    shown, now = before.messages, after.messages
    known = {(message.message_id, message.at) for message in shown}
    there = {message.message_id for message in now}
    new = [_message(each) for each in now if (each.message_id, each.at) not in known]
    gone = [str(each.message_id) for each in shown if each.message_id not in there]
    return ({"messages_new": new} if new else {}) | ({"messages_gone": gone} if gone else {})


def _numbers(state: CampaignState) -> dict[str, Any]:
    return {
        "campaign_id": state.campaign_id,
        **amounts_of(state.amounts),
        "version": state.version,
        "digest": state.digest,
        "as_of": _utc(state.as_of),
        **({} if state.tree is None else {"tree": _tree(state.tree)}),
    }


def _tree(tree: Tree) -> dict[str, Any]:
    """What a campaign and its parts make together, and the parts that have received most."""
    return {
        **amounts_of(tree.amounts),
        "digest": tree.digest,
        "count": len(tree.parts),
        "parts": [
            {
                "campaign_id": part.campaign_id,
                "part_kind": part.part_kind,
                "title": part.title,
                "title_en": part.title_en,
                "net_fen": part.amounts.net_fen,
                "donations": part.amounts.donations,
            }
            for part in tree.parts[:PARTS_SHOWN]
        ],
    }


def amounts_of(amounts: Amounts) -> dict[str, int]:
    """The amounts in fen, promised, received and disbursed each by itself."""
    return {**amounts.model_dump(), "net_fen": amounts.net_fen}


def _donor(donor: RecentDonor) -> dict[str, Any]:
    return {**donor.model_dump(mode="json", exclude={"at"}), "at": _utc(donor.at)}


def _companies(state: CampaignState) -> list[dict[str, Any]]:
    return [company.model_dump() for company in state.companies]


def _message(message: ShownMessage) -> dict[str, Any]:
    return {**message.model_dump(mode="json", exclude={"at"}), "at": _utc(message.at)}


def _utc(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def frame_of(event: str, data: Mapping[str, Any], version: int | None) -> bytes:
    """One event of the stream; without a version it leaves the place to resume from as it is."""
    place = "" if version is None else f"id: {version}\n"
    payload = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\n{place}data: {payload}\n\n".encode()
