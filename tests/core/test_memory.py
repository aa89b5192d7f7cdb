"""Memory given back to the system."""

from __future__ import annotations

import ctypes
import errno
import sys

import pytest

from lvef.core import memory
from lvef.core.memory import is_out_of_memory, release_free_memory


def _resident_mb() -> int:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        return int(next(line for line in file if line.startswith("VmRSS:")).split()[1]) // 1024


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells and gives back memory this way"
)
def test_what_is_free_goes_back():
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this C library has no malloc_trim")
    release_free_memory()
    # Pieces too small for pages of their own, with one kept at the end: the allocator cannot shrink by itself.
    pieces = [bytes(60_000) for _ in range(3000)]
    kept = pieces[-1]
    full = _resident_mb()
    del pieces
    assert release_free_memory()
    assert _resident_mb() < full - 100
    assert len(kept) == 60_000


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not release_free_memory()


def test_what_an_error_says_of_memory(monkeypatch):
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("Check failed: std::bad_alloc"))
    # A thread that a library in Rust could not start.
    refused = 'failed to spawn thread: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }'
    assert is_out_of_memory(RuntimeError(refused))
    assert not is_out_of_memory(ValueError("no number"))
    monkeypatch.setattr(memory, "PROBE_BYTES", 2**60)
    assert is_out_of_memory(ValueError("no number")), "there is no room for anything"


def test_a_library_that_gets_no_thread_lacks_memory_and_a_lock_that_is_held_does_not():
    openvino = "Failed to create plugin for device CPU\nplugin.cpp:921:\nResource temporarily unavailable\n"
    assert is_out_of_memory(RuntimeError(openvino))
    assert not is_out_of_memory(BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
