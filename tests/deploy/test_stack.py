"""`shanliu` as a person uses it, on real parts: the demo's one command, and on the folder that it leaves all
that is done with a stack. A command is a process of its own where that shows more.
"""

import contextlib
import dataclasses
import io
import json
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.cli import main
from deploy.local import launcher, layout, services, state
from deploy.local.credentials import PEOPLE
from deploy.local.databases import create_service_databases, run
from deploy.local.layout import Home, Ports
from deploy.local.processes import SOURCE, Identity, wait_until
from deploy.metrics import metrics
from deploy.topics import apply_topics
from deploy.year.people import FAMILY_NAMES, GIVEN_NAMES
from tests.promql import FOREIGN

pytestmark = pytest.mark.e2e

COMMAND_S = 240
DONATIONS = 120
DOCS = SOURCE / "docs"
USED_BY_SOME = {"shanliu_outbox_oldest_seconds", "shanliu_commands_total", "shanliu_command_seconds"}
"""Of services that take commands."""
OF_KAFKA = {
    "shanliu_publish_seconds",
    "shanliu_publish_failures_total",
    "shanliu_batch_failures_total",
    "shanliu_batch_records",
    "shanliu_unreadable_records_total",
    "shanliu_dead_letters_total",
    "shanliu_events_total",
}
"""The console has no Kafka."""
NOT_OF_A_WORKER = {
    "shanliu_message_decisions_total",
    "shanliu_consumer_lag_records",
    "shanliu_consumer_lag_timestamp_seconds",
    "shanliu_consumer_oldest_unread_seconds",
}
"""Of who answers over HTTP; a worker does not load it."""
GONE_S = 60


@dataclass
class Machine:
    """A folder and a range of ports of the test's own, and every process ever seen in its state."""

    home: Home
    base: int
    seen: set[Identity] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SHANLIU_HOME": str(self.home.root),
            "SHANLIU_PORT_BASE": str(self.base),
            "PYTHONPATH": str(SOURCE),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        process = self.start(*arguments)
        out, err = process.communicate(timeout=COMMAND_S)
        self.look()
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}\n{self.log()}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def type(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """The same without a process of the command's own."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["shanliu", *arguments])
            patch.setattr(sys, "stdin", io.StringIO())
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                main()
        self.look()
        told = f"{arguments}: {ended.value.code}\n{out.getvalue()}\n{err.getvalue()}\n{self.log()}"
        assert (ended.value.code or 0) == code, told
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def up_twice_at_once(self) -> str:
        """What the one that starts it has said."""
        at_once = [self.start("up") for _ in range(2)]
        said = [each.communicate(timeout=COMMAND_S)[1] for each in at_once]
        self.look()
        assert [each.returncode for each in at_once] == [0, 0], said
        passwords = [sum(f" {person} " in each for each in said) for person in PEOPLE]
        assert passwords == [1] * len(PEOPLE), "of each person once"
        [starter] = [each for each in said if "already running" not in each]
        return starter

    def follow(self, page: str) -> str:
        """Run what a guide has its reader type, each block of bash behind the other; its output."""
        blocks = re.findall(
            r"^```bash\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
        assert blocks, page
        script = "\n".join(blocks).replace(".venv/bin/shanliu", f"{sys.executable} -m deploy.cli")
        script = re.sub(r"127\.0\.0\.1:81(\d\d)", lambda m: f"127.0.0.1:{self.base + int(m[1])}", script)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env=self.environment,
            cwd=DOCS.parent,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert done.returncode == 0, f"{page}\n{done.stdout}\n{done.stderr}\n{self.log()}"
        return done.stdout

    def log(self) -> str:
        path = self.home.logs / "supervisor.log"
        return path.read_text("utf-8") if path.exists() else "no supervisor.log"

    def look(self) -> state.State | None:
        found = state.read(self.home)
        if found is not None:
            self.seen.update(launcher.identities(found))
        return found

    def process(self, name: str) -> state.ProcessState:
        found = self.look()
        assert found is not None
        return found.processes[name]

    def parent(self, name: str) -> int:
        """By whom a process was started."""
        return psutil.Process(self.process(name).pid).ppid()

    def nothing_lives(self, seconds: float = GONE_S) -> bool:
        """True as soon as no process that was ever recorded lives, and every port is free again."""

        def gone() -> bool:
            self.look()
            ports = Ports.from_base(self.base).named().values()
            return not any(one.alive for one in self.seen) and all(layout.is_free(port) for port in ports)

        return wait_until(gone, seconds, step_s=0.2)

    def logs(self) -> dict[str, str]:
        """What every process has written, by the file's name."""
        return {path.name: path.read_text("utf-8", "replace") for path in self.home.logs.iterdir()}

    def shown_fen(self, campaign_id: str) -> int:
        """The total of a campaign as anyone sees it."""
        totals = f"http://127.0.0.1:{self.base + 4}/v1/campaigns/{campaign_id}/totals"
        return int(httpx.get(totals, timeout=5).json()["net_fen"])

    def answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.base + 1}{path}", timeout=5).status_code == 200
        return False

    def exposed(self, port_name: str) -> set[str]:
        """The names of what a process of the stack tells Prometheus."""
        port = Ports.from_base(self.base).named()[port_name]
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        families = text_string_to_metric_families(text)
        return {family.name + ("_total" if family.type == "counter" else "") for family in families}


def free_base() -> int:
    """A base all of whose ports are free, below the range for outgoing connections."""
    for base in random.SystemRandom().sample(range(15_000, 32_000, 100), 150):
        if all(layout.is_free(port) for port in Ports.from_base(base).named().values()):
            return base
    raise AssertionError("no free range of ports")


@contextlib.contextmanager
def _machine(folder: Path) -> Iterator[Machine]:
    machine = Machine(Home(folder / "home"), free_base())
    yield machine
    machine.type("down")
    assert machine.nothing_lives(), "something is left running"


@pytest.fixture
def machine(archive: None, tmp_path: Path) -> Iterator[Machine]:
    with _machine(tmp_path) as machine:
        yield machine


@dataclass(frozen=True)
class Played:
    """The demo, played once: on which machine, what it said, and the proof that it ended with."""

    machine: Machine
    said: str
    proof: dict[str, int]

    @property
    def campaign_id(self) -> str:
        shown = re.search(r"/screens/([\w-]+)", self.said)
        assert shown is not None
        return shown[1]


@pytest.fixture(scope="module")
def played(archive: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with _machine(tmp_path_factory.mktemp("demo")) as machine:
        done = machine.run("demo", "--once", "--donations", str(DONATIONS))
        yield Played(machine, done.stdout + done.stderr, json.loads(done.stdout.splitlines()[-1]))


def test_the_demo_proves_its_evening(played: Played) -> None:
    proof = played.proof
    assert proof["donations"] >= DONATIONS
    assert proof["screen_total_fen"] == proof["total_fen"] > 0
    assert (proof["lost"], proof["double"]) == (0, 0)


def test_no_donor_stands_in_any_log(played: Played) -> None:
    logs = played.machine.logs()
    assert "donation-worker.log" in logs
    names = {family + given for family, given in product(FAMILY_NAMES, GIVEN_NAMES)}
    for name, text in logs.items():
        assert not re.search(r"donor\d+@example", text), name
        assert not [donor for donor in names if donor in text], name


def test_the_secrets_are_their_owners_alone(played: Played) -> None:
    secrets_file = played.machine.home.secrets_file
    assert stat.S_IMODE(secrets_file.stat().st_mode) == 0o600
    secrets = json.loads(secrets_file.read_bytes())
    told = played.said + "".join(played.machine.logs().values())
    for secret in [
        *secrets["operators"].values(),
        *secrets["channels"].values(),
        secrets["channel_key"],
        secrets["webhook_key"],
    ]:
        assert secret not in told


def test_the_demo_leaves_nothing_running(played: Played) -> None:
    home = str(played.machine.home.root)
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if home in command] == []


def test_up_tend_kill_up_down(
    played: Played, kafka: str, postgres: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the folder of the demo's evening: its topics, databases, accounts and keys."""
    machine = played.machine
    assert f"http://127.0.0.1:{machine.base + 5}/" in _comes_up_as_a_channel(machine, monkeypatch)
    assert machine.answers("/readyz")
    assert machine.shown_fen(played.campaign_id) == played.proof["total_fen"]
    operators = json.loads(machine.home.secrets_file.read_bytes())["operators"]

    again = machine.type("up")
    assert "already running" in again.stderr
    elsewhere = dataclasses.replace(machine, base=machine.base + 100)
    assert "runs on other ports" in elsewhere.type("up", code=1).stderr

    report = json.loads(machine.type("status", "--json").stdout)
    assert (report["phase"], [each["missing"] for each in report["processes"]]) == ("ready", [[]] * 10)
    assert {process["name"] for process in report["processes"]} == {
        "kafka", "postgres", "mail", "campaign", "donation", "donation-worker", "notification",
        "reporting", "reporting-worker", "console",
    }  # fmt: skip

    told = machine.type("status").stdout  # what was asked for is on stdout, so that it can be piped
    assert "donation-worker" in told
    assert f"http://127.0.0.1:{machine.base + 5}/" in told

    _tells_what_the_docs_say(machine)
    begun_together = {machine.parent(name) for name in ("mail", *services.BY_NAME)}
    assert len(begun_together) == 1, "at a start one process loads what all need"
    killed = {name: machine.process(name) for name in ("donation", "kafka", "postgres")}
    for process in killed.values():
        os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: all(machine.process(name).pid != old.pid for name, old in killed.items()), 60)
    assert wait_until(lambda: machine.answers("/readyz"), 90)
    assert "kafka was started again" in machine.type("logs", "supervisor").stdout
    assert machine.parent("donation") not in begun_together, "it is to run the code as it lies there now"

    before = {name: machine.process(name) for name in ("donation", "donation-worker", "reporting")}
    assert "donation-worker was replaced" in machine.type("restart", "donation", "donation-worker").stderr
    assert machine.process("donation").pid != before["donation"].pid
    assert not before["donation-worker"].identity.alive
    assert machine.process("reporting").pid == before["reporting"].pid
    assert machine.answers("/readyz")
    assert machine.process("donation").restarts == before["donation"].restarts, "it was no accident"

    _restored(machine)
    machine.type("verify", played.campaign_id)
    assert "No log of 'moon'" in machine.type("logs", "moon", code=1).stderr
    assert "Stop it first" in machine.type("reset", "--yes", code=1).stderr

    supervisor = machine.look()
    assert supervisor is not None
    os.kill(supervisor.supervisor.pid, signal.SIGKILL)
    assert machine.nothing_lives(), "something outlived its supervisor"
    machine.type("status", code=1)

    _on_servers_of_ones_own(machine, kafka, postgres, namespace, monkeypatch)
    assert json.loads(machine.home.secrets_file.read_bytes())["operators"] == operators
    machine.type("down")
    assert machine.nothing_lives(5)
    assert "nothing was running" in machine.type("down").stderr
    assert run(apply_topics(kafka, namespace)).created == [], "the topics were not made where they belong"
    assert set(create_service_databases(postgres)) == set(layout.DATABASES), "the database has gone"


def _tells_what_the_docs_say(machine: Machine) -> None:
    for service in services.SERVICES:
        exposed = machine.exposed(service.port_name)
        owners = {"Every process", service.name.removesuffix("-worker")}
        expected = {each.name for each in metrics() if each.owner in owners and not each.measured}
        absent = USED_BY_SOME | (OF_KAFKA if service.name == "console" else set())
        absent |= NOT_OF_A_WORKER if service.name.endswith("-worker") else set()
        assert expected - absent <= exposed, f"{service.name} does not expose what docs/metrics.md says"
        assert {name for name in exposed if name.startswith("shanliu_")} <= {each.name for each in metrics()}
        assert {name for name in FOREIGN if name != "up"} <= exposed


def _comes_up_as_a_channel(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> str:
    """kafka.env, as a channel's shell has it, names no other broker than the stack's own."""
    with monkeypatch.context() as given:
        for name, value in (
            ("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{machine.base + 94}"),
            ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ("KAFKA_SASL_USERNAME", "channel-partner"),
            ("KAFKA_SASL_PASSWORD", "no longer taken"),
        ):
            given.setenv(name, value)
        said = machine.up_twice_at_once()
        assert machine.process("kafka").running
        assert "there  donation.events" in machine.type("topics", "apply").stderr
    return said


def _on_servers_of_ones_own(
    machine: Machine, kafka: str, postgres: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three guides on what a crash has left and servers that are given: one of them proves every number, and
    nothing of ours is started in their place.
    """
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("KAFKA_NAMESPACE", namespace)
    monkeypatch.setenv("DATABASE_URL", postgres)
    machine.run("up")
    found = machine.look()
    assert found is not None
    assert not found.processes.keys() & {"kafka", "postgres"}
    given_fen = 12_345 + 50_000 + 8_000_000 + 10_000_000 + 6_600
    for page in ("campaigns/index.md", "desk.md", "reconciliation.md"):
        machine.follow(page)
    assert wait_until(lambda: machine.shown_fen("gala-2027") == given_fen, 60)


def _restored(machine: Machine) -> None:
    """The steps of docs/backup.md, with nothing lost."""
    for verb in ("restart", "stop", "start"):
        assert "There is no moon" in machine.type(verb, "moon", code=1).stderr
    counted = machine.run("sql", "donation", "-c", "SELECT count(*), current_database() FROM donations")
    assert "shanliu_donation" in counted.stdout
    assert "There is no database of 'moon'" in machine.type("sql", "moon", code=1).stderr
    dump = machine.home.root / "donation.dump"
    machine.type("dump", "donation", str(dump))
    assert dump.stat().st_mode & 0o777 == 0o600
    assert "shanliu stop" in machine.type("load", "donation", str(dump), code=1).stderr
    assert "no dump of shanliu_campaign" in machine.type("load", "campaign", str(dump), code=1).stderr
    assert "stop every process" in machine.type("restore", "donation", code=1).stderr
    assert "the restore itself needs them stopped" in machine.type("restore", "donation", "--dry-run").stdout
    assert "donation was stopped" in machine.type("stop", "donation", "donation-worker").stderr
    assert "stopped" in machine.type("status", code=1).stdout
    assert not machine.answers("/readyz")
    machine.type("load", "donation", str(dump))
    assert "0 donations booked" in machine.type("restore", "donation").stdout
    assert machine.process("donation").stopped, "nobody starts it again by himself"
    assert "donation-worker was started" in machine.type("start", "donation", "donation-worker").stderr
    assert machine.answers("/readyz")
    machine.type("status")


def test_a_demo_that_is_interrupted_while_it_starts_leaves_nothing(machine: Machine) -> None:
    _ended_while_it_starts(machine, signal.SIGINT)


def test_a_demo_that_is_killed_while_it_starts_leaves_nothing(
    machine: Machine, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    _ended_while_it_starts(machine, signal.SIGKILL)


def _ended_while_it_starts(machine: Machine, number: signal.Signals) -> None:
    demo = machine.start("demo")
    assert wait_until(lambda: bool((found := machine.look()) and found.processes), 120), "nothing was started"

    demo.send_signal(number)
    demo.communicate(timeout=90)

    assert demo.returncode != 0
    assert machine.nothing_lives()


def test_a_busy_port_is_one_line_and_nothing_is_started(machine: Machine) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", machine.base + 4))):
        done = machine.type("up", code=1)

    assert f"Port {machine.base + 4} (reporting) is in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not machine.home.state_file.exists()


def test_an_unreachable_registry_is_one_line(machine: Machine, tmp_path: Path) -> None:
    environment = {
        **machine.environment,
        "SHANLIU_CACHE": str(tmp_path / "cache"),
        "SHANLIU_MAVEN_REPOSITORY": "http://127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "up"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert "SHANLIU_MAVEN_REPOSITORY" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "no Kafka answers there"),
        ("DATABASE_URL", "postgresql://a:b@127.0.0.1:1/postgres", "doesn't let us in"),
    ],
)
def test_a_server_of_ones_own_that_does_not_answer_is_one_line(
    machine: Machine, variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    done = machine.type("up", code=1)

    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_reset_without_a_person_wants_a_word(machine: Machine) -> None:
    machine.home.prepare()
    assert "shanliu reset --yes" in machine.type("reset", code=1).stderr
    assert machine.home.logs.exists()
    machine.type("reset", "--yes")
    assert not machine.home.root.exists()
