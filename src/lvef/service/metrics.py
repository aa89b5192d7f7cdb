"""Metrics of the service for Prometheus, without names of files or clients."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the histograms' buckets."""

STATES = ("queued", "running", "done", "failed")
"""States of a job."""


class Metrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter("lvef_requests", "Requests.", ("method", "route", "status"), registry=own)
        self.request_seconds = Histogram(
            "lvef_request_seconds",
            "Time to the end of the response.",
            ("route",),
            buckets=SECONDS,
            registry=own,
        )
        text = "Jobs by how they ended: the measurement's status, or the code of the error."
        self.jobs_ended = Counter("lvef_jobs_ended", text, ("how",), registry=own)
        text = "Time a worker took for a job."
        self.job_seconds = Histogram("lvef_job_seconds", text, buckets=SECONDS, registry=own)
        text = "Time a job waited in the queue."
        self.wait_seconds = Histogram("lvef_job_wait_seconds", text, buckets=SECONDS, registry=own)
        text = "Requests refused, by the limit or rule."
        self.refused = Counter("lvef_refused", text, ("limit",), registry=own)
        text = "Jobs since the service started, by their state now."
        self.jobs = Gauge("lvef_jobs", text, ("state",), registry=own)

    def add_gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Add a value that is read when metrics are requested."""
        Gauge(name, description, registry=self.registry).set_function(read)

    def text(self) -> tuple[bytes, str]:
        """All metrics in the format of Prometheus, with its media type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
