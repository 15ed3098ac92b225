"""Logs: one JSON object a line on stdout, times in UTC, no personal data.

What identifies a donor is never given to a logger; should it happen all the same, the fields named here are
blanked before anything is written (a test plays an evening and searches the logs for the donors). Errors are
the other way for a name to get into a log: tracebacks are written without local variables, and the text of an
error ends where it begins to quote the row or the input that it refuses.
"""

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shared import tracing

PERSONAL: Final = frozenset(
    {
        "name",
        "alias",
        "donor",
        "contact",
        "email",
        "phone",
        "openid",
        "wechat_openid",
        "message",
        "shown_name",
        "body",
        "value",
        "payload",
    }
)


_QUOTATION: Final = re.compile(
    r"DETAIL: "  # PostgreSQL: "Failing row contains (…)"
    r"|\[parameters: "  # SQLAlchemy
    r"|input for query argument \$"  # asyncpg: "invalid input for query argument $2: '…'"
    r"|input_value="  # pydantic
)
_MAX_DEPTH: Final = 6


def _blanked(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return _unquoted(value)
    if depth == _MAX_DEPTH and isinstance(value, dict | list | tuple):
        return "[too deep]"
    if isinstance(value, dict):
        return {
            key: "[personal]" if key in PERSONAL else _blanked(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_blanked(inner, depth + 1) for inner in value]
    return value


def _unquoted(text: str) -> str:
    quotation = _QUOTATION.search(text)
    return f"{text[: quotation.start()].rstrip()} […]" if quotation else text


def _blank_personal(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for field, value in entry.items():
        if field not in {"exc_info", "_record"}:
            entry[field] = "[personal]" if field in PERSONAL else _blanked(value)
    return entry


def _with_traces(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The traces that the line belongs to."""
    if tracing.is_active():
        entry.update(tracing.identifiers())
    return entry


_describe: Final = ExceptionDictTransformer(show_locals=False)


def _traceback(exc_info: Any) -> list[dict[str, Any]]:
    """The stacks of an error and its causes; of each error's text only the first line."""
    return _first_lines(_describe(exc_info))


def _first_lines(stacks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for stack in stacks:
        stack["exc_value"] = _unquoted(stack["exc_value"]).partition("\n")[0]
        stack["exc_notes"] = []
        stack["exceptions"] = [_first_lines(inner) for inner in stack["exceptions"]]
    return stacks


def configure(service: str, level: str) -> None:
    """Set up structlog and the standard library's logging for one process."""
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _with_traces,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    after: list[Any] = [_blank_personal, structlog.processors.ExceptionRenderer(_traceback)]
    structlog.configure(
        processors=[*before, *after, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an unpaired surrogate must not lose the entry
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.ExtraAdder(), *after],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "shanliu.consumer", "uvicorn.access", "httpx", "alembic", "mail.log"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)
