"""Limits of what a file may declare (size of a clip, size and shape of a pixel), and signs of progress while decoding."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lvef.core.errors import DataError, VideoError

if TYPE_CHECKING:
    from lvef.core.records import CodedWarning, PixelAspect, PixelSpacing

MAX_FRAMES = 5000
"""Most frames of one clip: 100 s at 50 Hz. The longest of EchoNet-Dynamic has 1,002 (FACTS.md)."""

MAX_PIXELS = 2**30
"""Most grey pixels of one decoded clip, one byte each: 1 GiB, or 1,365 frames of 1024 x 768."""

MAX_SIDE_PX = 4096
"""Longest side of a frame. Scanners export up to 1920 x 1080; a phone's photo of a screen has 4032."""

MAX_FILE_BYTES = 2**32
"""Largest file that is opened at all: an uncompressed colour clip of ``MAX_PIXELS`` takes 3 GiB."""

MIN_SPACING_MM = 0.01
"""Finer than ultrasound resolves at cardiac depth by more than an order of magnitude."""

MAX_SPACING_MM = 5.0
"""Coarser than this a ventricle of 90 mm would be 18 pixels long: the unit is wrong."""

MAX_ASPECT = 4.0
"""Pixels longer than this many times their width are no image's: anamorphic formats reach 2."""

SQUARE = 0.005
"""A pixel whose sides differ by less is square."""


class SizeLimits(NamedTuple):
    """How large a clip may be.

    Attributes:
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.
    """

    max_frames: int = MAX_FRAMES
    max_pixels: int = MAX_PIXELS


DEFAULT_LIMITS = SizeLimits()
"""Default limits."""


def check_size(
    source: str,
    n_frames: int,
    height: int,
    width: int,
    limits: SizeLimits = DEFAULT_LIMITS,
    *,
    error: type[DataError] = VideoError,
) -> None:
    """Refuse a clip that is too large to hold, or that has no area.

    Args:
        source: The file's name as the user gave it.
        n_frames: Number of frames declared or met so far.
        height: Rows of a frame, in pixels.
        width: Columns of a frame, in pixels.
        limits: What is allowed.
        error: Class of the error to raise.

    Raises:
        DataError: (as ``error``) when a limit is passed or a side is not positive.
    """
    if height < 1 or width < 1:
        raise error(f"{source} declares frames of {width} x {height} pixels, which hold no image.")
    if max(height, width) > MAX_SIDE_PX:
        raise error(
            f"{source} has frames of {width} x {height} pixels; at most {MAX_SIDE_PX} on a side are read: "
            "export it smaller."
        )
    if n_frames > limits.max_frames:
        raise error(
            f"{source} has {n_frames} frames or more; at most {limits.max_frames} are read: cut the clip to a few "
            "beats, or raise --max-frames."
        )
    if n_frames * height * width > limits.max_pixels:
        raise error(
            f"{source} has {n_frames} frames of {width} x {height} pixels, more than the {limits.max_pixels:,} "
            "pixels that are held in memory: cut the clip to a few beats or export it smaller."
        )


def check_aspect(aspect: float, source: str) -> tuple[PixelAspect | None, tuple[CodedWarning, ...]]:
    """Return the shape of a pixel, None for a square one or one that cannot be; the latter with a warning.

    Args:
        aspect: Height over width.
        source: What in the file says so, for example ``"sample aspect ratio"``.
    """
    # Loaded here: the numbers above are defaults of commands, whose help needs no numpy.
    from lvef.core.records import CodedWarning, PixelAspect

    if not _is_plausible_aspect(aspect):
        text = f"The file's {source} cannot be: {aspect:.3g} (height over width of a pixel). Square ones are assumed."
        return None, (CodedWarning("bad_aspect", text),)
    return (None if abs(aspect - 1.0) < SQUARE else PixelAspect(aspect, source)), ()


def check_spacing(x_mm: float, y_mm: float, source: str) -> tuple[PixelSpacing | None, str]:
    """Return the spacing, or None and the reason in one sentence.

    Args:
        x_mm: Width of a pixel in mm; the sign is ignored.
        y_mm: Height of a pixel in mm; the sign is ignored.
        source: What in the file says so, for example ``"Pixel Spacing"``.
    """
    from lvef.core.records import PixelSpacing

    x_mm, y_mm = abs(x_mm), abs(y_mm)
    if x_mm and y_mm and not _is_plausible_aspect(y_mm / x_mm):
        return (
            None,
            f"The {source} of {x_mm:.4g} x {y_mm:.4g} mm has pixels too long to be those of an echo image.",
        )
    if all(math.isfinite(v) and MIN_SPACING_MM <= v <= MAX_SPACING_MM for v in (x_mm, y_mm)):
        return PixelSpacing(x_mm, y_mm, source), ""
    return None, f"The {source} of {x_mm:.4g} x {y_mm:.4g} mm per pixel cannot be that of an echo image."


def _is_plausible_aspect(aspect: float) -> bool:
    """Whether the height of a pixel over its width can be that of an echo image."""
    return 1.0 / MAX_ASPECT <= aspect <= MAX_ASPECT


_listeners: list[Callable[[], None]] = []


def listen(listener: Callable[[], None]) -> None:
    """Have a function called at each sign of progress in this process."""
    _listeners.append(listener)


def note_progress() -> None:
    """Say that a part of a file was read (a packet, a frame, a file of a folder): a slow file is no file that hangs."""
    for listener in _listeners:
        listener()
