"""Both apical views of a heart: each measured by itself, then both together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, Self

from lvef.core.errors import LvefError, QualityRefusal
from lvef.core.records import Clip, CodedWarning, Measurement
from lvef.core.terms import View
from lvef.measure.image_quality import quality_of_views
from lvef.measure.options import MeasureOptions
from lvef.measure.pair import (
    SAME_CONTENT,
    VIEWS_SWAPPED,
    check_different_clips,
    check_different_files,
    given_view_warnings,
    patient_warnings,
    view_warnings,
)
from lvef.measure.predictor import Predictor
from lvef.measure.results import biplane_measurement, failed_measurement, with_view
from lvef.measure.scale import options_of_view
from lvef.measure.second_opinion import with_second_opinion
from lvef.measure.stated_view import NOT_APICAL
from lvef.measure.thresholds import Thresholds
from lvef.measure.view import OTHER_VIEW

VIEWS_DISAGREE = "views_disagree"
"""Code of the warning that the EFs of the two views are far apart."""

Views = dict[str, tuple[Measurement, Clip | None]]
"""Measurement and clip of each view, by its name."""


class ViewMeasurer(Protocol):
    """What is needed of `lvef.measure.pipeline.Measurer`."""

    options: MeasureOptions
    predictor: Predictor
    progress: Any
    second: Self | None

    def with_options(self, options: MeasureOptions, progress: Any = None) -> Self:  # noqa: ANN401
        """The same with other settings."""
        ...

    def measure(self, path: Path, expected: View = View.UNKNOWN) -> tuple[Measurement, Clip | None]:
        """Measure a file."""
        ...

    def measure_opened(self, clip: Clip) -> Measurement:
        """Measure a clip in memory."""
        ...


def measure_views(measurer: ViewMeasurer, a4c: Path, a2c: Path) -> tuple[Measurement, Views]:
    """Measure both apical views: the biplane result, and each single-plane result by its view.

    Args:
        measurer: Measures each of them.
        a4c: Clip of the four-chamber view.
        a2c: Clip of the two-chamber view.
    """
    source = f"{a4c} + {a2c}"
    views: Views = {}
    if not measurer.predictor.structures:
        return biplane_of(source, views, measurer), views
    needed = "two clips, an A4C and an A2C,"
    try:
        check_different_files(a4c, a2c, needed)
        for view, path in ((View.A4C, a4c), (View.A2C, a2c)):
            # The second model measures both below.
            own = replace(options_of_view(measurer.options, view), second_opinion="")
            measurement, clip = measurer.with_options(own, measurer.progress).measure(path, view)
            # A refused clip keeps the view that its images show.
            is_other = measurement.reason_code == NOT_APICAL
            views[str(view)] = measurement if is_other else with_view(measurement, view), clip
        return combine_views(measurer, a4c, a2c, views)
    except LvefError as error:
        biplane = failed_measurement(source, error, None)
        return biplane, {} if biplane.reason_code == SAME_CONTENT else views


def combine_views(measurer: ViewMeasurer, a4c: Path, a2c: Path, views: Views) -> tuple[Measurement, Views]:
    """The biplane result of two views that are measured, with the warnings of both, and the views with a second opinion.

    Args:
        measurer: That measured them.
        a4c: File of the four-chamber view.
        a2c: File of the two-chamber view.
        views: Their results.

    Raises:
        QualityRefusal: ``same_content``, both show the same images.
    """
    clips = {View(name): clip for name, (_, clip) in views.items() if clip is not None}
    if len(clips) == len(views):
        check_different_clips(clips[View.A4C], clips[View.A2C], "two clips, an A4C and an A2C,")
    notices: list[CodedWarning] = [*patient_warnings(a4c, a2c), *given_view_warnings(clips)]
    biplane = biplane_of(f"{a4c} + {a2c}", views, measurer)
    if measurer.second is not None:
        biplane, views = _with_second_of_views(biplane, views, measurer.second)
    measured = {name: measurement for name, (measurement, _) in views.items()}
    if not any(notice.code == VIEWS_SWAPPED for notice in notices):
        notices += swapped_views_warnings(measured)
    notices += differing_views_warnings(measured, measurer.options.thresholds)
    of_views = view_warnings(measured)
    return replace(biplane, notices=(*notices, *biplane.notices, *of_views)), views


def swapped_views_warnings(views: Mapping[str, Measurement]) -> list[CodedWarning]:
    """A warning where each of the two images looks like the other view.

    Args:
        views: Results by view, with the warning of a single view that its image contradicts it.
    """
    contradicted = [any(n.code == OTHER_VIEW for n in m.notices) for m in views.values()]
    if len(contradicted) < 2 or not all(contradicted):
        return []
    text = "By their images the two clips are swapped: the A4C looks like an A2C, and the A2C like an A4C. Check the views."
    return [CodedWarning(VIEWS_SWAPPED, text)]


def differing_views_warnings(views: Mapping[str, Measurement], thresholds: Thresholds) -> list[CodedWarning]:
    """A warning where the EFs of the two views are so far apart that they may not be of one heart.

    Args:
        views: Results by view.
        thresholds: Their ``caution_views_points``.
    """
    efs = [m.ef_percent for m in views.values() if m.ef_percent is not None]
    if len(efs) < 2 or abs(efs[0] - efs[1]) < thresholds.caution_views_points:
        return []
    text = (
        f"The EFs of the two views are {abs(efs[0] - efs[1]):.0f} points apart, {efs[0]:.0f} % and {efs[1]:.0f} %: check "
        "that both clips are of one patient and one study, and look at the contours."
    )
    return [CodedWarning(VIEWS_DISAGREE, text)]


def biplane_of(
    source: str, views: Mapping[str, tuple[Measurement, Clip | None]], measurer: ViewMeasurer
) -> Measurement:
    """The biplane result of two views that are measured; without an EF of one of them a refusal.

    Args:
        source: Both file names.
        views: Results by view.
        measurer: That measured them.
    """
    try:
        if not measurer.predictor.structures:
            raise QualityRefusal(
                "tracing_needed",
                f"{source}: {measurer.predictor.entry.name} draws no ventricle, and a biplane EF is made of two; choose "
                "another model with --weights.",
            )
        for name, (measurement, _) in views.items():
            if measurement.ef_percent is None:
                code = measurement.reason_code or "single_plane"
                raise QualityRefusal(code, f"No biplane EF, the {name} has none: {measurement.reason}")
        biplane = biplane_measurement(source, views["A4C"][0], views["A2C"][0], measurer.options)
        return replace(biplane, quality=quality_of_views({name: m for name, (m, _) in views.items()}))
    except LvefError as error:
        return failed_measurement(source, error, None)


def _with_second_of_views(
    biplane: Measurement, views: Views, second: ViewMeasurer
) -> tuple[Measurement, Views]:
    """Both views and the biplane result with the second opinion, which reads each clip once."""
    others: Views = {}
    for name, (_, clip) in views.items():
        own = second.with_options(options_of_view(second.options, View(name)))
        if clip is not None:
            others[name] = with_view(own.measure_opened(clip), View(name)), clip
    views = {
        name: (
            with_second_opinion(m, others[name][0], second.options.thresholds) if name in others else m,
            clip,
        )
        for name, (m, clip) in views.items()
    }
    if biplane.ef_percent is None:
        return biplane, views
    other = biplane_of(biplane.source, others, second)
    four = others["A4C"][0]
    other = replace(other, provenance=four.provenance, notices=(*four.notices, *other.notices))
    return with_second_opinion(biplane, other, second.options.thresholds), views
