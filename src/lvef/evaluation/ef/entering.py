"""From the words of the command line to what is judged: networks loaded, files read, training patients kept out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.serialization import printable
from lvef.core.terms import Phase, Split
from lvef.evaluation.ef.cases import Selection, read_cases
from lvef.evaluation.ef.leaks import check_network, check_splits
from lvef.evaluation.ef.losses import Curves, read_losses
from lvef.evaluation.ef.manual_lines import ManualLines, read_manual
from lvef.evaluation.ef.predictions import match_predictions, read_predictions
from lvef.evaluation.ef.records import Case, EfRecord
from lvef.evaluation.ef.run import EfPlan, Network
from lvef.evaluation.results import used_weights
from lvef.inference.card_text import experimental_text
from lvef.inference.catalogue import ModelEntry, find_model
from lvef.measure import pipeline


@dataclass(frozen=True, slots=True)
class Entered:
    """Everything that takes part.

    Attributes:
        selection: What of the manifest is judged.
        networks: They, loaded.
        predicted: Label -> one record a case, of files of predictions.
        unknown: Label -> items of that file that are not judged.
        training_cases: Cases of the training part that are shown with their lines, never judged.
        manual: Lines of the collection, of judged and of shown cases.
        losses: Name of a run -> its curves.
        notices: What a reader must know.
    """

    selection: Selection
    networks: Sequence[Network]
    predicted: Mapping[str, tuple[EfRecord, ...]]
    unknown: Mapping[str, int]
    training_cases: Sequence[Case]
    manual: Mapping[str, Mapping[Phase, ManualLines]]
    losses: Mapping[str, Curves]
    notices: Sequence[str]

    @property
    def steps(self) -> int:
        """Clips to measure, counted once for each network."""
        return len(self.networks) * (len(self.selection.cases) + len(self.training_cases))


def enter(plan: EfPlan) -> Entered:
    """Read and check everything before anything is measured.

    Raises:
        ConfigError: A network is given twice.
        DataError: A file is not there or not as expected, or a patient of a network's training would be judged.
        WeightsError: A network is missing or damaged.
    """
    selection = read_cases(plan.manifest, plan.split)
    notices = check_splits(selection, str(plan.manifest))
    entries = [find_model(name) for name in plan.weights]
    for folder in [*(entry.folder for entry in entries), *plan.train_cards]:
        notices += check_network(folder, selection)
    notices += filter(None, (experimental_text(entry.card) for entry in entries))
    losses = {_run_name(run): read_losses(run) for run in plan.runs}
    told = [read_predictions(path) for path in plan.predictions]
    labels = _labels(plan, entries)
    of_files = dict(zip(labels[len(entries) :], told, strict=True))
    predicted = {
        label: match_predictions(records, selection.cases, str(path))
        for (label, records), path in zip(of_files.items(), plan.predictions, strict=True)
    }
    items = {case.item for case in selection.cases}
    shown = _training_cases(plan, selection) if entries else []
    manual, lost = read_manual([*selection.cases, *shown])
    if lost:
        notices.append(
            f"{lost} traced frames of the collection could not be used: not in its table, or no ventricle."
        )
    networks = []
    for label, name in zip(labels, plan.weights, strict=False):
        measurer = pipeline.Measurer(replace(plan.options, weights=name))
        patients = len({case.patient for case in selection.cases})
        networks.append(Network(label, measurer, used_weights(measurer.predictor, patients)))
    return Entered(
        selection,
        networks,
        predicted,
        {label: len(records.keys() - items) for label, records in of_files.items()},
        shown,
        manual,
        losses,
        notices,
    )


def _training_cases(plan: EfPlan, selection: Selection) -> list[Case]:
    """Some cases of the training part, drawn by the seed; none where it is what is judged."""
    if plan.split == str(Split.TRAIN) or not plan.overlays:
        return []
    judged = {case.item for case in selection.cases}
    traced = [
        case
        for case in selection.training
        if case.item not in judged and case.named_frames and (case.tracing_path or case.mask_path)
    ]
    chosen = np.random.default_rng(plan.seed).permutation(len(traced))[: plan.overlays]
    return [traced[i] for i in sorted(chosen.tolist())]


def _labels(plan: EfPlan, entries: Sequence[ModelEntry]) -> list[str]:
    """Names that tell networks and files apart, networks first.

    Raises:
        ConfigError: The same network or file is given twice.
    """
    twice = [digest for digest, n in Counter(entry.card.model_sha256 for entry in entries).items() if n > 1]
    if twice:
        same = [n for n, e in zip(plan.weights, entries, strict=True) if e.card.model_sha256 == twice[0]]
        raise ConfigError(f"{' and '.join(same)} are the same network; give each network once.")
    folders = [entry.folder.resolve() for entry in entries]
    files = [path.resolve() for path in plan.predictions]
    if len(set(files)) < len(files):
        raise ConfigError("A file of predictions is given twice; give each once.")
    candidates = (
        [*(entry.card.name for entry in entries), *(path.stem for path in files)],
        [
            *(f"{entry.card.name} {entry.card.version}" for entry in entries),
            *(_two(path.with_suffix("")) for path in files),
        ],
        [*map(_two, folders), *(_two(path.with_suffix("")) for path in files)],
    )
    for labels in candidates:
        if len(set(labels)) == len(labels):
            return [printable(label) for label in labels]
    return [
        *(f"{entry.card.name} {entry.card.model_sha256[:8]}" for entry in entries),
        *(f"{path.stem} {number}" for number, path in enumerate(files, 1)),
    ]


def _two(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _run_name(run: Path) -> str:
    return printable(run.resolve().name)
