"""Uploaded files on the disk: in a private folder, under random names, removed once they are measured.

Each process has a folder of its own, with a file ``lock`` that it holds locked as long as it lives. A folder whose lock is
free was left by a process that was killed; the next one removes it. The client's file name is only ever shown, never used as
a path.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from lvef.core.errors import DataError, explained
from lvef.core.locks import is_locked_elsewhere, lock
from lvef.io.formats import known_suffix

LOCK_NAME = "lock"
"""File that a process holds locked in its own folder."""

MAX_NAME_LENGTH = 120
"""Most letters of a client's file name that are shown."""

UNNAMED = "upload"
"""Name that is shown where the client gave none."""


class UploadStore:
    """The folder in which this process keeps uploads.

    Args:
        root: Folder of the folders of all processes; it must exist.
        prefix: Beginning of their names; other files in the root are left alone.

    Raises:
        DataError: The folder cannot be made.
    """

    def __init__(self, root: Path, prefix: str = "") -> None:
        self._root, self._prefix = root, prefix
        self.folder = root / f"{prefix}{secrets.token_hex(8)}"
        self._lock: IO[bytes] | None = None
        self._make_folder()

    def _make_folder(self) -> None:
        # Made under a hidden name and moved once it is locked: no other process sees it without its lock.
        hidden = self._root / f".{self.folder.name}"
        with explained(DataError, f"No folder for uploads can be made in {self._root}", "."):
            hidden.mkdir(mode=0o700)
            if self._lock is not None:
                self._lock.close()
            self._lock = (hidden / LOCK_NAME).open("wb")
            is_locked_elsewhere(self._lock)  # No other process does: the file is new.
            hidden.rename(self.folder)

    @property
    def owner(self) -> str:
        """Name of this process's folder."""
        return self.folder.name

    def new_path(self, client_name: str) -> Path:
        """A path for an upload: a random name, with the suffix of the client's name if that is of a known format."""
        if not self.folder.is_dir():
            # Some systems remove old folders from the one for temporary files.
            self._make_folder()
        return self.folder / f"{secrets.token_hex(16)}{known_suffix(client_name)}"

    @contextmanager
    def written(self, data: bytes, client_name: str) -> Iterator[Path]:
        """The bytes of an upload as a file, removed at the end of the block.

        Raises:
            DataError: The file cannot be written.
        """
        path = self.new_path(client_name)
        try:
            remedy = ": make room in the folder for temporary files, or set TMPDIR."
            kept = explained(DataError, "The upload cannot be kept while it is measured", remedy)
            with kept, open_private(path) as file:
                file.write(data)
            yield path
        finally:
            path.unlink(missing_ok=True)

    def remove_orphans(self) -> set[str]:
        """Remove folders of processes that are gone; returns the owners that are alive, this one among them."""
        alive = set()
        for folder in self._root.glob(f"{self._prefix}*"):
            if folder == self.folder or _is_locked(folder / LOCK_NAME):
                alive.add(folder.name)
            elif not folder.name.startswith("."):
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self._root.glob(f".{self._prefix}*"):
            if _is_old(folder):
                shutil.rmtree(folder, ignore_errors=True)
        return alive

    def uploads(self) -> list[Path]:
        """Files that lie in this process's folder now."""
        return [path for path in self.folder.iterdir() if path.is_file() and path.name != LOCK_NAME]

    def worker_folder(self, number: int) -> Path:
        """An empty folder for the temporary files of a worker; what an earlier one left in it is removed."""
        folder = self.folder / f"worker-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        make_private_folder(folder)
        return folder

    def close(self) -> None:
        """Remove this process's folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        shutil.rmtree(self.folder, ignore_errors=True)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this user may enter.

    Raises:
        DataError: It cannot be made, or another user owns it.
    """
    with explained(DataError, f"The folder {folder} cannot be made", "; choose another with --data."):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform != "win32":
            if folder.stat().st_uid != os.getuid():
                raise DataError(f"{folder} belongs to another user; choose a folder of your own with --data.")
            folder.chmod(0o700)


def open_private(path: Path) -> IO[bytes]:
    """Make a file that only this user may read, and open it for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def sanitize_name(raw: str) -> str:
    """The base name of a client's file as it is shown: no folders, no control or invisible letters, not too long."""
    base = PureWindowsPath(PurePosixPath(raw).name).name
    # Categories C*: control, format (bidirectional marks among them), surrogates, private use.
    shown = "".join(letter for letter in base if not unicodedata.category(letter).startswith("C")).strip()
    if len(shown) > MAX_NAME_LENGTH:
        suffix = known_suffix(shown)
        shown = shown[: MAX_NAME_LENGTH - len(suffix)] + suffix
    return UNNAMED if shown in ("", ".", "..") else shown


def _is_locked(path: Path) -> bool:
    try:
        if sys.platform == "win32":
            # A file that is open cannot be removed there.
            path.unlink()
            return False
        with path.open("rb") as file:
            lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _is_old(folder: Path) -> bool:
    """Whether a folder that was being made has been so for a minute: its process is gone."""
    try:
        return time.time() - folder.stat().st_mtime > 60
    except OSError:
        return False
