"""What was predicted for a case: the result of a model, or a line of a CSV file that another program wrote.

Predicted lines are compared with the dataset's volume tracings, from its table of tracings or its masks.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError, GeometryError, LvefError, reading
from lvef.core.records import FloatArray
from lvef.core.terms import Phase, Status
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import read_tracings
from lvef.evaluation.dataset.cases import Case
from lvef.evaluation.metrics import NAN
from lvef.evaluation.plots.images import LineOverlay
from lvef.evaluation.plots.style import short_name
from lvef.evaluation.runner import CaseResult
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.isolation import open_clip, read_labels
from lvef.transforms.volume_tracing import N_LINES, TracedFrame, traced_frame, volume_of_lines

ES_ABOVE_ED = "es_above_ed"
"""Reason of a refusal: the ventricle is larger at ES than at ED. Source: `lvef.measure.results`."""

NEGATIVE_COUNTS = ("es_above_ed", "answers_below_0")
"""Counts of a measurement that stand for a negative EF before any check."""

NOT_PREDICTED = "not_predicted"
"""Reason of a case that a file of predictions does not hold, or holds with an empty cell."""

ITEM = "item"
"""Column of the clip's name."""

PREDICTED, EF = "predicted_percent", "ef_percent"
"""Columns of the prediction: the first where it is there, because the other then is the reference, as training writes it;
else the second."""

LARGEST = 1000.0
"""No model of EF in percent predicts beyond -+ this; a file that does holds another quantity."""


@dataclass(frozen=True, slots=True)
class EfResult(CaseResult):
    """The predicted EF of one case.

    Attributes:
        edv_ml: Predicted end-diastolic volume; NaN without a scale.
        esv_ml: Predicted end-systolic volume.
        lines_ed: 84 numbers: 21 lines x 2 ends x (x, y) in pixels, on the ED frame that the dataset names, without temporal
            smoothing; empty where there are none.
        lines_es: The same on its ES frame.
        aspect: Height of a pixel over its width.
        warnings: Codes of the measurement's warnings, such as ``truncated``.
        counts: How often the model's own output broke a rule before any check; see `lvef.core.records.Measurement`.
    """

    edv_ml: float = NAN
    esv_ml: float = NAN
    lines_ed: tuple[float, ...] = ()
    lines_es: tuple[float, ...] = ()
    aspect: float = 1.0
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def was_negative(self) -> bool:
        """Whether the model's own EF was negative, before any check corrected or refused it."""
        stated = self.ef_percent < 0 or self.edv_ml < self.esv_ml or self.reason_code == ES_ABOVE_ED
        return stated or any(self.counts.get(name, 0) for name in NEGATIVE_COUNTS)

    @property
    def lines(self) -> dict[Phase, tuple[float, ...]]:
        """Both by phase."""
        return {Phase.ED: self.lines_ed, Phase.ES: self.lines_es}

    @property
    def ef_at_named_percent(self) -> float:
        """EF from the raw lines on the frames that the dataset names, negative ones too; NaN without lines."""
        if not all(self.lines.values()):
            return NAN
        square = np.array([1.0, self.aspect])
        try:
            return ejection_fraction(*(volume_of_lines(as_lines(n) * square) for n in self.lines.values()))
        except GeometryError:
            return NAN


def as_lines(numbers: Sequence[float]) -> FloatArray:
    """84 numbers as ``(21, 2, 2)`` lines."""
    return np.array(numbers, dtype=np.float64).reshape(N_LINES, 2, 2)


def read_predictions(path: Path) -> dict[str, EfResult]:
    """What a file says of each item.

    Args:
        path: CSV with a header. An empty cell is no prediction; a negative EF stays as it is.

    Raises:
        DataError: The file cannot be read, has no such columns, names an item twice, or holds what is no EF in percent.
    """
    with reading(path, f"a CSV with the columns {ITEM} and {EF} was expected"):
        text = path.read_text(encoding="utf-8-sig")
    reader = csv.DictReader(io.StringIO(text))
    columns = reader.fieldnames or ()
    column = PREDICTED if PREDICTED in columns else EF
    missing = [name for name in (ITEM, column) if name not in columns]
    if missing:
        found = ", ".join(columns) or "none"
        raise DataError(f"{path}: the column {' and '.join(missing)} is missing; its columns are {found}.")
    results: dict[str, EfResult] = {}
    for row in reader:
        item = (row[ITEM] or "").strip()
        where = f"{path}, line {reader.line_num}"
        if not item:
            raise DataError(f"{where}: names no {ITEM}; the name of a clip in the manifest was expected.")
        if item in results:
            raise DataError(f"{where}: {item} stands there twice; one prediction a clip was expected.")
        results[item] = _result(item, row, column, where)
    if not results:
        raise DataError(f"{path}: holds no prediction; a row a clip was expected.")
    efs = [result.ef_percent for result in results.values() if result.has_ef]
    if len(efs) > 1 and max(abs(ef) for ef in efs) <= 1:
        raise DataError(
            f"{path}: every {column} lies between -1 and 1; percent was expected, multiply by 100."
        )
    return results


def match_predictions(
    results: Mapping[str, EfResult], cases: Sequence[Case], where: str
) -> tuple[EfResult, ...]:
    """One result a case, in their order; cases that the file does not hold have no prediction.

    Raises:
        DataError: The file holds none of the cases, or the manifest's own EFs.
    """
    if not any(case.item in results for case in cases):
        raise DataError(
            f"{where}: none of its {len(results)} items is among the {len(cases)} clips that are evaluated (its first is "
            f"{next(iter(results))}, theirs is {cases[0].item}); predictions of this manifest and split were expected."
        )
    both = [(results[case.item].ef_percent, case.ef_percent) for case in cases if case.item in results]
    if len(both) > 1 and all(predicted == reference for predicted, reference in both):
        raise DataError(
            f"{where}: its {EF} is the manifest's own in all {len(both)} clips; predictions were expected, in the column "
            f"{PREDICTED} or {EF}."
        )
    absent = "The file of predictions does not hold it."
    return tuple(
        results.get(case.item) or EfResult(case.item, str(Status.REFUSED), NOT_PREDICTED, absent)
        for case in cases
    )


def _result(item: str, row: Mapping[str, str | None], column: str, where: str) -> EfResult:
    cells = {name: (row.get(name) or "").strip() for name in ("status", "reason_code", "reason")}
    ef = _number(row, column, where)
    status = Status.OK if math.isfinite(ef) else Status.REFUSED
    if cells["status"] in set(Status):
        status = Status(cells["status"])
    if math.isfinite(ef):
        edv, esv = (_number(row, name, where) for name in ("edv_ml", "esv_ml"))
        return EfResult(item, str(status), ef_percent=ef, edv_ml=edv, esv_ml=esv)
    reason = cells["reason"] or "The file of predictions holds no EF for it."
    return EfResult(item, str(status), cells["reason_code"] or NOT_PREDICTED, reason)


def _number(row: Mapping[str, str | None], column: str, where: str) -> float:
    """A number of a cell, NaN for an empty one.

    Raises:
        DataError: It holds something else.
    """
    cell = (row.get(column) or "").strip()
    if not cell:
        return NAN
    try:
        value = float(cell)
    except ValueError:
        value = NAN
    if not math.isfinite(value) or (column in (PREDICTED, EF) and abs(value) > LARGEST):
        raise DataError(
            f"{where}: {column} holds {cell!r}; a number was expected, or an empty cell for no prediction."
        )
    return value


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
            except (GeometryError, DataError, LookupError):
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
        for phase, numbers in result.lines.items():
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
        if all(result.lines.values()) and len(traced) == len(Phase):
            errors = [_mean_error(numbers, traced[phase]) for phase, numbers in result.lines.items()]
            known.append((float(np.mean(errors)), case, result))
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
        for phase, numbers in result.lines.items():
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
) -> TracedFrame:
    """Lines of a frame; LookupError where the dataset has none of it."""
    if case.tracing_path is not None:
        return traced_frame(frame, tables[case.tracing_path][case.item][frame])
    assert case.mask_path is not None
    lines = volume_tracing_of_mask(read_labels(case.mask_path)[frame])
    return TracedFrame(frame, lines, volume_of_lines(lines), len(lines))
