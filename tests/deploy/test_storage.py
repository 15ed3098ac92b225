"""A broker's storage as Kafka formats it, and the copy of one that brokers for minutes are started from."""

from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.kafka import LocalKafka, Seat


@pytest.fixture
def formatted(tmp_path: Path) -> LocalKafka:
    """A broker whose storage Kafka itself has formatted."""
    broker = LocalKafka(tmp_path / "formatted")
    broker.format()
    return broker


def test_the_copy_has_what_kafka_formats_and_a_name_of_its_own(
    archive: None, formatted: LocalKafka, tmp_path: Path
) -> None:
    copy = LocalKafka(tmp_path / "copy", short_lived=True)
    copy.format()
    assert files(copy) == files(formatted)
    assert meta(copy).keys() == meta(formatted).keys()
    kept = meta_of(jars.formatted())
    assert meta(copy)["directory.id"] == kept["directory.id"], "its log names it"
    assert len({each["cluster.id"] for each in (meta(copy), meta(formatted), kept)}) == 3


def test_of_three_each_has_its_number_and_its_directory_in_one_cluster(archive: None, tmp_path: Path) -> None:
    three = [LocalKafka(tmp_path / str(seat.node), short_lived=True, seat=seat) for seat in Seat.of_three()]
    for broker in three:
        broker.format()
        assert files(broker) == ["bootstrap.checkpoint", "meta.properties"]
    said = [meta(broker) for broker in three]
    assert [each["node.id"] for each in said] == ["1", "2", "3"]
    assert len({each["cluster.id"] for each in said}) == 1
    assert len({each["directory.id"] for each in said}) == 3


def files(broker: LocalKafka) -> list[str]:
    return sorted(str(path.relative_to(broker.data)) for path in broker.data.rglob("*") if path.is_file())


def meta(broker: LocalKafka) -> dict[str, str]:
    return meta_of(broker.data)


def meta_of(folder: Path) -> dict[str, str]:
    lines = (folder / "meta.properties").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))
