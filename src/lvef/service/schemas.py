"""What the OpenAPI page says of the bodies: models of the answers, and examples."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from lvef.measure.options import MeasureOptions

JOB_ID = "3f6c1d0a9b7e4c52a8d4e1f0b6c7d8e9"
"""Id in the examples."""


class ErrorDetail(BaseModel):
    """Why not."""

    code: str = Field(description="Short reason for programs.", examples=["too_large"])
    message: str = Field(description="One sentence for people.")


class ErrorResponse(BaseModel):
    """The body of every answer that says no."""

    error: ErrorDetail


class JobResponse(BaseModel):
    """A job."""

    id: str = Field(examples=[JOB_ID])
    state: str = Field(description="queued, running, done or failed")
    source: str = Field(description="The client's file name, as shown.", examples=["clip.dcm"])
    progress: float = Field(description="0 to 1, guessed from what the last files took.")
    position: int | None = Field(description="Place in the queue from 1; null when it does not wait.")
    created: str
    started: str | None
    finished: str | None
    error: ErrorDetail | None = Field(description="Why it failed.")
    links: dict[str, str] = Field(
        examples=[{"self": f"/v1/jobs/{JOB_ID}", "result": f"/v1/results/{JOB_ID}"}]
    )
    result: dict[str, Any] | None = Field(
        default=None, description="The measurement, layout lvef-measurement/2, where it is there already."
    )


class JobsResponse(BaseModel):
    """The jobs of one request, in the order of its files; an error beside them where its only job failed."""

    jobs: list[JobResponse]
    error: ErrorDetail | None = None


class CorrectionResponse(BaseModel):
    """A new result."""

    id: str = Field(description="Id of the new result.")
    parent: str = Field(description="The result that was corrected; it stays as it was.")
    links: dict[str, str]
    result: dict[str, Any] = Field(description="The corrected measurement, layout lvef-measurement/2.")


class ResultFiles(BaseModel):
    """What belongs to a result."""

    id: str
    parent: str | None = Field(description="The result that was corrected to this one, or null.")
    corrections: list[str] = Field(description="Results that were made by correcting this one.")
    created: str
    expires: str
    files: list[str] = Field(description="Links to its files.")


class ModelResponse(BaseModel):
    """An installed network."""

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
    """The installed networks; ``default`` measures where a request names none."""

    default: str
    models: list[ModelResponse]


class HealthResponse(BaseModel):
    """Whether the service can measure now."""

    status: str = Field(description="ready, starting or stopping")
    lvef_version: str
    workers: int = Field(description="Worker processes that are ready.")
    queue: int = Field(description="Files that wait.")
    trouble: str = Field(description="Why no worker process can start, if so.")


_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "weights": (
        f"Name of an installed network (see /v1/models, which says which are experimental); {MeasureOptions.weights} "
        "without it.",
        {},
    ),
    "view": ("View, where the file does not tell.", {"enum": ["A4C", "A2C", "unknown"]}),
    "sex": ("Sex for the ASE/EACVI table.", {"enum": ["F", "M"]}),
    "height_cm": ("Body height; goes with weight_kg.", {"type": "number"}),
    "weight_kg": ("Body weight; goes with height_cm.", {"type": "number"}),
    "ed_frame": (
        "End-diastolic frame chosen by hand, from 0; goes with es_frame.",
        {"type": "integer", "minimum": 0},
    ),
    "es_frame": ("End-systolic frame chosen by hand, from 0.", {"type": "integer", "minimum": 0}),
    "frame_rate_hz": ("Frame rate that overrides the file's.", {"type": "number"}),
    "per_beat": ("EF networks: an EF for each beat.", {"type": "boolean"}),
    "wait": ("Seconds to wait for the answer.", {"type": "number", "minimum": 0, "maximum": 600}),
}
_FILE = {"type": "string", "format": "binary"}

MEASURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "files": {
                            "type": "array",
                            "items": _FILE,
                            "description": "Clips, one answer for each.",
                        },
                        "ed": {
                            **_FILE,
                            "description": "End-diastolic still of a pair; goes with es, without files.",
                        },
                        "es": {**_FILE, "description": "End-systolic still of a pair."},
                        "a4c": {
                            **_FILE,
                            "description": "Four-chamber clip of a biplane study; goes with a2c.",
                        },
                        "a2c": {**_FILE, "description": "Two-chamber clip of a biplane study."},
                        **{
                            name: {"type": "string", **kind, "description": text}
                            for name, (text, kind) in _FIELDS.items()
                        },
                    },
                },
                "example": {"files": ["clip.dcm"], "view": "A4C", "sex": "F", "wait": 30},
            }
        },
    }
}
"""The form of ``POST /v1/measure``, which is read by hand so that a limit stops it in time."""

CORRECTION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "Layout lvef-correction/1; of a biplane study {\"views\": {\"A4C\": ..., \"A2C\": ...}}.",
                    "properties": {
                        "schema": {"type": "string", "enum": ["lvef-correction/1"]},
                        "ed_frame": {"type": ["integer", "null"], "minimum": 0},
                        "es_frame": {"type": ["integer", "null"], "minimum": 0},
                        "ed_points": {
                            "type": ["array", "null"],
                            "description": "15 points [x, y] in pixels of the picture: hinge, 6 up the left wall, apex, "
                            "6 down the right wall, hinge.",
                            "items": {"type": "array", "items": {"type": "number"}},
                        },
                        "es_points": {
                            "type": ["array", "null"],
                            "items": {"type": "array", "items": {"type": "number"}},
                        },
                        "reader": {"type": "string"},
                        "note": {"type": "string"},
                    },
                },
                "example": {
                    "schema": "lvef-correction/1", "ed_frame": 12, "es_frame": 27, "reader": "Reader 1", "note": "beat 1",
                },
            }
        },
    }
}  # fmt: skip
"""The body of a correction."""

INTRODUCTION = """Measures the left-ventricular ejection fraction of cardiac ultrasound.

Send a file to `POST /v1/measure` with `wait`; the answer holds the measurement. Without `wait`, or when it takes longer, the
answer names jobs to ask for. Uploads are deleted once they are measured; results are kept for a while, then deleted.
"""
"""First words of the page, before the sentence about research use."""


def errors(**sentences: str) -> dict[int | str, dict[str, Any]]:
    """Answers that say no, for a route: ``s404="no such job"``."""
    return {int(name[1:]): {"model": ErrorResponse, "description": text} for name, text in sentences.items()}
