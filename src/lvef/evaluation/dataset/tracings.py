"""Volume tracings of a dataset, from its table of tracings or its masks, beside the lines that a model predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError, GeometryError, LvefError
from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import read_tracings
from lvef.evaluation.dataset.cases import Case
from lvef.evaluation.dataset.predictions import EfResult, as_lines
from lvef.evaluation.plots.images import LineOverlay
from lvef.evaluation.plots.style import short_name
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.isolation import open_clip, read_labels
from lvef.transforms.volume_tracing import TracedFrame, traced_frame, volume_of_lines

REPORT_TEST_MAE = 0.0265
"""Mean absolute error of line ends on the source report's test images, in image units. Source: SPEC 4.2."""

NOT_COMPARABLE = "another crop than the report's: not comparable"
"""Stands beside its value wherever ours are shown."""

ReferenceTracings = Mapping[str, Mapping[Phase, TracedFrame]]
"""Item -> phase -> the dataset's lines on the frame that it names."""


@dataclass(frozen=True, slots=True)
class TracingError:
    """How far one frame's predicted lines lie from those of the dataset.

    Attributes:
        item: Case.
        patient: Patient.
        error_px: Mean absolute difference over the 84 coordinates.
        side_px: Longer side of the image: what 1 is in image units.
        length_px: Length of the dataset's long axis.
    """

    item: str
    patient: str
    error_px: float
    side_px: float
    length_px: float

    @property
    def image_units(self) -> float:
        """The error in parts of the image's side."""
        return self.error_px / self.side_px

    @property
    def lengths(self) -> float:
        """The error in lengths of the left ventricle."""
        return self.error_px / self.length_px


def read_reference_tracings(cases: Sequence[Case]) -> tuple[dict[str, dict[Phase, TracedFrame]], int]:
    """Lines of all cases on the ED and ES frames that their dataset names.

    Returns:
        The lines, and how many traced frames could not be used: not there, or no ventricle.

    Raises:
        DataError: A table of tracings that the manifest names cannot be read.
    """
    tables: dict[Path, dict[str, dict[int, FloatArray]]] = {}
    found: dict[str, dict[Phase, TracedFrame]] = {}
    unusable = 0
    for case in cases:
        if not case.has_reference_tracing or case.named_frames is None:
            continue
        if case.tracing_path is not None and case.tracing_path not in tables:
            tables[case.tracing_path] = read_tracings(case.tracing_path, Findings())
        for phase, frame in zip(Phase, case.named_frames, strict=True):
            try:
                traced = _traced(case, frame, tables)
            except (GeometryError, DataError):
                traced = None
            if traced is None:
                unusable += 1
            else:
                found.setdefault(case.item, {})[phase] = traced
    return found, unusable


def tracing_errors(
    cases: Sequence[Case], results: Sequence[EfResult], reference: ReferenceTracings
) -> list[TracingError]:
    """Errors of every frame that both have lines of.

    Args:
        cases: They.
        results: Of one model, in the order of the cases.
        reference: From `read_reference_tracings`.
    """
    found = []
    for case, result in zip(cases, results, strict=True):
        for phase, numbers in ((Phase.ED, result.lines_ed), (Phase.ES, result.lines_es)):
            traced = reference.get(case.item, {}).get(phase)
            if traced is None or not numbers or case.side_px is None:
                continue
            length = float(np.hypot(*(traced.lines[0, 1] - traced.lines[0, 0])))
            error = _mean_error(numbers, traced)
            found.append(TracingError(case.item, case.patient, error, case.side_px, length))
    return found


def choose_cases(
    cases: Sequence[Case], results: Sequence[EfResult], reference: ReferenceTracings, number: int
) -> list[tuple[Case, EfResult]]:
    """Cases to show: from the smallest error to the largest in even steps, so that neither kind is picked.

    Args:
        cases: They.
        results: Of one model, in their order.
        reference: Lines of the dataset.
        number: How many at most.

    Returns:
        Those that have both sets of lines on both frames, by their error.
    """
    known = []
    for case, result in zip(cases, results, strict=True):
        traced = reference.get(case.item, {})
        if result.lines_ed and result.lines_es and len(traced) == len(Phase):
            pairs = ((result.lines_ed, traced[Phase.ED]), (result.lines_es, traced[Phase.ES]))
            known.append((float(np.mean([_mean_error(*pair) for pair in pairs])), case, result))
    known.sort(key=lambda entry: (entry[0], entry[1].item))
    places = np.unique(np.linspace(0, len(known) - 1, min(number, len(known))).round().astype(int))
    return [known[i][1:] for i in places.tolist()] if known else []


def make_overlays(chosen: Sequence[tuple[Case, EfResult]], reference: ReferenceTracings) -> list[LineOverlay]:
    """ED and ES frame of each case with both sets of lines; a file that can no longer be read is left out."""
    found = []
    for case, result in chosen:
        try:
            clip = open_clip(case.path)
        except LvefError:
            continue
        for phase, numbers in ((Phase.ED, result.lines_ed), (Phase.ES, result.lines_es)):
            traced = reference[case.item][phase]
            if traced.frame >= len(clip.frames):
                continue
            error = _mean_error(numbers, traced) / (case.side_px or max(clip.frames.shape[1:]))
            first = short_name(case.item)
            if phase is Phase.ES:
                first = f"EF {result.ef_at_named_percent:.0f}, manifest {case.ef_percent:.0f}"
            facts = f"{phase}, frame {traced.frame}: error {error:.4f}"
            found.append(
                LineOverlay(clip.frames[traced.frame], as_lines(numbers), traced.lines, (first, facts))
            )
    return found


def _mean_error(numbers: Sequence[float], traced: TracedFrame) -> float:
    return float(np.abs(as_lines(numbers) - traced.lines).mean())


def _traced(
    case: Case, frame: int, tables: Mapping[Path, Mapping[str, Mapping[int, FloatArray]]]
) -> TracedFrame | None:
    if case.tracing_path is not None:
        raw = tables[case.tracing_path].get(case.item, {}).get(frame)
        return None if raw is None else traced_frame(frame, raw)
    assert case.mask_path is not None
    masks = read_labels(case.mask_path)
    if frame >= len(masks):
        return None
    lines = volume_tracing_of_mask(masks[frame])
    return TracedFrame(frame, lines, volume_of_lines(lines), len(lines))
