"""The table ``VolumeTracings.csv`` of EchoNet-Dynamic: its lines, which frames are traced, and which of them is ED.

One row is one line ``X1, Y1, X2, Y2`` in pixels on a frame counted from 0; of each frame the first row is the long axis,
then come 20 chords. Frames come in either order, so that ED is decided by volume.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl

from lvef.core.errors import DataError
from lvef.core.records import FloatArray
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.text_table import LINE, read_text_table

COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
"""Columns of the table."""

ENDS = COLUMNS[1:5]
"""Columns of a line's ends."""

LINES = 21
"""Rows of a traced frame: the long axis and 20 chords."""

BAD_LINE, REPEATED_LINE = "bad_tracing_line", "repeated_tracing_line"
"""Codes of findings that callers count."""


def clip_name(column: str) -> pl.Expr:
    """Name of a clip from a cell that comes with or without ``.avi``."""
    return pl.col(column).str.replace(r"(?i)\.avi$", "")


def read_lines(path: Path, findings: Findings) -> pl.DataFrame:
    """All lines of the table that are lines, once each.

    Args:
        path: ``VolumeTracings.csv``.
        findings: Takes note of lines that are no lines, and of lines that say the same as one before.

    Returns:
        ``item``, ``frame`` and the ends ``X1, Y1, X2, Y2`` in pixels, in the order of the file.

    Raises:
        DataError: The table cannot be read at all, or a column is missing or empty throughout.
    """
    table = read_text_table(path, COLUMNS, findings)
    without = [name for name in COLUMNS if len(table) and table[name].null_count() == len(table)]
    if without:
        raise DataError(
            f"{path}: the column {', '.join(without)} is missing or empty; a table of tracings has {', '.join(COLUMNS)}: "
            "take it as its owners hand it out."
        )
    table = table.with_columns(
        clip_name("FileName").alias("item"), pl.col(*COLUMNS[1:]).cast(pl.Float64, strict=False)
    )
    frame = pl.col("Frame")
    placed = (pl.col("item").is_not_null() & (frame >= 0) & (frame == frame.floor())).fill_null(False)
    good = placed & pl.all_horizontal(pl.col(ENDS).is_finite().fill_null(False))
    bad = table.filter(~good)
    findings.add(
        BAD_LINE,
        Severity.WARNING,
        f"Lines of {path.name} hold no name, no number, or a frame that is not a whole number from 0; they and the other "
        "lines of their frames are left out.",
        "Take the table as its owners hand it out.",
        [f"{path.name}, line {line}" for line in bad[LINE].head(5)],
        len(bad),
    )
    # Not the lines alone: if the first of a frame went, a chord would pass for the long axis.
    torn = table.filter(placed & ~good).select("item", "Frame").unique()
    lines = (
        table.filter(good)
        .join(torn, on=["item", "Frame"], how="anti", maintain_order="left")
        .select("item", frame.cast(pl.Int64).alias("frame"), *ENDS, LINE)
    )
    once = lines.unique(subset=["item", "frame", *ENDS], keep="first", maintain_order=True)
    findings.add(
        REPEATED_LINE,
        Severity.NOTE,
        f"Lines of {path.name} say the same as one before; they are counted once.",
        "",
        [f"{path.name}, line {line}" for line in _without(lines, once)[:5]],
        len(lines) - len(once),
    )
    return once.drop(LINE)


def lines_by_frame(lines: pl.DataFrame) -> dict[str, dict[int, FloatArray]]:
    """The lines of `read_lines` by clip and frame, each ``(n, 2, 2)`` float64 pixels in the order of the file."""
    found: dict[str, dict[int, FloatArray]] = {}
    for (item, frame), part in lines.group_by("item", "frame", maintain_order=True):
        points = part.select(ENDS).to_numpy().reshape(-1, 2, 2)
        found.setdefault(str(item), {})[int(str(frame))] = np.asarray(points, dtype=np.float64)
    return found


def read_traced_frames(path: Path, findings: Findings) -> pl.DataFrame:
    """Volumes of all traced frames, by the method of disks in one plane.

    The scale is unknown and the same in all frames of a clip, so volumes are in cubic pixels and only compared.

    Args:
        path: ``VolumeTracings.csv``.
        findings: Takes note of what `read_lines` finds, and of frames with another number of lines than 21.

    Returns:
        One row a traced frame: ``item``, ``frame``, ``n_lines`` and ``volume_px3``, null where there is none. In the order
        of the file.

    Raises:
        DataError: The table cannot be read at all.

    Source:
        V = pi/4 sum(d_i^2) L/n, as `lvef.geometry.simpson.disks_single_plane`; here for 400,000 lines at once.
    """
    squared = (pl.col("X1") - pl.col("X2")) ** 2 + (pl.col("Y1") - pl.col("Y2")) ** 2
    chords = pl.col("squared").sum() - pl.col("squared").first()
    volume = math.pi / 4 * chords / (pl.len() - 1) * pl.col("squared").first().sqrt()
    frames = (
        read_lines(path, findings)
        .select("item", "frame", squared.alias("squared"))
        .group_by("item", "frame", maintain_order=True)
        .agg(pl.len().cast(pl.Int64).alias("n_lines"), volume.alias("volume_px3"))
        .with_columns(
            pl.when(pl.col("volume_px3").is_finite() & (pl.col("volume_px3") > 0)).then(pl.col("volume_px3"))
        )
    )
    odd = frames.filter(pl.col("n_lines") != LINES)
    findings.add(
        "other_line_count",
        Severity.WARNING,
        f"Traced frames have another number of lines than {LINES}; ED and ES are decided from the lines that are there.",
        "Nothing; what needs 20 chords draws them anew along the outline of those there are.",
        [f"{item}, frame {at}: {n}" for item, at, n in odd.select("item", "frame", "n_lines").head(5).rows()],
        len(odd),
    )
    return frames


def decide_phases(frames: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """ED and ES of each clip: the traced frames of the largest and of the smallest volume.

    Args:
        frames: From `read_traced_frames`, without frames that are not in the clips.
        findings: Takes note of clips where this does not tell ED and ES, or where it is unusual.

    Returns:
        One row a clip: ``item``, ``n_traced_frames``, ``ed_frame`` and ``es_frame``, both null where undecided.
    """
    volume, frame = pl.col("volume_px3"), pl.col("frame")
    clips = frames.group_by("item", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("n_traced_frames"),
        frame.sort_by(volume, descending=True, nulls_last=True).first().alias("ed_frame"),
        frame.sort_by(volume, nulls_last=True).first().alias("es_frame"),
        (volume.max() > volume.min()).fill_null(False).alias("decided"),
    )
    ed, es, n, decided = (pl.col(name) for name in ("ed_frame", "es_frame", "n_traced_frames", "decided"))

    def names(which: pl.Expr) -> list[str]:
        return clips.filter(which)["item"].to_list()

    findings.add(
        "undecided_phase",
        Severity.WARNING,
        "ED and ES of these clips are not told by their tracings: fewer than two frames with a volume, or equal volumes.",
        "Leave these clips out of what needs ED and ES frames.",
        names(~decided),
    )
    findings.add(
        "more_traced_frames",
        Severity.NOTE,
        "These clips have more than two traced frames; the largest volume is taken for ED, the smallest for ES.",
        "",
        names(decided & (n > 2)),
    )
    findings.add(
        "ed_after_es",
        Severity.NOTE,
        "In these clips ED comes after ES: which frame is ED is decided by volume, not by order.",
        "",
        names(decided & (ed > es)),
    )
    return clips.select("item", "n_traced_frames", pl.when(decided).then(ed), pl.when(decided).then(es))


def _without(lines: pl.DataFrame, once: pl.DataFrame) -> list[int]:
    """Lines of the file that stand in the first table and not in the second."""
    return lines.join(once, on=LINE, how="anti", maintain_order="left")[LINE].to_list()
