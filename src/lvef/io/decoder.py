"""The process that decodes for another (`lvef.io.isolation`), and how the two talk.

A request is the name of a function, a folder, a path and keyword arguments. A reply is what the function returned, or the
error that it raised; a message of length 0 before it is a sign of progress.
"""

from __future__ import annotations

import importlib
import mmap
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import (
    DataError,
    LvefError,
    RemoteError,
    VideoError,
    error_location,
    panics_become,
    reading,
)
from lvef.core.records import Clip
from lvef.core.workers import is_abandoned
from lvef.io.limits import listen

CELLS_BYTES = 2**30
"""Memory that a workbook may take: a table of labels takes some megabytes."""

WORKBOOK_BYTES = 2**26
"""Largest workbook that is read: label tables have some kilobytes."""

INLINE_BYTES = 2**20
"""Frames of fewer bytes are sent as they are."""

SIGN_S = 1.0
"""Signs of progress are sent so far apart."""

POLL_S = 1.0
"""How often the process that waits looks at its limits."""

_HEADER = struct.Struct("<Q")
_SIGN = _HEADER.pack(0)

_MODULES = {
    "open_clip": "lvef.io.open",
    "read_still": "lvef.io.images",
    "read_labels": "lvef.io.images",
    "is_single": "lvef.io.series",
    **dict.fromkeys(("probe", "probe_video", "probe_image"), "lvef.io.probe"),
    "read_cells": __name__,
}
"""Function -> its module, loaded late: the first process may need no decoder."""


def function(name: str) -> Callable[..., Any]:
    """The function of a name, with its module loaded."""
    found: Callable[..., Any] = getattr(importlib.import_module(_MODULES[name]), name)
    return found


def read_cells(path: str | os.PathLike[str]) -> list[list[Any]]:
    """Rows of a workbook's first sheet: lists of texts, numbers, truth values and dates; an empty cell is an empty text.

    A sheet with one cell in its last row and column is dense when it is read, and takes more memory than there is: read a
    workbook from elsewhere by `lvef.io.isolation.read_cells`, in whose process the memory is limited.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or is no workbook.
    """
    if not sys.platform.startswith("linux") or multiprocessing.parent_process() is not None:
        return _cells_of_first_sheet(path)
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    most = held + CELLS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most if before[1] < 0 else min(most, before[1]), before[1]))
    try:
        return _cells_of_first_sheet(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _cells_of_first_sheet(path: str | os.PathLike[str]) -> list[list[Any]]:
    import python_calamine

    source = os.fspath(path)
    damaged = DataError(f"{source}: is no xlsx file or is damaged; save it again.")
    try:
        with (
            reading(source, "an xlsx file was expected"),
            panics_become(damaged),
            Path(path).open("rb") as file,
        ):
            if file.seek(0, os.SEEK_END) > WORKBOOK_BYTES:
                raise DataError(
                    f"{source}: has more than {WORKBOOK_BYTES // 2**20} MiB; a table of labels was expected."
                )
            file.seek(0)
            sheet = python_calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_index(0)
            rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    except python_calamine.CalamineError:
        raise damaged from None
    return rows


def serve(number: int) -> None:
    """What a child does: read files until the other side is gone.

    Args:
        number: Its end of the socket, as a file descriptor.
    """
    import resource

    # Ctrl-C reaches every process of a terminal; the first one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=number) as link:
        send(link, "ready")
        listen(_SignSender(link))
        # While nothing is asked for yet.
        from lvef.io import video  # noqa: F401

        while True:
            try:
                name, folder, path, more = receive(link)
            except (EOFError, OSError):
                return
            try:
                if folder is not None:
                    os.chdir(folder)
                reply: Any = function(name)(path, **more)
            except LvefError as error:
                reply = error
            except MemoryError:
                reply = MemoryError()
            except Exception as error:  # noqa: BLE001  the other process reports it
                reply = RemoteError(error_location(error))
            try:
                send(link, reply)
            except OSError:
                return
            del reply


class _SignSender:
    """Sends signs of progress to the other side, a second apart."""

    def __init__(self, link: socket.socket) -> None:
        self._link, self._sent = link, time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._sent >= SIGN_S:
            self._sent = now
            with suppress(OSError):
                self._link.sendall(_SIGN)


def send(link: socket.socket, value: Any) -> None:  # noqa: ANN401
    """Send a value; the frames of a clip and large arrays in shared memory."""
    frames = value.frames if isinstance(value, Clip) else value if isinstance(value, np.ndarray) else None
    shared = None
    if frames is not None and frames.nbytes >= INLINE_BYTES:
        shared = _memory(frames)
        rest = replace(value, frames=np.empty((0, 0, 0), np.uint8)) if isinstance(value, Clip) else None
        value = (frames.shape, rest)
    data = pickle.dumps((shared is not None, value))
    try:
        socket.send_fds(link, [_HEADER.pack(len(data))], [] if shared is None else [shared])
        link.sendall(data)
    finally:
        if shared is not None:
            os.close(shared)


def receive(link: socket.socket, *, waits: bool = False, silent_s: float = 0.0) -> Any:  # noqa: ANN401
    """Receive a value.

    Args:
        link: The socket.
        waits: Give up when the work of this thread is abandoned.
        silent_s: Give up after this time without a sign of progress, not counting time in which this process was
            suspended; 0 for never.

    Raises:
        EOFError: The other side is gone.
        TimeoutError: Given up for its time.
        VideoError: The work was abandoned.
    """
    silent = 0.0
    while True:
        link.settimeout(POLL_S if waits else None)
        try:
            header, found, _, _ = socket.recv_fds(link, _HEADER.size, 1)
        except TimeoutError:
            silent += POLL_S
            if is_abandoned():
                raise VideoError("The file took too long and was given up.") from None
            if 0 < silent_s <= silent:
                raise
            continue
        link.settimeout(None)
        header += _exactly(link, _HEADER.size - len(header)) if header else b""
        if header != _SIGN:
            break
        silent = 0.0
    try:
        if not header:
            raise EOFError
        is_shared, value = pickle.loads(_exactly(link, _HEADER.unpack(header)[0]))
        if not is_shared:
            return value
        shape, rest = value
        frames = np.frombuffer(mmap.mmap(found[0], 0, mmap.MAP_PRIVATE), np.uint8).reshape(shape)
        return frames if rest is None else replace(rest, frames=frames)
    finally:
        for number in found:
            os.close(number)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        n = link.recv_into(view)
        if not n:
            raise EOFError
        view = view[n:]
    return bytes(data)


def _memory(frames: NDArray[np.uint8]) -> int:
    """A file in memory, or where the system has none on the disk and without a name, that holds frames."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("lvef-frames")
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    view = np.ascontiguousarray(frames).data.cast("B")
    while view:
        view = view[os.write(number, view[: 2**30]) :]
    return number
