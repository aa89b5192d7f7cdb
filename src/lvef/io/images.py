"""Stills, short sequences and label pictures: PNG, JPEG, TIFF, BMP, WebP, NIfTI, MetaImage."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, VideoError
from lvef.core.records import Clip, FrameArray, Notice
from lvef.io.greyscale import ColourSampler, to_uint8
from lvef.io.limits import MAX_FRAMES, MAX_PIXELS, MAX_SIDE_PX, check_size
from lvef.io.scale import checked_spacing
from lvef.io.sniff import SNIFF_BYTES, FileFormat, sniff
from lvef.io.timing import assumed_timing, even_times, plausible_rate

PICTURE_NOTE = "A picture file tells no pixel size, so there are no millimetres or millilitres."
"""Why PNG, JPEG and the like have no scale: their dots per inch are those of a printer."""

_EXPECTED = "PNG, JPEG, TIFF, BMP, WebP, NIfTI or MetaImage"
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
)
_GREY_MODES = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L")


def read_still(
    path: str | os.PathLike[str], *, max_frames: int = MAX_FRAMES, max_pixels: int = MAX_PIXELS
) -> Clip:
    """Read a still as a clip of one frame; a NIfTI or MetaImage sequence keeps its frames.

    Args:
        path: The file; its content decides which kind it is, not its suffix.
        max_frames: Most frames allowed.
        max_pixels: Most pixels allowed over all frames together.

    Returns:
        The clip. Deeper values than 8 bit are stretched to 0-255, transparency is dropped, a photo's
        orientation mark is obeyed. ``timing`` is ``"still"``, ``"pixdim"`` or ``"assumed"``.

    Raises:
        VideoError: when the file is of another kind, damaged or too large.
    """
    source = os.fspath(path)
    kind = _kind(path, source)
    if kind.family == "picture":
        return _read_picture(path, source, kind, max_pixels)
    if kind.family == "nifti":
        from lvef.io.nifti import read_nifti

        image = read_nifti(path, max_frames=max_frames, max_pixels=max_pixels)
        return _sequence(image.values, image.spacing_mm, image.frame_step_s, source, "NIfTI pixdim")
    from lvef.io.metaimage import read_metaimage

    values, spacing = read_metaimage(path, max_frames=max_frames, max_pixels=max_pixels)
    return _sequence(
        values, spacing[:2] if len(spacing) > 1 else None, 0.0, source, "MetaImage ElementSpacing"
    )


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a label picture: values stay as stored and are never scaled.

    Args:
        path: The file, of any kind that ``read_still`` reads. Of a picture with a palette the indices count.

    Returns:
        ``(frames, height, width)`` uint8, the shape of ``read_still(path).frames``.

    Raises:
        VideoError: when the file is of another kind, damaged or too large.
        DataError: when its values are not whole numbers from 0 to 255, or are colours.
    """
    source = os.fspath(path)
    kind = _kind(path, source)
    values: NDArray[Any]
    if kind.family == "picture":
        values = _label_values(path, source, kind)[None]
    elif kind.family == "nifti":
        from lvef.io.nifti import read_nifti

        values = read_nifti(path).values
    else:
        from lvef.io.metaimage import read_metaimage

        values = read_metaimage(path).values
    whole = values if values.dtype.kind in "uib" else np.rint(values)
    if not np.array_equal(whole, values) or whole.min() < 0 or whole.max() > 255:
        raise DataError(
            f"{source} has values from {values.min():g} to {values.max():g}: expected labels, whole "
            "numbers from 0 to 255."
        )
    return np.ascontiguousarray(whole, dtype=np.uint8)


def _kind(path: str | os.PathLike[str], source: str) -> FileFormat:
    with Path(path).open("rb") as file:
        kind = sniff(file.read(SNIFF_BYTES))
    if kind is None or kind.family not in ("picture", "nifti", "metaimage"):
        found = "not a picture that can be recognised" if kind is None else f"a {kind.name}, not a still"
        raise VideoError(f"{source} is {found}: expected {_EXPECTED}.")
    return kind


def _read_picture(path: str | os.PathLike[str], source: str, kind: FileFormat, max_pixels: int) -> Clip:
    notices: tuple[Notice, ...] = ()
    chroma: FrameArray | None = None
    with _opened(path, source, kind, max_pixels) as (image, pages):
        if pages > 1:
            notices = (Notice("first_page", f"The file has {pages} pictures; only the first is used."),)
        if image.mode in _GREY_MODES:
            grey = to_uint8(np.asarray(image))
        elif image.mode == "LA":
            grey = np.asarray(image.getchannel("L"))
        else:
            rgb = image.convert("RGB")
            sampler = ColourSampler(1)
            sampler.add_rgb(np.asarray(rgb))
            grey = np.asarray(rgb.convert("L"))
            chroma = sampler.chroma(*grey.shape)
    return Clip(
        frames=np.array(grey[None]),
        times_s=np.zeros(1),
        timing="still",
        source=source,
        spacing_note=PICTURE_NOTE,
        chroma=chroma,
        notices=notices,
    )


def _label_values(path: str | os.PathLike[str], source: str, kind: FileFormat) -> NDArray[Any]:
    with _opened(path, source, kind, MAX_PIXELS) as (image, _):
        values = np.asarray(image)
        if image.mode == "LA":
            return values[..., 0]
    if values.ndim == 2:
        return values
    if (values[..., :3] != values[..., :1]).any():
        raise DataError(
            f"{source} is a colour picture: expected labels, one whole number from 0 to 255 a pixel."
        )
    return values[..., 0]


@contextmanager
def _opened(
    path: str | os.PathLike[str], source: str, kind: FileFormat, max_pixels: int
) -> Iterator[tuple[Any, int]]:
    """Open with Pillow, upright, with the size checked before decoding; give picture and page count."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                check_size(source, 1, image.height, image.width, max_pixels=max_pixels)
                pages = getattr(image, "n_frames", 1)
                yield ImageOps.exif_transpose(image), pages
    except Image.DecompressionBombError:
        raise VideoError(
            f"{source} is a {kind.name} that claims far more pixels than an echo has: at most {MAX_SIDE_PX} a side; "
            "export it again."
        ) from None
    except _PILLOW_ERRORS:
        raise VideoError(f"{source} is a {kind.name} that is damaged or cut off: export it again.") from None


def _sequence(
    values: NDArray[Any],
    spacing_mm: tuple[float, ...] | None,
    step_s: float,
    source: str,
    spacing_source: str,
) -> Clip:
    n_frames = len(values)
    timing = assumed_timing(n_frames)
    times, timing_source, notices = timing.times_s, timing.source, timing.notices
    if n_frames > 1 and step_s > 0 and plausible_rate(1.0 / step_s):
        times, timing_source, notices = even_times(n_frames, 1.0 / step_s), "pixdim", ()
    spacing, note = None, f"The file's {spacing_source} is not filled, so there is no scale."
    if spacing_mm is not None:
        spacing, note = checked_spacing(spacing_mm[0], spacing_mm[1], spacing_source)
    return Clip(
        frames=np.ascontiguousarray(to_uint8(values)),
        times_s=times,
        timing=timing_source,
        source=source,
        spacing=spacing,
        spacing_note=note,
        notices=notices,
    )
