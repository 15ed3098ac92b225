"""The boundaries between the packages, read from the source: nothing is imported here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"services", "shared", "deploy", "tests"}
SERVICES = ("campaign", "console", "donation", "notification", "reporting")


def _imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of each module that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            assert node.module is not None
            yield node.lineno, node.module
            # `from services import campaign` names a package too.
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _strays(folder: Path, allowed: tuple[str, ...]) -> list[str]:
    """Imports of our own packages that don't lie inside one of the allowed ones."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        for line, module in _imported_modules(path):
            ours = module.split(".")[0] in OURS and module != "services"
            inside = any(module == name or module.startswith(f"{name}.") for name in allowed)
            if ours and not inside:
                found.append(f"{path.relative_to(ROOT)}:{line}: {module}")
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_only_shared_and_itself(service: str) -> None:
    folder = ROOT / "services" / service
    assert folder.is_dir(), f"{folder} is missing"
    assert _strays(folder, ("shared", f"services.{service}")) == []


def test_shared_imports_only_itself() -> None:
    assert _strays(ROOT / "shared", ("shared",)) == []


def test_nothing_that_runs_imports_the_tests() -> None:
    assert _strays(ROOT / "deploy", ("deploy", "shared", "services")) == []


def test_every_folder_with_code_is_a_package() -> None:
    """A folder without __init__.py is left out of the wheel by setuptools' package search."""
    lost = [
        str(path.parent.relative_to(ROOT))
        for top in ("services", "shared", "deploy")
        for path in (ROOT / top).rglob("*.py")
        if "migrations" not in path.parts and not (path.parent / "__init__.py").exists()
    ]
    assert lost == []
