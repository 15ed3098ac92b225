"""The benchmarks' own code in small: each must come out right to the fen; how fast is not judged here."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from deploy.bench import (
    audience,
    catchup,
    console,
    intake,
    latency,
    notices,
    pipeline,
    rebuild,
    reconcile,
    streams,
    webhooks,
)
from deploy.bench.donations import Series
from deploy.bench.gala import Gala, gala
from deploy.bench.latency import latency_of
from deploy.bench.producing import batches_of, placed
from deploy.bench.report import Figure, Result, ratio_with_spread
from deploy.bench.screens import Seen
from tests.grounds import Base

pytestmark = pytest.mark.performance

SMALL: dict[str, Callable[[Base], Awaitable[Result]]] = {
    "pipeline": lambda base: pipeline.measure(base, donations=2_000, rounds=1, warm_up=0),
    "http": lambda base: intake.measure(base, requests=300, rounds=1),
    "webhooks": lambda base: webhooks.measure(base, webhooks=100, partners=5),
    "rebuild": lambda base: rebuild.measure(base, events=2_500),
    "notices": lambda base: notices.measure(base, notices=200),
}
SMALL_ON_A_GALA: dict[str, Callable[[Gala], Awaitable[Result]]] = {
    "latency": lambda scene: latency.measure_on(scene, seconds=0.2, streams=5),
    "audience": lambda scene: audience.measure_on(scene, seconds=0.2, audiences=(20,)),
    "catchup": lambda scene: catchup.measure_on(scene, waiting=3_000),
    "streams": lambda scene: streams.measure_on(scene, seconds=1.0, streams=20),
    "console": lambda scene: console.measure_on(scene.ground, 1_000, visits=1, warm_up=0),
    "reconcile": lambda scene: reconcile.measure_on(scene.ground, lines=1_500),
}
"""One after the other on one system, those last that tell the screens more than there is, or store more."""


@pytest.mark.parametrize("name", SMALL)
async def test_a_small_run_is_right_to_the_fen(base: Base, name: str) -> None:
    _right(await SMALL[name](base))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(base: Base) -> AsyncIterator[Gala]:
    """The whole system with a launched campaign."""
    async with gala(base) as scene:
        yield scene


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SMALL_ON_A_GALA)
async def test_a_small_run_on_a_gala_is_right_to_the_fen(scene: Gala, name: str) -> None:
    _right(await SMALL_ON_A_GALA[name](scene))


def _right(result: Result) -> None:
    assert result.wrong == []
    assert result.figures
    assert json.loads(json.dumps(result.as_json()))["correct"] is True


# ---------------------------------------------------------------- how it is reckoned


def test_a_donation_is_on_the_screen_with_the_first_frame_that_has_reached_its_position() -> None:
    millisecond = 1_000_000
    seen = Seen(
        arrivals=[[(10, 100 * millisecond), (20, 200 * millisecond)], [(20, 230 * millisecond)]],
        frames={},
        reconnects=0,
    )
    positions = {10: {"intake.a/0": 5}, 20: {"intake.a/0": 9}}
    accepted = [90 * millisecond, 150 * millisecond, 190 * millisecond]
    places = [(0, "intake.a/0", 5), (1, "intake.a/0", 6), (2, "intake.a/0", 10)]
    found = latency_of(accepted, places, positions, seen)
    # The first one: 10 ms and 140 ms; the second: 50 ms and 80 ms; the third is on no frame.
    assert (found.p50_ms, found.worst_ms, found.unseen) == (50.0, 140.0, 1)


def test_a_series_is_the_same_each_time_and_its_total_is_known() -> None:
    series = Series("run", "gala", datetime(2026, 1, 18, tzinfo=UTC))
    bodies = [json.loads(value) for _, value in series.records(500)]
    assert sum(body["amount_fen"] for body in bodies) == series.total_fen(500)
    assert len({body["transaction_id"] for body in bodies}) == 500
    assert [key for key, _ in series.records(2, first=7)] == [b"run-000000007", b"run-000000008"]


def test_batches_keep_the_order_of_a_key_and_lose_nothing() -> None:
    records = [(f"k{n % 7}".encode(), str(n).encode()) for n in range(1_000)]
    sent: dict[bytes, list[int]] = {}
    for _, batch in batches_of(placed(records, 4), size=30):
        for key, value in batch:
            sent.setdefault(key, []).append(int(value))
    assert sum(len(values) for values in sent.values()) == 1_000
    assert all(values == sorted(values) for values in sent.values())


def test_the_ratio_is_of_the_medians_and_the_spread_of_the_rounds() -> None:
    assert ratio_with_spread([8, 9, 10], [10, 10, 20]) == (0.9, 0.5, 0.9)


def test_a_goal_that_is_just_reached_is_met() -> None:
    assert Figure("ratio", 0.80, "", 0.80, "higher").met
    assert not Figure("ratio", 0.79, "", 0.80, "higher").met
    assert Figure("latency", 120, "ms", 120, "lower").met
    assert not Figure("latency", 121, "ms", 120, "lower").met
    assert Figure("latency", 121, "ms").met is None
