"""Ultrasound that is no echo of the heart in two dimensions: strips over time, colour boxes, other organs, noise."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.echo import PLANES, draw_foreign_scanner, echo_clip
from lvef.synthesis.foreign.heart import Float32
from lvef.synthesis.foreign.marks import as_clip, draw_trace, ecg, natural
from lvef.synthesis.phantom.render import Fan, scan_convert, sector_mask
from lvef.synthesis.phantom.scanner import Imaging


def _strip(
    rng: np.random.Generator, n_frames: int, size: int, draw: Callable[[int, int], Float32]
) -> FrameArray:
    """A strip over time that scrolls or is overwritten; some have a small sector above and a trace below."""
    high = int(size * rng.uniform(0.5, 1.0))
    strip, above = draw(high, 2 * size), np.zeros((size - high, size), np.float32)
    if size - high > size // 5:
        small = echo_clip(str(rng.choice(list(PLANES))), rng, n_frames=1, size=size - high, rate_hz=25.0)[0]
        above[:, high // 2 : high // 2 + size - high] = small
        cv2.line(above, (size // 2, 0), (int(size * rng.uniform(0.4, 0.6)), size - high), 200.0, 1)
    if rng.random() < 0.6:
        draw_trace(strip, ecg(rng, 2 * size, float(rng.uniform(4, 10))), high - 3, 0.1 * high, 230.0)
    scrolls, speed = rng.random() < 0.5, float(rng.uniform(0.3, 1.0)) * size / n_frames
    frames = []
    for i in range(n_frames):
        at = round(i * speed)
        part = strip[:, at : at + size] if scrolls else strip[:, :size].copy()
        if not scrolls:
            part[:, at : at + 3] = 0
        frames.append(np.concatenate([above, part]))
    return as_clip(frames)


def m_mode(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """M-mode: layers that move up and down with each beat."""

    def draw(high: int, wide: int) -> Float32:
        time, row = np.arange(wide) / wide, np.arange(high, dtype=np.float32)[:, None] / high
        systole = np.clip((time * rng.uniform(3, 9) % 1) / rng.uniform(0.4, 0.6), 0, 1)
        beat = np.sin(np.pi * systole) ** rng.uniform(0.7, 2)
        level, at = np.full((high, wide), rng.uniform(-40, -10), np.float32), rng.uniform(0.08, 0.2)
        for _ in range(int(rng.integers(4, 8))):
            thick = rng.uniform(0.01, 0.11)
            top = at + rng.normal(0, 0.05) * beat + 0.01 * np.sin(4 * time)
            level[(row > top) & (row < top + thick * (1 + 0.4 * beat))] = rng.uniform(-12, 14)
            at += thick + rng.uniform(0.03, 0.2)
        return speckled(rng, level, (0.6, float(rng.uniform(1.0, 3.0))), float(rng.uniform(70, 120)))

    return _strip(rng, n_frames, size, draw)


def spectral_doppler(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Spectral Doppler: velocities over time above or below a baseline."""

    def draw(high: int, wide: int) -> Float32:
        phase, base = np.arange(wide) / wide * rng.uniform(3, 8) % 1, float(rng.uniform(0.25, 0.75))
        row = base - np.arange(high, dtype=np.float32)[:, None] / high
        level = np.full((high, wide), -60, np.float32)
        for room in (base, base, base - 1, base - 1)[int(rng.integers(0, 2)) : int(rng.integers(3, 5))]:
            away = (phase - rng.uniform(0, 1) + 0.5) % 1 - 0.5
            wave = np.exp(-(((away / rng.uniform(0.06, 0.2)) ** 2) ** rng.uniform(0.8, 2)))
            share = row / (room * rng.uniform(0.1, 0.9) * np.maximum(wave, 1e-3))
            filled = 4 - rng.uniform(0, 30) * (1 - share)
            level = np.maximum(level, np.where((share > 0) & (share < 1), filled, -60))
        image = speckled(rng, level.astype(np.float32), (0.8, 0.8), float(rng.uniform(110, 180)))
        cv2.line(image, (0, int(base * high)), (wide, int(base * high)), 200.0, 1)
        return image

    return _strip(rng, n_frames, size, draw)


def speckled(
    rng: np.random.Generator, level_db: Float32, spread: tuple[float, float], grey: float
) -> Float32:
    """Fully developed speckle of a level, in grey levels: blur of white noise, magnitude, logarithm."""
    noise = rng.standard_normal((*level_db.shape, 2), dtype=np.float32) * (10 ** (level_db / 20))[..., None]
    blurred = cv2.GaussianBlur(noise, (0, 0), spread[1], sigmaY=spread[0])
    power = cv2.blur((blurred**2).sum(axis=-1), (2, 2)) * np.float32(2 * np.pi * spread[0] * spread[1])
    return np.asarray(np.clip(grey + 45 * np.log10(power + 1e-4), 0, 255), np.float32)


def colour_box(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """An echo with a box of colour Doppler, read as grey: smooth patches of flow hide the anatomy."""
    clip = echo_clip(str(rng.choice(list(PLANES))), rng, n_frames=n_frames, size=size, rate_hz=None)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, depth, top = np.arctan2(x - 0.5, y - 0.1), np.hypot(x - 0.5, y - 0.1), rng.uniform(0.15, 0.35)
    box = np.abs(angle - rng.uniform(-0.2, 0.2)) < rng.uniform(0.2, 0.4)
    box &= (depth > top) & (depth < top + rng.uniform(0.3, 0.5)) & (clip.max(axis=0) > 0)
    edge = box & ~(cv2.erode(box.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    one, other, least = natural(rng, size, 2.2), natural(rng, size, 2.2), rng.uniform(-0.8, -0.2)
    for i, frame in enumerate(clip):
        turn = 2 * np.pi * i / n_frames
        flow = np.roll(one * np.cos(turn) + other * np.sin(turn), i, axis=0)
        frame[box & (flow > least)] = (125 + 65 * np.sin(3 * flow))[box & (flow > least)]
        frame[edge] = 220
    return clip


def _organs(rng: np.random.Generator, n: int, m: int) -> tuple[Float32, Float32]:
    """Level and fluid of soft tissue with layers, organs, vessels and cysts, each ``(n, m)``."""
    row, column = np.mgrid[:n, :m].astype(np.float32) / np.array([n, m], np.float32)[:, None, None]
    level = rng.uniform(-8, 2) + 3 * cv2.resize(natural(rng, 16, 1.5), (m, n))
    at, fluid = 0.0, np.zeros((n, m), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        at += rng.uniform(0.03, 0.15)
        below = row - at - rng.normal(0, 0.03) * np.sin(column * rng.uniform(1, 6) + rng.uniform(0, 6))
        level += rng.uniform(-6, 6) * (below > 0)
        level[np.abs(below) < rng.uniform(0.003, 0.012)] += rng.uniform(6, 16)
    for _ in range(int(rng.integers(1, 7))):
        down, across = row - rng.uniform(0.15, 0.9), 1.3 * (column - rng.uniform(0.1, 0.9))
        turn, (a, b) = rng.uniform(0, np.pi), rng.uniform(0.03, 0.3, 2)
        one, other = across * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - across * np.sin(turn)
        away = np.hypot(one / a, other / b)
        if rng.random() < 0.6:
            fluid[away < 1] = 1
            level[(away >= 1) & (away < 1.15)] += rng.uniform(0, 10)
            level[(down > 0) & (np.abs(across) < a) & (away > 1)] += 3  # enhancement behind fluid
        else:
            level[away < 1] += rng.uniform(-10, 8)
    return level.astype(np.float32), fluid


def _other_organs(rng: np.random.Generator, n_frames: int, size: int, *, curved: bool) -> FrameArray:
    """Other organs, imaged by the scanner that images the heart."""
    scanner = draw_foreign_scanner(rng)
    n, m = scanner.n_samples, scanner.n_beams
    imaging = Imaging(scanner, 30.0, rng)
    level, fluid = _organs(rng, n, m)
    echo = rng.standard_normal((n, m, 2), dtype=np.float32) * np.float32(np.sqrt(0.5)) * imaging.field
    echo *= (10 ** (level / 20) * (1 - fluid))[..., None]
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    if curved:  # the tip is sharp like a cardiac probe's or blunt
        radius, half = float(rng.uniform(0.02, 0.6)), float(rng.uniform(0.45, 0.8))
        scale = max(2 * (1 + radius) * np.sin(half), 1 + radius - radius * np.cos(half))
        u, d = (x - 0.5) * scale, y * scale + radius * np.cos(half)
        across, deep = np.arctan2(u, d) / half, np.hypot(u, d) - radius
    else:
        wide, high = rng.uniform(0.5, 1), rng.uniform(0.6, 1)
        across, deep = (2 * x - 1) / wide, (y - 0.5) / high + 0.5
    seen = (np.abs(across) <= 1) & (deep >= 0) & (deep <= 1)
    beam = np.where(seen, (across + 1) / 2 * (m - 1), -10).astype(np.float32)
    maps = (beam, (deep * (n - 1)).astype(np.float32), 1)
    drift, frames = rng.uniform(-3, 3, 2), []
    for i in range(n_frames):
        shift = tuple(np.rint(drift * np.sin(4.4 * i / n_frames)).astype(int).tolist())
        moved, wet = np.roll(echo, shift, axis=(0, 1)), np.roll(fluid, shift, axis=(0, 1))
        frames.append(scan_convert(imaging.develop(moved, wet, np.ones((n, m), np.float32)), maps))
    return as_clip(frames)


def linear_probe(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Superficial tissue seen by a linear probe: a rectangle."""
    return _other_organs(rng, n_frames, size, curved=False)


def curved_probe(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Abdomen seen by a curved or a sector probe."""
    return _other_organs(rng, n_frames, size, curved=True)


def noise_sector(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A sector without contact to the skin, an empty one, or noise all over the image."""
    kind, scanner = int(rng.integers(0, 3)), draw_foreign_scanner(rng)
    sector = sector_mask(Fan(size, scanner.depth_mm, scanner.half_angle)).astype(np.float32)
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    level = rng.uniform(-40, 10) * down + rng.uniform(-20, 0)
    level = level + 25 * np.exp(-down / 0.06) * np.cos(
        down * rng.uniform(100, 300)
    )  # the probe's own ringing
    level = np.broadcast_to(level.astype(np.float32), (size, size))
    grey, noise = ((0.0, 0.0), (rng.uniform(4, 10), 2.0), (90.0, 40.0))[kind]
    frames = []
    for _ in range(n_frames):
        image = grey + noise * rng.standard_normal((size, size), dtype=np.float32)
        image = speckled(rng, level, (0.8, 1.4), 90.0) if kind == 0 else image
        frames.append(np.asarray(image * (sector if kind < 2 else 1), np.float32))
    return as_clip(frames)
