"""Plain forms, for pages that have to work without a script."""

from typing import Final
from urllib.parse import parse_qs

from fastapi import Request

from shared.bodies import bounded_body

FORM_BYTES: Final = 8_192


async def form_fields(request: Request) -> dict[str, str]:
    """The fields of a plain form, the first of each name: a few short texts are not worth a form parser."""
    body = (await bounded_body(request, FORM_BYTES)).decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(body, max_num_fields=20).items()}
