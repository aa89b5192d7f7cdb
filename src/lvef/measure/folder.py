"""The output folder of a batch: a folder for each file, ``results.csv`` over all, the results of earlier runs."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lvef.core.journal import JOURNAL_NAME, Entry, Journal, settings_key
from lvef.core.runner import RUN_NAME
from lvef.core.serialization import to_json
from lvef.core.terms import Status
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.io.names import safe_file_name
from lvef.measure.results import Outputs
from lvef.measure.serializers import Row, results_csv

RESULTS_NAME = "results.csv"
"""One line for every file measured into the folder."""

_OWN_NAMES = {RESULTS_NAME, RUN_NAME, JOURNAL_NAME}
_REWRITE_EVERY_S = 1.0


class OutputFolder:
    """Names, journal and results of an output folder.

    Args:
        path: The folder; made when it is missing.
        files: (key, file name) of everything that will be written into it, in order.
        settings: Everything the results depend on.
        outputs: What is wanted for each file.

    Raises:
        OutputError: The folder cannot be made or its journal cannot be read.
    """

    def __init__(
        self, path: Path, files: Sequence[tuple[str, str]], settings: Mapping[str, Any], outputs: Outputs
    ) -> None:
        make_folder(path)
        self.path, self._outputs = path, outputs
        self._journal = Journal(path / JOURNAL_NAME, key="key", exclusive=False)
        self._made_with = settings_key(settings)
        taken = {key: entry["folder"] for key, entry in self._journal.entries.items()}
        self.names = folder_names(files, taken)
        """Name of each file's folder, by key."""
        # Rows of other files first, then this run's in the order given, whichever was measured first.
        self._order = [*(key for key in taken if key not in self.names), *self.names]
        self._written_at = float("-inf")

    def earlier(self, key: str, stamp: str) -> Entry | None:
        """The entry of an earlier run, if it is no failure and still holds: same file, settings, outputs."""
        entry = self._journal.matching(key, stamp, self._made_with)
        if entry is None or entry["row"].get("status") == Status.FAILED:
            return None
        if self._outputs.video > entry["video"] or self._outputs.summary > entry["summary"]:
            return None
        folder = self.path / entry["folder"]
        return entry if all((folder / name).is_file() for name in entry["files"]) else None

    def renamed(self, entry: Entry, path: str) -> Entry:
        """The entry of an earlier run under the file's name of this run.

        Raises:
            OutputError: The journal cannot be written.
        """
        if entry["row"]["path"] != path:
            entry = entry | {"row": entry["row"] | {"path": path}}
            self._journal.append(entry, sync=True)
        return entry

    def add(self, key: str, stamp: str, files: Sequence[str], row: Row) -> None:
        """Add a finished file to the journal.

        Raises:
            OutputError: It cannot be written.
        """
        entry = {
            "key": key,
            "stamp": stamp,
            "made_with": self._made_with,
            "folder": self.names[key],
            "files": list(files),
            "video": self._outputs.video,
            "summary": self._outputs.summary,
            "row": row,
        }
        self._journal.append(entry, sync=True)
        # The journal has it. The table is rewritten now and then: each time would slow a long batch down.
        if time.monotonic() - self._written_at > _REWRITE_EVERY_S:
            self.write_results()

    def write_results(self) -> None:
        """Write ``results.csv`` from the journal.

        Raises:
            OutputError: It cannot be written; the one that was there stays whole.
        """
        entries = self._journal.entries
        rows = (entries[key]["row"] for key in self._order if key in entries)
        write_text_atomic(self.path / RESULTS_NAME, results_csv(rows))
        self._written_at = time.monotonic()

    def write_run(self, record: Mapping[str, Any]) -> None:
        """Write ``run.json``.

        Raises:
            OutputError: It cannot be written.
        """
        write_text_atomic(self.path / RUN_NAME, to_json(record))

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()


def folder_names(files: Sequence[tuple[str, str]], taken: Mapping[str, str]) -> dict[str, str]:
    """Give every file a folder name of its own, made from its file name.

    Args:
        files: (key, file name) of each file, in order.
        taken: Names given before, by key; they stay.

    Returns:
        Name by key. The first file of a name gets it plain, further ones get part of their key appended;
        names differ in more than capitals, because some file systems do not see those.

    Example:
        >>> folder_names([("k1", "a/clip.avi"), ("k2", "b/CLIP.mp4")], {})
        {'k1': 'clip', 'k2': 'CLIP-k2'}
    """
    used = {name.casefold() for name in taken.values()} | _OWN_NAMES
    names: dict[str, str] = {}
    for key, file in files:
        name = taken.get(key)
        if name is None:
            name = _safe(file)
            if name.casefold() in used:
                name = f"{name}-{key[:8]}"
            used.add(name.casefold())
        names[key] = name
    return names


def _safe(file: str) -> str:
    name = re.split(r"[/\\]", file)[-1]
    name = re.sub(r"\.nii\.gz$|(?<=.)\.[A-Za-z0-9]{1,6}$", "", name)
    return safe_file_name(name)
