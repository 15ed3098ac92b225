"""The files of statements, encrypted at rest: they have names, accounts and amounts of people."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.statements import queries
from services.donation.statements.queries import FileKind
from shared.secret_box import SecretBox


class Files:
    """Seals and opens files; each is bound to its statement."""

    def __init__(self, engine: AsyncEngine, box: SecretBox) -> None:
        self._engine = engine
        self._box = box

    async def read(self, statement_id: int, what: FileKind) -> bytes | None:
        """A file; None when there is none, or its days are over. Raises InvalidTag under another key."""
        async with self._engine.connect() as connection:
            sealed = await queries.file_of(connection, statement_id, what)
        if sealed is None:
            return None
        return await asyncio.to_thread(self._box.open_bytes, owner_of(statement_id, what), sealed)

    async def sealed(self, statement_id: int, what: FileKind, content: bytes) -> bytes:
        """A file as it is stored."""
        return await asyncio.to_thread(self._box.seal_bytes, owner_of(statement_id, what), content)


def owner_of(statement_id: int, what: FileKind) -> str:
    """What a file is bound to."""
    return f"statement/{statement_id}/{what}"
