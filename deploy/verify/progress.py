"""How far a proof is: who works tells it, who shows it decides how often."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many of it so far, and of how many (0: unknown)."""


def untold(_what: str, _done: int, _total: int) -> None:
    """For whoever does not ask."""
