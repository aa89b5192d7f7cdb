"""Many files to de-identified copies with a manifest: none stops the others, and a run that was stopped goes on.

The output folder holds the copies, ``manifest.csv``, ``run.json`` (how they were made) and ``finished.jsonl`` (from which a
later run goes on; it identifies sources by hashes only).
"""

from __future__ import annotations

import csv
import itertools
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lvef.core.config import to_mapping
from lvef.core.errors import DataError, OutputError, QualityRefusal
from lvef.core.journal import JOURNAL_NAME, Journal, file_sha256, short_hash
from lvef.core.runner import RUN_NAME, Progress, finishing, reason_of, run, run_record
from lvef.core.serialization import csv_text
from lvef.datasets.manifest import SUFFIXES as MANIFEST_SUFFIXES
from lvef.datasets.manifest import make_manifest, read_manifest, write_manifest
from lvef.io.atomic import check_writable, make_folder, write_text_atomic
from lvef.io.names import safe_file_name, unique_name
from lvef.io.open import find_inputs
from lvef.stores.deidentify import Format, Written, deidentify
from lvef.stores.folder import are_there, foreign_files, write_info

KEPT_COLUMNS = (
    "collection", "view", "phase", "frame_rate_hz", "frame_times_s", "spacing_x_mm", "spacing_y_mm", "ef_percent",
    "edv_ml", "esv_ml", "ef_method", "ed_frame", "es_frame", "age_years", "sex", "heart_rate_bpm", "diagnosis", "quality",
    "labels", "split", "split_name", "told_by", "licence",
)  # fmt: skip
"""Columns of a manifest that are copied. Masks and tracings are not."""

RESERVED_NAMES = frozenset({"manifest", "run", "finished"})
"""Stems of the output folder's own files."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file to convert.

    Attributes:
        path: The file.
        item: Name that its copy gets where names are kept.
        patient: Its patient, or None to read it from the file.
        known: Values of a manifest, by column.
    """

    path: Path
    item: str
    patient: str | None = None
    known: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Hash of the full path and the item, which does not reveal where it lies."""
        return short_hash(os.fsencode(f"{os.path.realpath(self.path)}\0{self.item}"))


def sources_of(paths: Sequence[Path]) -> list[Source]:
    """The files behind files, folders and manifests.

    Args:
        paths: As the user gave them; a missing file stays and fails on its own.

    Raises:
        DataError: A folder holds no echo file or may not be read, or a manifest is none.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if path.suffix.lower() in MANIFEST_SUFFIXES and not path.is_dir():
            listed = [_of_row(row) for row in read_manifest(path).iter_rows(named=True)]
        elif path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise DataError(f"{path} is a folder that you may not read: ask for the right with chmod.")
            listed = [_of_file(inside) for inside in (*find_inputs([path]), *_unreadable(path))]
        else:
            listed = [_of_file(path)]
        if not listed:
            raise DataError(f"{path} holds no echo file: check the path.")
        found |= {source.key: source for source in listed}
    return list(found.values())


def _names_of_copies(sources: Sequence[Source], earlier: Mapping[str, str], rename: bool) -> dict[str, str]:
    """A file name for each source's copy, by key: that of an earlier run, else ``clip00001`` ... or the item's name."""
    used = {*RESERVED_NAMES, *(name.casefold() for name in earlier.values())}
    taken = [int(name.removeprefix("clip")) for name in earlier.values()] if rename else []
    numbers = itertools.count(max(taken, default=0) + 1)
    names: dict[str, str] = {}
    for source in sources:
        name = earlier.get(source.key)
        if name is None:
            name = f"clip{next(numbers):05d}" if rename else unique_name(_own_name(source.item), used)
        names[source.key] = name
    return names


def _patient_of(source: Source) -> str:
    """Pseudonym of a DICOM file's Patient ID; the item's name where it has none."""
    from lvef.io.dicom_header import quiet_pydicom, read_header, read_pseudonym
    from lvef.io.formats import detect_format
    from lvef.io.open import read_head

    kind = detect_format(read_head(source.path, str(source.path)))
    if kind is None or kind.family != "dicom":
        return source.item
    with quiet_pydicom(), source.path.open("rb") as file:
        return read_pseudonym(read_header(file, str(source.path))) or source.item


def _of_file(path: Path) -> Source:
    return Source(path, re.sub(r"(?i)\.nii\.gz$|(?<=.)\.[a-z][a-z0-9]{0,5}$", "", path.name))


def _of_row(row: Mapping[str, Any]) -> Source:
    known = {name: row[name] for name in KEPT_COLUMNS if row[name] is not None}
    return Source(Path(row["root"]) / row["path"], row["item"], row["patient"], known)


def _unreadable(folder: Path) -> Iterator[Path]:
    """Folders in a folder that may not be read: a search skips them silently."""
    for here, subfolders, _ in os.walk(folder):
        for name in sorted(subfolders):
            if not name.startswith(".") and not os.access(Path(here) / name, os.R_OK | os.X_OK):
                yield Path(here) / name


def _own_name(item: str) -> str:
    name = safe_file_name(item, "/\\#")
    # Frames of a clip are called NAME-00000: no clip may be called so.
    return f"{name}_" if re.search(r"-\d{5}$", name) else name


MANIFEST_NAME = "manifest.csv"
"""Table of what was converted, in the output folder."""

RENAMED_DROP = ("told_by", "labels")
"""Columns that could lead back to a name, left out where names are replaced by numbers."""

PARALLEL_FROM = 8
"""Files from which on several are converted at once."""

_REWRITE_EVERY_S = 5.0
_RUN_SCHEMA = "lvef-convert/1"

Outcome = Literal["converted", "kept", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("converted", "kept", "refused", "failed")
"""What may become of a file, in the order in which they are counted."""


KEY_COLUMNS = ("item", "patient", "source", "own_item", "own_patient")
"""Columns of a key file: number of the copy and of the patient; file, name and pseudonym that they stand for."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one file.

    Attributes:
        source: The file.
        name: Name of its copy.
        outcome: Converted, kept from an earlier run, refused (no sector) or failed.
        own_patient: Its patient, before numbers replaced names.
        reason: Why it was refused or failed, in a sentence; else empty.
        sha256: Hash of its content, where it could be read.
        written: Its copy, where it was converted.
        patient: Its patient in the manifest.
    """

    source: Source
    name: str
    outcome: Outcome
    own_patient: str
    reason: str = ""
    sha256: str = ""
    written: Written | None = None
    patient: str = ""

    @property
    def notices(self) -> tuple[str, ...]:
        """Warnings, in sentences."""
        return () if self.written is None else self.written.notices


@dataclass(frozen=True, slots=True)
class Settings:
    """How to convert.

    Attributes:
        form: What a clip becomes.
        rename: Give running numbers in place of the files' and patients' names.
        resume: Keep copies of an earlier run whose source is unchanged.
        workers: Files at once; 0 leaves the choice.
    """

    form: Format = Format.AVI
    rename: bool = False
    resume: bool = True
    workers: int = 0


def convert(
    sources: Sequence[Source],
    out: Path,
    settings: Settings = Settings(),
    *,
    progress: Progress = Progress(),  # noqa: B008  frozen
    on_finished: Callable[[Conversion], None] = lambda _: None,
) -> list[Conversion]:
    """Convert files into a folder.

    Args:
        sources: From `sources_of`.
        out: Output folder, made when missing.
        settings: How.
        progress: Progress callbacks.
        on_finished: Called after each file, in the order of the sources.

    Returns:
        What became of each, in the order of the sources.

    Raises:
        DataError: The folder is of another command, holds a source, or cannot be written (the disk is full); what was
            written stays whole, and the same call goes on from there.
    """
    began = time.perf_counter()
    _check_folder(sources, out)
    done: list[Conversion] = []

    def write_run(complete: bool) -> None:
        record = run_record(_RUN_SCHEMA, time.perf_counter() - began, complete=complete)
        facts = {"counts": counts_of(done), "settings": to_mapping(settings) | {"form": settings.form.value}}
        write_info(out / RUN_NAME, record | facts)

    def write(complete: bool) -> None:
        _write_manifest(out, journal)
        write_run(complete)

    with closing(Journal(out / JOURNAL_NAME)) as journal:
        # From the start: this file marks the folder as an output folder, which a search for clips skips.
        write_run(False)
        patients = _Patients(journal, settings.rename)
        written_at = time.monotonic()

        def record(_: _Task, result: Conversion) -> None:
            nonlocal written_at
            done.append(_record(out, result, settings, journal, patients))
            on_finished(done[-1])
            if time.monotonic() - written_at > _REWRITE_EVERY_S:
                _write_manifest(out, journal)
                written_at = time.monotonic()

        workers = settings.workers or (os.cpu_count() or 1)
        with finishing(write):
            run(
                _tasks(sources, out, settings, journal),
                _work,
                on_error=_failure,
                record=record,
                progress=progress,
                name=lambda task: str(task.source.path),
                workers=workers if len(sources) >= PARALLEL_FROM else 1,
            )
    return done


def counts_of(done: Sequence[Conversion]) -> dict[Outcome, int]:
    """Number of files of each outcome."""
    found = Counter(finished.outcome for finished in done)
    return {name: found[name] for name in OUTCOMES}


def check_key_file(path: Path) -> None:
    """Check that a key can be written, before the work begins.

    Raises:
        DataError: The file that is there is no key, or it cannot be written.
    """
    _earlier_key(path)
    check_writable(path)


def write_key_file(path: Path, done: Sequence[Conversion]) -> None:
    """Write the key from running numbers back to names, with the rows of earlier runs that are not among those given.

    Args:
        path: A CSV file.
        done: What was converted or kept.

    Raises:
        DataError: The file that is there is no key, or it cannot be written.
    """
    rows = {row["item"]: row for row in _earlier_key(path)}
    for finished in done:
        if finished.outcome in ("converted", "kept"):
            source = finished.source
            values = (finished.name, finished.patient, str(source.path), source.item, finished.own_patient)
            rows[finished.name] = dict(zip(KEY_COLUMNS, values, strict=True))
    text = csv_text(KEY_COLUMNS, ([row[column] for column in KEY_COLUMNS] for _, row in sorted(rows.items())))
    write_text_atomic(path, text.encode("utf-8", "replace").decode("utf-8"))


def _earlier_key(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            found = list(reader)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError, csv.Error):
        found, reader = [], None
    if reader is None or tuple(reader.fieldnames or ()) != KEY_COLUMNS:
        raise DataError(f"{path}: is no key of lvef data convert; choose another file with --key-file.")
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    source: Source
    out: Path
    name: str
    form: Format
    drop: tuple[str, ...]
    earlier_sha256: str


def _check_folder(sources: Sequence[Source], out: Path) -> None:
    if not make_folder(out) and not (out / JOURNAL_NAME).exists():
        raise foreign_files(out)
    real = Path(os.path.realpath(out))
    inside = next((s.path for s in sources if real in Path(os.path.realpath(s.path)).parents), None)
    if inside is not None:
        raise DataError(f"{inside} lies in the output folder {out}; choose another with --out.")


def _tasks(sources: Sequence[Source], out: Path, settings: Settings, journal: Journal) -> list[_Task]:
    given = {k: str(e["name"]) for k, e in journal.entries.items() if e.get("rename") == settings.rename}
    names = _names_of_copies(sources, given, settings.rename)
    drop = RENAMED_DROP if settings.rename else ()
    tasks = []
    for source in sources:
        entry = journal.entries.get(source.key)
        sha = ""
        if settings.resume and entry is not None:
            same = (entry.get("form"), entry.get("rename")) == (settings.form.value, settings.rename)
            sha = str(entry["source_sha256"]) if same and are_there(out, entry["files"]) else ""
        tasks.append(_Task(source, out, names[source.key], settings.form, drop, sha))
    return tasks


def _work(task: _Task) -> Conversion:
    """Convert one file."""
    source, sha, patient = task.source, "", ""
    try:
        if source.path.is_dir():
            raise DataError(f"{source.path} is a folder that you may not read: ask for the right with chmod.")
        sha = file_sha256(source.path)
        patient = source.patient or _patient_of(source)
        if sha == task.earlier_sha256:
            return Conversion(source, task.name, "kept", patient, sha256=sha)
        known = {name: value for name, value in source.known.items() if name not in task.drop}
        written = deidentify(source.path, task.out, task.name, task.form, known, patient)
    except OutputError:
        raise
    except Exception as error:  # noqa: BLE001  an error of one file must not cost the others
        return _failure(task, error, patient)
    return Conversion(source, task.name, "converted", patient, sha256=sha, written=written)


def _failure(task: _Task, error: Exception, patient: str = "") -> Conversion:
    source = task.source
    patient = patient or source.patient or source.item
    outcome: Outcome = "refused" if isinstance(error, QualityRefusal) else "failed"
    return Conversion(source, task.name, outcome, patient, reason_of(error, str(source.path)))


def _record(
    out: Path, conversion: Conversion, settings: Settings, journal: Journal, patients: _Patients
) -> Conversion:
    """Add a result to the journal; files of an earlier run that this one does not have are removed."""
    key, written = conversion.source.key, conversion.written
    conversion = replace(conversion, patient=patients.name(conversion.own_patient))
    if conversion.outcome == "kept":
        return conversion
    files = () if written is None else written.files
    if (entry := journal.entries.get(key)) is not None:
        for name, _ in entry["files"]:
            if name not in files:
                _remove(out / name)
        if written is None:
            journal.remove(key)
    if written is not None:
        journal.append(
            {
                "item": key,
                "name": conversion.name,
                "source_sha256": conversion.sha256,
                "form": settings.form.value,
                "rename": settings.rename,
                "patient_key": _patient_key(conversion.own_patient),
                "files": [[name, (out / name).stat().st_size] for name in files],
                "rows": [row | {"patient": conversion.patient} for row in written.rows],
            },
            sync=True,
        )
    return conversion


class _Patients:
    """Patients as the manifest has them: their own name, or a running number that stays over runs."""

    def __init__(self, journal: Journal, rename: bool) -> None:
        self._rename = rename
        renamed = (entry for entry in journal.entries.values() if entry["rename"])
        self._numbered = {str(e["patient_key"]): str(e["rows"][0]["patient"]) for e in renamed}
        self._last = max((int(name.removeprefix("patient")) for name in self._numbered.values()), default=0)

    def name(self, own: str) -> str:
        if not self._rename:
            return own
        key = _patient_key(own)
        if key not in self._numbered:
            self._last += 1
            self._numbered[key] = f"patient{self._last:05d}"
        return self._numbered[key]


def _patient_key(own: str) -> str:
    return short_hash(f"patient\0{own}".encode("utf-8", "surrogateescape"))


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent.name and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _write_manifest(out: Path, journal: Journal) -> None:
    root = out.absolute().as_posix()
    rows = [row | {"root": root} for entry in journal.entries.values() for row in entry["rows"]]
    write_manifest(make_manifest(rows, str(out / MANIFEST_NAME)), out / MANIFEST_NAME)
