"""Stills, animations, short sequences and label images: PNG, JPEG, TIFF, BMP, WebP, GIF, NIfTI, MetaImage."""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, VideoError
from lvef.core.records import Clip, CodedWarning, FrameArray
from lvef.io.formats import GIF, STILL_FORMATS, TIFF, FileFormat, format_of_file
from lvef.io.greyscale import ColourSampler, to_uint8
from lvef.io.limits import (
    DEFAULT_LIMITS,
    MAX_SIDE_PX,
    SizeLimits,
    check_aspect,
    check_size,
    check_spacing,
    note_progress,
)
from lvef.io.timing import Timing, assumed_timing, container_timing, even_times, is_plausible_rate

IMAGE_NOTE = "An image file states no pixel size, so there are no millimetres or millilitres."
"""Why PNG, JPEG and the like have no scale: their dots per inch are those of a printer."""

GIF_TICK_S = 0.01
"""A GIF counts time in hundredths of a second."""

COARSE = 0.1
"""Part of a frame's time that half a tick may be off before a warning says so."""

_PILLOW_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    struct.error,
)
MIN_PAGES = 2
"""Fewest frames that are used of a damaged animation: with one there is no motion left."""

_IMAGE_DESCRIPTION = 270
_GREY_MODES = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L")


def read_still(path: str | os.PathLike[str], limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """Read a still as a clip of one frame; an animation, pages of one size and a NIfTI or MetaImage sequence keep theirs.

    Args:
        path: The file; its content decides which kind it is, not its suffix.
        limits: How large the clip may be.

    Returns:
        The clip. Deeper values than 8 bit are stretched to 0-255, what is wholly transparent is black, a photo's
        orientation mark is applied. ``timing`` is ``"still"``, ``"container"`` (an animation's own times),
        ``"average_rate"``, ``"pixdim"``, ``"finterval"`` (ImageJ) or ``"assumed"``.

    Raises:
        VideoError: when the file is of another kind, damaged or too large.
    """
    source = os.fspath(path)
    kind = _kind(path, source)
    if kind.family == "image":
        return _read_image(path, source, kind, limits)
    return _sequence(*_read_values(path, kind, limits), source)


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a label image: values stay as stored and are never scaled.

    Args:
        path: The file, of any kind that ``read_still`` reads. Of an image with a palette the indices count.

    Returns:
        ``(frames, height, width)`` uint8, the shape of ``read_still(path).frames``.

    Raises:
        VideoError: when the file is of another kind, damaged or too large.
        DataError: when its values are not whole numbers from 0 to 255, or are colours.
    """
    source = os.fspath(path)
    kind = _kind(path, source)
    if kind.family == "image":
        values = _label_values(path, source, kind)
    else:
        values, *_ = _read_values(path, kind, DEFAULT_LIMITS)
    whole = values if values.dtype.kind in "uib" or not np.isfinite(values).all() else np.rint(values)
    if not np.array_equal(whole, values) or whole.min() < 0 or whole.max() > 255:
        raise DataError(
            f"{source} has values from {values.min():g} to {values.max():g}: expected labels, whole "
            "numbers from 0 to 255."
        )
    return np.ascontiguousarray(whole, dtype=np.uint8)


def _kind(path: str | os.PathLike[str], source: str) -> FileFormat:
    kind = format_of_file(Path(path))
    if kind is None or kind.family not in ("image", "nifti", "metaimage"):
        found = "no image of a known format" if kind is None else f"a {kind.name}, not a still"
        raise VideoError(f"{source} is {found}: expected {STILL_FORMATS}.")
    return kind


def page_numbers(image: Any, kind: FileFormat) -> range:  # noqa: ANN401  Pillow's image, loaded late
    """Return the pages of an image that are read: all of a cine, else the first.

    Args:
        image: Opened by Pillow.
        kind: Its kind.

    Raises:
        EOFError: (or what else Pillow raises) when a page is damaged.
    """
    pages = int(getattr(image, "n_frames", 1))
    if not kind.animated or pages == 1:
        return range(1)
    # The image that programs show which know no APNG is no part of the animation.
    first = int(bool(getattr(image, "default_image", False)))
    if kind is TIFF:
        sizes = set()
        for page in range(pages):
            image.seek(page)
            sizes.add(image.size)
        image.seek(0)
        if len(sizes) > 1:  # an image and smaller copies of it
            return range(1)
    return range(first, pages)


def _read_image(path: str | os.PathLike[str], source: str, kind: FileFormat, limits: SizeLimits) -> Clip:
    with open_image(path, source, kind, limits) as image:
        pages = page_numbers(image, kind)
        check_size(source, len(pages), image.height, image.width, limits)
        notices: tuple[CodedWarning, ...] = ()
        if len(pages) == 1 and getattr(image, "n_frames", 1) > 1:
            text = f"The file has {image.n_frames} images; only the first is used."
            notices = (CodedWarning("first_page", text),)
        read = Pages(len(pages), source)
        for page in pages:
            if not read.add(image, page):
                break
        aspect = _declared_aspect(image, Path(path), kind)
        interval = _imagej_interval(image) if kind is TIFF else None
    n_frames = len(read.frames)
    if n_frames < len(pages) or (kind is GIF and not _gif_is_whole(Path(path))):
        if n_frames < len(pages) and n_frames < MIN_PAGES:
            raise VideoError(f"{source} is a {kind.name} that is damaged or cut off: export it again.")
        text = f"{n_frames} of {len(pages)} frames could be decoded; the rest is missing or damaged."
        notices = (*notices, CodedWarning("truncated", text))
    timing = _image_timing(read.durations_s, interval, kind)
    spacing = None
    if aspect is not None:
        spacing, more = check_aspect(1.0 / aspect if read.turned else aspect, "pixel aspect of the image")
        notices = (*notices, *more)
    return Clip(
        frames=np.ascontiguousarray(to_uint8(np.stack(read.frames))),
        times_s=timing.times_s,
        timing=timing.source,
        source=source,
        spacing=spacing,
        spacing_note=IMAGE_NOTE,
        chroma=read.chroma(),
        notices=(*notices, *timing.notices),
    )


class Pages:
    """Images that belong together, as they are decoded.

    Args:
        expected: Number of images to come.
        source: Name of the file that holds all of them, which must then have one size.

    Attributes:
        frames: Grey values ``(height, width)`` of each, upright and of the file's own depth.
        durations_s: How long each is shown, 0 where that is not stated.
        turned: Whether width and height were exchanged to bring the last one upright.
    """

    def __init__(self, expected: int, source: str | None = None) -> None:
        self._source = source
        self._sizes: dict[str, tuple[int, int]] = {}
        self.frames: list[NDArray[Any]] = []
        self.durations_s: list[float] = []
        self.turned = False
        self._colour = ColourSampler(expected)
        self._coloured = False

    def add(self, image: Any, page: int) -> bool:  # noqa: ANN401
        """Decode a page and add it. Returns False for one that cannot be decoded; the first raises instead.

        Raises:
            VideoError: when a page of the file has another size than its first.
        """
        try:
            image.seek(page)
            self._check_size("stored", image.size)  # before a page that is far larger takes memory
            image.load()
        except _PILLOW_ERRORS:
            if not self.frames:
                raise
            return False
        note_progress()
        upright = _upright(image)
        self.turned = upright.size != image.size
        self._check_size("upright", upright.size)
        self.frames.append(self._grey(upright, len(self.frames)))
        self.durations_s.append(float(image.info.get("duration") or 0.0) / 1000.0)
        return True

    def chroma(self) -> FrameArray | None:
        """As in `Clip`."""
        return self._colour.chroma(*self.frames[0].shape) if self._coloured else None

    def _check_size(self, which: str, size: tuple[int, int]) -> None:
        first = self._sizes.setdefault(which, size)
        if self._source is not None and size != first:
            raise VideoError(
                f"{self._source} has frames of {first[0]} x {first[1]} and of {size[0]} x {size[1]} pixels: export it "
                "again, with frames of one size."
            )

    def _grey(self, image: Any, at: int) -> NDArray[Any]:  # noqa: ANN401
        if image.mode in _GREY_MODES:
            return np.asarray(image)
        hidden = None
        if "A" in image.getbands() or "transparency" in image.info:
            image = image.convert("RGBA")
            hidden = np.asarray(image.getchannel("A")) == 0
        rgb = np.array(image.convert("RGB"))
        # What cannot be seen at all may hold anything; where nothing can be seen, the channel was not filled.
        if hidden is not None and not hidden.all():
            rgb[hidden] = 0
        self._coloured = True
        if self._colour.wants(at):
            self._colour.add_rgb(rgb)
        return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


def _image_timing(durations_s: list[float], interval_s: float | None, kind: FileFormat) -> Timing:
    """Times from how long each page is shown, or from the interval that ImageJ writes."""
    n_frames = len(durations_s)
    if interval_s is not None and n_frames > 1 and is_plausible_rate(1.0 / interval_s):
        return Timing(even_times(n_frames, 1.0 / interval_s), "finterval")
    if n_frames == 1 or not any(durations_s):
        return assumed_timing(n_frames)
    stamps = np.concatenate([[0.0], np.cumsum(durations_s[:-1])])
    mean_hz = (n_frames - 1) / float(stamps[-1]) if stamps[-1] > 0 else None
    timing = container_timing(list(stamps), mean_hz)
    step = float(np.median(np.diff(timing.times_s)))
    if kind is GIF and timing.source != "assumed" and COARSE * step < GIF_TICK_S / 2:
        low, high = 1.0 / (step + GIF_TICK_S / 2), 1.0 / max(step - GIF_TICK_S / 2, GIF_TICK_S / 4)
        text = (
            f"A GIF counts hundredths of a second: its {1 / step:.4g} Hz stand for {low:.3g} to {high:.3g} Hz, and heart "
            "rate and durations are as uncertain."
        )
        return Timing(timing.times_s, timing.source, (*timing.notices, CodedWarning("coarse_times", text)))
    return timing


def _declared_aspect(image: Any, path: Path, kind: FileFormat) -> float | None:  # noqa: ANN401
    """Height of a pixel over its width where an image states it, as it lies in the file."""
    if kind is GIF:
        with path.open("rb") as file:
            code = file.read(13)[12:13]
        return 64.0 / (code[0] + 15) if code and code[0] else None
    info = image.info
    across, down = info.get("aspect") or info.get("dpi") or info.get("jfif_density") or (0, 0)
    return float(across) / float(down) if across and down else None


def _imagej_interval(image: Any) -> float | None:  # noqa: ANN401
    """Seconds between the frames of a stack that ImageJ wrote."""
    text = str(getattr(image, "tag_v2", {}).get(_IMAGE_DESCRIPTION, ""))
    found = (
        re.search(r"^finterval=([0-9.eE+-]+)\s*$", text, re.MULTILINE) if text.startswith("ImageJ=") else None
    )
    try:
        return float(found[1]) or None if found else None
    except ValueError:
        return None


def _gif_is_whole(path: Path) -> bool:
    """Whether a GIF ends with its trailer."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
        return file.read().rstrip(b"\0\n\r ").endswith(b";")


def _label_values(path: str | os.PathLike[str], source: str, kind: FileFormat) -> NDArray[Any]:
    pages = []
    with open_image(path, source, kind, DEFAULT_LIMITS) as image:
        for page in page_numbers(image, kind):
            image.seek(page)
            values = np.asarray(_upright(image))
            note_progress()
            pages.append(values[..., 0] if image.mode == "LA" else values)
    if any(page.shape != pages[0].shape for page in pages):  # some in colour, or of another size
        raise DataError(
            f"{source} has images of several kinds: expected labels of one size, without colours."
        )
    values = np.stack(pages)
    if values.ndim == 3:
        return values
    if (values[..., :3] != values[..., :1]).any():
        raise DataError(
            f"{source} is a colour image: expected labels, one whole number from 0 to 255 a pixel."
        )
    return values[..., 0]


def _upright(image: Any) -> Any:  # noqa: ANN401
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


@contextmanager
def open_image(
    path: str | os.PathLike[str], source: str, kind: FileFormat, limits: SizeLimits | None
) -> Iterator[Any]:
    """Open with Pillow, with the size checked before anything is decoded, unless ``limits`` is None.

    Raises:
        VideoError: when the image is damaged or too large.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if limits is not None:
                    check_size(source, 1, image.height, image.width, limits)
                yield image
    except Image.DecompressionBombError:
        raise VideoError(
            f"{source} is a {kind.name} that claims far more pixels than an echo has: at most {MAX_SIDE_PX} a side; "
            "export it again."
        ) from None
    except _PILLOW_ERRORS:
        raise VideoError(f"{source} is a {kind.name} that is damaged or cut off: export it again.") from None


def _read_values(
    path: str | os.PathLike[str], kind: FileFormat, limits: SizeLimits
) -> tuple[NDArray[Any], tuple[float, ...] | None, float, str]:
    """Values of a NIfTI or MetaImage file, spacing in mm, frame step in seconds or 0, and what states the spacing."""
    if kind.family == "nifti":
        from lvef.io.nifti import read_nifti

        return (*read_nifti(path, limits), "NIfTI pixdim")
    from lvef.io.metaimage import read_metaimage

    values, spacing = read_metaimage(path, limits)
    return values, spacing[:2] if len(spacing) > 1 else None, 0.0, "MetaImage ElementSpacing"


def _sequence(
    values: NDArray[Any],
    spacing_mm: tuple[float, ...] | None,
    step_s: float,
    spacing_source: str,
    source: str,
) -> Clip:
    n_frames = len(values)
    timing = assumed_timing(n_frames)
    times, timing_source, notices = timing.times_s, timing.source, timing.notices
    if n_frames > 1 and step_s > 0 and is_plausible_rate(1.0 / step_s):
        times, timing_source, notices = even_times(n_frames, 1.0 / step_s), "pixdim", ()
    spacing, note = None, f"The file's {spacing_source} is not filled, so there is no scale."
    if spacing_mm is not None:
        spacing, note = check_spacing(spacing_mm[0], spacing_mm[1], spacing_source)
    if spacing is not None and spacing.x_mm == spacing.y_mm == 1.0:
        text = f"The {spacing_source} of 1 x 1 mm is also what software without a scale writes: check the millilitres."
        notices = (*notices, CodedWarning("unit_spacing", text))
    return Clip(
        frames=np.ascontiguousarray(to_uint8(values)),
        times_s=times,
        timing=timing_source,
        source=source,
        spacing=spacing,
        spacing_note=note,
        notices=notices,
    )


def encode_image(
    image: FrameArray, suffix: str, *, quality: int | None = None, level: int | None = None
) -> bytes:
    """An image as the content of a file.

    Args:
        image: ``(height, width)``, or ``(height, width, 3)`` in the order blue, green, red; uint8.
        suffix: Of the format, ``".png"`` or ``".jpg"``.
        quality: Of JPEG, 0 to 100; OpenCV's own where None.
        level: Of PNG's compression, 0 to 9; likewise.

    Raises:
        DataError: The format cannot hold an image of this size.
    """
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [] if level is None else [cv2.IMWRITE_PNG_COMPRESSION, level]
    done, data = cv2.imencode(suffix, image, options)
    if not done:
        raise DataError(
            f"an image of {image.shape[1]} x {image.shape[0]} pixels cannot be written as {suffix}."
        )
    return bytes(data.tobytes())
