"""A statement as a browser's form sends it: multipart/form-data (RFC 7578) with the parts file, channel and
file_name. Bounded, and in memory alone: the file may hold personal data, and what is kept is sealed.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Request
from pydantic import StringConstraints, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from services.donation.channels.schemas import CHANNEL
from services.donation.intake import Words
from services.donation.statements.reading import MAX_BYTES
from shared.bodies import bounded_stream
from shared.problems import Problem, unprocessable

FORM: Final = "multipart/form-data"
AROUND_BYTES: Final = 64 * 1024
"""What may stand around the file: the other parts, the headings of all."""
FIELD_BYTES: Final = 4 * 1024

_CHANNEL: Final = TypeAdapter[str](Annotated[str, StringConstraints(pattern=CHANNEL)])
_NAME: Final = TypeAdapter[str](Words)


@dataclass(frozen=True, slots=True)
class Sent:
    """A file, whose it is, and what people call it."""

    channel: str
    file_name: str
    content: bytes = field(repr=False)


class _InMemory(MultiPartParser):
    """Starlette's parser puts a file of a megabyte on the disk."""

    spool_max_size = MAX_BYTES + AROUND_BYTES


def is_form(request: Request) -> bool:
    """Whether the body is a form, and not the file itself."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


async def read_form(request: Request, within_s: float) -> Sent:
    """Read the form. Raises Problem: 413, 408, 400 for one that is none, 422 for a part that is missing or
    wrong.
    """
    try:
        async with asyncio.timeout(within_s):
            parser = _InMemory(
                request.headers,
                bounded_stream(request, MAX_BYTES + AROUND_BYTES),
                max_files=1,
                max_fields=2,
                max_part_size=FIELD_BYTES,
            )
            form = await parser.parse()
    except TimeoutError:
        raise Problem(408, "too-slow", f"The body did not arrive within {within_s} seconds.") from None
    except (MultiPartException, KeyError) as error:
        raise Problem(400, "malformed-form", f"The form can't be read: {error}"[:300]) from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise unprocessable([{"loc": ("file",), "type": "missing"}])
    if (file.size or 0) > MAX_BYTES:
        raise Problem(413, "too-large", f"The file has more than {MAX_BYTES} bytes.")
    channel = _checked(_CHANNEL, "channel", form.get("channel"))
    file_name = _checked(_NAME, "file_name", form.get("file_name") or file.filename)
    return Sent(channel, file_name, await file.read())


def _checked(adapter: TypeAdapter[str], name: str, value: object) -> str:
    if value is None or value == "":
        raise unprocessable([{"loc": (name,), "type": "missing"}])
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise unprocessable([{**each, "loc": (name,)} for each in error.errors()]) from None
