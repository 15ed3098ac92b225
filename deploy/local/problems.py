"""What the person at the keyboard is told."""

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line of progress."""


class StackProblem(Exception):
    """Something that keeps the local stack from running. The message is one line and says what to do."""
