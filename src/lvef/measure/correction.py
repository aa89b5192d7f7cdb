"""A reader's correction of a measurement: another beat, other frames, contours moved by hand.

Volumes and EF follow from the two contours as they are shown, by the formulas that the machine uses: a beat that is chosen
has the EF that the list of beats gives it. A corrected result is of one beat, where the machine's may be a mean of several,
and a notice says so. The machine's result is never lost: it stands in `Measurement.correction`.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import Beat, CodedWarning, Correction, FloatArray, Measurement, aspect_of
from lvef.core.serialization import read_json
from lvef.core.terms import Status
from lvef.core.wording import averaged_text
from lvef.geometry.control_points import N_CONTROL_POINTS, tracing_of_control_points
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.measure.decision import NO_INTERVAL, WIDE_INTERVAL
from lvef.measure.interval import OF_MODEL_ONLY, without_interval
from lvef.measure.options import MeasureOptions
from lvef.measure.pair import view_warnings
from lvef.measure.propagation import beats_of_curve, propagate
from lvef.measure.results import Result, beat_of_frames, biplane_measurement, method_of_view, with_beat

SCHEMA = "lvef-correction/1"
"""Name and version of the layout of a correction on disk."""

LONGEST_TEXT = 500
"""Letters of a reader's name or note that are kept."""

MAX_FILE_BYTES = 2**20
"""A larger file is no correction."""

OF_READER = "ED and ES by a reader"
"""What the EF of a corrected result rests on, in ``method``."""

OF_MEAN = ("mean_of_ratios", NO_INTERVAL, WIDE_INTERVAL)
"""Notices about the machine's mean and its prediction interval, which a corrected result has no more."""

OF_FILES = ("patients_differ", "studies_differ", "views_swapped", "view_contradicts_file")
"""Notices about the files of a study, whatever a reader changes."""

VIEWS = ("A4C", "A2C")
"""Views of a biplane study."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """What a reader wants changed. What is None stays as the machine has it.

    Attributes:
        ed_frame: End-diastolic frame, from 0.
        es_frame: End-systolic frame, from 0.
        ed_points: The contour at ED as `lvef.geometry.control_points` has it, ``(15, 2)`` pixels of the image.
        es_points: The contour at ES.
        reader: Who, as typed.
        note: Words of the reader.
        propagate: Whether the changes of the two contours are carried to the other frames (`lvef.measure.propagation`).
    """

    ed_frame: int | None = None
    es_frame: int | None = None
    ed_points: FloatArray | None = None
    es_points: FloatArray | None = None
    reader: str = ""
    note: str = ""
    propagate: bool = False

    @property
    def empty(self) -> bool:
        """Whether nothing is to be changed."""
        return all(v is None for v in (self.ed_frame, self.es_frame, self.ed_points, self.es_points))


def corrected(
    machine: Measurement, edit: Edit, options: MeasureOptions, *, now: datetime.datetime | None = None
) -> Measurement:
    """The measurement as the reader has it.

    Args:
        machine: The network's measurement of a clip or a pair of stills, with its tracings; not corrected before.
        edit: What to change.
        options: Settings (sex, height and weight count).
        now: Time of the correction; the clock's where None.

    Returns:
        A measurement with the reader's EF, volumes, frames, tracings and ``correction``; the machine's own where nothing
        changes. It is of one beat and has no mean over beats. Curve, other beats and other frames are still the
        machine's, but with ``propagate``: then they follow.

    Raises:
        GeometryError: Frames that are not there or hold no ventricle, or a contour that is none.
        QualityRefusal: The ventricle is larger at ES than at ED.
    """
    if machine.correction is not None:
        raise GeometryError(f"{machine.source}: it was corrected before; correct the model's own result.")
    ed, es = _frames(machine, edit)
    changed = _changes(machine, edit, ed, es)
    if not changed:
        return machine
    curve, aspect = machine.curve, aspect_of(machine.spacing)
    if curve is None:
        raise GeometryError(f"{machine.source}: there is no contour to correct.")
    tracings = [*machine.tracings, *[None] * (len(curve.times_s) - len(machine.tracings))]
    for frame, points, phase in ((ed, edit.ed_points, "ED"), (es, edit.es_points, "ES")):
        if points is not None:
            traced = tracing_of_control_points(points, aspect=aspect)
            _check_place(machine, points, phase)
            tracings[frame] = traced
        elif tracings[frame] is None:
            raise GeometryError(
                f"{machine.source}: no ventricle was traced on {phase} frame {frame}; choose another, or draw it."
            )
    # Without propagation the curve stays the machine's: two values of another hand in it would be a spike.
    two = [tracing if frame in (ed, es) else None for frame, tracing in enumerate(tracings)]
    shown = volume_curve_of_tracings(two, curve.times_s, machine.spacing)
    beat = beat_of_frames(shown, ed, es, machine.source)
    beats, notices = _beats(machine, beat), [_notice(changed, machine)]
    if edit.propagate and (edit.ed_points is not None or edit.es_points is not None):
        carried = propagate(machine, {ed: edit.ed_points, es: edit.es_points}, tracings)
        tracings, curve = list(carried.tracings), carried.curve
        beats = beats_of_curve(beats, curve, beat)
        notices.append(carried.notice)
    whole = machine.status is Status.OK and "frames" not in changed
    base = replace(
        _of_reader(machine),
        status=Status.OK if whole else Status.PARTIAL_CYCLE,
        reason="",
        reason_code="",
        curve=curve,
        tracings=tuple(tracings),
        beats=beats,
        ef_mean_percent=None,
        ef_sd_percent=None,
        notices=(*(n for n in machine.notices if n.code not in OF_MEAN), *notices),
        correction=_record(machine, edit, changed, now),
    )
    result = with_beat(replace(base, method=method_of_view(base.view)), beat, options, OF_READER)
    return _with_difference(result)


def corrected_study(
    machine: Measurement,
    parts: Mapping[str, Measurement],
    edits: Mapping[str, Edit],
    options: MeasureOptions,
    *,
    now: datetime.datetime | None = None,
) -> tuple[Measurement, dict[str, Measurement]]:
    """A biplane study as the reader has it.

    Args:
        machine: The network's biplane measurement.
        parts: Its views, ``A4C`` and ``A2C``.
        edits: What to change, by view.
        options: Settings.
        now: Time of the correction; the clock's where None.

    Returns:
        The biplane measurement and its views; the machine's own where nothing changes.

    Raises:
        GeometryError: As `corrected`, or a view that is not there.
        QualityRefusal: The ventricle is larger at ES than at ED.
    """
    unknown = [view for view in edits if view not in parts]
    if unknown:
        raise GeometryError(f"{machine.source}: there is no view {unknown[0]}; it has {' and '.join(parts)}.")
    now = now or datetime.datetime.now(datetime.UTC)
    own = {
        view: corrected(part, edits[view], options, now=now) if view in edits else part
        for view, part in parts.items()
    }
    changed = tuple(
        f"{view} {what}"
        for view, part in own.items()
        if part.correction is not None and edits.get(view) is not None
        for what in part.correction.changed
    )
    if not changed:
        return machine, dict(parts)
    first = next(edit for view, edit in edits.items() if not edit.empty)
    result = biplane_measurement(machine.source, own["A4C"], own["A2C"], options, shown_only=True)
    return (
        replace(
            _of_reader(result),
            provenance=machine.provenance,
            notices=(
                *(n for n in machine.notices if n.code in OF_FILES),
                *result.notices,
                _notice(changed, machine),
                *view_warnings(own),
            ),
            correction=_record(machine, first, changed, now),
        ),
        own,
    )


def corrected_result(
    result: Result,
    edits: Mapping[str, Edit],
    options: MeasureOptions,
    *,
    now: datetime.datetime | None = None,
) -> Result:
    """A result of a clip, a pair or a study as the reader has it, with its clips.

    Args:
        result: The model's own.
        edits: What the reader changed: by view, or of a single clip under an empty name, as `edits_from_dict` gives it.
        options: Of `corrected`.
        now: Time of the correction; None for the present.

    Raises:
        GeometryError: See `corrected` and `corrected_study`.
        QualityRefusal: See `corrected`.
    """
    if not result.views:
        return Result(corrected(result.measurement, edits[""], options, now=now), result.clip)
    machine = {view: part for view, (part, _) in result.views.items()}
    whole, own = corrected_study(result.measurement, machine, edits, options, now=now)
    return Result(whole, None, {view: (own[view], clip) for view, (_, clip) in result.views.items()})


def _of_reader(measurement: Measurement) -> Measurement:
    """A measurement without prediction interval, probabilities and decision: they were made for the model's EF."""
    return replace(without_interval(measurement, OF_MODEL_ONLY), decision="")


def _with_difference(m: Measurement) -> Measurement:
    """The result with the second opinion's difference from its own EF, no longer from the model's."""
    other = m.second_opinion
    if other is None or other.ef_percent is None or m.ef_percent is None:
        return m
    return replace(m, second_opinion=replace(other, difference_points=other.ef_percent - m.ef_percent))


def edit_to_dict(edit: Edit) -> dict[str, Any]:
    """Describe a correction with plain values, in the layout ``lvef-correction/1``; points to a hundredth of a pixel."""
    values: dict[str, Any] = {"schema": SCHEMA}
    for field in fields(edit):
        value = getattr(edit, field.name)
        values[field.name] = np.round(value, 2).tolist() if isinstance(value, np.ndarray) else value
    return values


def study_to_dict(edits: Mapping[str, Edit]) -> dict[str, Any]:
    """Describe the corrections of a biplane study, by view."""
    return {"schema": SCHEMA, "views": {view: edit_to_dict(edit) for view, edit in edits.items()}}


def edit_from_dict(values: Any, source: str = "The correction") -> Edit:  # noqa: ANN401
    """Read a correction of one clip or pair from plain values.

    Args:
        values: What a JSON file or a request held.
        source: What to call it in a message.

    Raises:
        DataError: It is not of this layout.
    """
    if not isinstance(values, dict) or values.get("schema", SCHEMA) != SCHEMA:
        found = values.get("schema") if isinstance(values, dict) else type(values).__name__
        raise DataError(
            f"{source} has the layout {found}; {SCHEMA} was expected: save it again from the page."
        )
    known = {field.name for field in fields(Edit)} | {"schema"}
    if "views" in values:
        raise DataError(f"{source} is of a study of two views; the correction of one clip was expected.")
    for key in sorted(str(key) for key in values.keys() - known):
        raise DataError(
            f"{source} has the key {key!r}, which is not known; known are {', '.join(sorted(known))}."
        )
    propagates = values.get("propagate", False)
    if not isinstance(propagates, bool):
        raise DataError(f"{source}: propagate must be true or false.")
    return Edit(
        ed_frame=_frame(values.get("ed_frame"), "ed_frame", source),
        es_frame=_frame(values.get("es_frame"), "es_frame", source),
        ed_points=_contour(values.get("ed_points"), "ed_points", source),
        es_points=_contour(values.get("es_points"), "es_points", source),
        reader=_words(values.get("reader", ""), "reader", source),
        note=_words(values.get("note", ""), "note", source),
        propagate=propagates,
    )


def study_from_dict(values: Any, source: str = "The correction") -> dict[str, Edit]:  # noqa: ANN401
    """Read the corrections of a biplane study from plain values.

    Raises:
        DataError: It is not of this layout.
    """
    views = values.get("views") if isinstance(values, dict) else None
    if not isinstance(views, dict) or not views or any(view not in VIEWS for view in views):
        raise DataError(f'{source} names no views; {{"views": {{"A4C": ..., "A2C": ...}}}} was expected.')
    return {view: edit_from_dict(inner, f"{source} ({view})") for view, inner in views.items()}


def edits_from_dict(values: Any, source: str = "The correction", *, is_study: bool) -> dict[str, Edit]:  # noqa: ANN401
    """Read corrections from plain values: of a study by view, else of the one clip under an empty name.

    Raises:
        DataError: They are of another layout.
    """
    return study_from_dict(values, source) if is_study else {"": edit_from_dict(values, source)}


def read_correction(path: Path) -> Any:  # noqa: ANN401
    """The plain values of a correction file, for `edit_from_dict` or `study_from_dict`.

    Raises:
        DataError: The file cannot be read or is no JSON.
    """
    with suppress(OSError):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise DataError(f"{path} has more than {MAX_FILE_BYTES} bytes; a correction is much smaller.")
    return read_json(path, "a correction saved from the page was expected")


def _frames(machine: Measurement, edit: Edit) -> tuple[int, int]:
    n = machine.n_frames or (0 if machine.curve is None else len(machine.curve.times_s))
    chosen = []
    phases = ("ED", machine.ed_frame, edit.ed_frame), ("ES", machine.es_frame, edit.es_frame)
    for phase, own, wanted in phases:
        frame = own if wanted is None else wanted
        if frame is None:
            raise GeometryError(
                f"{machine.source}: the model found no {phase} frame; choose both frames by hand."
            )
        if not 0 <= frame < n:
            raise GeometryError(
                f"{machine.source}: {phase} frame {frame} was asked for; the clip has frames 0 to {n - 1}."
            )
        chosen.append(frame)
    ed, es = chosen
    if ed == es:
        raise GeometryError(f"{machine.source}: frame {ed} cannot be ED and ES; choose two frames.")
    return ed, es


def _check_place(machine: Measurement, points: FloatArray, phase: str) -> None:
    """Refuse a contour that lies nowhere near the ventricle: points of another image, or in other units."""
    drawn = [tracing.contour for tracing in machine.tracings if tracing is not None]
    if not drawn:
        return
    traced = np.concatenate(drawn)
    if (points.max(axis=0) < traced.min(axis=0)).any() or (points.min(axis=0) > traced.max(axis=0)).any():
        (x0, y0), (x1, y1) = traced.min(axis=0), traced.max(axis=0)
        raise GeometryError(
            f"{machine.source}: the {phase} contour lies beside the ventricle, which was traced between x {x0:.0f} and "
            f"{x1:.0f} and between y {y0:.0f} and {y1:.0f}; points are in pixels of the image."
        )


def _changes(machine: Measurement, edit: Edit, ed: int, es: int) -> tuple[str, ...]:
    changed = []
    if (ed, es) != (machine.ed_frame, machine.es_frame):
        of_beat = any((beat.ed_frame, beat.es_frame) == (ed, es) for beat in machine.beats)
        changed.append("beat" if of_beat else "frames")
    drawn = {"ed_contour": edit.ed_points, "es_contour": edit.es_points}
    return (*changed, *(name for name, points in drawn.items() if points is not None))


def _beats(machine: Measurement, beat: Beat) -> tuple[Beat, ...]:
    """The machine's beats, with the reader's volumes in the one that was corrected, or with a beat more."""
    same = [(b.ed_frame, b.es_frame) == (beat.ed_frame, beat.es_frame) for b in machine.beats]
    if not any(same):
        return tuple(sorted((*machine.beats, beat), key=lambda b: (b.ed_frame, b.es_frame)))
    return tuple(
        replace(
            b, ed_volume=beat.ed_volume, es_volume=beat.es_volume, ef_percent=beat.ef_percent, excluded=""
        )
        if hit
        else b
        for b, hit in zip(machine.beats, same, strict=True)
    )


def _record(
    machine: Measurement, edit: Edit, changed: tuple[str, ...], now: datetime.datetime | None
) -> Correction:
    return Correction(
        reader=_cut(edit.reader),
        corrected_at=(now or datetime.datetime.now(datetime.UTC))
        .astimezone(datetime.UTC)
        .isoformat(timespec="seconds"),
        changed=changed,
        machine_ef_percent=machine.ef_percent,
        machine_edv_ml=machine.edv_ml,
        machine_esv_ml=machine.esv_ml,
        machine_ed_frame=machine.ed_frame,
        machine_es_frame=machine.es_frame,
        machine_beats_averaged=machine.beats_averaged,
        note=_cut(edit.note),
    )


def _notice(changed: tuple[str, ...], machine: Measurement) -> CodedWarning:
    drawn = any(what.endswith("_contour") for what in changed)
    what = "contours moved by hand" if drawn else "frames chosen by hand"
    text = f"Corrected by a reader ({what}): EF and volumes follow from the ED and the ES contour as shown"
    n = averaged_text(machine)
    mean = f", of one beat; the model's are means of {n}" if n else ""
    return CodedWarning("corrected_by_reader", f"{text}{mean}.")


def _cut(text: str) -> str:
    return " ".join(text.split())[:LONGEST_TEXT]


def _frame(value: Any, name: str, source: str) -> int | None:  # noqa: ANN401
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31
    ):
        raise DataError(f"{source}: {name} is {value!r}; a frame from 0 was expected.")
    return value


def _contour(value: Any, name: str, source: str) -> FloatArray | None:  # noqa: ANN401
    if value is None:
        return None
    wrong = DataError(f"{source}: {name} must be {N_CONTROL_POINTS} points [x, y] in pixels of the image.")
    try:
        points = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None
    if points.shape != (N_CONTROL_POINTS, 2) or not np.isfinite(points).all() or np.abs(points).max() > 1e5:
        raise wrong
    return points


def _words(value: Any, name: str, source: str) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise DataError(f"{source}: {name} must be text.")
    return _cut(value)
