"""The routes of one item: its result, images, correction, files, and the other models on it."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lvef.service.errors import ApiError
from lvef.service.forms import OPTIONS
from lvef.service.worker import Task
from lvef.webapp.choices import wrong
from lvef.webapp.compare import comparison
from lvef.webapp.describe import no_images
from lvef.webapp.downloads import ALL_NAME, media_type_of, stem_of
from lvef.webapp.items import edit_conflict
from lvef.webapp.payload import preview_values
from lvef.webapp.routes import json_body
from lvef.webapp.sessions import Item, Session

if TYPE_CHECKING:
    from lvef.webapp.page import Page

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
        item = measured(await _with_result(page, find(request, own)))
        # The EF is that of the two frames as drawn: what is carried over the cycle does not change it, but takes time.
        edit = without_propagation((await json_body(request)).get("edit"))
        result = await page.measured.with_edit(item, edit, page.items.patient(own))
        machine = await page.measured.machine(item.job)
        return JSONResponse(preview_values(result.measurement, machine.measurement.ef_percent))

    async def put_edit(request: Request, own: Session) -> Response:
        given = await json_body(request)
        await page.models()
        item = measured(await _with_result(page, find(request, own)))
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
        item = measured(await _with_result(page, find(request, own)))
        given = await json_body(request)
        part = page.items.part(item, str(given.get("part") or ""))
        frame = given.get("frame")
        if not isinstance(frame, int) or isinstance(frame, bool) or not are_points([given.get("apex")]):
            raise wrong("Click the apex on a frame of the clip.")
        if not are_points(given.get("annulus")) or len(given["annulus"]) != 2:
            raise wrong("Click both ends of the mitral annulus.")
        clip = await page.jobs.clip(item.job, part)
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
        item = measured(await _with_result(page, find(request, own)))
        if request.method == "POST":
            item = await page.items.compare(own, item)
        return JSONResponse(await comparison(page, own, item, part_of(request, item)))

    async def file(request: Request, own: Session) -> Response:
        item, name = find(request, own), request.path_params["name"]
        headers = {"Content-Disposition": attachment(item, name)}
        if name == ALL_NAME:
            measured(await _with_result(page, item))
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


def measured(item: Item | None) -> Item:
    """An item with a result.

    Raises:
        ApiError: It has none.
    """
    if item is None:
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


async def _with_result(page: Page, item: Item) -> Item | None:
    record = await page.items.record(item)
    return None if record is None or record.result is None else item
