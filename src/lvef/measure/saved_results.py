"""Saved results, loaded from their folders: measurement, curve, views, and the clip where it is found."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError, LvefError, reading
from lvef.core.records import Clip, Measurement, VolumeCurve
from lvef.core.terms import View
from lvef.io.isolation import open_clip
from lvef.io.limits import MAX_FRAMES
from lvef.measure.pair import pair_of_stills
from lvef.measure.results import Result
from lvef.measure.serializers import CURVE_NAME, MEASUREMENT_NAME, read_measurement

SEPARATOR = " + "
"""Stands between the two files of a pair or a study."""

VIEWS = (View.A4C.value, View.A2C.value)
"""Folders of the views of a biplane study."""


def is_saved_result(path: Path) -> bool:
    """Whether a path is a saved result: a folder with ``measurement.json``, or a JSON file."""
    if path.is_dir():
        return (path / MEASUREMENT_NAME).is_file()
    return path.suffix.lower() == ".json"


def load_result(path: Path, clips: Sequence[Path] = (), *, max_frames: int = MAX_FRAMES) -> Result:
    """Load a saved result.

    Args:
        path: Its folder, or the JSON file in it.
        clips: Its clips: one, or two of a pair (ED, ES) or a study (A4C, A2C). Without any they are looked for at their
            recorded paths; a clip that is not found, or has changed, is None in the result.
        max_frames: Longest clip that is read.

    Raises:
        DataError: The JSON or the curve cannot be read, or a clip that was given is not the one that was measured.
        VideoError: A clip that was given cannot be read; so `DicomError`.
    """
    file = path / MEASUREMENT_NAME if path.is_dir() else path
    measurement = _with_curve(file)
    views = [file.parent / view for view in VIEWS]
    if SEPARATOR in measurement.source and all((view / MEASUREMENT_NAME).is_file() for view in views):
        if clips and len(clips) != len(views):
            raise DataError(f"{path} is a study of two views: give both clips, the A4C first.")
        own = [clips[place : place + 1] for place in range(len(views))]
        parts = {
            view.name: _single(view / MEASUREMENT_NAME, clip, max_frames)
            for view, clip in zip(views, own, strict=True)
        }
        return Result(measurement, None, parts)
    return Result(measurement, _clip(measurement, clips, max_frames))


def _single(file: Path, clips: Sequence[Path], max_frames: int) -> tuple[Measurement, Clip | None]:
    measurement = _with_curve(file)
    return measurement, _clip(measurement, clips, max_frames)


def _with_curve(file: Path) -> Measurement:
    measurement, curve = read_measurement(file), file.with_name(CURVE_NAME)
    return replace(measurement, curve=load_curve(curve)) if curve.is_file() else measurement


def load_curve(path: Path) -> VolumeCurve:
    """Read a ``curve.csv`` back.

    Args:
        path: The file. The times of two stills are empty; the frames' numbers stand for them.

    Raises:
        DataError: It cannot be read or is no such table.
    """
    rows: list[list[str]] = []
    with (
        reading(path, "measure the file again"),
        suppress(csv.Error),
        path.open(newline="", encoding="utf-8") as file,
    ):
        rows = list(csv.reader(file))
    header = rows[0] if rows else []
    units = {("volume_ml", "length_mm"): True, ("volume_relative", "length_px"): False}
    calibrated = units.get((header[2], header[3])) if len(header) >= 4 else None
    if calibrated is None or header[:2] != ["frame", "time_s"]:
        raise DataError(f"{path} is not the table of a volume curve: measure the file again.")
    try:
        times = [float(row[1] or row[0]) for row in rows[1:]]
        volume, length = ([float(row[place] or math.nan) for row in rows[1:]] for place in (2, 3))
    except (ValueError, IndexError):
        raise DataError(
            f"{path} holds a line that is not of a volume curve: measure the file again."
        ) from None
    return VolumeCurve(np.array(times), np.array(volume), np.array(length), calibrated)


def _clip(measurement: Measurement, given: Sequence[Path], max_frames: int) -> Clip | None:
    """The clip of a measurement: the one that was given, or the one at the recorded path."""
    if given:
        clip = _open(given, measurement.source, max_frames)
        if not _fits(measurement, clip):
            raise DataError(
                f"{SEPARATOR.join(map(str, given))} has {len(clip.frames)} frames, and the result was measured on "
                f"{measurement.n_frames}: give the clip that was measured."
            )
        return clip
    files = _recorded(measurement.source)
    if not files:
        return None
    try:
        clip = _open(files, measurement.source, max_frames)
    except (LvefError, MemoryError):
        return None
    return clip if _fits(measurement, clip) else None


def _open(files: Sequence[Path], source: str, max_frames: int) -> Clip:
    if len(files) > 2:
        raise DataError(f"{len(files)} clips were given; one was expected, or two of a pair or a study.")
    clips = [open_clip(file, max_frames=max_frames) for file in files]
    return pair_of_stills(clips, source) if len(clips) == 2 else clips[0]


def _recorded(source: str) -> list[Path]:
    """The files that a measurement names, where they are there."""
    if not source or "\0" in source:
        return []
    try:
        if Path(source).exists():
            return [Path(source)]
        words = source.split(SEPARATOR)
        for place in range(1, len(words)):
            pair = [Path(SEPARATOR.join(words[:place])), Path(SEPARATOR.join(words[place:]))]
            if all(file.is_file() for file in pair):
                return pair
    except OSError:
        # A name that this system cannot hold names no file on it.
        return []
    return []


def _fits(measurement: Measurement, clip: Clip) -> bool:
    return measurement.n_frames is None or measurement.n_frames == len(clip.frames)
