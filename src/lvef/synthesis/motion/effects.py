"""What a real clip has beside the heart's motion: new speckle, noise, gain, breathing, persistence, blur.

All are off in `Effects()`; `draw_effects` draws amounts as they are common.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import BoolArray, FloatArray
from lvef.synthesis.curves import noise
from lvef.synthesis.motion.picture import Picture, Sector

N_PATTERNS = 4
"""Speckle patterns of which every frame's is mixed."""

SPECKLE_MEMORY_S = 0.12
"""Time after which speckle of moving tissue has changed to 1/e. A choice: trackers of tissue hold a pattern for
a few frames at 50 Hz."""

AXIAL_SHARE, LATERAL_SHARE = 0.0055, 0.0075
"""Standard deviations of the speckle cell along and across the beam at the depth of the sector's middle, in longer sides of
the still. CAMUS has cells of about 2.1 x 1.9 mm full width in pictures of 182 x 150 mm."""

GAIN_MEMORY_S = 1.0
"""How slowly the gain wanders."""

BREATH_S = (3.0, 5.5)
"""Length of a breath at rest."""


@dataclass(frozen=True, slots=True)
class Effects:
    """Amounts; 0 is off.

    Attributes:
        tissue_speckle: Part of the tissue's local deviation that is new and changes with time, 0 to 1.
        blood_speckle: The same inside the chambers, new in every frame, 0 to 1.
        noise_levels: Standard deviation of noise of each frame, grey levels.
        gain_percent: Standard deviation of the slow change of brightness.
        drift_mm: Amplitude of the heart's way with the breath (pixels where there is no scale).
        drift_degrees: Amplitude of its turn.
        persistence: Weight of the frames before, 0 to below 1.
        blur_px: Standard deviation of a blur, pixels of the finished frame.
    """

    tissue_speckle: float = 0.0
    blood_speckle: float = 0.0
    noise_levels: float = 0.0
    gain_percent: float = 0.0
    drift_mm: float = 0.0
    drift_degrees: float = 0.0
    persistence: float = 0.0
    blur_px: float = 0.0

    def __post_init__(self) -> None:
        for name, top in _LARGEST.items():
            value = float(getattr(self, name))
            if not 0 <= value <= top:
                raise ConfigError(f"{name} is {value:g}, a value from 0 to {top:g} was expected.")


_LARGEST = {
    "tissue_speckle": 1.0,
    "blood_speckle": 1.0,
    "noise_levels": 60.0,
    "gain_percent": 50.0,
    "drift_mm": 30.0,
    "drift_degrees": 20.0,
    "persistence": 0.9,
    "blur_px": 5.0,
}


def draw_effects(rng: np.random.Generator) -> Effects:
    """Amounts as they are common, each drawn on its own."""
    return Effects(
        tissue_speckle=float(rng.uniform(0.3, 0.6)),
        blood_speckle=float(rng.uniform(0.6, 0.95)),
        noise_levels=float(rng.uniform(0.5, 3.0)),
        gain_percent=float(rng.uniform(0.0, 4.0)),
        drift_mm=float(rng.uniform(0.0, 3.0)),
        drift_degrees=float(rng.uniform(0.0, 1.5)),
        persistence=float(rng.uniform(0.0, 0.35)),
        blur_px=float(rng.choice([0.0, rng.uniform(0.3, 0.9)])),
    )


class Speckle:
    """Fresh speckle: patterns of unit deviation in the sector's own geometry, finer along the beam than across it."""

    def __init__(
        self, sector: Sector, shape: tuple[int, int], times_s: FloatArray, rng: np.random.Generator
    ) -> None:
        self.patterns = [_pattern(sector, shape, rng) for _ in range(N_PATTERNS)]
        frame_s = float(times_s[1]) if len(times_s) > 1 else 1.0
        mix = np.stack(
            [
                noise(len(times_s), 1.0, rng, correlation_s=SPECKLE_MEMORY_S, frame_s=frame_s)
                for _ in range(N_PATTERNS)
            ],
            axis=1,
        )
        self.mix = (mix / np.maximum(np.linalg.norm(mix, axis=1, keepdims=True), 1e-6)).astype(np.float32)
        self.rng = rng

    def tissue(self, frame: int) -> Picture:
        """The pattern of a frame, to be carried with the tissue."""
        total = self.mix[frame, 0] * self.patterns[0]
        for weight, pattern in zip(self.mix[frame, 1:], self.patterns[1:], strict=True):
            total = total + weight * pattern
        return np.asarray(total, dtype=np.float32)

    def blood(self) -> Picture:
        """A pattern that never comes back: two of them turned over and shifted at random."""
        total = np.zeros_like(self.patterns[0])
        for pattern in self.rng.choice(len(self.patterns), 2, replace=False):
            picked = self.patterns[int(pattern)]
            shift = (int(self.rng.integers(-12, 13)), int(self.rng.integers(-12, 13)))
            picked = picked[:, ::-1] if self.rng.random() < 0.5 else picked
            total = total + np.roll(picked, shift, axis=(0, 1)) * np.float32(np.sqrt(0.5))
        return np.asarray(total, dtype=np.float32)


def _pattern(sector: Sector, shape: tuple[int, int], rng: np.random.Generator) -> Picture:
    """Logarithm of a Rayleigh field in polar space, scan-converted; mean 0 and deviation 1 inside the sector."""
    side = max(shape)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x, y = x - np.float32(sector.top[0]), y - np.float32(sector.top[1])
    radius, angle = np.hypot(x, y), np.arctan2(x, np.maximum(y, 1e-3))
    depth = side / 2
    n_angles = int(np.pi * depth)
    rows = int(radius.max()) + 2
    parts = [
        cv2.GaussianBlur(
            rng.standard_normal((rows, n_angles), dtype=np.float32),
            (0, 0),
            sigmaX=LATERAL_SHARE * side,
            sigmaY=AXIAL_SHARE * side,
        )
        for _ in range(2)
    ]
    envelope = np.log(np.maximum(np.hypot(*parts) / max(float(parts[0].std()), 1e-6), 0.05))
    columns = (angle / np.float32(np.pi) + np.float32(0.5)) * np.float32(n_angles - 1)
    pattern = cv2.remap(envelope, columns.astype(np.float32), radius, cv2.INTER_LINEAR)
    pattern = pattern - pattern[sector.inside].mean()
    return np.asarray(pattern / max(float(pattern[sector.inside].std()), 1e-6), dtype=np.float32)


def breathing(
    times_s: FloatArray, effects: Effects, centre: FloatArray, scale: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """How the heart lies in the sector at each time: affine matrices ``(n, 2, 3)`` from its place at rest to the frame.

    Args:
        times_s: ``(n,)``.
        effects: Amounts.
        centre: ``(2,)`` pixel about which it turns.
        scale: ``(2,)`` millimetres per pixel in x and y, ones where there is no scale.
        rng: Random generator.
    """
    period, phase, heading = rng.uniform(*BREATH_S), rng.uniform(0, 2 * np.pi), rng.normal(0, 0.5)
    lag = rng.normal(0, 0.5)
    swing = np.sin(2 * np.pi * times_s / period + phase)
    turn = np.deg2rad(effects.drift_degrees) * np.sin(2 * np.pi * times_s / period + phase + lag)
    way = effects.drift_mm * swing[:, None] * np.array([np.sin(heading), np.cos(heading)]) / scale
    c, s = np.cos(turn), np.sin(turn)
    ratio = scale[1] / scale[0]
    rotation = np.stack([np.stack([c, -s * ratio], 1), np.stack([s / ratio, c], 1)], 1)
    shift = centre - rotation @ centre + way
    return np.asarray(np.concatenate([rotation, shift[:, :, None]], axis=2))


def gains(times_s: FloatArray, effects: Effects, rng: np.random.Generator) -> FloatArray:
    """Factor of brightness of each frame, ``(n,)``, about 1."""
    frame_s = float(times_s[1]) if len(times_s) > 1 else 1.0
    wander = noise(
        len(times_s), effects.gain_percent / 100, rng, correlation_s=GAIN_MEMORY_S, frame_s=frame_s
    )
    # A first-order process is rough from frame to frame; a gain is not.
    width = max(1, round(0.3 / frame_s))
    padded = np.pad(wander, width, mode="edge")
    return np.asarray(1 + np.convolve(padded, np.ones(2 * width + 1) / (2 * width + 1), mode="valid"))


def finished(frames: Picture, inside: BoolArray, effects: Effects, rng: np.random.Generator) -> Picture:
    """Noise, persistence and blur on finished frames ``(n, h, w)``; the dark outside stays as it is."""
    if not (effects.noise_levels or effects.persistence or effects.blur_px):
        return frames
    mask = inside.astype(np.float32)
    out = np.empty_like(frames)
    before: Picture | None = None
    keep = np.float32(effects.persistence)
    for i, frame in enumerate(frames):
        now = frame
        if effects.noise_levels:
            grain = cv2.GaussianBlur(rng.standard_normal(frame.shape, dtype=np.float32), (0, 0), 0.6)
            now = now + mask * grain * np.float32(effects.noise_levels / max(float(grain.std()), 1e-6))
        if effects.blur_px:
            now = np.where(inside, cv2.GaussianBlur(now, (0, 0), effects.blur_px), now)
        now = now if before is None else keep * before + (1 - keep) * now
        out[i] = before = now
    return out
