"""Passwords of local accounts: argon2id (RFC 9106), made by us and shown once, or chosen by the person.

Hashing takes 64 MiB and some 50 ms on purpose, so it runs beside the event loop, two at a time at most: a
flood of sign-ins waits in line instead of taking the machine's memory.
"""

import asyncio
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LENGTH: Final = (12, 128)
"""Characters of a password that a person chooses (NIST SP 800-63B: length counts, composition does not)."""
AT_ONCE: Final = 2

_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Nothing that is mistaken for something else when it is read out."""
_GROUPS: Final = 5
_GROUP: Final = 4

_hasher: Final = PasswordHasher()
_dummy: Final = "$argon2id$v=19$m={},t={},p={}${}${}".format(
    _hasher.memory_cost, _hasher.time_cost, _hasher.parallelism, "A" * 22, "A" * 43
)
"""What an unknown name's password is compared with, so that it takes as long as a known one's."""
_quick: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def new_password() -> str:
    """Twenty characters in groups, 99 bits."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def hash_password(password: str) -> str:
    """For the table. Blocking."""
    return _hasher.hash(password)


def hash_quickly(password: str) -> str:
    """For a table that does not outlive the day: next to no work for us, nor for who tries to find it out."""
    return _quick.hash(password)


def _matches(password: str, password_hash: str | None) -> bool:
    try:
        _hasher.verify(password_hash or _dummy, password)
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


class Checker:
    """Compares passwords, a bounded number at a time."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password of this hash; with None (nobody's) the same work and no."""
        if len(password) > LENGTH[1]:
            return False
        async with self._places:
            return await asyncio.to_thread(_matches, password, password_hash)
