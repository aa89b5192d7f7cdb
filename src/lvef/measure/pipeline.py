"""The only way from a file to an EF: read, find the sector, segment, trace, steady, find beats, evaluate.

A network that draws lines takes the place of segmenting and tracing; one that reads an EF from clips, of all that follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np

import lvef
from lvef.core.errors import GeometryError, LvefError, QualityRefusal
from lvef.core.records import FROM_BEATS, Clip, CodedWarning, FrameArray, Measurement, Provenance, VolumeCurve
from lvef.core.terms import SEGMENTATION, Status, View
from lvef.geometry.beats import analyse_beats
from lvef.geometry.smoothing import smooth_tracings
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.inference.catalogue import first_model_of_kind
from lvef.io.isolation import open_clip, start_ahead
from lvef.io.timing import with_frame_rate
from lvef.measure.biplane import measure_views
from lvef.measure.clip_results import measure_with_ef_model
from lvef.measure.continuity import cut_clip, good_part, hide_foreign, in_file, with_findings
from lvef.measure.decision import with_decision, with_shortening_warning
from lvef.measure.image_quality import quality_of_clip, quality_of_stills, quality_with_beats
from lvef.measure.interval import read_calibration, with_interval
from lvef.measure.options import MeasureOptions
from lvef.measure.pair import check_different_clips, check_different_files, pair_of_stills, patient_warnings
from lvef.measure.predictor import FrameContext, Predictor, TracedFrames
from lvef.measure.predictors import load_predictor
from lvef.measure.quality import (
    check_clip,
    check_combined,
    check_heart_rate,
    check_image,
    check_sector,
    check_systole,
    check_ventricle,
    with_line_warnings,
)
from lvef.measure.quality_score import read_quality_scale
from lvef.measure.results import (
    RefusalWithCurve,
    base_measurement,
    beat_of_frames,
    failed_measurement,
    with_beat,
    with_beats,
    with_experimental_warning,
)
from lvef.measure.scale import check_scale_options, drop_invalid_region, plausible_curve, with_manual_scale
from lvef.measure.second_opinion import second_model, with_second_opinion
from lvef.measure.shape_checks import (
    check_apical,
    check_shapes,
    check_shortening,
    check_torn,
    implausible_shapes,
)
from lvef.measure.stated_view import with_stated_view
from lvef.measure.study import measure_study
from lvef.measure.view import ViewModel, load_view_model, view_of, with_recognised_view
from lvef.transforms.continuity import FrameNumbers
from lvef.transforms.sector import Sector, find_sector

IN_TURN_HZ = 40.0
"""From this frame rate on, temporal smoothing leaves at most 2 % of a difference between neighbouring frames, so that each
frame need be shown to the network one way only: plain and mirrored in turn. Frames chosen by hand are shown both ways."""

READING, TRACING, FINDING_BEATS, READING_EF = "reading", "tracing", "finding beats", "reading the EF"
"""Steps of a measurement; see `ProgressCallback`."""

ProgressCallback = Callable[[str, int, int], None]
"""Called with the step, the number of frames done, and of how many (0 of 0 where that is not known)."""

ClipResult = tuple[Measurement, Clip | None]
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
        check_scale_options(self.options)
        start_ahead()
        self.progress: ProgressCallback = _no_progress
        self.predictor: Predictor = load_predictor(self.options)
        self.quality_scale = read_quality_scale(self.predictor.entry)
        self.calibration = read_calibration(self.predictor.entry.folder, self.predictor.shape_sha256)
        """Of the model's prediction interval; None where it has none."""
        self.view_model: ViewModel | None = load_view_model(self.options)
        self.beat_finder: Measurer | None = self._find_beat_finder(None)
        """Finds the beats for a network that cannot, where an EF for each is asked for."""
        self._others: dict[str, Measurer] = {}
        self._loading = Lock()
        self.second: Measurer | None = self._find_second()
        """Gives the second opinion, where one is asked for."""

    def with_options(self, options: MeasureOptions, progress: ProgressCallback | None = None) -> Measurer:
        """A measurer with other settings that shares this one's loaded network.

        Args:
            options: Settings. What decides how the network is loaded (``weights``, ``backend``, ``precision``, ``threads``)
                stays as it is here.
            progress: Called with how far a measurement is.

        Raises:
            WeightsError: ``per_beat`` or ``second_opinion`` needs a network that cannot be loaded.
            ConfigError: A scale that cannot be; or the second opinion would be the first model's.
        """
        check_scale_options(options)
        loaded = {
            name: getattr(self.options, name) for name in ("weights", "backend", "precision", "threads")
        }
        other = copy(self)
        other.options = replace(options, **loaded)
        other.progress = progress or _no_progress
        other.beat_finder = other._find_beat_finder(self.beat_finder)
        other.second = other._find_second()
        return other

    def measure(self, path: Path, expected: View = View.UNKNOWN) -> ClipResult:
        """Measure one file; `measure_clip` has the arguments. Never raises for its content: see the status."""
        began = time.perf_counter()
        clip: Clip | None = None
        try:
            self.progress(READING, 0, 0)
            clip = self._open(path)
            measurement = self.measure_clip(clip, expected)
        except (LvefError, MemoryError) as error:
            measurement = failed_measurement(str(path), error, clip)
        return self._with_provenance(measurement, began), hide_foreign(clip, measurement, self._chosen)

    def measure_clip(self, clip: Clip, expected: View = View.UNKNOWN) -> Measurement:
        """Measure a clip that is already in memory.

        Args:
            clip: The clip.
            expected: View of its place in a biplane study.

        Raises:
            QualityRefusal: The clip should not be measured.
            GeometryError: Frames chosen by hand that are not there or show no ventricle.
        """
        measurement = self._measure_clip(clip, expected)
        if self.second is None:
            return measurement
        return with_second_opinion(measurement, self.second.measure_opened(clip), self.options.thresholds)

    def measure_opened(self, clip: Clip) -> Measurement:
        """As `measure`, a clip that is already in memory: refusals and failures are results."""
        try:
            measurement = self.measure_clip(clip)
        except (LvefError, MemoryError) as error:
            measurement = failed_measurement(clip.source, error, clip)
        return self._with_provenance(measurement, time.perf_counter())

    def _measure_clip(self, clip: Clip, expected: View) -> Measurement:
        """By this measurer's own network: the longest good part, with the frame numbers of the clip."""
        check_clip(clip)
        part = good_part(clip, self._chosen)
        try:
            return in_file(self._measure_recording(cut_clip(clip, part), part.frames, expected), clip, part)
        except RefusalWithCurve as refusal:
            base = in_file(refusal.base, clip, part)
            raise RefusalWithCurve(refusal.code, with_findings(str(refusal), part), base) from None
        except QualityRefusal as refusal:
            raise QualityRefusal(refusal.code, with_findings(str(refusal), part)) from None

    @property
    def _chosen(self) -> tuple[int | None, int | None]:
        """ED and ES frame, where the user chose them."""
        return self.options.ed_frame, self.options.es_frame

    def _measure_recording(self, clip: Clip, numbers: FrameNumbers, expected: View) -> Measurement:
        """Measure one continuous recording; ``numbers`` are those of its frames in the file, ``(n,)``."""
        began = time.perf_counter()
        clip = with_stated_view(clip, self.options.view)
        sector = find_sector(clip)
        clip = with_manual_scale(drop_invalid_region(clip, sector), sector, self.options)
        check_image(clip, sector, self.options.thresholds)
        clip = replace(clip, notices=(*clip.notices, *check_sector(clip.source, sector)))
        view = view_of(self.view_model, [(clip, sector)], clip.source, self.options, expected)
        if not self.predictor.structures:
            self.progress(READING_EF, 0, 0)
            finder = None if self.beat_finder is None else self.beat_finder.measure_clip
            read = measure_with_ef_model(clip, sector, self.predictor, self.options, finder)
            return self._with_provenance(with_recognised_view(read, view), began)
        alternate_mirror = (clip.frame_rate_hz or 0) >= IN_TURN_HZ and self.options.ed_frame is None
        traced = self._trace(clip, sector, alternate_mirror=alternate_mirror)
        try:
            odd_shapes = check_ventricle(
                clip.source,
                traced.traced,
                traced.wall_contact,
                self.options.thresholds,
                walls_known=traced.walls_known,
            )
        except QualityRefusal as refusal:
            if not traced.counts:
                raise
            # What was counted must not be lost with the result.
            counted = replace(failed_measurement(clip.source, refusal, clip), counts=dict(traced.counts))
            raise RefusalWithCurve(refusal.code, str(refusal), counted) from None
        self.progress(FINDING_BEATS, len(clip.frames), len(clip.frames))
        aspect = clip.pixel_aspect
        drawn = smooth_tracings(traced.tracings, clip.times_s, aspect=aspect)
        tracings = self.predictor.corrected(drawn, traced.borders, aspect)
        clip, curve = plausible_curve(clip, tracings)
        base = base_measurement(clip, curve, tracings, self.options)
        base = replace(base, notices=(*base.notices, *odd_shapes), counts=dict(traced.counts))
        # Whether the model can be trusted is seen on what it drew: a prior makes any contour plausible.
        odd = implausible_shapes(drawn, clip.spacing)
        base = replace(base, quality=quality_of_clip(clip, sector, traced, base, odd, self.quality_scale))
        base = with_recognised_view(base, view)
        with _refusals_keep(base):
            check_apical(base.source, drawn, odd, base.spacing)
        if self.options.ed_frame is not None or self.options.es_frame is not None:
            return self._with_provenance(
                self._measure_chosen_frames(base, curve, traced, odd, numbers), began
            )
        analysis = analyse_beats(curve, r_wave_times_s=clip.r_wave_times_s, is_smoothed=True)
        rate = analysis.heart_rate_bpm
        rate_warnings = check_heart_rate(clip, rate) or check_systole(clip, analysis.beats, rate)
        base = replace(base, notices=(*base.notices, *rate_warnings))
        if analysis.representative is None:
            raise RefusalWithCurve(analysis.reason_code, f"{clip.source}: {analysis.reason}", base)
        found = replace(
            base,
            status=Status.PARTIAL_CYCLE if analysis.partial else Status.OK,
            beats=analysis.beats,
            ef_mean_percent=analysis.ef_mean_percent,
            ef_sd_percent=analysis.ef_sd_percent,
            heart_rate_bpm=analysis.heart_rate_bpm or clip.heart_rate_bpm,
            heart_rate_source=FROM_BEATS if analysis.heart_rate_bpm else base.heart_rate_source,
            notices=(*base.notices, *analysis.notices),
        )
        found = quality_with_beats(found)
        with _refusals_keep(replace(found, ef_mean_percent=None, ef_sd_percent=None)):
            check_combined(clip.source, found.notices)
            beat = analysis.representative
            as_drawn = (
                curve if tracings is drawn else volume_curve_of_tracings(drawn, clip.times_s, clip.spacing)
            )
            check_shortening(clip.source, as_drawn.length, beat.ed_frame, beat.es_frame)
            if self.predictor.gives_masks:
                # Lines that leave their place are counted by themselves (`lvef.geometry.volume_tracing`).
                check_torn(clip.source, odd, (beat.ed_frame, beat.es_frame), self.options.thresholds)
        measured = with_beats(found, analysis.representative, self.options)
        shape_warnings = check_shapes(odd, (measured.ed_frame, measured.es_frame), self.options.thresholds)
        measured = replace(measured, notices=(*measured.notices, *shape_warnings))
        return self._with_provenance(
            with_line_warnings(measured, traced, measured.ed_frame, measured.es_frame), began
        )

    def measure_pair(self, ed: Path, es: Path) -> ClipResult:
        """Measure an ED and an ES still of the same view.

        The clip that comes back has two frames, ED then ES.
        """
        began = time.perf_counter()
        source = f"{ed} + {es}"
        clip: Clip | None = None
        try:
            self._check_reads_stills(source)
            needed = "two stills, one at ED and one at ES,"
            check_different_files(ed, es, needed)
            opened = [with_stated_view(self._open(path), self.options.view) for path in (ed, es)]
            check_different_clips(opened[0], opened[1], needed)
            stills = self._with_sectors(opened)
            clip = pair_of_stills([still for still, _ in stills], source)
            clip = replace(clip, notices=(*patient_warnings(ed, es), *clip.notices))
            measurement, clip = self._measure_stills(stills, clip)
            if self.second is not None:
                other = self.second._stills_opened(stills, clip)
                measurement = with_second_opinion(measurement, other, self.options.thresholds)
        except (LvefError, MemoryError) as error:
            measurement = failed_measurement(source, error, clip)
        return self._with_provenance(measurement, began), clip

    def _with_sectors(self, opened: Sequence[Clip]) -> list[tuple[Clip, Sector]]:
        """Two stills with their sectors, and with the scale that was given."""
        found = [(still, find_sector(still)) for still in opened]
        stills = [(drop_invalid_region(still, sector), sector) for still, sector in found]
        if opened[0].frames.shape != opened[1].frames.shape:
            # Images of two sizes were not exported alike: one scale cannot be that of both.
            return stills
        return [(with_manual_scale(still, sector, self.options), sector) for still, sector in stills]

    def _stills_opened(self, stills: list[tuple[Clip, Sector]], pair: Clip) -> Measurement:
        """The result of two stills in memory; refusals and failures are results."""
        try:
            self._check_reads_stills(pair.source)
            measurement, _ = self._measure_stills(stills, pair)
        except (LvefError, MemoryError) as error:
            measurement = failed_measurement(pair.source, error, pair)
        return self._with_provenance(measurement, time.perf_counter())

    def _check_reads_stills(self, source: str) -> None:
        if not self.predictor.structures:
            raise QualityRefusal(
                "cine_needed",
                f"{source}: {self.predictor.entry.name} reads an EF from clips; two stills are none. Give a cine, or "
                "choose a model that draws the ventricle with --weights.",
            )

    def _measure_stills(self, stills: list[tuple[Clip, Sector]], pair: Clip) -> tuple[Measurement, Clip]:
        """By this measurer's own network; the pair comes back without a scale that is not plausible."""
        layout = [warning for still, sector in stills for warning in check_sector(still.source, sector)]
        view = view_of(self.view_model, stills, pair.source, self.options)
        traced, odd_shapes = self._trace_stills(stills)
        odd_shapes = list(dict.fromkeys([*layout, *odd_shapes]))
        tracings = self.predictor.corrected(traced.tracings, traced.borders, pair.pixel_aspect)
        clip, curve = plausible_curve(pair, tracings)
        base = replace(
            base_measurement(clip, curve, tracings, self.options),
            status=Status.PARTIAL_CYCLE,
            counts=dict(traced.counts),
            frame_rate_hz=None,
            duration_s=None,
        )
        base = replace(base, notices=(*base.notices, *odd_shapes))
        base = replace(base, quality=quality_of_stills(stills, traced, base, self.quality_scale))
        base = with_recognised_view(base, view)
        with _refusals_keep(base):
            odd = implausible_shapes(traced.tracings, clip.spacing)
            check_apical(base.source, traced.tracings, odd, base.spacing)
        return self._measure_frames(base, curve, traced, odd, (0, 1), "two stills"), clip

    def measure_biplane(self, a4c: Path, a2c: Path) -> tuple[Measurement, dict[str, ClipResult]]:
        """Measure both apical views: the biplane result, and each single-plane result by its view."""
        began = time.perf_counter()
        biplane, single = measure_views(self, a4c, a2c)
        return self._with_provenance(biplane, began, single), single

    def measure_study(self, folder: Path, files: Sequence[Path]) -> tuple[Measurement, dict[str, ClipResult]]:
        """Measure all clips of a study: the biplane result of its best A4C and A2C, and these two by their view."""
        began = time.perf_counter()
        biplane, single = measure_study(self, folder, files)
        return self._with_provenance(biplane, began, single), single

    def _find_second(self) -> Measurer | None:
        """The measurer of the second opinion, loaded once and shared by all copies; None where none is asked for."""
        if not self.options.second_opinion:
            return None
        name = second_model(self.options.second_opinion, self.predictor.entry)
        own = replace(self.options, weights=name, second_opinion="", per_beat=False)
        with self._loading:
            if name not in self._others:
                self._others[name] = Measurer(own)
        return self._others[name].with_options(own)

    def _open(self, path: Path) -> Clip:
        clip = open_clip(path, max_frames=self.options.max_frames)
        return (
            clip if self.options.frame_rate_hz is None else with_frame_rate(clip, self.options.frame_rate_hz)
        )

    def _find_beat_finder(self, loaded: Measurer | None) -> Measurer | None:
        """What finds the beats for a network that cannot, loaded where it is not; None where no EF of beats is wanted."""
        if not self.options.per_beat or self.predictor.structures:
            return None
        if loaded is not None:
            return loaded.with_options(replace(self.options, per_beat=False))
        weights = first_model_of_kind(SEGMENTATION, preferred=MeasureOptions.weights)
        return Measurer(replace(self.options, weights=weights, per_beat=False))

    def _trace(
        self, clip: Clip, sector: Sector, *, other: FrameArray | None = None, alternate_mirror: bool = False
    ) -> TracedFrames:
        frames, box = self.predictor.shown(clip, sector)
        self.progress(TRACING, 0, len(frames))
        return self.predictor.trace(
            frames,
            box,
            clip.spacing,
            FrameContext(clip.times_s, other=other, alternate_mirror=alternate_mirror),
            seen=lambda done: self.progress(TRACING, done, len(frames)),
        )

    def _trace_stills(self, stills: list[tuple[Clip, Sector]]) -> tuple[TracedFrames, list[CodedWarning]]:
        """Each still traced in its own image, with the other one as context, and the warnings about it."""
        parts: list[TracedFrames] = []
        odd_shapes: list[CodedWarning] = []
        for (still, sector), other in zip(stills, reversed(stills), strict=True):
            check_image(still, sector, self.options.thresholds)
            square = self.predictor.square(*other)
            traced = self._trace(still, sector, other=square)
            odd_shapes += check_ventricle(
                still.source,
                traced.traced,
                traced.wall_contact,
                self.options.thresholds,
                walls_known=traced.walls_known,
            )
            parts.append(traced)
        counts = {name: sum(part.counts[name] for part in parts) for name in parts[0].counts}
        tracings = tuple(tracing for part in parts for tracing in part.tracings)
        contact = np.concatenate([part.wall_contact for part in parts])
        certainty = np.concatenate([part.certainty for part in parts])
        borders = np.concatenate([part.borders for part in parts])
        traced = TracedFrames(tracings, contact, parts[0].walls_known, counts, certainty, borders)
        return traced, list(dict.fromkeys(odd_shapes))

    def _measure_frames(
        self,
        base: Measurement,
        curve: VolumeCurve,
        traced: TracedFrames,
        odd: list[set[str]],
        pair: tuple[int, int],
        rests_on: str,
    ) -> Measurement:
        """The result of an ED and an ES frame that are known; ``odd`` is what is implausible about each frame."""
        base = with_line_warnings(base, traced, *pair)
        base = replace(base, notices=(*base.notices, *check_shapes(odd, pair, self.options.thresholds)))
        # What was counted must not be lost with the result.
        with _refusals_keep(base) if base.counts else nullcontext():
            return with_beat(base, beat_of_frames(curve, *pair, base.source), self.options, rests_on)

    def _measure_chosen_frames(
        self,
        base: Measurement,
        curve: VolumeCurve,
        traced: TracedFrames,
        odd: list[set[str]],
        numbers: FrameNumbers,
    ) -> Measurement:
        """As `_measure_frames`, for frames that the user chose; ``numbers`` are those of the frames in the file."""
        (ed, es), source = self._chosen, base.source
        places = {int(number): place for place, number in enumerate(numbers)}
        if ed is None or es is None:
            raise GeometryError(
                f"{source}: an ED and an ES frame go together; give --ed-frame and --es-frame."
            )
        for phase, frame in (("ED", ed), ("ES", es)):
            if frame not in places:
                raise GeometryError(
                    f"{source}: {phase} frame {frame} was asked for; the clip has frames {numbers[0]} to {numbers[-1]}."
                )
            if not np.isfinite(curve.volume[places[frame]]):
                raise GeometryError(
                    f"{source}: no ventricle could be traced on {phase} frame {frame}; choose another."
                )
        notice = CodedWarning("frames_by_hand", f"ED frame {ed} and ES frame {es} were chosen by hand.")
        base = replace(base, status=Status.PARTIAL_CYCLE, notices=(*base.notices, notice))
        return self._measure_frames(base, curve, traced, odd, (places[ed], places[es]), "two frames by hand")

    def _with_provenance(
        self, measurement: Measurement, began: float, single: Mapping[str, ClipResult] | None = None
    ) -> Measurement:
        """With what made it and the seconds since ``began``, and with prediction interval and decision, once."""
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
            network_kind=card.kind,
        )
        measurement = with_experimental_warning(replace(measurement, provenance=provenance), card)
        if measurement.decision:
            return measurement
        measurement = with_shortening_warning(measurement)
        views = {name: view for name, (view, _) in (single or {}).items()}
        measurement = with_interval(measurement, self.calibration, tuple(views.values()))
        return with_decision(measurement, self.options.thresholds, views)


@contextmanager
def _refusals_keep(base: Measurement) -> Iterator[None]:
    """What is known of a clip, its curve among it, stays with a refusal that is raised in this block."""
    try:
        yield
    except QualityRefusal as refusal:
        raise RefusalWithCurve(refusal.code, str(refusal), replace(base, status=Status.REFUSED)) from None


def _no_progress(doing: str, done: int, of: int) -> None:
    """Default of progress callbacks."""
