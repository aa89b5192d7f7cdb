"""How large a clip may be: checked on what a header declares, before anything is decoded."""

from __future__ import annotations

from lvef.core.errors import DataError, VideoError

MAX_FRAMES = 5000
"""Most frames of one clip: 100 s at 50 Hz. The longest of EchoNet-Dynamic has 1,002 (FACTS.md)."""

MAX_PIXELS = 2**30
"""Most grey pixels of one decoded clip, one byte each: 1 GiB, or 1,365 frames of 1024 x 768."""

MAX_SIDE_PX = 4096
"""Longest side of a frame. Scanners export up to 1920 x 1080; a phone's photo of a screen has 4032."""

MAX_FILE_BYTES = 2**32
"""Largest file that is opened at all: an uncompressed colour clip of ``MAX_PIXELS`` takes 3 GiB."""


def check_size(
    source: str,
    n_frames: int,
    height: int,
    width: int,
    *,
    max_frames: int = MAX_FRAMES,
    max_pixels: int = MAX_PIXELS,
    error: type[DataError] = VideoError,
) -> None:
    """Refuse a clip that is too large to hold, or that has no area.

    Args:
        source: The file's name as the user gave it.
        n_frames: Number of frames declared or met so far.
        height: Rows of a frame, in pixels.
        width: Columns of a frame, in pixels.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.
        error: Class of the error to raise.

    Raises:
        DataError: (as ``error``) when a limit is passed or a side is not positive.
    """
    if height < 1 or width < 1:
        raise error(f"{source} declares frames of {width} x {height} pixels, which hold no picture.")
    if max(height, width) > MAX_SIDE_PX:
        raise error(
            f"{source} has frames of {width} x {height} pixels; at most {MAX_SIDE_PX} on a side are read: "
            "export it smaller."
        )
    if n_frames > max_frames:
        raise error(
            f"{source} has {n_frames} frames or more; at most {max_frames} are read: cut the clip to a few "
            "beats, or raise --max-frames."
        )
    if n_frames * height * width > max_pixels:
        raise error(
            f"{source} has {n_frames} frames of {width} x {height} pixels, more than the {max_pixels:,} "
            "pixels that are held in memory: cut the clip to a few beats or export it smaller."
        )
