"""Named funds (冠名基金): a programme whose money belongs to a donor's wish. Pure.

The terms are written by one person and confirmed by another, and so is each change of them; what stood before
is kept. The last confirmed terms stand.
"""

from enum import StrEnum

from services.campaign.lifecycle import State
from shared.events.campaigns import CampaignKind
from shared.refusals import Refused


class TermsState(StrEnum):
    """Where one version of the terms stands."""

    ASKED = "asked"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class NotAProgramme(Refused):
    """A campaign that can't be a named fund."""

    code = "named-fund-not-a-programme"
    title = "A named fund is a programme"


class TermsWait(Refused):
    """New terms before the last ones were decided."""

    code = "named-fund-terms-wait"
    title = "Terms wait for their second person"


class NoTermsWait(Refused):
    """Nothing to decide."""

    code = "named-fund-nothing-waits"
    title = "No terms wait for a second person"


class NotANamedFund(Refused):
    """What only a named fund can do."""

    code = "not-a-named-fund"
    title = "The campaign is no named fund"


def require_programme(kind: CampaignKind, state: State) -> None:
    """Raise NotAProgramme unless the campaign is a programme whose plan is fixed."""
    if kind != "programme" or state is State.DRAFT:
        raise NotAProgramme(
            f"The campaign is a {state} {kind}; file a programme for the donor's wish, then name its fund.",
            kind=kind,
            state=state.value,
        )


def require_none_waits(state: TermsState | None) -> None:
    """Raise TermsWait when the newest terms are not decided; None: there are none."""
    if state is TermsState.ASKED:
        raise TermsWait("Have them confirmed or withdrawn first, then write others.")


def require_waiting(state: TermsState) -> None:
    """Raise NoTermsWait unless the newest terms wait."""
    if state is not TermsState.ASKED:
        raise NoTermsWait(f"The newest terms are {state}.", state=state.value)
