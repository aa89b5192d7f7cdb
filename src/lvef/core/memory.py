"""Return free memory from the allocator to the operating system."""

from __future__ import annotations

import ctypes
import sys


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
