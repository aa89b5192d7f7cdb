"""A collection of synthetic clips in EchoNet-Dynamic's layout: the same for the same seed, and taken up where it stopped.

The random numbers of a clip come from the seed and the clip's own key alone: a clip is the same whatever the number of
clips and workers and however often the run was stopped. Each clip's files are written whole, then noted in the journal; the
tables are made of the journal at the end, also when the run is stopped.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

import lvef
from lvef.core.errors import ConfigError, DataError, GeometryError, LvefError, QualityRefusal
from lvef.core.journal import Entry, Journal
from lvef.datasets.echonet_list import SPLITS
from lvef.io.open import RUN_FILE
from lvef.stores.parallel import available_processors, in_order_by_processes, reason_of
from lvef.stores.synthetic_files import CURVES, MASKS, VIDEOS, ClipRecord, file_names, write_clip
from lvef.stores.synthetic_tables import TABLES, Terms, write_tables
from lvef.stores.writer import write_info
from lvef.synthesis.truth import SyntheticClip

SCHEMA = "lvef-synthetic/1"
"""Version of the layout, in ``run.json``."""

JOURNAL_NAME = "finished.jsonl"
"""What is finished, in the output folder."""

PROCESS_FROM = 4
"""Clips from which on further processes are worth their start of a second or two."""

Outcome = Literal["made", "kept", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Task:
    """One clip to make.

    Attributes:
        name: Of its files, without suffix; unique.
        patient: Whom it shows.
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
    """Makes clips, in any process: it is sent there, so it should be small."""

    @property
    def settings(self) -> dict[str, Any]:
        """Whatever the clips depend on beside the seed, as JSON values."""

    @property
    def terms(self) -> Terms:
        """Who may use them."""

    def make(self, task: Task, rng: np.random.Generator) -> SyntheticClip:
        """Make a clip.

        Raises:
            QualityRefusal: It cannot be made, for a reason that lies in what it is made of.
            GeometryError: The same.
        """


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of one clip.

    Attributes:
        task: The clip.
        outcome: Made, kept from an earlier run, refused or failed.
        reason: Why it was refused or failed, in a sentence; else empty.
    """

    task: Task
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Synthesized:
    """What a run did.

    Attributes:
        out: The collection's folder.
        finished: Each clip that was asked for, in order.
        splits: Clips in the folder, by split; those of earlier runs count too.
        frames: Frames of the clips that were made now.
        seconds: Time of the whole run.
    """

    out: Path
    finished: tuple[Finished, ...]
    splits: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> dict[Outcome, int]:
        """Number of clips of each outcome."""
        outcomes: tuple[Outcome, ...] = ("made", "kept", "refused", "failed")
        return {name: sum(f.outcome == name for f in self.finished) for name in outcomes}

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        counts = self.counts
        if counts["failed"]:
            return 1
        return 3 if counts["refused"] and not counts["made"] + counts["kept"] else 0


def synthesize(
    source: Source,
    tasks: Sequence[Task],
    out: Path,
    *,
    seed: int = 0,
    workers: int = 0,
    on_finished: Callable[[Finished], None] | None = None,
) -> Synthesized:
    """Make clips and write them as a collection.

    Args:
        source: Makes the clips.
        tasks: Which.
        out: Folder: a new or empty one, or that of an earlier run with the same settings, whose clips are kept.
        seed: From which all random numbers come.
        workers: Processes; 0 takes one a processor.
        on_finished: Called after each clip, in the order of the tasks.

    Raises:
        DataError: The folder cannot be used, holds something else, or the disk is full; what was written stays whole, and
            the same call goes on from there.
        ConfigError: The folder was begun with other settings.
    """
    began = time.perf_counter()
    settings = {"seed": seed, **source.settings, "lvef_version": lvef.__version__}
    whole_before = _begin(out, settings)
    finished: list[Finished] = []
    frames = 0
    with closing(Journal(out / JOURNAL_NAME)) as journal:
        _make_folders(out)
        held = {task.name for task in tasks if _holds(journal.entries.get(task.name), out)}
        todo = [task for task in tasks if task.name not in held]
        idle = not todo and whole_before and all((out / name).is_file() for name in TABLES)

        def close(*, whole: bool) -> None:
            write_tables(out, _written(journal), source.terms)
            record = _run_record(settings, source.terms, journal, finished, began)
            write_info(out / RUN_FILE, record | {"complete": whole})

        if not idle:
            record = _run_record(settings, source.terms, journal, finished, began)
            write_info(out / RUN_FILE, record | {"complete": False})
        workers = (workers or available_processors()) if len(todo) >= PROCESS_FROM else 1
        jobs = [_Job(source, task, out, seed) for task in todo]
        try:
            with closing(in_order_by_processes(_work, jobs, min(workers, max(len(jobs), 1)))) as results:
                for task in tasks:
                    if task.name in held:
                        told = _kept(task, journal.entries[task.name])
                    else:
                        told, entry = _recorded(next(results)[1], task, journal)
                        frames += int(entry["listed"]["NumberOfFrames"]) if told.outcome == "made" else 0
                    finished.append(told)
                    if on_finished is not None:
                        on_finished(told)
        except BaseException:
            # Whatever made this stop, Ctrl-C or a full disk, is being told already.
            with suppress(LvefError):
                _remove_unnoted(out, todo, journal)
                close(whole=False)
            raise
        if not idle:
            close(whole=True)
        return Synthesized(out, tuple(finished), _splits(journal), frames, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class _Job:
    source: Source
    task: Task
    out: Path
    seed: int


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: Literal["made", "refused", "failed", "stopped"]
    reason: str = ""
    record: ClipRecord | None = None


class _OutputError(DataError):
    """The output folder cannot be written: no other clip will do better."""


def _work(job: _Job) -> _Result:
    """Make one clip and write its files, in any process. Nothing is raised: errors do not travel well between processes."""
    task = job.task
    try:
        rng = np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=task.key))
        return _Result("made", "", _write(job.out, task.name, job.source.make(task, rng)))
    except _OutputError as error:
        return _Result("stopped", str(error))
    except (QualityRefusal, GeometryError) as refusal:
        said = str(refusal)
        return _Result("refused", said if said.startswith(task.name) else f"{task.name}: {said}")
    except Exception as error:  # noqa: BLE001  a bug met in one clip must not cost the others
        return _Result("failed", reason_of(error, task.name))


def _write(out: Path, name: str, synthetic: SyntheticClip) -> ClipRecord:
    try:
        return write_clip(out, name, synthetic)
    except DataError as error:
        raise _OutputError(str(error)) from None


def _begin(out: Path, settings: Mapping[str, Any]) -> bool:
    """Make the folder, or see that an earlier run with the same settings made it; whether that one came to its end."""
    path = out / RUN_FILE
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(out.iterdir()):
                raise DataError(
                    f"{out}: holds other files; give an empty or a new folder, so that nothing is mixed."
                )
            write_info(path, {"schema": SCHEMA, "settings": dict(settings), "complete": False})
            return False
        earlier = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise DataError(f"{out}: cannot be made or used ({reason}); give another folder.") from None
    except ValueError:
        earlier = None
    if not isinstance(earlier, dict) or earlier.get("schema") != SCHEMA:
        raise DataError(f"{out}: holds the output of another command; give an empty or a new folder.")
    before, now = earlier.get("settings") or {}, json.loads(json.dumps(dict(settings)))
    other = [
        f"{key} {_word(before.get(key))}, now it is {_word(now.get(key))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if other:
        raise ConfigError(f"{out}: was begun with {'; '.join(other)}: give the same or another folder.")
    return earlier.get("complete") is True


def _make_folders(out: Path) -> None:
    """Make the folders of the clips' files, without what a killed run left half written."""
    try:
        for name in (VIDEOS, MASKS, CURVES):
            (out / name).mkdir(exist_ok=True)
        _remove_half_written(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written ({error.strerror}); give another folder.") from None


def _holds(entry: Entry | None, out: Path) -> bool:
    """Whether a clip is done and its files are there."""
    if entry is None:
        return False
    try:
        return all((out / name).stat().st_size == size for name, size in entry["files"])
    except OSError:
        return False


def _remove_unnoted(out: Path, todo: Sequence[Task], journal: Journal) -> None:
    """Remove files of clips that were made ahead of their turn when the run was stopped: no table tells of them."""
    for task in todo:
        if task.name not in journal.entries:
            with suppress(OSError):
                for file in file_names(task.name):
                    (out / file).unlink(missing_ok=True)
    with suppress(OSError):
        _remove_half_written(out)


def _remove_half_written(out: Path) -> None:
    """Remove what a process left that was ended while it wrote."""
    for name in (VIDEOS, MASKS, CURVES):
        for left in (out / name).glob(".*.tmp.*"):
            left.unlink()


def _kept(task: Task, entry: Entry) -> Finished:
    return (
        Finished(task, "kept") if entry["outcome"] == "made" else Finished(task, "refused", entry["reason"])
    )


def _recorded(result: _Result, task: Task, journal: Journal) -> tuple[Finished, Entry]:
    """Note a result in the journal. A refusal holds, a failure is tried again by the next run."""
    if result.outcome == "stopped":
        raise DataError(result.reason)
    entry: Entry = {"item": task.name, "outcome": result.outcome, "reason": result.reason}
    entry |= {"patient": task.patient, "number": task.number, "split": task.split, "key": list(task.key)}
    entry |= {"files": []} if result.record is None else asdict(result.record)
    if result.outcome != "failed":
        journal.append(entry)
        journal.sync()
    elif task.name in journal.entries:
        journal.remove(task.name)
    return Finished(task, result.outcome, result.reason), entry


def _written(journal: Journal) -> list[Entry]:
    return [entry for entry in journal.entries.values() if entry["outcome"] == "made"]


def _splits(journal: Journal) -> dict[str, int]:
    written = _written(journal)
    return {name: sum(entry["split"] == name for entry in written) for name in SPLITS}


def _run_record(
    settings: Mapping[str, Any], terms: Terms, journal: Journal, finished: Sequence[Finished], began: float
) -> dict[str, Any]:
    written = _written(journal)
    return {
        "schema": SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "complete": False,
        "seconds": round(time.perf_counter() - began, 3),
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


def _word(value: object) -> str:
    return "none" if value is None else str(value)
