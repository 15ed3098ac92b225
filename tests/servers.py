"""The Kafka and the PostgreSQL of a run: one of each for all its workers, started when a test first asks.

The process that begins the run has them, in containers or from packages (tests/parts.py). A worker of
pytest-xdist is a process of its own: it asks over a socket, whose folder only its user can open.
"""

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Final

from deploy.local.archive import archived
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import Keeper
from tests import parts
from tests.memory import in_memory
from tests.parts import Doors

Ask = Callable[[str], Doors | str]
"""`ask("kafka")` gives the broker's doors, `ask("postgres")` the URL of the server's administrator."""


# ---------------------------------------------------------------- who has them


class Servers:
    """Starts what is asked for, once, and ends it with the run. Threads may ask at the same time."""

    def __init__(self) -> None:
        self.folder: Final = Path(tempfile.mkdtemp(prefix="shanliu-servers-", dir=in_memory()))
        self._ends: Final = ExitStack()
        self._locks: Final = {name: threading.Lock() for name in STARTS}
        self._started: Final[dict[str, Doors | str]] = {}

    def ask(self, name: str) -> Doors | str:
        """What the server of this name gives; the first who asks waits until it has started."""
        with self._locks[name]:
            if name not in self._started:
                self._started[name] = self._ends.enter_context(_started(name, self.folder / name))
            return self._started[name]

    def close(self) -> None:
        """Nobody wants the data after the run, so what is not a container is not stopped in order: a broker
        with a thousand partitions takes seconds to close them.
        """
        self._ends.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def _kafka(folder: Path) -> Iterator[Doors]:
    archived()
    with _kept(folder) as keeper:
        broker = LocalKafka(folder, keeper=keeper, short_lived=True)
        broker.start()
        yield Doors(broker.bootstrap, broker.secured)
        broker.kill()


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    with _kept(folder) as keeper:
        server = LocalPostgres(folder, keeper=keeper, short_lived=True)
        server.start()
        yield server.admin_url
        server.stop("immediate")


@contextmanager
def _kept(folder: Path) -> Iterator[Keeper]:
    """Who stops a server when its run is killed, or has gone wrong."""
    keeper = Keeper(folder.with_name(folder.name + "-keeper.log"))
    yield keeper
    keeper.close()


Start = Callable[[], AbstractContextManager[Doors | str]]
Embed = Callable[[Path], AbstractContextManager[Doors | str]]
STARTS: Final[dict[str, tuple[Start, Embed]]] = {
    "kafka": (parts.kafka_container, _kafka),
    "postgres": (parts.postgres_container, _postgres),
}
"""How each begins in a container, and from packages."""


@contextmanager
def _started(name: str, folder: Path) -> Iterator[Doors | str]:
    """In a container, where that is chosen and comes up; else from packages."""
    contain, embed = STARTS[name]
    with parts.contained(name, contain) if parts.in_containers() else nullcontext() as made:
        if made is not None:
            yield made
            return
    with embed(folder) as made:
        yield made


# ---------------------------------------------------------------- who asks for them


class Desk:
    """Answers the workers of a run, several at a time."""

    def __init__(self, servers: Servers) -> None:
        self.address: Final = str(servers.folder / "desk")
        self._ask: Final = servers.ask
        self._listener: Final = Listener(self.address, "AF_UNIX", backlog=16)
        threading.Thread(target=self._open, daemon=True).start()

    def close(self) -> None:
        """Take away the socket. Nobody asks any more."""
        self._listener.close()

    def _open(self) -> None:
        while True:
            asking = self._listener.accept()
            threading.Thread(target=self._answer, args=(asking,), daemon=True).start()

    def _answer(self, asking: Connection) -> None:
        with asking:
            try:
                asking.send(self._ask(asking.recv()))
            except Exception as problem:  # noqa: BLE001 - it is raised where it was asked
                asking.send(problem)


def asking_at(address: str) -> Ask:
    """Ask in a worker. Raises what the start of the server has raised."""

    def ask(name: str) -> Doors | str:
        with Client(address, "AF_UNIX") as desk:
            desk.send(name)
            answer = desk.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    return ask
