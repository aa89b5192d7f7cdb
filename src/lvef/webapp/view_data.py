"""What the viewer shows: frames, contours and volume-time curve of a clip, as JSON values and JPEGs.

Points are pixels of the image as it lies in the file; whole numbers are the middles of pixels. Frames count from 0.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import Clip, FrameArray, Measurement, Tracing
from lvef.core.terms import Status
from lvef.core.wording import ef_text
from lvef.geometry.control_points import control_points_of_tracing
from lvef.io.images import encode_image
from lvef.report.canvas import PixelCanvas, Stroke
from lvef.report.charts import curve_values, marked_frames
from lvef.report.style import ED_ON_BLACK
from lvef.transforms.sector import find_sector

LARGEST_SIDE_PX, LONG_CLIP_SIDE_PX = 640, 448
"""Longest side of a frame that is sent, and that of a clip with more than `LONG_CLIP` frames."""

LONG_CLIP, MAX_FRAMES = 200, 600
"""Of a clip with more frames than the second, every second (third, ...) image is sent; contours and volumes all are."""

JPEG_QUALITY = 88
"""Of the frames that are sent."""

CONTOUR_POINTS = 60
"""Most points of a contour that is sent."""

MAGIC = b"LVEF"
"""First bytes of `pack_frames`."""

THUMB_WIDTH_PX = 160
"""Width of a thumbnail."""

Values = dict[str, Any]


def every_of(n_frames: int) -> int:
    """Which frames of a clip are sent: each, every second, ..."""
    return max(1, -(-n_frames // MAX_FRAMES))


def view_data(measurement: Measurement, clip: Clip) -> Values:
    """Everything that the viewer shows of a clip but its frames.

    Args:
        measurement: The model's measurement of this clip.
        clip: The clip, black outside the sector.
    """
    m, n = measurement, len(clip.frames)
    height, width = clip.frames.shape[1:]
    return {
        "width": width,
        "height": height,
        "aspect": clip.pixel_aspect,
        "n_frames": n,
        "every": every_of(n),
        "times": [round(t, 4) for t in clip.times_s.tolist()],
        "contours": [None if (t := m.tracing(frame)) is None else contour_of(t) for frame in range(n)],
        "points": {
            str(frame): points for frame in range(n) if (points := _points(m.tracing(frame))) is not None
        },
        "volume": _volumes(m, n),
        "unit": "ml" if m.volume_unit == "ml" else "% of end-diastole",
        "beats": _beats(m),
        "marks": _marks(m),
        "ed_frame": m.ed_frame,
        "es_frame": m.es_frame,
        "sector_box": _sector_box(clip),
        "correctable": any(t is not None for t in m.tracings),
        "is_still": n < 3,
    }


def reader_view(reader: Measurement, machine: Measurement) -> Values:
    """Contours and curve of a correction that is propagated over the cycle; see `lvef.measure.propagation`.

    Args:
        reader: The measurement as the reader has it.
        machine: The model's own; both have a curve.
    """
    assert reader.curve is not None
    assert machine.curve is not None
    # Both curves have one unit: millilitres, else per cent of the model's ED.
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = float(np.nanmedian(curve_values(machine) / machine.curve.volume))
    volume = reader.curve.volume * scale
    frames = (reader.tracing(frame) for frame in range(len(volume)))
    return {
        "reader_contours": [None if tracing is None else contour_of(tracing) for tracing in frames],
        "reader_volume": [round(v, 2) if np.isfinite(v) else None for v in volume.tolist()],
    }


def contour_of(tracing: Tracing) -> list[float]:
    """A contour as x, y, x, y, ..., with as many points as a viewer needs; apex and hinge points are always among them."""
    every, contour = -(-len(tracing.contour) // CONTOUR_POINTS), tracing.contour
    landmarks = [int(np.argmin(((contour - p) ** 2).sum(axis=1))) for p in (tracing.apex, *tracing.mitral)]
    kept = sorted({*range(0, len(contour), every), *landmarks})
    flat: list[float] = np.round(contour[kept], 1).ravel().tolist()
    return flat


def pack_frames(clip: Clip) -> bytes:
    """The frames of a clip in one block of bytes.

    Args:
        clip: Black outside the sector.

    Returns:
        ``LVEF``, the number of frames, the size of each (unsigned 32-bit numbers, little-endian), and the JPEGs.
    """
    n = len(clip.frames)
    side = LARGEST_SIDE_PX if n <= LONG_CLIP else LONG_CLIP_SIDE_PX
    jpegs = [
        encode_image(_shrunk(frame, side), ".jpg", quality=JPEG_QUALITY)
        for frame in clip.frames[:: every_of(n)]
    ]
    return b"".join([MAGIC, struct.pack(f"<{len(jpegs) + 1}I", len(jpegs), *map(len, jpegs)), *jpegs])


def unpack_frame(frames: bytes, place: int) -> FrameArray:
    """One image of `pack_frames`.

    Args:
        frames: All images.
        place: Which one.
    """
    (n,) = struct.unpack_from("<I", frames, len(MAGIC))
    sizes = struct.unpack_from(f"<{n}I", frames, len(MAGIC) + 4)
    start = len(MAGIC) + 4 + 4 * n + sum(sizes[:place])
    jpeg = np.frombuffer(frames[start : start + sizes[place]], np.uint8)
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)


def thumbnail(measurement: Measurement, view: Values, frames: bytes) -> bytes:
    """The ED frame with its contour as a small JPEG of square pixels; the middle frame where there is no ED.

    Args:
        measurement: What was measured.
        view: As `view_data` makes it.
        frames: As `pack_frames` makes them.
    """
    n, width, height = view["n_frames"], view["width"], view["height"]
    frame = measurement.ed_frame if measurement.ed_frame is not None else n // 2
    image = unpack_frame(frames, min(frame, n - 1) // view["every"])
    size = THUMB_WIDTH_PX, max(1, round(THUMB_WIDTH_PX * height * view["aspect"] / width))
    canvas = PixelCanvas(*size, scale=1)
    canvas.image(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8), 0, 0, *size)
    tracing = measurement.tracing(measurement.ed_frame)
    if tracing is not None:
        scale = np.array([size[0] / width, size[1] / height])
        canvas.line((tracing.contour + 0.5) * scale, Stroke(ED_ON_BLACK, 1, is_closed=True))
    bgr = np.asarray(cv2.cvtColor(canvas.rgb_image(), cv2.COLOR_RGB2BGR), np.uint8)
    return encode_image(bgr, ".jpg", quality=JPEG_QUALITY)


def depth_line(box: list[int] | None, width: int, height: int) -> list[float]:
    """The line down the middle of the sector, from its top to its lower edge; of the image without a sector.

    Args:
        box: The sector's x0, y0, x1, y1, or None.
        width: Of the image.
        height: Likewise.
    """
    if box is None:
        return [(width - 1) / 2, 0.0, (width - 1) / 2, height - 1.0]
    x0, y0, x1, y1 = box
    return [(x0 + x1 - 1) / 2, float(y0), (x0 + x1 - 1) / 2, y1 - 1.0]


def _shrunk(frame: FrameArray, side_px: int) -> FrameArray:
    scale = side_px / max(frame.shape)
    if scale >= 1:
        return frame
    size = tuple(max(1, round(side * scale)) for side in frame.shape[::-1])
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _points(tracing: Tracing | None) -> list[list[float]] | None:
    if tracing is None:
        return None
    try:
        points: list[list[float]] = np.round(control_points_of_tracing(tracing), 2).tolist()
    except GeometryError:
        return None
    return points


def _volumes(m: Measurement, n: int) -> list[float | None]:
    if m.curve is None or len(m.curve.volume) != n:
        return [None] * n
    return [round(v, 2) if np.isfinite(v) else None for v in curve_values(m).tolist()]


def _sector_box(clip: Clip) -> list[int] | None:
    try:
        box = find_sector(clip).box
    except QualityRefusal:
        return None
    return [box.x0, box.y0, box.x1, box.y1]


def _beats(m: Measurement) -> list[Values]:
    # Two stills are one ED and one ES, not a beat on a clock.
    if m.duration_s is None and m.status is Status.PARTIAL_CYCLE:
        return []
    return [
        {
            "number": number,
            "from": beat.ed_frame,
            "to": beat.last_frame,
            "ed_frame": beat.ed_frame,
            "es_frame": beat.es_frame,
            "text": ef_text(beat.ef_percent)
            if m.ef_percent is not None and np.isfinite(beat.ef_percent)
            else "",
            "excluded": beat.excluded,
            "shown": m.is_shown(beat),
        }
        for number, beat in enumerate(m.beats, start=1)
    ]


def _marks(m: Measurement) -> list[Values]:
    counted = marked_frames(m)
    every = {(frame, phase) for b in m.beats for frame, phase in ((b.ed_frame, "ED"), (b.es_frame, "ES"))}
    return [
        {"frame": frame, "phase": phase.lower(), "counted": counted.get(frame) == phase}
        for frame, phase in sorted(every | set(counted.items()))
    ]
