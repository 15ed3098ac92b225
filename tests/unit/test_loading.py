"""What a process does about garbage, while it loads its modules and after."""

import subprocess
import sys

WATCHED = """
from shared import loading
import gc
print(gc.isenabled())
loading.done()
print(gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count() > len(gc.get_objects()))
"""


def test_what_is_loaded_is_never_looked_through_for_garbage_and_the_rest_seldom() -> None:
    told = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["False", "True 50000 True"]
