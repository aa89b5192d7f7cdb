"""The bodies of requests and responses: their schemas for OpenAPI, jobs and results as plain values."""

from __future__ import annotations

import datetime
import time
from typing import Any

from pydantic import BaseModel, Field

from lvef.service.forms import form_schema
from lvef.service.store import JobRecord, ResultRecord

JOB_ID = "3f6c1d0a9b7e4c52a8d4e1f0b6c7d8e9"
"""Id in the examples."""

MAX_PROGRESS = 0.95
"""Largest progress of a job that is not finished."""


class ErrorDetail(BaseModel):
    """Why a request failed."""

    code: str = Field(description="Short reason for programs.", examples=["too_large"])
    message: str = Field(description="One sentence for people.")


class ErrorResponse(BaseModel):
    """The body of every error response."""

    error: ErrorDetail


class JobResponse(BaseModel):
    """A job."""

    id: str = Field(examples=[JOB_ID])
    state: str = Field(description="queued, running, done or failed")
    source: str = Field(description="The client's file name, as shown.", examples=["clip.dcm"])
    progress: float = Field(description="0 to 1, estimated from how long the last files took.")
    position: int | None = Field(description="Place in the queue from 1; null when it does not wait.")
    created: str
    started: str | None
    finished: str | None
    error: ErrorDetail | None = Field(description="Why it failed.")
    links: dict[str, str] = Field(
        examples=[{"self": f"/v1/jobs/{JOB_ID}", "result": f"/v1/results/{JOB_ID}"}]
    )
    result: dict[str, Any] | None = Field(
        default=None, description="The measurement, layout lvef-measurement/2, if it is finished."
    )


class JobsResponse(BaseModel):
    """The jobs of one request, in the order of its files; with an error where its only job failed."""

    jobs: list[JobResponse]
    error: ErrorDetail | None = None


class CorrectionResponse(BaseModel):
    """A new result."""

    id: str = Field(description="Id of the new result.")
    parent: str = Field(description="The result that was corrected; it stays as it was.")
    links: dict[str, str]
    result: dict[str, Any] = Field(description="The corrected measurement, layout lvef-measurement/2.")


class ResultFiles(BaseModel):
    """The files of a result, its parent and its corrections."""

    id: str
    parent: str | None = Field(description="The result of which this one is a correction, or null.")
    corrections: list[str] = Field(description="Results that are corrections of this one.")
    created: str
    expires: str
    files: list[str] = Field(description="Links to its files.")


class ModelResponse(BaseModel):
    """An installed model."""

    name: str
    version: str
    kind: str
    title: str
    licence: str
    intended_use: str
    trained_on: str
    sha256: str
    experimental: bool = Field(
        description="Its EF does not hold on other hospitals' clips; measurements warn of it."
    )
    experimental_text: str = Field(description="Why it is experimental, or empty.")
    external: list[dict[str, Any]] = Field(description="Metrics out of domain; these come first.")
    figures: list[dict[str, Any]] = Field(description="Metrics in-domain.")
    limits: list[str]


class ModelsResponse(BaseModel):
    """The installed models; ``default`` measures where a request names none."""

    default: str
    models: list[ModelResponse]


class HealthResponse(BaseModel):
    """Whether the service can measure now."""

    status: str = Field(description="ready, starting or stopping")
    lvef_version: str
    workers: int = Field(description="Worker processes that are ready.")
    queue: int = Field(description="Files that wait.")
    trouble: str = Field(description="Why no worker process can start, if so.")


class CorrectionBody(BaseModel):
    """A correction of one view. It is validated by `lvef.measure.correction`; this class describes it."""

    ed_frame: int | None = Field(None, ge=0)
    es_frame: int | None = Field(None, ge=0)
    ed_points: list[list[float]] | None = Field(
        None,
        description="15 points [x, y] in pixels of the frame: hinge point, 6 up the left wall, apex, 6 down the right wall, "
        "hinge point.",
    )
    es_points: list[list[float]] | None = None
    reader: str = ""
    note: str = ""
    propagate: bool = Field(
        default=False,
        description="Carry the changes of the two contours to the other frames by their volume.",
    )


def _body(media_type: str, schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "requestBody": {"required": True, "content": {media_type: {"schema": schema, "example": example}}}
    }


MEASURE_BODY = _body(
    "multipart/form-data", form_schema(), {"files": ["clip.dcm"], "view": "A4C", "sex": "F", "wait": 30}
)
"""The form of ``POST /v1/measure``."""

CORRECTION_BODY = _body(
    "application/json",
    {
        "type": "object",
        "description": 'Layout lvef-correction/1; of a biplane study {"views": {"A4C": ..., "A2C": ...}}.',
        "properties": {
            "schema": {"type": "string", "enum": ["lvef-correction/1"]},
            **CorrectionBody.model_json_schema()["properties"],
        },
    },
    {"schema": "lvef-correction/1", "ed_frame": 12, "es_frame": 27, "reader": "Reader 1", "note": "beat 1"},
)
"""The body of a correction."""

INTRODUCTION = """Measures the left-ventricular ejection fraction of cardiac ultrasound.

Send a file to `POST /v1/measure` with `wait`; the response holds the measurement. Without `wait`, or when it takes longer,
the response lists jobs to poll. Uploads are deleted once they are measured; results are kept for a while, then deleted.
"""
"""Beginning of the page, before the sentence about research use."""


def error_responses(**descriptions: str) -> dict[int | str, dict[str, Any]]:
    """Error responses of a route: ``s404="no such job"``."""
    return {
        int(name[1:]): {"model": ErrorResponse, "description": text} for name, text in descriptions.items()
    }


def job_to_dict(record: JobRecord, root_path: str, position: int | None, mean_s: float) -> dict[str, Any]:
    """A job as clients see it, see `JobResponse`.

    Args:
        record: The job.
        root_path: Path under which a proxy shows the service.
        position: Its place in the queue.
        mean_s: Mean time of the last files, in seconds.
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
    """The files of a result, see `ResultFiles`.

    Args:
        result: The result.
        root_path: Path under which a proxy shows the service.
        keep_s: How long results are kept, in seconds.
        corrections: Ids of its corrections.
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
    """Seconds since 1970 as ISO 8601, UTC."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="milliseconds")


def _progress(record: JobRecord, mean_s: float) -> float:
    """Progress, estimated from the time of the last files."""
    if record.state in ("done", "failed"):
        return 1.0
    if record.started is None:
        return 0.0
    return round(max(0.0, min(MAX_PROGRESS, (time.time() - record.started) / max(mean_s, 0.1))), 2)
