"""A campaign and its parts together (分活动): pure, from states that one snapshot has read.

A parent never holds a part's money: its own number stays its own, with its own digest, and the tree stands
beside it. The digest of a tree is over the digests of all that is in it (proof.py).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable

from services.reporting.proof import tree_digest_of
from services.reporting.totals import Amounts, CampaignState, PartTotal, Tree


def with_trees(states: Iterable[CampaignState], wanted: Collection[str] | None = None) -> list[CampaignState]:
    """The states, those with parts with their tree; only the `wanted` ones (None: all).

    All of a campaign's parts must be among the states, read in the same snapshot.
    """
    known = list(states)
    parts: defaultdict[str, list[CampaignState]] = defaultdict(list)
    for state in known:
        if state.plan.parent_id is not None:
            parts[state.plan.parent_id].append(state)
    return [
        state.model_copy(update={"tree": _tree(state, parts[state.campaign_id])})
        if state.campaign_id in parts
        else state
        for state in known
        if wanted is None or state.campaign_id in wanted
    ]


def _tree(parent: CampaignState, parts: list[CampaignState]) -> Tree:
    """What a parent and its parts make together; the part that has received most first."""
    ranked = sorted(parts, key=lambda part: (-part.amounts.net_fen, part.campaign_id))
    return Tree(
        amounts=sum_of(each.amounts for each in (parent, *parts)),
        digest=tree_digest_of(
            parent.campaign_id, {each.campaign_id: each.digest for each in (parent, *parts)}
        ),
        parts=tuple(
            PartTotal(
                campaign_id=part.campaign_id,
                part_kind=part.plan.part_kind,
                title=part.plan.title,
                title_en=part.plan.title_en,
                status=part.plan.status,
                goal_fen=part.plan.goal_fen,
                amounts=part.amounts,
            )
            for part in ranked
        ),
    )


def sum_of(amounts: Iterable[Amounts]) -> Amounts:
    """The sums, each amount by itself."""
    every = list(amounts)
    return Amounts(**{name: sum(getattr(each, name) for each in every) for name in Amounts.model_fields})
