"""Reading back what was drawn."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
from matplotlib.colors import to_rgb


def pixels(png: bytes) -> np.ndarray:
    """The image as ``(height, width, 3)`` RGB."""
    bgr = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.ascontiguousarray(bgr[..., ::-1])


def count(picture: np.ndarray, colour: str, within: int = 12) -> int:
    """How many pixels have about that colour."""
    wanted = 255 * np.array(to_rgb(colour))
    return int((np.abs(picture - wanted).max(axis=-1) <= within).sum())


def blobs(picture: np.ndarray, colour: str, least: int, within: int = 12) -> np.ndarray:
    """Centres ``(n, 2)`` (x, y) of connected areas of that colour, from ``least`` pixels on."""
    wanted = 255 * np.array(to_rgb(colour))
    mask = (np.abs(picture - wanted).max(axis=-1) <= within).astype(np.uint8)
    _, _, facts, centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return centres[1:][facts[1:, cv2.CC_STAT_AREA] >= least]


def modules_after(code: str) -> set[str]:
    """Names of all modules in memory after ``code`` ran in a fresh interpreter."""
    tail = "\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code + tail], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())
