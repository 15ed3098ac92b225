"""What people do with statements: each function is one command, in the transaction its caller has opened."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.channels import queries as channels
from services.donation.schemes.settings import FilesSettings
from services.donation.statements import queries
from services.donation.statements.files import Files
from services.donation.statements.preview import Preview
from services.donation.statements.profiles import Profile
from shared.refusals import NotFound, Refused


class NotAFilesChannel(Refused):
    """Statements come from channels whose scheme is files."""

    code = "not-a-files-channel"
    title = "The channel sends no files"


class WrongState(Refused):
    """What is asked does not fit what was done with the statement."""

    code = "statement-state"
    title = "The statement is in another state"


class NothingToImport(Refused):
    """Lines that are all bad: confirming would look done, and nothing would be in the books."""

    code = "nothing-to-import"
    title = "The statement has no line that can be imported"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came. `origin`: upload or folder."""

    channel: str
    file_name: str
    content: bytes = field(repr=False)
    sha256: bytes
    origin: str = "upload"


async def profile_of(connection: AsyncConnection, channel: str) -> Profile:
    """How the statements of a channel are read. Raises NotFound or NotAFilesChannel."""
    row = await channels.channel(connection, channel)
    if row is None:
        raise NotFound("No such channel.", fields=["channel"])
    if row.scheme != "files":
        raise NotAFilesChannel(f"Its scheme is {row.scheme}.", fields=["channel"])
    try:
        return FilesSettings.model_validate(row.settings).profile
    except ValidationError:
        raise NotAFilesChannel("Its settings have no profile that can be used.", fields=["channel"]) from None


async def upload(connection: AsyncConnection, files: Files, person: str, sent: Upload) -> tuple[int, bool]:
    """Keep a file; its statement, and whether it is new: the same file of a channel is one statement."""
    profile = await profile_of(connection, sent.channel)
    row: dict[str, Any] = {
        "channel": sent.channel,
        "file_name": sent.file_name,
        "sha256": sent.sha256,
        "size_bytes": len(sent.content),
        "origin": sent.origin,
        "profile": profile.model_dump(mode="json"),
        "uploaded_by": person,
    }
    statement_id = await queries.add(connection, row)
    if statement_id is None:
        known = await queries.of_content(connection, sent.channel, sent.sha256)
        if known is None:
            raise WrongState("The same file is being discarded; send it again.")
        return int(known.statement_id), False
    sealed = await files.sealed(statement_id, "original", sent.content)
    await queries.keep_file(connection, statement_id, "original", sealed, profile.keep_days)
    return statement_id, True


async def confirm(connection: AsyncConnection, person: str, statement_id: int) -> None:
    """Have a checked statement imported: its good lines; the bad ones are mended and uploaded again. Raises
    NothingToImport when all are bad.
    """
    preview = Preview.model_validate((await _in_state(connection, statement_id, "checked")).preview)
    if preview.bad and not preview.good:
        raise NothingToImport(
            f"None of its lines is good, {preview.bad} are bad. Download and mend those; discard this one.",
            bad=preview.bad,
            bad_lines=[each.model_dump() for each in preview.bad_lines],
        )
    await queries.decide(connection, statement_id, "importing", person)


async def discard(connection: AsyncConnection, person: str, statement_id: int) -> None:
    """Nothing of it is imported, its file is deleted, and the same file may be uploaded anew."""
    await _in_state(connection, statement_id, "uploaded", "checked", "refused")
    await queries.decide(connection, statement_id, "discarded", person)
    await queries.drop_files(connection, statement_id)


async def _in_state(connection: AsyncConnection, statement_id: int, *states: queries.State) -> Row[Any]:
    row = await queries.read(connection, statement_id, lock=True)
    if row is None:
        raise NotFound("There is no statement of this id.")
    if row.state not in states:
        raise WrongState(
            f"It is {row.state}; this is for one that is {' or '.join(states)}.", state=row.state
        )
    return row
