"""Folders of stills: a cine whose frames were exported one by one, as opposed to unrelated images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, QualityRefusal, VideoError
from lvef.core.records import Clip, CodedWarning, FrameArray
from lvef.io.formats import STILL_SUFFIXES, format_of_file
from lvef.io.greyscale import to_uint8
from lvef.io.images import IMAGE_NOTE, Pages, open_image, page_numbers
from lvef.io.limits import DEFAULT_LIMITS, SizeLimits, check_size, note_progress
from lvef.io.timing import DEFAULT_FRAME_RATE_HZ, assumed_timing

REFUSAL = "stills"
"""Code of the refusal of stills that are no cine."""

MIN_FRAMES = 5
"""Fewer numbered stills are not taken for a cine: no curve can be drawn through them (`lvef.measure.quality`)."""

MIN_CORRELATION = 0.93
"""Median correlation of neighbouring frames at 48 x 48 below which stills do not follow each other. Phantoms and the
packaged cine: 0.99 between neighbours, 0.96 to 0.99 between every third; 60 CAMUS A4C stills of one patient after the other:
median 0.76, at most 0.91."""

SIDE_PX = 48

_NUMBER = re.compile(r"^(.*?)([0-9]{1,12})([^0-9]*)$", re.DOTALL)


def is_single(path: Path) -> bool:
    """Whether a file holds one image: no animation, no stack, no video under a wrong name."""
    note_progress()
    try:
        kind = format_of_file(path)
        if kind is None or kind.family != "image":
            return False
        with open_image(path, path.name, kind, DEFAULT_LIMITS) as image:
            return len(page_numbers(image, kind)) == 1
    except (DataError, OSError):  # it is measured on its own, and says then what is wrong
        return False


def single_stills(files: Iterable[Path], is_single: Callable[[Path], bool] = is_single) -> list[Path]:
    """Return those of the files that hold one image, by suffix and content."""
    return [path for path in files if path.suffix.lower() in STILL_SUFFIXES and is_single(path)]


def read_series(files: Sequence[Path], source: str, limits: SizeLimits = DEFAULT_LIMITS) -> Clip:
    """Read numbered stills of one folder as the frames of a cine.

    Args:
        files: Stills of the folder.
        source: The folder's name as the user gave it.
        limits: How large the clip may be.

    Returns:
        The clip, at an assumed frame rate; a number that is missing leaves its time free.

    Raises:
        QualityRefusal: ``stills``, when they have no running numbers, form several cines, or do not follow each other.
        VideoError: when one is damaged, or they differ in size or depth.
    """
    series = _series(files)
    long = {key: found for key, found in series.items() if len(found) >= MIN_FRAMES}
    if not long:
        raise QualityRefusal(
            REFUSAL,
            f"{source} holds {len(files)} stills without running numbers that would make them the frames of a cine: "
            "name them frame_001.png, frame_002.png and so on, or give an ED and an ES still with --ed FILE --es FILE.",
        )
    if len(long) > 1:
        names = " and ".join(f"{before}*{after}" for before, after in list(long)[:2])
        raise QualityRefusal(
            REFUSAL,
            f"{source} holds {len(long)} series of numbered stills ({names}): put each into a separate folder.",
        )
    [found] = long.values()
    numbers = sorted(found)
    ordered = [path for number in numbers for path in found[number]]
    if len(ordered) > len(numbers):
        twice = next(number for number in numbers if len(found[number]) > 1)
        raise QualityRefusal(
            REFUSAL, f"{source} holds more than one still with the number {twice}: number each differently."
        )
    frames, chroma = _frames(ordered, source, limits)
    check_frames_are_alike(
        frames,
        f"{source} holds {len(ordered)} numbered stills",
        "they seem to be of different clips. Give an ED and an ES still with --ed FILE --es FILE.",
    )
    steps = np.diff(numbers)
    step = int(np.gcd.reduce(steps))
    timing = assumed_timing(len(frames))
    times = (np.array(numbers) - numbers[0]) / step / DEFAULT_FRAME_RATE_HZ
    notices = [
        CodedWarning("series_of_stills", f"{len(frames)} numbered stills of the folder are read as a cine.")
    ]
    missing = int((numbers[-1] - numbers[0]) // step + 1 - len(numbers))
    if missing:
        text = f"{missing} numbers are missing between {numbers[0]} and {numbers[-1]}: their times are left free."
        notices.append(CodedWarning("missing_frames", text))
    if len(ordered) < len(files):
        text = f"{len(files) - len(ordered)} other stills of the folder have no number of the series: they are left out."
        notices.append(CodedWarning("other_stills", text))
    return Clip(
        frames=frames,
        times_s=times,
        timing=timing.source,
        source=source,
        spacing_note=IMAGE_NOTE,
        chroma=chroma,
        notices=(*notices, *timing.notices),
    )


def _series(files: Sequence[Path]) -> dict[tuple[str, str], dict[int, list[Path]]]:
    """Files by what stands before and after the last number in their names, and by that number."""
    series: dict[tuple[str, str], dict[int, list[Path]]] = {}
    for path in files:
        found = _NUMBER.match(path.stem)
        if found is not None:
            key = (found[1], found[3] + path.suffix)
            series.setdefault(key, {}).setdefault(int(found[2]), []).append(path)
    return series


def _frames(files: Sequence[Path], source: str, limits: SizeLimits) -> tuple[FrameArray, FrameArray | None]:
    pages = Pages(len(files))
    for path in files:
        name = os.fspath(Path(source) / path.name)
        kind = format_of_file(path)
        if kind is None or kind.family != "image":
            raise VideoError(f"{name} is no image: take it out of the series.")
        with open_image(path, name, kind, limits) as image:
            check_size(source, len(files), image.height, image.width, limits)
            if not pages.add(image, 0):
                raise VideoError(f"{name} is damaged or cut off: export it again.")
        first, last = pages.frames[0], pages.frames[-1]
        if last.shape != first.shape or last.dtype != first.dtype:
            raise VideoError(
                f"{name} is {_words(last)}, the first still of the series {_words(first)}: the frames of a cine are alike; "
                "export them in the same way."
            )
    return np.ascontiguousarray(to_uint8(np.stack(pages.frames))), pages.chroma()


def _words(values: NDArray[np.generic]) -> str:
    return f"{values.shape[1]} x {values.shape[0]} pixels of {8 * values.dtype.itemsize} bits"


def check_frames_are_alike(frames: FrameArray, what: str, advice: str) -> None:
    """Refuse frames that do not follow each other.

    Args:
        frames: ``(n, height, width)``.
        what: What they are, as the message begins.
        advice: How the message ends.

    Raises:
        QualityRefusal: ``stills``.
    """
    alike = frame_correlation(frames)
    if alike < MIN_CORRELATION:
        raise QualityRefusal(
            REFUSAL,
            f"{what} that do not follow each other (neighbours correlate by {alike:.2f}, frames of a cine by "
            f"{MIN_CORRELATION} or more): {advice}",
        )


def frame_correlation(frames: FrameArray) -> float:
    """Median correlation of neighbouring frames ``(n, height, width)``, made small."""
    small = [
        cv2.resize(f, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA).astype(np.float64) for f in frames
    ]
    flat = np.stack(small).reshape(len(frames), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1)
    if (norm == 0).any():  # black frames say nothing; what follows evaluates them
        return 1.0
    return float(np.median((flat[1:] * flat[:-1]).sum(axis=1) / (norm[1:] * norm[:-1])))
