"""Logs: one JSON object a line on stdout, times in UTC, no personal data.

What identifies a donor is never given to a logger; should it happen all the same, the fields named here are
blanked before anything is written (a test plays an evening and searches the logs for the donors).
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

PERSONAL: Final = frozenset(
    {
        "name",
        "alias",
        "donor",
        "contact",
        "email",
        "phone",
        "message",
        "shown_name",
        "body",
        "value",
        "payload",
    }
)


def _blank_personal(_: Any, __: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for field in PERSONAL & entry.keys():
        entry[field] = "[personal]"
    return entry


def configure(service: str, level: str) -> None:
    """Set up structlog and the standard library's logging for one process."""
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _blank_personal,
        structlog.processors.dict_tracebacks,
    ]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*before, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "faststream", "uvicorn.access", "httpx", "alembic", "mail.log"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(service=service)
