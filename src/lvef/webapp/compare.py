"""The other models on an item: their EF, and their contours on the frames that it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lvef.core.terms import Status
from lvef.core.wording import ef_text, interval_text, ml_text, note_text, reason_text
from lvef.service.errors import ApiError
from lvef.service.forms import OPTIONS
from lvef.webapp.measured import with_patient_data
from lvef.webapp.payload import category_of, difference_text
from lvef.webapp.sessions import Item, Session
from lvef.webapp.view_data import contour_of
from lvef.webapp.warning_values import plain_text

if TYPE_CHECKING:
    from lvef.core.records import Measurement
    from lvef.measure.results import Result
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
    shown = _part(own, part)
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
    tracings = {frame: _part(found, part).tracing(frame) for frame in frames}
    state = {Status.REFUSED: "refused", Status.FAILED: "failed"}.get(m.status, "done")
    return values | {
        "state": state,
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


def _part(result: Result, part: str) -> Measurement:
    return result.views[part][0] if part in result.views else result.measurement
