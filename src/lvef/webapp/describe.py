"""Items as the page sees them: a summary for the list, and everything about one."""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any

from lvef.core.memory import release_free_memory
from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.measure.options import AUTO, MeasureOptions
from lvef.measure.results import Result
from lvef.service.errors import ApiError
from lvef.service.forms import OPTIONS
from lvef.service.pool import STOPPED
from lvef.service.schemas import iso
from lvef.service.serializers import deserialize_clip
from lvef.service.store import JobRecord
from lvef.webapp.downloads import file_names
from lvef.webapp.items import Items
from lvef.webapp.measured import RecentlyUsed, ShownResult, derived_key
from lvef.webapp.payload import needs_scale, payload, summary, summary_without
from lvef.webapp.sessions import STILLS, STUDY, Item, Session
from lvef.webapp.view_data import depth_line, pack_frames, reader_view, thumbnail, view_data
from lvef.webapp.warning_values import plain_text

DOING = {"reading": "reading", "tracing": "tracing", "finding beats": "beats", "reading the EF": "ef"}
"""What a job does, by the step of `lvef.measure.pipeline`."""

STATES = {Status.REFUSED: "refused", Status.FAILED: "failed"}
"""State of an item whose result has this status; all others are ``done``."""

MAX_PROGRESS = 0.97
"""Largest progress of an item that is not finished."""

KEPT_SUMMARIES = 2000
"""Summaries of finished items that are kept in memory."""

KEPT_THUMBS = 400
"""Small images that are kept in memory, some kilobytes each."""

SWAPPED_STILLS, SWAPPED_VIEWS = "es_above_ed", "views_swapped"
"""Codes that say that the two files of an item look swapped."""

LARGE_CLIP_BYTES = 2**26
"""From this size on, the memory of a clip is given back to the system at once."""

VIEW_FILE, FRAMES_FILE = "view.page", "frames.page"
"""Files of a result that only this page reads."""

Values = dict[str, Any]


class Descriptions:
    """Describes items. Its coroutines run in the loop of the jobs.

    Args:
        items: The items.
    """

    def __init__(self, items: Items) -> None:
        self._items, self._measured, self._jobs = items, items.measured, items.jobs
        self._summaries: RecentlyUsed[str, Values] = self._measured.new_cache(KEPT_SUMMARIES)
        self._thumbs: RecentlyUsed[str, bytes] = self._measured.new_cache(KEPT_THUMBS)
        self._making = asyncio.Lock()

    async def list_of(self, session: Session) -> Values:
        """All items of a session, newest last, and a number that changes when any of them does."""
        items = [await self.summary(session, item) for item in self._items.store.items(session.id)]
        return {"revision": zlib.crc32(json.dumps(items).encode()), "items": items}

    async def summary(self, session: Session, item: Item) -> Values:
        """What the list says of an item."""
        record = await self._items.record(item)
        base = summary_without() | {
            "id": item.id,
            "kind": item.kind,
            "name": item.name,
            "revision": item.revision,
            "created": iso(item.created),
            "expires": iso(item.touched + self._jobs.store.keep_s),
            "known_ef_percent": item.known_ef_percent,
            "sample": item.sample,
            "progress": 0.0,
            "doing": "",
            "position": None,
        }
        if record is None or record.code == STOPPED.code:
            state = "stopped" if item.stopped or record is not None else "failed"
            gone = "" if state == "stopped" else "This result was removed to make room; measure it again."
            code = "" if state == "stopped" else "result_gone"
            return {**base, "state": state, "reason": gone, "reason_code": code}
        if record.state in ("queued", "running"):
            return {**base, **self._progress(item, record)}
        if record.result is None:
            reason = {"reason": plain_text(record.message), "reason_code": record.code}
            return {**base, "state": "failed", "progress": 1.0, **reason}
        patient = self._items.patient(session)
        key = derived_key(item, patient)
        found = self._summaries.get(key)
        if found is None:
            try:
                result = (await self._measured.shown(item, patient)).result
            except ApiError as error:
                reason = {"reason": error.message, "reason_code": error.code}
                return {**base, "state": "failed", "progress": 1.0, **reason}
            found = self._summaries.put(
                key,
                {
                    **summary(result.measurement, views_of(result)),
                    "state": STATES.get(result.measurement.status, "done"),
                    "progress": 1.0,
                },
            )
        return {**base, **found}

    async def detail(self, session: Session, item: Item) -> Values:
        """Everything about an item but its frames."""
        values = await self.summary(session, item)
        parts = self._items.parts(item)
        details: Values = {
            "parts": list(parts),
            "result": None,
            "machine": None,
            "by_part": {},
            "machine_by_part": {},
            "edit": item.edit,
            "history": self._items.store.history(item),
            "options": options_of(item, self._items.models),
            "swap": False,
            "scale": {"needed": False, "parts": []},
            "files": [],
            "compared": bool(item.compared),
        }
        if values["state"] not in ("done", "refused", "failed") or values["reason_code"] == "result_gone":
            return {**values, **details}
        try:
            shown = await self._measured.shown(item, self._items.patient(session))
        except ApiError:
            # It failed before there was a result.
            return {**values, **details}
        m = shown.result.measurement
        details["result"] = payload(m, item.known_ef_percent, views_of(shown.result))
        if m.correction is not None:
            details["machine"] = payload(
                shown.machine.measurement, item.known_ef_percent, views_of(shown.machine)
            )
        for part, (own, _) in shown.result.views.items():
            details["by_part"][part] = payload(own)
            if own.correction is not None:
                details["machine_by_part"][part] = payload(shown.machine.views[part][0])
        details["swap"] = _looks_swapped(item, shown.machine.measurement)
        details["scale"] = await self._scale(item, shown)
        details["files"] = await file_names(self._jobs, item, shown)
        return {**values, **details}

    async def view(self, item: Item, part: str) -> bytes:
        """What the viewer shows of a part but its frames, as JSON.

        Raises:
            ApiError: There are no images.
        """
        return await self._made(item, part, VIEW_FILE)

    async def reader_view(self, session: Session, item: Item, part: str) -> Values:
        """Contours and curve of a correction that is propagated over the cycle; empty where there is none."""
        edit = (item.edit or {}).get("views", {}).get(part) if part else item.edit
        if not (edit and edit.get("propagate")):
            return {}
        shown = await self._measured.shown(item, self._items.patient(session))
        reader, machine = (result.part(part) for result in (shown.result, shown.machine))
        return {} if reader.curve is None else await asyncio.to_thread(reader_view, reader, machine)

    async def frames(self, item: Item, part: str) -> bytes:
        """The frames of a part; see `lvef.webapp.view_data.pack_frames`.

        Raises:
            ApiError: There are no images.
        """
        return await self._made(item, part, FRAMES_FILE)

    async def thumb(self, session: Session, item: Item, part: str) -> bytes:
        """A small image of a part, with the reader's contour where there is one.

        Raises:
            ApiError: There are no images.
        """
        if not await self._items.has_result(item):
            raise no_images()
        shown = await self._measured.shown(item, self._items.patient(session))
        made = self._thumbs.get(f"{shown.key}/{part}")
        if made is None:
            view = json.loads(await self.view(item, part))
            frames = await self.frames(item, part)
            made = await asyncio.to_thread(thumbnail, shown.result.part(part), view, frames)
            self._thumbs.put(f"{shown.key}/{part}", made)
        return made

    async def _made(self, item: Item, part: str, name: str) -> bytes:
        """A file that is made of a part and its clip at the first request, and then kept with the result."""
        if not await self._items.has_result(item):
            raise no_images()
        name = f"{part}/{name}" if part else name
        kept = await self._jobs.run_in_writer(self._jobs.store.file, item.job, name)
        if kept is not None:
            return kept
        machine = await self._measured.machine(item.job)
        # One at a time: a long clip takes much memory, and the viewer asks for view and frames at once.
        async with self._making:
            kept = await self._jobs.run_in_writer(self._jobs.store.file, item.job, name)
            if kept is not None:
                return kept
            clip = await self._jobs.run_in_writer(self._jobs.store.clip, item.job, part)
            if clip is None:
                raise no_images()
            made = await asyncio.to_thread(_make, machine.part(part), clip)
        prefix = name.removesuffix(name.rpartition("/")[2])
        for own, data in made.items():
            await self._jobs.keep_file(item.job, prefix + own, data)
        return made[name.removeprefix(prefix)]

    async def _scale(self, item: Item, shown: ShownResult) -> Values:
        """The scale by hand: whether one is needed, and of each part the line that was given and where one would start."""
        given = item.scale or {}
        measured = {} if item.kind == STILLS else shown.machine.singles
        wanting = [part for part, (m, _) in measured.items() if needs_scale(m)]
        parts: list[Values] = []
        for part in dict.fromkeys((*wanting, *given)):
            values = {"part": part, **given.get(part, {"line": None, "length_mm": None})}
            try:
                view = json.loads(await self.view(item, part))
            except ApiError:
                if part not in given:
                    continue
                values["start_line"] = values["line"]
            else:
                start = depth_line(view["sector_box"], view["width"], view["height"])
                values["start_line"] = values["line"] or start
            parts.append(values)
        return {"needed": any(one["part"] in wanting for one in parts), "parts": parts}

    def _progress(self, item: Item, record: JobRecord) -> Values:
        if record.state == "queued":
            position = self._jobs.position(item.job)
            return {"state": "queued", "doing": "queued", "position": position}
        progress = self._jobs.progress(item.job)
        if progress is None:
            return {"state": "running", "doing": "reading", "progress": 0.02}
        share = min(progress.share, MAX_PROGRESS)
        return {
            "state": "running",
            "doing": DOING.get(progress.doing, "reading"),
            "progress": round(share, 3),
        }


def views_of(result: Result) -> dict[str, Measurement]:
    """The views of a study without their clips."""
    return {view: m for view, (m, _) in result.views.items()}


def no_images() -> ApiError:
    """An item has no frames to show."""
    return ApiError(404, "no_images", "There are no images of this file to show.")


def options_of(item: Item, models: dict[str, str]) -> Values:
    """The options with which an item was measured, as the page names them."""
    options: MeasureOptions = OPTIONS.validate_json(item.options)
    names = {weights: name for name, weights in models.items()}
    return {
        "weights": names.get(options.weights, ""),
        "view": str(options.view),
        "frame_rate_hz": options.frame_rate_hz,
        "second_opinion": options.second_opinion == AUTO,
    }


def _looks_swapped(item: Item, m: Measurement) -> bool:
    if item.kind == STILLS:
        return m.reason_code == SWAPPED_STILLS
    return item.kind == STUDY and any(notice.code == SWAPPED_VIEWS for notice in m.notices)


def _make(measurement: Measurement, data: bytes) -> dict[str, bytes]:
    """All files that are made of a clip."""
    clip = deserialize_clip(data)
    made = {VIEW_FILE: json.dumps(view_data(measurement, clip)).encode(), FRAMES_FILE: pack_frames(clip)}
    if clip.frames.nbytes > LARGE_CLIP_BYTES:
        del clip
        release_free_memory()
    return made
