"""What a command is told by its environment, or by a file of SECRETS_DIR that has the setting's name in small
letters: the services read their settings in the same way (shared/service.py).
"""

import os
from pathlib import Path
from typing import Final

SECRETS_DIR: Final = "SECRETS_DIR"


def given(name: str) -> str | None:
    """The value of NAME; None when neither has it, or it is empty."""
    value = os.environ.get(name)
    folder = os.environ.get(SECRETS_DIR)
    if value or not folder:
        return value or None
    path = Path(folder) / name.lower()
    return (path.read_text("utf-8").strip() or None) if path.is_file() else None
