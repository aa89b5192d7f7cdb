"""What was predicted for a case: the result of a model, or a line of a CSV file that another program wrote."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import FloatArray
from lvef.core.terms import Status
from lvef.evaluation.dataset.cases import Case
from lvef.evaluation.metrics import NAN
from lvef.evaluation.results import CaseResult
from lvef.geometry.ejection import ejection_fraction
from lvef.transforms.volume_tracing import N_LINES, volume_of_lines

ES_ABOVE_ED = "es_above_ed"
"""Reason of a refusal: the ventricle is larger at ES than at ED. Source: `lvef.measure.answer`."""

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
    def ef_at_named_percent(self) -> float:
        """EF from the raw lines on the frames that the dataset names, negative ones too; NaN without lines."""
        if not self.lines_ed or not self.lines_es:
            return NAN
        square = np.array([1.0, self.aspect])
        try:
            return ejection_fraction(
                *(volume_of_lines(as_lines(n) * square) for n in (self.lines_ed, self.lines_es))
            )
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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DataError(
            f"{path}: cannot be read ({why}); a CSV with the columns {ITEM} and {EF} was expected."
        ) from None
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
