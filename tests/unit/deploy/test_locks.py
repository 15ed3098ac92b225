"""What is fetched is pinned by its content, and nobody's address is written down."""

from pathlib import Path

import pytest

from deploy.local import jars
from deploy.local.jars import Jar

ROOT = Path(__file__).resolve().parents[3]
LOCKS = [*(ROOT / "requirements" / f"{name}.txt" for name in ("base", "dev", "run", "image")), jars.LOCK]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_no_address(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert "index-url" not in text
    assert "find-links" not in text


@pytest.mark.parametrize("path", LOCKS[:4], ids=lambda path: path.name)
def test_every_requirement_has_an_exact_version_and_hashes(path: Path) -> None:
    blocks = [
        block
        for block in path.read_text("utf-8").replace("\\\n", " ").splitlines()
        if block and not block.lstrip().startswith("#")
    ]
    assert blocks
    assert [block for block in blocks if "==" not in block or "--hash=sha256:" not in block] == []


def test_what_runs_has_the_same_versions_in_all_locks() -> None:
    base, dev, run = (
        {
            line.split("==")[0]: line.split(" ")[0]
            for line in path.read_text("utf-8").splitlines()
            if "==" in line
        }
        for path in LOCKS[:3]
    )
    assert {name: dev.get(name) for name in base} == base
    assert {name: base.get(name) for name in run} == run


def test_the_lock_of_kafka_has_one_version_of_everything_and_the_wanted_ones() -> None:
    locked = jars.locked()
    assert len({(jar.group, jar.artifact) for jar in locked}) == len(locked)
    assert set(jars.WANTED) <= {f"{jar.group}:{jar.artifact}:{jar.version}" for jar in locked}
    clients = [jar.version for jar in locked if jar.artifact == "kafka-clients"]
    assert clients == ["4.3.0"]


@pytest.mark.parametrize("line", ["", "a:b:1", "a:b:1 123", "a:b " + "0" * 64, "a:b:../../x " + "0" * 64])
def test_a_damaged_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line"):
        Jar.parse(line)


def test_a_jar_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    first, *rest = jars.locked()
    (tmp_path / first.name).touch()
    assert jars.missing(tmp_path) == rest
