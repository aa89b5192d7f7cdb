"""Reading the truth of a synthetic dataset: beats, curves, masks, parameters.

Layout: ``FileList.csv`` and ``Videos/NAME.avi`` as in EchoNet-Dynamic; ``Beats.csv``, one true beat a row;
``Curves/NAME.csv`` with ``frame, time_s, volume_ml, plane_volume_ml``; ``Masks/NAME.nii.gz`` with the scale in its header;
``Parameters.jsonl``, one object a clip, which may be missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import FloatArray, PixelSpacing
from lvef.core.serialization import parse_json
from lvef.datasets.echonet_list import LIST
from lvef.datasets.files import CsvRow, CsvTable, read_csv_table
from lvef.io.nifti import read_nifti
from lvef.stores.synthetic_files import BEATS, CURVES, MASKS, PARAMETERS, VIDEOS
from lvef.synthesis.truth import TrueBeat

CURVE_COLUMNS = ("time_s", "volume_ml", "plane_volume_ml")
"""Columns that are read from a curve."""

BEAT_NUMBERS = ("ed_time_s", "es_time_s", "end_time_s", "ef_percent", "plane_ef_percent")
"""Columns of ``Beats.csv`` that hold numbers, named as the fields of `TrueBeat`."""

BEAT_FRAMES = ("ed_frame", "es_frame")
"""Columns of ``Beats.csv`` that hold whole numbers."""

EF_TOLERANCE = 0.5
"""EF points by which a beat may differ from its curve. More means a row of another clip; rounding accounts for less than
0.1."""

_REMEDY = "generate the dataset again"


@dataclass(frozen=True, slots=True)
class TrueClip:
    """One clip of a synthetic dataset.

    Attributes:
        folder: The dataset.
        name: The clip's name without suffix.
        beats: Complete beats, in order of time.
        rhythm: Kind of rhythm; empty where it is not known.
        parameters: Settings it was generated with; empty where they are not known.
        error: Why it cannot be evaluated, in one sentence; or empty.
    """

    folder: Path
    name: str
    beats: tuple[TrueBeat, ...] = ()
    rhythm: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def video(self) -> Path:
        """The clip itself."""
        return self.folder / VIDEOS / f"{self.name}.avi"

    @property
    def mask(self) -> Path:
        """Its true labels."""
        return self.folder / MASKS / f"{self.name}.nii.gz"

    @property
    def curve(self) -> Path:
        """Its true volumes."""
        return self.folder / CURVES / f"{self.name}.csv"


@dataclass(frozen=True, slots=True)
class TrueCurve:
    """True volumes of a clip's frames.

    Attributes:
        times_s: ``(n,)`` from the first frame.
        volume_ml: ``(n,)`` of the body in space.
        plane_volume_ml: ``(n,)`` disks on the true contour.
    """

    times_s: FloatArray
    volume_ml: FloatArray
    plane_volume_ml: FloatArray


@dataclass(frozen=True, slots=True)
class TrueMask:
    """True labels of a clip's frames: ``(n, h, w)`` uint8, and millimetres per pixel."""

    labels: NDArray[np.uint8]
    spacing: PixelSpacing


def read_dataset(folder: Path) -> tuple[TrueClip, ...]:
    """Every clip of ``FileList.csv``, in its order.

    Args:
        folder: The dataset.

    Returns:
        At least one clip. One whose rows cannot be used has an ``error``.

    Raises:
        DataError: The folder or one of its tables is missing or cannot be used at all.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; a dataset made by lvef synthesize was expected.")
    for name in (LIST, BEATS):
        if not (folder / name).is_file():
            raise DataError(
                f"{folder}: has no {name}, which every dataset made by lvef synthesize has; without known truth it cannot "
                "be evaluated this way."
            )
    table = _table(folder / LIST, ("FileName",))
    beats = _table(folder / BEATS, ("FileName", *BEAT_NUMBERS, *BEAT_FRAMES, "kind", "rhythm"))
    rows: dict[str, list[CsvRow]] = {}
    for row in beats.rows:
        rows.setdefault(row.cells["FileName"], []).append(row)
    parameters = _read_parameters(folder / PARAMETERS)
    names = dict.fromkeys(row.cells["FileName"] for row in table.rows)
    if not names:
        raise DataError(f"{folder / LIST}: names no clip; {_REMEDY}.")
    return tuple(_clip(folder, name, rows.get(name, []), parameters.get(name, {})) for name in names)


def read_curve(path: Path) -> TrueCurve:
    """Read the true volumes of a clip.

    Raises:
        DataError: The file is missing, lacks a column, or is no volume-time curve.
    """
    table = _table(path, CURVE_COLUMNS)
    try:
        values = np.array([[float(row.cells[c]) for c in CURVE_COLUMNS] for row in table.rows]).reshape(-1, 3)
    except ValueError:
        raise DataError(f"{path}: has text where numbers were expected; {_REMEDY}.") from None
    times = values[:, 0]
    if not (
        len(values) and np.isfinite(values).all() and (np.diff(times) > 0).all() and values[:, 1:].min() > 0
    ):
        raise DataError(
            f"{path}: is no curve: rising times and volumes above 0 were expected on every frame; {_REMEDY}."
        )
    return TrueCurve(times, values[:, 1], values[:, 2])


def read_mask(path: Path, n_frames: int) -> TrueMask:
    """Read the true labels of a clip.

    Args:
        path: The file.
        n_frames: Frames that it must have.

    Raises:
        DataError: The file is missing, damaged, without scale, or of another length.
    """
    if not path.is_file():
        raise DataError(f"{path}: is missing; {_REMEDY}.")
    found = read_nifti(path)
    if found.spacing_mm is None:
        raise DataError(f"{path}: has no millimetres per pixel in its header; {_REMEDY}.")
    if len(found.values) != n_frames:
        raise DataError(f"{path}: has {len(found.values)} frames, its curve has {n_frames}; {_REMEDY}.")
    return TrueMask(found.values.astype(np.uint8), PixelSpacing(*found.spacing_mm, "mask"))


def check_beats(clip: TrueClip, curve: TrueCurve) -> None:
    """Check that beats and curve belong to the same clip.

    Raises:
        DataError: A beat lies outside the curve, or its EF in the plane is not that of the curve.
    """
    plane, n = curve.plane_volume_ml, len(curve.times_s)
    for beat in clip.beats:
        inside = max(beat.ed_frame, beat.es_frame) < n and beat.end_time_s <= curve.times_s[-1] + 1e-3
        ef = 100 * (1 - plane[beat.es_frame] / plane[beat.ed_frame]) if inside else math.inf
        if abs(ef - beat.plane_ef_percent) > EF_TOLERANCE:
            raise DataError(
                f"{clip.folder / BEATS}: the beat of {clip.name} at {beat.ed_time_s:.2f} s does not fit its curve in "
                f"{clip.curve.name}; {_REMEDY}."
            )


def _table(path: Path, columns: Sequence[str]) -> CsvTable:
    table = read_csv_table(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: has no column {', '.join(missing)} but {', '.join(table.columns)[:200]}; {_REMEDY}."
        )
    return table


def _clip(folder: Path, name: str, rows: Sequence[CsvRow], parameters: Mapping[str, Any]) -> TrueClip:
    if not name or name != Path(name).name or "\\" in name:
        error = f"{folder / LIST}: {name!r} is not the name of a clip; {_REMEDY}."
        return TrueClip(folder, name, error=error)
    beats = []
    for row in rows:
        try:
            values: dict[str, Any] = {column: float(row.cells[column]) for column in BEAT_NUMBERS}
            values |= {column: int(row.cells[column]) for column in BEAT_FRAMES}
            beat = TrueBeat(**values, kind=row.cells["kind"])
        except ValueError:
            beat = None
        if beat is None or not _is_valid(beat):
            error = f"{folder / BEATS}: line {row.line} is no beat of {name}; {_REMEDY}."
            return TrueClip(folder, name, parameters=parameters, error=error)
        beats.append(beat)
    rhythm = rows[0].cells["rhythm"] if rows else ""
    return TrueClip(folder, name, tuple(sorted(beats, key=lambda beat: beat.ed_time_s)), rhythm, parameters)


def _is_valid(beat: TrueBeat) -> bool:
    is_ordered = 0 <= beat.ed_time_s < beat.es_time_s < beat.end_time_s < math.inf
    is_known = math.isfinite(beat.ef_percent) and math.isfinite(beat.plane_ef_percent)
    return is_ordered and is_known and min(beat.ed_frame, beat.es_frame) >= 0


def _read_parameters(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters by clip; a line that cannot be read, and a missing file, are ignored."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    parameters: dict[str, dict[str, Any]] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            values = parse_json(line)
            parameters[values["FileName"]] = values
    return parameters
