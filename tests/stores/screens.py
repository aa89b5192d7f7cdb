"""Screens of a scanner with a moving fan and names burned in around it: nothing of a patient is kept in the repository."""

from __future__ import annotations

import cv2
import numpy as np

HEIGHT, WIDTH = 240, 320
APEX = (160, 20)
DEPTH, HALF_ANGLE = 200, 0.65


def fan(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Where the fan lies, ``(height, width)`` bool."""
    y, x = np.mgrid[:height, :width].astype(float)
    dx, dy = x - APEX[0], y - APEX[1]
    return (np.abs(np.arctan2(dx, dy + 1e-9)) < HALF_ANGLE) & (np.hypot(dx, dy) < DEPTH) & (dy > 0)


def screen(n: int = 10, seed: int = 0, text: bool = True) -> np.ndarray:
    """Frames ``(n, HEIGHT, WIDTH)`` uint8: speckle that moves in the fan, bright words that do not around it."""
    rng = np.random.default_rng(seed)
    speckle = cv2.GaussianBlur(rng.gamma(2, 40, (HEIGHT, WIDTH)), (0, 0), 1.5)
    frames = np.stack([np.roll(speckle, 2 * i, axis=0) for i in range(n)]).clip(30, 250)
    frames = (frames * fan()).astype(np.uint8)
    if text:
        for frame in frames:
            for words, place in (
                ("ERIKA MUSTERFRAU", (4, 14)),
                ("1964-08-12", (230, 14)),
                ("PID-4711", (4, 232)),
                ("HR 61", (270, 232)),
            ):
                cv2.putText(frame, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1)
    return frames


def far_from_fan() -> np.ndarray:
    """What must be black: everything but the fan with a rim of a twentieth of the image."""
    side = 2 * (HEIGHT // 20) + 1
    grown = cv2.dilate(fan().astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return grown == 0
