"""What a broker that lives for minutes is started from, beside its jars: its classes, loaded and linked, in
one file (JEP 483 and 514), and its storage, formatted.

With them it needs 1.3 s of CPU to be ready, not 4. To make them takes 12 s and 70 MB, so that is done where
brokers are started again and again: before tests.
"""

import tempfile
from pathlib import Path
from typing import Final

from deploy.local import jars
from deploy.local.databases import run
from deploy.local.kafka import ARCHIVED, LocalKafka
from deploy.topics import apply_topics

WRITE_S: Final = 120


class _Watched(LocalKafka):
    """A broker that writes down, when it stops, which classes it had, and then makes the archive of them."""

    def __init__(self, folder: Path, archive: Path) -> None:
        super().__init__(folder, short_lived=True)
        self._archive = archive

    def _options(self) -> list[str]:
        return [*super()._options(), *ARCHIVED, f"-XX:AOTCacheOutput={self._archive}"]


def archived() -> Path:
    """Make what is not there, and give back the archive; of several processes one makes it and the others
    wait for it. Raises StackProblem when the broker doesn't start; a Java that makes no archive does without.
    """
    archive = jars.archive()
    folder = jars.fetch().parent
    with jars.alone(folder / "archiving.lock"):
        if not jars.formatted().exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="formatting-") as scratch:
                empty = LocalKafka(Path(scratch))
                empty.format()
                empty.data.replace(jars.formatted())
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="archiving-") as scratch:
                made = Path(scratch) / archive.name
                broker = _Watched(Path(scratch) / "kafka", made)
                broker.start()
                run(apply_topics(broker.bootstrap))
                broker.stop(grace_s=WRITE_S)
                if made.exists():
                    made.replace(archive)
    return archive
