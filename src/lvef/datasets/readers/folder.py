"""A user's own dataset: one CSV with paths, and whatever else is known of each file.

Layout and known defects stand in `READER`. One row a file: a column of paths (absolute, or from the CSV's folder), and any
of the columns in `SPELLINGS`. Comma, semicolon or tab stand between the cells. A suffix that is missing is looked for;
columns that name a person are left out.
"""

from __future__ import annotations

import json
import math
import os.path
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.datasets.files import EMPTY_CELLS, CsvRow, CsvTable, find_csv, read_csv_table, read_file_header
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.manifest import BY_NAME
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.io.formats import CANDIDATE_SUFFIXES, STILL_SUFFIXES, is_file
from lvef.io.isolation import probe

FRACTION = 1.0
"""An EF above 0 and up to this is a fraction: no living heart ejects only 1 %."""

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "filepath", "video", "videopath", "clip", "image", "imagepath", "dicom", "avi"),
    "patient": ("patient", "patientid", "subject", "subjectid", "pid", "case", "caseid"),
    "ef_percent": ("ef", "lvef", "efpercent", "lvefpercent", "ejectionfraction", "efpct", "efbiplane", "efvalue"),
    "edv_ml": ("edv", "lvedv", "edvml", "lvedvml", "enddiastolicvolume"),
    "esv_ml": ("esv", "lvesv", "esvml", "lvesvml", "endsystolicvolume"),
    "ef_method": ("efmethod", "method"),
    "ed_frame": ("edframe", "enddiastolicframe", "ed"),
    "es_frame": ("esframe", "endsystolicframe", "es"),
    "view": ("view", "viewlabel", "window"),
    "phase": ("phase", "cardiacphase"),
    "split": ("split", "set", "subset", "partition"),
    "age_years": ("age", "ageyears", "patientage"),
    "sex": ("sex", "gender", "patientsex"),
    "heart_rate_bpm": ("hr", "heartrate", "heartratebpm", "bpm"),
    "diagnosis": ("diagnosis", "diagnosislabel", "pathology"),
    "quality": ("quality", "imagequality", "picturequality"),
    "mask_path": ("mask", "maskpath", "segmentation"),
    "frame_rate_hz": ("fps", "framerate", "frameratehz"),
    "spacing_x_mm": ("spacingxmm",),
    "spacing_y_mm": ("spacingymm",),
}  # fmt: skip
"""Column of the manifest -> titles that mean it, as `plain_title` writes them: case, blanks, signs, units do not count."""

PERSONAL = ("name", "patientname", "firstname", "lastname", "surname", "givenname", "birthdate", "dateofbirth", "dob",
            "birthday", "address", "phone", "email", "mrn", "ssn", "insurance", "insuranceid")  # fmt: skip
"""Titles of columns that name a person: never taken into a manifest."""

VIEWS: Mapping[str, tuple[str, ...]] = {
    DatasetView.A4C: ("a4c", "4ch", "ap4", "apical4chamber", "apicalfourchamber", "ch4", "4chamber"),
    DatasetView.A2C: ("a2c", "2ch", "ap2", "apical2chamber", "apicaltwochamber", "ch2", "2chamber"),
    DatasetView.PLAX: ("plax", "parasternallongaxis"),
    DatasetView.PSAX: ("psax", "parasternalshortaxis"),
    DatasetView.OTHER: ("other",),
    DatasetView.UNKNOWN: ("unknown",),
}
"""Words for views, as `plain_title` writes them."""

SPLITS: Mapping[str, tuple[str, ...]] = {
    Split.TRAIN: ("train", "training"),
    Split.VAL: ("val", "valid", "validation", "dev"),
    Split.TEST: ("test", "testing"),
}
"""Words for splits."""

SEXES: Mapping[str, tuple[str, ...]] = {
    Sex.FEMALE: ("f", "female", "w", "woman"),
    Sex.MALE: ("m", "male", "man"),
}
"""Words for sex. Codes 0, 1 and 2 are not understood: datasets disagree on them."""

PHASES: Mapping[str, tuple[str, ...]] = {
    Phase.ED: ("ed", "enddiastole", "enddiastolic", "diastole"),
    Phase.ES: ("es", "endsystole", "endsystolic", "systole"),
}
"""Words for phases."""

WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "view": VIEWS, "split": SPLITS, "sex": SEXES, "phase": PHASES,
}  # fmt: skip
"""Columns that hold one word of a few, and the spellings of each."""

_UNITS = re.compile(r"[(\[](?:%|percent|ml|mm|bpm|hz|years?)[)\]]|%")

# fmt: off
_CORRECT = "Correct the cells and import again."
_PERSONAL = FindingKind("personal_columns", WARNING, "Columns name a person: they are left out.",
    "Nothing; a manifest holds no names.")
_OTHER = FindingKind("other_columns", NOTE, "Columns are not known: they are kept in `labels`.",
    "Rename them where they mean one of the known columns.")
_NO_EF = FindingKind("no_ef", WARNING, "The table has no column of EF.",
    f"Call it one of {', '.join(SPELLINGS['ef_percent'])}.")
_NO_PATIENT = FindingKind("no_patient", WARNING,
    "The table has no column of patients: each file counts as a separate patient.",
    f"Call it one of {', '.join(SPELLINGS['patient'])}.")
_DUPLICATE = FindingKind("duplicate_rows", WARNING,
    "Files are listed twice with the same cells; the first is used.", _CORRECT)
_CONTRADICTING = FindingKind("contradicting_rows", ERROR,
    "Files are listed more than once with different cells; they are left out.", "Keep the row that is right.")
_RAGGED = FindingKind("ragged_rows", WARNING,
    "Rows have more or fewer cells than the header; look whether cells have shifted.", _CORRECT)
_NO_PATH = FindingKind("no_path", WARNING, "Rows have no path: they are left out.", _CORRECT)
_AMBIGUOUS = FindingKind("ambiguous_path", WARNING, "Paths without suffix fit several files: they are left out.", _CORRECT)
_SUFFIX_ADDED = FindingKind("suffix_added", NOTE, "Paths have no suffix; the one file of that name was taken.", _CORRECT)
_MISSING_MASK = FindingKind("missing_mask", WARNING, "Masks are listed, but their files are not there; the rows are kept.",
    "Correct the paths; they start from the CSV's folder.")
_NO_NUMBER = FindingKind("no_number", WARNING, "Cells hold words where numbers were expected; they stay empty.", _CORRECT)
_FRACTION = FindingKind("ef_fraction", ERROR,
    "An EF between 0 and 1 looks like a fraction; it stays empty, since it is not multiplied here.",
    "Write EF in percent (0 to 100) and import again.")
_OUT = FindingKind("out_of_range", WARNING, "Cells hold numbers that cannot be; they stay empty.", _CORRECT)
_EF_OUT = _OUT._replace(code="ef_out_of_range")
_MISSING_FILE = FindingKind("missing_file", ERROR, "Files are listed, but are not there; their rows and labels are kept.",
    "Correct the paths; they start from the CSV's folder, or from the top of the disk.")
_OUTSIDE = FindingKind("frame_outside", WARNING,
    "ED or ES frames lie after the end of the clip (frames count from 0); they stay empty.", _CORRECT)
# fmt: on


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read a table of one's own files.

    Args:
        root: The CSV file, or the folder that holds exactly one.
        progress: Called with rows done and rows in all.

    Raises:
        DataError: There is no such table, it has no column of paths, or two columns mean the same.
    """
    path = find_csv(root.absolute())
    return _Importer(path, read_csv_table(path), progress or no_progress).run()


class _Importer:
    def __init__(self, path: Path, table: CsvTable, progress: Progress) -> None:
        self.file, self.folder, self.table, self.progress = path, path.parent, table, progress
        self.findings = Findings()
        self.listings: dict[Path, dict[str, list[Path]]] = {}
        meanings, personal, self.others = match_titles(table.columns)
        doubled = next((titles for titles in meanings.values() if len(titles) > 1), None)
        if doubled:
            raise DataError(
                f"{path}: the columns {' and '.join(doubled)} mean the same; rename or remove the ones not meant."
            )
        if "path" not in meanings:
            raise DataError(
                f"{path}: no column of paths among {', '.join(table.columns[:12])}; call it one of "
                f"{', '.join(SPELLINGS['path'])}."
            )
        self.titles = {column: titles[0] for column, titles in meanings.items()}
        self.findings.add(_PERSONAL, personal)
        self.findings.add(_OTHER, self.others)
        for column, kind in (("ef_percent", _NO_EF), ("patient", _NO_PATIENT)):
            self.findings.add(kind, [path.name] if column not in self.titles else [])

    def run(self) -> ImportResult:
        rows: dict[str, dict[str, Any]] = {}
        lines: dict[str, CsvRow] = {}
        contrary: list[str] = []
        for done, line in enumerate(self.table.rows, 1):
            found = self._locate(line)
            if found is not None:
                key = f"{found[0]}/{found[1]}"
                if key not in rows:
                    rows[key], lines[key] = self._row(line, *found), line
                elif self._same(lines[key], line):
                    self._note(_DUPLICATE, line)
                else:
                    contrary.append(key)
            self.progress(done, len(self.table.rows))
        repeated = [rows[key]["path"] for key in dict.fromkeys(contrary)]
        self.findings.add(_CONTRADICTING, repeated)
        kept = [row for key, row in rows.items() if key not in contrary]
        if not kept:
            worst = next(
                (found.text for found in self.findings.sorted()), "at least one row with a path was expected."
            )
            raise DataError(f"{self.file}: none of its {len(self.table.rows)} rows can be used; {worst}")
        _give_items(kept)
        for row in kept:
            if row.get("patient") is None:
                row["patient"] = row["item"]
        return READER.result(kept, self.findings, str(self.file))

    def _locate(self, line: CsvRow) -> tuple[str, str] | None:
        """Root and path of a row's file; a missing suffix is looked for."""
        if not line.complete:
            self._note(_RAGGED, line)
        cell = line.cells[self.titles["path"]]
        if cell.lower() in EMPTY_CELLS:
            self._note(_NO_PATH, line)
            return None
        path = self.folder / Path(cell.replace("\\", "/"))
        if not is_file(path):
            candidates = self._with_suffix(path)
            if len(candidates) > 1:
                self._note(_AMBIGUOUS, line, cell)
                return None
            if candidates:
                self._note(_SUFFIX_ADDED, line, cell)
                path = candidates[0]
        resolved = Path(_normal(path))
        if resolved.is_relative_to(self.folder):
            return self.folder.as_posix(), resolved.relative_to(self.folder).as_posix()
        return resolved.parent.as_posix(), resolved.name

    def _with_suffix(self, path: Path) -> list[Path]:
        """Files beside a path that have its name and a suffix that can be read; none where it already has one."""
        if path.name.lower().endswith(CANDIDATE_SUFFIXES):
            return []
        if path.parent not in self.listings:
            known: dict[str, list[Path]] = {}
            for entry in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
                suffix = next((s for s in CANDIDATE_SUFFIXES if entry.name.lower().endswith(s)), None)
                if suffix is not None:
                    known.setdefault(entry.name.lower().removesuffix(suffix), []).append(entry)
            self.listings[path.parent] = known
        return self.listings[path.parent].get(path.name.lower(), [])

    def _row(self, line: CsvRow, root: str, path: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "view": DatasetView.UNKNOWN,
            "root": root,
            "path": path,
            "told_by": f"{self.file.name}, line {line.line}",
        }
        labels = {t: line.cells[t] for t in self.others if line.cells[t].lower() not in EMPTY_CELLS}
        for column, title in self.titles.items():
            cell = line.cells[title]
            if column == "path" or cell.lower() in EMPTY_CELLS:
                continue
            if column == "mask_path":
                self._mask(row, cell)
            elif column in WORDS:
                self._word(row, labels, column, cell, line)
            elif BY_NAME[column].kind == "text":
                row[column] = cell
            else:
                self._number(row, column, cell, line)
        if any(row.get(c) is not None for c in ("ef_percent", "edv_ml", "esv_ml")):
            row.setdefault("ef_method", "not stated")
        self._header(row, Path(root, path))
        row["labels"] = json.dumps(labels, ensure_ascii=False) if labels else None
        return row

    def _mask(self, row: dict[str, Any], cell: str) -> None:
        path = Path(_normal(self.folder / Path(cell.replace("\\", "/"))))
        inside = path.is_relative_to(row["root"])
        row["mask_path"] = path.relative_to(row["root"]).as_posix() if inside else path.as_posix()
        self.findings.add(_MISSING_MASK, [cell] if not is_file(path) else [])

    def _word(
        self, row: dict[str, Any], labels: dict[str, str], column: str, cell: str, line: CsvRow
    ) -> None:
        word = read_word(column, cell)
        if column == "split":
            row["split_name"] = cell
        if word is not None:
            row[column] = word
            return
        labels[self.titles[column]] = cell
        words = ", ".join(spellings[0] for spellings in WORDS[column].values())
        text = f"Cells of {self.titles[column]} are none of {words}: they are kept in `labels` only."
        self._note(FindingKind(f"unknown_{column}", WARNING, text, _CORRECT), line, cell)

    def _number(self, row: dict[str, Any], column: str, cell: str, line: CsvRow) -> None:
        wanted, title = BY_NAME[column], self.titles[column]
        value = read_number(cell, decimal_comma=self.table.separator != ",")
        if value is None or (wanted.kind == "whole" and value != int(value)):
            self._note(_NO_NUMBER, line, f"{title} {cell}")
            return
        if column == "ef_percent" and 0 < value <= FRACTION:
            self._note(_FRACTION, line, cell)
            return
        if not wanted.allows(value):
            self._note(_EF_OUT if column == "ef_percent" else _OUT, line, f"{title} {cell}")
            return
        row[column] = int(value) if wanted.kind == "whole" else value

    def _header(self, row: dict[str, Any], path: Path) -> None:
        """Frames, rate and size by the file's header; a missing or unreadable file is noted and its row kept."""
        row["kind"] = "still" if path.suffix.lower() in STILL_SUFFIXES or row.get("phase") else "clip"
        if not is_file(path):
            self.findings.add(_MISSING_FILE, row["path"])
            return
        header = read_file_header(path, row["path"], "files", probe, self.findings)
        if header is None:
            return
        n, rate = header.n_frames, row.get("frame_rate_hz") or _plausible(header.frame_rate_hz)
        row |= {"n_frames": n, "width_px": header.width_px, "height_px": header.height_px}
        if n is not None:
            row["kind"] = "still" if n == 1 else "clip"
        if n != 1:
            row |= {"frame_rate_hz": rate, "duration_s": n / rate if n and rate else None}
        for column in ("ed_frame", "es_frame"):
            if row.get(column) is not None and n is not None and row[column] >= n:
                self.findings.add(_OUTSIDE, f"{row['path']}: {row[column]} of {n}")
                row[column] = None

    def _same(self, first: CsvRow, second: CsvRow) -> bool:
        return all(first.cells[t] == second.cells[t] for t in self.table.columns if t != self.titles["path"])

    def _note(self, kind: FindingKind, line: CsvRow, cell: str = "") -> None:
        self.findings.add(kind, f"line {line.line}" + (f": {cell}" if cell else ""))


def plain_title(title: str) -> str:
    """A title without case, blanks, signs and the unit in brackets.

    >>> plain_title("LV_EF (%)")
    'lvef'
    """
    return re.sub(r"[^a-z0-9]", "", _UNITS.sub("", title.lower()))


def match_titles(titles: tuple[str, ...]) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """Find the meaning of a table's titles.

    Returns:
        The manifest's columns with the titles that mean them, titles that name a person, and all others.
    """
    meanings: dict[str, list[str]] = {}
    personal, others = [], []
    by_spelling = {spelling: column for column, spellings in SPELLINGS.items() for spelling in spellings}
    for title in titles:
        plain = plain_title(title)
        if plain in by_spelling:
            meanings.setdefault(by_spelling[plain], []).append(title)
        elif plain in PERSONAL:
            personal.append(title)
        else:
            others.append(title)
    return meanings, personal, others


def read_word(column: str, cell: str) -> str | None:
    """A word of `WORDS`, or None where the cell holds none of them."""
    plain = plain_title(cell)
    return next((word for word, spellings in WORDS[column].items() if plain in spellings), None)


def read_number(cell: str, *, decimal_comma: bool) -> float | None:
    """A finite number, or None.

    Args:
        cell: For example ``55.2``, ``55 %`` or, in a table with semicolons, ``55,2``.
        decimal_comma: Whether a comma is the decimal point.
    """
    text = cell.rstrip("% ").strip()
    if decimal_comma:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _normal(path: Path) -> str:
    """An absolute path without `..`; links stay as they are."""
    return os.path.normpath(path)


def _plausible(rate_hz: float | None) -> float | None:
    return rate_hz if rate_hz is not None and BY_NAME["frame_rate_hz"].allows(rate_hz) else None


def _give_items(rows: list[dict[str, Any]]) -> None:
    """Name each row: by its path without suffix where that is unique, else with it, else with its root."""
    paths = [row["path"] for row in rows]
    stems = [Path(path).with_suffix("").as_posix() for path in paths]
    whole = [f"{row['root']}/{row['path']}" for row in rows]
    names = next(names for names in (stems, paths, whole) if len(set(names)) == len(names))
    for row, name in zip(rows, names, strict=True):
        row["item"] = name


READER = DatasetReader(
    name="folder",
    title="A folder of your own, listed in a CSV",
    holds="Whatever your table lists: clips and stills of any kind that lvef reads, with EF and further labels where given.",
    where="On your own disk.",
    terms="Your own; whether you may use the files is for you to know.",
    licence="the user's own",
    citation="none: your own data (a doi, where you have published it, belongs here)",
    size="any",
    layout="""\
ROOT/                  or the CSV file itself
  list.csv             path, patient, EF, EDV, ESV, view, split, age, sex ...
  any/folder/clip.avi  paths in the CSV start from its folder, or are absolute""",
    has_ef=True,
    known_defects=(
        "An EF between 0 and 1 is taken for a fraction: it is reported and left out, never multiplied.",
        "Without a column of patients each file counts as a separate patient, so that one patient may be in two splits.",
        "Paths and patients are taken as they stand: they should identify no person.",
    ),
    read=read,
)
"""A user's own folder as `lvef data` knows it."""
