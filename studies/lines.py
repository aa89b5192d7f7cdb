"""What the 21 lines lose: expert masks -> lines -> masks -> lines, with the error of every step.

Run it as ``python -m studies.lines --data CAMUS``. No model is used, so all patients are included.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError, run_main
from lvef.core.records import Box, FloatArray, Tracing, aspect_of
from lvef.core.terms import Structure, View
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.evaluation.metrics import dice_score
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import N_DISKS, trace_labels
from lvef.geometry.volume_tracing import (
    end_distances,
    mask_of_volume_tracing,
    tracing_of_volume_tracing,
    volume_tracing_along_axis,
    volume_tracing_of_mask,
)
from lvef.transforms.frames import place

SQUARE_PX = 112
"""Side of the square in which lines are prepared for keypoint networks."""

STEPS = {
    "disks counted in pixels": "volume, % of the mask's disks",
    "lines": "volume, % of the mask's disks",
    "lines in the 112 px square": "volume, % of the mask's disks",
    "lines -> mask": "overlap with the mask, Dice",
    "lines -> mask -> lines, axis known": "volume, % of the lines'",
    "lines -> mask -> lines, axis known: ends": "pixels",
    "lines -> mask -> lines, mask alone": "volume, % of the lines'",
    "lines -> mask -> lines, mask alone: ends": "pixels",
    "once more, mask alone": "volume, % of the lines'",
    "once more, mask alone: ends": "pixels",
}
"""Each step of the way, and the unit of its error."""


def errors_of_mask(labels: NDArray[np.uint8], aspect: float = 1.0) -> dict[str, float]:
    """Error of each of `STEPS` on one expert mask.

    Args:
        labels: ``(h, w)`` with the values of `lvef.core.terms.Structure`.
        aspect: Pixel height over pixel width.

    Raises:
        GeometryError: The mask, or one drawn from its lines, cannot be traced.
    """
    tracing = trace_labels(labels, aspect=aspect)
    cavity = labels == Structure.LV
    volume = _volume(tracing, aspect)
    lines = volume_tracing_of_mask(labels, aspect=aspect)
    height, width = labels.shape
    placement = place(Box(0, 0, width, height), SQUARE_PX)
    small = placement.to_image(np.round(placement.to_network(lines), 2))
    drawn = mask_of_volume_tracing(lines, labels.shape)
    along = volume_tracing_along_axis(drawn, lines, aspect=aspect)
    alone = volume_tracing_of_mask(drawn, aspect=aspect)
    again = volume_tracing_of_mask(mask_of_volume_tracing(alone, labels.shape), aspect=aspect)
    values = (
        _percent(counted_disks(cavity, tracing, aspect), volume),
        _percent(_volume_of(lines, aspect), volume),
        _percent(_volume_of(small, aspect), volume),
        dice_score(drawn == 1, cavity),
        _percent(_volume_of(along, aspect), _volume_of(lines, aspect)),
        float(end_distances(lines, along).mean()),
        _percent(_volume_of(alone, aspect), _volume_of(lines, aspect)),
        float(end_distances(lines, alone).mean()),
        _percent(_volume_of(again, aspect), _volume_of(alone, aspect)),
        float(end_distances(alone, again).mean()),
    )
    return dict(zip(STEPS, values, strict=True))


def counted_disks(cavity: NDArray[np.bool_], tracing: Tracing, aspect: float = 1.0) -> float:
    """Volume by the method of disks with each disk's diameter counted in pixels: a second opinion without any contour.

    Args:
        cavity: ``(h, w)``.
        tracing: Only its long axis is used.
        aspect: Pixel height over pixel width.

    Returns:
        Cubic pixels (pixel widths).
    """
    metric = np.array([1.0, aspect])
    axis = (tracing.base - tracing.apex) * metric
    length = float(np.hypot(*axis))
    y, x = np.nonzero(cavity)
    along = ((np.stack([x, y], axis=1) - tracing.apex) * metric) @ (axis / length)
    # What sticks out beyond apex and base belongs to no disk, as in the chords.
    disk = np.floor(along / length * N_DISKS).astype(int)
    pixels = np.bincount(disk[(disk >= 0) & (disk < N_DISKS)], minlength=N_DISKS)
    diameters = pixels * aspect / (length / N_DISKS)
    return float(np.pi / 4 * np.sum(diameters**2) * length / N_DISKS)


def table(rows: Sequence[dict[str, float]]) -> str:
    """Mean, mean size, 95th percentile and worst of each step's error, as a Markdown table.

    Args:
        rows: From `errors_of_mask`, at least one.
    """
    out = [
        "| step | error in | mean | mean size | 95 % within | worst |",
        "|---|---|---|---|---|---|",
    ]
    for step, unit in STEPS.items():
        values = np.array([row[step] for row in rows])
        if unit.endswith("Dice"):
            spread = (values.mean(), np.percentile(values, 5), values.min())
            out.append(f"| {step} | {unit} | {spread[0]:.4f} |  | {spread[1]:.4f} | {spread[2]:.4f} |")
            continue
        size = np.abs(values)
        out.append(
            f"| {step} | {unit} | {values.mean():+.3f} | {size.mean():.3f} | {np.percentile(size, 95):.3f} | "
            f"{size.max():.3f} |"
        )
    return "\n".join(out)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument(
        "--split", choices=("training", "validation"), help="only these patients  [default: both]"
    )
    args = parser.parse_args(argv)
    splits = (args.split,) if args.split else ("training", "validation")
    rows: dict[View, list[dict[str, float]]] = {View.A4C: [], View.A2C: []}
    failed: list[str] = []
    for split in splits:
        for still in read_stills(args.data, read_split(args.data, split)):
            try:
                rows[still.view].append(errors_of_mask(still.mask, _aspect(still)))
            except GeometryError as error:
                failed.append(f"{still.patient} {still.view} {still.phase}: {error}")
    for view, found in rows.items():
        if found:
            print(f"{view}: {len(found)} expert masks\n\n{table(found)}\n")  # noqa: T201
    print("\n".join([f"{len(failed)} masks could not be taken all the way", *failed]))  # noqa: T201


def _aspect(still: CamusStill) -> float:
    return aspect_of(still.spacing)


def _volume(tracing: Tracing, aspect: float) -> float:
    """Cubic pixel widths, whatever the shape of the pixels."""
    metric = np.array([1.0, aspect])
    return volume_of_tracing(
        Tracing(
            tracing.contour * metric,
            tracing.apex * metric,
            tracing.base * metric,
            tracing.mitral * metric,
            tracing.chords * metric,
        )
    )


def _volume_of(lines: FloatArray, aspect: float) -> float:
    return _volume(tracing_of_volume_tracing(lines), aspect)


def _percent(value: float, reference: float) -> float:
    return 100.0 * (value / reference - 1.0)


if __name__ == "__main__":
    run_main(main)
