"""Locks of files between processes; they die with the process that holds them."""

import sys
from typing import IO, Any

if sys.platform != "win32":
    import fcntl


def lock(file: int | IO[Any], *, shared: bool = False) -> None:
    """Lock an open file for this process, without waiting; does nothing on Windows.

    Args:
        file: Open file or its descriptor; the lock lasts until it is closed.
        shared: Others may hold it too, unless they want it for themselves.

    Raises:
        BlockingIOError: Another process holds the lock.
        OSError: The file system has no locks.
    """
    if sys.platform != "win32":
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def is_locked_elsewhere(file: int | IO[Any]) -> bool:
    """Lock an open file for this process, unless another holds it already.

    Returns:
        Whether another process holds it. False where there are no locks: on Windows, and on some network shares.
    """
    try:
        lock(file)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
