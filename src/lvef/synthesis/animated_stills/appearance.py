"""The image of any instant, drawn from both stills.

Blending two speckle patterns flattens both: where each weighs a half, the deviation falls to 0.7. So every still is split
into a smooth part, which is blended as it is, and a speckled rest, which is blended with weights whose squares sum to 1 and
then brought to the deviation that the two stills have at that place.

Nothing outside the sector, and no pixel of its very edge, takes part in the motion: tissue that comes in from beyond the
edge is the mirror image of what lies inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import ConfigError
from lvef.core.records import BoolArray, FloatArray, FrameArray
from lvef.synthesis.volume_curves import noise

Image = NDArray[np.float32]

SMOOTH_SHARE = 0.018
"""Standard deviation of the blur that parts structure from speckle, in longer sides of the still: 4 pixels of 220, about
3 mm, one and a half speckle cells."""

DEVIATION_SHARE = 0.027
"""Standard deviation of the window over which the local deviation is taken, likewise."""

GAIN_LIMITS = (0.6, 1.6)
"""Range in which the speckle is brought to its deviation; more would blow up noise."""

HANDOVER = (0.1, 0.9)
"""Levels between which the ED still hands over to the ES still. Shorter than the whole way: structures without a mark (valve
leaflets, right heart) lie in two places for as short as can be done without a jump."""

DARK = 4
"""Grey levels up to this are outside the sector when they lie at the border of the image (traces of compression)."""


@dataclass(frozen=True, slots=True)
class Sector:
    """Where the scanner looks, the same in both stills and in all frames.

    Attributes:
        inside: ``(h, w)`` True where the image moves.
        hull: ``(k, 2)`` its convex border in pixels.
        top: ``(2,)`` its highest point: where the beams start.
    """

    inside: BoolArray
    hull: NDArray[np.float64]
    top: NDArray[np.float64]


def sector_of(ed: FrameArray, es: FrameArray) -> Sector:
    """The convex hull of what is not dark in either still; the whole image when nothing is dark at its border."""
    lit = (np.maximum(ed, es) > DARK).astype(np.uint8)
    opened = cv2.morphologyEx(lit, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    pieces, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inside = np.zeros(ed.shape, np.uint8)
    if not pieces:
        h, w = ed.shape
        box = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], dtype=np.int32)
        pieces = [box[:, None]]
    hull = cv2.convexHull(max(pieces, key=cv2.contourArea))
    cv2.fillConvexPoly(inside, hull, 1)
    kernel = np.ones((3, 3), np.uint8)
    eroded = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    points = hull[:, 0].astype(np.float64)
    top = points[points[:, 1] <= points[:, 1].min() + 1].mean(axis=0)
    return Sector(np.asarray(eroded, dtype=np.bool_), points, top)


def handover(level: float) -> float:
    """Weight of the ES still at a contraction level: 0 at ED, 1 at ES, smooth in between.

    Example:
        >>> handover(0.0), handover(0.5), handover(1.3)
        (0.0, 0.5, 1.0)
    """
    share = float(np.clip((level - HANDOVER[0]) / (HANDOVER[1] - HANDOVER[0]), 0, 1))
    return share * share * (3 - 2 * share)


class Painter:
    """Draws the frame of a contraction level from two stills and the maps that lead into them."""

    def __init__(self, ed: FrameArray, es: FrameArray, sector: Sector) -> None:
        side = max(ed.shape)
        self.sector = sector
        self.smooth, self.window = SMOOTH_SHARE * side, DEVIATION_SHARE * side
        self.stills = [self._split(still) for still in (ed, es)]
        self.outside = [np.where(sector.inside, 0, still).astype(np.float32) for still in (ed, es)]
        self.mask = sector.inside.astype(np.float32)

    def parts(self, level: float, ed_map: Image, es_map: Image) -> tuple[Image, Image, Image]:
        """Smooth part, speckle and its deviation at a contraction level, each ``(h, w)`` float32.

        Args:
            level: 0 at ED, 1 at ES; beyond, one still alone is used.
            ed_map: ``(h, w, 2)`` for every pixel its place in the ED still.
            es_map: The same in the ES still.
        """
        weight = handover(level)
        smooth, speckle, variance = (np.zeros(ed_map.shape[:2], np.float32) for _ in range(3))
        for still, places, share in zip(self.stills, (ed_map, es_map), (1 - weight, weight), strict=True):
            if share <= 0:
                continue
            got = sampled(still, places)
            smooth = smooth + np.float32(share) * got[..., 0]
            speckle = speckle + np.float32(np.sqrt(share)) * got[..., 1]
            variance = variance + np.float32(share) * got[..., 2]
        variance = np.maximum(variance, 0)
        found = self._variance(speckle)
        gain = np.sqrt((variance + 1e-2) / (found + 1e-2))
        grain = np.asarray(speckle * np.clip(gain, *GAIN_LIMITS), dtype=np.float32)
        return smooth, grain, np.sqrt(variance)

    def framed(self, image: Image, level: float) -> Image:
        """The image inside the sector, the stills themselves outside."""
        weight = np.float32(handover(level))
        outside = self.outside[0] + weight * (self.outside[1] - self.outside[0])
        return np.asarray(image * self.mask + outside, dtype=np.float32)

    def _split(self, still: FrameArray) -> Image:
        filled = _mirrored(still.astype(np.float32), self.sector.inside)
        smooth = cv2.GaussianBlur(filled, (0, 0), self.smooth, borderType=cv2.BORDER_REFLECT_101)
        speckle = filled - smooth
        return np.ascontiguousarray(np.dstack([smooth, speckle, self._variance(speckle)]), dtype=np.float32)

    def _variance(self, speckle: Image) -> Image:
        edge = cv2.BORDER_REFLECT_101
        return np.asarray(cv2.GaussianBlur(speckle * speckle, (0, 0), self.window, borderType=edge))


def sampled(image: Image, places: Image) -> Image:
    """An image at places ``(h, w, 2)``, cubic between pixels; beyond the border its edge is held."""
    none = np.empty(0, np.float32)
    got = cv2.remap(image, places, none, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(got, dtype=np.float32)


def _mirrored(image: Image, inside: BoolArray) -> Image:
    """The image with everything outside filled by its mirror image at the nearest inside pixel."""
    if inside.all():
        return image
    outside = (~inside).astype(np.uint8)
    _, nearest = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    ys, xs = np.nonzero(inside)
    row, column = np.empty(nearest.max() + 1, np.intp), np.empty(nearest.max() + 1, np.intp)
    row[nearest[inside]], column[nearest[inside]] = ys, xs
    oy, ox = np.nonzero(~inside)
    edge = nearest[~inside]
    h, w = image.shape
    my = np.clip(2 * row[edge] - oy, 0, h - 1)
    mx = np.clip(2 * column[edge] - ox, 0, w - 1)
    lost = ~inside[my, mx]
    my[lost], mx[lost] = row[edge][lost], column[edge][lost]
    filled = image.copy()
    filled[oy, ox] = image[my, mx]
    return filled


N_PATTERNS = 4
"""Speckle patterns of which every frame's is mixed."""

SPECKLE_MEMORY_S = 0.12
"""Time after which speckle of moving tissue has changed to 1/e. A choice: trackers of tissue hold a pattern for
a few frames at 50 Hz."""

AXIAL_SHARE, LATERAL_SHARE = 0.0055, 0.0075
"""Standard deviations of the speckle cell along and across the beam at the depth of the sector's middle, in longer sides of
the still. CAMUS has cells of about 2.1 x 1.9 mm full width in images of 182 x 150 mm."""

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
    **{"tissue_speckle": 1.0, "blood_speckle": 1.0, "noise_levels": 60.0, "gain_percent": 50.0},
    **{"drift_mm": 30.0, "drift_degrees": 20.0, "persistence": 0.9, "blur_px": 5.0},
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
        n, memory = len(times_s), SPECKLE_MEMORY_S
        rows = [noise(n, 1.0, rng, correlation_s=memory, frame_s=frame_s) for _ in range(N_PATTERNS)]
        mix = np.stack(rows, axis=1)
        self.mix = (mix / np.maximum(np.linalg.norm(mix, axis=1, keepdims=True), 1e-6)).astype(np.float32)
        self.rng = rng

    def tissue(self, frame: int) -> Image:
        """The pattern of a frame, to be carried with the tissue."""
        total = self.mix[frame, 0] * self.patterns[0]
        for weight, pattern in zip(self.mix[frame, 1:], self.patterns[1:], strict=True):
            total = total + weight * pattern
        return np.asarray(total, dtype=np.float32)

    def blood(self) -> Image:
        """A pattern that never comes back: two of them turned over and shifted at random."""
        total = np.zeros_like(self.patterns[0])
        for pattern in self.rng.choice(len(self.patterns), 2, replace=False):
            picked = self.patterns[int(pattern)]
            shift = (int(self.rng.integers(-12, 13)), int(self.rng.integers(-12, 13)))
            picked = picked[:, ::-1] if self.rng.random() < 0.5 else picked
            total = total + np.roll(picked, shift, axis=(0, 1)) * np.float32(np.sqrt(0.5))
        return np.asarray(total, dtype=np.float32)


def _pattern(sector: Sector, shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Logarithm of a Rayleigh field in polar space, scan-converted; mean 0 and deviation 1 inside the sector."""
    side = max(shape)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x, y = x - np.float32(sector.top[0]), y - np.float32(sector.top[1])
    radius, angle = np.hypot(x, y), np.arctan2(x, np.maximum(y, 1e-3))
    depth = side / 2
    n_angles = int(np.pi * depth)
    rows = int(radius.max()) + 2
    white = (rng.standard_normal((rows, n_angles), dtype=np.float32) for _ in range(2))
    sigma_x, sigma_y = LATERAL_SHARE * side, AXIAL_SHARE * side
    parts = [cv2.GaussianBlur(one, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y) for one in white]
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
    sd = effects.gain_percent / 100
    wander = noise(len(times_s), sd, rng, correlation_s=GAIN_MEMORY_S, frame_s=frame_s)
    # A first-order process is rough from frame to frame; a gain is not.
    width = max(1, round(0.3 / frame_s))
    padded = np.pad(wander, width, mode="edge")
    return np.asarray(1 + np.convolve(padded, np.ones(2 * width + 1) / (2 * width + 1), mode="valid"))


def finished(frames: Image, inside: BoolArray, effects: Effects, rng: np.random.Generator) -> Image:
    """Noise, persistence and blur on finished frames ``(n, h, w)``; the dark outside stays as it is."""
    if not (effects.noise_levels or effects.persistence or effects.blur_px):
        return frames
    mask = inside.astype(np.float32)
    out = np.empty_like(frames)
    before: Image | None = None
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
