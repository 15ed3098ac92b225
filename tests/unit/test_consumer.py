"""What a consumer relies on inside aiokafka is looked at before it is used."""

from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher

from shared.consumer import CALLED, READ_OR_SET, UnknownFetcher, _PacedFetcher


def fetcher(*lacking: str) -> Any:
    """One that is not connected to anything."""
    made = object.__new__(Fetcher)
    made.__dict__ |= dict.fromkeys({*READ_OR_SET} - {*lacking}) | {"_closed": True}
    return made


def test_the_fetcher_of_the_locked_aiokafka_is_known() -> None:
    taken = fetcher()
    _PacedFetcher.take_over(taken, pace_ms=50)
    assert (type(taken), taken.pace_ms) == (_PacedFetcher, 50)


@pytest.mark.parametrize("name", READ_OR_SET)
def test_a_fetcher_without_what_is_read_or_set_is_refused(name: str) -> None:
    with pytest.raises(UnknownFetcher, match=name):
        _PacedFetcher.take_over(fetcher(name), pace_ms=50)


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_fetcher_with_another_method_or_without_it_is_refused(
    name: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = fetcher()
    if change == "gone":
        monkeypatch.delattr(Fetcher, name)
    else:
        monkeypatch.setattr(Fetcher, name, Fetcher.close)
    with pytest.raises(UnknownFetcher, match=name):
        _PacedFetcher.take_over(taken, pace_ms=50)
