"""Cases of a manifest: which clips are evaluated, in which groups, and every reason why a manifest cannot be evaluated.

A model that has seen a patient it is evaluated on is refused: its metrics would say nothing of new patients.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lvef.core.errors import DataError
from lvef.core.serialization import parse_json
from lvef.core.terms import DatasetView, Split
from lvef.datasets.manifest import read_manifest, values_for
from lvef.evaluation.metrics import NAN, NOT_STATED, make_bands
from lvef.evaluation.report import listed
from lvef.inference.card import CARD_NAME, TRAIN, VALIDATION, patients_sha256, read_card, read_parts

ALL = "all"
"""Every clip of the manifest, whatever its split."""

NOT_APICAL = tuple(str(view) for view in (DatasetView.PLAX, DatasetView.PSAX, DatasetView.OTHER))
"""Views on which no EF is measured."""

MIN_PATIENTS = 2
"""Intervals are drawn over patients: one patient has none."""

EF_BANDS = (30.0, 40.0, 50.0, 60.0)
"""Limits of the bands of the manifest's EF in percent; a limit belongs to the band above."""

MAX_LABELS = 12
"""A column with more labels than this is no grouping: names or free text."""


@dataclass(frozen=True, slots=True)
class Case:
    """One clip of the manifest with an EF. What the manifest does not state is empty, NaN or None.

    Attributes:
        item: Its name.
        collection: Dataset.
        patient: Clips of one patient are drawn together by the bootstrap.
        split: Part of the dataset.
        path: File of the clip.
        ef_percent: The manifest's EF: the reference.
        edv_ml: The manifest's end-diastolic volume.
        esv_ml: The manifest's end-systolic volume.
        ef_method: How the dataset determined them.
        view: View.
        quality: Image quality.
        rhythm: Rhythm, where the labels state it.
        sex: Sex.
        side_px: Longer side of the image, or None.
        ed_frame: End-diastolic frame that the dataset names.
        es_frame: End-systolic frame that it names.
        tracing_path: Table of its tracings.
        mask_path: File of its masks.
    """

    item: str
    collection: str
    patient: str
    split: str
    path: Path
    ef_percent: float
    edv_ml: float = NAN
    esv_ml: float = NAN
    ef_method: str = ""
    view: str = ""
    quality: str = ""
    rhythm: str = ""
    sex: str = ""
    side_px: int | None = None
    ed_frame: int | None = None
    es_frame: int | None = None
    tracing_path: Path | None = None
    mask_path: Path | None = None

    @property
    def named_frames(self) -> tuple[int, int] | None:
        """The ED and the ES frame that the dataset names, or None."""
        return None if self.ed_frame is None or self.es_frame is None else (self.ed_frame, self.es_frame)

    @property
    def has_reference_tracing(self) -> bool:
        """Whether the dataset has tracings or masks of the frames that it names."""
        return self.named_frames is not None and bool(self.tracing_path or self.mask_path)


@dataclass(frozen=True, slots=True)
class Selection:
    """The clips of a manifest that are evaluated.

    Attributes:
        manifest: Name of its file.
        split: Part that is evaluated.
        cases: Clips of that part with an EF.
        training: Clips of the training part with an EF; the same when that is what is evaluated.
        patients: Patients of each split, of clips and stills, with or without EF.
        baseline_percent: Median EF of the training part; of the evaluated clips where there is none.
        baseline_source: Where that comes from.
        reference: How the EFs were determined.
        notices: Clips that were left out.
    """

    manifest: str
    split: str
    cases: tuple[Case, ...]
    training: tuple[Case, ...]
    patients: Mapping[str, frozenset[str]]
    baseline_percent: float
    baseline_source: str
    reference: str
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that have something in common.

    Attributes:
        by: What they were grouped by.
        label: Which group this is.
        indices: Their places among the cases.
    """

    by: str
    label: str
    indices: tuple[int, ...]

    @property
    def key(self) -> str:
        """Its name in the tidy table."""
        return f"{self.by}: {self.label}"


GROUPINGS = ("collection", "view", "quality", "rhythm", "sex")
"""Fields of a `Case` whose labels group the clips."""


def groups_of(cases: Sequence[Case]) -> list[Group]:
    """Bands of EF, then the labels of each column that has two or more."""
    found = []
    for low, high, label in make_bands(EF_BANDS, " %"):
        indices = tuple(i for i, case in enumerate(cases) if low <= case.ef_percent < high)
        if indices:
            found.append(Group("manifest's EF", label, indices))
    for by in GROUPINGS:
        own = [str(getattr(case, by)) for case in cases]
        labels = sorted(set(own), key=lambda label: (not label, label))
        if 2 <= len(labels) <= MAX_LABELS:
            for label in labels:
                indices = tuple(i for i, stated in enumerate(own) if stated == label)
                found.append(Group(by, label or NOT_STATED, indices))
    return found


def read_cases(path: Path, split: str) -> Selection:
    """Read a manifest and choose the clips of a split.

    Args:
        path: ``.parquet`` or ``.csv``.
        split: Part of the dataset, or `ALL`.

    Raises:
        DataError: The manifest cannot be read, or nothing of it can be evaluated.
    """
    table = read_manifest(path)
    clips = table.filter(pl.col("kind") == "clip")
    if clips.is_empty():
        raise DataError(
            f"{path}: holds no clips ({len(table)} stills); evaluate stills with lvef evaluate stills."
        )
    chosen = clips if split == ALL else clips.filter(pl.col("split") == split)
    if chosen.is_empty():
        counts = Counter(clips["split"].to_list()).most_common()
        listed = ", ".join(f"{name or 'without a split'} ({n})" for name, n in counts)
        raise DataError(
            f"{path}: no clip is in the split {split}; it has {listed}. Choose one of these with --split, or all."
        )
    is_apical, has_ef = ~pl.col("view").is_in(NOT_APICAL), pl.col("ef_percent").is_not_null()
    apical = chosen.filter(is_apical)
    if apical.is_empty():
        views = ", ".join(sorted(chosen["view"].unique()))
        raise DataError(
            f"{path}: none of its {len(chosen)} clips in the split {split} is an apical view ({views}); an EF is measured "
            "on A4C or A2C."
        )
    known = apical.filter(has_ef)
    if known.is_empty():
        names = ", ".join(sorted(chosen["collection"].unique()))
        raise DataError(
            f"{path}: none of its {len(chosen)} clips in the split {split} has an ef_percent ({names}): there is no EF to "
            "compare with."
        )
    cases = _cases(known)
    if len({case.patient for case in cases}) < MIN_PATIENTS:
        raise DataError(
            f"{path}: {len(cases)} {'clip' if len(cases) == 1 else 'clips'} of one patient in the split {split}; intervals "
            f"are drawn over patients, and at least {MIN_PATIENTS} are needed."
        )
    training = _cases(clips.filter(is_apical, has_ef, pl.col("split") == str(Split.TRAIN)))
    by_split = {str(s): table.filter(pl.col("split") == str(s))["patient"].to_list() for s in Split}
    return Selection(
        path.name,
        split,
        cases,
        training,
        {name: frozenset(patients) for name, patients in by_split.items() if patients},
        *_baseline(training, cases),
        _reference(cases),
        _left_out(table, chosen, apical, known, split),
    )


def _baseline(training: Sequence[Case], cases: Sequence[Case]) -> tuple[float, str]:
    """The EF that is predicted without looking at an image."""
    source = "median EF of the evaluated clips themselves, because the manifest has no training part with EF"
    if training:
        source = f"median EF of the manifest's {len(training)} training clips"
    return float(np.median([case.ef_percent for case in training or cases])), source


def _reference(cases: Sequence[Case]) -> str:
    """How the EFs were determined, with the name of the dataset."""
    methods = Counter((case.collection, case.ef_method or "method not stated") for case in cases)
    return "; ".join(f"EF of {collection}: {method}" for (collection, method), _ in methods.most_common())


def _left_out(
    table: pl.DataFrame, chosen: pl.DataFrame, apical: pl.DataFrame, known: pl.DataFrame, split: str
) -> tuple[str, ...]:
    found = []
    if n := len(chosen) - len(apical):
        found.append(
            f"{n} of the {len(chosen)} clips of the split {split} are no apical view and are left out."
        )
    if n := len(apical) - len(known):
        found.append(f"{n} of the {len(apical)} clips of the split {split} have no EF and are left out.")
    if n := len(table.filter(pl.col("kind") == "still")):
        found.append(f"{n} stills of the manifest are left out: clips are evaluated here.")
    if len(set(zip(known["collection"], known["ef_method"], strict=True))) > 1:
        found.append("The EFs come from more than one method or dataset: they are not the same quantity.")
    return tuple(found)


def _cases(table: pl.DataFrame) -> tuple[Case, ...]:
    return tuple(_case(row) for row in table.iter_rows(named=True))


def _case(row: Mapping[str, Any]) -> Case:
    sides = [side for side in (row["height_px"], row["width_px"]) if side]
    values = values_for(Case, row) | {"split": row["split"] or "", "rhythm": _rhythm(row["labels"])}
    return Case(**values, side_px=max(sides) if len(sides) == 2 else None)


def _rhythm(labels: str | None) -> str:
    """The rhythm among the other labels, which are a JSON object."""
    try:
        stated = parse_json(labels or "{}")
    except ValueError:
        return ""
    rhythm = stated.get("rhythm") if isinstance(stated, dict) else None
    return rhythm if isinstance(rhythm, str) else ""


MAX_NAMED = 3
"""Patients that a message names."""


def check_splits(selection: Selection, where: str) -> list[str]:
    """Refuse a manifest whose training patients are also among those that are evaluated.

    Args:
        selection: What is to be evaluated.
        where: What to call the manifest.

    Returns:
        What a reader must know of a part that is no test set.

    Raises:
        DataError: A patient of the training part is evaluated as another part.
    """
    evaluated = {case.patient for case in selection.cases}
    shared = evaluated & selection.patients.get(str(Split.TRAIN), frozenset())
    if selection.split == str(Split.TRAIN):
        return [
            "These are patients of the training part: the metrics say how well they are remembered, not how well new "
            "patients are measured."
        ]
    if selection.split == ALL:
        words = f"{len(shared)} of the {len(evaluated)} patients are of the manifest's training part."
        return [words] if shared else []
    if shared:
        raise DataError(
            f"{where}: {_named(shared)} in the split {selection.split} and in train; a patient belongs to one split only: "
            "correct the manifest."
        )
    selecting = selection.patients.get(str(Split.VAL), frozenset()) & evaluated
    if selecting and selection.split == str(Split.TEST):
        return [f"{_named(selecting)} in val too: models may have been selected with them."]
    return []


def check_network(folder: Path, selection: Selection) -> list[str]:
    """Refuse a model that was trained on patients who are evaluated.

    Its card holds a hash of their names, which is compared with every union of the manifest's splits; the file ``split.csv``
    that its training left beside the card is read.

    Args:
        folder: Folder of the model, or its card.
        selection: What is to be evaluated; nothing is refused where that is the training part itself, or everything.

    Returns:
        What a reader must know of patients used for its training or for selecting its weights.

    Raises:
        DataError: It was trained on some of them, or its file cannot be read.
        WeightsError: There is no card.
    """
    folder = folder.parent if folder.name == CARD_NAME else folder
    card = read_card(folder)
    evaluated = {case.patient for case in selection.cases}
    trained: set[str] = set()
    for names in _unions(selection):
        if patients_sha256(names) == card.training.patients_sha256:
            trained |= names & evaluated
    part_of = read_parts(folder, evaluated)
    trained |= {patient for patient, part in part_of.items() if part == TRAIN}
    selecting = {patient for patient, part in part_of.items() if part == VALIDATION} - trained
    if trained and selection.split not in (str(Split.TRAIN), ALL):
        raise DataError(
            f"{folder}: {_named(trained)} in the split {selection.split} and, by their hashes, in the training "
            f"of {card.name}: evaluate it on patients it has not seen."
        )
    notices = []
    if trained:
        notices.append(f"{card.name} was trained on {len(trained)} of the {len(evaluated)} patients.")
    if selecting:
        notices.append(
            f"The weights of {card.name} were selected with {len(selecting)} of the {len(evaluated)} patients."
        )
    return notices


def _unions(selection: Selection) -> Iterator[frozenset[str]]:
    """Patients of every choice of splits, and those that are evaluated."""
    parts = list(selection.patients.values())
    for size in range(1, len(parts) + 1):
        for chosen in combinations(parts, size):
            yield frozenset().union(*chosen)
    yield frozenset(case.patient for case in selection.cases)


def _named(patients: Iterable[str]) -> str:
    names = sorted(patients)
    noun, verb = ("patient", "is") if len(names) == 1 else ("patients", "are")
    return f"{len(names)} {noun} ({listed(names, MAX_NAMED)}) {verb}"
