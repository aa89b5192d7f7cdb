"""Images to compare, all alike: real stills, synthetic clips in memory, and synthetic collections on disk."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import DataError
from lvef.core.records import FrameArray, PixelSpacing
from lvef.core.terms import Phase, Structure, View
from lvef.datasets.camus import CamusStill
from lvef.io.nifti import read_nifti
from lvef.io.video import read_video
from lvef.synthesis.truth import SyntheticClip
from studies.appearance.measures import (
    LabelledImage,
    frame_correlation,
    measure_image,
    to_square,
)

REAL, PHANTOM, ANIMATED = "real", "phantom", "animated still"
"""Kinds of images, in the order of tables."""

CINE_FRAMES = 40
"""Frames of a cine, from its ED on, over which consecutive frames are correlated: a beat or nearly so."""

SQUARE_TOLERANCE = 0.02
"""Pixels count as square when their sides differ by less than this part."""

NAME_KEYS = ("FileName", "name", "file_name")
"""Keys under which a line of ``Parameters.jsonl`` may name its clip."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and its measures.

    Attributes:
        kind: `REAL`, `PHANTOM` or `ANIMATED`.
        name: Still or clip.
        patient: Two images of one patient are never on both sides of a cross-validation.
        phase: ED or ES.
        image: Brought to the common square.
        measures: By name, from `studies.appearance.measures`.
    """

    kind: str
    name: str
    patient: str
    phase: Phase
    image: LabelledImage
    measures: dict[str, float] = field(repr=False)


def sample_of_still(still: CamusStill, size: int | None) -> Sample:
    """A real still.

    Args:
        still: With a scale.
        size: Side of the common square in pixels, or None to measure it as it is.

    Raises:
        DataError: It has no scale, or its pixels are not square.
    """
    name = f"{still.patient} {still.view}"
    image = LabelledImage(still.image, still.mask, _scale(still.spacing, name))
    if size is not None:
        image = to_square(image, size)
    return Sample(REAL, name, still.patient, still.phase, image, measure_image(image))


def samples_of_clip(kind: str, synthetic: SyntheticClip, size: int) -> list[Sample]:
    """ED and ES of the representative beat of a clip in memory.

    Args:
        kind: `PHANTOM` or `ANIMATED`.
        synthetic: From a generator.
        size: Side of the common square in pixels.

    Raises:
        DataError: The clip has no scale or shows no complete beat.
    """
    clip = synthetic.clip
    if not synthetic.beats:
        raise DataError(f"{clip.source}: shows no complete beat, so it has no ED and ES to compare.")
    beat = synthetic.representative
    patient = str(synthetic.parameters.get("patient") or clip.source)
    mm = _scale(clip.scale, clip.source)
    return _cine_samples(
        kind, clip.source, patient, clip.frames, synthetic.labels, mm, (beat.ed_frame, beat.es_frame), size
    )


def read_collection(kind: str, folder: Path, size: int, limit: int | None = None) -> Iterator[Sample]:
    """Samples of a collection as `lvef synthesize` writes it; views other than A4C are left out.

    Args:
        kind: `PHANTOM` or `ANIMATED`.
        folder: Holds ``Videos``, ``Masks`` and ``VolumeTracings.csv``.
        size: Side of the common square in pixels.
        limit: Most clips, the first by name.

    Raises:
        DataError: The folder is no such collection, or a file of it cannot be used.
    """
    frames = _traced_frames(folder / "VolumeTracings.csv")
    parameters = _parameters(folder / "Parameters.jsonl")
    names = [name for name in sorted(frames) if parameters.get(name, {}).get("view", View.A4C) == View.A4C]
    for name in names[:limit]:
        video, mask = folder / "Videos" / f"{name}.avi", folder / "Masks" / f"{name}.nii.gz"
        for path in (video, mask):
            if not path.is_file():
                raise DataError(
                    f"{path}: is missing, though VolumeTracings.csv names the clip; make the collection again."
                )
        images, masks = read_video(video).frames, read_nifti(mask)
        labels = np.asarray(masks.values, dtype=np.uint8)
        if labels.shape != images.shape:
            raise DataError(
                f"{mask}: holds masks {labels.shape}, its video frames {images.shape}; make the collection again."
            )
        spacing = None if masks.spacing_mm is None else PixelSpacing(*masks.spacing_mm, "header")
        patient = str(parameters.get(name, {}).get("patient") or name)
        traced = sorted(frames[name])
        if len(traced) != 2 or traced[-1] >= len(labels):
            raise DataError(
                f"{folder}: VolumeTracings.csv has frames {traced} of {name}; two within the clip were expected."
            )
        # As everywhere: which is ED is decided by size, not by order.
        ed, es = sorted(traced, key=lambda f: -int((labels[f] == Structure.LV).sum()))
        yield from _cine_samples(
            kind, name, patient, images, labels, _scale(spacing, str(mask)), (ed, es), size
        )


def _cine_samples(
    kind: str,
    name: str,
    patient: str,
    frames: FrameArray,
    labels: FrameArray,
    spacing_mm: float,
    ed_es: tuple[int, int],
    size: int,
) -> list[Sample]:
    start = min(ed_es[0], max(0, len(frames) - CINE_FRAMES))
    cine = [
        to_square(LabelledImage(frames[f], labels[f], spacing_mm), size)
        for f in range(start, min(start + CINE_FRAMES, len(frames)))
    ]
    moves = frame_correlation(
        np.stack([p.grey for p in cine]), np.stack([p.labels for p in cine]), cine[0].spacing_mm
    )
    found = []
    for phase, frame in zip(Phase, ed_es, strict=True):
        image = to_square(LabelledImage(frames[frame], labels[frame], spacing_mm), size)
        found.append(Sample(kind, name, patient, phase, image, measure_image(image) | moves))
    return found


def _scale(spacing: PixelSpacing | None, name: str) -> float:
    if spacing is None:
        raise DataError(f"{name}: has no scale; lengths in millimetres need one.")
    if abs(spacing.x_mm / spacing.y_mm - 1) > SQUARE_TOLERANCE:
        raise DataError(
            f"{name}: pixels are {spacing.x_mm:g} x {spacing.y_mm:g} mm; square ones were expected, resample it first."
        )
    return (spacing.x_mm + spacing.y_mm) / 2


def _traced_frames(path: Path) -> dict[str, set[int]]:
    """Traced frames by name of the clip."""
    found: dict[str, set[int]] = {}
    try:
        for row in csv.DictReader(io.StringIO(_text(path), newline="")):
            name = str(row["FileName"]).removesuffix(".avi")
            found.setdefault(name, set()).add(int(float(row["Frame"])))
    except (KeyError, ValueError, TypeError, csv.Error):
        raise DataError(
            f"{path}: is no table of tracings; columns FileName and Frame with whole numbers were expected."
        ) from None
    if not found:
        raise DataError(f"{path}: names no clip; make the collection again.")
    return found


def _parameters(path: Path) -> dict[str, dict[str, Any]]:
    """Parameters of each clip, by name; empty where the file is not there."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        try:
            row = json.loads(line)
            inner = row.get("parameters")
            parameters = (inner if isinstance(inner, dict) else {}) | row
            found[str(next(row[k] for k in NAME_KEYS if k in row)).removesuffix(".avi")] = parameters
        except (ValueError, AttributeError, StopIteration):
            raise DataError(
                f"{path}, line {number}: is no JSON object with the clip's name; make the collection again."
            ) from None
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DataError(
            f"{path}: cannot be read; a folder from lvef synthesize was expected, with Videos, Masks and VolumeTracings.csv."
        ) from None
