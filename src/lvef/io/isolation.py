"""Clips decoded in a process of their own: a native decoder that crashes costs one file, not the run.

FFmpeg, libjpeg, OpenJPEG and the like are C code that works on bytes of unknown origin. A signal that ends them ends the
process that they run in, which no ``except`` sees. So `open_clip` of this module sends the path to a child process, which
stays for the next file, and the frames come back in memory that both share. A crash becomes a `VideoError` of its file.

A child is started with ``subprocess``, not ``multiprocessing``: that would import the user's own script once more.
It writes no core file, which would hold a patient's frames, and nothing of what decoders print reaches the terminal.
Decoding happens in place where a child cannot be had: on Windows, in a frozen program, and in a process that
``multiprocessing`` started, which is apart already (the workers of the service).
"""

from __future__ import annotations

import atexit
import importlib
import mmap
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, LvefError, RemoteError, VideoError, error_location
from lvef.core.records import Clip
from lvef.core.workers import interrupts_blocked, is_abandoned
from lvef.io.formats import AVI, format_of_file
from lvef.io.limits import MAX_FRAMES, MAX_PIXELS

if TYPE_CHECKING:
    from lvef.io.probe import FileHeader

CELLS_S, CELLS_BYTES = 5.0, 2**30
"""Seconds and bytes that a workbook may take: a table of labels takes milliseconds and some megabytes."""

INLINE_BYTES = 2**20
"""Frames of fewer bytes are sent as they are."""

_POLL_S = 1.0
_HEADER = struct.Struct("<Q")
_START = "import sys; sys.path[:] = {path!r}; from lvef.io.isolation import serve; serve({number})"

_lock = Lock()
_idle: list[_Child] = []
_owner = os.getpid()
_possible = sys.platform != "win32" and not getattr(sys, "frozen", False) and bool(sys.executable)


def open_clip(
    path: str | os.PathLike[str], *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Clip:
    """`lvef.io.open.open_clip` in a process of its own.

    Args:
        path: The file, or the folder.
        max_frames: As there.
        max_pixels: As there.

    Raises:
        VideoError: As there; and when a decoder crashed.
        LvefError: As there.
    """
    found: Clip = _isolated("open_clip", path, max_frames=max_frames, max_pixels=max_pixels)
    return found


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """`lvef.io.images.read_labels` in a process of its own.

    Args:
        path: The file.

    Raises:
        VideoError: As there; and when a decoder crashed.
        LvefError: As there.
    """
    found: NDArray[np.uint8] = _isolated("read_labels", path)
    return found


def read_cells(path: str | os.PathLike[str]) -> list[list[Any]]:
    """`lvef.io.workbook.read_cells` in a process of its own, with limits of memory and time.

    Args:
        path: The file.

    Raises:
        DataError: As there; and when the workbook does not fit the limits.
    """
    try:
        found: list[list[Any]] = _isolated("read_cells", path, limit_s=CELLS_S)
    except VideoError:
        raise DataError(
            f"{os.fspath(path)}: is damaged, or far larger inside than a table of labels; save it again."
        ) from None
    return found


def probe(path: Path, reader: str = "probe") -> FileHeader:
    """A function of `lvef.io.probe`, in a process of its own where a native library reads the header.

    Args:
        path: The file.
        reader: Name of the function.

    Raises:
        DataError: As there; and when the library crashed.
    """
    try:
        kind = format_of_file(path)
    except OSError:
        kind = None
    # The headers of AVI, DICOM, NIfTI and MetaImage are read by Python code: 10,000 AVI files take a second or two.
    native = kind is not None and kind is not AVI and kind.family in ("video", "image")
    found: FileHeader = _isolated(reader, path) if native else _function(reader)(path)
    return found


probe_video = partial(probe, reader="probe_video")
"""`probe` of a file that must be a video."""

probe_image = partial(probe, reader="probe_image")
"""`probe` of a file that must be an image."""


def start_ahead() -> None:
    """Start the process that the first file will need, while this one loads a model."""
    if _is_wanted() and not _idle:
        child = _start()
        if child is not None:
            _give_back(child)


class _Gone(Exception):
    """A child is no more."""


class _Child:
    """A process that decodes, and the socket to it."""

    def __init__(self) -> None:
        self.is_ready = False
        self._socket, other = socket.socketpair()
        try:
            words = [sys.executable, "-c", _START.format(path=sys.path, number=other.fileno())]
            # LVEF_DEBUG shows what decoders print.
            stderr = None if os.environ.get("LVEF_DEBUG") else subprocess.DEVNULL
            with interrupts_blocked():
                self.process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=[other.fileno()],
                )
        except BaseException:
            self._socket.close()
            raise
        finally:
            other.close()

    def send(self, request: Any, limit_s: float) -> Any:  # noqa: ANN401
        """What came of a request.

        Raises:
            _Gone: The process ended.
        """
        try:
            _send(self._socket, request)
            return _receive(self._socket, waits=True, limit_s=limit_s)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):
            raise _Gone from None

    def wait_until_ready(self) -> None:
        """Wait until it has loaded what it needs.

        Raises:
            _Gone: It cannot.
        """
        if not self.is_ready:
            try:
                self.is_ready = _receive(self._socket, waits=True) == "ready"
            except (OSError, EOFError):
                raise _Gone from None

    def end(self) -> int:
        """End the process and give its exit code, negative for a signal."""
        self._socket.close()
        try:
            # One that crashed has an exit code soon; one that is stuck in a decoder has none.
            return self.process.wait(0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _isolated(
    name: str,
    path: str | os.PathLike[str],
    *,
    limit_s: float = 0.0,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    child = _take() if _is_wanted() else None
    if child is None:
        return _function(name)(path, **more)
    try:
        reply = child.send((name, _folder(), path, more), limit_s)
    except _Gone:
        raise VideoError(_crash_message(os.fspath(path), child.end())) from None
    except BaseException:
        # What it does now is no reply to the next request.
        child.process.kill()
        child.end()
        raise
    _give_back(child)
    if isinstance(reply, BaseException):
        raise reply
    return reply


_MODULES = {
    "open_clip": "lvef.io.open",
    "read_labels": "lvef.io.images",
    **dict.fromkeys(("probe", "probe_video", "probe_image"), "lvef.io.probe"),
}
"""Function -> its module, loaded late: the first process may need no decoder."""


def _function(name: str) -> Callable[..., Any]:
    if name == "read_cells":
        return _read_cells_within_limits
    found: Callable[..., Any] = getattr(importlib.import_module(_MODULES[name]), name)
    return found


def _read_cells_within_limits(path: str | os.PathLike[str]) -> list[list[Any]]:
    from lvef.io.workbook import read_cells

    if not sys.platform.startswith("linux") or multiprocessing.parent_process() is not None:
        return read_cells(path)
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    most = held + CELLS_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most if before[1] < 0 else min(most, before[1]), before[1]))
    try:
        return read_cells(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _is_wanted() -> bool:
    return _possible and multiprocessing.parent_process() is None


def _take() -> _Child | None:
    """A child that is ready, or None where none can be had."""
    global _owner, _possible
    with _lock:
        if _owner != os.getpid():
            # A fork: the children are those of the first process.
            _owner = os.getpid()
            _idle.clear()
        child = None
        while _idle and child is None:
            child = _idle.pop()
            if child.process.poll() is not None:
                # It was ended from outside.
                child.end()
                child = None
    child = child or _start()
    if child is None:
        return None
    try:
        child.wait_until_ready()
    except _Gone:
        child.end()
        # Where one cannot even start, decoding in place is better than none.
        child, _possible = None, False
    except BaseException:
        child.process.kill()
        child.end()
        raise
    return child


def _start() -> _Child | None:
    try:
        return _Child()
    except OSError:
        return None


def _give_back(child: _Child) -> None:
    with _lock:
        _idle.append(child)


@atexit.register
def _end_all() -> None:
    if _owner == os.getpid():
        for child in _idle:
            child.process.kill()
            child.end()
        _idle.clear()


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        return None


def _crash_message(source: str, code: int) -> str:
    if code == -getattr(signal, "SIGKILL", 9):
        return (
            f"{source}: the process that decodes it was killed from outside, most often for want of memory: give fewer "
            "files at once, or cut it to a few beats."
        )
    try:
        what = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        what = f"signal {-code}"
    return (
        f"{source}: its decoder crashed ({what}): the file is damaged, or made to do harm; export it again, as AVI or as "
        "uncompressed DICOM."
    )


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
        _send(link, "ready")
        # While nothing is asked for yet.
        from lvef.io import video  # noqa: F401

        while True:
            try:
                name, folder, path, more = _receive(link)
            except (EOFError, OSError):
                return
            try:
                if folder is not None:
                    os.chdir(folder)
                reply: Any = _function(name)(path, **more)
            except LvefError as error:
                reply = error
            except MemoryError:
                reply = MemoryError()
            except Exception as error:  # noqa: BLE001  the other process reports it
                reply = RemoteError(error_location(error))
            try:
                _send(link, reply)
            except OSError:
                return
            del reply


def _send(link: socket.socket, value: Any) -> None:  # noqa: ANN401
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


def _receive(link: socket.socket, *, waits: bool = False, limit_s: float = 0.0) -> Any:  # noqa: ANN401
    """Receive a value.

    Args:
        link: The socket.
        waits: Give up when the work of this thread is abandoned.
        limit_s: Give up after this time; 0 for never.

    Raises:
        EOFError: The other side is gone.
    """
    link.settimeout(_POLL_S if waits else None)
    began = time.monotonic()
    while True:
        try:
            header, found, _, _ = socket.recv_fds(link, _HEADER.size, 1)
            break
        except TimeoutError:
            if is_abandoned() or 0 < limit_s < time.monotonic() - began:
                raise VideoError("The file took too long and was given up.") from None
    link.settimeout(None)
    try:
        header += _exactly(link, _HEADER.size - len(header)) if header else b""
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
