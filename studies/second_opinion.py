"""How far a second model is from the first on clips of known EF, as they are and degraded, and what its warning is worth.

    lvef synthesize phantom out/phantoms --clips 30 --seed 1
    lvef synthesize motion out/motion --data CAMUS --patients held-out.txt --seed 1
    python -m studies.second_opinion out/phantoms out/motion --weights MODEL-OF-THE-FOLD

The warning `models_disagree` should be rare on plain clips, and stand where the first model errs.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from lvef.io.open import open_clip
from lvef.measure.options import AUTO, MeasureOptions
from lvef.measure.pipeline import Measurer
from studies.external.cases import perturbed

CHANGES = ("", "sector shadow", "gain -40 %", "gamma 2", "blur 1.5 px")
"""What is done to each clip; the first leaves it as it is."""

LIMITS = (5.0, 7.5, 10.0, 12.5, 15.0)
"""Differences in points that may be the threshold of the warning."""

MOST_FRAMES = 60
"""Frames of a clip that are measured."""


def efs_of(folder: Path, measurer: Measurer, every: int) -> list[tuple[str, float, float, float]]:
    """Change, known EF and the EFs of both models, of each clip that both measured.

    Args:
        folder: Dataset in the layout of EchoNet-Dynamic.
        measurer: With a second opinion.
        every: Takes every so many clips.
    """
    with (folder / "FileList.csv").open(newline="", encoding="utf-8") as file:
        known = [(row["FileName"].removesuffix(".avi"), float(row["EF"])) for row in csv.DictReader(file)]
    found = []
    for name, ef in known[::every]:
        whole = open_clip(folder / "Videos" / f"{name}.avi")
        clip = replace(whole, frames=whole.frames[:MOST_FRAMES], times_s=whole.times_s[:MOST_FRAMES])
        for change in CHANGES:
            m = measurer.measure_opened(perturbed(clip, change) if change else clip)
            other = None if m.second_opinion is None else m.second_opinion.ef_percent
            if m.ef_percent is not None and other is not None:
                found.append((change, ef, m.ef_percent, other))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", help="datasets of lvef synthesize")
    parser.add_argument("--weights", default=MeasureOptions.weights, help="first model")
    parser.add_argument("--second", default=AUTO, help="second model")
    parser.add_argument("--every", type=int, default=2, help="take every so many clips")
    args = parser.parse_args()
    measurer = Measurer(MeasureOptions(weights=args.weights, second_opinion=args.second))
    rows = [row for folder in args.folders for row in efs_of(folder, measurer, args.every)]
    changes = np.array([row[0] for row in rows])
    known, first, second = np.array([row[1:] for row in rows]).T
    apart, error = np.abs(second - first), np.abs(first - known)
    for label, chosen in (("plain", changes == ""), ("degraded", changes != ""), ("all", changes != "-")):
        median, most = np.percentile(apart[chosen], (50, 90))
        click.echo(f"{label}: {chosen.sum()} clips, apart {median:.1f} (median), {most:.1f} (90 %) points")
        for limit in LIMITS:
            for name, part in (("warned", chosen & (apart >= limit)), ("others", chosen & (apart < limit))):
                if part.any():
                    mae, large = error[part].mean(), (error[part] > 10).mean()
                    click.echo(
                        f"  {limit:g} points, {name}: {part.sum()}, MAE {mae:.1f}, error above 10: {large:.0%}"
                    )


if __name__ == "__main__":
    main()
