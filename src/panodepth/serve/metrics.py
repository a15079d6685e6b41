"""Numbers for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)


class Metrics:
    """Counters of one service; nothing in them comes from a client."""

    media = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._all = CollectorRegistry()
        labels = ("path", "status")
        self.requests = Counter("panodepth_requests", "Requests.", labels, registry=self._all)
        self.seconds = Histogram(
            "panodepth_request_seconds", "Of requests.", ("path",), registry=self._all
        )
        self.cache = Counter(
            "panodepth_cache", "Pictures asked for before, or not.", ("found",), registry=self._all
        )
        sizes = (1, 2, 4, 8, 16)
        self.batch = Histogram(
            "panodepth_batch_size", "Pictures in one pass.", buckets=sizes, registry=self._all
        )
        self.waiting = Gauge("panodepth_waiting", "Pictures in work.", registry=self._all)
        self.cached = Gauge("panodepth_cache_bytes", "Results kept.", registry=self._all)

    def seen(self, path: str, status: int, seconds: float) -> None:
        """Count one request to a route."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._all)
