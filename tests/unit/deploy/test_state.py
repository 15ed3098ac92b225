"""What a crash leaves behind is recognised."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.local import launcher, restarting, state
from deploy.local.layout import Home, unused_ports
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


class _Misses(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"status": "not ready", "missing": ["kafka"]}'
        self.send_response(503)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_process_that_runs_and_is_not_ready_is_told_with_what_it_misses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is frozen: every process lives, and nothing gets on."""
    monkeypatch.setenv("SHANLIU_HOME", str(tmp_path))
    left = state.State(supervisor=state.state_of(_me()), phase="ready")
    left.processes = dict.fromkeys(("donation", "console", "kafka"), state.state_of(_me()))
    (closed,) = unused_ports(1)
    with HTTPServer(("127.0.0.1", 0), _Misses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        left.ports = {"donation": server.server_port, "console": closed}
        left.write(Home(tmp_path))
        as_json, table = (CliRunner().invoke(app, ["status", *given]) for given in (["--json"], []))
        server.shutdown()
    rows = {row["name"]: row["missing"] for row in json.loads(as_json.stdout)["processes"]}
    assert rows == {"donation": ["kafka"], "console": ["an answer"], "kafka": []}
    assert as_json.exit_code == table.exit_code == 1


def test_who_stops_waiting_for_a_restart_is_told_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, said = Home(tmp_path), list[str]()
    state.State(supervisor=state.state_of(_me()), phase="ready").write(home)

    def interrupted(*, taken: bool) -> None:
        if taken:
            home.restart_file.unlink()
        raise KeyboardInterrupt

    for taken in (True, False):
        monkeypatch.setattr("time.sleep", lambda _, taken=taken: interrupted(taken=taken))
        with pytest.raises(KeyboardInterrupt):
            restarting.ask(home, ["donation"], said.append)
    assert [line.split(";")[0] for line in said] == [
        "the supervisor goes on replacing",
        "nothing was replaced",
    ]
    assert not home.restart_file.exists()


def test_without_logs_somebody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHANLIU_HOME", str(tmp_path))
    heard = list[str]()
    monkeypatch.setattr("deploy.cli.say", heard.append)
    CliRunner().invoke(app, ["logs"])
    assert "no logs yet" in heard[0]
