"""Sums shared out so that nothing is left over: pure."""

import random
from collections.abc import Sequence


def shared(total: int, weights: Sequence[int], least: int = 0) -> list[int]:
    """Share a total out by weight, in whole numbers that add up to it (largest remainder, Hare).

    Each gets `least` or more; of equal remainders the earlier gets more. Raises ValueError when the total
    does not reach.
    """
    free, weight = total - least * len(weights), sum(weights)
    if free < 0 or weight <= 0:
        raise ValueError(f"{total} can't be shared out among {len(weights)} by {least} at least")
    shares = [least + free * each // weight for each in weights]
    left = total - sum(shares)
    order = sorted(range(len(weights)), key=lambda index: -(free * weights[index] % weight))
    for index in order[:left]:
        shares[index] += 1
    return shares


def random_amounts(total_fen: int, count: int, dice: random.Random) -> list[int]:
    """So many amounts of 1 fen or more that add up to the total: many small, few large, as people give."""
    weights = [max(1, int(1_000 * dice.lognormvariate(0, 1))) for _ in range(count)]
    return shared(total_fen, weights, least=1)
