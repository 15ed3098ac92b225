"""Ground for tests that run services as processes: its databases are copies, as those of the services' own
tests are (tests/databases.py). To migrate all of them takes two seconds of a core, to copy them a tenth.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from deploy.bench import ground
from deploy.local import databases
from deploy.local.roles import as_owner, migrate_apart, owner_of


@dataclass(frozen=True, slots=True)
class Base(ground.Base):
    """A broker and a database server, and the migrated databases that are copied."""

    copied: "Copied"

    async def databases(self, name: str, passwords: dict[str, str]) -> dict[str, str]:
        """Roles and databases `<name>_<service>` as `shanliu up` makes them; the URL by service."""
        return await self.copied.again(name, passwords)


class Copied:
    """Migrated databases of a server, made when they are first asked for and copied from then on."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url: Final = admin_url
        self._admin: Final = databases.parse_url(admin_url)
        self._mark: Final = "c" + secrets.token_hex(4)
        self._made: list[str] = []

    async def again(self, name: str, passwords: dict[str, str]) -> dict[str, str]:
        """Databases that nobody has worked with, each with its service's role and owner."""
        if not self._made:
            self._made = await self._make()
        connection = await databases.connect(self._admin)
        try:
            for service in passwords:
                template = f"{self._mark}_{service}"
                await connection.execute(
                    f'CREATE DATABASE "{name}_{service}" TEMPLATE "{template}" STRATEGY FILE_COPY'
                )
        finally:
            await connection.close()
        urls = databases.create_service_databases(self._admin_url, name, passwords)
        for service, url in urls.items():
            await self._hand_over(f"{self._mark}_{service}", url)
            await migrate_apart(self._admin_url, url, f"services.{service}")
        return urls

    async def _make(self) -> list[str]:
        urls = databases.create_service_databases(self._admin_url, self._mark)
        for service, url in urls.items():
            await migrate_apart(self._admin_url, url, f"services.{service}")
        connection = await databases.connect(self._admin)
        try:
            for service in urls:
                await connection.execute(
                    f'ALTER DATABASE "{self._mark}_{service}" OWNER TO "{self._admin.username}"'
                )
        finally:
            await connection.close()
        return list(urls)

    async def _hand_over(self, of: str, url: str) -> None:
        """Give what belongs to the copied database's roles to those of the copy."""
        admin = databases.parse_url(as_owner(self._admin_url, url)[0])
        role = str(databases.parse_url(url).username)
        connection = await databases.connect(admin)
        try:
            await connection.execute(f'ALTER DATABASE "{admin.database}" OWNER TO "{role}"')
            await connection.execute(f'REASSIGN OWNED BY "{owner_of(of)}" TO "{role}"')
            await connection.execute(f'DROP OWNED BY "{of}", "{owner_of(of)}"')
        finally:
            await connection.close()

    def close(self) -> None:
        """Remove what is copied."""
        for service in self._made:
            databases.run(databases.drop_database(self._admin_url, f"{self._mark}_{service}"))
