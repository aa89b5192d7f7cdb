"""A user's own collection: one CSV with paths, and whatever else is known of each file.

Source: the user's own table and files. Licence: the user's own.

Layout read here: ROOT is a CSV file, or a folder with exactly one CSV in it. One row a file: a column of paths (absolute, or
from the CSV's folder), and any of the columns in `lvef.datasets.own_columns.SPELLINGS`. Comma, semicolon or tab stand
between the cells.

Known defects: whatever the table holds. An EF between 0 and 1 is taken for a fraction and left out, never multiplied; a
suffix that is missing is looked for; a file without a patient counts as a patient of its own. Columns that name a person
are left out.
"""

from __future__ import annotations

import json
import os.path
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView
from lvef.datasets.csv_rows import CsvRow, CsvTable, find_only_csv, read_csv_rows
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.manifest import make_manifest
from lvef.datasets.own_columns import NOTHING, SPELLINGS, WORDS, match_titles, read_number, read_word
from lvef.datasets.registry import DatasetReader, ImportResult, Progress
from lvef.datasets.schema import BY_NAME
from lvef.io.formats import CANDIDATE_SUFFIXES, STILL_SUFFIXES
from lvef.io.probe import probe

LICENCE = "the user's own"
"""What the manifest says of terms: they are not known here."""

FRACTION = 1.0
"""An EF above 0 and up to this is a fraction: no heart that ejects 1 % has been filmed alive."""

_MEND_CELL = "Correct the cells and import again."


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read a table of one's own files.

    Args:
        root: The CSV file, or the folder that holds exactly one.
        progress: Called with rows done and rows in all.

    Raises:
        DataError: There is no such table, it has no column of paths, or two columns mean the same.
    """
    path = find_only_csv(root.absolute())
    return _Reading(path, read_csv_rows(path), progress).run()


class _Reading:
    def __init__(self, path: Path, table: CsvTable, progress: Progress | None) -> None:
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
        self._note(
            "personal_columns",
            Severity.WARNING,
            "Columns name a person: they are left out.",
            "Nothing; a manifest holds no names.",
            personal,
        )
        self._note(
            "other_columns",
            Severity.NOTE,
            "Columns are not known: they are kept in `labels`.",
            "Rename them where they mean one of the known columns.",
            self.others,
        )
        for column, code, text in (
            ("ef_percent", "no_ef", "The table has no column of EF."),
            (
                "patient",
                "no_patient",
                "The table has no column of patients: each file counts as one of its own.",
            ),
        ):
            self._note(
                code,
                Severity.WARNING,
                text,
                f"Call it one of {', '.join(SPELLINGS[column])}.",
                [path.name] if column not in self.titles else [],
            )

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
                    self._at(
                        "duplicate_rows",
                        "Files are listed twice with the same cells; the first counts.",
                        line,
                    )
                else:
                    contrary.append(key)
            if self.progress is not None:
                self.progress(done, len(self.table.rows))
        self._note(
            "contradicting_rows",
            Severity.ERROR,
            "Files are listed more than once with different cells; they are left out.",
            "Keep the row that is right.",
            [rows[key]["path"] for key in dict.fromkeys(contrary)],
        )
        kept = [row for key, row in rows.items() if key not in contrary]
        if not kept:
            raise DataError(
                f"{self.file}: none of its {len(self.table.rows)} rows can be used; {self._first_words()}"
            )
        _give_items(kept)
        for row in kept:
            if row.get("patient") is None:
                row["patient"] = row["item"]
        return ImportResult(make_manifest(kept, str(self.file)), self.findings.sorted())

    def _first_words(self) -> str:
        worst = self.findings.sorted()
        return worst[0].text if worst else "at least one row with a path was expected."

    def _locate(self, line: CsvRow) -> tuple[str, str] | None:
        """Root and path of a row's file; a missing suffix is looked for."""
        if not line.complete:
            self._at(
                "ragged_rows",
                "Rows have more or fewer cells than the header; look whether cells have shifted.",
                line,
            )
        cell = line.cells[self.titles["path"]]
        if cell.lower() in NOTHING:
            self._at("no_path", "Rows have no path: they are left out.", line)
            return None
        path = self.folder / Path(cell.replace("\\", "/"))
        if not path.is_file():
            guesses = self._with_suffix(path)
            if len(guesses) > 1:
                self._at(
                    "ambiguous_path", "Paths without suffix fit several files: they are left out.", line, cell
                )
                return None
            if guesses:
                self._at(
                    "suffix_added",
                    "Paths have no suffix; the one file of that name was taken.",
                    line,
                    cell,
                    Severity.NOTE,
                )
                path = guesses[0]
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
            "collection": READER.name,
            "view": DatasetView.UNKNOWN,
            "root": root,
            "path": path,
            "told_by": f"{self.file.name}, line {line.line}",
            "licence": LICENCE,
        }
        labels = {t: line.cells[t] for t in self.others if line.cells[t].lower() not in NOTHING}
        for column, title in self.titles.items():
            cell = line.cells[title]
            if column == "path" or cell.lower() in NOTHING:
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
            row.setdefault("ef_method", "not told")
        self._header(row, Path(root, path))
        row["labels"] = json.dumps(labels, ensure_ascii=False) if labels else None
        return row

    def _mask(self, row: dict[str, Any], cell: str) -> None:
        path = Path(_normal(self.folder / Path(cell.replace("\\", "/"))))
        inside = path.is_relative_to(row["root"])
        row["mask_path"] = path.relative_to(row["root"]).as_posix() if inside else path.as_posix()
        self._note(
            "missing_mask",
            Severity.WARNING,
            "Masks are listed, but their files are not there; the rows are kept.",
            "Correct the paths; they start from the CSV's folder.",
            [cell] if not path.is_file() else [],
        )

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
        self._at(
            f"unknown_{column}",
            f"Cells of {self.titles[column]} are none of {words}: they are kept in `labels` only.",
            line,
            cell,
        )

    def _number(self, row: dict[str, Any], column: str, cell: str, line: CsvRow) -> None:
        wanted, title = BY_NAME[column], self.titles[column]
        value = read_number(cell, decimal_comma=self.table.separator != ",")
        if value is None or (wanted.kind == "whole" and value != int(value)):
            self._at(
                "no_number",
                "Cells hold words where numbers were expected; they stay empty.",
                line,
                f"{title} {cell}",
            )
            return
        if column == "ef_percent" and 0 < value <= FRACTION:
            self._note(
                "ef_fraction",
                Severity.ERROR,
                "An EF between 0 and 1 looks like a fraction; it stays empty, since it is not multiplied here.",
                "Write EF in percent (0 to 100) and import again.",
                f"line {line.line}: {cell}",
            )
            return
        low, high = wanted.low, wanted.high
        if (low is not None and value < low) or (high is not None and value > high):
            code = "ef_out_of_range" if column == "ef_percent" else "out_of_range"
            self._at(code, "Cells hold numbers that cannot be; they stay empty.", line, f"{title} {cell}")
            return
        row[column] = int(value) if wanted.kind == "whole" else value

    def _header(self, row: dict[str, Any], path: Path) -> None:
        """Frames, rate and size by the file's header; a missing or unreadable file is noted and its row kept."""
        row["kind"] = "still" if path.suffix.lower() in STILL_SUFFIXES or row.get("phase") else "clip"
        if not path.is_file():
            self._note(
                "missing_file",
                Severity.ERROR,
                "Files are listed, but are not there; their rows and labels are kept.",
                "Correct the paths; they start from the CSV's folder, or from the top of the disk.",
                row["path"],
            )
            return
        try:
            header = probe(path)
        except DataError:
            self._note(
                "unreadable",
                Severity.ERROR,
                "Headers of files cannot be read; their rows and labels are kept.",
                "Copy or export the files again; lvef data check names them, too.",
                row["path"],
            )
            return
        n, rate = header.n_frames, row.get("frame_rate_hz") or _plausible(header.frame_rate_hz)
        row |= {"n_frames": n, "width_px": header.width_px, "height_px": header.height_px}
        if n is not None:
            row["kind"] = "still" if n == 1 else "clip"
        if n != 1:
            row |= {"frame_rate_hz": rate, "duration_s": n / rate if n and rate else None}
        self._note(
            "truncated",
            Severity.WARNING,
            "Files are shorter than their headers say; they are kept.",
            "Copy the files again.",
            [row["path"]] if header.truncated else [],
        )
        for column in ("ed_frame", "es_frame"):
            if row.get(column) is not None and n is not None and row[column] >= n:
                self._note(
                    "frame_outside",
                    Severity.WARNING,
                    "ED or ES frames lie behind the end of the clip (frames count from 0); they stay empty.",
                    _MEND_CELL,
                    f"{row['path']}: {row[column]} of {n}",
                )
                row[column] = None

    def _same(self, first: CsvRow, second: CsvRow) -> bool:
        return all(first.cells[t] == second.cells[t] for t in self.table.columns if t != self.titles["path"])

    def _at(
        self, code: str, text: str, line: CsvRow, cell: str = "", severity: Severity = Severity.WARNING
    ) -> None:
        self._note(code, severity, text, _MEND_CELL, f"line {line.line}" + (f": {cell}" if cell else ""))

    def _note(self, code: str, severity: Severity, text: str, mend: str, names: str | list[str]) -> None:
        self.findings.add(code, severity, text, mend, names)


def _normal(path: Path) -> str:
    """An absolute path without `..`; links stay as they are."""
    return os.path.normpath(path)


def _plausible(rate_hz: float | None) -> float | None:
    low, high = BY_NAME["frame_rate_hz"].low or 0.0, BY_NAME["frame_rate_hz"].high or 0.0
    return rate_hz if rate_hz is not None and low <= rate_hz <= high else None


def _give_items(rows: list[dict[str, Any]]) -> None:
    """Name each row: by its path without suffix where that is unique, else with it, else with its root."""
    for make in (
        lambda r: str(Path(r["path"]).with_suffix("").as_posix()),
        lambda r: r["path"],
        lambda r: f"{r['root']}/{r['path']}",
    ):
        names = [make(row) for row in rows]
        if len(set(names)) == len(names):
            for row, name in zip(rows, names, strict=True):
                row["item"] = name
            return


READER = DatasetReader(
    name="folder",
    title="A folder of your own, listed in a CSV",
    holds="Whatever your table lists: clips and stills of any kind that lvef reads, with EF and further labels where told.",
    where="On your own disk.",
    terms="Your own; whether you may use the files is for you to know.",
    licence=LICENCE,
    citation="none: your own data (a doi, where you have published it, belongs here)",
    size="any",
    layout="""\
ROOT/                  or the CSV file itself
  list.csv             path, patient, EF, EDV, ESV, view, split, age, sex ...
  any/folder/clip.avi  paths in the CSV start from its folder, or are absolute""",
    has_ef=True,
    known_defects=(
        "An EF between 0 and 1 is taken for a fraction: it is told and left out, never multiplied.",
        "Without a column of patients each file counts as a patient of its own, so that a split may part a patient.",
        "Paths and patients are taken as they stand: they should name nobody.",
    ),
    read=read,
)
"""A user's own folder as `lvef data` knows it."""
