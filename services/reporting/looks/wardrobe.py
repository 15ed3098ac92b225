"""Which theme a page wears: read once a moment however many screens are opened."""

import time
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.looks import queries
from services.reporting.looks.commands import told
from services.reporting.looks.rules import require_readable
from services.reporting.looks.schemas import Theme, ThemeBody

FRESH_S: Final = 2.0
KEPT: Final = 1_000
"""Campaigns remembered; beyond them everything is asked again."""


class Wardrobe:
    """The themes as the pages ask for them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, Theme]] = {}

    async def current(self, campaign_id: str) -> Theme:
        """The theme that holds. A screen opens without the database too: in the theme known last, or the
        house's own.
        """
        now_s = time.monotonic()
        asked_s, theme = self._known.get(campaign_id, (float("-inf"), None))
        if theme is not None and now_s - asked_s < FRESH_S:
            return theme
        try:
            async with self._engine.connect() as connection:
                rows = await queries.newest_themes(connection, campaign_id)
        except (SQLAlchemyError, OSError, TimeoutError):
            return theme or told(campaign_id, None)
        if len(self._known) >= KEPT:
            self._known.clear()
        found = told(campaign_id, rows[0] if rows else None)
        self._known[campaign_id] = (now_s, found)
        return found

    async def of_version(self, campaign_id: str, version: int) -> Theme | None:
        """A theme that was decided."""
        async with self._engine.connect() as connection:
            row = await queries.theme_of_version(connection, campaign_id, version)
        return None if row is None and version > 0 else told(campaign_id, row)

    def draft(self, campaign_id: str, text: str) -> Theme:
        """A theme that nobody has decided, for a preview. Raises ValidationError, ContrastTooLow."""
        body = ThemeBody.model_validate_json(text)
        require_readable(body)
        return Theme(campaign_id=campaign_id, version=0, **body.model_dump())
