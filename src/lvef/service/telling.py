"""What clients are told of jobs and results: plain values, links among them."""

from __future__ import annotations

import datetime
import time
from typing import Any

from lvef.service.store import JobRecord, ResultRecord

ALMOST = 0.95
"""A job that takes longer than the last ones stays here until it is done."""


def job_to_dict(record: JobRecord, root_path: str, position: int | None, mean_s: float) -> dict[str, Any]:
    """Describe a job.

    Args:
        record: The job.
        root_path: Path under which a proxy shows the service.
        position: Its place in the queue.
        mean_s: What the last files took, in seconds.
    """
    links = {"self": f"{root_path}/v1/jobs/{record.id}"}
    if record.result is not None:
        links["result"] = f"{root_path}/v1/results/{record.result}"
    error = {"code": record.code, "message": record.message} if record.state == "failed" else None
    return {
        "id": record.id,
        "state": record.state,
        "source": record.source,
        "progress": _progress(record, mean_s),
        "position": position,
        "created": iso(record.created),
        "started": iso(record.started),
        "finished": iso(record.finished),
        "error": error,
        "links": links,
    }


def result_to_dict(
    result: ResultRecord, root_path: str, keep_s: float, corrections: list[str], files: list[str]
) -> dict[str, Any]:
    """Describe what belongs to a result.

    Args:
        result: The result.
        root_path: Path under which a proxy shows the service.
        keep_s: How long results are kept, in seconds.
        corrections: Results that were made by correcting it.
        files: Names of its files.
    """
    link = f"{root_path}/v1/results/{result.id}"
    return {
        "id": result.id,
        "parent": result.parent,
        "corrections": corrections,
        "created": iso(result.created),
        "expires": iso(result.created + keep_s),
        "files": [link, *(f"{link}/{name}" for name in files)],
    }


def iso(seconds: float | None) -> str | None:
    """A time since 1970 as ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def _progress(record: JobRecord, mean_s: float) -> float:
    """Part that is done, guessed from what the last files took."""
    if record.state in ("done", "failed"):
        return 1.0
    if record.started is None:
        return 0.0
    return round(max(0.0, min(ALMOST, (time.time() - record.started) / max(mean_s, 0.1))), 2)
