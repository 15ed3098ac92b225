"""What a crash leaves behind is recognised."""

import os
from pathlib import Path

from deploy.local import launcher, state
from deploy.local.layout import Home
from deploy.local.processes import Identity


def _me() -> Identity:
    identity = Identity.of(os.getpid())
    assert identity is not None
    return identity


def test_a_living_supervisor_is_recognised(tmp_path: Path) -> None:
    state.State(supervisor=state.state_of(_me()), phase="ready").write(Home(tmp_path))
    assert launcher.running(Home(tmp_path)) is not None


def test_a_pid_that_now_belongs_to_another_process_is_not_taken_for_ours(tmp_path: Path) -> None:
    yesterday = Identity(os.getpid(), _me().started - 86_400)
    left = state.State(supervisor=state.state_of(yesterday), phase="ready")
    left.processes["kafka"] = state.state_of(yesterday)
    left.write(Home(tmp_path))

    assert launcher.running(Home(tmp_path)) is None
    assert left.survivors() == []
    lines: list[str] = []
    launcher.clean_up(Home(tmp_path), lines.append)
    assert lines == []


def test_a_damaged_state_counts_as_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.state_file.write_text('{"phase":', "utf-8")
    assert state.read(home) is None
    assert launcher.down(home, lambda _: None) is False


def test_reset_deletes_only_what_is_ours(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    home.kafka.mkdir()
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")

    assert home.kafka in launcher.reset(home)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
