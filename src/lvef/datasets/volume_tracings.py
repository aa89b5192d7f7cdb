"""The table ``VolumeTracings.csv`` of the EchoNet datasets: what is traced on which frames, and which of them is ED.

EchoNet-Dynamic: one row is one line ``X1, Y1, X2, Y2`` in pixels on a frame counted from 0; of each frame the first row is
the long axis, then come 20 chords. EchoNet-Pediatric: one row is one point ``X, Y`` of the contour; a phase that was not
traced has a row without a point whose frame is called ``No Systolic`` or ``No Diastolic``. Frames come in either order, so
that ED is decided by volume.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl

from lvef.core.errors import DataError, GeometryError
from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.datasets.files import LINE, read_text_table
from lvef.datasets.findings import NOTE, WARNING, FindingKind, Findings
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.volume_tracing import volume_tracing_of_mask

COLUMNS = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
"""Columns of the table."""

ENDS = COLUMNS[1:5]
"""Columns of a line's ends."""

POINT_COLUMNS = ("FileName", "X", "Y", "Frame")
"""Columns of a table of contours."""

UNTRACED = {"no diastolic": Phase.ED, "no systolic": Phase.ES}
"""What stands for a frame, in lower case, where a phase was not traced."""

MIN_POINTS = 3
"""Fewest points of a contour."""

FINER = 4
"""A contour is drawn so many times larger before it is traced: its points are whole pixels of an image of 112."""

LINES = 21
"""Rows of a traced frame: the long axis and 20 chords."""

BAD_LINE, REPEATED_LINE = "bad_tracing_line", "repeated_tracing_line"
"""Codes of findings that callers count."""

# fmt: off
_REMEDY = "Take the table as its owners hand it out."
_BAD_LINE = FindingKind(BAD_LINE, WARNING,
    "Lines of {table} hold no name, no number, or a frame that is not a whole number from 0; they and the other lines of "
    "their frames are left out.", _REMEDY)
_REPEATED_LINE = FindingKind(REPEATED_LINE, NOTE, "Lines of {table} repeat one before; they are counted once.")
_BAD_POINT = FindingKind(BAD_LINE, WARNING,
    "Rows of {table} hold no name, no point, or a frame that is not a whole number from 0; they are left out.", _REMEDY)
_FEW_POINTS = FindingKind("few_points", WARNING, f"Contours have fewer than {MIN_POINTS} points; they are left out.")
_NO_VENTRICLE = FindingKind("no_ventricle_outlined", WARNING,
    "Contours are no ventricle that could be measured; they are left out.")
_OTHER_COUNT = FindingKind("other_line_count", WARNING,
    f"Traced frames have another number of lines than {LINES}; ED and ES are decided from the lines that are there.",
    "Nothing; what needs 20 chords draws them anew along the contour of those there are.")
_UNDECIDED = FindingKind("undecided_phase", WARNING,
    "ED and ES of these clips cannot be decided by their tracings: fewer than two frames with a volume, or equal volumes.",
    "Leave these clips out of what needs ED and ES frames.")
_MORE_FRAMES = FindingKind("more_traced_frames", NOTE,
    "These clips have more than two traced frames; the largest volume is taken for ED, the smallest for ES.")
_ED_AFTER_ES = FindingKind("ed_after_es", NOTE,
    "In these clips ED comes after ES: which frame is ED is decided by volume, not by order.")
# fmt: on


CLIP_NAME = pl.col("FileName").str.replace(r"(?i)\.avi$", "").alias("item")
"""Name of a clip from a cell that comes with or without ``.avi``."""


def read_lines(path: Path, findings: Findings) -> pl.DataFrame:
    """All valid lines of the table, once each.

    Args:
        path: ``VolumeTracings.csv``.
        findings: Takes note of invalid lines, and of lines that repeat one before.

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
    table = table.with_columns(CLIP_NAME)
    table, placed, good = _placed(table, ENDS, path.name, _BAD_LINE, findings)
    frame = pl.col("Frame")
    # Not the lines alone: if the first of a frame went, a chord would pass for the long axis.
    torn = table.filter(placed & ~good).select("item", "Frame").unique()
    lines = (
        table.filter(good)
        .join(torn, on=["item", "Frame"], how="anti", maintain_order="left")
        .select("item", frame.cast(pl.Int64).alias("frame"), *ENDS, LINE)
    )
    once = lines.unique(subset=["item", "frame", *ENDS], keep="first", maintain_order=True)
    repeated = lines.join(once, on=LINE, how="anti", maintain_order="left")[LINE]
    where = [f"{path.name}, line {line}" for line in repeated.head(5)]
    findings.add(_REPEATED_LINE.filled(table=path.name), where, len(repeated))
    return once.drop(LINE)


def _placed(
    table: pl.DataFrame, ends: tuple[str, ...], name: str, kind: FindingKind, findings: Findings
) -> tuple[pl.DataFrame, pl.Expr, pl.Expr]:
    """The table with numbers; which rows have a clip and a frame, and which of these have numbers, too; others are noted."""
    table = table.with_columns(pl.col("Frame", *ends).cast(pl.Float64, strict=False))
    frame = pl.col("Frame")
    placed = (pl.col("item").is_not_null() & (frame >= 0) & (frame == frame.floor())).fill_null(False)
    good = placed & pl.all_horizontal(pl.col(ends).is_finite().fill_null(False))
    bad = table.filter(~good)
    findings.add(kind.filled(table=name), [f"{name}, line {line}" for line in bad[LINE].head(5)], len(bad))
    return table, placed, good


def lines_by_frame(lines: pl.DataFrame) -> dict[str, dict[int, FloatArray]]:
    """The lines of `read_lines` by clip and frame, each ``(n, 2, 2)`` float64 pixels in the order of the file."""
    found: dict[str, dict[int, FloatArray]] = {}
    for (item, frame), part in lines.group_by("item", "frame", maintain_order=True):
        points = part.select(ENDS).to_numpy().reshape(-1, 2, 2)
        found.setdefault(str(item), {})[int(str(frame))] = np.asarray(points, dtype=np.float64)
    return found


def has_contours(path: Path) -> bool:
    """Whether a table of tracings holds contours and not lines, by its header."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            names = {name.strip().strip('"\ufeff').lower() for name in file.readline().split(",")}
    except OSError:
        return False
    return {"x", "y"} <= names and "x1" not in names


def read_contours(path: Path, findings: Findings) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The points of a table of contours, and the phases that were not traced.

    Args:
        path: ``VolumeTracings.csv`` of EchoNet-Pediatric.
        findings: Takes note of rows that are no points, and of contours of too few.

    Returns:
        ``item``, ``frame``, ``X`` and ``Y`` in pixels in the order of the file; and ``item`` with the ``phase`` not traced.

    Raises:
        DataError: The table cannot be read at all.
    """
    table = read_text_table(path, POINT_COLUMNS, findings).with_columns(CLIP_NAME)
    phase = pl.col("Frame").str.to_lowercase().replace_strict(UNTRACED, default=None, return_dtype=pl.String)
    table = table.with_columns(phase.alias("phase"))
    untraced = table.filter(pl.col("phase").is_not_null() & pl.col("item").is_not_null())
    points = table.filter(pl.col("phase").is_null())
    points, _, good = _placed(points, ("X", "Y"), path.name, _BAD_POINT, findings)
    whole = points.filter(good).select("item", pl.col("Frame").cast(pl.Int64).alias("frame"), "X", "Y")
    few = pl.len().over("item", "frame") < MIN_POINTS
    short = whole.filter(few).select("item", "frame").unique()
    findings.add(_FEW_POINTS, [f"{item}, frame {at}" for item, at in short.rows()])
    return whole.filter(~few), untraced.select("item", "phase").unique(maintain_order=True)


def read_tracings(path: Path, findings: Findings) -> dict[str, dict[int, FloatArray]]:
    """The lines of every traced frame by clip and frame, whichever way the table holds them.

    A contour becomes the 21 lines of the ventricle inside it, apex and base found by its shape.

    Args:
        path: ``VolumeTracings.csv``.
        findings: Takes note of what `read_lines` or `read_contours` finds, and of contours that are no ventricle.

    Returns:
        Clip -> frame -> ``(n, 2, 2)`` float64 pixels.

    Raises:
        DataError: The table cannot be read at all.
    """
    if not has_contours(path):
        return lines_by_frame(read_lines(path, findings))
    found: dict[str, dict[int, FloatArray]] = {}
    points, _ = read_contours(path, findings)
    for (item, frame), part in points.group_by("item", "frame", maintain_order=True):
        try:
            lines = _lines_of_contour(part.select("X", "Y").to_numpy())
        except GeometryError:
            findings.add(_NO_VENTRICLE, f"{item}, frame {frame}")
            continue
        found.setdefault(str(item), {})[int(str(frame))] = lines
    return found


def _lines_of_contour(points: FloatArray) -> FloatArray:
    larger = np.asarray(points, dtype=np.float64) * FINER + (FINER - 1) / 2
    low = np.floor(larger.min(axis=0)) - 2 * FINER
    width, height = (np.ceil(larger.max(axis=0)) - low).astype(int) + 2 * FINER
    lines = volume_tracing_of_mask(mask_of_contour(larger - low, (int(height), int(width))))
    return np.asarray((lines + low - (FINER - 1) / 2) / FINER, dtype=np.float64)


def _contoured_frames(path: Path, findings: Findings) -> pl.DataFrame:
    """As `read_traced_frames`, of a table of contours: the area to the power of 3/2 stands for the volume."""
    x, y = pl.col("X"), pl.col("Y")
    closing = x.last() * y.first() - x.first() * y.last()
    area = ((x * y.shift(-1) - x.shift(-1) * y).sum() + closing).abs() / 2
    points, _ = read_contours(path, findings)
    return points.group_by("item", "frame", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("n_lines"), pl.when(area > 0).then(area**1.5).alias("volume_px3")
    )


def read_traced_frames(path: Path, findings: Findings) -> pl.DataFrame:
    """Volumes of all traced frames, by the method of disks in one plane; of contours a measure that rises with the area.

    The scale is unknown and the same in all frames of a clip, so volumes are in cubic pixels and only compared.

    Args:
        path: ``VolumeTracings.csv``.
        findings: Takes note of what `read_lines` finds, and of frames with another number of lines than 21.

    Returns:
        One row per traced frame: ``item``, ``frame``, ``n_lines`` (or points) and ``volume_px3``, null where there is none.
        In the order of the file.

    Raises:
        DataError: The table cannot be read at all.

    Source:
        V = pi/4 sum(d_i^2) L/n, as `lvef.geometry.simpson.disks_single_plane`; here for 400,000 lines at once.
    """
    if has_contours(path):
        return _contoured_frames(path, findings)
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
    counts = odd.select("item", "frame", "n_lines").head(5).rows()
    findings.add(_OTHER_COUNT, [f"{item}, frame {at}: {n}" for item, at, n in counts], len(odd))
    return frames


def decide_phases(frames: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """ED and ES of each clip: the traced frames of the largest and of the smallest volume.

    Args:
        frames: From `read_traced_frames`, without frames that are not in the clips.
        findings: Takes note of clips where ED and ES cannot be decided, or are unusual.

    Returns:
        One row per clip: ``item``, ``n_traced_frames``, ``ed_frame`` and ``es_frame``, both null where undecided.
    """
    volume, frame = pl.col("volume_px3"), pl.col("frame")
    clips = frames.group_by("item", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("n_traced_frames"),
        frame.sort_by(volume, descending=True, nulls_last=True).first().alias("ed_frame"),
        frame.sort_by(volume, nulls_last=True).first().alias("es_frame"),
        (volume.max() > volume.min()).fill_null(False).alias("decided"),
    )
    ed, es, n, decided = (pl.col(name) for name in ("ed_frame", "es_frame", "n_traced_frames", "decided"))
    more, after = decided & (n > 2), decided & (ed > es)
    for kind, which in ((_UNDECIDED, ~decided), (_MORE_FRAMES, more), (_ED_AFTER_ES, after)):
        findings.add(kind, clips.filter(which)["item"].to_list())
    return clips.select("item", "n_traced_frames", pl.when(decided).then(ed), pl.when(decided).then(es))
