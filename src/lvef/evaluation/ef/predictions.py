"""Predictions from a file: a CSV with a row a clip, as cross-validations and other programs write them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.terms import Status
from lvef.evaluation.ef.records import NOT_IN_FILE, Case, EfRecord
from lvef.evaluation.metrics import NAN

ITEM = "item"
"""Column of the clip's name."""

PREDICTED, EF = "predicted_percent", "ef_percent"
"""Columns of the prediction: the first where it is there, because the other then is what was to be predicted, as training
writes it; else the second. `_record` tells which others are read."""

LARGEST = 1000.0
"""No network that reads percent answers beyond -+ this; a file that does holds another quantity."""


def read_predictions(path: Path) -> dict[str, EfRecord]:
    """What a file says of each item.

    Args:
        path: CSV with a header. An empty prediction is no answer; a negative one stays as it is.

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
    records: dict[str, EfRecord] = {}
    for row in reader:
        item = (row[ITEM] or "").strip()
        where = f"{path}, line {reader.line_num}"
        if not item:
            raise DataError(f"{where}: names no {ITEM}; the name of a clip in the manifest was expected.")
        if item in records:
            raise DataError(f"{where}: {item} stands there twice; one prediction a clip was expected.")
        records[item] = _record(item, row, column, where)
    if not records:
        raise DataError(f"{path}: holds no prediction; a row a clip was expected.")
    efs = [record.ef_percent for record in records.values() if record.answered]
    if len(efs) > 1 and max(abs(ef) for ef in efs) <= 1:
        raise DataError(
            f"{path}: every {column} lies between -1 and 1; percent was expected, multiply by 100."
        )
    return records


def match_predictions(
    records: dict[str, EfRecord], cases: Sequence[Case], where: str
) -> tuple[EfRecord, ...]:
    """One record a case, in their order; cases that the file does not hold have no answer.

    Raises:
        DataError: The file holds none of the cases, or the manifest's own EFs.
    """
    if not any(case.item in records for case in cases):
        raise DataError(
            f"{where}: none of its {len(records)} items is among the {len(cases)} clips that are judged (its first is "
            f"{next(iter(records))}, theirs is {cases[0].item}); predictions of this manifest and split were expected."
        )
    both = [(records[case.item].ef_percent, case.ef_percent) for case in cases if case.item in records]
    if len(both) > 1 and all(answer == reference for answer, reference in both):
        raise DataError(
            f"{where}: its {EF} is the manifest's own in all {len(both)} clips; predictions were expected, in the column "
            f"{PREDICTED} or {EF}."
        )
    absent = "The file of predictions does not hold it."
    return tuple(
        records.get(case.item) or EfRecord(case.item, str(Status.REFUSED), NOT_IN_FILE, absent)
        for case in cases
    )


def _record(item: str, row: dict[str, str | None], column: str, where: str) -> EfRecord:
    ef = _number(row, column, where)
    answered = math.isfinite(ef)
    told = (row.get("status") or "").strip()
    status = told if told in set(Status) else str(Status.OK if answered else Status.REFUSED)
    if answered:
        return EfRecord(
            item,
            status,
            ef_percent=ef,
            edv_ml=_number(row, "edv_ml", where),
            esv_ml=_number(row, "esv_ml", where),
        )
    code, reason = ((row.get(name) or "").strip() for name in ("reason_code", "reason"))
    if not reason:
        reason = "The file of predictions holds no EF for it."
    return EfRecord(item, status, code or NOT_IN_FILE, reason)


def _number(row: dict[str, str | None], column: str, where: str) -> float:
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
            f"{where}: {column} holds {cell!r}; a number was expected, or an empty cell where there is no answer."
        )
    return value
