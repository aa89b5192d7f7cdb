"""Walls of phantoms beside walls of patients: contrast with the blood, profiles, thickness and area.

Run it as ``python -m studies.walls --data CAMUS --phantoms FOLDER --out OUT``; the folder is a dataset of phantoms
(``--phantoms`` again for each further one). Patients are the A4C stills of CAMUS's training patients with experts' masks,
padded and scaled as cines of 112 x 112 are; of a phantom, ED and ES of its first beat. No model takes part. OUT gets
``walls.md``, ``walls.csv`` and ``walls.png``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

from lvef.core.errors import DataError, GeometryError, run_main
from lvef.core.records import BoolArray, FloatArray, PixelSpacing, Tracing
from lvef.core.serialization import csv_text
from lvef.core.terms import Phase, Structure, View
from lvef.datasets.camus import read_split, read_stills
from lvef.evaluation.plots.style import BLUE, NORMAL, ORANGE, VERMILION, label_axes, new_figure, to_png
from lvef.evaluation.synthetic.truth import read_dataset, read_mask
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import axis_length, volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
from lvef.io.open import open_clip
from lvef.report.style import INK
from studies.appearance.edges import DISTANCES_MM, SIDES, fit_step, normals, values_at
from studies.appearance.measures import LabelledImage, sector_region, to_square
from studies.appearance.texture import erode

BAND_MM = 3.0
"""Inner part of the wall that is compared with the blood."""

DEEP_MM = (4.0, 8.0)
"""Part of the wall that is compared too."""

BLOOD_MARGIN_MM = 3.0
"""Blood is measured so far from the border."""

DARK = 0.3
"""A normal is dark where the inner part of its wall is less than this share of the way from blood to `BRIGHT`."""

BRIGHT = 85
"""Percentile of the wall's grey levels that stands for the visible wall."""

SIZE_PX = 112
"""Side of the square at which images are compared."""

MIN_NORMALS = 8
"""A side with fewer normals inside the sector is not measured."""

PATIENTS = "patients"
"""Label of the real stills."""

COLOURS = (ORANGE, VERMILION)
"""Datasets of phantoms, in their order."""

Values: TypeAlias = dict[str, float]
Profiles: TypeAlias = dict[tuple[str, Phase], FloatArray]


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.walls",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument(
        "--phantoms", type=Path, action="append", required=True, help="dataset of phantoms; repeatable"
    )
    parser.add_argument("--clips", type=int, help="most clips of each dataset")
    parser.add_argument("--out", type=Path, required=True, help="folder for table and figure")
    args = parser.parse_args(argv)
    found = {PATIENTS: patients(args.data)}
    for folder in args.phantoms:
        found[folder.name] = phantoms(folder, args.clips)
    heads, rows = table({kind: [values for values, _ in cases] for kind, cases in found.items()})
    text = "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *rows))
    make_folder(args.out)
    write_text_atomic(args.out / "walls.md", text)
    names = list(dict.fromkeys(name for cases in found.values() for values, _ in cases for name in values))
    lines = [
        (kind, number, *(f"{values.get(name, np.nan):.5g}" for name in names))
        for kind, cases in found.items()
        for number, (values, _) in enumerate(cases)
    ]
    write_text_atomic(args.out / "walls.csv", csv_text(("kind", "case", *names), lines))
    curves = {kind: [profiles for _, profiles in cases] for kind, cases in found.items()}
    write_bytes_atomic(args.out / "walls.png", profiles_png(curves))
    print(text)  # noqa: T201


def patients(root: Path) -> list[tuple[Values, Profiles]]:
    """Measures of every training patient with both stills."""
    pairs: dict[str, dict[Phase, LabelledImage]] = {}
    for still in read_stills(root, read_split(root, "training")):
        if still.view is View.A4C and still.spacing is not None:
            image = LabelledImage(still.image, still.mask, still.spacing.x_mm)
            pairs.setdefault(still.patient, {})[still.phase] = to_square(image, SIZE_PX)
    return [measured for pair in pairs.values() if len(pair) == len(Phase) and (measured := _measured(pair))]


def phantoms(folder: Path, limit: int | None = None) -> list[tuple[Values, Profiles]]:
    """Measures of the phantoms of a dataset."""
    found = []
    for true in read_dataset(folder)[:limit]:
        if not true.beats or true.error:
            continue
        frames, beat = open_clip(true.video).frames, true.beats[0]
        mask = read_mask(true.mask, len(frames))
        pair = {
            phase: LabelledImage(_grey(frames[at]), mask.labels[at], mask.spacing.x_mm)
            for phase, at in ((Phase.ED, beat.ed_frame), (Phase.ES, beat.es_frame))
        }
        if measured := _measured(pair):
            found.append(measured)
    if not found:
        raise DataError(f"{folder}: has no clip with a complete beat; more or longer clips were expected.")
    return found


def measure_pair(pair: Mapping[Phase, LabelledImage]) -> tuple[Values, Profiles]:
    """All measures of ED and ES of one ventricle; NaN where one is not defined.

    Args:
        pair: Of both phases.

    Returns:
        Values by name, and by side and phase the profile: share of the way from blood to bright wall at `DISTANCES_MM`.

    Raises:
        GeometryError: A ventricle cannot be traced.
    """
    values: Values = {}
    found: Profiles = {}
    sizes: dict[Phase, Values] = {}
    for phase, image in pair.items():
        tracing = trace_labels(image.labels)
        sizes[phase] = _sizes(image, tracing)
        grey = _contrast(image)
        for side, curve in grey[1].items():
            found[side, phase] = curve
        values |= {f"{name}, {phase}": value for name, value in grey[0].items()}
        length = sizes[phase]["length"]
        values[f"width / length, {phase}"] = sizes[phase]["width"] / length
        values |= {f"thickness {side} mm, {phase}": sizes[phase][side] for side in SIDES}
    ed, es = sizes[Phase.ED], sizes[Phase.ES]
    values |= {f"ES / ED {name}": es[name] / ed[name] for name in ed if name != "volume"}
    values["EF %"] = float(ejection_fraction(ed["volume"], es["volume"]))
    return values, found


def _contrast(image: LabelledImage) -> tuple[Values, dict[str, FloatArray]]:
    """Grey levels of the wall against the blood, and profiles by side."""
    grey, labels, mm = image.grey, image.labels, image.spacing_mm
    seen = sector_region(image)
    blood = grey[erode(labels == Structure.LV, mm, BLOOD_MARGIN_MM)]
    wall = grey[(labels == Structure.MYOCARDIUM) & seen]
    values: Values = {}
    curves: dict[str, FloatArray] = {}
    if len(blood) < MIN_NORMALS or len(wall) < MIN_NORMALS:
        return values, curves
    low, middle, high = np.percentile(blood, (16, 50, 84))
    spread, bright = max((high - low) / 2, 1.0), float(np.percentile(wall, BRIGHT)) - middle
    values |= {"blood": float(middle), "spread of blood": float(spread), "bright wall less blood": bright}
    inner = (DISTANCES_MM > 0) & (DISTANCES_MM <= BAND_MM)
    deep = np.abs(DISTANCES_MM - np.mean(DEEP_MM)) <= np.ptp(DEEP_MM) / 2
    for side, rays in normals(labels, mm).items():
        h, w = grey.shape
        on = np.clip(np.round(rays[:, inner]).astype(int), 0, [w - 1, h - 1])
        rays = rays[seen[on[..., 1], on[..., 0]].all(axis=1)]
        if len(rays) < MIN_NORMALS:
            continue
        levels = values_at(grey, rays, cv2.INTER_LINEAR) - middle
        band = levels[:, inner]
        values[f"contrast {side} / spread"] = float(np.median(band)) / spread
        if bright > 0:
            curves[side] = levels.mean(axis=0) / bright
            values[f"contrast {side} / bright"] = float(np.median(band)) / bright
            values[f"deep contrast {side} / bright"] = float(np.median(levels[:, deep])) / bright
            values[f"dark normals {side} %"] = 100 * float((band.mean(axis=1) < DARK * bright).mean())
        step = fit_step(levels.mean(axis=0))
        values[f"step {side} at mm"] = step.offset_mm if step.height > spread else np.nan
    return values, curves


def _sizes(image: LabelledImage, tracing: Tracing) -> Values:
    """Sizes in mm, mm2 and mm3, and the median thickness of the wall by side."""
    labels, mm = image.labels, image.spacing_mm
    cavity, wall = labels == Structure.LV, labels == Structure.MYOCARDIUM
    chords = tracing.chords[:, 1] - tracing.chords[:, 0]
    found = {
        "length": axis_length(tracing) * mm,
        "width": float(np.hypot(*chords.T).max()) * mm,
        "volume": float(volume_of_tracing(tracing, PixelSpacing(mm, mm, "labels"))),
        "cavity area": float(cavity.sum()) * mm**2,
        "wall area": float(wall.sum()) * mm**2,
        "cavity and wall area": float((cavity | wall).sum()) * mm**2,
    }
    to_outside = _inside_mm(cavity | wall, mm)
    at_border = int(np.argmin(np.abs(DISTANCES_MM)))
    rays = normals(labels, mm)
    for side in SIDES:
        points = rays[side][:, at_border] if side in rays else np.zeros((0, 2))
        depth = values_at(to_outside, points, cv2.INTER_LINEAR) if len(points) >= MIN_NORMALS else [np.nan]
        found[side] = float(np.median(depth))
    return found


def _inside_mm(mask: BoolArray, mm: float) -> FloatArray:
    """Distance of each pixel of a mask from its border, mm; the border lies half a pixel before the first pixel outside."""
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return np.asarray(np.maximum(distance - 0.5, 0.0) * mm, dtype=float)


def _measured(pair: Mapping[Phase, LabelledImage]) -> tuple[Values, Profiles] | None:
    """Measures of a pair; None where an expert's mask cannot be traced."""
    try:
        return measure_pair(pair)
    except GeometryError:
        return None


def _grey(frame: np.ndarray) -> np.ndarray:
    return frame if frame.ndim == 2 else frame[..., 0]


def table(found: Mapping[str, Sequence[Values]]) -> tuple[list[str], list[list[str]]]:
    """Heading and lines: mean, median and 5-95 % of the patients; mean of each dataset of phantoms and where it lies.

    ``OUT``: the mean of the phantoms lies outside the 5th to 95th percentile of patients. ``shifted``: outside the 25th to
    75th.
    """
    real = found[PATIENTS]
    others = [kind for kind in found if kind != PATIENTS]
    heads = [
        "measure",
        f"patients (n = {len(real)})",
        "5-95 %",
        *(f"{kind} (n = {len(found[kind])})" for kind in others),
    ]
    rows = []
    for name in dict.fromkeys(name for values in real for name in values):
        held = _known(real, name)
        if not len(held):
            continue
        low, quarter, half, three, high = np.percentile(held, (5, 25, 50, 75, 95))
        line = [name, f"{held.mean():.3g} (median {half:.3g})", f"{low:.3g} to {high:.3g}"]
        for kind in others:
            values = _known(found[kind], name)
            mean = float(values.mean()) if len(values) else np.nan
            mark = "" if quarter <= mean <= three else " shifted" if low <= mean <= high else " **OUT**"
            line.append(f"{mean:.3g} (SD {values.std():.2g}){mark}")
        rows.append(line)
    return heads, rows


def _known(cases: Sequence[Values], name: str) -> FloatArray:
    values = np.array([values.get(name, np.nan) for values in cases], dtype=float)
    return np.asarray(values[np.isfinite(values)])


def profiles_png(found: Mapping[str, Sequence[Profiles]]) -> bytes:
    """Mean profile by side and phase; shaded: the middle half of the patients."""
    figure = new_figure(920, "Grey level across the endocardium, 0 blood, 1 bright wall")
    axes = figure.subplots(2, len(SIDES), sharex=True, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.98, top=0.83, bottom=0.08, hspace=0.25, wspace=0.08)
    for row, phase in enumerate(Phase):
        for column, side in enumerate(SIDES):
            axis = axes[row, column]
            for number, (kind, cases) in enumerate(found.items()):
                curves = np.array([c[side, phase] for c in cases if (side, phase) in c])
                curves = curves[np.isfinite(curves).all(axis=1)] if len(curves) else curves
                if not len(curves):
                    continue
                colour = BLUE if kind == PATIENTS else COLOURS[(number - 1) % len(COLOURS)]
                if kind == PATIENTS:
                    low, high = np.percentile(curves, (25, 75), axis=0)
                    axis.fill_between(DISTANCES_MM, low, high, color=colour, alpha=0.15, lw=0)
                axis.plot(DISTANCES_MM, curves.mean(axis=0), color=colour, lw=1.6, label=kind)
            axis.axvline(0, color=INK, lw=0.6, alpha=0.5)
            axis.set_title(f"{side}, {phase}", size=NORMAL)
            label_axes(axis, "mm from the endocardium" if row else "", "")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="upper right",
        bbox_to_anchor=(1, 0.95),
        ncols=len(found),
        fontsize=NORMAL,
        frameon=False,
    )
    return to_png(figure)


if __name__ == "__main__":
    run_main(main)
