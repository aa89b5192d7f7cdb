"""What must be said of a manifest beside its tables, one plain sentence each."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lvef.evaluation.exploring.records import Column

LABELS = {
    "split": "split",
    "sex": "sex",
    "view": "view",
    "quality": "picture quality",
    "diagnosis": "diagnosis",
}
"""Labels whose absence, or sameness, is told."""

QUANTITIES = {
    "edv_ml": "EDV",
    "esv_ml": "ESV",
    "frame_rate_hz": "frame rate",
    "duration_s": "duration",
    "height_px": "picture size",
    "age_years": "age",
    "heart_rate_bpm": "heart rate",
}
"""Quantities whose absence is told; that of EF has a sentence of its own."""


def make_notes(
    manifest: pl.DataFrame,
    carried: pl.DataFrame,
    measured: pl.DataFrame,
    columns: Sequence[Column],
    most_labels: int,
) -> tuple[str, ...]:
    """The sentences, the most important first.

    Args:
        manifest: At least one row.
        carried: Its rows with an EF or a volume.
        measured: Distinct measurements of these, with ``n_items``.
        columns: Described quantities, EF, EDV and ESV first.
        most_labels: A label column with more different words is not shown.
    """
    ef = columns[0].description
    clips = bool((manifest["kind"] == "clip").any())
    notes = [_without_ef(manifest, carried) if not ef.n else "", *_of_measurements(manifest, measured, ef.n)]
    if len(manifest) == 1:
        notes.append("It holds one item only: no spread can be told.")
    notes += _flat(columns)
    n_swapped = int((measured["edv_ml"] < measured["esv_ml"]).sum())
    if n_swapped:
        notes.append(
            f"In {_many(n_swapped, 'measurement')} EDV is smaller than ESV: look at them with lvef data check."
        )
    silent = [words for name, words in QUANTITIES.items() if manifest[name].null_count() == len(manifest)]
    if not clips:
        silent = [words for words in silent if words not in ("frame rate", "duration")]
    silent += [words for name, words in LABELS.items() if not _told(manifest, name)]
    if silent:
        notes.append(f"Not told: {', '.join(silent)}.")
    same = [
        f"{words} ({next(iter(told))})"
        for name, words in LABELS.items()
        if len(told := _told(manifest, name)) == 1 and len(manifest) > 1
    ]
    if same:
        notes.append(f"The same wherever it is told, so nothing is compared by it: {', '.join(same)}.")
    wordy = [words for name, words in LABELS.items() if len(_told(manifest, name)) > most_labels]
    if wordy:
        notes.append(
            f"In more than {most_labels} different words, so neither counted nor compared: {', '.join(wordy)}."
        )
    return tuple(note for note in notes if note)


def _without_ef(manifest: pl.DataFrame, carried: pl.DataFrame) -> str:
    names = ", ".join(manifest["collection"].unique(maintain_order=True))
    rest = " but volumes" if len(carried) else ""
    return f"This manifest ({names}) carries no EF{rest}; it is explored with what it has."


def _of_measurements(manifest: pl.DataFrame, measured: pl.DataFrame, n_ef: int) -> list[str]:
    notes = []
    n_items = int(measured["n_items"].sum())
    patients = measured.select("collection", "patient")
    if n_items > len(measured):
        notes.append(
            f"What several items of a patient carry alike is counted once: {_many(len(measured), 'measurement')} of "
            f"{_many(patients.n_unique(), 'patient')}, carried by {_many(n_items, 'item')}."
        )
    several = int((patients.group_by("collection", "patient").len()["len"] > 1).sum())
    if several:
        notes.append(
            f"{_many(several, 'patient')} with more than one measurement: each counts, so these patients weigh more."
        )
    n_patients = manifest.select("collection", "patient").n_unique()
    told = measured.filter(pl.col("ef_percent").is_not_null())
    without = n_patients - told.select("collection", "patient").n_unique()
    if n_ef and without:
        notes.append(f"{without:,} of {_many(n_patients, 'patient')} without an EF.")
    methods = told["ef_method"].unique(maintain_order=True).to_list()
    if len(methods) > 1:
        words = "; ".join("not told" if method is None else method for method in methods[:4])
        notes.append(
            f"EF comes by {len(methods)} methods ({words}{'; ...' if len(methods) > 4 else ''}): a mean over all of "
            "them mixes definitions."
        )
    return notes


def _flat(columns: Sequence[Column]) -> list[str]:
    notes = []
    for column in columns:
        d, q = column.description, column.quantity
        if q.of == "measurements" and d.n > 1 and d.minimum == d.maximum:
            unit = " %" if q.unit == "%" else f" {q.unit}"
            notes.append(f"Every {q.words} is {d.mean:g}{unit}: its standard deviation and z-scores are 0.")
    return notes


def _told(manifest: pl.DataFrame, name: str) -> set[str]:
    """Different words of a label; a view called unknown tells nothing."""
    return set(manifest[name].drop_nulls().unique()) - {"unknown"}


def _many(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"
