"""A database on a full disk: its log cannot grow, so nothing can be written but in place."""

from __future__ import annotations

import sqlite3
from typing import Any


class FullDisk:
    """A connection whose write-ahead log has no room."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._check(sql)
        return self._base.execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._check(sql)
        return self._base.executemany(sql, *values)

    def _check(self, sql: str) -> None:
        writes = sql.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN IMMEDIATE"))
        # A deletion overwrites pages in place, once there is no log.
        in_place = sql.startswith("DELETE") and self.mode != "wal"
        if writes and not in_place:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[misc]
            raise error

    @property
    def mode(self) -> str:
        """Of its journal."""
        return str(self._base.execute("PRAGMA journal_mode").fetchone()[0])
