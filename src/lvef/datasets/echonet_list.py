"""The table ``FileList.csv`` and the folder ``Videos`` of the EchoNet datasets: a row per clip, and its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl

from lvef.core.terms import Split
from lvef.datasets.files import LINE, UNPACK, drop_duplicate_rows, name_on_disk, read_text_table
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.manifest import BY_NAME, conform_table
from lvef.datasets.volume_tracings import CLIP_NAME, read_traced_frames

LIST, TRACINGS, VIDEOS = "FileList.csv", "VolumeTracings.csv", "Videos"
"""Names of the two tables and of the folder beside them."""

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
"""The list's words, in upper case, for the splits."""

# fmt: off
_REMEDY = f"Take {LIST} as its owners hand it out."
_SKIPPED = "Nothing; they are skipped by what needs the value."
UNKNOWN_SPLIT = FindingKind("unknown_split", WARNING,
    f"Clips of {LIST} have no split, or one that is not {', '.join(SPLITS)}; it stays empty.", _REMEDY)
_PARTIAL = FindingKind("partial_list", NOTE, f"{LIST} names {{n:,}} clips; the release has {CLIPS:,}.",
    "Nothing, where a part is meant.")
_UNNAMED = FindingKind("unnamed_row", WARNING,
    f"Rows of {LIST} name no clip, or a file elsewhere; they are left out.", _REMEDY)
_NO_NUMBER = FindingKind("no_number", WARNING,
    f"Cells of {LIST} hold words where numbers were expected; they stay empty.", _REMEDY)
_EF_OUT = FindingKind("ef_out_of_range", WARNING, f"Cells of {LIST} hold an EF outside 0-100; they stay empty.", _REMEDY)
_OUT = FindingKind("out_of_range", WARNING, f"Cells of {LIST} hold numbers that cannot be; they stay empty.", _REMEDY)
_NO_EF = FindingKind("no_ef", WARNING, f"Clips of {LIST} have no EF (empty or NaN).", _SKIPPED)
_GAP = FindingKind("gap", WARNING, f"Clips of {LIST} have no value in some columns (empty or NaN).", _SKIPPED)
_CONTRADICTING = FindingKind("contradicting_rows", ERROR,
    f"Clips stand in {LIST} more than once with different values; they are left out.", _REMEDY)
_DUPLICATE = FindingKind("duplicate_rows", WARNING,
    f"Clips stand in {LIST} more than once with the same values; the first row is kept.", _REMEDY)
REPEATED = (_CONTRADICTING, _DUPLICATE)
_MISSING_FILE = FindingKind("missing_file", ERROR,
    f"Clips of {LIST} have no file in {VIDEOS}; their rows and labels are kept.",
    UNPACK)
_EMPTY_FILE = FindingKind("empty_file", ERROR, f"Files in {VIDEOS} have 0 bytes; their rows and labels are kept.",
    "Unpack the archive again; the disk may have been full.")
_UNLISTED = FindingKind("unlisted_video", WARNING,
    f"Files in {VIDEOS} are not in {LIST}; they have no label and are left out.",
    f"Nothing, or complete {LIST}.")
_NO_TABLE = FindingKind("no_tracings_table", WARNING, "{table} is missing, so that ED, ES and {what}s are not known.",
    f"Put the owners' table beside {LIST} and import again.")
_UNKNOWN_CLIP = FindingKind("tracing_of_unknown_clip", WARNING,
    f"{TRACINGS} holds clips that have no row; their {{what}}s are left out.", "Nothing.")
_NO_TRACING = FindingKind("no_tracing", WARNING, f"Clips have no {{what}} in {TRACINGS}; ED and ES are not known.",
    "Nothing; they are skipped by what needs tracings.")
_SWAPPED = FindingKind("esv_above_edv", WARNING, "Clips have an ESV above their EDV; both stay as they are.",
    "Do not train on these volumes.")
_EF_DISAGREES = FindingKind("ef_disagrees", WARNING,
    f"The EF of clips differs by more than {EF_TOLERANCE} points from 100 (EDV - ESV) / EDV; all stay as they are.",
    f"Compare with the owners' {LIST}: values may have been shifted against names.")
# fmt: on


def read_file_list(path: Path, findings: Findings) -> pl.DataFrame:
    """Read the list: one row per clip, with values that the manifest's schema allows.

    Args:
        path: ``FileList.csv``.
        findings: Takes note of rows that are left out, values that stay empty, and volumes that contradict the EF.

    Returns:
        ``item``, the columns of `NUMBERS` as float64, ``split``, ``Split`` as written, and `LINE`; in the order of the file.

    Raises:
        DataError: The list cannot be read, or has no column ``FileName``.
    """
    table = keep_named_rows(read_text_table(path, ("FileName", *NUMBERS, "Split"), findings), findings)
    for source, target in NUMBERS.items():
        table = table.with_columns(read_number(table, source, target, findings))
    split = pl.col("Split").str.to_uppercase().replace_strict(SPLITS, default=None, return_dtype=pl.String)
    table = table.with_columns(split.alias("split"))
    findings.add(UNKNOWN_SPLIT, items(table, pl.col("split").is_null()))
    n = table["item"].n_unique()
    findings.add(_PARTIAL.filled(n=n), LIST if n != CLIPS else [])
    table = drop_duplicate_rows(table, "item", [*NUMBERS.values(), "split"], REPEATED, findings)
    edv, esv, ef = pl.col("edv_ml"), pl.col("esv_ml"), pl.col("ef_percent")
    findings.add(_SWAPPED, items(table, (esv > edv).fill_null(False)))
    off = (edv > 0) & ((100 * (edv - esv) / edv - ef).abs() > EF_TOLERANCE)
    findings.add(_EF_DISAGREES, items(table, off.fill_null(False)))
    return table


def keep_named_rows(table: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """The rows that name a clip, with its name in ``item``; the others are noted."""
    table = table.with_columns(CLIP_NAME)
    bad = table["item"].is_null() | table["item"].str.contains(r"[/\\\x00]|^\.*$").fill_null(False)
    findings.add(_UNNAMED, [f"{LIST}, line {line}" for line in table.filter(bad)[LINE]])
    return table.filter(~bad)


def read_number(table: pl.DataFrame, source: str, target: str, findings: Findings) -> pl.Series:
    """A column as numbers that the schema allows, null elsewhere.

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
    where = (table["item"] + ", " + source + " " + text).alias("where")
    findings.add(_NO_NUMBER, where.filter(wrong).to_list())
    findings.add(_EF_OUT if source == "EF" else _OUT, where.filter(outside).to_list())
    if text.null_count() < len(text):  # a column that is missing altogether has been noted
        gaps = (table["item"] + ", " + source).filter(text.is_null()).to_list()
        findings.add(_NO_EF if source == "EF" else _GAP, gaps)
    return value.set(wrong | outside, None).alias(target)


def add_paths(clips: pl.DataFrame, root: Path, findings: Findings) -> pl.DataFrame:
    """The clips with the ``path`` of each in the folder; what is missing, empty or not in the list is noted."""
    folder = name_on_disk(root, VIDEOS)
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
    listed = set(clips["item"])
    findings.add(_MISSING_FILE, [name for name in clips["item"] if name not in files])
    findings.add(_EMPTY_FILE, sorted(name for name in empty if name in listed))
    findings.add(_UNLISTED, sorted(files.keys() - listed))
    paths = [f"{folder}/{files.get(name, name + '.avi')}" for name in clips["item"]]
    return clips.with_columns(pl.Series("path", paths, dtype=pl.String))


def add_tracings(
    clips: pl.DataFrame,
    folder: Path,
    findings: Findings,
    decide: Callable[[pl.DataFrame, Path], pl.DataFrame],
    *,
    shown: str = TRACINGS,
    what: str = "tracing",
) -> pl.DataFrame:
    """The clips with ``n_traced_frames``, ``ed_frame``, ``es_frame`` and ``tracing_path`` by the table of tracings.

    Args:
        clips: Rows with ``item``.
        folder: Where the table lies.
        findings: Takes note of a table that is missing, of clips without tracing and of tracings without clip.
        decide: Gives the phases, as `lvef.datasets.volume_tracings.decide_phases` does, of the clips' traced frames and
            the table's path.
        shown: How findings call the table.
        what: What it holds of a frame.
    """
    name = name_on_disk(folder, TRACINGS)
    if not (folder / name).is_file():
        findings.add(_NO_TABLE.filled(table=shown, what=what), shown)
        empty = [pl.lit(None, pl.Int64).alias(c) for c in ("n_traced_frames", "ed_frame", "es_frame")]
        return clips.with_columns(*empty, pl.lit(None, pl.String).alias("tracing_path"))
    frames = read_traced_frames(folder / name, findings)
    listed = pl.col("item").is_in(clips["item"].to_list())
    unknown = frames.filter(~listed)["item"].unique(maintain_order=True).to_list()
    findings.add(_UNKNOWN_CLIP.filled(what=what), unknown)
    phases = decide(frames.filter(listed), folder / name)
    clips = clips.join(phases, on="item", how="left", maintain_order="left")
    clips = clips.with_columns(pl.col("n_traced_frames").fill_null(0))
    traced = pl.col("n_traced_frames") > 0
    findings.add(_NO_TRACING.filled(what=what), items(clips, ~traced))
    return clips.with_columns(pl.when(traced).then(pl.lit(name)).alias("tracing_path"))


def items(table: pl.DataFrame, which: pl.Expr) -> list[str]:
    """Names of the rows that an expression selects."""
    return table.filter(which)["item"].to_list()


def as_manifest(clips: pl.DataFrame, root: Path, where: str, **fixed: str) -> pl.DataFrame:
    """The clips as a validated manifest: their known columns, the duration, and what is the same for all.

    Args:
        clips: Rows with ``n_frames`` and ``frame_rate_hz``; other columns than those of the schema are left out.
        root: Folder that the paths start from.
        where: What to call the dataset in messages.
        fixed: Values by column.

    Raises:
        DataError: A value that the columns do not allow.
    """
    fixed |= {"kind": "clip", "root": root.absolute().as_posix()}
    clips = clips.with_columns(
        (pl.col("n_frames") / pl.col("frame_rate_hz")).alias("duration_s"),
        *(pl.lit(value).alias(name) for name, value in fixed.items()),
    )
    return conform_table(clips.select(name for name in clips.columns if name in BY_NAME), where)
