"""Free memory that the allocator keeps is given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> bool:
    """Give back what is free; a process that holds clips for a moment would else only ever grow.

    Returns:
        Whether the system's allocator knows how (glibc does).
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return False
    return True
