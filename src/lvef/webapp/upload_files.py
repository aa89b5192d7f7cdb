"""Uploaded bytes as a file, for as long as they are being read and no longer.

The readers open paths. So an upload is written into a folder that only this process's user can look into, under a name of
our own, and is removed as soon as it has been read, whatever happens meanwhile. The folder goes at the end of the process;
what a process left that was killed is removed when the next one starts.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock

from lvef.core.errors import DataError
from lvef.io.formats import known_suffix

PREFIX = "lvef-page-"
"""Beginning of the folders' names; the number of the process follows."""

MAX_NAME_LENGTH = 80
"""Letters of a client's file name that are shown."""

_lock = Lock()
_folders: dict[Path, Path] = {}


@contextmanager
def written_upload(data: bytes, name: str) -> Iterator[Path]:
    """The bytes as a file, removed at the end of the block, also after an exception.

    Args:
        data: What was uploaded.
        name: The client's file name; only a suffix that is known is taken over, because readers warn of wrong ones.

    Raises:
        DataError: The file cannot be written.
    """
    path = upload_folder() / (secrets.token_hex(8) + known_suffix(name))
    try:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
        except OSError as error:
            raise DataError(
                f"The upload cannot be kept while it is measured ({error.strerror}): make room in the folder for "
                "temporary files, or set TMPDIR."
            ) from None
        yield path
    finally:
        path.unlink(missing_ok=True)


def upload_folder() -> Path:
    """This process's folder for uploads, made when it is missing."""
    root = Path(tempfile.gettempdir())
    with _lock:
        if root not in _folders or not _folders[root].is_dir():
            _folders[root] = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=root))
            atexit.register(shutil.rmtree, _folders[root], ignore_errors=True)
        return _folders[root]


def remove_stale_folders() -> list[str]:
    """Remove what processes left that no longer run.

    Returns:
        Names of the folders that were removed.
    """
    removed = []
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = path.name.removeprefix(PREFIX).partition("-")[0]
        if path.is_dir() and number.isdigit() and not _runs(int(number)):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path.name)
    return removed


def sanitize_name(name: str) -> str:
    """A client's file name as it is shown: its last part, without signs that cannot be printed, at most 80 letters."""
    last = PurePosixPath(name.replace("\\", "/")).name
    clean = "".join(sign for sign in last if sign.isprintable()).strip() or "file"
    return clean if len(clean) <= MAX_NAME_LENGTH else clean[: MAX_NAME_LENGTH - 12] + "..." + clean[-9:]


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
