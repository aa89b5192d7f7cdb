"""HMC-QU: A4C and A2C clips with infarction labels for each wall segment. It carries no ejection fraction.

Source, terms, layout and known defects stand in `READER`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, View
from lvef.datasets.files import UNPACK, header_columns, read_file_header, walk_files
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.hmc_qu_table import (
    END,
    MATCH,
    REFERENCE,
    SEGMENTS,
    WALL,
    HmcName,
    HmcRow,
    HmcTable,
    parse_name,
    read_hmc_table,
    read_infarction,
    read_tick,
)
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.io.formats import VIDEO_SUFFIXES
from lvef.io.isolation import probe_video

CLIPS = "HMC-QU"
"""Folder of the clips, where a missing one is expected."""

MASK_PREFIX = "mask_"
"""How names of wall masks begin, in lower case."""

# fmt: off
_NO_EF = FindingKind("no_ef", NOTE,
    "HMC-QU carries no ejection fraction and no volumes; it labels infarction by wall segment.",
    "Commands that need an EF cannot use it.")
_MISSING_TABLE = FindingKind("missing_table", WARNING,
    "A table of labels is missing: clips of this view are kept without labels.",
    "Unpack the dataset again, with both tables beside the folder HMC-QU.")
_TWO_TABLES = FindingKind("two_tables", NOTE, "A view has two tables; the xlsx was read.")
_DOUBLED = FindingKind("doubled_file", WARNING,
    "Two files have names that differ in blanks, stars or case only; the first is used.",
    "Remove the one that is not meant.")
_DUPLICATE = FindingKind("duplicate_rows", WARNING, "A clip is listed twice; the first row is used.", "Remove one.")
_VIEW = FindingKind("view_disagrees", WARNING, "A name states another view than its table; the table is used.",
    "Look at the clip.")
_UNLISTED_CLIP = FindingKind("unlisted_clip", WARNING, "A clip is in no table: it is kept without labels.",
    "Look for its row; the name may be misspelt.")
_UNLISTED_MASK = FindingKind("unlisted_mask", WARNING, "A mask belongs to no clip: it is left out.",
    "Look for the clip; the name may be misspelt.")
_MISSING_COLUMNS = FindingKind("missing_columns", WARNING,
    "A column that the table should have is missing: its labels are empty.", "Take the table as the owners hand it out.")
_EXTRA_COLUMNS = FindingKind("extra_columns", NOTE, "A column is not known and was ignored.")
_NAMELESS = FindingKind("nameless_row", WARNING, "A row has cells but no name: it is left out.",
    "Give it its name in the column ECHO.")
_MATCH = FindingKind("match_disagrees", WARNING,
    "The column `match with A2C` names a clip of another number; both are taken for one patient.", "Compare the two clips.")
_MISSING_FILE = FindingKind("missing_file", ERROR,
    "Clips are listed, but their files are not there; their rows and labels are kept.", UNPACK)
_ONE_VIEW = FindingKind("one_view", NOTE, "A patient has one of the two views only.")
_DOUBTFUL = FindingKind("doubtful_patient", WARNING,
    "Names share a number and differ in a letter: they may be one patient or two.", "Keep them in the same split.")
_UNKNOWN_LABEL = FindingKind("unknown_label", WARNING,
    "A segment is labelled neither MI nor non-MI: its label is empty.", "Look at the table.")
_UNKNOWN_TICK = FindingKind("unknown_tick", WARNING, "The mark for a wall mask is neither a tick nor a cross.",
    "In Wingdings a tick is the letter ü and a cross is û: write one of them.")
_MISSING_MASK = FindingKind("missing_mask", WARNING, "A wall mask is ticked, but its file is not there.",
    "Unpack the masks again.")
_UNPROMISED = FindingKind("unpromised_mask", NOTE, "A wall mask is there although the table says no; it is kept.")
_BAD_MASK = FindingKind("unreadable_mask", WARNING, "A mask's file cannot be read: it is left out.", "Copy it again.")
_MASK_LENGTH = FindingKind("mask_length", NOTE, "A mask has another number of frames than its cycle in the table.",
    "Masks begin at the reference frame; use as many frames as the mask has.")
_CYCLE = FindingKind("cycle_doubtful", WARNING,
    "The frames of the cycle are not whole numbers, not in order, or outside of the clip.",
    "Do not rely on reference_frame and end_of_cycle_frame of these clips.")
# fmt: on


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the dataset's folder.

    Args:
        root: Folder that holds the tables of labels.
        progress: Called after each clip.

    Raises:
        DataError: No table is there, a table is damaged, or there is no clip at all.
    """
    return _Importer(root, progress or no_progress).run()


class _Importer:
    def __init__(self, root: Path, progress: Progress) -> None:
        self.root, self.progress = root.absolute(), progress
        self.findings = Findings()
        self.clips: dict[str, Path] = {}
        self.masks: dict[str, Path] = {}
        self.partners: dict[str, str] = {}

    def run(self) -> ImportResult:
        tables = self._tables()
        self._index()
        jobs = self._jobs(tables)
        rows = []
        for done, (view, name, listed, table) in enumerate(jobs, 1):
            rows.append(self._row(view, name, listed, table))
            self.progress(done, len(jobs))
        self._pair(rows)
        self.findings.add(_NO_EF, "HMC-QU")
        return READER.result(rows, self.findings, "HMC-QU")

    def _tables(self) -> dict[View, HmcTable]:
        if not self.root.is_dir():
            raise DataError(f"{self.root}: is no folder; the unpacked HMC-QU folder was expected.")
        tables = {}
        for view in (View.A4C, View.A2C):
            found = [p for suffix in (".xlsx", ".csv") if (p := self.root / f"{view}{suffix}").is_file()]
            if not found:
                self.findings.add(_MISSING_TABLE, f"{view}.xlsx")
                continue
            if len(found) > 1:
                self.findings.add(_TWO_TABLES, found[1].name)
            tables[view] = read_hmc_table(found[0], view)
        if not tables:
            raise DataError(
                f"{self.root}: neither A4C.xlsx nor A2C.xlsx (or .csv) is in it; the HMC-QU folder with both tables "
                "beside its folder of clips was expected."
            )
        return tables

    def _index(self) -> None:
        """Find clips and masks wherever they lie below the root."""
        for path in walk_files(self.root):
            lower = path.name.lower()
            if lower.endswith(".mat") and lower.startswith(MASK_PREFIX):
                self._index_one(self.masks, parse_name(path.stem[len(MASK_PREFIX) :]).key, path)
            elif path.suffix.lower() in VIDEO_SUFFIXES and not lower.startswith("~$"):
                self._index_one(self.clips, parse_name(path.stem).key, path)
        if not self.clips:
            raise DataError(
                f"{self.root}: the tables are there, but no AVI file is below it; the folder HMC-QU with A4C and A2C "
                "was expected: the archive is half unpacked."
            )

    def _index_one(self, index: dict[str, Path], key: str, path: Path) -> None:
        if key in index:
            self.findings.add(_DOUBLED, self._relative(path))
        else:
            index[key] = path

    def _jobs(
        self, tables: dict[View, HmcTable]
    ) -> list[tuple[View, HmcName, HmcRow | None, HmcTable | None]]:
        jobs: list[tuple[View, HmcName, HmcRow | None, HmcTable | None]] = []
        seen: set[str] = set()
        for view, table in tables.items():
            self._table_findings(table)
            for row in table.rows:
                name, where = parse_name(row.recorded), f"{table.path.name} line {row.line} ({row.recorded})"
                if name.key in seen:
                    self.findings.add(_DUPLICATE, where)
                    continue
                seen.add(name.key)
                if name.view is not None and name.view is not view:
                    self.findings.add(_VIEW, where)
                self._partner(row, name)
                jobs.append((view, name, row, table))
        for key, path in self.clips.items():
            if key not in seen:
                name = parse_name(path.stem)
                folder_view = next((v for v in (View.A4C, View.A2C) if v in path.parent.parts), View.UNKNOWN)
                jobs.append((name.view or folder_view, name, None, None))
                self.findings.add(_UNLISTED_CLIP, self._relative(path))
        wanted = {name.key for _, name, _, _ in jobs}
        for key, path in self.masks.items():
            if key not in wanted:
                self.findings.add(_UNLISTED_MASK, self._relative(path))
        return jobs

    def _table_findings(self, table: HmcTable) -> None:
        name = table.path.name
        self.findings.add(_MISSING_COLUMNS, [f"{name}: {column}" for column in table.missing])
        self.findings.add(_EXTRA_COLUMNS, [f"{name}: {column}" for column in table.extra])
        self.findings.add(_NAMELESS, [f"{name} line {line}" for line in table.nameless])

    def _partner(self, row: HmcRow, name: HmcName) -> None:
        """Note the A2C clip that a CSV copy names for an A4C clip, so that both get one patient."""
        cell = row.cells.get(MATCH, "")
        other = parse_name(cell)
        if other.number:
            self.partners[other.key] = name.patient
            if other.number != name.number:
                self.findings.add(_MATCH, f"{row.recorded} - {cell}")

    def _row(
        self, view: View, name: HmcName, listed: HmcRow | None, table: HmcTable | None
    ) -> dict[str, Any]:
        path = self.clips.get(name.key)
        label = listed.recorded if listed is not None else name.key
        stem = path.stem if path is not None else label.replace("*", "")
        header = None
        if path is None:
            self.findings.add(_MISSING_FILE, label)
        else:
            header = read_file_header(path, self._relative(path), "clips", probe_video, self.findings)
        n = header.n_frames if header is not None else None
        row: dict[str, Any] = {
            **header_columns(header),
            "item": stem.strip(),
            "patient": self.partners.get(name.key, name.patient),
            "kind": "still" if n == 1 else "clip",
            "view": DatasetView(view.value),
            "root": self.root.as_posix(),
            "path": self._relative(path) if path is not None else f"{CLIPS}/{view}/{stem}.avi",
        }
        labels: dict[str, Any] = {"take": name.take} if name.take is not None else {}
        if name.starred:
            labels["starred"] = True
        if listed is not None and table is not None:
            row["told_by"] = f"{table.path.name} line {listed.line}"
            row["diagnosis"] = _read_labels(listed, view, n, labels, self.findings)
        mask = self.masks.get(name.key)
        if _check_mask(listed, mask, labels, self.findings) and mask is not None:
            row["mask_path"] = self._relative(mask)
            row["n_traced_frames"] = _mask_frames(mask)
        row["labels"] = json.dumps(labels, ensure_ascii=False)
        return row

    def _pair(self, rows: Iterable[dict[str, Any]]) -> None:
        """Note patients with one view only, and names that may or may not be one patient."""
        views: dict[str, set[object]] = {}
        spellings: dict[str, set[str]] = {}
        for row in rows:
            patient = str(row["patient"])
            views.setdefault(patient, set()).add(row["view"])
            number = parse_name(f"{patient}_4CH").number
            spellings.setdefault(number or patient, set()).add(patient)
        self.findings.add(_ONE_VIEW, sorted(p for p, v in views.items() if len(v) < 2))
        several = sorted(" / ".join(sorted(names)) for names in spellings.values() if len(names) > 1)
        self.findings.add(_DOUBTFUL, several)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _read_labels(
    listed: HmcRow, view: View, n_frames: int | None, labels: dict[str, Any], findings: Findings
) -> str | None:
    """Fill in a row's labels; returns ``MI`` where a segment is infarcted, ``non-MI`` where all six are not, else None."""
    labels["recorded_name"] = listed.recorded
    states: dict[str, bool | None] = {}
    for segment in SEGMENTS[view]:
        cell = listed.cells.get(segment, "")
        states[segment] = read_infarction(cell)
        if states[segment] is None and segment in listed.cells:
            findings.add(_UNKNOWN_LABEL, f"{listed.recorded} {segment}: {cell or 'empty'}")
    labels["segments"] = {s: None if v is None else "MI" if v else "non-MI" for s, v in states.items()}
    _read_cycle(listed, n_frames, labels, findings)
    if listed.cells.get(MATCH):
        labels["match_with_a2c"] = listed.cells[MATCH]
    if any(states.values()):
        return "MI"
    return "non-MI" if all(v is False for v in states.values()) else None


def _check_mask(listed: HmcRow | None, path: Path | None, labels: dict[str, Any], findings: Findings) -> bool:
    """Whether there is a wall mask to use; the mark for it in the table is compared with the file."""
    promised: bool | None = None
    if listed is not None and WALL in listed.cells:
        cell = listed.cells[WALL]
        promised = labels["wall_mask"] = read_tick(cell)
        if promised is None:
            findings.add(_UNKNOWN_TICK, f"{listed.recorded}: {cell or 'empty'}")
    if path is None:
        findings.add(_MISSING_MASK, [listed.recorded] if promised and listed is not None else [])
        return False
    findings.add(_UNPROMISED, [path.name] if promised is False else [])
    frames = _mask_frames(path)
    first, last = labels.get("reference_frame"), labels.get("end_of_cycle_frame")
    if frames is None:
        findings.add(_BAD_MASK, path.name)
        return False
    if isinstance(first, int) and isinstance(last, int) and frames != last - first + 1:
        findings.add(_MASK_LENGTH, f"{path.name}: {frames}, {last - first + 1} in the table")
    return True


def _mask_frames(path: Path) -> int | None:
    """Frames of a MATLAB 5 array ``(frames, height, width)`` or ``(height, width)``, None where it cannot be read."""
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        with path.open("rb") as file:
            arrays = whosmat(file)
    except (
        OSError,
        MatReadError,
        ValueError,
        TypeError,
        NotImplementedError,
        LookupError,
        zlib.error,
        MemoryError,
        OverflowError,
        EOFError,
    ):
        return None
    shapes = [shape for _, shape, _ in arrays if len(shape) in (2, 3)]
    if not shapes:
        return None
    return int(shapes[0][0]) if len(shapes[0]) == 3 else 1


def _read_cycle(listed: HmcRow, n_frames: int | None, labels: dict[str, Any], findings: Findings) -> None:
    """Reference frame and end of the cycle, counted from 0."""
    found: list[int | None] = []
    for key, title in (("reference_frame", REFERENCE), ("end_of_cycle_frame", END)):
        cell = listed.cells.get(title, "")
        number = int(cell) - 1 if cell.isdecimal() else None
        labels[key] = number
        found.append(number)
    first, last = found
    stated = any(listed.cells.get(title) for title in (REFERENCE, END))
    inside = first is not None and last is not None and 0 <= first < last < (n_frames or last + 1)
    if stated and not inside:
        cycle = f"{listed.cells.get(REFERENCE) or '-'} to {listed.cells.get(END) or '-'}"
        findings.add(_CYCLE, f"{listed.recorded}: {cycle}")


READER = DatasetReader(
    name="hmc-qu",
    title="HMC-QU (Hamad Medical Corporation, Tampere University, Qatar University)",
    holds="162 A4C and 160 A2C clips with infarction labels for six wall segments each, the frames of one cardiac cycle, "
    "and masks of the left-ventricular wall over that cycle for 109 of the A4C clips. No ejection fraction.",
    where="https://www.kaggle.com/datasets/aysendegerli/hmcqu-dataset",
    terms="Research use under the terms on the owners' page; an account there is needed. Cite the owners' papers.",
    licence="owners' terms, research only",
    citation='A. Degerli et al., "Early Detection of Myocardial Infarction in Low-Quality Echocardiography", IEEE Access 9, '
    "34442-34453, 2021, doi 10.1109/ACCESS.2021.3059595",
    size="322 AVI files and 109 masks; sizes stand on the owners' page",
    layout="""\
ROOT/
  A4C.xlsx                    labels (or A4C.csv)
  A2C.xlsx                    labels (or A2C.csv)
  HMC-QU/
    A4C/ES0001 _4CH_1.avi     162 clips
    A2C/ES0001_CH2_1.avi      160 clips
  LV Ground-truth Segmentation Masks/
    Mask_ES0001 _4CH_1.mat    109 masks""",
    has_ef=False,
    known_defects=(
        "No EF and no volumes, whatever has been written of it.",
        "Names are irregular: blanks, stars, 4CH and CH2 in either order. They are matched without blanks, stars and case.",
        "The xlsx tables have two header rows with merged cells; CSV copies have one.",
        "Whether a wall mask exists is marked by letters of the Wingdings font: u-umlaut yes, u-circumflex no.",
        "Frames are counted from 1 in the tables, from 0 in the manifest.",
        "No split and no age or sex.",
    ),
    read=read,
)
"""HMC-QU as `lvef data` knows it."""
