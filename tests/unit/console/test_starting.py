"""What a console loads before it can serve."""

import subprocess
import sys


def test_the_console_loads_nothing_of_kafka() -> None:
    program = "import sys, services.console.app; print(*{each.partition('.')[0] for each in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not {"aiokafka", "faststream"} & set(loaded.stdout.split())
