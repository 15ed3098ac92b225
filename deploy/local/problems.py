"""What the person at the keyboard is told."""

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes one line of progress."""


class StackProblem(Exception):
    """Something that keeps the local stack from running. The message is one line and says what to do."""

    exit_code = 1


class NotProved(StackProblem):
    """Whether the numbers agree could not be told: another exit code than that of numbers that differ."""

    exit_code = 3
