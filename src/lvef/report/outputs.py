"""The files of one measurement: which there are, and writing them into a folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lvef.core.errors import DataError
from lvef.core.records import Clip, Measurement
from lvef.io.atomic import remove_files, write_text_atomic
from lvef.measure.results import Outputs, Result
from lvef.measure.serializers import (
    BEATS_NAME,
    CURVE_NAME,
    MEASUREMENT_NAME,
    beats_csv,
    curve_csv,
    measurement_json,
)
from lvef.transforms.sector import hide_outside_sector

OVERLAY_NAME = "overlay.mp4"
"""The clip with contours and curve."""

SUMMARY_NAME = "summary.png"
"""The answer on one page."""


def write_outputs(folder: Path, answer: Result, outputs: Outputs) -> list[str]:
    """Write everything about one answer; its parts into subfolders of their names.

    A file of an earlier run that this answer does not have (the film of a clip that is now refused) is
    removed, so that a folder never shows two measurements.

    Args:
        folder: Made when it is missing.
        answer: What was measured.
        outputs: What to write beside JSON and tables.

    Returns:
        Names of the files written, relative to ``folder``.

    Raises:
        DataError: The folder cannot be made or a file cannot be written; what was there before stays whole.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be made ({error.strerror}); choose another with --out."
        ) from None
    measurement, clip = answer.measurement, answer.clip
    written: list[str] = []
    if clip is not None and (outputs.video or outputs.summary):
        written += _write_pictures(folder, measurement, clip, outputs)
    if measurement.curve is not None:
        write_text_atomic(folder / CURVE_NAME, curve_csv(measurement))
        write_text_atomic(folder / BEATS_NAME, beats_csv(measurement))
        written += [CURVE_NAME, BEATS_NAME]
    remove_files(folder, {CURVE_NAME, BEATS_NAME, OVERLAY_NAME, SUMMARY_NAME} - set(written))
    for name, (part, part_clip) in answer.parts.items():
        inner = write_outputs(folder / name, Result(part, part_clip), outputs)
        written += [f"{name}/{file}" for file in inner]
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / MEASUREMENT_NAME, measurement_json(measurement))
    return [MEASUREMENT_NAME, *written]


def _write_pictures(folder: Path, measurement: Measurement, clip: Clip, outputs: Outputs) -> list[str]:
    written: list[str] = []
    clip = hide_outside_sector(clip)
    # The encoder works in C while matplotlib works in Python.
    with ThreadPoolExecutor(1) as beside:
        film = None
        if outputs.video:
            from lvef.report.overlay import write_overlay

            film = beside.submit(write_overlay, folder / OVERLAY_NAME, clip, measurement)
        if outputs.summary:
            from lvef.report.summary import write_summary

            if write_summary(folder / SUMMARY_NAME, clip, measurement):
                written.append(SUMMARY_NAME)
        if film is not None and film.result():
            written.append(OVERLAY_NAME)
    return written
