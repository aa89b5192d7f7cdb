"""Clips decoded in a process of their own: a native decoder that crashes costs one file, not the run.

FFmpeg, libjpeg, OpenJPEG and the like are C code that works on bytes of unknown origin. A signal that ends them ends the
process that they run in, which no ``except`` sees. So `open_clip` of this module sends the path to a child process, which
stays for the next file, and the frames come back in memory that both share. A crash becomes a `VideoError` of its file.

A child is started with ``subprocess``, not ``multiprocessing``: that would import the user's own script once more.
It writes no core file, which would hold a patient's frames, and nothing of what decoders print reaches the terminal.
A child that gives no sign of progress for `SILENT_S` is ended, and its file has failed.

Decoding happens in place where a child cannot be had, on Windows and in a frozen program, and in the workers of the service,
which are apart already and have a time limit (`decode_in_place`).
"""

from __future__ import annotations

import atexit
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import ConfigError, DataError, VideoError
from lvef.core.records import Clip
from lvef.core.workers import Program
from lvef.io.decoder import function, receive, send
from lvef.io.formats import AVI, format_of_file
from lvef.io.limits import DEFAULT_LIMITS, MAX_FRAMES, MAX_PIXELS, SizeLimits

if TYPE_CHECKING:
    from lvef.io.probe import FileHeader

CELLS_S = 5.0
"""Seconds that a workbook may take: a table of labels takes milliseconds."""

SILENT_S, BYTES_PER_S = 600.0, 10**6
"""A decoder may be silent for so many seconds, and one more for each so many bytes of its file, before it is ended.

Each packet, frame, or file of a folder is a sign of progress and begins the time anew, so the length of a clip does not
count. A server that starts again is back within some minutes; a share that reads a MB a second is slow."""

SILENT_VARIABLE = "LVEF_DECODE_SECONDS"
"""Environment variable that holds other seconds than `SILENT_S`; 0 for no limit."""

_KILLED_S = 5.0

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


def read_still(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """`lvef.io.images.read_still` in a process of its own.

    Args:
        path: The file.
        limits: As there.

    Raises:
        VideoError: As there; and when a decoder crashed.
    """
    found: Clip = _isolated("read_still", path, limits=limits)
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
    """`lvef.io.decoder.read_cells` in a process of its own, with limits of memory and time.

    Args:
        path: The file.

    Raises:
        DataError: As there; and when the workbook does not fit the limits.
    """
    try:
        found: list[list[Any]] = _isolated("read_cells", path, silent_s=CELLS_S)
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
    found: FileHeader = _isolated(reader, path) if native else function(reader)(path)
    return found


probe_video = partial(probe, reader="probe_video")
"""`probe` of a file that must be a video."""

probe_image = partial(probe, reader="probe_image")
"""`probe` of a file that must be an image."""


def find_clips(files: Iterable[Path]) -> list[Path]:
    """`lvef.io.open.find_clips`, which opens stills in a process of its own.

    Args:
        files: As there.
    """
    from lvef.io.open import find_clips

    return find_clips(files, is_single=_is_single)


def _is_single(path: Path) -> bool:
    try:
        return bool(_isolated("is_single", path))
    except VideoError:  # it is measured on its own, and says then what is wrong
        return False


def decode_in_place() -> None:
    """Decode in this process from now on: it is apart already, and somebody ends it when it takes too long."""
    global _possible
    _possible = False


def start_ahead() -> None:
    """Start the process that the first file will need, while this one loads a model."""
    if _possible and not _idle:
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
            self.process = Program("lvef.io.decoder", "serve", other.fileno())
        except BaseException:
            self._socket.close()
            raise
        finally:
            other.close()

    def send(self, request: Any, silent_s: float) -> Any:  # noqa: ANN401
        """What came of a request.

        Raises:
            _Gone: The process ended.
            TimeoutError: It gave no sign of progress for ``silent_s``.
        """
        try:
            send(self._socket, request)
            return receive(self._socket, waits=True, silent_s=silent_s)
        except TimeoutError:
            raise
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):
            raise _Gone from None

    def wait_until_ready(self) -> None:
        """Wait until it has loaded what it needs.

        Raises:
            _Gone: It cannot.
        """
        if not self.is_ready:
            try:
                self.is_ready = receive(self._socket, waits=True) == "ready"
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
        try:
            return self.process.wait(_KILLED_S)
        except subprocess.TimeoutExpired:
            # It waits inside the kernel, for a share that does not answer. It ends when that does.
            return -signal.SIGKILL


def _isolated(
    name: str,
    path: str | os.PathLike[str],
    *,
    silent_s: float | None = None,
    **more: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    child = _take() if _possible else None
    if child is None:
        return function(name)(path, **more)
    try:
        limit_s = _silent_limit(path) if silent_s is None else silent_s
        reply = child.send((name, _folder(), path, more), limit_s)
    except _Gone:
        raise VideoError(_crash_message(os.fspath(path), child.end())) from None
    except TimeoutError:
        child.process.kill()
        child.end()
        raise VideoError(_hang_message(os.fspath(path), limit_s)) from None
    except BaseException:
        # What it does now is no reply to the next request.
        child.process.kill()
        child.end()
        raise
    _give_back(child)
    if isinstance(reply, BaseException):
        raise reply
    return reply


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


def _silent_limit(path: str | os.PathLike[str]) -> float:
    """Seconds without a sign of progress after which a file is given up; 0 for no limit.

    Raises:
        ConfigError: The variable holds no such number.
    """
    stated = os.environ.get(SILENT_VARIABLE, "")
    try:
        seconds = float(stated or SILENT_S)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{SILENT_VARIABLE}={stated}: give a number of seconds, or 0 for no limit.")
    try:
        return seconds and seconds + Path(path).stat().st_size / BYTES_PER_S
    except OSError:
        return seconds


def _hang_message(source: str, silent_s: float) -> str:
    return (
        f"{source}: its decoder gave no sign of progress for {silent_s:.0f} s and was ended: the file is damaged, or its "
        f"disk or share does not answer; try it again, or allow more seconds with {SILENT_VARIABLE} (0 for no limit)."
    )
