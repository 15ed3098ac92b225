"""What the documents name is there: pages, headings, tests, commands."""

import re
from pathlib import Path
from typing import Any, Final, cast

import pytest
from typer.main import get_group

from deploy.cli import app

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
COMMANDS: Final[dict[str, Any]] = cast("dict[str, Any]", get_group(app).commands)

COMMAND: Final = re.compile(r"(?:^|`)(?:\.venv/bin/)?shanliu ([a-z-]+)(?: ([a-z-]+))?", re.MULTILINE)


def heading_names(page: Path) -> set[str]:
    """As a link names them: small letters, no marks, lines for spaces."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).strip().replace(" ", "-") for each in headings}


def lost(document: Path) -> set[str]:
    """What a document names and is not there."""
    text = document.read_text("utf-8")
    found = set()
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        page = document.parent / path if path else document
        if not page.exists() or (heading and heading not in heading_names(page)):
            found.add(f"{path}#{heading}")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", text):
        test = ROOT / path
        if not test.exists() or (name and f"def {name}(" not in test.read_text("utf-8")):
            found.add(f"{path}::{name}")
    for command, second in COMMAND.findall(text):
        known = COMMANDS.get(command)
        if known is None or (second and second not in getattr(known, "commands", {second})):
            found.add(f"shanliu {command} {second}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    assert lost(document) == set()


def test_what_is_not_there_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n[here](#a-page) [there](page.md#gone) [away](none.md)\n"
        "`tests/unit/test_documents.py::test_gone`\n"
        "`shanliu verify` `shanliu topics grow 12` `shanliu topics shrink`\n",
        "utf-8",
    )
    assert lost(page) == {
        "page.md#gone",
        "none.md#",
        "tests/unit/test_documents.py::test_gone",
        "shanliu topics shrink",
    }
