"""Whether containers can be started here. Where they can't, their tests are left out, and a warning at the
end of the run says so: the default suite is whole without them.
"""

import os
import subprocess
import warnings

import pytest

ASK_S = 10
IMAGES = (os.environ.get("SHANLIU_IMAGE") or "shanliu:local", "apache/kafka:4.3.0", "postgres:18")


def _lacking() -> str | None:
    """Why containers can't be started; None when they can."""
    try:
        asked = subprocess.run(
            ["docker", "image", "inspect", "--format", "there", *IMAGES],
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "there is no Docker here"
    if "Cannot connect" in asked.stderr or "permission denied" in asked.stderr:
        return "no Docker daemon answers"
    if asked.returncode:
        return f"not all images are here ({', '.join(IMAGES)}); `make image` builds ours"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of containers out where none can be started, and say so loudly."""
    wanted = [item for item in items if item.get_closest_marker("containers")]
    if not wanted or (reason := _lacking()) is None:
        return
    warnings.warn(f"CONTAINERS NOT TRIED, {len(wanted)} tests left out: {reason}", stacklevel=1)
    config.hook.pytest_deselected(items=wanted)
    items[:] = [item for item in items if item not in wanted]
