"""The table ``FileList.csv`` and the folder ``Videos`` of the EchoNet collections: a row a clip, and its file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lvef.core.terms import Split
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.schema import BY_NAME
from lvef.datasets.text_table import LINE, read_text_table
from lvef.datasets.volume_tracings import clip_name

LIST, VIDEOS = "FileList.csv", "Videos"
"""Names of the table and of the folder beside it."""

CLIPS = 10_030
"""Clips in the list of the release. Source: FileList.csv."""

EF_TOLERANCE = 0.1
"""Points of EF by which it may differ from its volumes; in the release they agree to 1e-7."""

NUMBERS = {
    "EF": "ef_percent",
    "ESV": "esv_ml",
    "EDV": "edv_ml",
    "FrameHeight": "height_px",
    "FrameWidth": "width_px",
    "FPS": "frame_rate_hz",
    "NumberOfFrames": "n_frames",
}
"""Columns of the list that hold numbers -> columns of the manifest."""

SPLITS = {"TRAIN": Split.TRAIN, "VAL": Split.VAL, "TEST": Split.TEST}
"""The list's words, in upper case, for the parts of the collection."""

_MEND = "Take FileList.csv as its owners hand it out."


def read_file_list(path: Path, findings: Findings) -> pl.DataFrame:
    """Read the list: one row a clip, with values that the manifest's schema allows.

    Args:
        path: ``FileList.csv``.
        findings: Takes note of rows that are left out, values that stay empty, and volumes that contradict the EF.

    Returns:
        ``item``, the columns of `NUMBERS` as float64, ``split``, ``Split`` as written, and `LINE`; in the order of the file.

    Raises:
        DataError: The list cannot be read, or has no column ``FileName``.
    """
    table = read_text_table(path, ("FileName", *NUMBERS, "Split"), findings)
    table = named_rows(table, findings)
    for source, target in NUMBERS.items():
        table = table.with_columns(read_number(table, source, target, findings))
    upper = pl.col("Split").str.to_uppercase()
    table = table.with_columns(
        upper.replace_strict(SPLITS, default=None, return_dtype=pl.String).alias("split")
    )
    findings.add(
        "unknown_split",
        Severity.WARNING,
        f"Clips of {LIST} have no split, or one that is not {', '.join(SPLITS)}; it stays empty.",
        _MEND,
        _names(table, pl.col("split").is_null()),
    )
    n = table["item"].n_unique()
    findings.add(
        "partial_list",
        Severity.NOTE,
        f"{LIST} names {n:,} clips; the release has {CLIPS:,}.",
        "Nothing, where a part is meant.",
        LIST if n != CLIPS else [],
    )
    table = one_row_a_clip(table, [*NUMBERS.values(), "split"], findings)
    _compare_volumes(table, findings)
    return table


def named_rows(table: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """Return the rows that name a clip, with its name in ``item``; the others are noted."""
    table = table.with_columns(clip_name("FileName").alias("item"))
    bad = table["item"].is_null() | table["item"].str.contains(r"[/\\\x00]|^\.*$").fill_null(False)
    findings.add(
        "unnamed_row",
        Severity.WARNING,
        f"Rows of {LIST} name no clip, or a file elsewhere; they are left out.",
        _MEND,
        [f"{LIST}, line {line}" for line in table.filter(bad)[LINE]],
    )
    return table.filter(~bad)


def read_number(table: pl.DataFrame, source: str, target: str, findings: Findings) -> pl.Series:
    """Return a column as numbers that the schema allows, null elsewhere.

    Args:
        table: Text, with ``item``.
        source: Column of the list.
        target: Column of the manifest.
        findings: Takes note of words, of values that cannot be, and of gaps.
    """
    text, column = table[source], BY_NAME[target]
    value = text.cast(pl.Float64, strict=False)
    low, high = column.low if column.low is not None else 0.0, column.high if column.high is not None else 1e9
    wrong = text.is_not_null() & (value.is_null() | ~value.is_finite().fill_null(True))
    outside = ((value < low) | (value > high)).fill_null(False) & ~wrong
    if column.kind == "whole":
        outside |= (value != value.floor()).fill_null(False) & ~wrong
    told = (table["item"] + ", " + source + " " + text).alias("told")
    findings.add(
        "no_number",
        Severity.WARNING,
        f"Cells of {LIST} hold words where numbers were expected; they stay empty.",
        _MEND,
        told.filter(wrong).to_list(),
    )
    code, kind = (
        ("ef_out_of_range", "an EF outside 0-100")
        if source == "EF"
        else ("out_of_range", "numbers that cannot be")
    )
    findings.add(
        code,
        Severity.WARNING,
        f"Cells of {LIST} hold {kind}; they stay empty.",
        _MEND,
        told.filter(outside).to_list(),
    )
    if text.null_count() < len(text):  # a column that is missing altogether has been told
        code, kind = ("no_ef", "no EF") if source == "EF" else ("gap", "no value in some columns")
        findings.add(
            code,
            Severity.WARNING,
            f"Clips of {LIST} have {kind} (empty or NaN).",
            "Nothing; they are skipped by what needs the value.",
            (table["item"] + ", " + source).filter(text.is_null()).to_list(),
        )
    return value.set(wrong | outside, None).alias(target)


def one_row_a_clip(table: pl.DataFrame, content: Sequence[str], findings: Findings) -> pl.DataFrame:
    """Return equal rows of a clip once; clips whose rows contradict each other not at all: which is right is not known.

    Args:
        table: Rows with ``item``.
        content: Columns that equal rows share.
        findings: Takes note of both.
    """
    values = pl.struct(*content)
    table = table.with_columns(
        pl.len().over("item").alias("n_rows"), values.n_unique().over("item").alias("n_contents")
    )
    same, contrary = pl.col("n_contents") == 1, pl.col("n_contents") > 1
    findings.add(
        "contradicting_rows",
        Severity.ERROR,
        f"Clips stand in {LIST} more than once with different values; they are left out.",
        _MEND,
        table.filter(contrary)["item"].unique(maintain_order=True).to_list(),
    )
    findings.add(
        "duplicate_rows",
        Severity.WARNING,
        f"Clips stand in {LIST} more than once with the same values; the first row is kept.",
        _MEND,
        table.filter(same & (pl.col("n_rows") > 1))["item"].unique(maintain_order=True).to_list(),
    )
    return table.filter(same).unique("item", keep="first", maintain_order=True)


def entry(root: Path, name: str) -> str:
    """Return a name as it is written in a folder; copies differ in case."""
    if not root.is_dir():
        return name
    with os.scandir(root) as entries:
        names = {found.name.lower(): found.name for found in entries if found.name != name}
    return name if (root / name).exists() else names.get(name.lower(), name)


def with_files(clips: pl.DataFrame, root: Path, findings: Findings) -> pl.DataFrame:
    """Return the clips with the ``path`` of each from the folder; what is missing, empty or not in the list is noted."""
    folder = entry(root, VIDEOS)
    files: dict[str, str] = {}
    empty: list[str] = []
    if (root / folder).is_dir():
        with os.scandir(root / folder) as entries:
            for found in entries:
                stem, _, suffix = found.name.rpartition(".")
                if suffix.lower() == "avi" and not stem.startswith("."):
                    files[stem] = found.name
                    if found.stat().st_size == 0:
                        empty.append(stem)
    items = set(clips["item"])
    findings.add(
        "missing_file",
        Severity.ERROR,
        f"Clips of {LIST} have no file in {VIDEOS}; their rows and labels are kept.",
        "Unpack the archive again and look whether it was whole; then import again.",
        [name for name in clips["item"] if name not in files],
    )
    findings.add(
        "empty_file",
        Severity.ERROR,
        f"Files in {VIDEOS} have 0 bytes; their rows and labels are kept.",
        "Unpack the archive again; the disk may have been full.",
        sorted(name for name in empty if name in items),
    )
    findings.add(
        "unlisted_video",
        Severity.WARNING,
        f"Files in {VIDEOS} are not in {LIST}; they have no label and are left out.",
        f"Nothing, or complete {LIST}.",
        sorted(files.keys() - items),
    )
    paths = [f"{folder}/{files.get(name, name + '.avi')}" for name in clips["item"]]
    return clips.with_columns(pl.Series("path", paths, dtype=pl.String))


def _compare_volumes(clips: pl.DataFrame, findings: Findings) -> None:
    edv, esv, ef = pl.col("edv_ml"), pl.col("esv_ml"), pl.col("ef_percent")
    findings.add(
        "esv_above_edv",
        Severity.WARNING,
        "Clips have an ESV above their EDV; both stay as they are.",
        "Do not train on these volumes.",
        _names(clips, (esv > edv).fill_null(False)),
    )
    computed = 100 * (edv - esv) / edv
    findings.add(
        "ef_disagrees",
        Severity.WARNING,
        f"The EF of clips differs by more than {EF_TOLERANCE} points from 100 (EDV - ESV) / EDV; all stay as they are.",
        "Compare with the owners' FileList.csv: values may have been shifted against names.",
        _names(clips, ((edv > 0) & ((computed - ef).abs() > EF_TOLERANCE)).fill_null(False)),
    )


def _names(table: pl.DataFrame, which: pl.Expr) -> list[str]:
    return table.filter(which)["item"].to_list()
