"""What goes along with a state of totals, and what is measured when it is shown."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from services.reporting.news import Awaited, News
from shared.tracing import MAX_TRACES

NOW = datetime(2027, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)
PLACES = tuple(f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 20))


def seen() -> tuple[float, float]:
    """How many frames were measured, and the sum of their lags in seconds."""
    name = "shanliu_reporting_shown_lag_seconds"
    return tuple(REGISTRY.get_sample_value(f"{name}_{part}") or 0.0 for part in ("count", "sum"))  # type: ignore[return-value]


def test_what_a_record_says_is_read_as_it_was_written() -> None:
    assert News.of(News(NOW).headers()) == News(NOW)
    assert News.of(News().headers()) == News()


@pytest.mark.parametrize("value", [None, b"", b"-1", b"1e9", b"9" * 30, "昨天".encode()])
def test_what_cannot_be_read_is_nothing(value: bytes | None) -> None:
    assert News.of([("received-at", value), ("other", b"5")]) == News()


def test_of_two_the_older_holds_and_the_traces_are_bounded() -> None:
    both = News(NOW, PLACES[:6]).and_then(News(NOW - timedelta(seconds=1), PLACES[6:]))
    assert both == News(NOW - timedelta(seconds=1), PLACES[:MAX_TRACES])
    assert News().and_then(News(NOW)) == News(NOW)


def test_the_way_to_the_screen_is_measured_once_from_the_oldest_that_a_frame_has() -> None:
    before = seen()
    awaited = Awaited()
    awaited.expect("gala", News(datetime.now(UTC) - timedelta(seconds=5)))
    awaited.expect("gala", News(datetime.now(UTC)))
    awaited.expect("quiet", News())
    for campaign in ("quiet", "gala", "gala"):
        awaited.shown(campaign, 1)
    count, lag_s = (now - then for now, then in zip(seen(), before, strict=True))
    assert count == 1
    assert 5 <= lag_s < 6
    assert not awaited
