"""Parts of many images: random fields, text, traces, and what scanners write beside the sector."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.heart import Float32


def as_clip(frames: Iterable[Float32]) -> FrameArray:
    """Frames of grey levels as a clip of bytes."""
    return np.clip(np.stack(list(frames)), 0, 255).astype(np.uint8)


def natural(rng: np.random.Generator, size: int, slope: float) -> Float32:
    """Random field ``(size, size)`` of mean 0 and standard deviation 1 whose amplitude falls with frequency to a power."""
    u, v = np.fft.rfftfreq(size)[None, :], np.fft.fftfreq(size)[:, None]
    weight = 1 / np.maximum(np.hypot(u, v), 1 / size) ** slope
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * weight, (size, size))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def write_text(
    image: Float32, rng: np.random.Generator, at: tuple[int, int], n: int, scale: float, grey: float
) -> None:
    """Write a line of n random words and numbers into an image."""
    letters = "etaoinshrdlucmfgypbvk"
    words = [
        f"{rng.uniform(0, 200):.{int(rng.integers(0, 3))}f}"
        if rng.random() < 0.25
        else "".join(rng.choice(list(letters), int(rng.integers(2, 9))))
        for _ in range(n)
    ]
    ink = np.zeros(image.shape, np.uint8)
    cv2.putText(ink, " ".join(words), at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), 1, cv2.LINE_AA)
    image += (grey - image) * (ink / np.float32(255))


def ecg(rng: np.random.Generator, n: int, beats: float) -> Float32:
    """Electrocardiogram of n samples, about 0 to 1."""
    phase = (np.arange(n) / n * beats + rng.uniform(0, 1)) % 1
    waves = (
        (0.15, 0.03, 0.12),
        (0.29, 0.008, -0.12),
        (0.31, 0.01, 1.0),
        (0.335, 0.009, -0.2),
        (0.55, 0.05, 0.25),
    )
    trace = sum(height * np.exp(-(((phase - at) / width) ** 2)) for at, width, height in waves)
    return np.asarray(trace + rng.normal(0, 0.01, n), dtype=np.float32)


def draw_trace(image: Float32, values: Float32, base: float, height: float, grey: float) -> None:
    """Draw a curve over the width of an image; ``base`` and ``height`` in pixels."""
    points = np.stack([np.linspace(0, image.shape[1] - 1, len(values)), base - height * values], axis=1)
    cv2.polylines(image, [np.round(points).astype(np.int32)], False, grey, 1, cv2.LINE_AA)


def add_marks(frames: FrameArray, rng: np.random.Generator) -> FrameArray:
    """A clip with some of what a scanner adds: marks of depth, a trace of the electrocardiogram, lines of text."""
    size = frames.shape[1]
    image = np.zeros((size, size), np.float32)
    if rng.random() < 0.5:
        column, step = int(rng.uniform(0.9, 0.99) * size), int(size * rng.uniform(0.05, 0.12))
        image[step::step, column : column + 2] = 200
    if rng.random() < 0.5:
        draw_trace(image, ecg(rng, size, float(rng.uniform(2, 5))), 0.98 * size, 0.1 * size, 180.0)
    for _ in range(int(rng.integers(0, 4))):
        at = (int(rng.choice([0.01, 0.7]) * size), int(rng.uniform(0.04, 0.25) * size))
        write_text(image, rng, at, int(rng.integers(1, 3)), 0.0018 * size, 200.0)
    return np.maximum(frames, image.astype(np.uint8))
