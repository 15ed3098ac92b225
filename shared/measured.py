"""Gauges that stand in a process's metrics only when that process measures.

A gauge without labels is shown as 0.0 from the start: a process that does not measure would say that all is
well.
"""

from collections.abc import Callable

from prometheus_client import REGISTRY, CollectorRegistry, Gauge


class Measured:
    """A gauge without labels, shown from its first value on. `text` says what its values mean."""

    def __init__(self, name: str, text: str, registry: CollectorRegistry = REGISTRY) -> None:
        self._gauge = Gauge(name, text, registry=None)
        self._registry = registry
        self._shown = False

    def set(self, value: float) -> None:
        """What was measured now."""
        self._gauge.set(value)
        self._show()

    def set_function(self, measure: Callable[[], float]) -> None:
        """Measure whenever it is asked for, from now on."""
        self._gauge.set_function(measure)
        self._show()

    def _show(self) -> None:
        if not self._shown:
            self._registry.register(self._gauge)
            self._shown = True
