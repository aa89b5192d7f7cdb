"""The routes of the API: measuring and its jobs, results and their files, and the service itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files as package_files
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.requests import ClientDisconnect

import lvef
from lvef.inference.card import card_facts
from lvef.inference.catalogue import measuring_models
from lvef.measure.serializers import BEATS_NAME, CURVE_NAME, MEASUREMENT_NAME
from lvef.report.outputs import OVERLAY_NAME, REPORT_HTML_NAME, REPORT_PDF_NAME, SUMMARY_NAME
from lvef.service.errors import http_status
from lvef.service.forms import parse_form, receive_form
from lvef.service.jobs import Job, JobManager
from lvef.service.middleware import media_type_of
from lvef.service.schemas import (
    CORRECTION_BODY,
    MEASURE_BODY,
    CorrectionResponse,
    HealthResponse,
    JobResponse,
    JobsResponse,
    ModelsResponse,
    ResultFiles,
    error_responses,
)
from lvef.service.serializers import PARTS
from lvef.service.streams import receive_json

CLIENT_GONE = 499
"""Status in the log where the client disconnected before the response; it is never received."""

MAX_CORRECTION_BYTES = 2**20
"""Largest body of a correction."""

REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; sandbox"
)
"""Content-Security-Policy of the HTML report: its own style and images, no script, nothing from outside."""

DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""Content-Security-Policy of the documentation page: its own script and style, and the OpenAPI document."""

DOCS_FILES = {"/docs": "docs.html", "/docs/page.js": "docs.js", "/docs/page.css": "docs.css"}
"""Files of the documentation page by their paths; nothing of it comes from outside."""

TABLES = (CURVE_NAME, BEATS_NAME)
"""Files that are made with the measurement."""

IMAGES = (OVERLAY_NAME, SUMMARY_NAME)
"""Files that are drawn on request."""

REPORTS = (REPORT_PDF_NAME, REPORT_HTML_NAME)
"""Reports of a whole result."""

FILE_SUMMARIES = {
    MEASUREMENT_NAME: "The measurement of one view, layout lvef-measurement/2",
    CURVE_NAME: "Volume and length on every frame",
    BEATS_NAME: "All beats, excluded ones with their reason",
    OVERLAY_NAME: "The clip with contours and volume-time curve, H.264",
    SUMMARY_NAME: "The result as one image",
    REPORT_PDF_NAME: "PDF report, one A4 page",
    REPORT_HTML_NAME: "HTML report that loads nothing from outside",
}

_NO_JOB = error_responses(s404="There is no such job, or no longer.")
_NO_FILE = error_responses(s404="There is no such result, no longer, or it has no such file.")


@cache
def installed_models() -> dict[str, dict[str, Any]]:
    """What the card of each installed model says, by name, without paths. Models do not change while the service runs.

    Raises:
        WeightsError: Two distributions carry a model of the same name.
    """
    return {entry.card.name: card_facts(entry.card) for entry in measuring_models()}


def measure_routes(jobs: JobManager) -> APIRouter:
    """The routes that measure, and those of jobs."""
    routes = APIRouter(tags=["measure"])
    settings = jobs.settings

    @routes.post(
        "/v1/measure",
        response_model=JobsResponse,
        openapi_extra=MEASURE_BODY,
        responses={
            202: {"model": JobsResponse, "description": "Not finished yet; Location names the first job."},
            **error_responses(
                s400="The form is broken.",
                s408="No data came for 30 seconds.",
                s413="Too large, or too many files.",
                s415="Not multipart/form-data.",
                s422="Fields that do not go together, or (one file) a file that cannot be read.",
                s500="The process that measured the file ended (one file).",
                s503="The queue is full, or the service is stopping; Retry-After says when to try again.",
                s504="The file took longer than the time limit (one file).",
                s507="No room for the upload.",
            ),
        },
        summary="Measure clips, a pair of stills, or a biplane study",
    )
    async def measure(request: Request) -> Response:
        """Send one or several files as `files`, or `ed` with `es`, or `a4c` with `a2c`."""
        with jobs.reserve_place():
            try:
                form = await receive_form(
                    request.headers,
                    request.stream(),
                    jobs.upload_store,
                    max_bytes=settings.max_upload_bytes,
                    max_files=settings.max_files,
                )
            except ClientDisconnect:
                return Response(status_code=CLIENT_GONE)
            try:
                models = await asyncio.to_thread(installed_models)
                requests, wait_s = parse_form(form, settings, models)
                added = jobs.add(requests)
            except BaseException:
                form.discard()
                raise
        if wait_s > 0 and not await _wait_for_jobs(request, added, wait_s):
            for job in added:
                await jobs.delete(job.record.id, missing_ok=True)
            return Response(status_code=CLIENT_GONE)
        return await _jobs_response(jobs, added)

    @routes.get(
        "/v1/jobs/{job_id}", response_model=JobResponse, responses=_NO_JOB, summary="Progress of a job"
    )
    async def job(job_id: str) -> Response:
        """State, progress and place in the queue; a link to the result once there is one."""
        return JSONResponse(jobs.describe(await jobs.record(job_id)))

    @routes.delete(
        "/v1/jobs/{job_id}",
        status_code=204,
        response_class=Response,
        responses=_NO_JOB,
        summary="Delete a job now",
    )
    async def delete(job_id: str) -> Response:
        """Stops it if it runs, and deletes upload, result and corrections."""
        await jobs.delete(job_id)
        return Response(status_code=204)

    return routes


async def _wait_for_jobs(request: Request, added: Sequence[Job], wait_s: float) -> bool:
    """Wait until all jobs are finished or the time is over; False when the client disconnects meanwhile."""

    async def wait_for_disconnect() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    finished = asyncio.gather(*(job.finished.wait() for job in added))
    gone = asyncio.ensure_future(wait_for_disconnect())
    try:
        await asyncio.wait((finished, gone), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return finished.done() or not gone.done()
    finally:
        for waiter in (finished, gone):
            waiter.cancel()
        await asyncio.gather(finished, gone, return_exceptions=True)


async def _jobs_response(jobs: JobManager, added: Sequence[Job]) -> Response:
    """200 with all results; 202 while one is missing; the status of its error where the only job failed."""
    described = []
    results = []
    for job in added:
        values = jobs.describe(job.record)
        values["result"] = None
        if job.record.result is not None:
            result = await jobs.result(job.record.result)
            values["result"] = json.loads(await jobs.file(result, MEASUREMENT_NAME))
            results.append(result)
        described.append(values)
    body: dict[str, Any] = {"jobs": described}
    states = {job.record.state for job in added}
    if states & {"queued", "running"}:
        return JSONResponse(body, 202, {"Location": described[0]["links"]["self"], "Retry-After": "1"})
    status = 200
    if len(added) == 1 and states == {"failed"}:
        status = http_status(added[0].record.code)
        body["error"] = described[0]["error"]
    for result in results:
        await jobs.mark_fetched(result)
    return JSONResponse(body, status)


def result_routes(jobs: JobManager) -> APIRouter:
    """The routes of results: the measurement, its tables, images and reports, and corrections."""
    routes = APIRouter(tags=["results"])
    example = {"schema": "lvef-measurement/2", "ef_percent": 58.2}

    @routes.get(
        "/v1/results/{result_id}",
        responses={200: {"content": {"application/json": {"example": example}}}, **_NO_FILE},
        response_class=JSONResponse,
        summary="The measurement, layout lvef-measurement/2",
    )
    async def result(result_id: str) -> Response:
        """The same document as `lvef measure --json` prints."""
        found = await jobs.result(result_id)
        data = await jobs.file(found, MEASUREMENT_NAME)
        await jobs.mark_fetched(found)
        headers = {"X-Parent-Result": found.parent} if found.parent else {}
        return Response(data, media_type="application/json", headers=headers)

    @routes.get(
        "/v1/results/{result_id}/files",
        response_model=ResultFiles,
        responses=_NO_FILE,
        summary="Files of a result, its parent and its corrections",
    )
    async def files(result_id: str) -> Response:
        """Links to all files that it has or that can be drawn from it."""
        return JSONResponse(await jobs.result_files(await jobs.result(result_id), _offered_files))

    @routes.post(
        "/v1/results/{result_id}/correction",
        response_model=CorrectionResponse,
        status_code=201,
        openapi_extra=CORRECTION_BODY,
        responses=error_responses(
            s400="The body is not JSON.",
            s404="There is no such result, or no longer.",
            s413="Larger than 1 MB.",
            s422="Not of the layout, or nothing can be measured from it.",
            s503="The queue is full.",
        ),
        summary="Correct frames and contours: a new result",
    )
    async def correction(result_id: str, request: Request) -> Response:
        """The first result stays as it is, so that two readers never overwrite each other."""
        found = await jobs.result(result_id)
        try:
            edit = await receive_json(
                request.stream(),
                MAX_CORRECTION_BYTES,
                large="A correction has at most 1 MB.",
                wrong="The body is not JSON; the layout lvef-correction/1 was expected.",
                allow_nan=True,
            )
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        new = await jobs.correct(found, edit)
        link = f"{jobs.settings.root_path}/v1/results/{new.id}"
        document = json.loads(await jobs.file(new, MEASUREMENT_NAME))
        body = {"id": new.id, "parent": found.id, "links": {"result": link}, "result": document}
        return JSONResponse(body, 201, {"Location": link})

    for name in (*TABLES, *IMAGES, *REPORTS):
        _add_file(routes, jobs, "", name)
    for part in PARTS:
        for name in (MEASUREMENT_NAME, *TABLES, *IMAGES):
            _add_file(routes, jobs, f"{part}/", name)
    return routes


def _add_file(routes: APIRouter, jobs: JobManager, prefix: str, name: str) -> None:
    media_type = media_type_of(name)
    headers = {"Content-Security-Policy": REPORT_POLICY} if name == REPORT_HTML_NAME else {}

    async def file(result_id: str) -> Response:
        data = await jobs.file(await jobs.result(result_id), prefix + name)
        return Response(data, media_type=media_type, headers=headers)

    routes.add_api_route(
        f"/v1/results/{{result_id}}/{prefix}{name}",
        file,
        methods=["GET"],
        response_class=Response,
        responses={200: {"content": {media_type.split(";")[0]: {}}}, **_NO_FILE},
        summary=FILE_SUMMARIES[name] + (f", view {prefix[:-1]} of a biplane study" if prefix else ""),
        operation_id=f"{prefix}{name}".replace("/", "_").replace(".", "_"),
    )


def _offered_files(names: list[str], clips: list[str]) -> list[str]:
    """Files that a result has, and those that can be drawn from it."""
    tables = [name for name in names if name.rpartition("/")[2] in (*TABLES, MEASUREMENT_NAME)]
    images = [f"{part}/{name}" if part else name for part in clips for name in IMAGES]
    return [*sorted({*tables, *images} - {MEASUREMENT_NAME}), *REPORTS]


def service_routes(jobs: JobManager) -> APIRouter:
    """The routes about the service: models, health, metrics, and the documentation page."""
    routes = APIRouter(tags=["service"])

    @routes.get(
        "/v1/models", response_model=ModelsResponse, summary="Installed models and what their cards say"
    )
    def models() -> JSONResponse:
        """Name, version, kind, licence, whether it is experimental, external and in-domain metrics, limits."""
        return JSONResponse({"default": jobs.settings.weights, "models": list(installed_models().values())})

    @routes.get(
        "/healthz",
        response_model=HealthResponse,
        responses={503: {"model": HealthResponse, "description": "It cannot measure now."}},
        summary="Whether the service can measure now",
    )
    def health() -> JSONResponse:
        """200 once a worker has its model loaded, else 503. Needs no key."""
        values = {
            "status": jobs.status,
            "lvef_version": lvef.__version__,
            "workers": jobs.pool.ready,
            "queue": jobs.pool.waiting,
            "trouble": jobs.pool.trouble,
        }
        return JSONResponse(values, 200 if values["status"] == "ready" else 503)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
        summary="Metrics for Prometheus",
    )
    def metrics() -> Response:
        """Requests, jobs, seconds, queue, refusals; no names."""
        data, media_type = jobs.metrics.text()
        return Response(data, headers={"Content-Type": media_type})

    @routes.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse(f"{jobs.settings.root_path}/docs")

    for path, name in DOCS_FILES.items():
        _add_docs_file(routes, path, name)
    return routes


def _add_docs_file(routes: APIRouter, path: str, name: str) -> None:
    data = package_files("lvef.service").joinpath("static", name).read_bytes()
    headers = {"Content-Type": media_type_of(name), "Content-Security-Policy": DOCS_POLICY}

    def page() -> Response:
        return Response(data, headers=headers)

    routes.add_api_route(path, page, methods=["GET"], include_in_schema=False)
