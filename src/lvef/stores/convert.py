"""Many files to de-identified copies with a manifest: none stops the others, and a run that was stopped goes on.

The output folder holds the copies, ``manifest.csv``, ``run.json`` (how they were made) and ``finished.jsonl`` (what a later
run goes on from; it knows sources by hashes only).
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lvef
from lvef.core.config import to_mapping
from lvef.core.errors import DataError, LvefError, QualityRefusal
from lvef.core.journal import Journal
from lvef.core.workers import map_ordered
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.io.atomic import write_text_atomic
from lvef.io.open import RUN_FILE
from lvef.stores.convert_sources import Source, own_names, patient_of, running_numbers
from lvef.stores.deidentify import Format, OutputError, Written, deidentify, sha256_of
from lvef.stores.parallel import reason_of

MANIFEST_NAME = "manifest.csv"
"""Table of what was converted, in the output folder."""

JOURNAL_NAME = "finished.jsonl"
"""What is finished, in the output folder."""

RENAMED_DROP = ("told_by", "labels")
"""Columns that could lead back to a name, left out where names are replaced by numbers."""

PROCESS_FROM = 8
"""Files from which on further processes are worth their start."""

_REWRITE_EVERY_S = 5.0
_RUN_SCHEMA = "lvef-convert/1"

Outcome = Literal["converted", "kept", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one file.

    Attributes:
        source: The file.
        outcome: Converted, kept from an earlier run, refused (no fan) or failed.
        reason: Why it was refused or failed, in a sentence; else empty.
        name: Name of its copy.
        patient: Whom it shows, in the manifest.
        own_patient: The same before numbers took the place of names.
        notices: What was met, in sentences.
    """

    source: Source
    outcome: Outcome
    reason: str
    name: str
    patient: str
    own_patient: str
    notices: tuple[str, ...] = ()


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
    on_finished: Callable[[Conversion], None] | None = None,
) -> list[Conversion]:
    """Convert files into a folder.

    Args:
        sources: From `sources_of`.
        out: Output folder, made when missing.
        settings: How.
        on_finished: Called after each file, in the order of the sources.

    Returns:
        What became of each, in the order of the sources.

    Raises:
        DataError: The folder is not one of ours, holds a source, or cannot be written (the disk is full); what was
            written stays whole, and the same call goes on from there.
    """
    began = time.perf_counter()
    _check_folder(sources, out)
    done: list[Conversion] = []
    with closing(Journal(out / JOURNAL_NAME)) as journal:
        # From the start: this file marks the folder as our own output, which a search for clips passes over.
        _write_run(out, settings, done, began, whole=False)
        try:
            _run(sources, out, settings, journal, done, on_finished)
        except BaseException:
            # Whatever made this stop, Ctrl-C or a full disk, is being told already.
            with suppress(LvefError):
                _write_manifest(out, journal)
                _write_run(out, settings, done, began, whole=False)
            raise
        _write_manifest(out, journal)
        _write_run(out, settings, done, began, whole=True)
    return done


def exit_code(done: Sequence[Conversion]) -> int:
    """0 all done, 1 something failed, 3 only refusals."""
    outcomes = {finished.outcome for finished in done}
    if "failed" in outcomes:
        return 1
    return 3 if outcomes == {"refused"} else 0


@dataclass(frozen=True, slots=True)
class _Task:
    source: Source
    out: Path
    name: str
    form: Format
    drop: tuple[str, ...]
    earlier_sha256: str


@dataclass(frozen=True, slots=True)
class _Result:
    sha256: str
    patient: str
    outcome: Outcome
    reason: str = ""
    written: Written | None = None


def _check_folder(sources: Sequence[Source], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        ours = (out / JOURNAL_NAME).exists() or not any(out.iterdir())
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DataError(
            f"The folder {out} cannot be made or used ({reason}); choose another with --out."
        ) from None
    if not ours:
        raise DataError(
            f"The folder {out} holds other files; choose an empty or a new one with --out, so that nothing is mixed."
        )
    real = Path(os.path.realpath(out))
    inside = next((s.path for s in sources if real in Path(os.path.realpath(s.path)).parents), None)
    if inside is not None:
        raise DataError(f"{inside} lies in the output folder {out}; choose another with --out.")


def _run(
    sources: Sequence[Source],
    out: Path,
    settings: Settings,
    journal: Journal,
    done: list[Conversion],
    on_finished: Callable[[Conversion], None] | None,
) -> None:
    """Convert all, several at once, and record each in order into ``done`` and the journal."""
    tasks = _tasks(sources, out, settings, journal)
    patients = _Patients(journal, settings.rename)
    workers = settings.workers or (os.cpu_count() or 1)
    written_at = time.monotonic()
    workers = workers if len(tasks) >= PROCESS_FROM else 1
    with closing(map_ordered(_work, tasks, workers, name=lambda task: str(task.source.path))) as results:
        for task, result in results:
            finished = _record(task, result, settings, journal, patients)
            done.append(finished)
            if on_finished is not None:
                on_finished(finished)
            if time.monotonic() - written_at > _REWRITE_EVERY_S:
                _write_manifest(out, journal)
                written_at = time.monotonic()


def _tasks(sources: Sequence[Source], out: Path, settings: Settings, journal: Journal) -> list[_Task]:
    given = {k: str(e["name"]) for k, e in journal.entries.items() if e.get("rename") == settings.rename}
    names = (running_numbers if settings.rename else own_names)(sources, given)
    drop = RENAMED_DROP if settings.rename else ()
    tasks = []
    for source in sources:
        entry = journal.entries.get(source.key)
        holds = settings.resume and entry is not None and _holds(entry, out, settings)
        sha = str(entry["source_sha256"]) if holds and entry is not None else ""
        tasks.append(_Task(source, out, names[source.key], settings.form, drop, sha))
    return tasks


def _holds(entry: Mapping[str, Any], out: Path, settings: Settings) -> bool:
    """Whether an earlier copy was made in the same way and is still there."""
    if (entry.get("form"), entry.get("rename")) != (settings.form.value, settings.rename):
        return False
    try:
        return all((out / name).stat().st_size == size for name, size in entry["files"])
    except OSError:
        return False


def _work(task: _Task) -> _Result:
    """Convert one file, in any process.

    Raises:
        OutputError: The output cannot be written: no other file will do better.
    """
    source, sha, patient = task.source, "", task.source.patient or task.source.item
    try:
        if source.path.is_dir():
            raise DataError(f"{source.path} is a folder that you may not read: ask for the right with chmod.")
        sha = sha256_of(source.path)
        patient = source.patient or patient_of(source)
        if sha == task.earlier_sha256:
            return _Result(sha, patient, "kept")
        known = {name: value for name, value in source.known.items() if name not in task.drop}
        written = deidentify(source.path, task.out, task.name, task.form, known, patient)
    except OutputError:
        raise
    except QualityRefusal as refusal:
        return _Result(sha, patient, "refused", str(refusal))
    except Exception as error:  # noqa: BLE001  a bug met in one file must not cost the others
        return _Result(sha, patient, "failed", reason_of(error, str(source.path)))
    return _Result(sha, patient, "converted", "", written)


def _record(
    task: _Task, result: _Result, settings: Settings, journal: Journal, patients: _Patients
) -> Conversion:
    """Note a result in the journal; what an earlier run left and this one does not is removed."""
    key = task.source.key
    entry = journal.entries.get(key)
    patient = patients.name(result.patient)
    told = Conversion(task.source, result.outcome, result.reason, task.name, patient, result.patient)
    if result.outcome == "kept":
        return told
    written = result.written
    files = () if written is None else written.files
    if entry is not None:
        for name, _ in entry["files"]:
            if name not in files:
                _remove(task.out / name)
        if written is None:
            journal.remove(key)
    if written is None:
        return told
    journal.append(
        {
            "item": key,
            "name": task.name,
            "source_sha256": result.sha256,
            "form": settings.form.value,
            "rename": settings.rename,
            "patient_key": _patient_key(result.patient),
            "files": [[name, (task.out / name).stat().st_size] for name in files],
            "rows": [row | {"patient": patient} for row in written.rows],
        }
    )
    journal.sync()
    return Conversion(task.source, result.outcome, "", task.name, patient, result.patient, written.notices)


class _Patients:
    """Patients as the manifest has them: their own word, or a running number that stays over runs."""

    def __init__(self, journal: Journal, rename: bool) -> None:
        self._rename = rename
        self._numbered: dict[str, str] = {
            entry["patient_key"]: entry["rows"][0]["patient"]
            for entry in journal.entries.values()
            if entry["rename"]
        }
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
    return hashlib.sha256(f"patient\0{own}".encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        if path.parent.name and not any(path.parent.iterdir()):
            path.parent.rmdir()


def _write_manifest(out: Path, journal: Journal) -> None:
    root = out.absolute().as_posix()
    rows = [row | {"root": root} for entry in journal.entries.values() for row in entry["rows"]]
    write_manifest(make_manifest(rows, str(out / MANIFEST_NAME)), out / MANIFEST_NAME)


def _write_run(
    out: Path, settings: Settings, done: Sequence[Conversion], began: float, *, whole: bool
) -> None:

    counts = {
        name: sum(d.outcome == name for d in done) for name in ("converted", "kept", "refused", "failed")
    }
    record = {
        "schema": _RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "complete": whole,
        "seconds": round(time.perf_counter() - began, 3),
        "counts": counts,
        "settings": to_mapping(settings) | {"form": settings.form.value},
    }
    write_text_atomic(out / RUN_FILE, json.dumps(record, indent=2) + "\n")
