"""Memory: whether it has run out, and free memory returned to the operating system."""

from __future__ import annotations

import ctypes
import mmap
import sys

PROBE_BYTES = 2**26
"""Address space that a process has left in which any work is possible."""

SIGNS = (
    "cannot allocate memory",
    "can't start new thread",
    "failed to map segment",
    "insufficient memory",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
    "kind: wouldblock",
)
"""What errors of the system and of libraries say where memory has run out."""

OF_LIBRARIES = ("resource temporarily unavailable",)
"""What native libraries say where they cannot start a thread; of an error of the system it may mean a lock."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory has run out, in whatever words a library reports it, or in none."""
    words = str(error).lower()
    signs = SIGNS if isinstance(error, OSError) else SIGNS + OF_LIBRARIES
    return isinstance(error, MemoryError) or any(sign in words for sign in signs) or not _has_room()


def release_free_memory() -> bool:
    """Return free memory to the system; without it, a process that holds clips for a moment only ever grows.

    Returns:
        Whether the system's allocator supports it (glibc does).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True


def _has_room() -> bool:
    """Whether this process may take some more address space; none of it is used."""
    try:
        mmap.mmap(-1, PROBE_BYTES).close()
    except (OSError, ValueError):
        return False
    return True
