"""Results, and the functions that build a `Measurement` from curve and beats, from two views, or from an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from lvef.core.errors import DataError, QualityRefusal
from lvef.core.records import FROM_FILE, Beat, Clip, CodedWarning, Measurement, Tracing, VolumeCurve
from lvef.core.terms import Status, View, ViewSource
from lvef.core.workers import TimeLimitExceeded
from lvef.geometry.categories import categories
from lvef.geometry.ejection import (
    body_surface_area,
    cardiac_output,
    ejection_fraction,
    indexed_values,
    stroke_volume,
)
from lvef.geometry.simpson import biplane_ef
from lvef.inference.card import Card, experimental_text
from lvef.measure.options import MeasureOptions
from lvef.measure.pair import acquisition_warnings
from lvef.measure.stated_view import known_view


@dataclass(frozen=True, slots=True)
class Outputs:
    """Which of the files that take time are written; the JSON and the tables always are.

    Attributes:
        video: Write ``overlay.mp4``.
        summary: Write ``summary.png``.
    """

    video: bool = True
    summary: bool = True


@dataclass(frozen=True, slots=True)
class Result:
    """A measurement with its clip and, of a biplane study, the measurements and clips of its two views."""

    measurement: Measurement
    clip: Clip | None
    views: Mapping[str, tuple[Measurement, Clip | None]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, tuple[Measurement, Clip | None]]:
        """The result itself under an empty name, then the views of a study under theirs."""
        return {"": (self.measurement, self.clip), **self.views}

    @property
    def singles(self) -> Mapping[str, tuple[Measurement, Clip | None]]:
        """What was measured on a clip of its own: the views of a study, else the result itself under an empty name."""
        return self.views or self.parts

    def part(self, name: str) -> Measurement:
        """The measurement of a view; of the whole where there is no such view."""
        return self.parts.get(name, self.parts[""])[0]


class RefusalWithCurve(QualityRefusal):
    """No beat was found, but the curve is worth showing.

    Attributes:
        base: The measurement as far as it went.
    """

    def __init__(self, code: str, message: str, base: Measurement) -> None:
        super().__init__(code, message)
        self.base = base


EXPERIMENTAL_MODEL = "experimental_network"
"""Code of the warning that the EF of the model does not hold on clips of other hospitals."""

RATIO_POINTS = 0.5
"""From this difference on, in points, a warning says that the mean of the EFs is not the EF of the mean volumes."""


def method_of_view(view: View) -> str:
    """Name of the method for one plane, before what it rests on."""
    return "method of disks, one plane" + ("" if view is View.UNKNOWN else f" ({view})")


def with_view(measurement: Measurement, view: View) -> Measurement:
    """The measurement with the view that the user gave, whatever its file says."""
    before, method = method_of_view(measurement.view), measurement.method
    if method.startswith(before):
        method = method_of_view(view) + method.removeprefix(before)
    source = measurement.view_source if measurement.view is view else ViewSource.USER
    return replace(measurement, view=view, view_source=source, method=method)


def base_measurement(
    clip: Clip, curve: VolumeCurve, tracings: Sequence[Tracing | None], options: MeasureOptions
) -> Measurement:
    """What is known of a clip before its beats are: curve, tracings, timing, scale."""
    view, view_source = known_view(clip, options.view)
    return Measurement(
        source=clip.source,
        status=Status.REFUSED,
        method=method_of_view(view),
        view=view,
        view_source=view_source,
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


def with_experimental_warning(measurement: Measurement, card: Card) -> Measurement:
    """With the warning that the model is experimental, first and once; unchanged where it is not.

    Args:
        measurement: Any result, with or without an EF.
        card: The model's card.
    """
    text = experimental_text(card)
    if not text:
        return measurement
    # A study has it from its views too, with their names in front.
    rest = [n for n in measurement.notices if not (n.code == EXPERIMENTAL_MODEL and n.text.endswith(text))]
    return replace(measurement, notices=(CodedWarning(EXPERIMENTAL_MODEL, text), *rest))


def with_beats(base: Measurement, shown: Beat, options: MeasureOptions) -> Measurement:
    """Fill in what follows from the beats: the means of EF and volumes over the counted ones, indices, categories.

    Args:
        base: With its beats.
        shown: The one to show; where no complete beat counts, the one that the EF rests on.
        options: Settings.
    """
    beats = base.counted_beats or (shown,)
    n, method = len(beats), base.method
    filled = with_beat(base, shown, options, "one beat" if base.counted_beats else "one ED and one ES")
    if n == 1:
        return filled
    ef, edv, esv = (
        float(np.mean([getattr(beat, name) for beat in beats]))
        for name in ("ef_percent", "ed_volume", "es_volume")
    )
    calibrated = base.curve is not None and base.curve.calibrated
    filled = replace(filled, method=f"{method}, mean over {n} beats", beats_averaged=n)
    if calibrated and abs(ef - ejection_fraction(edv, esv)) >= RATIO_POINTS:
        text = (
            f"The EF is the mean of the EFs of {n} beats ({ef:.1f} %); their mean volumes alone would give "
            f"{ejection_fraction(edv, esv):.1f} %."
        )
        filled = replace(filled, notices=(*filled.notices, CodedWarning("mean_of_ratios", text)))
    return with_volumes(filled, ef, edv if calibrated else None, esv if calibrated else None, options)


def with_beat(base: Measurement, beat: Beat, options: MeasureOptions, rests_on: str = "") -> Measurement:
    """Fill in what follows from one beat: EF, volumes, indices, categories.

    Args:
        base: What is known without it.
        beat: The beat.
        options: Settings.
        rests_on: What the EF rests on, to be named in ``method``.
    """
    calibrated = base.curve is not None and base.curve.calibrated
    edv = beat.ed_volume if calibrated else None
    esv = beat.es_volume if calibrated else None
    method = ", ".join(filter(None, (base.method, rests_on)))
    filled = with_volumes(replace(base, method=method), beat.ef_percent, edv, esv, options)
    return replace(
        filled, ed_frame=beat.ed_frame, es_frame=beat.es_frame, beats=base.beats or (beat,), beats_averaged=1
    )


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


def biplane_measurement(
    source: str, four: Measurement, two: Measurement, options: MeasureOptions, *, shown_only: bool = False
) -> Measurement:
    """The biplane measurement of two single-plane ones: the mean over every pair of an A4C and an A2C beat.

    The two views show different heartbeats: no beat of one belongs to a certain beat of the other.

    Args:
        source: Both file names.
        four: A4C measurement with an EF.
        two: A2C measurement with an EF.
        options: Settings.
        shown_only: Take the beats that are shown and no others: a reader corrected these.
    """
    beats = [_beats_of(m, shown_only=shown_only) for m in (four, two)]
    results = [
        biplane_ef(
            *_phase_tracings(four, one),
            *_phase_tracings(two, other),
            a4c_spacing=four.spacing,
            a2c_spacing=two.spacing,
            a4c_cycle_s=one.duration_s,
            a2c_cycle_s=other.duration_s,
        )
        for one, other in product(*beats)
    ]
    shown = results[0]
    ef = float(np.mean([result.ef_percent for result in results]))
    edv, esv = (
        None if shown.edv_ml is None else float(np.mean([getattr(result, name) for result in results]))
        for name in ("edv_ml", "esv_ml")
    )
    whole = four.status is Status.OK and two.status is Status.OK
    n = [len(of_view) for of_view in beats]
    over = f"mean over {n[0]} x {n[1]} beats" if len(results) > 1 else "one beat of each view"
    rate, source_of_rate = next(
        ((m.heart_rate_bpm, m.heart_rate_source) for m in (four, two) if m.heart_rate_bpm is not None),
        (None, ""),
    )
    base = Measurement(
        source=source,
        status=Status.OK if whole else Status.PARTIAL_CYCLE,
        method="biplane method of disks"
        + ("" if shown.axis == "longer" else ", A4C long axis for both views")
        + f", {over}",
        volume_note="" if edv is not None else "A biplane volume needs the scale of both views.",
        heart_rate_bpm=rate,
        heart_rate_source=source_of_rate,
        beats_averaged=len(results),
        # A view says the same here and in its own files.
        single_plane={"A4C": four.ef_percent, "A2C": two.ef_percent},
        notices=(*shown.notices, *acquisition_warnings(four, two, shown.notices)),
    )
    return with_volumes(base, ef, edv, esv, options)


def failed_measurement(source: str, error: Exception, clip: Clip | None) -> Measurement:
    """A refusal or failure as a measurement, with the reason."""
    if isinstance(error, RefusalWithCurve):
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
    if isinstance(error, TimeLimitExceeded):
        return "too_slow"
    return "too_large" if isinstance(error, MemoryError) else "not_measurable"


def _beats_of(measurement: Measurement, *, shown_only: bool) -> list[Beat]:
    """The beats of a view that a biplane EF is made of, the one that is shown first."""
    shown = measurement.shown_beat
    if shown is None:
        raise QualityRefusal("no_tracing", f"{measurement.source}: the ED or ES frame has no tracing.")
    others = [beat for beat in measurement.counted_beats if beat is not shown]
    return [shown] if shown_only or measurement.beats_averaged == 1 else [shown, *others]


def _phase_tracings(measurement: Measurement, beat: Beat) -> tuple[Tracing, Tracing]:
    """Tracings of the ED and ES frame of a beat."""
    found = []
    for frame in (beat.ed_frame, beat.es_frame):
        tracing = measurement.tracings[frame] if frame < len(measurement.tracings) else None
        if tracing is None:
            raise QualityRefusal("no_tracing", f"{measurement.source}: the ED or ES frame has no tracing.")
        found.append(tracing)
    return found[0], found[1]
