"""What a screen shows: pure rules over what its operators decided and what has been proved since.

`control`: live follows the campaign; frozen stays at one version; hidden shows the title alone. With the
policy `held` a number that a reversal has lowered stays where it was, the highest proved in this segment of
the show, until the operator opens the next one or donations have carried it past that again.

`sequence` counts what was decided (by a person, or by this rule): a page takes an older version, or a lower
number, only together with a higher sequence, so that no process that lags behind can bring either back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.reporting.totals import CampaignState

Control = Literal["live", "frozen", "hidden"]
Policy = Literal["at_once", "held"]
Action = Literal["freeze", "hide", "live", "segment", "rehearse", "end_rehearsal"]

CONTROL_AFTER: Final[dict[Action, Control]] = {
    "freeze": "frozen",
    "hide": "hidden",
    "live": "live",
    "rehearse": "live",
    "end_rehearsal": "live",
}
"""What a screen is under after each act; the next segment leaves it as it is."""


NOBODY: Final[Mapping[str, object]] = {"recent": (), "companies": (), "messages_json": "[]", "dropped": ()}
"""What a state is without anybody's name or words."""


@dataclass(frozen=True, slots=True)
class OnAir:
    """What was decided for a screen, as every process reads it from the database."""

    campaign_id: str
    sequence: int
    segment: int
    """A new one forgets what was held."""
    control: Control = "live"
    policy: Policy = "at_once"
    frozen: CampaignState | None = None
    kept: CampaignState | None = None
    """The highest number on the record of this segment."""
    pending: bool = False
    """Whether a lowering of `kept` waits for the next segment."""
    rehearsal: bool = False
    rehearsal_campaign_id: str | None = None
    """In a rehearsal: whose numbers are shown; None: sample numbers."""
    rehearsal_since: datetime | None = None

    @property
    def followed(self) -> str | None:
        """The campaign whose numbers come to this screen; None: sample numbers."""
        return self.rehearsal_campaign_id if self.rehearsal else self.campaign_id

    @property
    def keeps(self) -> bool:
        """Whether the highest number has to outlive the processes that have seen it."""
        return self.policy == "held" and not self.pending and not self.rehearsal

    @property
    def plain(self) -> bool:
        """Whether the screen shows what every public stream shows."""
        return self.control == "live" and self.policy == "at_once" and not self.rehearsal


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a process has seen that belongs on the record: a lowering from `before` to `after` that is held
    back, or, when `caught_up`, that the number has passed `before` again.
    """

    before: CampaignState
    after: CampaignState
    caught_up: bool = False


def shown_of(on_air: OnAir, current: CampaignState, highest: CampaignState) -> CampaignState:
    """The state on the screen. `highest`: of this segment, as highest_of follows it.

    Names and messages are always those of now, or none: a donor who has withdrawn, or a message that was
    withdrawn, must not stay on a frozen screen.
    """
    if on_air.control == "frozen" and on_air.frozen is not None:
        return on_air.frozen.model_copy(update={**NOBODY, "dropped": current.dropped})
    if on_air.policy == "held" and highest.amounts.net_fen > current.amounts.net_fen:
        now = {name: getattr(current, name) for name in NOBODY}
        return highest.model_copy(update=now)
    return current


def highest_of(highest: CampaignState, current: CampaignState) -> CampaignState:
    """The higher number of two; of equal ones the newer."""
    return current if current.amounts.net_fen >= highest.amounts.net_fen else highest


def proposal_of(on_air: OnAir, current: CampaignState, highest: CampaignState) -> Proposal | None:
    """What has to be put on the record now; None: nothing new.

    A process behind the others sees less than what they have kept: only a newer state lowers.
    """
    if on_air.policy != "held":
        return None
    lowered = highest.amounts.net_fen > current.amounts.net_fen and current.version > highest.version
    kept = on_air.kept
    if on_air.pending and kept is not None:
        if current.amounts.net_fen >= kept.amounts.net_fen and current.version > kept.version:
            return Proposal(kept, current, caught_up=True)
        higher = highest.amounts.net_fen > kept.amounts.net_fen
        return Proposal(highest, current) if lowered and higher else None
    return Proposal(highest, current) if lowered else None
