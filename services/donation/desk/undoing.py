"""Who may take an entry back, and until when: a pure rule."""

from dataclasses import dataclass
from datetime import datetime

from shared.refusals import Refused


class Undone(Refused):
    """An entry that was taken back before."""

    code = "entry-undone"
    title = "The entry is undone"


class UndoOver(Refused):
    """Too late for the desk."""

    code = "undo-over"
    title = "The time to undo it is over"


class NotYours(Refused):
    """Somebody else's entry."""

    code = "entry-of-another"
    title = "Somebody else entered it"
    status = 403


@dataclass(frozen=True, slots=True)
class Entered:
    """An entry as the rule sees it. `drawer_closed`: its money was counted with the drawer's."""

    entered_by: str
    undo_until: datetime
    drawer_closed: bool
    undone: bool


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants to undo it. An administrator has finance's right as well."""

    name: str
    is_administrator: bool
    is_finance: bool


def require_undoable(entry: Entered, asker: Asker, now: datetime) -> None:
    """Raise unless `asker` may take it back now: who entered it, within its window and while the drawer is
    open; an administrator and finance whoever entered it and at any time, because by then it is a correction
    of the books, with its reason on the record.
    """
    if entry.undone:
        raise Undone("It was taken back before.")
    if asker.is_finance or asker.is_administrator:
        return
    if entry.entered_by != asker.name:
        raise NotYours(f"{entry.entered_by} entered it: ask them, or finance.")
    if now > entry.undo_until:
        raise UndoOver(f"It could be undone until {entry.undo_until.isoformat()}. Ask finance to void it.")
    if entry.drawer_closed:
        raise UndoOver("Its drawer is closed and counted. Ask finance to void it.")
