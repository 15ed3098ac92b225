"""Gauges that stand in a process's metrics only when that process measures.

A gauge without labels is shown as 0.0 from the start: a process that does not measure would say that all is
well.
"""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Gauge


class Measured(Gauge):
    """A gauge without labels, shown from its first value on. `text` says what its values mean."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry = REGISTRY) -> None:
        super().__init__(name, text, registry=None)
        self._shown_in = registry
        self._shown = False

    def set(self, value: float) -> None:
        """What was measured now."""
        super().set(value)
        self._show()

    def set_function(self, f: Callable[[], float]) -> None:
        """Measure whenever it is asked for, from now on."""
        super().set_function(f)
        self._show()

    def _show(self) -> None:
        if not self._shown:
            self._shown = True
            self._shown_in.register(self)
