"""The results of a job as Parquet files, which are its ledger at the same time: a clip is done when a part holds its row.

::

    OUT/job=ID/part-000001-3f9a2b.parquet    some hundred rows each
    OUT/job=ID/job.json                      settings, counts, machine

A part is written whole or not at all, with rows and what identifies their clips in one file. So there is no moment at which
a clip is done but not recorded, or recorded twice, whatever dies. Rows that no longer hold are taken out before anything
begins; were that interrupted, the next run does it. One process writes; where two did nevertheless, the next run takes out
the second row of each clip.
"""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from lvef.core.errors import DataError, panics_become
from lvef.distributed.storage import ResultFolder
from lvef.measure.serializers import RESULT_COLUMNS

COMMIT_ROWS = 256
"""Rows of a part at most."""

COMMIT_S = 20.0
"""Longest time a result waits for its part; so much work is done again when the command is killed."""

KEYS = ("key", "stamp", "made_with")
"""What identifies a clip, its content, and the settings it was measured with."""

TEXTS = (
    "path", "status", "reason", "reason_code", "method", "view", "view_source", "decision", "warnings", "weights",
    "precision", "lvef_version", "heart_rate_source", "volume_note", "heart_failure_range",
)  # fmt: skip
"""Columns that hold text; the others hold numbers."""

LEFT_OUT = ("folder",)
"""Columns of ``results.csv`` that have no meaning here."""

_PART = re.compile(r"^part-(\d{6,})-[0-9a-f]+\.parquet$")


@dataclass(frozen=True, slots=True)
class Held:
    """What the parts say of a clip: a value of each of `KEYS` but the first, and how it ended."""

    stamp: str
    made_with: str
    status: str
    reason_code: str


class PartTable:
    """The rows of a job, in parts.

    Args:
        folder: Where the parts are.
        rows: Rows of a part at most.
        seconds: Longest time a row waits.

    Attributes:
        held: The clips whose rows are written, by key.
    """

    def __init__(self, folder: ResultFolder, *, rows: int = COMMIT_ROWS, seconds: float = COMMIT_S) -> None:
        self._folder, self._rows, self._seconds = folder, rows, seconds
        self._session = secrets.token_hex(4)
        self._waiting: list[dict[str, Any]] = []
        self._committed_at = time.monotonic()
        self.held: dict[str, Held] = {}
        self._part_of: dict[str, str] = {}
        self._number = 0

    def load(self) -> None:
        """Read which clips are done; of one that stands there twice, the later row is removed.

        Raises:
            DataError: A part cannot be read.
        """
        doubled: dict[str, set[str]] = {}
        for name in self._folder.files():
            if (found := _PART.match(name)) is None:
                continue
            self._number = max(self._number, int(found[1]))
            for row in self._read(name, columns=[*KEYS, "status", "reason_code"]).iter_rows(named=True):
                if row["key"] in self.held:
                    doubled.setdefault(name, set()).add(row["key"])
                    continue
                self.held[row["key"]] = Held(
                    row["stamp"], row["made_with"], row["status"], row["reason_code"] or ""
                )
                self._part_of[row["key"]] = name
        for name, keys in doubled.items():
            self._rewrite(name, keys)

    def withdraw(self, does_hold: Callable[[str, Held], bool]) -> int:
        """Take out the rows that no longer hold.

        Args:
            does_hold: Whether the row of a key does.

        Returns:
            How many were taken out.

        Raises:
            OutputError: A part cannot be written.
        """
        gone = [key for key, held in self.held.items() if not does_hold(key, held)]
        by_part: dict[str, set[str]] = {}
        for key in gone:
            by_part.setdefault(self._part_of.pop(key), set()).add(key)
            del self.held[key]
        for name, keys in by_part.items():
            self._rewrite(name, keys)
        return len(gone)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row; it is written with its part.

        Args:
            row: Text under each column of ``results.csv``, and under `KEYS` and ``measurement``.

        Raises:
            OutputError: The part cannot be written.
        """
        self._waiting.append(dict(row))
        if len(self._waiting) >= self._rows or time.monotonic() - self._committed_at >= self._seconds:
            self.commit()

    def commit(self) -> None:
        """Write what waits as a part.

        Raises:
            OutputError: It cannot be written.
        """
        self._committed_at = time.monotonic()
        if not self._waiting:
            return
        name = f"part-{self._number + 1:06d}-{self._session}.parquet"
        self._folder.write(name, _parquet(make_table(self._waiting)))
        self._number += 1
        for row in self._waiting:
            held = Held(row["stamp"], row["made_with"], row["status"], row["reason_code"])
            self.held[row["key"]], self._part_of[row["key"]] = held, name
        self._waiting.clear()

    def _read(self, name: str, columns: list[str] | None = None) -> pl.DataFrame:
        damaged = DataError(
            f"{self._folder.name}/{name} is damaged; remove it, and its clips are measured again."
        )
        try:
            with panics_become(damaged):
                return pl.read_parquet(io.BytesIO(self._folder.read(name)), columns=columns)
        except pl.exceptions.PolarsError:
            raise damaged from None

    def _rewrite(self, name: str, without: set[str]) -> None:
        table = self._read(name)
        left = table.filter(~table["key"].is_in(list(without)))
        if left.is_empty():
            self._folder.remove(name)
        else:
            self._folder.write(name, _parquet(left))


def column_types() -> dict[str, Any]:
    """Type of each column of a part."""
    own: dict[str, Any] = dict.fromkeys(KEYS, pl.String())
    for name in RESULT_COLUMNS:
        if name not in LEFT_OUT:
            own[name] = pl.String() if name in TEXTS else pl.Float64()
    return own | {"measurement": pl.String()}


def make_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of text as a table of text and numbers; an empty number is null."""
    types = column_types()
    texts = pl.DataFrame(
        {name: [row.get(name) or None for row in rows] for name in types},
        schema=dict.fromkeys(types, pl.String()),
    )
    keep = [pl.col(name).fill_null("") for name in (*KEYS, "path", "status", "reason", "reason_code")]
    return texts.with_columns(keep).cast({name: kind for name, kind in types.items() if kind != pl.String()})


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
