"""The only way from a file to an EF: read, find the fan, segment, trace, steady, find beats, judge."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

import lvef
from lvef.core.errors import GeometryError, LvefError, QualityRefusal
from lvef.core.records import Clip, Measurement, Notice, Provenance, Tracing, VolumeCurve
from lvef.core.terms import Status, View
from lvef.geometry.beats import analyse_beats
from lvef.geometry.steadying import steadied
from lvef.geometry.tracing import curve_of_tracings
from lvef.io.open import open_clip
from lvef.measure.answer import (
    RefusedWithCurve,
    beat_of_frames,
    biplane_answer,
    method_of,
    no_answer,
    unanswered,
    with_beat,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.pair import pair_of_stills
from lvef.measure.predictor import Predictor
from lvef.measure.quality import check_clip, check_picture, check_ventricle
from lvef.preprocess.fan import find_fan

IN_TURN_HZ = 40.0
"""From this frame rate on, steadying over time leaves at most 2 % of a difference between neighbouring frames, so that each
frame need be shown to the network one way only: plain and mirrored in turn. Frames chosen by hand are shown both ways."""

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
            measurement = self.measure_clip(clip)
        except (LvefError, MemoryError) as error:
            measurement = no_answer(str(path), error, clip)
        return self._signed(measurement, began), clip

    def measure_clip(self, clip: Clip) -> Measurement:
        """Measure a clip that is already in memory.

        Raises:
            QualityRefusal: The clip should not be measured.
            GeometryError: Frames chosen by hand that are not there or show no ventricle.
        """
        began = time.perf_counter()
        check_clip(clip)
        fan = find_fan(clip)
        check_picture(clip, fan)
        in_turn = (clip.frame_rate_hz or 0) >= IN_TURN_HZ and self.options.ed_frame is None
        traced = self.predictor.trace(clip.frames, fan.box, clip.spacing, in_turn=in_turn)
        doubts = check_ventricle(clip.source, traced.traced, traced.wall_contact)
        aspect = clip.spacing.y_mm / clip.spacing.x_mm if clip.spacing else 1.0
        tracings = steadied(traced.tracings, clip.times_s, aspect=aspect)
        curve = curve_of_tracings(tracings, clip.times_s, clip.spacing)
        base = unanswered(clip, curve, tracings, self.options)
        base = replace(base, notices=(*base.notices, *doubts))
        if self.options.ed_frame is not None or self.options.es_frame is not None:
            return self._signed(self._by_hand(base, curve), began)
        analysis = analyse_beats(curve, r_wave_times_s=clip.r_wave_times_s)
        if analysis.representative is None:
            raise RefusedWithCurve(analysis.reason_code, f"{clip.source}: {analysis.reason}", base)
        found = replace(
            base,
            status=Status.PARTIAL_CYCLE if analysis.partial else Status.OK,
            beats=analysis.beats,
            ef_mean_percent=analysis.ef_mean_percent,
            ef_sd_percent=analysis.ef_sd_percent,
            heart_rate_bpm=analysis.heart_rate_bpm or clip.heart_rate_bpm,
            notices=(*base.notices, *analysis.notices),
        )
        return self._signed(with_beat(found, analysis.representative, self.options), began)

    def measure_pair(self, ed: Path, es: Path) -> Result:
        """Measure an ED and an ES still of the same view.

        The clip that comes back has two frames, ED then ES.
        """
        began = time.perf_counter()
        source = f"{ed} + {es}"
        clip: Clip | None = None
        try:
            stills = [self._open(path) for path in (ed, es)]
            clip = pair_of_stills(stills, source)
            tracings: list[Tracing | None] = []
            doubts: list[Notice] = []
            for still in stills:
                fan = find_fan(still)
                check_picture(still, fan)
                traced = self.predictor.trace(still.frames, fan.box, still.spacing)
                doubts += check_ventricle(still.source, traced.traced, traced.wall_contact)
                tracings += traced.tracings
            curve = curve_of_tracings(tracings, clip.times_s, clip.spacing)
            base = unanswered(clip, curve, tracings, self.options)
            base = replace(
                base,
                status=Status.PARTIAL_CYCLE,
                notices=(*base.notices, *doubts),
                frame_rate_hz=None,
                duration_s=None,
            )
            measurement = with_beat(base, beat_of_frames(curve, 0, 1, source), self.options)
        except (LvefError, MemoryError) as error:
            measurement = no_answer(source, error, clip)
        return self._signed(measurement, began), clip

    def measure_biplane(self, a4c: Path, a2c: Path) -> tuple[Measurement, dict[str, Result]]:
        """Measure both apical views: the biplane answer, and each single-plane result by its view."""
        began = time.perf_counter()
        source = f"{a4c} + {a2c}"
        single: dict[str, Result] = {}
        for view, path in ((View.A4C, a4c), (View.A2C, a2c)):
            measurement, clip = self.measure(path)
            single[str(view)] = (replace(measurement, view=view, method=method_of(view)), clip)
        try:
            for name, (measurement, _) in single.items():
                if measurement.ef_percent is None:
                    code = measurement.reason_code or "single_plane"
                    raise QualityRefusal(code, f"No biplane EF, the {name} has none: {measurement.reason}")
            biplane = biplane_answer(source, single["A4C"][0], single["A2C"][0], self.options)
        except LvefError as error:
            biplane = no_answer(source, error, None)
        return self._signed(biplane, began), single

    def _open(self, path: Path) -> Clip:
        clip = open_clip(path, max_frames=self.options.max_frames)
        if self.options.frame_rate_hz is not None and len(clip.frames) > 1:
            times = np.arange(len(clip.frames)) / self.options.frame_rate_hz
            # Notices about the file's own timing no longer apply.
            kept = tuple(
                n for n in clip.notices if n.code not in ("assumed_frame_rate", "display_frame_rate")
            )
            clip = replace(clip, times_s=times, timing="given by the user", notices=kept)
        return clip

    def _by_hand(self, base: Measurement, curve: VolumeCurve) -> Measurement:
        """The answer for an ED and an ES frame that the user chose."""
        ed, es, source = self.options.ed_frame, self.options.es_frame, base.source
        n = len(curve.volume)
        if ed is None or es is None:
            raise GeometryError(
                f"{source}: an ED and an ES frame go together; give --ed-frame and --es-frame."
            )
        for phase, frame in (("ED", ed), ("ES", es)):
            if not 0 <= frame < n:
                raise GeometryError(
                    f"{source}: {phase} frame {frame} was asked for; the clip has frames 0 to {n - 1}."
                )
            if not np.isfinite(curve.volume[frame]):
                raise GeometryError(
                    f"{source}: no ventricle could be traced on {phase} frame {frame}; choose another."
                )
        notice = Notice("frames_by_hand", f"ED frame {ed} and ES frame {es} were chosen by hand.")
        base = replace(base, status=Status.PARTIAL_CYCLE, notices=(*base.notices, notice))
        return with_beat(base, beat_of_frames(curve, ed, es, source), self.options)

    def _signed(self, measurement: Measurement, began: float) -> Measurement:
        """With what made it and the seconds since ``began``."""
        card, engine = self.predictor.entry.card, self.predictor.engine
        provenance = Provenance(
            lvef_version=lvef.__version__,
            weights=f"{card.name} {card.version}",
            weights_sha256=card.model_sha256,
            weights_licence=card.licence,
            backend=engine.backend,
            precision=engine.precision,
            device=engine.device,
            seconds=time.perf_counter() - began,
        )
        return replace(measurement, provenance=provenance)
