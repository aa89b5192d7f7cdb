"""Tracings of a manifest: how many frames of a clip are traced, and whether the clip has those frames."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lvef.core.errors import DataError
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.volume_tracings import read_traced_frames

TRACED_FRAMES = 2
"""Frames traced of a clip: one ED, one ES."""


def check_tracings(manifest: pl.DataFrame, findings: Findings) -> None:
    """Check every table of tracings that the manifest names.

    Args:
        manifest: Rows by `lvef.datasets.schema`.
        findings: Takes note.
    """
    tables = manifest.filter(pl.col("tracing_path").is_not_null())
    if tables.is_empty():
        return
    collections = tables["collection"].unique().to_list()
    clips = manifest.filter(pl.col("collection").is_in(collections) & (pl.col("kind") == "clip"))
    traced = pl.col("n_traced_frames").fill_null(0)
    findings.add(
        "traced_frames",
        Severity.WARNING,
        f"Clips have another number of traced frames than {TRACED_FRAMES}.",
        "Nothing; those with fewer are skipped by what needs tracings, of more the largest and smallest count.",
        [
            f"{item} ({n})"
            for item, n in clips.filter(traced != TRACED_FRAMES).select("item", traced).iter_rows()
        ],
    )
    for (root, name), rows in tables.group_by("root", "tracing_path", maintain_order=True):
        if Path(str(root)).is_dir():
            _check_table(Path(str(root)) / str(name), rows, findings)


def _check_table(path: Path, rows: pl.DataFrame, findings: Findings) -> None:
    if not path.is_file():
        findings.add(
            "missing_tracings",
            Severity.ERROR,
            "The table of tracings is missing.",
            "Put the owners' table back, or import again.",
            path.name,
            len(rows),
        )
        return
    try:
        frames = read_traced_frames(path, findings)
    except DataError:
        findings.add(
            "unreadable_tracings",
            Severity.ERROR,
            "The table of tracings cannot be read.",
            "Take the table as its owners hand it out.",
            path.name,
            len(rows),
        )
        return
    stem = pl.col("path").str.replace(r"^.*/", "").str.replace(r"\.[^.]*$", "")
    clips = rows.select("item", stem.alias("stem"), "n_frames", "n_traced_frames", "ed_frame", "es_frame")
    known = clips.join(frames.rename({"item": "stem"}), on="stem", how="left", maintain_order="left")
    beyond = known.filter((pl.col("frame") >= pl.col("n_frames")).fill_null(False))
    findings.add(
        "tracing_beyond_clip",
        Severity.ERROR,
        "Traced frames lie behind the end of their clip.",
        "Take tables and clips from one release; these tracings are not used.",
        [
            f"{item}, frame {frame} of {n}"
            for item, frame, n in beyond.select("item", "frame", "n_frames").rows()
        ],
    )
    _check_order(known.filter(pl.col("volume_px3").is_not_null()), findings)
    within = pl.col("frame").is_not_null() & (pl.col("frame") < pl.col("n_frames")).fill_null(True)
    counted = known.group_by("item", maintain_order=True).agg(
        pl.col("n_traced_frames").first(), within.sum().alias("found")
    )
    other = counted.filter((pl.col("found") != pl.col("n_traced_frames")).fill_null(False))
    findings.add(
        "tracings_changed",
        Severity.ERROR,
        "The table holds another number of traced frames than the manifest says: one of them was changed.",
        "Import again.",
        [
            f"{item} (manifest {told}, table {n})"
            for item, told, n in other.select("item", "n_traced_frames", "found").rows()
        ],
    )


def _check_order(known: pl.DataFrame, findings: Findings) -> None:
    """Whether the traced volume at the manifest's ES frame is the smaller one."""

    def at(phase: str) -> pl.DataFrame:
        return known.filter(pl.col("frame") == pl.col(phase)).select(
            "item", pl.col("volume_px3").alias(phase)
        )

    both = at("ed_frame").join(at("es_frame"), on="item", maintain_order="left")
    findings.add(
        "swapped_tracings",
        Severity.ERROR,
        "The traced ventricle is larger at the ES frame than at the ED frame: the phases are swapped.",
        "Import again; the reader decides by the traced volume.",
        both.filter(pl.col("es_frame") > pl.col("ed_frame"))["item"].to_list(),
    )
