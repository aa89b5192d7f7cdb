"""Results: the measurement, its tables and pictures, and corrections of it."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from lvef.measure.serializers import BEATS_NAME, CURVE_NAME, MEASUREMENT_NAME
from lvef.report.outputs import OVERLAY_NAME, SUMMARY_NAME
from lvef.service.drawing import REPORT_HTML, REPORT_PDF
from lvef.service.errors import ApiError
from lvef.service.jobs import JobManager
from lvef.service.schemas import CORRECTION_BODY, CorrectionResponse, ResultFiles, errors
from lvef.service.serializers import PARTS

MAX_CORRECTION_BYTES = 2**20
"""A larger body is no correction."""

PAGE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'; sandbox"
)
"""Content-Security-Policy of the HTML report: its own style and pictures, no script, nothing from outside."""

TABLES = {CURVE_NAME: "text/csv; charset=utf-8", BEATS_NAME: "text/csv; charset=utf-8"}
"""Files that are made with the measurement, and their media types."""

PICTURES = {OVERLAY_NAME: "video/mp4", SUMMARY_NAME: "image/png"}
"""Files that are drawn when they are asked for."""

REPORTS = {REPORT_PDF: "application/pdf", REPORT_HTML: "text/html; charset=utf-8"}
"""Reports of a whole result."""

WHAT = {
    MEASUREMENT_NAME: "The measurement of one view, layout lvef-measurement/2",
    CURVE_NAME: "Volume and length on every frame",
    BEATS_NAME: "All beats, excluded ones with their reason",
    OVERLAY_NAME: "The clip with contours and curve, H.264",
    SUMMARY_NAME: "The answer on one picture",
    REPORT_PDF: "The report, one A4 page",
    REPORT_HTML: "The report as a page that needs nothing from outside",
}
"""What each file is."""

_NOT_FOUND = errors(s404="There is no such result, no longer, or it has no such file.")


def result_routes(jobs: JobManager) -> APIRouter:
    """The routes of results."""
    routes = APIRouter(tags=["results"])

    @routes.get(
        "/v1/results/{result_id}",
        responses={
            200: {
                "content": {
                    "application/json": {"example": {"schema": "lvef-measurement/2", "ef_percent": 58.2}}
                }
            },
            **_NOT_FOUND,
        },
        response_class=JSONResponse,
        summary="The measurement, layout lvef-measurement/2",
    )
    async def result(result_id: str) -> Response:
        """The same document as `lvef measure --json` prints."""
        found = await jobs.result(result_id)
        data = await jobs.file(found, MEASUREMENT_NAME, draw=False)
        await jobs.mark_fetched(found)
        links = {"X-Parent-Result": found.parent} if found.parent else {}
        return Response(data, media_type="application/json", headers=links)

    @routes.get(
        "/v1/results/{result_id}/files",
        response_model=ResultFiles,
        responses=_NOT_FOUND,
        summary="What belongs to a result, its parent and its corrections",
    )
    async def files(result_id: str) -> Response:
        """Links to all files that it has or that can be drawn of it."""
        found = await jobs.result(result_id)
        return JSONResponse(await jobs.result_files(found, _offered))

    @routes.post(
        "/v1/results/{result_id}/correction",
        response_model=CorrectionResponse,
        status_code=201,
        openapi_extra=CORRECTION_BODY,
        responses=errors(
            s400="The body is no JSON.",
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
            edit = await _json_body(request)
        except ClientDisconnect:
            return Response(status_code=499)
        new = await jobs.correct(found, edit)
        link = f"{jobs.settings.root_path}/v1/results/{new.id}"
        document = json.loads(await jobs.file(new, MEASUREMENT_NAME, draw=False))
        answer = {"id": new.id, "parent": found.id, "links": {"result": link}, "result": document}
        return JSONResponse(answer, 201, {"Location": link})

    for name, kind in {**TABLES, **PICTURES, **REPORTS}.items():
        _add_file(routes, jobs, "", name, kind)
    for part in PARTS:
        for name, kind in {MEASUREMENT_NAME: "application/json", **TABLES, **PICTURES}.items():
            _add_file(routes, jobs, f"{part}/", name, kind)
    return routes


def _add_file(routes: APIRouter, jobs: JobManager, prefix: str, name: str, kind: str) -> None:
    drawn = name in PICTURES or name in REPORTS
    headers = {"Content-Security-Policy": PAGE_POLICY} if name == REPORT_HTML else {}

    async def file(result_id: str) -> Response:
        data = await jobs.file(await jobs.result(result_id), prefix + name, draw=drawn)
        return Response(data, media_type=kind, headers=headers)

    routes.add_api_route(
        f"/v1/results/{{result_id}}/{prefix}{name}",
        file,
        methods=["GET"],
        response_class=Response,
        responses={200: {"content": {kind.split(";")[0]: {}}}, **_NOT_FOUND},
        summary=WHAT[name] + (f", view {prefix[:-1]} of a biplane study" if prefix else ""),
        operation_id=f"{prefix}{name}".replace("/", "_").replace(".", "_"),
    )


def _offered(names: list[str], clips: list[str]) -> list[str]:
    """Files that a result has, and those that can be drawn of it."""
    tables = [name for name in names if name.rpartition("/")[2] in (*TABLES, MEASUREMENT_NAME)]
    pictures = [f"{part}/{name}" if part else name for part in clips for name in PICTURES]
    return [*sorted({*tables, *pictures} - {MEASUREMENT_NAME}), *REPORTS]


async def _json_body(request: Request) -> Any:  # noqa: ANN401
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_CORRECTION_BYTES:
            raise ApiError(413, "too_large", "A correction has at most 1 MB.")
    try:
        values = json.loads(data.decode("utf-8"))
        # Halves of letters can be written in JSON and nowhere else.
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise ApiError(
            400, "bad_json", "The body is no JSON; the layout lvef-correction/1 was expected."
        ) from None
    return values
