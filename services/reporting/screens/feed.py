"""The feed of one registered screen, shared by all streams open on it. Without I/O.

It takes the states that its campaign's public streams are sent, ten a second at most, and what was decided
for the screen. While nothing was, it passes on the public frames as they are.
"""

from dataclasses import replace
from typing import Any

from services.reporting.feed import Frames
from services.reporting.frames import change_frame, snapshot_frame
from services.reporting.screens.air import OnAir, Proposal, highest_of, proposal_of, shown_of
from services.reporting.totals import CampaignState


class ScreenFeed(Frames):
    """What one screen's streams are sent."""

    def __init__(self, on_air: OnAir) -> None:
        super().__init__()
        self.on_air = on_air
        self.current: CampaignState | None = None
        """What would be shown without any control; None: its campaign is not known yet."""
        self.shown: CampaignState | None = None
        self._highest: CampaignState | None = on_air.kept
        self._snapshot: bytes | None = None

    def decide(self, on_air: OnAir) -> bool:
        """Take what was decided; False: it is known already, or older than what is known."""
        before = self.on_air
        if on_air.sequence <= before.sequence and self.shown is not None:
            return False
        self.on_air = on_air
        if on_air.followed != before.followed:
            self.current = self._highest = self.shown = None
        elif on_air.segment != before.segment:
            self._highest = self.current
        if on_air.kept is not None:
            self._highest = highest_of(self._highest or on_air.kept, on_air.kept)
        return self.current is not None and self._show(None, whole=True)

    def follow(self, state: CampaignState, frame: bytes | None = None) -> bool:
        """Take the campaign's next state, and the public frame that leads to it; True: there is a frame."""
        before, self.current = self.current, state
        self._highest = state if self._highest is None else highest_of(self._highest, state)
        shared = frame if self.on_air.plain and before is self.shown is not None else None
        return self._show(shared, whole=self.shown is None)

    @property
    def unfrozen(self) -> CampaignState | None:
        """What would be shown if the screen were live."""
        if self.current is None or self._highest is None:
            return None
        return shown_of(replace(self.on_air, control="live"), self.current, self._highest)

    @property
    def highest(self) -> CampaignState | None:
        """The highest number of this segment, as far as this process has seen it."""
        return self._highest

    @property
    def proposal(self) -> Proposal | None:
        """What belongs on the record now."""
        if self.current is None or self._highest is None:
            return None
        return proposal_of(self.on_air, self.current, self._highest)

    def resume(self, _: int | None, /) -> tuple[bytes, int]:
        """Always the whole: a version alone does not say what was decided meanwhile."""
        return self.snapshot(), self.number

    def snapshot(self) -> bytes:
        """What the screen shows, as a whole."""
        assert self.shown is not None, "the hub opens no stream before there is something to show"
        if self._snapshot is None:
            self._snapshot = snapshot_frame(self.shown, self._air())
        return self._snapshot

    def _show(self, frame: bytes | None, *, whole: bool) -> bool:
        assert self.current is not None
        assert self._highest is not None
        shown = shown_of(self.on_air, self.current, self._highest)
        if not whole and shown == self.shown:
            return False
        before, self.shown, self._snapshot = self.shown, shown, None
        if frame is None:
            whole = whole or before is None
            frame = self.snapshot() if whole or before is None else change_frame(before, shown, self._air())
        self._frames.append(frame)
        self.number += 1
        return True

    def _air(self) -> dict[str, Any]:
        """What a page is told of the decisions. `air` says `rehearsal` whatever else holds."""
        on_air = self.on_air
        return {
            "air": "rehearsal" if on_air.rehearsal else on_air.control,
            "control": on_air.control,
            "air_sequence": on_air.sequence,
        }
