"""TMED-2: echo stills with views and grades of aortic stenosis. It carries no ejection fraction.

Source, terms, layout and known defects stand in `READER`. Tables and stills may lie at any depth below the root. Stills of
unlabelled sets carry a patient and, through it, a split.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Split
from lvef.datasets.files import (
    LINE,
    drop_duplicate_rows,
    header_columns,
    read_file_header,
    read_text_table,
    walk_files,
)
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.io.isolation import probe_image

TABLE = "labels_per_image.csv"
"""Table of labels."""

FOLD_TABLE = re.compile(r"TMED2_fold0_labeledpart.*\.csv", re.IGNORECASE)
"""The owners' split tables hold the same columns; fold 0 is taken where `TABLE` is missing or has no splits."""

SPLITS = ("view_classifier_split", "diagnosis_classifier_split")
"""Columns of the two splits."""

COLUMNS = ("query_key", "view_label", "diagnosis_label", *SPLITS)
"""Columns that are read."""

VIEWS = {
    "plax": DatasetView.PLAX,
    "psax": DatasetView.PSAX,
    "a4c": DatasetView.A4C,
    "a2c": DatasetView.A2C,
    "a4cora2corother": DatasetView.OTHER,
    "other": DatasetView.OTHER,
}
"""Views in the words of the table, lower case."""

GRADES = ("no_AS", "mild_AS", "mildtomod_AS", "moderate_AS", "severe_AS")
"""Grades of aortic stenosis in the words of the table."""

NOT_GRADED = "not_provided"
"""What the table says, in lower case, where there is no grade."""

STILLS = 17270
"""Labelled stills of the release: 4,808 PLAX, 1,725 PSAX, 2,206 A4C, 1,670 A2C and 6,861 other."""

_KEY = re.compile(r"(?P<patient>\d+)s(?P<study>\d+)_(?P<image>\d+)")

# fmt: off
_REMEDY = "Take the table as its owners hand it out."
_UNLABELLED = FindingKind("unlabelled", NOTE,
    "Stills are in no row of the table: they are kept without labels, in the split of their patient.",
    "Nothing; the dataset has unlabelled sets.")
_NO_EF = FindingKind("no_ef", NOTE,
    "TMED-2 carries no ejection fraction and no volumes; it labels views and aortic stenosis on stills.",
    "Commands that need an EF cannot use it.")
_DUPLICATE_FILES = FindingKind("duplicate_files", WARNING,
    "Stills lie in more than one folder under the same name; the first by name of the folder is used.", "Remove the copies.")
_FOLD_0 = FindingKind("splits_of_fold_0", NOTE, f"{TABLE} has no splits; those of the owners' fold 0 were taken.")
_UNNAMED = FindingKind("unnamed_row", WARNING, "Rows of the table of labels name no still; they are left out.", _REMEDY)
_PARTIAL = FindingKind("partial_list", NOTE, f"The table names {{n:,}} stills; the release has {STILLS:,}.",
    "Nothing, where a part is meant.")
_CONTRADICTING = FindingKind("contradicting_rows", ERROR,
    "Stills stand in the table more than once with different labels; they are kept without labels.", _REMEDY)
_DUPLICATE_ROWS = FindingKind("duplicate_rows", WARNING,
    "Stills stand in the table more than once with the same labels; the first row is kept.", _REMEDY)
_ODD_NAME = FindingKind("odd_name", WARNING,
    "Names of stills do not name their patient (expected is 1009s2_12); each counts as a separate patient.",
    "Do not split by patient where these matter.")
_UNKNOWN_VIEW = FindingKind("unknown_view", WARNING,
    "Views are empty or none of the dataset's; they become unknown.", _REMEDY)
_UNKNOWN_GRADE = FindingKind("unknown_diagnosis", WARNING,
    f"Diagnoses are none of {', '.join(GRADES)}; they are kept as they are.", _REMEDY)
_MISSING_FILE = FindingKind("missing_file", ERROR,
    "Stills are listed, but their PNG files are not there; their rows and labels are kept.",
    "Unpack every set again and look whether it was whole; then import again.")
# fmt: on


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the dataset's folder.

    Args:
        root: Folder with the table of labels and the sets of stills, at any depth.
        progress: Called with stills done and stills in all.

    Raises:
        DataError: There is no table of labels, it cannot be read, or there is no PNG file.
    """
    root = root.absolute()
    findings = Findings()
    files, tables = _index(root, findings)
    table = _labels(root, tables, findings)
    if not files:
        raise DataError(
            f"{root}: the table of labels is there, but no PNG file is in it or below; expected are the sets "
            "view_and_diagnosis_labeled_set, view_labeled_set and unlabeled_set: unpack them there."
        )
    kinds = (_CONTRADICTING, _DUPLICATE_ROWS)
    stills = drop_duplicate_rows(table, "query_key", COLUMNS[1:], kinds, findings)
    progress = progress or no_progress
    listed = {row["query_key"]: row for row in stills.to_dicts()}
    unlabelled = sorted(files.keys() - listed.keys())
    total = len(listed) + len(unlabelled)
    rows: list[dict[str, Any]] = []
    for name in (*listed, *unlabelled):
        rows.append(_row(root, name, files.get(name), listed.get(name), findings))
        progress(len(rows), total)
    findings.add(_UNLABELLED, unlabelled)
    _give_splits(rows)
    findings.add(_NO_EF, "TMED-2")
    return READER.result(rows, findings, "TMED-2")


def _index(root: Path, findings: Findings) -> tuple[dict[str, Path], list[Path]]:
    """PNG files by name without suffix, and the tables of labels."""
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; the unpacked TMED-2 folder was expected.")
    files: dict[str, Path] = {}
    tables: list[Path] = []
    doubled = []
    for path in walk_files(root):
        lower = path.name.lower()
        if lower.endswith(".png"):
            if path.stem in files:
                doubled.append(path.relative_to(root).as_posix())
            else:
                files[path.stem] = path
        elif lower == TABLE or FOLD_TABLE.fullmatch(path.name):
            tables.append(path)
    findings.add(_DUPLICATE_FILES, doubled)
    return files, sorted(tables, key=lambda p: (p.name.lower() != TABLE, p))


def _labels(root: Path, tables: list[Path], findings: Findings) -> pl.DataFrame:
    """The table of labels, its splits from the fold table where it has none."""
    if not tables:
        raise DataError(
            f"{root}: neither {TABLE} nor TMED2_fold0_labeledpart.csv is in it or below; expected is the TMED-2 folder "
            "with its table of labels: put the table there."
        )
    path = tables[0]
    table = read_text_table(path, COLUMNS, findings).with_columns(pl.lit(path.name).alias("file"))
    fold = next((p for p in tables[1:] if FOLD_TABLE.fullmatch(p.name)), None)
    if fold is not None and all(table[name].null_count() == len(table) for name in SPLITS):
        splits = read_text_table(fold, (COLUMNS[0], *SPLITS), findings).unique(COLUMNS[0], keep="first")
        table = table.drop(SPLITS).join(splits.drop(LINE), COLUMNS[0], "left", maintain_order="left")
        findings.add(_FOLD_0, fold.name)
    key = pl.col("query_key").str.replace(r"(?i)\.png$", "")
    nameless = table.filter(pl.col("query_key").is_null())
    findings.add(_UNNAMED, [f"{path.name}, line {line}" for line in nameless[LINE]])
    table = table.with_columns(key).filter(pl.col("query_key").is_not_null())
    n = table["query_key"].n_unique()
    findings.add(_PARTIAL.filled(n=n), path.name if n != STILLS else [])
    return table


def _row(
    root: Path, name: str, path: Path | None, listed: dict[str, Any] | None, findings: Findings
) -> dict[str, Any]:
    key = _KEY.fullmatch(name)
    if key is None:
        findings.add(_ODD_NAME, name)
    if path is None:
        findings.add(_MISSING_FILE, name)
        relative, header = f"{name}.png", None
    else:
        relative = path.relative_to(root).as_posix()
        header = read_file_header(path, relative, "stills", probe_image, findings)
    labels: dict[str, Any] = {"study": f"{key['patient']}s{key['study']}"} if key else {}
    if path is not None and "/" in relative:
        labels["set"] = relative.split("/")[:-1]
    row: dict[str, Any] = {
        **header_columns(header),
        "item": name,
        "patient": key["patient"] if key else name,
        "kind": "still",
        "view": DatasetView.UNKNOWN,
        "root": root.as_posix(),
        "path": relative,
        "n_frames": 1,
    }
    if listed is not None:
        row["told_by"] = f"{listed['file']}, line {listed[LINE]}"
        row["view"] = _view(name, listed["view_label"], labels, findings)
        row["diagnosis"] = _grade(name, listed["diagnosis_label"], findings)
        view_split, diagnosis_split = (listed[column] for column in SPLITS)
        labels |= {"view_split": view_split, "diagnosis_split": diagnosis_split}
        row["split_name"] = view_split
        row["split"] = next((s for s in Split if view_split and s == view_split.lower()), None)
    row["labels"] = json.dumps(labels, ensure_ascii=False)
    return row


def _view(name: str, word: str | None, labels: dict[str, Any], findings: Findings) -> DatasetView:
    view = VIEWS.get((word or "").lower())
    labels["view_label"] = word
    if view is None:
        findings.add(_UNKNOWN_VIEW, f"{name}: {word or 'empty'}")
    return view or DatasetView.UNKNOWN


def _grade(name: str, word: str | None, findings: Findings) -> str | None:
    if word is None or word.lower() == NOT_GRADED:
        return None
    grade = next((g for g in GRADES if g.lower() == word.lower()), None)
    if grade is None:
        findings.add(_UNKNOWN_GRADE, f"{name}: {word}")
    return grade or word


def _give_splits(rows: list[dict[str, Any]]) -> None:
    """Put stills without labels into the split of their patient's labelled ones, where these agree."""
    parts: dict[str, set[Split]] = {}
    for row in rows:
        if row.get("split"):
            parts.setdefault(row["patient"], set()).add(row["split"])
    for row in rows:
        found = parts.get(row["patient"], set())
        if "told_by" not in row and len(found) == 1:
            row["split"] = next(iter(found))


READER = DatasetReader(
    name="tmed-2",
    title="TMED-2, Tufts Medical Echocardiogram Dataset, Tufts University, Boston",
    holds=(
        "17,270 labelled PNG stills of 112 x 112 pixels (PLAX 4,808, PSAX 1,725, A4C 2,206, A2C 1,670, other 6,861), grades "
        "of aortic stenosis for a part, and unlabelled stills beside them. No clips and no ejection fraction."
    ),
    where="https://tmed.cs.tufts.edu/",
    terms="Academic research after applying on the owners' page; no part may be passed on.",
    licence="Tufts academic agreement: research only, no redistribution",
    citation=(
        'Z. Huang, G. Long, B. Wessler, M. C. Hughes, "A New Semi-supervised Learning Benchmark for Classifying View and '
        'Diagnosing Aortic Stenosis from Echocardiograms", MLHC 2021, doi 10.48550/arXiv.2108.00080; the same, "TMED 2: A '
        'Dataset for Semi-Supervised Classification of Echocardiograms", DataPerf workshop at ICML, 2022'
    ),
    size="17,270 labelled PNG files of a few kilobytes, and unlabelled sets many times as large",
    layout="""\
ROOT/                                   at any depth below it:
  labels_per_image.csv                  (or DEV479/TMED2_fold0_labeledpart.csv)
  view_and_diagnosis_labeled_set/
    labeled/1009s2_12.png               patient 1009, study 2, image 12
    unlabeled/1009s2_13.png
  view_labeled_set/
    labeled/...
    unlabeled/...
  unlabeled_set/
    unlabeled/...""",
    has_ef=False,
    known_defects=(
        "No EF and no volumes, whatever has been written of it; stills, no clips; Boston, not Taiwan.",
        "Two splits, for views and for diagnoses: `split` is that of the views, both stand in `labels`.",
        "A patient can have several studies: the patient is the number before the s of the name.",
        "A4CorA2CorOther means that the view was not stated; such stills get the view `other`.",
    ),
    read=read,
)
"""TMED-2 as `lvef data` knows it."""
