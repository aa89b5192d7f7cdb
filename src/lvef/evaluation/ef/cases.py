"""Cases of a manifest: which clips are judged, and every reason why a manifest cannot be judged on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Split
from lvef.datasets.manifest import read_manifest
from lvef.evaluation.ef.records import Case
from lvef.evaluation.metrics import NAN

ALL = "all"
"""Every clip of the manifest, whatever its split."""

JUDGED_SPLITS = (*(str(split) for split in Split), ALL)
"""What can be judged on."""

NOT_APICAL = tuple(str(view) for view in (DatasetView.PLAX, DatasetView.PSAX, DatasetView.OTHER))
"""Views on which no EF is measured."""

FEWEST_PATIENTS = 2
"""Of one patient no interval can be drawn, and nothing be said of others."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a manifest gives to judge.

    Attributes:
        manifest: Name of its file.
        split: Part that is judged.
        cases: Clips of that part with an EF.
        training: Clips of the training part with an EF; the same when that is what is judged.
        patients: Patients of each split, of clips and stills, with or without EF.
        typical_percent: Median EF of the training part; of the judged clips where there is none.
        typical_words: Where that comes from.
        reference: How the EFs came about.
        notices: Clips that were left out.
    """

    manifest: str
    split: str
    cases: tuple[Case, ...]
    training: tuple[Case, ...]
    patients: Mapping[str, frozenset[str]]
    typical_percent: float
    typical_words: str
    reference: str
    notices: tuple[str, ...]


def read_cases(path: Path, split: str) -> Selection:
    """Read a manifest and choose the clips of a split.

    Args:
        path: ``.parquet`` or ``.csv``.
        split: One of `JUDGED_SPLITS`.

    Raises:
        DataError: The manifest cannot be read, or nothing of it can be judged on.
    """
    table = read_manifest(path)
    clips = table.filter(pl.col("kind") == "clip")
    if clips.is_empty():
        raise DataError(
            f"{path}: holds no clips ({len(table)} stills); stills with expert masks are judged with lvef evaluate --data."
        )
    chosen = clips if split == ALL else clips.filter(pl.col("split") == split)
    if chosen.is_empty():
        raise DataError(
            f"{path}: no clip is in the split {split}; it has {_counts(clips)}. Choose one of these with --split, or all."
        )
    apical = chosen.filter(~pl.col("view").is_in(NOT_APICAL))
    known = apical.filter(pl.col("ef_percent").is_not_null())
    if apical.is_empty():
        views = ", ".join(sorted(chosen["view"].unique()))
        raise DataError(
            f"{path}: none of its {len(chosen)} clips in the split {split} is an apical view ({views}); an EF is measured "
            "on A4C or A2C."
        )
    if known.is_empty():
        names = ", ".join(sorted(chosen["collection"].unique()))
        raise DataError(
            f"{path}: none of its {len(chosen)} clips in the split {split} has an ef_percent ({names}): there is no EF to "
            "compare with."
        )
    cases = tuple(_case(row) for row in known.iter_rows(named=True))
    patients = {case.patient for case in cases}
    if len(patients) < FEWEST_PATIENTS:
        raise DataError(
            f"{path}: {len(cases)} {'clip' if len(cases) == 1 else 'clips'} of one patient in the split {split}; intervals "
            f"are drawn over patients, and at least {FEWEST_PATIENTS} are needed."
        )
    of_training = clips.filter(
        ~pl.col("view").is_in(NOT_APICAL)
        & (pl.col("split") == str(Split.TRAIN))
        & pl.col("ef_percent").is_not_null()
    )
    training = tuple(_case(row) for row in of_training.iter_rows(named=True))
    typical, words = _typical(training, cases)
    return Selection(
        path.name,
        split,
        cases,
        training,
        {
            str(s): frozenset(table.filter(pl.col("split") == str(s))["patient"].to_list())
            for s in Split
            if len(table.filter(pl.col("split") == str(s)))
        },
        typical,
        words,
        _reference(cases),
        _left_out(table, chosen, apical, known, split),
    )


def _typical(training: Sequence[Case], cases: Sequence[Case]) -> tuple[float, str]:
    """The EF that is answered without looking at a picture."""
    if training:
        return float(np.median([case.ef_percent for case in training])), (
            f"median EF of the manifest's {len(training)} training clips"
        )
    own = float(np.median([case.ef_percent for case in cases]))
    return own, "median EF of the judged clips themselves, because the manifest has no training part with EF"


def _reference(cases: Sequence[Case]) -> str:
    """How the EFs came about, in words that name the collection."""
    methods = Counter((case.collection, case.ef_method or "how is not told") for case in cases)
    return "; ".join(f"EF of {collection}: {method}" for (collection, method), _ in methods.most_common())


def _left_out(
    table: pl.DataFrame, chosen: pl.DataFrame, apical: pl.DataFrame, known: pl.DataFrame, split: str
) -> tuple[str, ...]:
    found = []
    if len(apical) < len(chosen):
        n = len(chosen) - len(apical)
        found.append(
            f"{n} of the {len(chosen)} clips of the split {split} are no apical view and are left out."
        )
    if len(known) < len(apical):
        n = len(apical) - len(known)
        found.append(f"{n} of the {len(apical)} clips of the split {split} have no EF and are left out.")
    stills = len(table.filter(pl.col("kind") == "still"))
    if stills:
        found.append(f"{stills} stills of the manifest are left out: clips are judged here.")
    if len(set(zip(known["collection"], known["ef_method"], strict=True))) > 1:
        found.append("The EFs come from more than one method or collection: they are not the same quantity.")
    return tuple(found)


def _counts(clips: pl.DataFrame) -> str:
    counts = Counter(clips["split"].to_list())
    return ", ".join(f"{name or 'without a split'} ({n})" for name, n in counts.most_common())


def _case(row: Mapping[str, Any]) -> Case:
    root = Path(row["root"])
    sides = [side for side in (row["height_px"], row["width_px"]) if side]
    return Case(
        item=row["item"],
        collection=row["collection"],
        patient=row["patient"],
        split=row["split"] or "",
        path=root / row["path"],
        ef_percent=float(row["ef_percent"]),
        edv_ml=_number(row["edv_ml"]),
        esv_ml=_number(row["esv_ml"]),
        ef_method=row["ef_method"] or "",
        view=row["view"],
        quality=row["quality"] or "",
        rhythm=_rhythm(row["labels"]),
        sex=row["sex"] or "",
        side_px=max(sides) if len(sides) == 2 else None,
        ed_frame=row["ed_frame"],
        es_frame=row["es_frame"],
        tracing_path=root / row["tracing_path"] if row["tracing_path"] else None,
        mask_path=root / row["mask_path"] if row["mask_path"] else None,
    )


def _rhythm(labels: str | None) -> str:
    """The rhythm among the other labels, which are a JSON object."""
    try:
        told = json.loads(labels or "{}")
    except ValueError:
        return ""
    rhythm = told.get("rhythm") if isinstance(told, dict) else None
    return rhythm if isinstance(rhythm, str) else ""


def _number(value: float | None) -> float:
    return NAN if value is None else float(value)
