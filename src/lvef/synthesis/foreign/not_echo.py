"""What is no echo of the heart in two dimensions.

Ultrasound: strips over time, colour boxes, other organs, noise. Other images: photographs, pages, radiographs, screens, each
a still under a camera that may move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.echo import (
    PLANES,
    as_clip,
    draw_foreign_scanner,
    draw_trace,
    ecg,
    echo_clip,
    natural,
    write_text,
)
from lvef.synthesis.foreign.heart import Float32
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
    # the probe's own ringing
    level = level + 25 * np.exp(-down / 0.06) * np.cos(down * rng.uniform(100, 300))
    level = np.broadcast_to(level.astype(np.float32), (size, size))
    grey, noise = ((0.0, 0.0), (rng.uniform(4, 10), 2.0), (90.0, 40.0))[kind]
    frames = []
    for _ in range(n_frames):
        image = grey + noise * rng.standard_normal((size, size), dtype=np.float32)
        image = speckled(rng, level, (0.8, 1.4), 90.0) if kind == 0 else image
        frames.append(np.asarray(image * (sector if kind < 2 else 1), np.float32))
    return as_clip(frames)


MARGIN = 1.2
"""Side of a still over that of the image, which leaves the camera room to move."""


def _under_camera(
    rng: np.random.Generator, still: Float32, n_frames: int, size: int, reach: float
) -> FrameArray:
    """A clip of a still; ``reach`` is how far the camera moves, as a share of the side."""
    step, zoom, noise = rng.normal(0, reach, 2), rng.normal(0, reach), float(rng.uniform(0, 4))
    frames, side = [], still.shape[0]
    for i in range(n_frames):
        t = i / n_frames - 0.5
        scale = 1 + zoom * t
        left, top = (side / 2 + step * t * side - scale * size / 2).tolist()
        warp = np.array([[scale, 0, left], [0, scale, top]], np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        frame = cv2.warpAffine(still, warp, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT)
        frames.append(frame + noise * rng.standard_normal((size, size), dtype=np.float32))
    return as_clip(frames)


def photograph(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """An ordinary photograph: a landscape, houses, a face or things on a table."""
    side = int(MARGIN * size)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    kind = str(rng.choice(["landscape", "houses", "face", "things"]))
    image = 128 + 50 * natural(rng, side, float(rng.uniform(1.0, 1.8)))
    if kind in ("landscape", "houses"):
        sky = rng.uniform(150, 250) + 60 * (y - 0.5) + 8 * natural(rng, side, 2.0)
        horizon = rng.uniform(0.3, 0.7) + 0.08 * natural(rng, side, 1.8)[:1]
        image = np.where(y < horizon, sky, 0.6 * image + rng.uniform(0, 60))
    image = np.ascontiguousarray(image, np.float32)
    if kind == "houses":
        for _ in range(int(rng.integers(3, 9))):
            left, top, wide = (rng.uniform((-0.1, 0.15, 0.1), (0.9, 0.6, 0.35)) * side).astype(int).tolist()
            cv2.rectangle(image, (left, top), (left + wide, side), float(rng.uniform(30, 220)), -1)
            step = int(rng.integers(5, 14))
            for wy in range(top + 3, side, step):
                for wx in range(left + 3, left + wide - 3, step):
                    end = (wx + step // 2, wy + step // 2)
                    cv2.rectangle(image, (wx, wy), end, float(rng.uniform(0, 255)), -1)
    elif kind == "face":
        middle, (wide, high) = rng.uniform(0.4, 0.6, 2) * side, rng.uniform((0.15, 0.22), (0.3, 0.38)) * side
        skin, cloth = float(rng.uniform(60, 210)), float(rng.uniform(0, 255))
        # place and radii in units of the face, and grey level: shoulders, hair, face, eyes, mouth
        for across, down, a, b, grey in (
            (0.0, 2.0, 2.0, 1.2, cloth),
            (0.0, -0.2, 1.15, 1.1, 0.3 * skin),
            (0.0, 0.0, 1.0, 1.0, skin),
            (-0.4, -0.15, 0.18, 0.08, 20.0),
            (0.4, -0.15, 0.18, 0.08, 20.0),
            (0.0, 0.5, 0.35, 0.08, 0.5 * skin),
        ):
            centre = (int(middle[0] + across * wide), int(middle[1] + down * high))
            cv2.ellipse(image, centre, (int(a * wide) + 1, int(b * high) + 1), 0, 0, 360, grey, -1)
        image = cv2.GaussianBlur(image, (0, 0), 1.2) * (0.8 + 0.4 * x)
    elif kind == "things":
        for _ in range(int(rng.integers(4, 16))):
            place, reach = rng.uniform(0, side, 2), rng.uniform(0.04, 0.2) * side
            grey = float(rng.uniform(0, 255))
            corners = place + rng.normal(0, reach, (int(rng.integers(3, 7)), 2))
            if rng.random() < 0.5:
                cv2.fillPoly(image, [cv2.convexHull(corners.astype(np.int32))], grey)
            else:
                cv2.circle(image, place.astype(int).tolist(), int(reach), grey, -1)
        image = image * (0.7 + 0.6 * y) + 6 * natural(rng, side, 0.8)
    reach = float(rng.choice([0, 0.02, 0.08]))
    return _under_camera(rng, np.asarray(image, np.float32), n_frames, size, reach)


def text_page(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A page of text, a slide or a report with lines and charts."""
    side, dark = int(MARGIN * size), rng.random() < 0.35
    paper, ink = (float(rng.uniform(0, 50)), 230.0) if dark else (float(rng.uniform(200, 255)), 20.0)
    image, scale, at = np.full((side, side), paper, np.float32), float(rng.uniform(0.22, 0.5)), side // 8
    write_text(image, rng, (side // 10, at), 3, 1.5 * scale, ink)
    while at < side:
        at += int(22 * scale * rng.uniform(1, 1.8)) + 3
        kind = rng.random()
        if kind < 0.1:
            box = int(side * rng.uniform(0.15, 0.35))
            cv2.rectangle(image, (12, at), (12 + 2 * box, at + box), ink, 1)
            curve = (rng.uniform(0, 1, 12).cumsum() / 12).astype(np.float32)
            draw_trace(image[:, 12 : 12 + 2 * box], curve, at + box, box, ink)
            at += box
        elif kind < 0.9:
            write_text(image, rng, (side // 10, at), int(rng.integers(1, 10)), scale, ink)
        else:
            cv2.line(image, (6, at), (side - 6, at), ink, 1)
    return _under_camera(rng, image, n_frames, size, float(rng.choice([0, 0, 0.02])))


def radiograph(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A chest radiograph or a slice of computed tomography."""
    side, is_slice = int(MARGIN * size), rng.random() < 0.5
    y, x = np.mgrid[:side, :side].astype(np.float32) / side * 2 - 1
    soft, wide = 0.02 if is_slice else 0.12, float(rng.uniform(0.75, 0.95))

    def oval(at_x: float, at_y: float, a: float, b: float) -> Float32:
        inside = (1 - np.hypot((x - at_x) / a, (y - at_y) / b)) * min(a, b) / soft
        return np.asarray(np.clip(inside + 0.5, 0, 1), np.float32)

    image = rng.uniform(100, 150) * oval(0, 0, wide, rng.uniform(0.6, 0.9) if is_slice else 1.4)
    for left in (-0.4, 0.4):  # lungs
        lung = oval(left * wide, rng.uniform(-0.15, 0.05), 0.3 * wide, rng.uniform(0.4, 0.6))
        image = image - rng.uniform(60, 95) * lung
    image = image + 60 * oval(*rng.uniform((0, 0, 0.2, 0.2), (0.2, 0.3, 0.35, 0.35)))  # heart
    if is_slice:  # vertebra and ribs
        image = image + 90 * oval(0, 0.5, 0.12, 0.12) - 60 * oval(0, 0.5, 0.05, 0.05)
        for angle in np.linspace(0, 2 * np.pi, int(rng.integers(10, 18))):
            image = image + 80 * oval(0.85 * wide * np.cos(angle), 0.62 * np.sin(angle), 0.06, 0.03)
    else:  # spine and ribs
        image = image + 50 * np.exp(-((x / 0.1) ** 2))
        for rib in np.linspace(-0.8, 0.8, 9):
            below = y - rib - 0.35 * np.abs(x) ** 1.5
            image = image + 22 * np.exp(-((below / 0.03) ** 2)) * (np.abs(x) < 0.9 * wide)
    image = image + rng.uniform(3, 10) * natural(rng, side, 0.7)
    return _under_camera(rng, np.asarray(image, np.float32), n_frames, size, 0.01)


def ecg_screen(rng: np.random.Generator, n_frames: int, size: int) -> FrameArray:
    """A monitor with electrocardiograms and numbers."""
    paper, ink, grid = (float(rng.uniform(0, 20)), 220.0, 20) if rng.random() < 0.7 else (235.0, 30.0, -25)
    image, step = np.full((size, size), paper, np.float32), int(rng.integers(4, 12))
    if rng.random() < 0.7:
        image[::step] += grid
        image[:, ::step] += grid
    rows, beats = int(rng.integers(1, 7)), float(rng.uniform(2, 8))
    traces = [float(rng.uniform(0.4, 1)) * ecg(rng, size, beats) for _ in range(rows)]
    for k in range(int(rng.integers(0, 6))):
        write_text(image, rng, (int(rng.uniform(0.6, 0.8) * size), 12 + k * size // 6), 1, 0.4, ink)
    frames = []
    for i in range(n_frames):
        frame = image.copy()
        for k, trace in enumerate(traces):
            rolled = np.roll(trace, -i * size // 16)
            draw_trace(frame, rolled, (k + 0.8) * size / rows, 0.6 * size / rows, ink)
        frames.append(frame)
    return as_clip(frames)


NOT_ECHO: Mapping[str, Callable[[np.random.Generator, int, int], FrameArray]] = {
    draw.__name__: draw
    for draw in (
        *(m_mode, spectral_doppler, colour_box, linear_probe, curved_probe, noise_sector),
        *(photograph, text_page, radiograph, ecg_screen),
    )
}
"""How each class is drawn, from a random generator, frames and side."""
