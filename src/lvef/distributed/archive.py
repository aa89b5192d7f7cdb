"""Measures an archive on a cluster: each clip once, by the code of `lvef measure`, into the parts of a job.

A job is all clips that were measured into one folder with the same settings. Its id stands in the folder's name, and
the same command, or the same id, resumes it.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from lvef.core.errors import ConfigError, DataError, LvefError, panics_become
from lvef.core.journal import Journal, file_key, file_stamp, settings_key, short_hash
from lvef.core.records import Measurement
from lvef.core.runner import Finished, Pool, Progress, exit_code_of, finishing, run, run_record
from lvef.core.serialization import parse_json, printable, to_json
from lvef.core.terms import Status
from lvef.core.workers import TimeLimitExceeded, WorkerLost
from lvef.distributed.parts import COMMIT_ROWS, COMMIT_S, Held, PartTable
from lvef.distributed.storage import ResultFolder, fetched, local_path, url_of
from lvef.distributed.storage import find_files as find_objects
from lvef.io.formats import CANDIDATE_SUFFIXES
from lvef.io.isolation import find_clips
from lvef.io.open import find_inputs
from lvef.measure.batch import failure_of_file
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.pipeline import Measurer
from lvef.measure.serializers import measurement_json, result_row

SHOW_S = 1.0
"""How often the display changes."""


WINDOW_S = 120.0
"""The speed is that of so many last seconds."""


class JobProgress:
    """Counts what is done and shows it through progress callbacks.

    Args:
        progress: Its ``state`` gets the words, at most once in `SHOW_S`.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._total = 0
        self._counts: Counter[str] = Counter()
        self._recent: deque[float] = deque()
        self._shown = float("-inf")

    def start(self, total: int) -> None:
        """Begin with so many clips."""
        self._total = total
        self._recent.append(time.monotonic())
        self._progress.start(total)

    def add(self, status: str, *, resumed: bool = False) -> None:
        """Count a clip."""
        now = time.monotonic()
        self._counts[status] += 1
        if not resumed:
            self._recent.append(now)
        while self._recent and self._recent[0] < now - WINDOW_S:
            self._recent.popleft()
        if now - self._shown >= SHOW_S:
            self._shown = now
            self._progress.state(self.words(now))

    def words(self, now: float) -> str:
        """The display.

        Args:
            now: Seconds on the monotonic clock.
        """
        done = sum(self._counts.values())
        seconds = now - self._recent[0] if self._recent else 0.0
        rate = (len(self._recent) - 1) / seconds if seconds > 0 else 0.0
        parts = [f"{done} of {self._total} clips"]
        if rate > 0:
            parts.append(f"{rate:.3g} clips/s")
            parts.append(f"{_duration((self._total - done) / rate)} left")
        parts += [f"{self._counts[name]} {name}" for name in ("refused", "failed") if self._counts[name]]
        return ", ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


JOB_SCHEMA = "lvef-archive/1"
"""Version of the layout of ``job.json`` and the parts."""

JOB_NAME = "job.json"
"""What the job is, and how its latest run went."""

MANIFEST_SUFFIXES = (".csv", ".parquet")
"""Files that are read as lists of clips."""

SHOWN = 20
"""Reasons of refused and failed clips that are reported one by one; the parts hold all."""

LOST = "killed_worker"
"""Code of a file that ended its worker each time; the next run leaves it alone, unless the file has changed."""

_LOCK_NAME = "running.jsonl"


@dataclass(frozen=True, slots=True)
class ArchiveClip:
    """One clip to measure.

    Attributes:
        name: Path or URL, as it stands in the results.
        key: Hash of its full path or URL.
        stamp: Changes when its content does.
    """

    name: str
    key: str
    stamp: str


@dataclass(slots=True)
class ClipOutcome:
    """What came of a clip.

    Attributes:
        status: How it ended.
        reason: Why there is no EF, or empty.
        row: Its row, until it is written.
    """

    status: str
    reason: str = ""
    row: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """What a run of a job did.

    Attributes:
        job: Its id.
        place: Folder of its parts.
        counts: Clips of this run by status; those of earlier runs count too.
        resumed: How many an earlier run had measured.
        seconds: Time of this run.
        lost_workers: Workers that ended while they worked.
    """

    job: str
    place: str
    counts: Mapping[str, int] = field(default_factory=dict)
    resumed: int = 0
    seconds: float = 0.0
    lost_workers: int = 0

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something failed, 3 only refusals."""
        return exit_code_of(name for name, n in self.counts.items() if n)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"schema": JOB_SCHEMA, **asdict(self), "clips": sum(self.counts.values())}


def find_archive(paths: Iterable[str | Path]) -> list[ArchiveClip]:
    """The clips behind paths, folders, manifests and URLs; one that is named twice counts once.

    Args:
        paths: Files and folders on this machine or in object storage; ``.csv`` and ``.parquet`` files are lists of clips,
            with a column ``path`` and, where those are relative, ``root``.

    Raises:
        DataError: A folder holds no clip, a list has no column ``path``, or the storage does not answer.
    """
    found: dict[str, ArchiveClip] = {}
    for given in paths:
        if Path(given).suffix.lower() in MANIFEST_SUFFIXES:
            clips = _clips_of_list(given)
        elif url := url_of(given):
            clips = _clips_of_url(url)
        else:
            clips = _clips_of_folder(local_path(given))
        for clip in clips:
            found.setdefault(clip.key, clip)
    return list(found.values())


def measure_archive(
    clips: Sequence[ArchiveClip],
    out: str | Path,
    load: Callable[[], Measurer],
    *,
    settings: Mapping[str, Any],
    pool: Pool | None,
    job: str = "",
    resume: bool = True,
    progress: Progress = Progress(),  # noqa: B008  frozen
    commit_rows: int = COMMIT_ROWS,
    commit_s: float = COMMIT_S,
) -> ArchiveResult:
    """Measure clips into the parts of a job.

    Args:
        clips: By `find_archive`.
        out: Folder of jobs, on this machine or in object storage.
        load: Loads what measures, once in each process: `lvef.measure.batch.load_measurer` with its arguments.
        settings: Everything the results depend on, by `lvef.measure.batch.measure_settings`.
        pool: Measures; None measures in this process.
        job: Its id; empty makes one of the settings.
        resume: Keep what earlier runs measured.
        progress: Progress callbacks.
        commit_rows: Rows of a part at most.
        commit_s: Longest time a row waits for its part.

    Raises:
        OutputError: The parts cannot be written, or another run writes there; what was written stays.
        ConfigError: The job was begun with other settings.
    """
    began = time.perf_counter()
    made_with = settings_key(settings)
    job = job or made_with[:12]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", job):
        raise ConfigError(
            f"--job {job} cannot be the name of a job: use letters, digits, and . _ - between them."
        )
    folder = ResultFolder(f"{url_of(out) or local_path(out)}/job={job}")
    before = _check_job(folder, job, made_with)
    table = PartTable(folder, rows=commit_rows, seconds=commit_s)
    counts: Counter[str] = Counter()
    resumed = reasons = 0
    shown = JobProgress(progress)

    def result() -> ArchiveResult:
        lost = getattr(pool, "lost", 0)
        return ArchiveResult(
            job, folder.name, dict(counts), resumed, round(time.perf_counter() - began, 3), lost
        )

    def write_job(complete: bool) -> None:
        seconds = time.perf_counter() - began
        record = run_record(JOB_SCHEMA, seconds, complete=complete) | {"job": job, "made_with": made_with}
        record |= {"begun": before or record["finished"], "counts": dict(counts), "resumed": resumed}
        record |= {"settings": {k: printable(v) if isinstance(v, str) else v for k, v in settings.items()}}
        record |= {"machine": describe_machine(), "packages": package_versions()}
        folder.write(JOB_NAME, to_json(record).encode())

    def finish_job(complete: bool) -> None:
        table.commit()
        write_job(complete)

    def finish(finished: Finished[ArchiveClip, ClipOutcome]) -> None:
        nonlocal resumed, reasons
        counts[finished.result.status] += 1
        resumed += finished.resumed
        finished.result.row = None
        shown.add(finished.result.status, resumed=finished.resumed)
        if finished.result.reason and not finished.resumed:
            reasons += 1
            if reasons <= SHOWN:
                progress.message(finished.result.reason)

    def record(clip: ArchiveClip, outcome: ClipOutcome) -> None:
        assert outcome.row is not None
        table.add(outcome.row | {"key": clip.key, "stamp": clip.stamp, "made_with": made_with})

    wanted = {clip.key: clip for clip in clips}
    with nullcontext() if folder.path is None else closing(Journal(folder.path / _LOCK_NAME)):
        table.load()
        table.withdraw(lambda key, held: _holds(wanted.get(key), held, made_with, resume))
        write_job(False)
        with finishing(finish_job):
            run(
                clips,
                partial(measure_clip, load),
                on_error=failed_clip,
                earlier=lambda clip: _kept(table.held.get(clip.key)),
                record=record,
                on_finished=finish,
                progress=replace(progress, start=shown.start),
                name=lambda clip: clip.name,
                pool=pool,
                ordered=False,
            )
    return result()


def measure_clip(load: Callable[[], Measurer], clip: ArchiveClip) -> ClipOutcome:
    """Measure a clip, in a worker."""
    measurer = load()
    if not (url := url_of(clip.name)):
        measurement, _ = measurer.measure(local_path(clip.name))
        return outcome_of(measurement, clip.name)
    with fetched(url) as path:
        measurement, _ = measurer.measure(path)
    return outcome_of(_renamed(measurement, str(path), url), clip.name)


def failed_clip(clip: ArchiveClip, error: Exception) -> ClipOutcome:
    """The outcome of a clip that could not be fetched, took too long, ended its worker, or met a bug."""
    if isinstance(error, DataError):
        return outcome_of(Measurement(clip.name, Status.FAILED, str(error), "unreadable"), clip.name)
    if isinstance(error, WorkerLost):
        return outcome_of(Measurement(clip.name, Status.FAILED, str(error), LOST), clip.name)
    if isinstance(error, LvefError) and not isinstance(error, TimeLimitExceeded):
        raise error
    return outcome_of(failure_of_file(clip.name, error), clip.name)


def outcome_of(measurement: Measurement, name: str) -> ClipOutcome:
    """A measurement as row and status."""
    row = result_row(measurement, name) | {"measurement": measurement_json(measurement)}
    return ClipOutcome(row["status"], row["reason"], row)


def _renamed(measurement: Measurement, temporary: str, url: str) -> Measurement:
    """A measurement of a temporary file, with the name under which the user knows it."""
    notices = tuple(replace(n, text=n.text.replace(temporary, url)) for n in measurement.notices)
    reason = measurement.reason.replace(temporary, url)
    return replace(measurement, source=url, reason=reason, notices=notices)


def _holds(clip: ArchiveClip | None, held: Held, made_with: str, resume: bool) -> bool:
    """Whether a row of an earlier run stays. Rows of clips that this run does not name do."""
    if clip is None:
        return True
    if not resume or held.made_with != made_with or not clip.stamp or held.stamp != clip.stamp:
        return False
    return held.status != Status.FAILED or held.reason_code == LOST


def _kept(held: Held | None) -> ClipOutcome | None:
    return None if held is None else ClipOutcome(held.status)


def _check_job(folder: ResultFolder, job: str, made_with: str) -> str:
    """When the job was begun, empty for a new one.

    Raises:
        ConfigError: It was begun with other settings.
    """
    if JOB_NAME not in folder.files():
        return ""
    try:
        values = parse_json(folder.read(JOB_NAME))
        schema, begun_with, begun = values["schema"], values["made_with"], str(values["begun"])
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{folder.name}/{JOB_NAME} is damaged; give another folder or another --job."
        ) from None
    if schema != JOB_SCHEMA or begun_with != made_with:
        raise ConfigError(
            f"{folder.name} was begun with another model, other options or another version of lvef: give the same, or "
            f"another name than {job} with --job."
        )
    return begun


def _local_clip(path: Path) -> ArchiveClip:
    return ArchiveClip(str(path), file_key([path]), file_stamp([path]))


def _remote_clip(url: str, stamp: str) -> ArchiveClip:
    return ArchiveClip(url, short_hash(url.encode()), stamp)


def _clips_of_folder(path: Path) -> list[ArchiveClip]:
    inside = find_inputs([path]) if path.exists() else [path]
    if not inside:
        raise DataError(f"{path} is a folder in which no echo file was found: check the path.")
    return [_local_clip(file) for file in find_clips(dict.fromkeys(inside))]


def _clips_of_url(url: str) -> list[ArchiveClip]:
    files = find_objects(url)
    # What is named itself is taken as it is; in a folder the suffix decides, because reading heads would read all files.
    clips = files if [name for name, _ in files] == [url] else [f for f in files if _is_clip(f[0])]
    if not clips:
        raise DataError(
            f"{url}: holds {len(files)} files and no echo file by their suffixes; check the name."
        )
    return [_remote_clip(name, stamp) for name, stamp in clips]


def _is_clip(name: str) -> bool:
    return name.lower().endswith(CANDIDATE_SUFFIXES)


def _clips_of_list(given: str | Path) -> list[ArchiveClip]:
    url = url_of(given)
    with fetched(url) if url else nullcontext(local_path(given)) as path:
        table = _read_list(path, url or str(path))
    columns = table.to_dict(as_series=False)
    names = [str(name) for name in columns["path"] if name]
    roots = columns.get("root") or [""] * len(names)
    if len(names) < len(columns["path"]) or any("\0" in name for name in (*names, *map(str, roots))):
        raise DataError(
            f"{url or given}: has rows without a path, or damaged ones; each row must name a file."
        )
    full = [
        name if url_of(name) or not root else f"{str(root).rstrip('/')}/{name}"
        for root, name in zip(roots, names, strict=True)
    ]
    stamps = _stamps_of({remote for name in full if (remote := url_of(name))})
    return [
        _remote_clip(remote, stamps.get(remote, ""))
        if (remote := url_of(name))
        else _local_clip(local_path(name))
        for name in full
    ]


def _stamps_of(urls: Collection[str]) -> dict[str, str]:
    """Stamps of files in object storage, by listing each of their folders once; those that are not there have none."""
    stamps: dict[str, str] = {}
    for folder in sorted({url.rpartition("/")[0] for url in urls}):
        with suppress(DataError):
            stamps |= {name: stamp for name, stamp in find_objects(folder, below=False) if name in urls}
    return stamps


def _read_list(path: Path, name: str) -> pl.DataFrame:
    unreadable = DataError(f"{name}: cannot be read; a table with a column path was expected.")
    try:
        is_parquet = path.suffix.lower() == ".parquet"
        with panics_become(unreadable):
            table = pl.read_parquet(path) if is_parquet else pl.read_csv(path, infer_schema=False)
    except FileNotFoundError:
        raise DataError(f"{name} does not exist: check the path.") from None
    except (OSError, pl.exceptions.PolarsError):
        raise unreadable from None
    if "path" not in table.columns:
        raise DataError(f"{name}: has no column path; a list of clips needs one.")
    return table
