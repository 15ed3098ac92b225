"""Back to a moment before an accident, with PostgreSQL's own tools: the steps of docs/backup.md."""

import asyncio
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.local.environment import own_environment
from deploy.local.layout import LOOPBACK
from deploy.local.postgres import ADMIN, LocalPostgres
from deploy.local.processes import Keeper
from tests.waiting import until

REPLICATION = f"host replication {ADMIN} {LOOPBACK}/32 scram-sha-256\n"


class Archiving(LocalPostgres):
    """A server whose log is archived, as docs/backup.md has it."""

    def archive_to(self, archive: Path) -> None:
        """Before its first start but after its cluster is made."""
        archive.mkdir(mode=0o700)
        self.own(archive)
        self.append("pg_hba.conf", REPLICATION)
        # Its own name comes last: a file that is cut off in the middle is not taken for a whole one.
        put = f"test ! -f {archive}/%f && cp %p {archive}/%f.part && mv {archive}/%f.part {archive}/%f"
        self.append(
            "postgresql.auto.conf",
            f"archive_mode = on\narchive_command = '{put}'\narchive_timeout = 60s\n",
        )

    def append(self, name: str, text: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def own(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.uid, self._account.gid)

    def base_backup(self, target: Path) -> None:
        """pg_basebackup, as the user that the server runs as."""
        target.mkdir(mode=0o700)
        self.own(target)
        program = self._programs.path("pg_basebackup")
        done = subprocess.run(
            [*self._prefix(), program, f"--dbname={self.dsn}", f"--pgdata={target}", "--checkpoint=fast"],
            env=own_environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=self._identity()["user"],
            group=self._identity()["group"],
        )
        assert done.returncode == 0, done.stderr

    @property
    def dsn(self) -> str:
        return self.admin_url.replace("+asyncpg", "")

    @property
    def password(self) -> str:
        return urlsplit(self.dsn).password or ""


async def rows(server: Archiving) -> list[str]:
    connection = await asyncpg.connect(server.dsn)
    try:
        return [row[0] for row in await connection.fetch("SELECT note FROM notes ORDER BY note")]
    finally:
        await connection.close()


@pytest.fixture
def server(workplace: Path, keeper: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Archiving:
    folder = workplace / tmp_path_factory.mktemp("archived").name
    return Archiving(folder, keeper=keeper, short_lived=True)


async def test_a_server_is_brought_back_to_the_moment_before_an_accident(
    server: Archiving, keeper: Keeper
) -> None:
    archive = server.folder.with_name(server.folder.name + "-wal")
    base = server.folder.with_name(server.folder.name + "-base")
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.stop)
    server.archive_to(archive)
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute("CREATE TABLE notes (note text); INSERT INTO notes VALUES ('in the base')")
        await asyncio.to_thread(server.base_backup, base)
        await connection.execute("INSERT INTO notes VALUES ('after the base')")
        moment = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute("DELETE FROM notes")
        last = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")

        async def archived() -> bool:
            return (archive / str(last)).exists()

        await until(archived, deadline_s=30)
    finally:
        await connection.close()
        await asyncio.to_thread(server.stop, "immediate")

    restored = Archiving(base, admin_password=server.password, keeper=keeper, short_lived=True)
    (base / "recovery.signal").touch()
    restored.append(
        "postgresql.auto.conf",
        f"restore_command = 'cp {archive}/%f %p'\nrecovery_target_time = '{moment.isoformat()}'\n"
        "recovery_target_action = promote\n",
    )
    await asyncio.to_thread(restored.start)
    try:

        async def promoted() -> bool:
            return not (base / "recovery.signal").exists()

        await until(promoted, deadline_s=30)
        assert await rows(restored) == ["after the base", "in the base"]
    finally:
        await asyncio.to_thread(restored.stop)
