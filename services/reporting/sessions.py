"""Browser sessions of operators: a person signs in with their token once, and gets a cookie.

Sessions live in this process only: a restart asks everybody to sign in again. Sign-in with OpenID Connect and
sessions of several processes come with the operations console.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

from shared.access import Person

COOKIE: Final = "shanliu_session"
SESSION_S: Final = 12 * 3600
"""An evening with its rehearsal; after that a person signs in again."""
MAX_SESSIONS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Session:
    person: Person
    ends_at_s: float


class Sessions:
    """Who is signed in. Only the hash of a session's key is kept."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}

    def open(self, person: Person) -> str:
        """Begin a session and give its key (256 random bits). The oldest ends when there are too many."""
        self._drop_ended()
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        key = secrets.token_urlsafe(32)
        self._sessions[_hash(key)] = _Session(person, time.monotonic() + SESSION_S)
        return key

    def person(self, key: str | None) -> Person | None:
        """Who holds this key, if the session has not ended."""
        session = self._sessions.get(_hash(key)) if key else None
        return session.person if session and session.ends_at_s > time.monotonic() else None

    def close(self, key: str | None) -> None:
        """End a session."""
        if key:
            self._sessions.pop(_hash(key), None)

    def _drop_ended(self) -> None:
        now_s = time.monotonic()
        self._sessions = {key: each for key, each in self._sessions.items() if each.ends_at_s > now_s}


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
