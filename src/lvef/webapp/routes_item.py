"""The routes of one item: its result, images, correction, files, and the other models on it."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lvef.core.wording import ef_text, interval_text, ml_text, note_text, reason_text
from lvef.service.errors import ApiError, bad_request
from lvef.service.forms import OPTIONS
from lvef.service.middleware import media_type_of
from lvef.service.worker import Task
from lvef.webapp.describe import STATES, no_images
from lvef.webapp.downloads import ALL_NAME, stem_of
from lvef.webapp.items import edit_conflict
from lvef.webapp.measured import with_patient_data
from lvef.webapp.payload import category_of, difference_text, preview_values
from lvef.webapp.routes import json_body
from lvef.webapp.sessions import Item, Session
from lvef.webapp.view_data import contour_of
from lvef.webapp.warning_values import plain_text

if TYPE_CHECKING:
    from lvef.webapp.page import Page

FINISHED = ("done", "refused", "failed")
"""States of a model that has measured."""


async def comparison(page: Page, session: Session, item: Item, part: str) -> dict[str, Any]:
    """All models on an item: its own first, then the others as far as they are.

    Args:
        page: The page.
        session: Whose it is.
        item: A measured item.
        part: Whose contours are wanted.
    """
    own = await page.measured.machine(item.job)
    shown = own.part(part)
    frames = [frame for frame in (shown.ed_frame, shown.es_frame) if frame is not None]
    models = []
    for entry in page.model_list:
        name = entry["name"]
        is_own = page.model_weights[name] == OPTIONS.validate_json(item.options).weights
        job = item.job if is_own else item.compared.get(name)
        if job is None:
            continue
        values = {key: entry[key] for key in ("name", "label", "kind", "experimental")}
        found = await _model(page, session, item, job, part, frames)
        models.append({**values, "is_own": is_own, **found})
    models.sort(key=lambda one: not one["is_own"])
    base = own.measurement.ef_percent
    for one in models:
        one["difference_text"] = "" if one["is_own"] else difference_text(one["ef_percent"], base)
    done = all(one["state"] in FINISHED for one in models)
    efs = [one["ef_percent"] for one in models if one["ef_percent"] is not None]
    return {
        "state": "none" if not item.compared else "done" if done else "running",
        "models": models,
        "part": part,
        "ed_frame": shown.ed_frame,
        "es_frame": shown.es_frame,
        "range_points": max(efs) - min(efs) if len(efs) > 1 else None,
        "known_ef_percent": item.known_ef_percent,
    }


async def _model(
    page: Page, session: Session, item: Item, job: str, part: str, frames: list[int]
) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": "failed",
        "progress": 0.0,
        "ef_percent": None,
        "ef_text": "-",
        "interval_text": "",
        "interval_note": "",
        "volumes_text": "",
        "category": None,
        "message": "",
        "contours": {},
    }
    record = await page.items.job_record(job)
    if record is None:
        return values | {"message": "This result was removed to make room; compare again."}
    if record.state in ("queued", "running"):
        progress = page.jobs.progress(job)
        return values | {"state": record.state, "progress": 0.0 if progress is None else progress.share}
    if record.result is None:
        return values | {"message": plain_text(record.message)}
    try:
        found = with_patient_data(await page.measured.machine(job), page.items.patient(session))
    except ApiError as error:
        return values | {"message": error.message}
    m = found.measurement
    tracings = {frame: found.part(part).tracing(frame) for frame in frames}
    return values | {
        "state": STATES.get(m.status, "done"),
        "progress": 1.0,
        "ef_percent": m.ef_percent,
        "ef_text": ef_text(m.ef_percent),
        "interval_text": interval_text(m),
        "interval_note": note_text(m.interval_note),
        "volumes_text": f"{ml_text(m.edv_ml)} / {ml_text(m.esv_ml)}" if m.edv_ml is not None else "",
        "category": category_of(m),
        "message": plain_text(reason_text(m)),
        "contours": {
            str(frame): contour_of(tracing) for frame, tracing in tracings.items() if tracing is not None
        },
    }


POINTS_NAME = "points.json"
"""File of a worker with a contour from three clicks."""


def item_routes(page: Page) -> list[Route]:
    """The routes of one item."""

    def find(request: Request, own: Session) -> Item:
        return page.items.get(own, request.path_params["item"])

    def part_of(request: Request, item: Item) -> str:
        return page.items.part(item, request.query_params.get("part", ""))

    async def detail(request: Request, own: Session) -> Response:
        # A tab that is open when the page is started again asks for this first.
        await page.models()
        return JSONResponse(await page.descriptions.detail(own, find(request, own)))

    async def stop(request: Request, own: Session) -> Response:
        return JSONResponse(await page.descriptions.summary(own, await page.items.stop(find(request, own))))

    async def measure(request: Request, own: Session) -> Response:
        given = await json_body(request)
        await page.models()
        item = await page.items.measure(own, find(request, own), given)
        return JSONResponse(await page.descriptions.summary(own, item))

    async def delete(request: Request, own: Session) -> Response:
        await page.items.delete([find(request, own)])
        return JSONResponse(await page.descriptions.list_of(own))

    async def view(request: Request, own: Session) -> Response:
        item = find(request, own)
        part = part_of(request, item)
        data = await page.descriptions.view(item, part)
        carried = await page.descriptions.reader_view(own, item, part)
        return (
            JSONResponse(json.loads(data) | carried)
            if carried
            else Response(data, media_type="application/json")
        )

    async def frames(request: Request, own: Session) -> Response:
        item = find(request, own)
        data = await page.descriptions.frames(item, part_of(request, item))
        return Response(data, media_type="application/octet-stream")

    async def thumb(request: Request, own: Session) -> Response:
        item = find(request, own)
        data = await page.descriptions.thumb(own, item, part_of(request, item))
        return Response(data, media_type="image/jpeg")

    async def preview(request: Request, own: Session) -> Response:
        item = await measured(page, find(request, own))
        # The EF is that of the two frames as drawn: what is carried over the cycle does not change it, but takes time.
        edit = without_propagation((await json_body(request)).get("edit"))
        result = await page.measured.with_edit(item, edit, page.items.patient(own))
        machine = await page.measured.machine(item.job)
        return JSONResponse(preview_values(result.measurement, machine.measurement.ef_percent))

    async def put_edit(request: Request, own: Session) -> Response:
        given = await json_body(request)
        await page.models()
        item = await measured(page, find(request, own))
        try:
            if given.get("revision") != item.revision:
                raise edit_conflict()
            item = await page.items.edit(own, item, given.get("edit"), given.get("history"))
        except ApiError as error:
            if error.code != edit_conflict().code:
                raise
            detail = await page.descriptions.detail(own, find(request, own))
            return JSONResponse(error.body() | {"detail": detail}, 409)
        return JSONResponse(await page.descriptions.detail(own, item))

    async def resegment(request: Request, own: Session) -> Response:
        item = await measured(page, find(request, own))
        given = await json_body(request)
        part = page.items.part(item, str(given.get("part") or ""))
        frame = given.get("frame")
        if not isinstance(frame, int) or isinstance(frame, bool) or not are_points([given.get("apex")]):
            raise bad_request("Click the apex on a frame of the clip.")
        if not are_points(given.get("annulus")) or len(given["annulus"]) != 2:
            raise bad_request("Click both ends of the mitral annulus.")
        clip = await page.jobs.run_in_writer(page.jobs.store.clip, item.job, part)
        if clip is None:
            raise no_images()
        values = {
            "part": part,
            "frame": frame,
            "apex": given["apex"],
            "annulus": given["annulus"],
            "clips": {part: clip},
            "options": OPTIONS.validate_json(item.options),
        }
        reply = await page.jobs.run_first(Task("resegment", values))
        return Response(reply.files[POINTS_NAME], media_type="application/json")

    async def compare(request: Request, own: Session) -> Response:
        await page.models()
        item = await measured(page, find(request, own))
        if request.method == "POST":
            item = await page.items.compare(own, item)
        return JSONResponse(await comparison(page, own, item, part_of(request, item)))

    async def file(request: Request, own: Session) -> Response:
        item, name = find(request, own), request.path_params["name"]
        headers = {"Content-Disposition": attachment(item, name)}
        if name == ALL_NAME:
            await measured(page, item)
            pieces = page.downloads.archive(own, [item], with_table=False)
            return StreamingResponse(pieces, media_type=media_type_of(name), headers=headers)
        data = await page.downloads.file(own, item, name)
        return Response(data, headers={**headers, "Content-Type": media_type_of(name)})

    route, here = page.visitors.route, "/api/items/{item}"
    return [
        Route(here, route(detail), methods=["GET"]),
        Route(here, route(delete), methods=["DELETE"]),
        Route(f"{here}/stop", route(stop), methods=["POST"]),
        Route(f"{here}/measure", route(measure), methods=["POST"]),
        Route(f"{here}/view", route(view), methods=["GET"]),
        Route(f"{here}/frames", route(frames), methods=["GET"]),
        Route(f"{here}/thumb", route(thumb), methods=["GET"]),
        Route(f"{here}/preview", route(preview), methods=["POST"]),
        Route(f"{here}/edit", route(put_edit), methods=["PUT"]),
        Route(f"{here}/resegment", route(resegment), methods=["POST"]),
        Route(f"{here}/compare", route(compare), methods=["GET", "POST"]),
        Route(here + "/files/{name:path}", route(file), methods=["GET"]),
    ]


def without_propagation(edit: Any) -> Any:  # noqa: ANN401
    """An edit of one view, or of the views of a study, that changes two frames only."""
    if not isinstance(edit, dict):
        return edit
    if isinstance(edit.get("views"), dict):
        return edit | {"views": {view: without_propagation(own) for view, own in edit["views"].items()}}
    return {key: value for key, value in edit.items() if key != "propagate"}


def attachment(item: Item, name: str) -> str:
    """The header that names a download: plain letters, and the true name for browsers that read it."""
    shown = f"{stem_of(item)}-{name.replace('/', '-')}"
    true = f"{PurePosixPath(item.name.partition(' + ')[0]).stem or 'echo'}-{name.replace('/', '-')}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in shown)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(true, safe='')}"


async def measured(page: Page, item: Item) -> Item:
    """An item with a result.

    Raises:
        ApiError: It has none.
    """
    if not await page.items.has_result(item):
        raise ApiError(409, "not_measured", "There is no result yet.")
    return item


def are_points(given: Any) -> bool:  # noqa: ANN401
    """Whether a value is a list of points ``[x, y]``."""
    return isinstance(given, list) and all(
        isinstance(point, list)
        and len(point) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in point)
        for point in given
    )
