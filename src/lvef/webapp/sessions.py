"""Sessions of visitors, their uploads and items, in SQLite: they survive a reload and a closed tab."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from lvef.service.database import Database

STORE_NAME = "page.sqlite"
"""The database inside the page's folder."""

VERSION = 1
"""Version of the tables."""

TABLES = """
CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, created REAL NOT NULL, used REAL NOT NULL, options TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, session TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL, size INTEGER NOT NULL,
  created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS items (
  id TEXT PRIMARY KEY, session TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, created REAL NOT NULL,
  touched REAL NOT NULL, uploads TEXT NOT NULL, options TEXT NOT NULL, job TEXT NOT NULL, stopped INTEGER NOT NULL,
  scale TEXT, sample TEXT NOT NULL, known_ef_percent REAL, revision INTEGER NOT NULL, edit TEXT, edited REAL,
  derived TEXT NOT NULL, compared TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS histories (item TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS uploads_session ON uploads (session);
CREATE INDEX IF NOT EXISTS items_session ON items (session);
"""

CLIP, STILLS, STUDY = "clip", "stills", "study"
"""Kinds of items."""

R = TypeVar("R")


@dataclass(slots=True)
class Session:
    """A visitor.

    Attributes:
        id: Of the cookie.
        created: Seconds since 1970, as the next one.
        used: When it was last used.
        options: What the visitor chose under *Settings*.
    """

    id: str
    created: float
    used: float
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class StoredUpload:
    """A file of a session.

    Attributes:
        id: Random.
        session: Whose it is.
        name: The client's name, as shown.
        file: Its name in the page's folder of files.
        size: Bytes.
        created: Seconds since 1970.
    """

    id: str
    session: str
    name: str
    file: str
    size: int
    created: float


@dataclass(slots=True)
class Item:
    """A clip, a pair of stills or a study of a session.

    Attributes:
        id: Random.
        session: Whose it is.
        kind: `CLIP`, `STILLS` or `STUDY`.
        name: As shown.
        created: Seconds since 1970, as ``touched`` and ``edited``.
        touched: When it was last measured; it expires so many hours later.
        uploads: Ids of its files, in order.
        options: Of its measurement, as JSON.
        job: Its job, which is its result too; empty where there is none yet.
        stopped: Whether the visitor stopped it.
        scale: Lines of known length by part, or None.
        sample: Name of the sample it is; empty for an upload.
        known_ef_percent: True EF, of phantoms only.
        revision: Grows with each change of the correction or the measurement.
        edit: The correction, layout ``lvef-correction/1``, or None.
        edited: When it was corrected.
        derived: Results with the correction and the patient's data in them, by `lvef.webapp.measured.derived_key`.
        compared: Jobs of the other models, by name.
    """

    id: str
    session: str
    kind: str
    name: str
    created: float
    touched: float
    uploads: list[str]
    options: str
    job: str = ""
    stopped: bool = False
    scale: dict[str, Any] | None = None
    sample: str = ""
    known_ef_percent: float | None = None
    revision: int = 1
    edit: Any = None
    edited: float | None = None
    derived: dict[str, str] = field(default_factory=dict)
    compared: dict[str, str] = field(default_factory=dict)


_AS_JSON = {
    Session: {"options"},
    StoredUpload: set[str](),
    Item: {"uploads", "scale", "edit", "derived", "compared"},
}
_TABLE = {Session: "sessions", StoredUpload: "uploads", Item: "items"}


class SessionStore(Database):
    """The database. Safe to use from several threads.

    Args:
        path: Its file.

    Raises:
        DataError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, TABLES, VERSION)

    def save(self, record: Session | StoredUpload | Item) -> None:
        """Insert or replace a record."""
        kind = type(record)
        values = {
            name: json.dumps(value) if name in _AS_JSON[kind] and value is not None else value
            for name, value in asdict(record).items()
        }
        self._save(_TABLE[kind], values)

    def session(self, name: str) -> Session | None:
        """A session by its id."""
        return next(iter(self._find(Session, "id = ?", name)), None)

    def touch(self, name: str) -> None:
        """Remember that a session is used."""
        self._run("UPDATE sessions SET used = ? WHERE id = ?", time.time(), name)

    def upload(self, session: str, name: str) -> StoredUpload | None:
        """An upload of a session by its id."""
        return next(iter(self._find(StoredUpload, "session = ? AND id = ?", session, name)), None)

    def uploads(self, session: str) -> list[StoredUpload]:
        """All uploads of a session."""
        return self._find(StoredUpload, "session = ? ORDER BY created, id", session)

    def all_uploads(self) -> list[StoredUpload]:
        """All uploads."""
        return self._find(StoredUpload, "1")

    def bytes_of(self, session: str | None = None) -> int:
        """Bytes of the uploads of a session, or of all."""
        where, values = ("WHERE session = ?", (session,)) if session is not None else ("", ())
        return int(self._run(f"SELECT coalesce(sum(size), 0) FROM uploads {where}", *values)[0][0])

    def item(self, session: str, name: str) -> Item | None:
        """An item of a session by its id."""
        return next(iter(self._find(Item, "session = ? AND id = ?", session, name)), None)

    def items(self, session: str) -> list[Item]:
        """All items of a session, oldest first."""
        return self._find(Item, "session = ? ORDER BY created, rowid", session)

    def n_items(self, session: str) -> int:
        """How many items a session has."""
        return int(self._run("SELECT count(*) FROM items WHERE session = ?", session)[0][0])

    def expired_items(self, before: float) -> list[Item]:
        """Items that were last measured before that time."""
        return self._find(Item, "touched < ?", before)

    def expired_sessions(self, before: float) -> list[Session]:
        """Sessions without items that were not used since."""
        return self._find(Session, "used < ? AND id NOT IN (SELECT session FROM items)", before)

    def delete(self, record: Session | StoredUpload | Item) -> None:
        """Delete a record."""
        self._delete_anyway(lambda: self._delete(record))

    def history(self, item: Item) -> Any:  # noqa: ANN401
        """What a client keeps with a correction, or None."""
        rows = self._run("SELECT data FROM histories WHERE item = ?", item.id)
        return json.loads(rows[0][0]) if rows else None

    def save_history(self, item: Item, history: Any) -> None:  # noqa: ANN401
        """Keep what a client keeps with a correction; None for nothing."""
        if history is None:
            self._run("DELETE FROM histories WHERE item = ?", item.id)
        else:
            self._run("INSERT OR REPLACE INTO histories VALUES (?, ?)", item.id, json.dumps(history))

    def free(self) -> None:
        """Overwrite what was deleted in the log too."""
        self._delete_anyway(lambda: self._run("PRAGMA wal_checkpoint(TRUNCATE)"))

    def _delete(self, record: Session | StoredUpload | Item) -> None:
        self._run(f"DELETE FROM {_TABLE[type(record)]} WHERE id = ?", record.id)
        if isinstance(record, Item):
            self._run("DELETE FROM histories WHERE item = ?", record.id)

    def _find(self, kind: type[R], where: str, *values: object) -> list[R]:
        names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
        rows = self._run(f"SELECT {', '.join(names)} FROM {_TABLE[kind]} WHERE {where}", *values)
        return [
            kind(
                **{
                    name: json.loads(value) if name in _AS_JSON[kind] and value is not None else value
                    for name, value in zip(names, row, strict=True)
                }
            )
            for row in rows
        ]


def new_session(session_id: str = "") -> Session:
    """A session without anything.

    Args:
        session_id: Its id; a new one without it.
    """
    now = time.time()
    return Session(session_id or secrets.token_hex(16), now, now)
