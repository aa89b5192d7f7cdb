"""The private folder in which uploads lie until they are measured.

Each running service has a folder of its own in it, with a file ``lock`` that it holds locked as long as it lives. A folder
whose lock is free was left by a service that was killed: whoever starts next removes it. Files get random names; the
client's name is only ever shown, never used as a path.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from lvef.core.errors import DataError
from lvef.io.formats import known_suffix

if sys.platform != "win32":
    import fcntl

SPOOL_NAME = "spool"
"""Folder of uploads inside the data folder."""

LOCK_NAME = "lock"
"""File that a running service holds locked in its own folder."""

MAX_NAME_LENGTH = 120
"""Letters of a client's file name that are shown."""

UNNAMED = "upload"
"""Name that is shown where the client gave none."""


class UploadStore:
    """This service's own folder of uploads.

    Args:
        data: The data folder; made private when it is missing.

    Raises:
        DataError: It cannot be made or is not this user's own.
    """

    def __init__(self, data: Path) -> None:
        make_private_folder(data)
        self.root = data / SPOOL_NAME
        make_private_folder(self.root)
        self.service = secrets.token_hex(8)
        self.folder = self.root / self.service
        # Made under a hidden name and moved once it is locked: nobody ever sees it without its lock.
        hidden = self.root / f".{self.service}"
        make_private_folder(hidden)
        self._lock: IO[bytes] | None = (hidden / LOCK_NAME).open("wb")
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(self.folder)

    def new_path(self, name: str) -> Path:
        """A path for an upload: a random name, with the suffix of a kind that is read if the client's name has one."""
        return self.folder / f"{secrets.token_hex(16)}{known_suffix(name)}"

    def find_live_services(self) -> set[str]:
        """Services that run on this data folder, this one among them; folders of dead ones are removed."""
        alive = set()
        for folder in self.root.iterdir():
            if folder.name == self.service or _is_locked(folder / LOCK_NAME):
                alive.add(folder.name)
            elif not folder.name.startswith(".") or _is_old(folder):
                shutil.rmtree(folder, ignore_errors=True)
        return alive

    def uploads(self) -> list[Path]:
        """Files that lie in this service's folder now."""
        return [path for path in self.folder.iterdir() if path.is_file() and path.name != LOCK_NAME]

    def worker_folder(self, number: int) -> Path:
        """An empty folder for the temporary files of a worker; what an earlier one left in it is removed."""
        folder = self.folder / f"worker-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        make_private_folder(folder)
        return folder

    def close(self) -> None:
        """Remove this service's folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        shutil.rmtree(self.folder, ignore_errors=True)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only this user may enter.

    Raises:
        DataError: It cannot be made, or another user owns it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if sys.platform != "win32":
            if folder.stat().st_uid != os.getuid():
                raise DataError(f"{folder} belongs to another user; choose a folder of your own with --data.")
            folder.chmod(0o700)
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another with --data."
        ) from None


def sanitize_name(raw: str) -> str:
    """The base name of a client's file as it is shown: no folders, no control or invisible letters, not too long."""
    base = PureWindowsPath(PurePosixPath(raw).name).name
    # Categories C*: control, format (bidirectional marks among them), surrogates, private use.
    shown = "".join(letter for letter in base if not unicodedata.category(letter).startswith("C")).strip()
    if len(shown) > MAX_NAME_LENGTH:
        suffix = known_suffix(shown)
        shown = shown[: MAX_NAME_LENGTH - len(suffix)] + suffix
    return UNNAMED if shown in ("", ".", "..") else shown


def remove(path: Path) -> None:
    """Remove an upload; it may be gone already."""
    path.unlink(missing_ok=True)


def _is_locked(lock: Path) -> bool:
    try:
        if sys.platform == "win32":
            # A file that is open cannot be removed there.
            lock.unlink()
            return False
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _is_old(folder: Path) -> bool:
    """Whether a folder that was being made has been so for a minute: its maker is dead."""
    import time

    try:
        return time.time() - folder.stat().st_mtime > 60
    except OSError:
        return False
