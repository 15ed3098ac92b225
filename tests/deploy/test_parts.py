"""The servers that the tests stand on: which they are, what happens when one doesn't start, and that nothing
of it is left behind.
"""

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import pytest

from deploy.local.processes import wait_until
from tests import parts

ROOT: Final = Path(__file__).resolve().parents[2]
CONTAINERS: Final = (
    "real parts: kafka in a container (apache/kafka:4.3.0), postgres in a container (postgres:18)"
)


class NeverStarted(AbstractContextManager[str]):
    """A container that does not come up."""

    def __enter__(self) -> str:
        raise TimeoutError("it says nothing")

    def __exit__(self, *ended: object) -> None:
        return None


@pytest.fixture(autouse=True)
def nobody_names_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*parts.GIVEN.values(), parts.SWITCH):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv(parts.SETTLED, "")


@pytest.mark.parametrize(
    ("asked", "lacking", "inside", "line"),
    [
        ("", None, True, CONTAINERS),
        ("auto", "no Docker", False, "real parts: kafka embedded, postgres embedded; no Docker"),
        ("embedded", None, False, "real parts: kafka embedded, postgres embedded; TEST_PARTS says so"),
        ("containers", "no Docker", True, f"{CONTAINERS}; TEST_PARTS says so"),
    ],
    ids=["containers-first", "no-docker", "embedded-wanted", "containers-wanted"],
)
def test_the_header_says_on_what_a_run_stands(
    asked: str, lacking: str | None, *, inside: bool, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(parts.SWITCH, asked)
    monkeypatch.setattr(parts, "lacking", lambda *_: lacking)
    parts.settle()

    assert parts.in_containers() == inside
    assert parts.told() == line

    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/postgres")
    assert "postgres of DATABASE_URL" in parts.told()


def test_a_container_that_does_not_start_is_replaced_loudly_and_only_where_none_is_insisted_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        pytest.warns(UserWarning, match="KAFKA IS NO CONTAINER.*it says nothing"),
        parts.contained("kafka", NeverStarted) as doors,
    ):
        assert doors is None
    monkeypatch.setenv(parts.SWITCH, "containers")
    with pytest.raises(TimeoutError), parts.contained("kafka", NeverStarted):
        pass


def test_a_choice_that_is_misspelt_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(parts.SWITCH, "container")
    with pytest.raises(ValueError, match="auto, containers, embedded"):
        parts.chosen()


STARTS_ONE_AND_STAYS: Final = """
import sys, threading
from tests import parts
parts.name_of_one = lambda: sys.argv[1]
with parts.postgres_container() as url:
    print(url, flush=True)
    threading.Event().wait(60)
"""


@pytest.mark.containers
def test_nothing_is_left_of_a_run_that_was_killed() -> None:
    name = parts.name_of_one()
    command = [sys.executable, "-c", STARTS_ONE_AND_STAYS, name]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("postgresql+asyncpg://")
        assert _is_there(name)
        run.kill()
    assert wait_until(lambda: not _is_there(name), 30)


def _is_there(name: str) -> bool:
    asked = ["docker", "container", "inspect", name]
    return not subprocess.run(asked, capture_output=True, timeout=parts.ASK_S, check=False).returncode
