"""Images that are no ultrasound: photographs, pages, radiographs, screens. Each is a still under a camera that may move."""

from __future__ import annotations

import cv2
import numpy as np

from lvef.core.records import FrameArray
from lvef.synthesis.foreign.heart import Float32
from lvef.synthesis.foreign.marks import as_clip, draw_trace, ecg, natural, write_text

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
    return _under_camera(
        rng, np.asarray(image, np.float32), n_frames, size, float(rng.choice([0, 0.02, 0.08]))
    )


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
