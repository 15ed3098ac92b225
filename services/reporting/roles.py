"""What a process of the reporting service does: one role, or both."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.routing import Route

from shared.service import Check


@dataclass(frozen=True, slots=True)
class Role:
    """What a role adds to the process."""

    parts: Sequence[AbstractAsyncContextManager[Any]]
    checks: Mapping[str, Check]
    routers: Sequence[APIRouter] = ()
    routes: Sequence[Route] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    """What its routes find in `app.state`."""
