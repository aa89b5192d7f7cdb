"""The only way from a file to an EF: read, find the fan, segment, trace, find beats, judge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import lvef
from lvef.core.errors import GeometryError, LvefError, QualityRefusal
from lvef.core.records import Beat, Clip, Measurement, Notice, Provenance, Tracing, VolumeCurve
from lvef.core.terms import Status, View
from lvef.geometry.beats import analyse_beats
from lvef.geometry.biplane import biplane_ef
from lvef.geometry.categories import categories
from lvef.geometry.ejection import (
    body_surface_area,
    cardiac_output,
    ejection_fraction,
    indexed_values,
    stroke_volume,
)
from lvef.geometry.tracing import curve_of_tracings
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import Predictor
from lvef.measure.quality import check_clip, check_picture, check_ventricle
from lvef.preprocess.fan import find_fan

Result = tuple[Measurement, Clip | None]
"""A measurement and the clip it was made on (None where the file could not be read)."""


class Measurer:
    """Holds a loaded network and measures files with it. Safe to use from several threads.

    Args:
        options: Settings; the network is loaded once, here.

    Raises:
        WeightsError: No such network, or it is damaged.
        ConfigError: A setting that cannot be.
    """

    def __init__(self, options: MeasureOptions | None = None) -> None:
        self.options = options or MeasureOptions()
        self.predictor = Predictor(self.options)

    def measure(self, path: Path) -> Result:
        """Measure one clip. Never raises for what a file may hold: the status tells (refused, failed)."""
        began = time.perf_counter()
        clip: Clip | None = None
        try:
            clip = self._open(path)
            return self.measure_clip(clip, began=began), clip
        except (LvefError, MemoryError) as error:
            return self._no_answer(str(path), error, clip, began), clip

    def measure_clip(self, clip: Clip, *, began: float | None = None) -> Measurement:
        """Measure a clip that is already in memory.

        Args:
            clip: Any cine.
            began: ``time.perf_counter()`` at which the work on this clip began, for the seconds in the result.

        Raises:
            QualityRefusal: The clip should not be measured.
            GeometryError: Frames chosen by hand that are not there or show no ventricle.
        """
        began = time.perf_counter() if began is None else began
        check_clip(clip)
        fan = find_fan(clip)
        check_picture(clip, fan)
        traced = self.predictor.trace(clip.frames, fan.box, clip.spacing)
        notices = check_ventricle(clip.source, traced.traced, traced.wall_contact)
        curve = curve_of_tracings(traced.tracings, clip.times_s, clip.spacing)
        base = self._base(clip, curve, traced.tracings, began)
        base = replace(base, notices=(*clip.notices, *notices))
        if self.options.ed_frame is not None or self.options.es_frame is not None:
            return self._by_hand(base, curve, clip.source)
        analysis = analyse_beats(curve, r_wave_times_s=clip.r_wave_times_s)
        if analysis.representative is None:
            raise _RefusedWithCurve(analysis.reason_code, f"{clip.source}: {analysis.reason}", base)
        measurement = replace(
            base,
            status=Status.PARTIAL_CYCLE if analysis.partial else Status.OK,
            beats=analysis.beats,
            ef_mean_percent=analysis.ef_mean_percent,
            ef_sd_percent=analysis.ef_sd_percent,
            heart_rate_bpm=analysis.heart_rate_bpm or clip.heart_rate_bpm,
            notices=(*base.notices, *analysis.notices),
            provenance=self._provenance(began),
        )
        return self._answer(measurement, analysis.representative)

    def measure_pair(self, ed: Path, es: Path) -> Result:
        """Measure an ED and an ES still of the same view; the clip that comes back has two frames, ED then ES."""
        began = time.perf_counter()
        source = f"{ed} + {es}"
        clip: Clip | None = None
        try:
            stills = [self._open(path) for path in (ed, es)]
            clip = _pair(stills, source)
            tracings: list[Tracing | None] = []
            notices: list[Notice] = []
            for still in stills:
                fan = find_fan(still)
                check_picture(still, fan)
                traced = self.predictor.trace(still.frames[:1], fan.box, still.spacing)
                notices += check_ventricle(still.source, traced.traced, traced.wall_contact)
                tracings += traced.tracings
            curve = curve_of_tracings(tracings, clip.times_s, clip.spacing)
            base = self._base(clip, curve, tracings, began)
            base = replace(
                base,
                status=Status.PARTIAL_CYCLE,
                notices=(*clip.notices, *notices),
                frame_rate_hz=None,
                duration_s=None,
            )
            return self._answer(base, _beat(curve, 0, 1)), clip
        except (LvefError, MemoryError) as error:
            return self._no_answer(source, error, clip, began), clip

    def measure_biplane(self, a4c: Path, a2c: Path) -> tuple[Measurement, dict[str, Result]]:
        """Measure both apical views: the biplane answer, and each single-plane result under "A4C" and "A2C"."""
        began = time.perf_counter()
        source = f"{a4c} + {a2c}"
        single: dict[str, Result] = {}
        for view, path in ((View.A4C, a4c), (View.A2C, a2c)):
            measurement, clip = self.measure(path)
            single[view] = (replace(measurement, view=view, method=_method(view)), clip)
        try:
            for view, (measurement, _) in single.items():
                if measurement.ef_percent is None:
                    code = measurement.reason_code or "single_plane"
                    raise QualityRefusal(code, f"No biplane EF, the {view} has none: {measurement.reason}")
            return self._biplane(source, single[View.A4C][0], single[View.A2C][0], began), single
        except LvefError as error:
            return self._no_answer(source, error, None, began), single

    def _open(self, path: Path) -> Clip:
        clip = open_clip(path, max_frames=self.options.max_frames)
        if self.options.frame_rate_hz is not None and len(clip.frames) > 1:
            times = np.arange(len(clip.frames)) / self.options.frame_rate_hz
            # Notices about the file's own timing no longer apply.
            kept = tuple(n for n in clip.notices if n.code not in ("assumed_frame_rate", "display_frame_rate"))
            clip = replace(clip, times_s=times, timing="given by the user", notices=kept)
        return clip

    def _base(
        self, clip: Clip, curve: VolumeCurve, tracings: Sequence[Tracing | None], began: float
    ) -> Measurement:
        view = clip.view if clip.view is not View.UNKNOWN else self.options.view
        return Measurement(
            source=clip.source,
            status=Status.REFUSED,
            method=_method(view),
            view=view,
            volume_note="" if curve.calibrated else clip.spacing_note or "the file has no scale",
            n_frames=len(clip.frames),
            frame_rate_hz=clip.frame_rate_hz,
            duration_s=float(clip.times_s[-1]),
            timing=clip.timing,
            spacing=clip.spacing,
            heart_rate_bpm=clip.heart_rate_bpm,
            provenance=self._provenance(began),
            curve=curve,
            tracings=tuple(tracings),
        )

    def _answer(self, base: Measurement, beat: Beat) -> Measurement:
        """Fill in what follows from the representative beat."""
        calibrated = base.curve is not None and base.curve.calibrated
        edv = beat.ed_volume if calibrated else None
        esv = beat.es_volume if calibrated else None
        stroke = stroke_volume(edv, esv) if edv is not None and esv is not None else None
        indexed: dict[str, float] = {}
        if self.options.height_cm is not None and self.options.weight_kg is not None:
            surface = body_surface_area(self.options.height_cm, self.options.weight_kg)
            rate = base.heart_rate_bpm
            output = cardiac_output(stroke, rate) if stroke is not None and rate is not None else None
            indexed = {"body_surface_m2": surface} | indexed_values(
                surface, edv_ml=edv, esv_ml=esv, cardiac_output_l_min=output
            )
        return replace(
            base,
            ef_percent=beat.ef_percent,
            edv_ml=edv,
            esv_ml=esv,
            stroke_volume_ml=stroke,
            indexed=indexed,
            categories=categories(beat.ef_percent, self.options.sex),
            ed_frame=beat.ed_frame,
            es_frame=beat.es_frame,
            beats=base.beats or (beat,),
        )

    def _by_hand(self, base: Measurement, curve: VolumeCurve, source: str) -> Measurement:
        ed, es = self.options.ed_frame, self.options.es_frame
        n = len(curve.volume)
        if ed is None or es is None:
            raise GeometryError(f"{source}: an ED and an ES frame are needed together; give --ed-frame and --es-frame.")
        for phase, frame in (("ED", ed), ("ES", es)):
            if not 0 <= frame < n:
                raise GeometryError(f"{source}: {phase} frame {frame} was asked for; the clip has frames 0 to {n - 1}.")
            if not np.isfinite(curve.volume[frame]):
                raise GeometryError(f"{source}: no ventricle could be traced on {phase} frame {frame}; choose another.")
        notice = Notice("frames_by_hand", f"ED frame {ed} and ES frame {es} were chosen by hand.")
        base = replace(base, status=Status.PARTIAL_CYCLE, notices=(*base.notices, notice))
        return self._answer(base, _beat(curve, ed, es))

    def _biplane(self, source: str, four: Measurement, two: Measurement, began: float) -> Measurement:
        tracings = [m.tracings[f] for m in (four, two) for f in (m.ed_frame, m.es_frame) if f is not None]
        a4c_ed, a4c_es, a2c_ed, a2c_es = (t for t in tracings if t is not None)
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
            method="biplane method of disks" + ("" if result.axis == "longer" else ", A4C long axis for both views"),
            volume_note="" if result.edv_ml is not None else "a biplane volume needs the scale of both views",
            heart_rate_bpm=four.heart_rate_bpm,
            single_plane={"A4C": result.ef_a4c_percent, "A2C": result.ef_a2c_percent},
            notices=result.notices,
            provenance=self._provenance(began),
        )
        return replace(
            base,
            ef_percent=result.ef_percent,
            edv_ml=result.edv_ml,
            esv_ml=result.esv_ml,
            stroke_volume_ml=None
            if result.edv_ml is None or result.esv_ml is None
            else stroke_volume(result.edv_ml, result.esv_ml),
            categories=categories(result.ef_percent, self.options.sex),
        )

    def _no_answer(self, source: str, error: Exception, clip: Clip | None, began: float) -> Measurement:
        if isinstance(error, _RefusedWithCurve):
            return replace(
                error.base, reason=str(error), reason_code=error.code, provenance=self._provenance(began)
            )
        refused = isinstance(error, QualityRefusal)
        reason = str(error)
        if isinstance(error, MemoryError):
            reason = f"{source}: there is not enough memory for this clip; cut it shorter or make the frames smaller."
        return Measurement(
            source=source,
            status=Status.REFUSED if refused else Status.FAILED,
            reason=reason,
            reason_code=error.code if isinstance(error, QualityRefusal) else type(error).__name__,
            n_frames=None if clip is None else len(clip.frames),
            notices=() if clip is None else clip.notices,
            provenance=self._provenance(began),
        )

    def _provenance(self, began: float) -> Provenance:
        card, engine = self.predictor.entry.card, self.predictor.engine
        return Provenance(
            lvef_version=lvef.__version__,
            weights=f"{card.name} {card.version}",
            weights_sha256=card.model_sha256,
            weights_licence=card.licence,
            backend=engine.backend,
            precision=engine.precision,
            device=engine.device,
            seconds=time.perf_counter() - began,
        )


class _RefusedWithCurve(QualityRefusal):
    """No beat was found, but the curve is worth showing."""

    def __init__(self, code: str, message: str, base: Measurement) -> None:
        super().__init__(code, message)
        self.base = base


def _method(view: View) -> str:
    return "method of disks, one plane" + ("" if view is View.UNKNOWN else f" ({view})")


def _beat(curve: VolumeCurve, ed: int, es: int) -> Beat:
    """The beat of two frames whose phases are known."""
    edv, esv = float(curve.volume[ed]), float(curve.volume[es])
    return Beat(ed, es, None, edv, esv, ejection_fraction(edv, esv), None)


def _cycle(measurement: Measurement) -> float | None:
    """Length of the representative beat in seconds."""
    for beat in measurement.beats:
        if beat.ed_frame == measurement.ed_frame and beat.es_frame == measurement.es_frame:
            return beat.duration_s
    return None


def _pair(stills: list[Clip], source: str) -> Clip:
    """Two stills as one clip of two frames, the smaller picture padded at its right and lower side."""
    for still in stills:
        if len(still.frames) != 1:
            raise QualityRefusal("not_a_still", f"{still.source}: {len(still.frames)} frames were found; one still was expected.")
    shapes = [still.frames[0].shape for still in stills]
    ed, es = stills
    if shapes[0] != shapes[1] and (ed.spacing is None or es.spacing is None):
        raise QualityRefusal(
            "different_size",
            f"{source}: the stills are {shapes[0][1]} x {shapes[0][0]} and {shapes[1][1]} x {shapes[1][0]} pixels without "
            "a scale; both must have the same scale for an EF. Export them in the same way.",
        )
    if ed.spacing and es.spacing and not np.allclose(
        (ed.spacing.x_mm, ed.spacing.y_mm), (es.spacing.x_mm, es.spacing.y_mm), rtol=0.01
    ):
        raise QualityRefusal("different_scale", f"{source}: the stills have different scales; export them at the same depth.")
    height, width = np.max(shapes, axis=0)
    frames = np.zeros((2, height, width), np.uint8)
    for target, still in zip(frames, stills, strict=True):
        h, w = still.frames[0].shape
        target[:h, :w] = still.frames[0]
    spacing = ed.spacing if es.spacing else None
    return replace(
        ed,
        frames=frames,
        times_s=np.array([0.0, 1.0]),
        timing="none (two stills)",
        source=source,
        spacing=spacing,
        region=None,
        notices=tuple(dict.fromkeys((*ed.notices, *es.notices))),
    )
