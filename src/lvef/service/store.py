"""Jobs and results in SQLite, for as long as they are kept. Uploads are never in it.

A result consists of its files (``measurement.json``, tables, images once they were requested), the arrays that a correction
needs, and the clip, black outside the sector, from which images are drawn. What is deleted is overwritten
(``secure_delete``), and its space is freed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lvef.service.database import Database

STORE_NAME = "results.sqlite"
"""The database inside the data folder."""

IN_MEMORY_MB = 256
"""Size limit of a store in memory."""

MAX_UNFETCHED_S = 3600.0
"""How long an unfetched result is kept where results are kept only until they are fetched."""

VERSION = 1
"""Version of the tables."""

TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY, service TEXT NOT NULL, state TEXT NOT NULL, source TEXT NOT NULL, created REAL NOT NULL,
  started REAL, finished REAL, code TEXT NOT NULL, message TEXT NOT NULL, result TEXT);
CREATE TABLE IF NOT EXISTS results (
  id TEXT PRIMARY KEY, root TEXT NOT NULL, parent TEXT, created REAL NOT NULL, options TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  result TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (result, name));
CREATE TABLE IF NOT EXISTS clips (
  root TEXT NOT NULL, part TEXT NOT NULL, created REAL NOT NULL, data BLOB NOT NULL, PRIMARY KEY (root, part));
CREATE INDEX IF NOT EXISTS results_root ON results (root);
"""


@dataclass(slots=True)
class JobRecord:
    """A job as it is kept.

    Attributes:
        id: Random; to know it is to be allowed to read the job.
        service: The service that runs it.
        state: ``queued``, ``running``, ``done`` or ``failed``.
        source: The client's file names, as shown.
        created: Seconds since 1970, as the next two.
        started: When the measurement began.
        finished: When it ended.
        code: Why it failed, for programs.
        message: Why it failed, for people.
        result: Its result, if it has one.
    """

    id: str
    service: str
    state: str
    source: str
    created: float
    started: float | None = None
    finished: float | None = None
    code: str = ""
    message: str = ""
    result: str | None = None


@dataclass(frozen=True, slots=True)
class ResultRecord:
    """A result as it is kept; ``root`` is the model's own result, ``parent`` the one that was corrected."""

    id: str
    root: str
    parent: str | None
    created: float
    options: str


class ResultStore(Database):
    """The database. Safe to use from several threads.

    Args:
        path: Its file; None keeps all in memory.
        keep_s: How long results are kept, in seconds.
        max_bytes: Size limit of the database.

    Raises:
        DataError: The file cannot be used.
    """

    def __init__(self, path: Path | None, keep_s: float, max_bytes: int) -> None:
        super().__init__(path, TABLES, VERSION)
        self.keep_s, self.max_bytes = keep_s, max_bytes

    def save_job(self, job: JobRecord) -> None:
        """Insert or replace a job."""
        self._save("jobs", asdict(job))

    def job(self, name: str) -> JobRecord | None:
        """A job by its id."""
        columns = ", ".join(f.name for f in fields(JobRecord))
        rows = self._run(f"SELECT {columns} FROM jobs WHERE id = ?", name)
        return JobRecord(*rows[0]) if rows else None

    def save_result(
        self,
        result: ResultRecord,
        files: Mapping[str, bytes],
        clips: Mapping[str, bytes],
        job: JobRecord | None = None,
    ) -> None:
        """Insert a result with its files and clips, and its job, in one transaction.

        Raises:
            LookupError: It was made from a result that was deleted meanwhile.
        """
        with self._lock:
            self._base.execute("BEGIN IMMEDIATE")
            try:
                added = self._base.execute(
                    "INSERT INTO results SELECT ?1, ?2, ?3, ?4, ?5"
                    " WHERE ?3 IS NULL OR EXISTS (SELECT 1 FROM results WHERE id = ?3)",
                    (result.id, result.root, result.parent, result.created, result.options),
                )
                if not added.rowcount:
                    raise LookupError(result.parent)
                self._base.executemany(
                    "INSERT INTO files VALUES (?, ?, ?)",
                    [(result.id, name, data) for name, data in files.items()],
                )
                self._base.executemany(
                    "INSERT INTO clips VALUES (?, ?, ?, ?)",
                    [(result.root, part, result.created, data) for part, data in clips.items()],
                )
                if job is not None:
                    self.save_job(job)
                self._base.execute("COMMIT")
            except BaseException:
                self._base.execute("ROLLBACK")
                raise

    def result(self, name: str) -> ResultRecord | None:
        """A result by its id."""
        rows = self._run("SELECT * FROM results WHERE id = ?", name)
        return ResultRecord(*rows[0]) if rows else None

    def file(self, result: str, name: str) -> bytes | None:
        """One file of a result."""
        rows = self._run("SELECT data FROM files WHERE result = ? AND name = ?", result, name)
        return bytes(rows[0][0]) if rows else None

    def files(self, result: str, suffixes: tuple[str, ...]) -> dict[str, bytes]:
        """Files of a result whose names have one of these suffixes."""
        rows = self._run("SELECT name, data FROM files WHERE result = ?", result)
        return {name: bytes(data) for name, data in rows if name.endswith(suffixes)}

    def names(self, result: str) -> list[str]:
        """Names of the files of a result."""
        return [
            name for (name,) in self._run("SELECT name FROM files WHERE result = ? ORDER BY name", result)
        ]

    def clips(self, root: str) -> dict[str, bytes]:
        """The clips of a result and its corrections, by part."""
        return {
            part: bytes(data) for part, data in self._run("SELECT part, data FROM clips WHERE root = ?", root)
        }

    def clip(self, root: str, part: str) -> bytes | None:
        """The clip of one part of a result and its corrections."""
        rows = self._run("SELECT data FROM clips WHERE root = ? AND part = ?", root, part)
        return bytes(rows[0][0]) if rows else None

    def clip_parts(self, root: str) -> list[str]:
        """Parts of a result that have a clip."""
        return [part for (part,) in self._run("SELECT part FROM clips WHERE root = ? ORDER BY part", root)]

    def add_file(self, result: str, name: str, data: bytes) -> None:
        """Keep a file that was drawn for a result; nothing where the result was deleted meanwhile."""
        self._run(
            "INSERT OR REPLACE INTO files SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM results WHERE id = ?)",
            result,
            name,
            data,
            result,
        )

    def corrections(self, result: str) -> list[str]:
        """Results that are corrections of this one, oldest first."""
        rows = self._run("SELECT id FROM results WHERE parent = ? ORDER BY created, id", result)
        return [name for (name,) in rows]

    def delete(self, roots: Iterable[str]) -> None:
        """Delete jobs with their results and all corrections of these."""
        names = [(root,) for root in roots]

        def work() -> None:
            self._base.executemany("DELETE FROM jobs WHERE id = ?", names)
            self._base.executemany("DELETE FROM results WHERE root = ?", names)
            self._sweep()

        self._delete_anyway(work)

    def delete_result(self, name: str) -> None:
        """Delete one result with its files; its parent and its clips stay."""

        def work() -> None:
            self._base.execute("DELETE FROM results WHERE id = ?", (name,))
            self._sweep()

        self._delete_anyway(work)

    def fail_orphaned_jobs(self, alive: Collection[str], message: str) -> int:
        """Mark jobs that were queued or running in services that are gone as failed; returns how many.

        Args:
            alive: Services that run.
            message: Of the jobs of all others.
        """
        marks = ", ".join("?" * len(alive))
        with self._lock:
            done = self._base.execute(
                "UPDATE jobs SET state = 'failed', code = 'service_stopped', message = ?, finished = ? "
                f"WHERE state IN ('queued', 'running') AND service NOT IN ({marks})",
                (message, time.time(), *alive),
            )
            return done.rowcount

    def delete_expired(self, now: float | None = None) -> int:
        """Delete expired results, then the oldest until the size limit is met; returns how many."""
        before = (time.time() if now is None else now) - self.keep_s
        with self._lock:
            count = self.count()
            self._delete_anyway(lambda: self._delete_before(before))
            return count - self.count()

    def _delete_before(self, before: float) -> None:
        self._base.execute("DELETE FROM results WHERE created < ?", (before,))
        self._base.execute("DELETE FROM jobs WHERE finished < ?", (before,))
        self._sweep()
        for table, key in (("clips", "root"), ("results", "id")):
            while self.size() > self.max_bytes:
                oldest = self._base.execute(f"SELECT {key} FROM {table} ORDER BY created LIMIT 10").fetchall()
                if not oldest:
                    break
                self._base.executemany(f"DELETE FROM {table} WHERE {key} = ?", oldest)
                self._sweep()

    def size(self) -> int:
        """Bytes of the database."""
        (((pages,),), ((page_size,),)) = (self._run(f"PRAGMA {name}") for name in ("page_count", "page_size"))
        return int(pages) * int(page_size)

    def count(self) -> int:
        """Number of results kept."""
        return int(self._run("SELECT count(*) FROM results")[0][0])

    def _sweep(self) -> None:
        """Delete what belongs to no result any more, overwrite it, and free its space."""
        self._base.execute("DELETE FROM files WHERE result NOT IN (SELECT id FROM results)")
        self._base.execute("DELETE FROM clips WHERE root NOT IN (SELECT root FROM results)")
        # As a script, because `execute` stops after the first page; the checkpoint removes deleted data from the log.
        self._base.executescript("PRAGMA incremental_vacuum")
        self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def open_store(folder: Path, keep_hours: float, max_store_mb: int) -> ResultStore:
    """The store of a service.

    Args:
        folder: The data folder.
        keep_hours: Hours that results are kept; 0 keeps them in memory, until they are fetched.
        max_store_mb: Size limit in megabytes.
    """
    if keep_hours > 0:
        return ResultStore(folder / STORE_NAME, keep_hours * 3600.0, max_store_mb * 2**20)
    return ResultStore(None, MAX_UNFETCHED_S, min(max_store_mb, IN_MEMORY_MB) * 2**20)
