"""What the public gives online: from a sum and a number of people to single donations that add up exactly."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from deploy.year.sharing import random_amounts, shared
from deploy.year.terms import SHANGHAI, Campaign, Online, Year

SCALE: Final = 10
"""How many of the year's person-times one donation that is played stands for."""


class ScaleRefused(ValueError):
    """A scale that the year can't be played at."""


@dataclass(frozen=True, slots=True)
class Given:
    """One donation, as a channel has it."""

    campaign: str
    channel: str
    amount_fen: int
    at: datetime


def entries(year: Year) -> list[tuple[Campaign, Online]]:
    """Everything that is given online, with its campaign."""
    return [(campaign, online) for campaign in year.campaigns for online in campaign.online]


def played(year: Year, scale: int) -> list[int]:
    """How many donations each entry is played with; together person-times / scale, and one at least each.

    Raises ScaleRefused when the person-times are no multiple of the scale, or too few are left.
    """
    people = [online.person_times for _, online in entries(year)]
    total, rest = divmod(sum(people), scale)
    if rest or total < len(people):
        fit = [each for each in range(1, sum(people) // len(people) + 1) if sum(people) % each == 0]
        near = " or ".join(str(each) for each in sorted(sorted(fit, key=lambda each: abs(each - scale))[:2]))
        raise ScaleRefused(
            f"A scale must divide {sum(people):,} person-times and leave {len(people)} donations or more:"
            f" try {near}."
        )
    return shared(total, people, least=1)


def donations(year: Year, scale: int, seed: int) -> list[Given]:
    """All online donations of the year in the order they were given: the same for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    found: list[Given] = []
    for (campaign, online), count in zip(entries(year), played(year, scale), strict=True):
        amounts = random_amounts(online.amount_fen, count, dice)
        found += [
            Given(campaign.key, online.channel, amount_fen, at)
            for amount_fen, at in zip(amounts, _times(online, count, dice), strict=True)
        ]
    found.sort(key=lambda each: each.at)
    return found


def _times(online: Online, count: int, dice: random.Random) -> Iterator[datetime]:
    """When they were given: between eight in the morning and ten at night in Asia/Shanghai."""
    start = datetime.combine(online.first, datetime.min.time(), SHANGHAI).astimezone(UTC)
    days = (online.last - online.first).days + 1
    return (
        start + timedelta(days=dice.randrange(days), seconds=8 * 3600 + dice.randrange(14 * 3600))
        for _ in range(count)
    )


def split(
    amounts_fen: Sequence[int], channels: Sequence[tuple[str, int]], ecny_fen: int
) -> list[list[tuple[str, int]]]:
    """Split each amount over channels by weight, after e-CNY took its total of them all, by their size."""
    ecny = shared(ecny_fen, amounts_fen)
    weights = [weight for _, weight in channels]
    return [
        [("ecny", taken), *zip([name for name, _ in channels], shared(amount - taken, weights), strict=True)]
        for amount, taken in zip(amounts_fen, ecny, strict=True)
    ]
