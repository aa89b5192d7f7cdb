"""Files appear whole or not at all: written beside their place, then moved into it."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lvef.core.errors import DataError, OutputError, explained, os_reason
from lvef.core.locks import lock

_TEMPORARY = re.compile(r"\.(.*\.)?[0-9a-f]{8}\.tmp(\..*)?")
"""Names of temporary files, of `atomic_path` and `check_writable`."""

_unfinished: set[Path] = set()
"""Temporary files that are being written."""


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file to write; it replaces ``path`` when the block ends without an error.

    Args:
        path: The file to make or replace. Its folder must exist.

    Yields:
        A hidden empty file in the same folder with the same suffix, removed again when anything fails. It is locked, so that
        `remove_orphans` knows those whose process was killed.

    Raises:
        OutputError: when the folder is missing or may not be written, or the disk is full.

    Source: rename within a file system is atomic (POSIX.1-2017, rename).
    """
    target = Path(path)
    temporary = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.tmp{target.suffix}")
    _unfinished.add(temporary)
    lock = -1
    try:
        lock = _create_locked(temporary)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as cause:
        # An OSError about another file (say, an input that vanished) is not ours to explain.
        if cause.filename is not None and os.fspath(cause.filename) not in (str(temporary), str(target)):
            raise
        raise OutputError(
            f"{os.fspath(path)} could not be written ({os_reason(cause)}): check the folder, your "
            "rights and the free space."
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if lock >= 0:
            os.close(lock)
        _unfinished.discard(temporary)


def make_folder(folder: Path) -> bool:
    """Make an output folder, with those above it, without temporary files of processes that were killed.

    Returns:
        Whether it is empty.

    Raises:
        OutputError: It cannot be made or read.
    """
    with explained(
        OutputError, f"The folder {folder} cannot be made or used", "; choose another with --out."
    ):
        folder.mkdir(parents=True, exist_ok=True)
        remove_orphans(folder)
        return not any(folder.iterdir())


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a file can be written, before long work begins. What is there stays as it is.

    Raises:
        DataError: The folder is missing or may not be written, or ``path`` is a folder.
    """
    if Path(path).is_dir():
        raise DataError(f"{os.fspath(path)} is a folder; a file was expected.")
    probe = Path(path).with_name(f".{secrets.token_hex(4)}.tmp")
    with explained(DataError, f"{os.fspath(path)} cannot be written", ": check the folder and your rights."):
        probe.open("xb").close()
        probe.unlink()


def remove_orphans(folder: Path) -> None:
    """Remove temporary files of a folder whose process was killed; those that are being written stay.

    Args:
        folder: It alone, without those in it.

    Raises:
        OSError: It cannot be listed.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _TEMPORARY.fullmatch(entry.name)]
    for name in names:
        # Somebody writes it, or it may not be removed.
        with suppress(OSError):
            _remove_unlocked(folder / name)


def remove_unfinished() -> None:
    """Remove what is being written, before the process ends without waiting for its threads."""
    for temporary in list(_unfinished):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes_atomic(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all.

    Raises:
        OutputError: when it cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text_atomic(path: str | os.PathLike[str], text: str) -> None:
    r"""Write ``text`` to ``path`` as UTF-8 with ``\n`` line ends, whole or not at all.

    Raises:
        OutputError: when it cannot be written.
    """
    write_bytes_atomic(path, text.encode("utf-8"))


def remove_files(folder: Path, names: Collection[str]) -> None:
    """Remove files of an earlier run that this one does not have.

    Args:
        folder: Where they lie.
        names: Their names; what is not there need not be removed.

    Raises:
        DataError: One cannot be removed.
    """
    with explained(DataError, f"{folder} holds files of an earlier run that cannot be removed", "."):
        for name in sorted(names):
            (folder / name).unlink(missing_ok=True)


def _create_locked(path: Path) -> int:
    """Make a new file and lock it; returns the descriptor that holds the lock, -1 where there are no such locks.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if sys.platform == "win32":
            # A file that is open cannot be moved there, nor removed by others.
            os.close(descriptor)
            return -1
        try:
            # Not every file system has locks; without one, nothing is removed there either.
            with suppress(OSError):
                lock(descriptor, shared=True)
            if path.exists():
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Another process took it for one that was left.
        os.close(descriptor)


def _remove_unlocked(path: Path) -> None:
    if sys.platform == "win32":
        path.unlink()
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        lock(descriptor)
        path.unlink()
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the system lets a folder be synced."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
