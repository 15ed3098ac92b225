"""The service's documents by HTTP: /openapi.json (FastAPI's own), /asyncapi.json, and /docs, a page of both.

The page is written here, on the server, without a script and with nothing from elsewhere: it is read where
there is no network, under the strictest content security policy (docs/decisions/0022-contracts.md).
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, Request
from markupsafe import Markup, escape
from starlette.responses import JSONResponse, Response

from shared.contracts.openapi import operations
from shared.contracts.outline import rows_of

if TYPE_CHECKING:
    from shared.contracts.asyncapi import Traffic

PAGES: Final = Path(__file__).parent / "pages"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
Document = dict[str, Any]


def router(service: str, openapi: Callable[[], Document], traffic: "Traffic | None") -> APIRouter:
    """The routes. Each document is made when it is asked for first."""
    made = APIRouter(include_in_schema=False)
    pages: dict[str, str] = {}

    @made.get("/asyncapi.json")
    async def events() -> Response:
        return JSONResponse(_events(service, traffic))

    @made.get("/docs")
    async def page(request: Request) -> Response:
        if not pages:
            pages["html"] = await asyncio.to_thread(render, openapi(), _events(service, traffic))
        etag = f'"{hashlib.sha256(pages["html"].encode()).hexdigest()[:32]}"'
        headers = HEADERS | {"ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(pages["html"], headers=headers, media_type="text/html")

    @made.get("/docs/reader.css")
    async def style() -> Response:
        return Response((PAGES / "reader.css").read_bytes(), headers=HEADERS, media_type="text/css")

    return made


def _events(service: str, traffic: "Traffic | None") -> Document:
    from shared.contracts import asyncapi  # noqa: PLC0415 - it loads Kafka's client: not before it is asked for

    return asyncapi.document(service, "1", [traffic] if traffic else [])


def render(api: Document, events: Document) -> str:
    """The page of one service: its API by tag, then what it writes and reads on Kafka."""
    from jinja2 import Environment, FileSystemLoader  # noqa: PLC0415 - not before a page is asked for

    environment = Environment(loader=FileSystemLoader(PAGES), autoescape=True)
    environment.filters |= {"prose": prose, "inline": _inline, "json": _json, "anchor": anchor}
    by_tag: dict[str, list[tuple[str, str, Document]]] = {tag["name"]: [] for tag in api["tags"]}
    for name, operation in operations(api):
        method, _, path = name.partition(" ")
        for tag in operation.get("tags", ())[:1]:
            by_tag[tag].append((method, path, operation))
    template = environment.get_template("reader.html")
    return template.render(
        api=api,
        events=events,
        by_tag=by_tag,
        rows=lambda schema: rows_of(schema, api["components"]["schemas"]),
        event_rows=lambda schema: rows_of(schema, events["components"]["schemas"]),
        resolve=lambda part: resolve(api, part),
        resolve_event=lambda part: resolve(events, part),
    )


def resolve(document: Document, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a reference inside a document points at; anything else as it is."""
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def anchor(text: str) -> str:
    """The name of a place in the page."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


_CODE: Final = re.compile(r"`([^`]+)`")


def prose(text: str) -> Markup:
    """Paragraphs, code in back quotes, lists and tables: as much of Markdown as docstrings here have."""
    blocks = [_block(block) for block in re.split(r"\n\s*\n", text.strip())]
    return Markup("").join(blocks)


def _block(block: str) -> Markup:
    lines = block.strip().splitlines()
    if len(lines) > 2 and all(line.strip().startswith("|") for line in lines):
        head, _, *rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
        return Markup("<div class=wide><table><thead>{}</thead><tbody>{}</tbody></table></div>").format(
            _row(head, "th"), Markup("").join(_row(row, "td") for row in rows)
        )
    if lines and lines[0].startswith("- "):
        items = re.split(r"\n- ", block.strip().removeprefix("- "))
        return Markup("<ul>{}</ul>").format(
            Markup("").join(Markup("<li>{}</li>").format(_inline(item)) for item in items)
        )
    return Markup("<p>{}</p>").format(_inline(block))


def _row(cells: list[str], tag: str) -> Markup:
    opening, closing = Markup(f"<{tag}>"), Markup(f"</{tag}>")  # noqa: S704 - th or td
    return Markup("<tr>{}</tr>").format(Markup("").join(opening + _inline(cell) + closing for cell in cells))


def _inline(text: str) -> Markup:
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before
