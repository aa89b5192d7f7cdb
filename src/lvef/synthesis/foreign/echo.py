"""Clips of a simple heart in any echo view: all views are cut from the same heart and imaged by the same scanner.

The classes differ in the plane alone, never in texture, depth or layout, which are drawn alike for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.heart import (
    AXIS,
    NOTHING_DB,
    OUTFLOW_DEG,
    Float32,
    Points,
    SimpleHeart,
    Valves,
    draw_heart,
    tissue_at,
    unit,
)
from lvef.synthesis.phantom.anatomy import normal
from lvef.synthesis.phantom.draw import draw_ef, draw_scanner
from lvef.synthesis.phantom.render import Fan, scan_convert, valve_opening
from lvef.synthesis.phantom.scanner import MAX_LEVEL, Imaging, Scanner
from lvef.synthesis.volume_curves import regular, volume_at


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
    # P, Q, R, S and T: place in the cycle, width, height
    p, q, r = (0.15, 0.03, 0.12), (0.29, 0.008, -0.12), (0.31, 0.01, 1.0)
    waves = (p, q, r, (0.335, 0.009, -0.2), (0.55, 0.05, 0.25))
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


MARKED = 0.3
"""Share of the clips of each class with text, traces or scales in them."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A scan plane through the heart.

    Attributes:
        right: Direction to the right of the image, ``(3,)`` in the body's frame.
        deep: Direction away from the probe.
        probe: Where the probe is, mm.
    """

    right: Float32
    deep: Float32
    probe: Float32


DrawPlane = Callable[[SimpleHeart, np.random.Generator], Plane]
"""From a heart and a random generator to a scan plane."""


def _plane_through(
    anchor: Float32, right: Float32, deep: Float32, at_mm: tuple[float, float], turn_deg: float
) -> Plane:
    """The plane that shows a point at a place (to the right, depth) of the image; a turn moves what is deep to the right."""
    right = right / np.linalg.norm(right)
    deep = deep - (deep @ right) * right
    deep = deep / np.linalg.norm(deep)
    turn = np.deg2rad(turn_deg)
    right, deep = np.cos(turn) * right + np.sin(turn) * deep, np.cos(turn) * deep - np.sin(turn) * right
    probe = anchor - at_mm[0] * right - at_mm[1] * deep
    return Plane(right.astype(np.float32), deep.astype(np.float32), probe.astype(np.float32))


def _apical(degrees: float, forward: tuple[float, float]) -> DrawPlane:
    """A plane through the apex at an angle of the wall; ``forward``: how far (mean, spread in mm) in front of the base."""

    def draw(heart: SimpleHeart, rng: np.random.Generator) -> Plane:
        turn = degrees + normal(rng, 0, 6, -14, 14)
        off = rng.normal(*forward) * unit(turn + 90)
        deep = heart.length * AXIS + off
        at = (normal(rng, -3, 6, -16, 10), normal(rng, 26, 6, 15, 42))
        return _plane_through(np.zeros(3, np.float32), unit(turn), deep, at, normal(rng, 9, 7, -6, 24))

    return draw


def _long_axis(heart: SimpleHeart, rng: np.random.Generator) -> Plane:
    """Parasternal long axis: apex to the left, aorta to the right, right ventricle near the probe."""
    anchor = normal(rng, 0.86, 0.07, 0.7, 1.0) * heart.length * AXIS
    front = unit(OUTFLOW_DEG + normal(rng, 0, 5, -12, 12))
    at = (normal(rng, 2, 8, -15, 18), normal(rng, 72, 7, 58, 90))
    right = AXIS + normal(rng, 0, 0.05, -0.1, 0.1) * unit(60)
    return _plane_through(anchor, right, -front, at, normal(rng, 0, 9, -20, 20))


def _short_axis(level: float) -> DrawPlane:
    """Parasternal short axis at a level of the ventricle: front of the septum at the top, lateral wall to the right."""

    def draw(heart: SimpleHeart, rng: np.random.Generator) -> Plane:
        anchor = normal(rng, level, 0.04, level - 0.07, level + 0.07) * heart.length * AXIS
        top = normal(rng, 122, 9, 100, 142)
        at = (normal(rng, 2, 7, -14, 16), normal(rng, 64, 7, 50, 82))
        right, up = (unit(angle) + normal(rng, 0, 0.12, -0.25, 0.25) * AXIS for angle in (top - 90, top))
        return _plane_through(anchor, right, -up, at, 0.0)

    return draw


def _subcostal(heart: SimpleHeart, rng: np.random.Generator) -> Plane:
    """Subcostal four-chamber plane: liver and right heart near the probe, apex to the right."""
    anchor = 0.6 * heart.length * AXIS - normal(rng, 4, 3, -4, 10) * unit(120)
    deep = unit(30 + normal(rng, 0, 6, -14, 14))
    at = (normal(rng, 16, 8, 0, 32), normal(rng, 98, 8, 80, 118))
    return _plane_through(anchor, -AXIS, deep, at, normal(rng, 22, 9, 0, 42))


PLANES: Mapping[str, DrawPlane] = {
    "a4c": _apical(30.0, (-9.0, 2.5)),
    "a2c": _apical(90.0, (0.0, 3.0)),
    "a3c": _apical(OUTFLOW_DEG, (0.0, 2.5)),
    "a5c": _apical(30.0, (12.0, 1.5)),
    "plax": _long_axis,
    "psax_mitral": _short_axis(0.9),
    "psax_papillary": _short_axis(0.52),
    "psax_apical": _short_axis(0.24),
    "subcostal": _subcostal,
}
"""How the plane of each class is drawn."""


def draw_foreign_scanner(rng: np.random.Generator) -> Scanner:
    """A scanner for any view: depth, sector, gain, black or hazy blood."""
    scanner = draw_scanner(rng, float(rng.uniform(125, 180)))
    blood = scanner.cavity_grey + (float(rng.choice([-45, 0, 0, 15])) if rng.random() < 0.6 else 0)
    return replace(
        scanner,
        half_angle_deg=float(rng.uniform(32, 47)),
        n_beams=96,
        cavity_grey=blood,
        smooth_mm=float(rng.uniform(0.4, 0.9)),
        smooth_deg=float(rng.uniform(0.4, 0.9)),
    )


def echo_clip(
    name: str, rng: np.random.Generator, *, n_frames: int, size: int, rate_hz: float | None
) -> FrameArray:
    """A clip of one echo view, ``(n_frames, size, size)``.

    Args:
        name: One of `PLANES`.
        rng: Random generator.
        n_frames: Frames.
        size: Side of the image in pixels.
        rate_hz: Frames per second; None spreads the frames over one beat or a little more.
    """
    ef, rate_bpm = draw_ef(rng), normal(rng, 74, 15, 45, 130)
    heart = draw_heart(rng, ef)
    plane, scanner = PLANES[name](heart, rng), draw_foreign_scanner(rng)
    cycle = 60 / rate_bpm
    hz = rate_hz if rate_hz is not None else max(n_frames - 1, 1) / (cycle * float(rng.uniform(1.0, 1.4)))
    times = np.arange(n_frames) / hz + float(rng.uniform(0, 1)) * cycle
    rhythm = regular(int(times[-1] / cycle) + 2, rate_bpm, ef, 1.0)
    volume, mitral = volume_at(rhythm, times), valve_opening(rhythm, times)
    fall = volume_at(rhythm, times - 0.01) - volume_at(rhythm, times + 0.01)
    ejection = np.clip(fall * 25 / (ef / 100), 0, 1)
    imaging = Imaging(scanner, max(hz, 25.0), rng)
    fan = Fan(size, scanner.depth_mm, scanner.half_angle)
    n, m = scanner.n_samples, scanner.n_beams
    maps = fan.maps(n, m)
    # anatomy is worked out at every other sample and beam, and interpolated
    depth = np.linspace(0, scanner.depth_mm, n // 2, dtype=np.float32)[:, None]
    angle = np.linspace(-scanner.half_angle, scanner.half_angle, m // 2, dtype=np.float32)[None, :]
    right, deep = depth * np.sin(angle), depth * np.cos(angle)
    white = rng.standard_normal((n, m, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    patches = rng.standard_normal((n // 10, m // 6)).astype(np.float32)
    patches = cv2.resize(patches, (m, n), interpolation=cv2.INTER_CUBIC) * np.float32(normal(rng, 4, 1, 2, 7))
    wave = np.sin(2 * np.pi * times / rng.uniform(3, 5) + rng.uniform(0, 6.28))
    breath = (rng.normal(0, 1, (2, 1)) * wave).astype(np.float32)
    # the scanner's grey map, from soft to hard
    gamma = normal(rng, 1.2, 0.35, 0.7, 2.2)
    bright = 2 ** (0.6 * (gamma - 1)) * normal(rng, 1.05, 0.12, 0.8, 1.4)
    frames = np.empty((n_frames, size, size), np.uint8)
    for i, v in enumerate(volume.tolist()):
        probe = plane.probe + breath[0, i] * plane.right + breath[1, i] * plane.deep
        axes = zip(probe, plane.right, plane.deep, strict=True)
        points = Points(*(o + right * a + deep * b for o, a, b in axes))
        tissue = tissue_at(heart, points, v, Valves(float(mitral[i]), float(ejection[i])))
        # the speckle of tissue moves with it: it is read where the tissue lay at end-diastole
        rest = tissue.rest.away(plane.probe)
        u, d = rest.along(plane.right), rest.along(plane.deep)
        beam = (np.arctan2(u, d) / np.float32(scanner.half_angle) + 1) * np.float32((m - 1) / 2)
        sample = np.hypot(u, d) * np.float32((n - 1) / scanner.depth_mm)
        coarse = (beam, sample, tissue.level_db, tissue.outside, tissue.blood)
        fine = [np.asarray(cv2.resize(a.astype(np.float32), (m, n)), np.float32) for a in coarse]
        beam_at, sample_at, level_db, outside, blood = fine
        speckle = cv2.remap(white, beam_at, sample_at, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)
        slow = cv2.remap(patches, beam_at, sample_at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        amplitude = np.exp((level_db + slow) * np.float32(np.log(10) / 20)) * (level_db > 0.7 * NOTHING_DB)
        echo = speckle * (amplitude * imaging.field)[..., None]
        grey = imaging.develop(echo, blood, np.asarray(np.clip(0.5 - outside, 0, 1), np.float32))
        curved = bright * (scan_convert(grey, maps) / np.float32(MAX_LEVEL)) ** np.float32(gamma)
        frames[i] = np.clip(np.round(MAX_LEVEL * curved), 0, MAX_LEVEL)
    return add_marks(frames, rng) if rng.random() < MARKED else frames
