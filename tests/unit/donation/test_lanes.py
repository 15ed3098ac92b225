"""A large batch is booked in two lanes: every record in one of them, a partition's in order."""

import itertools
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from services.donation.handlers import LANES_FROM, lanes_of
from shared.broker import Record


def batch(*counts: int) -> tuple[Record, ...]:
    """So many records of each partition."""
    return tuple(
        ConsumerRecord("intake.wechat", partition, offset, 0, 1, None, b"", None, 0, 0, ())
        for partition, count in enumerate(counts)
        for offset in range(count)
    )


@pytest.mark.parametrize("counts", [(1,), (LANES_FROM // 2, LANES_FROM // 2 - 1), (2 * LANES_FROM,)])
def test_a_small_batch_and_one_of_one_partition_is_one_lane(counts: tuple[int, ...]) -> None:
    records = batch(*counts)
    assert lanes_of(records) == [records]


@pytest.mark.parametrize(
    ("counts", "lengths"),
    [
        ((500, 500), [500, 500]),
        ((500, 500, 500, 500), [1_000, 1_000]),
        ((1_997, 1, 1, 1), [1_997, 3]),
        ((3, 900, 0, 400, 697), [903, 1_097]),
    ],
)
def test_a_large_one_is_two_of_nearly_the_same_length(counts: tuple[int, ...], lengths: list[int]) -> None:
    records = batch(*counts)
    lanes = lanes_of(records)
    assert [len(lane) for lane in lanes] == lengths
    assert sorted(map(place, itertools.chain(*lanes))) == sorted(map(place, records))
    for lane in lanes:
        for _, held in itertools.groupby(lane, lambda record: record.partition):
            offsets = [record.offset for record in held]
            assert offsets == list(range(len(offsets)))


def place(record: Any) -> tuple[int, int]:
    return record.partition, record.offset
