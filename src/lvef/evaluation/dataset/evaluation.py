"""Evaluates models and files of predictions on the clips of a manifest: everything is loaded, then every clip measured."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from lvef.core.errors import ConfigError, DataError, LvefError
from lvef.core.journal import file_stamp
from lvef.core.records import Clip, FloatArray, Measurement, Tracing
from lvef.core.serialization import printable
from lvef.core.terms import Split
from lvef.evaluation.dataset.cases import Case, Selection, check_network, check_splits, read_cases
from lvef.evaluation.dataset.predictions import (
    EfResult,
    ReferenceTracings,
    match_predictions,
    read_predictions,
    read_reference_tracings,
)
from lvef.evaluation.metrics import NAN
from lvef.evaluation.runner import (
    CaseRunner,
    Measures,
    UsedWeights,
    exit_code_of,
    first_distinct,
    label_candidates,
    settings_key,
    used_weights,
)
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.inference.card import experimental_text
from lvef.inference.catalogue import ModelEntry, find_model
from lvef.measure import pipeline
from lvef.measure.batch import load_measurer, model_hashes, pinned_options
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import FrameContext, Predictor
from lvef.transforms.sector import find_sector

METRICS_NAME = "metrics.csv"
"""Log of a training run, a row an epoch."""

Curves = dict[str, tuple[FloatArray, FloatArray]]
"""Name of a loss curve -> epochs and values."""

DECIMALS = 2
"""Digits of a pixel that a line's end is kept with."""


@dataclass(frozen=True)
class Plan:
    """What is to be evaluated.

    Attributes:
        manifest: The manifest's file.
        split: Part of it.
        weights: Names or folders of models.
        predictions: Files of predictions.
        train_cards: Further models, or their cards, whose training patients must not be evaluated.
        runs: Folders of training runs whose loss curves are shown.
        overlays: Cases of each part that are shown with their lines.
        seed: Of the bootstrap and of the choice of cases.
        options: Runtime, precision and threads.
    """

    manifest: Path
    split: str
    weights: tuple[str, ...] = ()
    predictions: tuple[Path, ...] = ()
    train_cards: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()
    overlays: int = 0
    seed: int = 0
    options: MeasureOptions = field(default_factory=MeasureOptions)


@dataclass(frozen=True, slots=True)
class Network:
    """A model that is evaluated.

    Attributes:
        label: Its name among the others.
        measurer: What measures with it.
        weights: What card and runtime state.
    """

    label: str
    measurer: Measures
    weights: UsedWeights


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that takes part, loaded and checked.

    Attributes:
        selection: What of the manifest is evaluated.
        networks: Models, loaded.
        predicted: Files of predictions, read.
        training_cases: Cases of the training part that are shown with their lines, never evaluated.
        tracings: Lines of the dataset, of evaluated and of shown cases.
        losses: Name of a training run -> its curves.
        notices: What a reader must know.
    """

    selection: Selection
    networks: Sequence[Network] = ()
    predicted: Sequence[Method] = ()
    training_cases: Sequence[Case] = ()
    tracings: ReferenceTracings = field(default_factory=dict)
    losses: Mapping[str, Curves] = field(default_factory=dict)
    notices: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """Clips to measure, counted once for each model."""
        return len(self.networks) * (len(self.selection.cases) + len(self.training_cases))


@dataclass(frozen=True, slots=True)
class Method:
    """A model, or a file of predictions, and what it predicted.

    Attributes:
        label: Its name among the others.
        results: One a case, in the order of the cases.
        weights: The model; None for a file of predictions.
        unknown: Names in a file of predictions that are no case.
        training: Results of training cases, to be shown only.
    """

    label: str
    results: tuple[EfResult, ...]
    weights: UsedWeights | None = None
    unknown: int = 0
    training: tuple[EfResult, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetEvaluation:
    """What every method predicted.

    Attributes:
        selection: What of the manifest was evaluated.
        methods: Models and files of predictions.
        notices: What a reader must know before believing the metrics.
        resumed: Results that an earlier run had made.
        seconds: Time it took.
    """

    selection: Selection
    methods: tuple[Method, ...]
    notices: tuple[str, ...] = ()
    resumed: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all done, 1 some file could not be read, 3 only refusals."""
        return exit_code_of(result for method in self.methods for result in method.results)


def load_inputs(plan: Plan) -> Inputs:
    """Read and check everything before anything is measured.

    Raises:
        ConfigError: A model is given twice.
        DataError: A file is not there or not as expected, or a patient of a model's training would be evaluated.
        WeightsError: A model is missing or damaged.
    """
    selection = read_cases(plan.manifest, plan.split)
    notices = check_splits(selection, str(plan.manifest))
    entries = [find_model(name) for name in plan.weights]
    for folder in [*(entry.folder for entry in entries), *plan.train_cards]:
        notices += check_network(folder, selection)
    notices += filter(None, (experimental_text(entry.card) for entry in entries))
    losses = {printable(run.resolve().name): read_losses(run) for run in plan.runs}
    read = [read_predictions(path) for path in plan.predictions]
    labels, items = _labels(plan, entries), {case.item for case in selection.cases}
    predicted = []
    for label, results, path in zip(labels[len(entries) :], read, plan.predictions, strict=True):
        matched = match_predictions(results, selection.cases, str(path))
        predicted.append(Method(label, matched, unknown=len(results.keys() - items)))
    shown = _training_cases(plan, selection) if entries else []
    tracings, unusable = read_reference_tracings([*selection.cases, *shown])
    if unusable:
        notices.append(
            f"{unusable} traced frames of the dataset could not be used: not in its table, or no ventricle."
        )
    patients = len({case.patient for case in selection.cases})
    networks = []
    for label, name in zip(labels, plan.weights, strict=False):
        measurer = pipeline.Measurer(replace(plan.options, weights=name))
        networks.append(Network(label, measurer, used_weights(measurer.predictor, patients)))
    return Inputs(selection, networks, predicted, shown, tracings, losses, notices)


def evaluate(inputs: Inputs, runner: CaseRunner) -> DatasetEvaluation:
    """Measure every case with every model, beside predictions that are there already.

    Args:
        inputs: From `load_inputs`.
        runner: Runs the cases.

    Raises:
        OutputError: The journal cannot be written.
    """
    began = time.perf_counter()
    selection = inputs.selection
    runner.start(inputs.steps)
    measured = {n.label: measure_cases(n, selection.cases, runner) for n in inputs.networks}
    resumed = runner.resumed
    methods = [
        Method(
            n.label, measured[n.label], n.weights, training=measure_cases(n, inputs.training_cases, runner)
        )
        for n in inputs.networks
    ]
    notices, seconds = (*selection.notices, *inputs.notices), time.perf_counter() - began
    return DatasetEvaluation(selection, (*methods, *inputs.predicted), notices, resumed, seconds)


def measure_cases(network: Network, cases: Sequence[Case], runner: CaseRunner) -> tuple[EfResult, ...]:
    """One result a case, in their order.

    Raises:
        OutputError: The journal cannot be written.
    """
    measurer = network.measurer
    work = partial(measure_case, measurer=measurer)
    if runner.sends_work and isinstance(measurer, pipeline.Measurer):
        work = partial(_measure_there, pinned_options(measurer), model_hashes(measurer))
    return runner.run(
        cases,
        work,
        EfResult,
        key=attrgetter("item"),
        stamp=_stamp,
        model=network.weights.sha256,
        made_with=settings_key(network.weights, "evaluation/dataset/evaluation.py"),
    )


def measure_case(case: Case, measurer: Measures) -> EfResult:
    """Measure one clip; what its file may hold is in the result's status."""
    m, clip = measurer.measure(case.path)
    ef, edv, esv = (NAN if value is None else float(value) for value in (m.ef_percent, m.edv_ml, m.esv_ml))
    reason = "" if m.ef_percent is not None else m.reason
    codes, counts = tuple(dict.fromkeys(warning.code for warning in m.notices)), dict(m.counts)
    result = EfResult(
        case.item, str(m.status), m.reason_code, reason, ef, edv, esv, warnings=codes, counts=counts
    )
    frames = case.named_frames
    if clip is None or frames is None or max(frames) >= len(clip.frames):
        return result
    ed, es = (_numbers(tracing) for tracing in _trace_raw(measurer, m, clip, frames))
    return replace(result, lines_ed=ed, lines_es=es, aspect=clip.pixel_aspect)


def _measure_there(options: MeasureOptions, models: tuple[tuple[str, str], ...], case: Case) -> EfResult:
    """Measure one clip in a process that was sent the case alone."""
    return measure_case(case, load_measurer(options, models))


def _trace_raw(
    measurer: Measures, measurement: Measurement, clip: Clip, frames: tuple[int, int]
) -> Sequence[Tracing | None]:
    """Tracings of two frames before temporal smoothing and checks; none of a model that does not trace."""
    predictor: Predictor | None = getattr(measurer, "predictor", None)
    if predictor is None or not predictor.structures:
        seen = measurement.tracings
        return [seen[frame] if frame < len(seen) else None for frame in frames]
    try:
        shown, box = predictor.shown(clip, find_sector(clip))
        return predictor.trace(shown, box, clip.spacing, FrameContext(clip.times_s, frames)).tracings
    except LvefError:
        return [None, None]


def _numbers(tracing: Tracing | None) -> tuple[float, ...]:
    if tracing is None:
        return ()
    return tuple(np.round(volume_tracing_of_tracing(tracing), DECIMALS).ravel().tolist())


def _stamp(case: Case) -> str:
    """Changes when the file does, or the frames that the manifest names."""
    file = file_stamp([case.path])
    return f"{file}:{case.named_frames}" if file else ""


def _training_cases(plan: Plan, selection: Selection) -> list[Case]:
    """Some cases of the training part, drawn by the seed; none where it is what is evaluated."""
    if plan.split == str(Split.TRAIN) or not plan.overlays:
        return []
    evaluated = {case.item for case in selection.cases}
    traced = [
        case for case in selection.training if case.item not in evaluated and case.has_reference_tracing
    ]
    chosen = np.random.default_rng(plan.seed).permutation(len(traced))[: plan.overlays]
    return [traced[i] for i in sorted(chosen.tolist())]


def _labels(plan: Plan, entries: Sequence[ModelEntry]) -> list[str]:
    """The shortest names that tell models and files apart, models first.

    Raises:
        ConfigError: The same model or file is given twice.
    """
    of_models = label_candidates(plan.weights, entries)
    files = [path.resolve() for path in plan.predictions]
    if len(set(files)) < len(files):
        raise ConfigError("A file of predictions is given twice; give each once.")
    long_names = [f"{path.parent.name}/{path.stem}" for path in files]
    numbered = [f"{path.stem} {number}" for number, path in enumerate(files, 1)]
    of_files = ([path.stem for path in files], long_names, long_names, numbered)
    labels = first_distinct(*(first + second for first, second in zip(of_models, of_files, strict=True)))
    return [printable(label) for label in labels]


def read_losses(run: Path) -> Curves:
    """Loss curves of a training run; where it was resumed, a later start counts for the epochs it did again.

    Args:
        run: Its folder, with ``metrics.csv``, or one a start in folders ``version_0``, ``version_1`` ...

    Raises:
        DataError: There is no ``metrics.csv`` there, or it holds no losses.
    """
    own = run / METRICS_NAME
    starts = sorted(run.glob(f"**/{METRICS_NAME}"), key=lambda p: (len(p.parent.name), p.parent.name))
    paths = [own] if own.is_file() else starts
    if not paths:
        raise DataError(
            f"{run}: no {METRICS_NAME} was found there; the folder of a training run was expected."
        )
    found: dict[str, dict[float, float]] = {}
    for path in paths:
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError, csv.Error):
            raise DataError(f"{path}: cannot be read; the log of a training run was expected.") from None
        for row in rows:
            numbers = {name: float(cell) for name, cell in row.items() if name and _is_number(cell)}
            if "epoch" in numbers:
                for name, value in numbers.items():
                    found.setdefault(name, {})[numbers["epoch"]] = value
    # A column by step that also stands there by epoch is left out.
    by_epoch = [
        n for n in sorted(found) if f"{n.removesuffix('_step')}_epoch" not in found or n[-5:] != "_step"
    ]
    for word in ("loss", "mae"):
        kept = [name for name in by_epoch if word in name.lower()]
        if kept:
            curves = {name: np.array(sorted(found[name].items())).T for name in kept}
            return {name: (epochs, values) for name, (epochs, values) in curves.items()}
    raise DataError(f"{paths[0]}: has no column of losses by epoch; the log of a training run was expected.")


def _is_number(cell: str | None) -> bool:
    try:
        return math.isfinite(float(cell or ""))
    except ValueError:
        return False
