"""Files and folders on this machine or in object storage, named by a path or a URL such as ``s3://bucket/folder``.

Amazon's and Google's storage are read by Arrow, which finds credentials as their own tools do (``AWS_ACCESS_KEY_ID``,
``AWS_PROFILE``, the role of a machine; ``AWS_ENDPOINT_URL`` for storage of one's own). Other protocols are refused, but for
the storage in memory that fsspec has for tests.
"""

from __future__ import annotations

import os
import posixpath
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from lvef.core.errors import DataError, MissingExtraError, OutputError, explained, reading
from lvef.core.locks import is_locked_elsewhere, lock
from lvef.io.atomic import make_folder, write_bytes_atomic
from lvef.io.limits import MAX_FILE_BYTES
from lvef.io.names import safe_file_name

T = TypeVar("T")

TRIES = 3
"""How often storage is asked before it counts as out of reach."""

PAUSE_S = 1.0
"""Pause before the second try; it doubles with each."""

CLIP_PREFIX = "lvef-clip-"
"""Beginning of the names of folders with fetched clips."""

_URL = re.compile(r"^([a-z][a-z0-9+.-]+):/+(.*)$")


def url_of(path: str | os.PathLike[str]) -> str:
    """The URL that stands for a file, empty for a path on this machine.

    Args:
        path: As given; a `Path` made of a URL has lost one of its two slashes, which is put back.

    Example:
        >>> url_of(Path("s3://bucket/clip.avi")), url_of("file:///tmp/clip.avi"), url_of("clip.avi")
        ('s3://bucket/clip.avi', '', '')
    """
    found = _URL.match(os.fspath(path))
    if found is None or found[1] == "file":
        return ""
    return f"{found[1]}://{found[2]}"


def local_path(path: str | os.PathLike[str]) -> Path:
    """The path behind a path or a ``file://`` URL."""
    found = _URL.match(os.fspath(path))
    return Path(f"/{found[2]}") if found is not None and found[1] == "file" else Path(path)


@cache
def filesystem(protocol: str) -> Any:  # noqa: ANN401
    """The file system of a protocol.

    Raises:
        MissingExtraError: A package for it is not installed.
        DataError: There is no such protocol.
    """
    try:
        import fsspec
        from fsspec.implementations.arrow import ArrowFSWrapper
        from pyarrow import fs

        if protocol in ("s3", "s3a"):
            own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            return ArrowFSWrapper(fs.S3FileSystem(endpoint_override=own))
        if protocol in ("gs", "gcs"):
            return ArrowFSWrapper(fs.GcsFileSystem())
        if protocol == "memory":
            return fsspec.filesystem(protocol)
    except ImportError:
        raise MissingExtraError("Object storage", "ray") from None
    # A list may hold any URL: none of them makes this program open a connection of another kind.
    raise DataError(f"{protocol}:// is no storage that is read; s3://, gs:// and file:// are.")


def find_files(url: str, *, below: bool = True) -> list[tuple[str, str]]:
    """The files at a URL: itself, or all below it, with what changes when they change.

    Args:
        url: Of a file or folder.
        below: Those in folders below too.

    Raises:
        DataError: There is nothing, or the storage does not answer.
    """
    protocol, _, path = url.partition("://")
    system = filesystem(protocol)
    found: dict[str, Any] = _tried(url, lambda: system.find(path, maxdepth=None if below else 1, detail=True))
    if not found:
        raise DataError(f"{url}: there is nothing; check the name, and that you may list it.")
    return [
        (f"{protocol}://{name.lstrip('/')}", _stamp(info))
        for name, info in sorted(found.items())
        if info.get("type") == "file"
    ]


@contextmanager
def fetched(url: str) -> Iterator[Path]:
    """A file of object storage as a private temporary file, which is removed at the end of the block.

    Raises:
        DataError: It is not there, is too large, or the storage does not answer.
    """
    protocol, _, path = url.partition("://")
    system = filesystem(protocol)
    with _clip_folder() as folder:
        target = folder / safe_file_name(posixpath.basename(path), "/")
        size = int(_tried(url, lambda: system.info(path))["size"] or 0)
        if size > MAX_FILE_BYTES:
            raise DataError(f"{url}: has {size} bytes; at most {MAX_FILE_BYTES} are read.")
        _tried(url, lambda: system.get_file(path, str(target)))
        yield target


@contextmanager
def _clip_folder() -> Iterator[Path]:
    """A private folder in that for temporary files; locked, so that `remove_left_clips` knows those that are in use."""
    while True:
        folder, handle = Path(tempfile.mkdtemp(prefix=CLIP_PREFIX)), -1
        if sys.platform == "win32":
            break
        # Until it is locked, another process may take it for one that was left, and lock or remove it.
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            if not is_locked_elsewhere(handle) and folder.exists():
                break
            os.close(handle)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def remove_left_clips() -> None:
    """Remove the clips that processes of this machine had fetched when they were killed. Not on Windows."""
    if sys.platform == "win32":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{CLIP_PREFIX}*"):
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                lock(handle)
                if os.fstat(handle).st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


class ResultFolder:
    """A folder of result files, on this machine or in object storage.

    Each file is written whole or not at all: by renaming here, by a single put there.

    Args:
        path: Path or URL; on this machine it is made when missing.

    Raises:
        OutputError: It cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.url = url_of(path)
        self._local = None if self.url else local_path(path)
        if self._local is not None:
            make_folder(self._local)
        self._protocol, _, self._root = self.url.partition("://")

    @property
    def name(self) -> str:
        """Path or URL, for messages."""
        return self.url or str(self._local)

    @property
    def path(self) -> Path | None:
        """The folder on this machine, or None."""
        return self._local

    def files(self) -> list[str]:
        """Names of the files, sorted.

        Raises:
            DataError: The storage does not answer.
        """
        if self._local is not None:
            return sorted(path.name for path in self._local.iterdir() if path.is_file())
        system = filesystem(self._protocol)

        def listed_names() -> list[str]:
            try:
                return list(system.find(self._root, maxdepth=1))
            except FileNotFoundError:
                # Where nothing was written yet, some storage knows no such folder.
                return []

        # Any other failure is none: rows that are there already would be measured and written again.
        listed = _tried(self.url, listed_names)
        return sorted(posixpath.basename(path) for path in listed)

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            DataError: It cannot be read.
        """
        if self._local is not None:
            with reading(self._local / name, "check the disk"):
                return (self._local / name).read_bytes()
        system = filesystem(self._protocol)
        data: bytes = _tried(self.url, lambda: system.cat_file(f"{self._root}/{name}"))
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or write it anew.

        Raises:
            OutputError: It cannot be written.
        """
        if self._local is not None:
            write_bytes_atomic(self._local / name, data)
            return
        system = filesystem(self._protocol)
        try:
            # The same name and content again, should a try have succeeded without an answer.
            _tried(self.url, lambda: system.pipe_file(f"{self._root}/{name}", data))
        except DataError as error:
            raise OutputError(str(error)) from None

    def remove(self, name: str) -> None:
        """Remove a file.

        Raises:
            OutputError: It cannot be removed.
        """
        with explained(OutputError, f"{self.name}/{name} cannot be removed", "."):
            if self._local is not None:
                (self._local / name).unlink(missing_ok=True)
            else:
                filesystem(self._protocol).rm_file(f"{self._root}/{name}")


def _stamp(info: dict[str, Any]) -> str:
    changed = next(
        (info[key] for key in ("ETag", "etag", "mtime", "LastModified", "created") if info.get(key)), ""
    )
    return f"{info.get('size', '')}:{changed}"


def _tried(url: str, request: Callable[[], T]) -> T:
    """Ask storage, and again after a pause where it did not answer."""
    pause = PAUSE_S
    for attempt in range(TRIES):
        try:
            return request()
        except FileNotFoundError:
            raise DataError(f"{url}: there is no such file; check the name.") from None
        except PermissionError:
            raise DataError(f"{url}: access is denied; check the credentials of this machine.") from None
        except OSError as error:
            if attempt == TRIES - 1:
                reason = "access is denied" if "ACCESS_DENIED" in str(error) else type(error).__name__
                raise DataError(
                    f"{url}: the storage does not answer ({reason}); check the address, the network and the credentials."
                ) from None
        time.sleep(pause)
        pause *= 2
    raise AssertionError("the last try returns or raises")
