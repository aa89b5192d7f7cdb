"""SQLite databases of the service and of the page: opened alike, and deleted from even where the disk is full."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lvef.core.errors import DataError

DISK_FULL = "Nothing can be saved: the disk of this machine is full or cannot be written. Free some space, then try again."
"""Message where a database cannot be written."""

T = TypeVar("T")


def open_database(path: Path | None, tables: str, version: int) -> sqlite3.Connection:
    """Open a database, and make its tables where it is new. Several threads may use it, one at a time.

    Args:
        path: Its file; None keeps all in memory.
        tables: SQL that makes the tables that are not there.
        version: Of the tables.

    Raises:
        DataError: The file cannot be used.
    """
    try:
        if path is not None:
            path.touch(mode=0o600)
        base = sqlite3.connect(
            ":memory:" if path is None else path, timeout=30.0, check_same_thread=False, isolation_level=None
        )
        # Before the first table is created; it cannot be changed later.
        base.execute("PRAGMA auto_vacuum = INCREMENTAL")
        base.execute("PRAGMA journal_mode = WAL")
        base.execute("PRAGMA synchronous = NORMAL")
        base.execute("PRAGMA secure_delete = ON")
        (found,) = base.execute("PRAGMA user_version").fetchone()
        if found not in (0, version):
            raise DataError(f"{path} was made by another version of lvef; move it away or choose --data.")
        base.executescript(tables)
        base.execute(f"PRAGMA user_version = {version}")
    except (sqlite3.Error, OSError) as error:
        raise DataError(f"{path} cannot be used as a database ({error}); move it away.") from None
    return base


class Database:
    """A database of records. Safe to use from several threads.

    Args:
        path: Its file; None for one in memory.
        tables: Script that makes its tables.
        version: Of the tables.

    Raises:
        DataError: The file cannot be used.
    """

    def __init__(self, path: Path | None, tables: str, version: int) -> None:
        self._lock = threading.RLock()
        self._base = open_database(path, tables, version)

    def close(self) -> None:
        """Close the database; what was in memory is gone."""
        with self._lock:
            self._base.close()

    def _run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._base.execute(sql, values).fetchall()

    def _save(self, table: str, values: Mapping[str, Any]) -> None:
        """Insert or replace a row."""
        marks = ", ".join(f":{name}" for name in values)
        with self._lock:
            self._base.execute(
                f"INSERT OR REPLACE INTO {table} ({', '.join(values)}) VALUES ({marks})", values
            )

    def _delete_anyway(self, work: Callable[[], object]) -> None:
        with self._lock:
            delete_anyway(self._base, work)


def delete_anyway(base: sqlite3.Connection, work: Callable[[], T]) -> T:
    """Do what only deletes, without the log where there is no room for it.

    What is deleted is overwritten, so the write-ahead log of a deletion is as long as what is deleted. Without it, pages are
    overwritten where they are. Then a power failure could damage the database, so this is not the rule.

    Args:
        base: The database; nothing else uses it meanwhile.
        work: What deletes; it may be done a second time.

    Raises:
        sqlite3.OperationalError: It cannot be written at all.
    """
    try:
        return work()
    except sqlite3.OperationalError as error:
        # The lowest byte is the kind of error.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
    if base.in_transaction:
        base.execute("ROLLBACK")
    base.execute("PRAGMA journal_mode = MEMORY").fetchall()
    try:
        return work()
    finally:
        base.execute("PRAGMA journal_mode = WAL").fetchall()
