"""What the command line tells: what people read goes to stderr, results to stdout."""

import json
import sys
from typing import Any

from rich.console import Console

console = Console(stderr=True, highlight=False)
answers = Console(highlight=False)
"""For what was asked for, so that it can be piped; `console` is for progress and problems."""


def say(line: str) -> None:
    """One line of progress."""
    console.print(f"  {line}", markup=False, soft_wrap=True)


def answer(line: str) -> None:
    """One line of what was asked for."""
    answers.print(f"  {line}", markup=False, soft_wrap=True)


def print_json(found: Any) -> None:
    """One JSON document on stdout, on one line."""
    sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
