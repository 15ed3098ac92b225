"""Whoever reads an event topic must find every event, once, and know that none lies between."""

from deploy.verify.chains import Chains, Link

SOURCE = "intake.wechat/0"


def take(chains: Chains, *events: tuple[int, int]) -> list[Link]:
    """(sequence, previous) in the order of the log."""
    return [chains.take(SOURCE, sequence, previous) for sequence, previous in events]


def test_offsets_without_an_event_are_no_gap() -> None:
    chains = Chains()
    assert take(chains, (3, -1), (4, 3), (9, 4)) == [Link.NEXT] * 3
    assert (chains.gaps, chains.torn) == ([], [])


def test_a_batch_that_comes_again_is_a_repeat() -> None:
    chains = Chains()
    assert take(chains, (3, -1), (4, 3), (3, -1), (4, 3)) == [Link.NEXT, Link.NEXT, Link.REPEAT, Link.REPEAT]
    assert chains.repeats == 2
    assert chains.gaps == []


def test_a_missing_event_is_a_gap() -> None:
    chains = Chains()
    assert take(chains, (3, -1), (9, 7)) == [Link.NEXT, Link.EARLY]
    assert chains.gaps == [f"{SOURCE} ends at 3 for whoever reads it, but has an event 9"]


def test_an_event_that_came_too_early_and_came_again_is_no_gap() -> None:
    chains = Chains()
    assert take(chains, (3, -1), (9, 7), (7, 3), (9, 7)) == [Link.NEXT, Link.EARLY, Link.NEXT, Link.NEXT]
    assert chains.gaps == []


def test_an_event_that_denies_the_one_before_it_tears_the_chain() -> None:
    chains = Chains()
    assert take(chains, (3, -1), (5, 3), (9, 3)) == [Link.NEXT, Link.NEXT, Link.TORN]
    assert chains.torn == [f"{SOURCE}:9 names 3 as the event before it, which is 5"]
    assert chains.marks[SOURCE] == 9
