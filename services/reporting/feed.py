"""The feed of one campaign: which frames go out when, and what a stream gets that was away. Without I/O.

A frame is made every FRAME_S at most, less often where very many look on (frame_s); changes in between are
coalesced into the next, for a state is a whole, not a difference. One that goes out a little late, as on a
busy machine each does, does not put off those after it. Frames are numbered from 1 in this process;
a stream's cursor is the number of the last one it has. The ids on the wire are versions (proof.py), which
every process gives alike.
"""

from abc import ABC, abstractmethod
from collections import deque
from typing import Final

from services.reporting.frames import change_frame, snapshot_frame
from services.reporting.totals import CampaignState

FRAME_S: Final = 0.1
"""At most ten frames a second."""
FULL_PACE_STREAMS: Final = 2_500
"""So many streams of one process get ten frames a second."""
WRITES_PER_S: Final = 20_000
"""With more streams than that, frames are fewer, so that each of them reaches every stream: 5,000 get four a
second. A process that tried more on a shared core would fall behind by seconds (shanliu bench audience)."""
RING_FRAMES: Final = 50
"""Frames kept for those who missed some: five seconds at full pace. Whoever is further behind gets the latest
state instead, which is shorter than the frames it stands for."""


def frame_s(streams: int) -> float:
    """Seconds from one frame to the next when a process has so many streams open."""
    return FRAME_S if streams <= FULL_PACE_STREAMS else streams / WRITES_PER_S


class Frames(ABC):
    """Numbered frames, the newest of them kept, and the whole state for those who have missed too many."""

    def __init__(self) -> None:
        self.number = 0
        self._frames: deque[bytes] = deque(maxlen=RING_FRAMES)

    @abstractmethod
    def resume(self, version: int | None, /) -> tuple[bytes, int]:
        """What a new stream is sent first, and its cursor; `version`: the id it has, if any."""

    @abstractmethod
    def snapshot(self) -> bytes:
        """The state of the last frame as a whole, encoded once for all who ask for it."""

    def since(self, cursor: int) -> tuple[bytes, int]:
        """What a stream that has frame `cursor` is to be sent next, and its cursor after that: the frames it
        has missed, or the whole state when they are too many to be of use.
        """
        missed = self.number - cursor
        if missed > len(self._frames):
            return self.snapshot(), self.number
        if missed == 1:
            return self._frames[-1], self.number
        return b"".join(self._frames[index] for index in range(-missed, 0)), self.number


class Feed(Frames):
    """What one campaign's streams are sent."""

    def __init__(self, state: CampaignState) -> None:
        super().__init__()
        self.newest = state
        self._sent = state
        self._paced_at_s = float("-inf")
        """When the last frame went out, or should have."""
        self._versions: deque[int] = deque(maxlen=RING_FRAMES)
        """The version each frame leads away from."""
        self._snapshot: bytes | None = None

    @property
    def sent(self) -> CampaignState:
        """The state of the last frame."""
        return self._sent

    def offer(self, state: CampaignState) -> bool:
        """Take a state if it is newer than what is known; False: it is stale and must not be shown.

        A worker that was stalled may publish an old state late. Two states of one version count the same
        events; after a rebuild with a corrected rule they may still differ, then the later read one holds.
        """
        newest = self.newest
        if (state.version, state.as_of) <= (newest.version, newest.as_of) or (
            state.version == newest.version and state.digest == newest.digest
        ):
            return False
        self.newest = state
        return True

    def due_in_s(self, now_s: float, streams: int = 0) -> float | None:
        """Seconds until the next frame may go out to so many streams (0: at once); None: there is nothing new
        to send.
        """
        if self.newest is self._sent:
            return None
        return max(0.0, self._paced_at_s + frame_s(streams) - now_s)

    def advance(self, now_s: float, streams: int = 0) -> bytes:
        """Make the frame that leads from the last one to the newest state, for so many streams."""
        pace_s = frame_s(streams)
        late_s = now_s - (self._paced_at_s + pace_s)
        self._paced_at_s = now_s - late_s if 0 < late_s < pace_s / 2 else now_s
        frame = change_frame(self._sent, self.newest)
        self._frames.append(frame)
        self._versions.append(self._sent.version)
        self._sent, self._snapshot = self.newest, None
        self.number += 1
        return frame

    def resume(self, version: int | None, /) -> tuple[bytes, int]:
        """What a new stream is sent first. With the id of a frame still kept: what came after it; else the
        whole state.
        """
        if version is not None and version == self._sent.version:
            return b"", self.number
        if version is not None and version in self._versions:
            missed = len(self._versions) - self._versions.index(version)
            return self.since(self.number - missed)
        return self.snapshot(), self.number

    def snapshot(self) -> bytes:
        """The state of the last frame as a whole, encoded once for all who ask for it."""
        if self._snapshot is None:
            self._snapshot = snapshot_frame(self._sent)
        return self._snapshot
