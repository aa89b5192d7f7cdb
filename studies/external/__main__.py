"""Ranks models on images of other hospitals, phantoms and animated stills.

Run it from the repository as ``python -m studies.external --weights NAME_OR_FOLDER --out OUT``. Suites: ``drawn`` (contours
that experts drew), ``cines`` (no reference), ``stability`` (cines under perturbations), ``phantoms`` and ``motion`` (known
truth). Predictions are kept in OUT: a second model, or a second run, costs only what is new. OUT shows images whose terms
keep them out of repositories.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from lvef.core.errors import ConfigError, DataError, QualityRefusal, os_reason, run_main
from lvef.core.records import Clip
from lvef.core.terms import Structure
from lvef.datasets.camus import read_names
from lvef.io.atomic import write_bytes_atomic, write_text_atomic
from lvef.measure.options import MeasureOptions
from lvef.synthesis.phantom.draw import Walls
from studies.external.cases import (
    PERTURBATIONS,
    Case,
    SyntheticCase,
    animated_stills,
    cine_cases,
    default_patients,
    drawn_cases,
    perturbed,
    phantoms,
)
from studies.external.predictions import Cache, Model, Prediction
from studies.external.scores import (
    CINES,
    DRAWN,
    MOTION,
    PHANTOMS,
    STABILITY,
    SUITES,
    agreement_rows,
    cine_rows,
    drawn_rows,
    paired_rows,
    stability_rows,
    synthetic_rows,
)
from studies.external.sheets import sheets
from studies.external.tables import Row, to_csv, to_json, to_markdown, to_rich, write_external

T = TypeVar("T")

SHOWN_SYNTHETIC = 6
"""Synthetic clips of a suite that get a contact sheet."""


class Study:
    """Models, cases and where predictions are kept.

    Args:
        models: At least one.
        out: Folder.
        jobs: Clips at once.
    """

    def __init__(self, models: Sequence[Model], out: Path, jobs: int) -> None:
        self.models, self.out, self.jobs = models, out, jobs
        self.cache = Cache(out / "predictions")
        self.seconds: dict[str, float] = {}

    def predict(self, model: Model, clips: Sequence[tuple[str, Clip]]) -> dict[str, Prediction]:
        """Predictions by name."""
        began = time.perf_counter()
        found = self._map(lambda item: self.cache.predict(model, item[1], item[0]), clips)
        self.seconds[model.label] = self.seconds.get(model.label, 0.0) + time.perf_counter() - began
        return {name: prediction for (name, _), prediction in zip(clips, found, strict=True)}

    def drawn(self, cases: Sequence[Case]) -> list[Row]:
        """The suite of drawn contours."""
        clips = [(case.name, case.clip) for case in cases]
        found = {model.label: self.predict(model, clips) for model in self.models}
        self._sheets(DRAWN, cases, found)
        return [row for label, by in found.items() for row in drawn_rows(label, cases, by)]

    def cines(self, cases: Sequence[Case]) -> list[Row]:
        """The suite of cines without reference."""
        clips = [(case.name, case.clip) for case in cases]
        found = {model.label: self.predict(model, clips) for model in self.models}
        self._sheets(CINES, cases, found)
        rows = [row for label, by in found.items() for row in cine_rows(label, cases, by)]
        return rows + agreement_rows(CINES, cases, found)

    def stability(self, cases: Sequence[Case]) -> list[Row]:
        """The cines under perturbations."""
        rows: list[Row] = []
        for model in self.models:
            plain = self.predict(model, [(case.name, case.clip) for case in cases])
            changed = {}
            for change in PERTURBATIONS:
                clips = [
                    (case.name, one) for case in cases if (one := _perturbed(case.clip, change)) is not None
                ]
                word = "".join(c if c.isalnum() else "-" for c in change)
                held = self.predict(model, [(f"{name}@{word}", clip) for name, clip in clips])
                changed[change] = {name: held[f"{name}@{word}"] for name, _ in clips}
            rows += stability_rows(model.label, plain, changed)
        return rows

    def synthetic(self, suite: str, cases: Sequence[SyntheticCase]) -> list[Row]:
        """A suite with known truth."""
        clips = [(case.true.name, case.clip) for case in cases]
        found = {model.label: self.predict(model, clips) for model in self.models}
        shown = [
            Case(
                case.true.name,
                case.clip,
                {i: labels == Structure.LV for i, labels in enumerate(case.mask.labels)},
            )
            for case in cases[:SHOWN_SYNTHETIC]
        ]
        self._sheets(suite, shown, found)
        rows = [row for label, by in found.items() for row in synthetic_rows(label, suite, cases, by)]
        return rows + paired_rows(rows)

    def _sheets(self, suite: str, cases: Sequence[Case], found: dict[str, dict[str, Prediction]]) -> None:
        folder = self.out / "sheets" / suite
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in sheets([(c.name, c.clip, c.truth) for c in cases], found).items():
            write_bytes_atomic(folder / name, data)

    def _map(self, work: Callable[[tuple[str, Clip]], T], items: Sequence[tuple[str, Clip]]) -> list[T]:
        if self.jobs == 1:
            return [work(item) for item in items]
        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(work, items))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    args = _parser().parse_args(argv)
    args.only = args.only or list(SUITES)
    if min(args.jobs, args.clips) < 1:
        raise ConfigError(f"--jobs {args.jobs} and --clips {args.clips}: at least 1 was expected.")
    console, messages = Console(width=200), Console(stderr=True)
    models = _models(args)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{args.out}: cannot be made ({os_reason(error)}); give another folder.") from None
    study = Study(models, args.out, args.jobs)
    cines: list[Case] = cine_cases(args.shared) if {CINES, STABILITY} & set(args.only) else []
    patients = _patients(args) if MOTION in args.only else []
    run: dict[str, Callable[[], list[Row]]] = {
        DRAWN: lambda: study.drawn(drawn_cases(args.shared)),
        CINES: lambda: study.cines(cines),
        STABILITY: lambda: study.stability(cines),
        PHANTOMS: lambda: study.synthetic(
            PHANTOMS, list(phantoms(args.out, args.clips, args.seed, args.jobs, args.walls))
        ),
        MOTION: lambda: study.synthetic(
            MOTION, list(animated_stills(args.out, args.camus, patients, args.jobs))
        ),
    }
    rows: list[Row] = []
    for suite in (suite for suite in SUITES if suite in args.only):
        began = time.perf_counter()
        rows += run[suite]()
        messages.print(f"{suite}: {time.perf_counter() - began:.0f} s")
        _write(args.out, rows)
    console.print(to_rich(rows))
    durations = ", ".join(f"{label} {seconds:.0f} s" for label, seconds in study.seconds.items())
    messages.print(f"Predictions, cached ones read back: {durations}. Written to {args.out}.")
    if args.write_card:
        for model in models:
            write_external(
                model.entry.folder, [row for row in rows if row.model == model.label], _splits(args)
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.external",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--weights",
        action="append",
        required=True,
        help="installed name, or folder with model.onnx and card.json",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for tables, sheets and kept predictions"
    )
    parser.add_argument(
        "--shared", type=Path, default=Path("../shared/data/external"), help="folder of the external images"
    )
    parser.add_argument("--camus", type=Path, default=Path("../shared/data/camus"), help="folder of CAMUS")
    parser.add_argument("--precision", default="f32", help="auto, f32 or bf16")
    parser.add_argument("--threads", type=int, default=1, help="threads of the engine")
    parser.add_argument(
        "--only",
        action="append",
        choices=SUITES,
        metavar="SUITE",
        help=f"one of {', '.join(SUITES)}; repeatable",
    )
    parser.add_argument("--clips", type=int, default=60, help="phantoms")
    parser.add_argument("--seed", type=int, default=1, help="of the phantoms; a development seed")
    parser.add_argument(
        "--walls",
        choices=[str(Walls.EXPERT)],
        help="walls of the phantoms as in experts' masks; by default they are incompressible",
    )
    parser.add_argument(
        "--patients",
        type=Path,
        help="CAMUS patients whose stills are animated, one a line; by default 40 of fold 0 of the training patients",
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="clips at once")
    parser.add_argument(
        "--write-card", action="store_true", help="write the block external into each model's card"
    )
    return parser


def _models(args: argparse.Namespace) -> list[Model]:
    """The models, each with a label of its own: its folder's name, or the name it is installed under."""
    models: list[Model] = []
    for weights in args.weights:
        options = MeasureOptions(weights=weights, precision=args.precision, threads=args.threads)
        folder = Path(weights)
        label = folder.resolve().name if folder.is_dir() else weights
        while label in {model.label for model in models}:
            label += "+"
        models.append(Model(options, label))
    return models


def _patients(args: argparse.Namespace) -> list[str]:
    return default_patients(args.camus) if args.patients is None else list(read_names(args.patients))


def _splits(args: argparse.Namespace) -> dict[str, str]:
    """What the suites with a choice were run on, for the cards."""
    patients = "40 CAMUS training patients" if args.patients is None else f"patients of {args.patients.name}"
    walls = f", {args.walls} walls" if args.walls else ""
    return {PHANTOMS: f"phantoms, seed {args.seed}{walls}", MOTION: f"animated stills, {patients}"}


def _perturbed(clip: Clip, change: str) -> Clip | None:
    """The changed clip; None where the clip shows no sector that could be cut to."""
    try:
        return perturbed(clip, change)
    except QualityRefusal:
        return None


def _write(out: Path, rows: Sequence[Row]) -> None:
    for name, text in (
        ("external.csv", to_csv(rows)),
        ("external.json", to_json(rows)),
        ("external.md", to_markdown(rows)),
    ):
        write_text_atomic(out / name, text)


if __name__ == "__main__":
    run_main(main)
