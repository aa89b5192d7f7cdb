"""Measurements put together from what was found: the answer, the biplane answer, and no answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lvef.core.errors import DataError, QualityRefusal
from lvef.core.records import FROM_FILE, Beat, Clip, Measurement, Tracing, VolumeCurve
from lvef.core.terms import Status, View
from lvef.core.workers import TookTooLong
from lvef.geometry.biplane import biplane_ef
from lvef.geometry.categories import categories
from lvef.geometry.ejection import (
    body_surface_area,
    cardiac_output,
    ejection_fraction,
    indexed_values,
    stroke_volume,
)
from lvef.measure.options import MeasureOptions


class RefusedWithCurve(QualityRefusal):
    """No beat was found, but the curve is worth showing.

    Attributes:
        base: The measurement as far as it went.
    """

    def __init__(self, code: str, message: str, base: Measurement) -> None:
        super().__init__(code, message)
        self.base = base


def method_of(view: View) -> str:
    """Name of the method for one plane."""
    return "method of disks, one plane" + ("" if view is View.UNKNOWN else f" ({view})")


def unanswered(
    clip: Clip, curve: VolumeCurve, tracings: Sequence[Tracing | None], options: MeasureOptions
) -> Measurement:
    """What is known of a clip before its beats are: curve, tracings, timing, scale."""
    view = clip.view if clip.view is not View.UNKNOWN else options.view
    return Measurement(
        source=clip.source,
        status=Status.REFUSED,
        method=method_of(view),
        view=view,
        volume_note="" if curve.calibrated else clip.spacing_note or "The file has no scale.",
        n_frames=len(clip.frames),
        frame_rate_hz=clip.frame_rate_hz,
        duration_s=float(clip.times_s[-1]),
        timing=clip.timing,
        spacing=clip.spacing,
        heart_rate_bpm=clip.heart_rate_bpm,
        heart_rate_source=FROM_FILE if clip.heart_rate_bpm else "",
        notices=clip.notices,
        curve=curve,
        tracings=tuple(tracings),
    )


def with_beat(base: Measurement, beat: Beat, options: MeasureOptions) -> Measurement:
    """Fill in what follows from the representative beat: EF, volumes, indices, categories."""
    calibrated = base.curve is not None and base.curve.calibrated
    edv = beat.ed_volume if calibrated else None
    esv = beat.es_volume if calibrated else None
    filled = with_volumes(base, beat.ef_percent, edv, esv, options)
    return replace(filled, ed_frame=beat.ed_frame, es_frame=beat.es_frame, beats=base.beats or (beat,))


def with_volumes(
    base: Measurement, ef_percent: float, edv: float | None, esv: float | None, options: MeasureOptions
) -> Measurement:
    """Fill in EF and volumes (ml) and what follows from them."""
    stroke = stroke_volume(edv, esv) if edv is not None and esv is not None else None
    indexed: dict[str, float] = {}
    if options.height_cm is not None and options.weight_kg is not None:
        surface = body_surface_area(options.height_cm, options.weight_kg)
        rate = base.heart_rate_bpm
        output = cardiac_output(stroke, rate) if stroke is not None and rate is not None else None
        indexed = {"body_surface_m2": surface}
        indexed |= indexed_values(surface, edv_ml=edv, esv_ml=esv, cardiac_output_l_min=output)
    return replace(
        base,
        ef_percent=ef_percent,
        edv_ml=edv,
        esv_ml=esv,
        stroke_volume_ml=stroke,
        indexed=indexed,
        categories=categories(ef_percent, options.sex),
    )


def biplane_answer(source: str, four: Measurement, two: Measurement, options: MeasureOptions) -> Measurement:
    """The biplane measurement of two single-plane ones.

    Args:
        source: Both file names.
        four: A4C measurement with an EF.
        two: A2C measurement with an EF.
        options: Settings.
    """
    a4c_ed, a4c_es = _phase_tracings(four)
    a2c_ed, a2c_es = _phase_tracings(two)
    result = biplane_ef(
        a4c_ed,
        a4c_es,
        a2c_ed,
        a2c_es,
        a4c_spacing=four.spacing,
        a2c_spacing=two.spacing,
        a4c_cycle_s=_cycle(four),
        a2c_cycle_s=_cycle(two),
    )
    whole = four.status is Status.OK and two.status is Status.OK
    base = Measurement(
        source=source,
        status=Status.OK if whole else Status.PARTIAL_CYCLE,
        method="biplane method of disks"
        + ("" if result.axis == "longer" else ", A4C long axis for both views"),
        volume_note="" if result.edv_ml is not None else "A biplane volume needs the scale of both views.",
        heart_rate_bpm=four.heart_rate_bpm,
        heart_rate_source=four.heart_rate_source,
        single_plane={"A4C": result.ef_a4c_percent, "A2C": result.ef_a2c_percent},
        notices=result.notices,
    )
    return with_volumes(base, result.ef_percent, result.edv_ml, result.esv_ml, options)


def no_answer(source: str, error: Exception, clip: Clip | None) -> Measurement:
    """A refusal or failure as a measurement, with the sentence that says why."""
    if isinstance(error, RefusedWithCurve):
        return replace(error.base, reason=str(error), reason_code=error.code)
    reason = str(error)
    if isinstance(error, MemoryError):
        reason = (
            f"{source}: there is not enough memory for this clip; cut it shorter or make the frames smaller."
        )
    refused = isinstance(error, QualityRefusal)
    return Measurement(
        source=source,
        status=Status.REFUSED if refused else Status.FAILED,
        reason=reason,
        reason_code=_code(error),
        n_frames=None if clip is None else len(clip.frames),
        notices=() if clip is None else clip.notices,
    )


def beat_of_frames(curve: VolumeCurve, ed: int, es: int, source: str) -> Beat:
    """The beat of two frames whose phases are known.

    Args:
        curve: Volumes of the clip or the pair.
        ed: End-diastolic frame.
        es: End-systolic frame.
        source: What to call it in a message.

    Raises:
        GeometryError: The end-diastolic volume is not above 0.
        QualityRefusal: ``es_above_ed``, the ventricle is larger at ES than at ED: no EF follows from that.
    """
    edv, esv = float(curve.volume[ed]), float(curve.volume[es])
    if esv > edv > 0:
        raise QualityRefusal(
            "es_above_ed",
            f"{source}: the ventricle is {100 * (esv / edv - 1):.0f} % larger at ES than at ED; the two may be swapped, or "
            "the ventricle was lost on one of them. Swap them, or choose other frames.",
        )
    return Beat(ed, es, None, edv, esv, ejection_fraction(edv, esv), None)


def _code(error: Exception) -> str:
    """Short reason for tables and programs."""
    if isinstance(error, QualityRefusal):
        return error.code
    if isinstance(error, DataError):
        return "unreadable"
    if isinstance(error, TookTooLong):
        return "too_slow"
    return "too_large" if isinstance(error, MemoryError) else "not_measurable"


def _phase_tracings(measurement: Measurement) -> tuple[Tracing, Tracing]:
    """Tracings of the representative ED and ES frame."""
    found = []
    for frame in (measurement.ed_frame, measurement.es_frame):
        tracing = None if frame is None else measurement.tracings[frame]
        if tracing is None:
            raise QualityRefusal("no_tracing", f"{measurement.source}: the ED or ES frame has no tracing.")
        found.append(tracing)
    return found[0], found[1]


def _cycle(measurement: Measurement) -> float | None:
    """Length of the representative beat in seconds."""
    for beat in measurement.beats:
        if beat.ed_frame == measurement.ed_frame and beat.es_frame == measurement.es_frame:
            return beat.duration_s
    return None
