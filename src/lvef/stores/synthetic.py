"""A dataset of synthetic clips in EchoNet-Dynamic's layout: the same for the same seed, and continued where it stopped.

The random numbers of a clip come from the seed and the clip's own key alone: a clip is the same whatever the number of
clips and workers and however often the run was stopped. Each clip's files are written whole, then entered in the journal;
the tables are made of the journal at the end, also when the run is stopped.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

import lvef
from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.journal import JOURNAL_NAME, Entry, Journal
from lvef.core.runner import (
    RUN_NAME,
    Finished,
    Pool,
    Progress,
    exit_code_of,
    finishing,
    reason_of,
    run,
    run_record,
)
from lvef.core.workers import available_processors
from lvef.datasets.echonet_list import SPLITS
from lvef.io.atomic import make_folder, remove_orphans
from lvef.stores.folder import are_there, begin_folder, write_info
from lvef.stores.synthetic_files import (
    CURVES,
    MASKS,
    TABLES,
    VIDEOS,
    ClipRecord,
    Terms,
    file_names,
    write_clip,
    write_tables,
)
from lvef.synthesis.truth import SyntheticClip

SCHEMA = "lvef-synthetic/1"
"""Version of the layout, in ``run.json``."""

PROCESS_FROM = 4
"""Clips from which on further processes are worth their start of a second or two."""

Outcome = Literal["made", "kept", "refused", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("made", "kept", "refused", "failed")
"""What may become of a clip, in the order in which they are counted."""


@dataclass(frozen=True, slots=True)
class Task:
    """One clip to make.

    Attributes:
        name: Of its files, without suffix; unique.
        patient: Its patient.
        number: Which of the patient's clips it is, from 1.
        split: ``TRAIN``, ``VAL`` or ``TEST``; one for all clips of a patient.
        key: Which stream of the seed's random numbers it draws from; its own.
    """

    name: str
    patient: str
    number: int
    split: str
    key: tuple[int, ...]


class Source(Protocol):
    """Makes clips, in any process: it is sent there, so it is small."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything the clips depend on beside the seed, as JSON values."""

    @property
    def terms(self) -> Terms:
        """Who may use them."""

    def make(self, task: Task, rng: np.random.Generator) -> SyntheticClip:
        """Make a clip.

        Raises:
            QualityRefusal: It cannot be made, for a reason that lies in what it is made of.
            GeometryError: The same.
        """


@dataclass(slots=True)
class ClipResult:
    """What became of one clip.

    Attributes:
        task: The clip.
        outcome: Made, kept from an earlier run, refused or failed.
        reason: Why it was refused or failed, in a sentence; else empty.
        record: Its values in the tables, until they are in the journal; None where it was not made now.
    """

    task: Task
    outcome: Outcome
    reason: str = ""
    record: ClipRecord | None = None


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What a run did.

    Attributes:
        out: The dataset's folder.
        finished: Each clip that was asked for, in order.
        splits: Clips in the folder, by split; those of earlier runs count too.
        frames: Frames of the clips that were made now.
        seconds: Time of the whole run.
    """

    out: Path
    finished: tuple[ClipResult, ...]
    splits: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> dict[Outcome, int]:
        """Number of clips of each outcome."""
        found = Counter(result.outcome for result in self.finished)
        return {name: found[name] for name in OUTCOMES}

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        return exit_code_of(result.outcome for result in self.finished)


def synthesize(
    source: Source,
    tasks: Sequence[Task],
    out: Path,
    *,
    seed: int = 0,
    workers: int = 0,
    progress: Progress = Progress(),  # noqa: B008  frozen
    on_finished: Callable[[ClipResult], None] = lambda _: None,
    pool: Pool | None = None,
) -> Synthesized:
    """Make clips and write them as a dataset.

    Args:
        source: Makes the clips.
        tasks: Which.
        out: Folder: a new or empty one, or that of an earlier run with the same settings, whose clips are kept.
        seed: From which all random numbers come.
        workers: Processes; 0 takes one for each processor.
        progress: Progress callbacks.
        on_finished: Called after each clip: those of an earlier run first, then in the order of the tasks.
        pool: Makes them in place of ``workers`` processes, in a folder that it shares; see `lvef.core.runner.run`.

    Raises:
        DataError: The folder cannot be used, holds something else, or the disk is full; what was written stays whole, and
            the same call goes on from there.
        ConfigError: The folder was begun with other settings.
    """
    began = time.perf_counter()
    settings = {"seed": seed, **source.settings, "lvef_version": lvef.__version__}
    was_complete = begin_folder(out, RUN_NAME, SCHEMA, settings)
    finished: list[ClipResult] = []
    frames = 0
    with closing(Journal(out / JOURNAL_NAME)) as journal:
        _make_folders(out)
        held = {name for name, entry in journal.entries.items() if are_there(out, entry["files"])}
        todo = [task for task in tasks if task.name not in held]
        idle = not todo and was_complete and all((out / name).is_file() for name in TABLES)

        def write_run(complete: bool) -> None:
            record = run_record(SCHEMA, time.perf_counter() - began, complete=complete)
            write_info(out / RUN_NAME, record | _facts(settings, source.terms, journal, finished))

        def write(complete: bool) -> None:
            if not complete:
                _remove_unrecorded(out, todo, journal)
            if not idle:
                write_tables(out, _written(journal), source.terms)
                write_run(complete)

        def finish(done: Finished[Task, ClipResult]) -> None:
            nonlocal frames
            result = done.result
            if result.record is not None:
                frames += int(result.record.listed["NumberOfFrames"] or 0)
                result.record = None
            finished.append(result)
            on_finished(result)

        if not idle:
            write_run(False)
        with finishing(write):
            results = run(
                tasks,
                partial(_work, source, out, seed),
                on_error=_failure,
                earlier=lambda task: _kept(task, journal) if task.name in held else None,
                record=lambda _, result: _record(result, journal),
                on_finished=finish,
                progress=progress,
                name=lambda task: task.name,
                workers=(workers or available_processors()) if len(todo) >= PROCESS_FROM else 1,
                processes=True,
                pool=pool,
            )
        clips = tuple(done.result for done in results)
        return Synthesized(out, clips, _splits(journal), frames, time.perf_counter() - began)


def _work(source: Source, out: Path, seed: int, task: Task) -> ClipResult:
    """Make one clip and write its files, in any process."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=task.key))
    return ClipResult(task, "made", record=write_clip(out, task.name, source.make(task, rng)))


def _failure(task: Task, error: Exception) -> ClipResult:
    reason = reason_of(error, task.name)
    if not isinstance(error, (QualityRefusal, GeometryError)):
        return ClipResult(task, "failed", reason)
    return ClipResult(task, "refused", reason if reason.startswith(task.name) else f"{task.name}: {reason}")


def _make_folders(out: Path) -> None:
    """Make the folders of the clips' files, without what a killed run left half written."""
    for name in (VIDEOS, MASKS, CURVES):
        make_folder(out / name)


def _remove_unrecorded(out: Path, todo: Sequence[Task], journal: Journal) -> None:
    """Remove files of clips that were made ahead of their turn when the run was stopped: no table lists them."""
    for task in todo:
        if task.name not in journal.entries:
            with suppress(OSError):
                for file in file_names(task.name):
                    (out / file).unlink(missing_ok=True)
    for name in (VIDEOS, MASKS, CURVES):
        with suppress(OSError):
            remove_orphans(out / name)


def _kept(task: Task, journal: Journal) -> ClipResult:
    entry = journal.entries[task.name]
    made = entry["outcome"] == "made"
    return ClipResult(task, "kept") if made else ClipResult(task, "refused", entry["reason"])


def _record(result: ClipResult, journal: Journal) -> None:
    """Add a result to the journal. A refusal holds, a failure is tried again by the next run."""
    task = result.task
    if result.outcome == "failed":
        if task.name in journal.entries:
            journal.remove(task.name)
        return
    entry: Entry = {"item": task.name, "outcome": result.outcome, "reason": result.reason}
    entry |= {"patient": task.patient, "number": task.number, "split": task.split, "key": list(task.key)}
    entry |= {"files": []} if result.record is None else asdict(result.record)
    journal.append(entry, sync=True)


def _written(journal: Journal) -> list[Entry]:
    return [entry for entry in journal.entries.values() if entry["outcome"] == "made"]


def _splits(journal: Journal) -> dict[str, int]:
    found = Counter(entry["split"] for entry in _written(journal))
    return {name: found[name] for name in SPLITS}


def _facts(
    settings: Mapping[str, Any], terms: Terms, journal: Journal, finished: Sequence[ClipResult]
) -> dict[str, Any]:
    """What ``run.json`` says of the dataset."""
    written = _written(journal)
    return {
        "clips": len(written),
        "patients": len({entry["patient"] for entry in written}),
        "splits": _splits(journal),
        "refused": {e["item"]: e["reason"] for e in journal.entries.values() if e["outcome"] == "refused"},
        "failed": {f.task.name: f.reason for f in finished if f.outcome == "failed"},
        "collection": terms.collection,
        "licence": terms.licence,
        "terms": terms.text,
        "citation": terms.citation,
        "settings": dict(settings),
    }
