"""Whether containers can be started here. Where they can't, their tests are left out, and a warning at the
end of the run says so: the default suite is whole without them.
"""

import os
import subprocess
import warnings

import pytest

from tests.parts import ASK_S, lacking

IMAGES = (os.environ.get("SHANLIU_IMAGE") or "shanliu:local", "apache/kafka:4.3.0", "postgres:18")
CLUSTERED = os.environ.get("POSTGRES_IMAGE") or "postgres:18"
PROMETHEUS = "prom/prometheus"
"""Any version of it: the pinned one is for those who run it (deploy/compose.observability.yaml)."""


def _docker(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=ASK_S, check=False)


def prometheus_image() -> str | None:
    """An image of Prometheus that is here; None when there is none."""
    listed = _docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", PROMETHEUS).stdout.split()
    named = os.environ.get("PROMETHEUS_IMAGE")
    return named or next((image for image in listed if not image.endswith(":<none>")), None)


def _without_compose() -> str | None:
    """Compose is a plugin, which may lie in the home of another user."""
    return "this docker has no compose" if _docker("compose", "version").returncode else None


def _without_prometheus() -> str | None:
    return None if prometheus_image() else f"no image {PROMETHEUS} is here"


def _without_tls() -> str | None:
    """Official images have it; one that was built without can't be a cluster's database."""
    linked = 'ldd "$(readlink -f "$(command -v postgres)")" | grep -q libssl'
    asked = _docker("run", "--rm", "--network", "none", "--entrypoint", "sh", CLUSTERED, "-c", linked)
    return f"{CLUSTERED} has no TLS (POSTGRES_IMAGE names another)" if asked.returncode else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests of containers out where none can be started, and say so loudly."""
    wanted = [item for item in items if item.get_closest_marker("containers")]
    if not wanted:
        return None
    if (reason := lacking(*IMAGES) or _without_compose()) is not None:
        return _leave_out(config, items, wanted, reason)
    for fixture, without in (("prometheus", _without_prometheus), ("cluster", _without_tls)):
        users = [item for item in wanted if fixture in getattr(item, "fixturenames", ())]
        if users and (reason := without()) is not None:
            _leave_out(config, items, users, reason)
    return None


def _leave_out(
    config: pytest.Config, items: list[pytest.Item], wanted: list[pytest.Item], reason: str
) -> None:
    warnings.warn(f"CONTAINERS NOT TRIED, {len(wanted)} tests left out: {reason}", stacklevel=1)
    config.hook.pytest_deselected(items=wanted)
    items[:] = [item for item in items if item not in wanted]
