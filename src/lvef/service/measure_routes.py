"""``POST /v1/measure`` and the jobs that come of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from lvef.measure.serializers import MEASUREMENT_NAME
from lvef.service.errors import ApiError, http_status
from lvef.service.installed_models import installed_model_names
from lvef.service.jobs import Job, JobManager
from lvef.service.multipart import receive_form
from lvef.service.requests import parse_form
from lvef.service.schemas import MEASURE_BODY, JobResponse, JobsResponse, errors
from lvef.service.store import JobRecord

CLIENT_GONE = 499
"""Status that stands in the log where the client went before the answer; nobody receives it."""


def measure_routes(jobs: JobManager) -> APIRouter:
    """The routes of measuring."""
    routes = APIRouter(tags=["measure"])
    settings = jobs.settings

    @routes.post(
        "/v1/measure",
        response_model=JobsResponse,
        openapi_extra=MEASURE_BODY,
        responses={
            202: {"model": JobsResponse, "description": "Not finished yet; Location names the first job."},
            **errors(
                s400="The form is broken.",
                s408="Nothing came for 30 seconds.",
                s413="Too large, or too many files.",
                s415="Not multipart/form-data.",
                s422="Fields that do not go together, or (one file) a file that cannot be read.",
                s500="The process that measured the file ended (one file).",
                s503="The queue is full, or the service is being stopped; Retry-After tells when to come back.",
                s504="The file took longer than is allowed (one file).",
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
                    request.headers.get("content-type", ""),
                    request.headers.get("content-length"),
                    request.stream(),
                    jobs.upload_store,
                    max_bytes=settings.max_upload_bytes,
                    max_files=settings.max_files,
                    waits_for_go=request.headers.get("expect", "").lower() == "100-continue",
                )
            except ClientDisconnect:
                return Response(status_code=CLIENT_GONE)
            try:
                requests, wait_s = parse_form(form, settings, await asyncio.to_thread(installed_model_names))
                added = jobs.add(requests)
            except BaseException:
                form.discard()
                raise
        if wait_s > 0 and not await _finished(request, added, wait_s):
            for job in added:
                await _discard_job(jobs, job.record.id)
            return Response(status_code=CLIENT_GONE)
        return await _answer(jobs, added)

    @routes.get(
        "/v1/jobs/{job_id}",
        response_model=JobResponse,
        responses=errors(s404="There is no such job, or no longer."),
        summary="How far a job is",
    )
    async def job(job_id: str) -> Response:
        """State, progress and place in the queue; a link to the result once it is there."""
        return JSONResponse(jobs.describe(await jobs.record(job_id)))

    @routes.delete(
        "/v1/jobs/{job_id}",
        status_code=204,
        response_class=Response,
        responses=errors(s404="There is no such job, or no longer."),
        summary="Forget a job now",
    )
    async def forget(job_id: str) -> Response:
        """Stops it if need be, and deletes upload, result and corrections."""
        await jobs.forget(job_id)
        return Response(status_code=204)

    return routes


async def _finished(request: Request, added: list[Job], wait_s: float) -> bool:
    """Wait until all jobs are finished or the time is over; False when the client hangs up meanwhile."""
    everything = asyncio.gather(*(job.finished.wait() for job in added))
    gone = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((everything, gone), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return everything.done() or not gone.done()
    finally:
        for waiter in (everything, gone):
            waiter.cancel()
        await asyncio.gather(everything, gone, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _discard_job(jobs: JobManager, job_id: str) -> None:
    try:
        await jobs.forget(job_id)
    except ApiError:
        # Somebody was quicker.
        return


async def _answer(jobs: JobManager, added: list[Job]) -> Response:
    """200 with all results; 202 while one is missing; the status of its failure where there was one job."""
    all_told = []
    fetched = []
    for job in added:
        describe = jobs.describe(job.record)
        describe["result"] = None
        if job.record.result is not None:
            document = await _document(jobs, job.record)
            describe["result"] = document
            fetched.append(job.record.result)
        all_told.append(describe)
    body: dict[str, Any] = {"jobs": all_told}
    states = {job.record.state for job in added}
    if states & {"queued", "running"}:
        return JSONResponse(body, 202, {"Location": all_told[0]["links"]["self"], "Retry-After": "1"})
    status = 200
    if len(added) == 1 and states == {"failed"}:
        status = http_status(added[0].record.code)
        body["error"] = all_told[0]["error"]
    for name in fetched:
        await jobs.mark_fetched(await jobs.result(name))
    return JSONResponse(body, status)


async def _document(jobs: JobManager, record: JobRecord) -> Any:  # noqa: ANN401
    assert record.result is not None
    return json.loads(await jobs.file(await jobs.result(record.result), MEASUREMENT_NAME, draw=False))
