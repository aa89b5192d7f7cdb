"""ED and ES frames with their 21 lines, for keypoint networks: from tables of tracings, or from masks.

::

    OUT/
      traces.json               what it is, made with which settings
      index.parquet             a row a traced frame: files, volume, labels, and the lines once more as 84 numbers
      left_out.csv              items that are not in it, with the reason
      frames/ITEM_ED.png        the grey square
      lines/ITEM_ED.csv         its 21 lines in pixels of the square
      finished.jsonl            the journal that a stopped preparation goes on from
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import Clip, FloatArray, aspect_of
from lvef.core.terms import Phase
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.atomic import write_bytes_atomic, write_text_atomic
from lvef.io.images import read_labels
from lvef.stores.parallel import Failure, reason_of
from lvef.stores.recipes import Crop, check_size, open_source, placed, spacing_of
from lvef.stores.sources import Source
from lvef.transforms.frames import Placement, fit
from lvef.transforms.two_stream import SIDE_PX
from lvef.transforms.volume_tracing import (
    N_LINES,
    TracedFrame,
    checked_frame,
    ed_and_es,
    level_error,
    lines_csv,
    traced_frame,
    volume_of_lines,
)

FRAMES_FOLDER, LINES_FOLDER = "frames", "lines"
"""Folders of the pictures and of the tables of lines."""

LONGEST_STEM = 80
"""Letters of an item's name that go into a file name."""


@dataclass(frozen=True, slots=True)
class TraceRecipe:
    """How traced frames are prepared."""

    size: int = SIDE_PX
    """Side of the square in pixels."""
    crop: Crop = Crop.WHOLE
    """Part of the picture that goes into the square: whole, or the ultrasound fan alone."""

    kind = "volume-traces"

    def __post_init__(self) -> None:
        check_size(self.size)

    def settings(self) -> dict[str, Any]:
        """Whatever the files depend on."""
        return {"kind": self.kind, "size": self.size, "crop": str(self.crop)}


@dataclass(frozen=True, slots=True)
class TraceJob:
    """One item to prepare.

    Attributes:
        source: The item.
        stem: Its name in file names.
        tracings: Raw lines by frame, pixels of the picture; empty where the mask is to be traced.
        recipe: How.
        out: Folder of the outputs.
    """

    source: Source
    stem: str
    tracings: Mapping[int, FloatArray]
    recipe: TraceRecipe
    out: Path


def prepare_traces(job: TraceJob) -> list[dict[str, Any]] | Failure:
    """Write the traced frames of one item.

    Returns:
        A row of the index for each; a failure is returned, not raised.
    """
    try:
        return _prepare(job)
    except Exception as error:  # noqa: BLE001  one item must not cost the others
        reason = reason_of(error, job.source.item)
        if isinstance(error, GeometryError):
            reason = f"{job.source.item}: {reason}"
        return Failure(job.source.item, reason)


def file_stems(items: Sequence[str]) -> dict[str, str]:
    """A name for each item that can stand in file names of any system, none of them twice.

    Example:
        >>> file_stems(["a/b", "a_b", "A_B"])
        {'a/b': 'a_b', 'a_b': 'a_b-2', 'A_B': 'A_B-3'}
    """
    stems: dict[str, str] = {}
    used: dict[str, int] = {}
    for item in items:
        stem = re.sub(r"[^\w.-]", "_", item)[:LONGEST_STEM].strip(".") or "item"
        times = used[stem.casefold()] = used.get(stem.casefold(), 0) + 1
        stems[item] = stem if times == 1 else f"{stem}-{times}"
    return stems


def _prepare(job: TraceJob) -> list[dict[str, Any]]:
    source, recipe = job.source, job.recipe
    clip, placement = placed(open_source(source), source, recipe.size, recipe.crop)
    by_phase = _from_table(job, clip, placement) if job.tracings else _from_masks(source, clip, placement)
    rows = []
    for phase, traced in by_phase.items():
        _check_inside(traced, recipe.size, source.item)
        square = fit(clip.frames[traced.frame : traced.frame + 1], placement, recipe.size)[0]
        picture, lines = (
            f"{FRAMES_FOLDER}/{job.stem}_{phase}.png",
            f"{LINES_FOLDER}/{job.stem}_{phase}.csv",
        )
        _, png = cv2.imencode(".png", square)
        write_bytes_atomic(job.out / picture, png.tobytes())
        write_text_atomic(job.out / lines, lines_csv(traced.lines))
        rows.append(
            {
                "phase": str(phase),
                "frame": traced.frame,
                "picture": picture,
                "lines": lines,
                "n_traced_lines": traced.n_lines,
                "traced_by": "table" if job.tracings else "mask",
                "volume_px3": traced.volume_px3,
                "level_error": level_error(traced.lines),
                "lines_px": [round(float(value), 3) for value in traced.lines.ravel()],
                "notices": ";".join(notice.code for notice in clip.notices) or None,
            }
        )
    return rows


def _from_table(job: TraceJob, clip: Clip, placement: Placement) -> dict[Phase, TracedFrame]:
    """ED and ES of a clip by volume; ordered after scaling, in square pixels."""
    found = []
    for frame, lines in job.tracings.items():
        checked_frame(frame, len(clip.frames))
        try:
            found.append(traced_frame(frame, placement.to_network(lines)))
        except GeometryError as error:
            raise GeometryError(f"Frame {frame}: {error}") from None
    ed, es = ed_and_es(found)
    return {Phase.ED: ed, Phase.ES: es}


def _from_masks(source: Source, clip: Clip, placement: Placement) -> dict[Phase, TracedFrame]:
    """The traced frame of a still in the phase it is labelled with; ED and ES of a clip by volume."""
    assert source.mask_path is not None
    if not source.mask_path.is_file():
        raise DataError(f"{source.mask_path} does not exist: unpack the collection again.")
    masks = read_labels(source.mask_path)
    if masks.shape != clip.frames.shape:
        raise DataError(
            f"{source.mask_path}: the mask is {masks.shape} (frames, height, width), its picture {clip.frames.shape}; "
            "unpack the collection again."
        )
    spacing = spacing_of(clip, source)
    aspect = aspect_of(spacing)

    def traced(frame: int) -> TracedFrame:
        lines = placement.to_network(volume_tracing_of_mask(masks[frame], aspect=aspect))
        return TracedFrame(frame, lines, volume_of_lines(lines), N_LINES)

    if source.kind == "still":
        if source.phase is None:
            raise GeometryError("The still has a mask but no phase; ED or ES is needed.")
        return {Phase(source.phase): traced(0)}
    told = (source.ed_frame, source.es_frame)
    frames = range(len(masks)) if None in told else [checked_frame(int(f or 0), len(masks)) for f in told]
    ed, es = ed_and_es([traced(frame) for frame in frames])
    return {Phase.ED: ed, Phase.ES: es}


def _check_inside(traced: TracedFrame, size: int, item: str) -> None:
    """Lines far outside of the picture belong to another picture, or to one of another size.

    Raises:
        GeometryError: They lie so.
    """
    low, high = float(traced.lines.min()), float(traced.lines.max())
    if low < -0.1 * size or high > 1.1 * size:
        raise GeometryError(
            f"The lines of frame {traced.frame} reach from {low:.0f} to {high:.0f} px of a square of {size} px: they are "
            "not of this picture, or of one of another size."
        )
