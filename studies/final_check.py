"""Opens the final test of a release candidate: coverage, errors, views and refusals of the installed default model.

    python -m studies.final_check --data CAMUS --out OUT --seed 190
    python -m studies.final_check --foreign FOLDER --out OUT

The first measures stills and animated stills of the 50 validation patients and phantoms of a fresh seed, of the latter two
also biplane studies; the second the clips that ``lvef synthesize views`` wrote. Patients and seed are opened once per
release candidate, and logged in EXPERIMENTS.md.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lvef.core.errors import run_main
from lvef.core.records import FloatArray, Measurement
from lvef.core.terms import MEASURABLE_VIEWS, View
from lvef.datasets.camus import read_split
from lvef.evaluation.calibration.cases import (
    ANIMATED,
    PERTURBED,
    STILLS,
    TEST,
    Case,
    animated_cases,
    measure_case,
    phantom_cases,
    still_cases,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import ClipResult, Measurer
from lvef.stats.bootstrap import interval
from lvef.stats.conformal import oracle_width

ANIMATED_SEED = 2
"""Of the animated stills of the validation patients."""


class Recorder:
    """A measurer that keeps its last result.

    Args:
        measurer: Measures.
    """

    def __init__(self, measurer: Measurer) -> None:
        self.measurer = measurer
        self.last: Measurement | None = None

    def measure(self, path: Path) -> ClipResult:
        """Measure a clip."""
        result = self.measurer.measure(path)
        self.last = result[0]
        return result

    def measure_biplane(self, a4c: Path, a2c: Path) -> tuple[Measurement, dict[str, ClipResult]]:
        """Measure both views."""
        result = self.measurer.measure_biplane(a4c, a2c)
        self.last = result[0]
        return result

    def measure_pair(self, ed: Path, es: Path) -> ClipResult:
        """Measure two stills."""
        result = self.measurer.measure_pair(ed, es)
        self.last = result[0]
        return result


def main(argv: Sequence[str] | None = None) -> None:
    """Run it; prints Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of CAMUS")
    parser.add_argument("--foreign", type=Path, help="folder that lvef synthesize views wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for synthetic clips")
    parser.add_argument("--seed", type=int, default=190, help="of the phantoms; never used before")
    parser.add_argument("--clips", type=int, default=60, help="phantoms")
    parser.add_argument("--split", default="validation", help="split of CAMUS")
    args = parser.parse_args(argv)
    recorder = Recorder(Measurer(MeasureOptions(precision="f32")))
    if args.foreign is not None:
        check_foreign(recorder, args.foreign)
    if args.data is not None:
        patients = read_split(args.data, args.split)
        cases = [case for case in still_cases(args.data, patients) if case.source != PERTURBED]
        cases += animated_cases(args.out, args.data, patients, ANIMATED_SEED, 2, studies=True)
        cases += phantom_cases(args.out, args.clips, args.seed, TEST, 2, studies=True)
        check_cases(recorder, cases)


def check_foreign(recorder: Recorder, folder: Path) -> None:
    """What was decided of each class of clips."""
    found: dict[str, Counter[str]] = {}
    with (folder / "views.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = next(row[key] for key in ("file", "path", "name", "clip") if key in row)
            m, _ = recorder.measure(folder / name)
            said = m.decision if m.ef_percent is not None else f"refused: {m.reason_code}"
            found.setdefault(f"{row['class']} ({row['view']})", Counter())[said] += 1
    print("| class | clips | accepted | caution | refused | by |\n|---|---|---|---|---|---|")  # noqa: T201
    for label, counts in found.items():
        n, accepted, caution = counts.total(), counts["accepted"], counts["caution"]
        codes = [(k.removeprefix("refused: "), v) for k, v in counts.most_common() if k.startswith("refused")]
        by = ", ".join(f"{code} {v}" for code, v in codes)
        print(f"| {label} | {n} | {accepted} | {caution} | {n - accepted - caution} | {by} |")  # noqa: T201


def check_cases(recorder: Recorder, cases: Sequence[Case]) -> None:
    """Errors, coverage and decisions by source and view; AUC of the view from stills."""
    rows: dict[str, list[tuple[str, float, float, float, float, str]]] = {}
    refused: Counter[str] = Counter()
    views: Counter[str] = Counter()
    for case in cases:
        result = measure_case(case, recorder)
        m = recorder.last
        assert m is not None
        group = f"{case.source} {case.view}" if case.second is None else case.source
        if case.source in (STILLS, ANIMATED):
            views[f"{group} told as {m.view if m.view_source == 'image' else View.UNKNOWN}"] += 1
        if m.ef_percent is None:
            refused[f"{group}: {m.reason_code}"] += 1
            continue
        low, high = (np.nan if end is None else end for end in (m.ef_low_percent, m.ef_high_percent))
        row = (case.patient, m.ef_percent, result.reference_percent, low, high, m.decision)
        rows.setdefault(group, []).append(row)
        if case.second is None:
            rows.setdefault(f"all {case.source}", []).append(row)
    print("| cases | n | bias | MAE | coverage | width | oracle | accepted | caution |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|---|")  # noqa: T201
    for group, found in rows.items():
        values = np.array([row[1:5] for row in found], dtype=float)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values) < 2:
            continue
        error = values[:, 0] - values[:, 1]
        held = _coverage_interval(found)
        said = Counter(row[5] for row in found)
        print(  # noqa: T201
            f"| {group} | {len(values)} | {error.mean():+.1f} | {np.abs(error).mean():.1f} | "
            f"{100 * _coverage(values):.1f} ({100 * held[0]:.0f}-{100 * held[1]:.0f}) | "
            f"{(values[:, 3] - values[:, 2]).mean():.1f} | {oracle_width(-error, 0.9):.1f} | "
            f"{said['accepted']} | {said['caution']} |"
        )
    everything = np.array(
        [row[1:5] for name, found in rows.items() if name.startswith("all") for row in found], float
    )
    print_risk(everything[np.isfinite(everything).all(axis=1)])
    print("refused:", dict(refused))  # noqa: T201
    print("views:", dict(views), "of", [str(view) for view in MEASURABLE_VIEWS])  # noqa: T201


def print_risk(values: FloatArray) -> None:
    """MAE of the cases with the narrowest intervals."""
    order = np.argsort(values[:, 3] - values[:, 2])
    error = np.abs(values[order, 0] - values[order, 1])
    shares = (0.25, 0.5, 0.75, 1.0)
    print("MAE of the share with the narrowest intervals:", end=" ")  # noqa: T201
    print(", ".join(f"{share:.0%} {error[: int(share * len(error))].mean():.1f}" for share in shares))  # noqa: T201


def _coverage_interval(rows: Sequence[tuple[str, float, float, float, float, str]]) -> tuple[float, float]:
    """95 % confidence interval of the coverage by bootstrap over patients."""
    of_patient: dict[str, list[bool]] = {}
    for patient, _, reference, low, high, _ in rows:
        of_patient.setdefault(patient, []).append(low <= reference <= high)
    units = np.array([(sum(held), len(held)) for held in of_patient.values()], dtype=float)
    return interval(lambda u: float(u[:, 0].sum() / u[:, 1].sum()), units, np.random.default_rng(0))


def _coverage(values: FloatArray) -> float:
    return float(((values[:, 2] <= values[:, 1]) & (values[:, 1] <= values[:, 3])).mean())


if __name__ == "__main__":
    run_main(main)
