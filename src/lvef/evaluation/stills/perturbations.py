"""Perturbations of a still, as other machines, settings and exports make them. Each is one function.

A perturbation takes an image ``(height, width)`` uint8, its labels of the same shape, and a generator, and returns both,
moved alike. Perturbations of grey levels leave the labels as they are. The probe is assumed to lie above the middle of the
image, as it does in CAMUS.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.terms import Structure

Image = NDArray[np.uint8]
Perturbation = Callable[[Image, Image, np.random.Generator], tuple[Image, Image]]
"""Image, labels and generator to image and labels."""

SMALL_SIDE_PX, SMALL_QUALITY = 112, 50
"""Size and JPEG quality of the clips of public collections, at their worst."""


def _grey(curve: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Perturbation:
    """A curve over grey levels 0-1."""
    table = np.clip(np.round(255 * curve(np.arange(256) / 255)), 0, 255).astype(np.uint8)
    return lambda image, labels, _: (table[image], labels)


def _affine(turn_deg: float = 0.0, zoom: float = 1.0) -> Perturbation:
    """Turned and scaled about the middle; what leaves the frame is lost."""

    def move(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
        height, width = image.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn_deg, zoom)
        moved = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)
        moved_labels = cv2.warpAffine(labels, matrix, (width, height), flags=cv2.INTER_NEAREST)
        return np.asarray(moved, np.uint8), np.asarray(moved_labels, np.uint8)

    return move


def _mirror(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    return np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(labels[:, ::-1])


def _small(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    scale = SMALL_SIDE_PX / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, SMALL_QUALITY])[1]
    decoded = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
    return decoded, np.asarray(
        cv2.resize(labels, decoded.shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8
    )


def _blur(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8), labels


def _speckle(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Multiplicative grain of 20 %, cells of about 2.4 pixels."""
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape), (0, 0), 1.0)
    return _as_grey(image * (1 + 0.2 * grain / grain.std())), labels


def _shadow(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """A fifth of the sector dark, where the lateral wall lies."""
    angle = _angle(image)
    lit = angle[image > 0]
    low, high = np.percentile(lit, [55, 75])
    return _as_grey(np.where((angle > low) & (angle < high), 0.15 * image, image)), labels


def _drop_out(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Two stretches of the wall as dark as blood."""
    wall, dark = np.argwhere(labels == Structure.MYOCARDIUM), np.zeros(image.shape, np.float32)
    for y, x in wall[rng.integers(0, len(wall), 2)] if len(wall) else ():
        cv2.circle(dark, (int(x), int(y)), max(image.shape) // 14, 1.0, -1)
    dark = np.asarray(cv2.GaussianBlur(dark, (0, 0), 2.0), np.float32)
    return _as_grey(image * (1 - 0.85 * dark)), labels


def _narrow_sector(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """A sector of four fifths of the angle."""
    angle = _angle(image)
    low, high = np.percentile(angle[image > 0], [0.5, 99.5])
    middle, half = (low + high) / 2, 0.8 * (high - low) / 2
    return np.where(np.abs(angle - middle) < half, image, 0).astype(np.uint8), labels


def _less_depth(image: Image, labels: Image, _: np.random.Generator) -> tuple[Image, Image]:
    """The lowest sixth cut off."""
    rows = round(image.shape[0] * 5 / 6)
    return np.ascontiguousarray(image[:rows]), np.ascontiguousarray(labels[:rows])


def _on_a_screen(image: Image, labels: Image, rng: np.random.Generator) -> tuple[Image, Image]:
    """Burned-in text beside, an ECG strip below."""
    side, below = image.shape[1] // 4, image.shape[0] // 5
    shown, moved = (np.pad(p, ((0, below), (side, side))) for p in (image, labels))
    scale = image.shape[1] / 500
    for row in range(4):
        text = "".join(chr(c) for c in rng.integers(65, 91, 7))
        cv2.putText(shown, text, (2, int((row + 1) * 40 * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale, 220, 1)
    x = np.arange(shown.shape[1])
    y = shown.shape[0] - below / 2 + below / 4 * np.sin(x / 7)
    shown[y.astype(int), x] = 230
    return shown, moved


PERTURBATIONS: dict[str, Perturbation] = {
    "gamma 0.5": _grey(lambda v: v**0.5),
    "gamma 2": _grey(lambda v: v**2),
    "gain -40 %": _grey(lambda v: 0.6 * v),
    "gain +40 %": _grey(lambda v: 1.4 * v),
    "dark blood": _grey(lambda v: (v - 0.16) / 0.84),
    "saturated": _grey(lambda v: 2.2 * v / (1 + v)),
    "zoom 0.7": _affine(zoom=0.7),
    "zoom 1.4": _affine(zoom=1.4),
    "turned +20": _affine(turn_deg=20),
    "turned -20": _affine(turn_deg=-20),
    "mirrored": _mirror,
    "narrow fan": _narrow_sector,
    "less depth": _less_depth,
    "112 px, JPEG 50": _small,
    "blur 1.5 px": _blur,
    "speckle": _speckle,
    "sector shadow": _shadow,
    "wall drop-out": _drop_out,
    "text and ECG": _on_a_screen,
}
"""Every perturbation by name, in the order of the table."""


def _angle(image: Image) -> NDArray[np.float64]:
    """Angle of each pixel from the vertical through the probe, radians, ``(height, width)``."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.arctan2(x - (width - 1) / 2, y + 1.0))


def _as_grey(values: NDArray[np.float64]) -> Image:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
