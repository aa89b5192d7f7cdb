"""Images that are no echo of the heart in two dimensions: strips over time, organs, photographs, pages, radiographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.echo import PLANES, draw_foreign_scanner, echo_clip
from lvef.synthesis.foreign.heart import Float32
from lvef.synthesis.foreign.marks import draw_trace, ecg, write_text
from lvef.synthesis.phantom.render import scan_convert
from lvef.synthesis.phantom.scanner import Imaging

Draw = Callable[[np.random.Generator, int, int], FrameArray]
"""From a random generator, a number of frames and a side in pixels to a clip."""


def _clip(frames: list[Float32]) -> FrameArray:
    return np.clip(np.stack(frames), 0, 255).astype(np.uint8)


def natural(rng: np.random.Generator, size: int, slope: float) -> Float32:
    """Random field ``(size, size)`` of mean 0 and standard deviation 1 whose amplitude falls with frequency to a power."""
    u, v = np.fft.rfftfreq(size)[None, :], np.fft.fftfreq(size)[:, None]
    weight = 1 / np.maximum(np.hypot(u, v), 1 / size) ** slope
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * weight, (size, size))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _strip(
    rng: np.random.Generator, n_frames: int, size: int, draw: Callable[[int, int], Float32]
) -> FrameArray:
    """A strip over time that scrolls or is overwritten; half of them with a small sector above and a trace below."""
    high = int(size * rng.uniform(0.5, 1.0))
    strip = draw(high, 2 * size)
    above = np.zeros((size - high, size), np.float32)
    if size - high > size // 5:
        small = echo_clip(str(rng.choice(list(PLANES))), rng, n_frames=1, size=size - high, rate_hz=25.0)[0]
        left = (size - small.shape[1]) // 2
        above[:, left : left + small.shape[1]] = small
        cv2.line(above, (size // 2, 0), (int(size * rng.uniform(0.4, 0.6)), size - high), 200.0, 1)
    if rng.random() < 0.6:
        draw_trace(strip, ecg(rng, 2 * size, float(rng.uniform(4, 10))), high - 3, 0.1 * high, 230.0)
    scrolls = rng.random() < 0.5
    speed = float(rng.uniform(0.3, 1.0)) * size / max(n_frames, 1)
    frames = []
    for i in range(n_frames):
        start = round(i * speed) if scrolls else 0
        part = strip[:, start : start + size].copy()
        if not scrolls and rng.random() < 0.98:
            bar = round(i * speed) % size
            part[:, bar : bar + 3] = 0
        frames.append(np.concatenate([above, part]))
    return _clip(frames)


def m_mode(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """M-mode: layers that move up and down with each beat."""

    def draw(high: int, wide: int) -> Float32:
        beats, t = float(rng.uniform(3, 9)), np.arange(wide) / wide
        beat = np.sin(np.pi * np.clip((t * beats % 1) / rng.uniform(0.4, 0.6), 0, 1)) ** float(
            rng.uniform(0.7, 2)
        )
        level = np.full((high, wide), rng.uniform(-40, -10), np.float32)
        row = np.arange(high, dtype=np.float32)[:, None] / high
        at = float(rng.uniform(0.08, 0.2))
        for _ in range(int(rng.integers(4, 8))):
            thick = float(rng.uniform(0.01, 0.11))
            top = at + float(rng.normal(0, 0.05)) * beat[None, :] + 0.01 * np.sin(4 * t)[None, :]
            inside = (row > top) & (row < top + thick * (1 + 0.4 * beat[None, :]))
            level[inside] = float(rng.uniform(-12, 14))
            at += thick + float(rng.uniform(0.03, 0.2))
        return speckled(rng, level, (0.6, float(rng.uniform(1.0, 3.0))), float(rng.uniform(70, 120)))

    return _strip(rng, n_frames, size, draw)


def spectral_doppler(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Spectral Doppler: velocities over time above or below a baseline."""

    def draw(high: int, wide: int) -> Float32:
        phase = np.arange(wide) / wide * rng.uniform(3, 8) % 1
        base = float(rng.uniform(0.25, 0.75))
        row = base - np.arange(high, dtype=np.float32)[:, None] / high
        level = np.full((high, wide), -60, np.float32)
        for side in (1, -1):
            for _ in range(int(rng.integers(1, 3))):
                at, width = float(rng.uniform(0, 1)), float(rng.uniform(0.06, 0.2))
                away = (phase - at + 0.5) % 1 - 0.5
                peak = side * float(rng.uniform(0.1, 0.9)) * (base if side > 0 else 1 - base)
                curve = peak * np.exp(-(((away / width) ** 2) ** float(rng.uniform(0.8, 2))))[None, :]
                share = row / np.where(np.abs(curve) < 1e-3, 1e-3, curve)
                hollow = float(rng.uniform(0, 30))
                level = np.maximum(level, np.where((share > 0) & (share < 1), 4 - hollow * (1 - share), -60))
        image = speckled(rng, level.astype(np.float32), (0.8, 0.8), float(rng.uniform(110, 180)))
        cv2.line(image, (0, int(base * high)), (wide, int(base * high)), 200.0, 1)
        return image

    return _strip(rng, n_frames, size, draw)


def speckled(
    rng: np.random.Generator, level_db: Float32, spread: tuple[float, float], grey: float
) -> Float32:
    """Fully developed speckle of a level, in grey levels: blur of white noise, magnitude, logarithm."""
    noise = rng.standard_normal((*level_db.shape, 2), dtype=np.float32) * np.exp(level_db / 8.7)[..., None]
    blurred = cv2.GaussianBlur(noise, (0, 0), spread[1], sigmaY=spread[0])
    power = (blurred**2).sum(axis=-1) * np.float32(4 * np.pi * spread[0] * spread[1] / 2)
    return np.asarray(
        np.clip(grey + 4.5 * 10 * np.log10(cv2.blur(power, (2, 2)) + 1e-4), 0, 255), dtype=np.float32
    )


def colour_box(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """An echo with a box of colour Doppler, read as grey: smooth patches of flow hide the anatomy."""
    clip = echo_clip(str(rng.choice(list(PLANES))), rng, n_frames=n_frames, size=size, rate_hz=None).astype(
        np.float32
    )
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    angle, depth = np.arctan2(x - 0.5, y - 0.1), np.hypot(x - 0.5, y - 0.1)
    middle, width = float(rng.uniform(-0.2, 0.2)), float(rng.uniform(0.2, 0.4))
    top, high = float(rng.uniform(0.15, 0.35)), float(rng.uniform(0.3, 0.5))
    box = (np.abs(angle - middle) < width) & (depth > top) & (depth < top + high)
    edge = box & ~(cv2.erode(box.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    flow = np.stack([natural(rng, size, 2.2) for _ in range(2)])
    for i in range(n_frames):
        turn = 2 * np.pi * i / n_frames
        field = np.roll(flow[0] * np.cos(turn) + flow[1] * np.sin(turn), i, axis=0)
        filled = box & (field > rng.uniform(-0.8, -0.2))
        clip[i][filled] = (60 + 130 * (0.5 + 0.5 * np.sin(3 * field)))[filled]
        clip[i][edge] = 220
    return _clip(list(clip))


def _tissue(rng: np.random.Generator, n: int, m: int) -> tuple[Float32, Float32]:
    """Level and fluid of soft tissue with layers, organs, vessels and cysts, each ``(n, m)``."""
    row, column = np.mgrid[:n, :m].astype(np.float32) / np.array([n, m], np.float32)[:, None, None]
    level = np.full((n, m), rng.uniform(-8, 2), np.float32) + 3 * cv2.resize(natural(rng, 16, 1.5), (m, n))
    at = 0.0
    for _ in range(int(rng.integers(2, 9))):
        at += float(rng.uniform(0.03, 0.15))
        line = at + rng.normal(0, 0.03) * np.sin(column * rng.uniform(1, 6) + rng.uniform(0, 6))
        level += float(rng.uniform(-6, 6)) * (row > line)
        level[np.abs(row - line) < rng.uniform(0.003, 0.012)] += float(rng.uniform(6, 16))
    fluid = np.zeros((n, m), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        cy, cx, a, b, turn = (
            rng.uniform(0.15, 0.9),
            rng.uniform(0.1, 0.9),
            *rng.uniform(0.03, 0.2, 2),
            rng.uniform(0, 3.1),
        )
        dy, dx = row - cy, (column - cx) * 1.3
        inside = np.hypot(
            (dx * np.cos(turn) + dy * np.sin(turn)) / a, (dy * np.cos(turn) - dx * np.sin(turn)) / b
        )
        if rng.random() < 0.6:
            fluid = np.maximum(fluid, (inside < 1).astype(np.float32))
            level[(inside >= 1) & (inside < 1.15)] += float(rng.uniform(0, 10))
            level[(row > cy) & (np.abs(dx) < a) & (inside > 1)] += 3
        else:
            level[inside < 1] += float(rng.uniform(-10, 8))
    return level, fluid


def _other_ultrasound(rng: np.random.Generator, n_frames: int, size: int, *, curved: bool) -> FrameArray:
    """Ultrasound of other organs, imaged by the scanner that images the heart."""
    scanner = draw_foreign_scanner(rng)
    n, m = scanner.n_samples, scanner.n_beams
    imaging = Imaging(scanner, 30.0, rng)
    level, fluid = _tissue(rng, n, m)
    echo = rng.standard_normal((n, m, 2), dtype=np.float32) * np.float32(np.sqrt(0.5)) * imaging.field
    echo *= (10 ** (level / 20) * (1 - fluid))[..., None]
    drift = rng.uniform(-3, 3, 2)
    if curved:
        radius, half = float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.45, 0.65))
        y, x = np.mgrid[:size, :size].astype(np.float32) / size
        scale = max(2 * (1 + radius) * np.sin(half), 1 + radius - radius * np.cos(half))
        u, d = (x - 0.5) * scale, y * scale + radius * np.cos(half)
        angle, depth = np.arctan2(u, d) / half, np.hypot(u, d) - radius
        beam = np.where((np.abs(angle) > 1) | (depth < 0) | (depth > 1), -10, (angle + 1) / 2 * (m - 1))
        maps = (beam.astype(np.float32), (depth * (n - 1)).astype(np.float32), 1)
    else:
        wide, high = int(size * rng.uniform(0.5, 1)), int(size * rng.uniform(0.6, 1))
        left, top = (size - wide) // 2, (size - high) // 2
    frames = []
    for i in range(n_frames):
        shift = np.round(drift * np.sin(2 * np.pi * i / max(n_frames, 2) * 0.7)).astype(int)
        moved = np.roll(echo, tuple(shift), axis=(0, 1))
        wet = np.roll(fluid, tuple(shift), axis=(0, 1))
        grey = imaging.develop(moved, wet, np.ones((n, m), np.float32))
        if curved:
            frames.append(scan_convert(grey, maps))
        else:
            image = np.zeros((size, size), np.float32)
            image[top : top + high, left : left + wide] = cv2.resize(
                grey, (wide, high), interpolation=cv2.INTER_AREA
            )
            frames.append(image)
    return _clip(frames)


def linear_probe(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Superficial tissue seen by a linear probe: a rectangle."""
    return _other_ultrasound(rng, n_frames, size, curved=False)


def curved_probe(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """Abdomen seen by a curved probe: a sector with a blunt tip."""
    return _other_ultrasound(rng, n_frames, size, curved=True)


def _wander(rng: np.random.Generator, image: Float32, n_frames: int, size: int, reach: float) -> FrameArray:
    """A clip of a still under a moving camera; ``reach`` is how far it moves, as a share of the side."""
    frames = []
    step, zoom = rng.normal(0, reach, 2), rng.normal(0, reach)
    big = image.shape[0]
    for i in range(n_frames):
        t = i / max(n_frames - 1, 1) - 0.5
        side = size * big / (1.15 * size) * (1 + zoom * t)
        centre = (big / 2 + step * t * big).tolist()
        scale = side / size
        turn = np.array([[scale, 0, centre[0] - side / 2], [0, scale, centre[1] - side / 2]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        frames.append(cv2.warpAffine(image, turn, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT))
    noise = float(rng.uniform(0, 4))
    fresh = noise * rng.standard_normal((n_frames, size, size), dtype=np.float32)
    return _clip(list(np.stack(frames) + fresh))


def photograph(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """An ordinary photograph: landscape, houses, a face or things on a table."""
    big = int(1.15 * size) + 8
    y, x = np.mgrid[:big, :big].astype(np.float32) / big
    kind = str(rng.choice(["landscape", "houses", "face", "things"]))
    image = 128 + 50 * natural(rng, big, float(rng.uniform(1.0, 1.8)))
    if kind in ("landscape", "houses"):
        line = rng.uniform(0.3, 0.7) + 0.08 * natural(rng, big, 1.8)[:1]
        sky = rng.uniform(150, 250) + 60 * (y - 0.5) + 8 * natural(rng, big, 2.0)
        image = np.where(y < line, sky, 0.6 * image + rng.uniform(0, 60))
    elif kind == "face":
        image = rng.uniform(20, 220) + 25 * natural(rng, big, 1.8)
    image = np.ascontiguousarray(image, dtype=np.float32)
    if kind == "houses":
        for _ in range(int(rng.integers(3, 9))):
            left, top, wide = (
                int(v * big) for v in (rng.uniform(-0.1, 0.9), rng.uniform(0.15, 0.6), rng.uniform(0.1, 0.35))
            )
            shade = float(rng.uniform(30, 220))
            cv2.rectangle(image, (left, top), (left + wide, big), shade, -1)
            step = int(rng.integers(5, 14))
            for wy in range(top + 3, big, step):
                for wx in range(left + 3, left + wide - 3, step):
                    cv2.rectangle(
                        image, (wx, wy), (wx + step // 2, wy + step // 2), float(rng.uniform(0, 255)), -1
                    )
    elif kind == "face":
        middle = (int(big * rng.uniform(0.4, 0.6)), int(big * rng.uniform(0.4, 0.6)))
        wide, high, skin = (
            int(big * rng.uniform(0.15, 0.3)),
            int(big * rng.uniform(0.22, 0.38)),
            float(rng.uniform(60, 210)),
        )
        cv2.ellipse(
            image,
            (middle[0], middle[1] + 2 * high),
            (2 * wide, int(1.2 * high)),
            0,
            0,
            360,
            float(rng.uniform(0, 255)),
            -1,
        )
        cv2.ellipse(
            image,
            (middle[0], middle[1] - high // 5),
            (int(1.15 * wide), int(1.1 * high)),
            0,
            0,
            360,
            skin * 0.3,
            -1,
        )
        cv2.ellipse(image, middle, (wide, high), 0, 0, 360, skin, -1)
        for side in (-1, 1):
            cv2.ellipse(
                image,
                (middle[0] + side * wide * 2 // 5, middle[1] - high // 6),
                (wide // 6 + 1, high // 14 + 1),
                0,
                0,
                360,
                20.0,
                -1,
            )
        cv2.ellipse(
            image, (middle[0], middle[1] + high // 2), (wide // 3, high // 14 + 1), 0, 0, 360, skin * 0.5, -1
        )
        image = cv2.GaussianBlur(image, (0, 0), 1.2) * (0.8 + 0.4 * x)
    elif kind == "things":
        for _ in range(int(rng.integers(4, 16))):
            centre, shade = rng.uniform(0, big, 2), float(rng.uniform(0, 255))
            corners = centre + rng.normal(0, big * rng.uniform(0.05, 0.2), (int(rng.integers(3, 7)), 2))
            hull = cv2.convexHull(corners.astype(np.int32))
            if rng.random() < 0.5:
                cv2.fillPoly(image, [hull], shade, cv2.LINE_AA)
            else:
                radius = int(big * rng.uniform(0.04, 0.2))
                cv2.circle(image, tuple(centre.astype(int).tolist()), radius, shade, -1, cv2.LINE_AA)
        image = image * (0.7 + 0.6 * y) + 6 * natural(rng, big, 0.8)
    return _wander(rng, image.astype(np.float32), n_frames, size, float(rng.choice([0, 0.02, 0.08])))


def text_page(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A page of text, a slide or a report with a table and a chart."""
    dark = rng.random() < 0.35
    paper, ink = (float(rng.uniform(0, 50)), 230.0) if dark else (float(rng.uniform(200, 255)), 20.0)
    big = int(1.15 * size) + 8
    image = np.full((big, big), paper, np.float32)
    scale, at = float(rng.uniform(0.22, 0.5)), int(rng.integers(12, 30))
    write_text(image, rng, (int(rng.integers(6, 20)), at), 3, 1.5 * scale, ink)
    while at < big:
        at += int(22 * scale * rng.uniform(1, 1.8)) + 3
        if rng.random() < 0.12 and at + big // 4 < big:
            box = int(big * rng.uniform(0.15, 0.35))
            cv2.rectangle(image, (12, at), (12 + 2 * box, at + box), ink, 1)
            heights = rng.uniform(0, 1, 12).cumsum() / 12
            points = np.stack([12 + np.arange(12) * 2 * box / 11, at + box - box * heights], axis=1).astype(
                np.int32
            )
            cv2.polylines(image, [points], False, ink, 1, cv2.LINE_AA)
            at += box
        elif rng.random() < 0.9:
            write_text(image, rng, (int(rng.integers(6, 20)), at), int(rng.integers(1, 10)), scale, ink)
        else:
            cv2.line(image, (6, at), (big - 6, at), ink, 1)
    return _wander(rng, image, n_frames, size, float(rng.choice([0, 0, 0.02])))


def radiograph(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A chest radiograph or a slice of computed tomography."""
    big = int(1.15 * size) + 8
    y, x = np.mgrid[:big, :big].astype(np.float32) / big * 2 - 1
    slice_ = rng.random() < 0.5

    def oval(cx: float, cy: float, a: float, b: float, soft: float) -> Float32:
        inside = (1 - np.hypot((x - cx) / a, (y - cy) / b)) * min(a, b) / soft
        return np.asarray(np.clip(inside + 0.5, 0, 1), dtype=np.float32)

    wide = float(rng.uniform(0.75, 0.95))
    soft = 0.02 if slice_ else 0.12
    image = float(rng.uniform(100, 150)) * oval(
        0, 0, wide, float(rng.uniform(0.6, 0.9)) if slice_ else 1.4, soft
    )
    for side in (-1, 1):
        lung = oval(side * 0.4 * wide, rng.uniform(-0.15, 0.05), 0.3 * wide, rng.uniform(0.4, 0.6), soft)
        image -= lung * float(rng.uniform(60, 95))
    image += 60 * oval(
        rng.uniform(0, 0.2), rng.uniform(0, 0.3), rng.uniform(0.2, 0.35), rng.uniform(0.2, 0.35), soft
    )
    if slice_:
        image += 90 * oval(0, 0.5, 0.12, 0.12, soft) - 60 * oval(0, 0.5, 0.05, 0.05, soft)
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(10, 18))):
            image += 80 * oval(0.85 * wide * np.cos(angle), 0.62 * np.sin(angle), 0.06, 0.03, soft)
    else:
        image += 50 * np.exp(-((x / 0.1) ** 2))
        for k in range(9):
            rib = y - (-0.8 + 0.2 * k) - 0.35 * np.abs(x) ** 1.5
            image += 22 * np.exp(-((rib / 0.03) ** 2)) * (np.abs(x) < 0.9 * wide)
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0))
    image += float(rng.uniform(3, 10)) * natural(rng, big, 0.7)
    return _wander(rng, image.astype(np.float32), n_frames, size, 0.01)


def noise_sector(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A sector without contact, a blank one, or plain noise."""
    kind = int(rng.integers(0, 3))
    scanner = draw_foreign_scanner(rng)
    angle = np.deg2rad(np.linspace(90 - scanner.half_angle_deg, 90 + scanner.half_angle_deg, 40))
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.95 * size + np.array([size / 2, 0.02 * size])
    sector = np.zeros((size, size), np.float32)
    polygon = np.concatenate([[[size / 2, 0.02 * size]], arc]).astype(np.int32)
    cv2.fillPoly(sector, [polygon], 1.0)
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    fade = np.float32(rng.uniform(-40, 10)) * down + np.float32(rng.uniform(-20, 0))
    rings = 25 * np.exp(-down / 0.06) * np.cos(down * rng.uniform(100, 300))
    frames = []
    for _ in range(n_frames):
        if kind == 0:
            image = speckled(rng, np.broadcast_to(fade + rings, (size, size)), (0.8, 1.4), 90.0) * sector
        elif kind == 1:
            image = sector * float(rng.uniform(4, 10)) + rng.normal(0, 2, (size, size)) * sector
        else:
            image = rng.normal(90, 40, (size, size))
        frames.append(np.asarray(image, dtype=np.float32))
    return _clip(frames)


def ecg_screen(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A monitor with electrocardiograms and numbers."""
    dark = rng.random() < 0.7
    paper, ink = (float(rng.uniform(0, 20)), 220.0) if dark else (235.0, 30.0)
    image = np.full((size, size), paper, np.float32)
    step = int(rng.integers(4, 12))
    if rng.random() < 0.7:
        image[::step] += -25 if not dark else 20
        image[:, ::step] += -25 if not dark else 20
    rows = int(rng.integers(1, 7))
    beats = float(rng.uniform(2, 8))
    traces = [float(rng.uniform(0.4, 1)) * ecg(rng, size, beats) for _ in range(rows)]
    for k in range(int(rng.integers(0, 6))):
        write_text(image, rng, (int(rng.uniform(0.6, 0.8) * size), 12 + k * size // 6), 1, 0.4, ink)
    frames = []
    for i in range(n_frames):
        frame = image.copy()
        for k, trace in enumerate(traces):
            draw_trace(
                frame, np.roll(trace, -i * size // 16), (k + 0.8) * size / rows, 0.6 * size / rows, ink
            )
        frames.append(frame)
    return _clip(frames)


OTHERS: Mapping[str, Draw] = {
    "m_mode": m_mode,
    "spectral_doppler": spectral_doppler,
    "colour_box": colour_box,
    "linear_probe": linear_probe,
    "curved_probe": curved_probe,
    "photograph": photograph,
    "text_page": text_page,
    "radiograph": radiograph,
    "noise_sector": noise_sector,
    "ecg_screen": ecg_screen,
}
"""How the clips of each class are drawn."""
