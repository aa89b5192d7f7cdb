"""ED and ES frames with their 21 lines, for keypoint models: from tables of tracings, or from masks.

::

    OUT/
      traces.json               what it is, made with which settings
      index.parquet             a row a traced frame: files, volume, labels, and the lines once more as 84 numbers
      left_out.csv              items that are not in it, with the reason
      frames/ITEM_ED.png        the grey square
      lines/ITEM_ED.csv         its 21 lines in pixels of the square
      finished.jsonl            the journal that a stopped preparation goes on from
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from lvef.core.errors import DataError, GeometryError
from lvef.core.journal import JOURNAL_NAME, Journal, file_stamp
from lvef.core.records import Clip, FloatArray, aspect_of
from lvef.core.terms import Phase
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import BAD_LINE, REPEATED_LINE, read_tracings
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
from lvef.io.images import encode_image
from lvef.io.isolation import read_labels
from lvef.io.names import LONGEST_NAME, unique_name
from lvef.stores.clip_store import write_index
from lvef.stores.folder import begin_folder, write_info
from lvef.stores.prepare import Source, labels_of, notice_counts
from lvef.stores.recipes import SquareRecipe, notices_of, spacing_of
from lvef.transforms.frames import Placement, fit
from lvef.transforms.volume_tracing import (
    N_LINES,
    TracedFrame,
    checked_frame,
    ed_and_es,
    level_error,
    lines_csv,
    traced_frame,
    volume_of_lines,
)

FRAMES_FOLDER, LINES_FOLDER = "frames", "lines"
"""Folders of the frames and of the tables of lines."""


SCHEMA = "lvef-traces/1"
"""Version of the layout."""

INFO_NAME = "traces.json"
"""File that says what the folder is."""

WHOLE_LEVELS = 0.5
"""Chords that lie further than this part of a disk's height from where they should are counted as uneven."""

INDEX_TYPES: dict[str, pl.DataType] = {
    "item": pl.String(),
    "phase": pl.String(),
    "frame": pl.Int64(),
    "picture": pl.String(),
    "lines": pl.String(),
    "traced_by": pl.String(),
    "n_traced_lines": pl.Int64(),
    "volume_px3": pl.Float64(),
    "lines_ef_percent": pl.Float64(),
    "level_error": pl.Float64(),
    "lines_px": pl.List(pl.Float64()),
    "notices": pl.String(),
}
"""Columns of the index before the labels: ``lines_px`` is 84 numbers, 21 lines x 2 ends x (x, y), pixels of the square."""


@dataclass(frozen=True, slots=True)
class TraceRecipe(SquareRecipe):
    """How traced frames are prepared."""

    kind = "volume-traces"

    def begin(self, sources: Sequence[Source], out: Path, where: str) -> TracePreparation:
        """Open the folder of traced frames; see `lvef.stores.prepare.prepare`."""
        return TracePreparation(self, sources, out, where)

    def make(self, source: Source) -> list[MadeFrame]:
        """Make the traced frames of an item, in any process.

        Raises:
            LvefError: The clip cannot be read, or its tracings do not fit.
        """
        clip, placement = self.place(source)
        tracings = _tracings(source)
        of_table = _from_table(tracings, clip, placement) if tracings else None
        by_phase = of_table or _from_masks(source, clip, placement)
        made = []
        for phase, traced in by_phase.items():
            _check_inside(traced, self.size, source.item)
            square = fit(clip.frames[traced.frame : traced.frame + 1], placement, self.size)[0]
            row = {
                "phase": str(phase),
                "frame": traced.frame,
                "n_traced_lines": traced.n_lines,
                "traced_by": "table" if tracings else "mask",
                "volume_px3": traced.volume_px3,
                "level_error": level_error(traced.lines),
                "lines_px": [round(float(value), 3) for value in traced.lines.ravel()],
                "notices": notices_of(clip),
            }
            made.append(MadeFrame(row, encode_image(square, ".png"), lines_csv(traced.lines)))
        return made


@dataclass(frozen=True, slots=True)
class MadeFrame:
    """A traced frame: its row of the index without files, and what goes into its files."""

    row: dict[str, Any]
    png: bytes
    lines: str


class TracePreparation:
    """A folder that is filled with the traced frames of a manifest.

    Args:
        recipe: How they are prepared.
        sources: Items of the manifest; those without tracing and mask are skipped.
        out: The folder.
        where: What to call the manifest in messages.

    Raises:
        DataError: No item has tracings or a mask, a table of tracings cannot be read, or the folder cannot be used.
        ConfigError: The folder was begun with other settings.
    """

    kind, skip_reason = TraceRecipe.kind, "not_traced"

    def __init__(self, recipe: TraceRecipe, sources: Sequence[Source], out: Path, where: str) -> None:
        if not any(source.tracing_path or source.mask_path for source in sources):
            raise DataError(
                f"{where}: none of its {len(sources)} items has tracings or a mask; volume-traces need them."
            )
        self._recipe, self._out, self.make = recipe, out, recipe.make
        self._known = {_clip_name(source.path) for source in sources}
        paths = dict.fromkeys(source.tracing_path for source in sources if source.tracing_path)
        self._tables = [_table_of(path) for path in paths]
        self.sources = [source for source in sources if source.mask_path or _tracings(source)]
        self._stems = file_stems([source.item for source in sources])
        begin_folder(out, INFO_NAME, SCHEMA, recipe.settings())
        for name in (FRAMES_FOLDER, LINES_FOLDER):
            make_folder(out / name)
        self._journal = Journal(out / JOURNAL_NAME)
        self.close = self._journal.close
        self._stamps = {
            source.item: file_stamp([source.path, source.mask_path, source.tracing_path])
            for source in self.sources
        }

    def holds(self, source: Source) -> bool:
        """Whether an item is done, from the same files, and its outputs are there."""
        entry, stamp = self._journal.entries.get(source.item), self._stamps[source.item]
        if entry is None or (stamp and entry["stamp"] != stamp):
            return False
        files = (row[name] for row in entry["rows"] for name in ("picture", "lines"))
        return all((self._out / file).is_file() for file in files)

    def add(self, source: Source, made: list[MadeFrame]) -> None:
        """Write the traced frames of an item, and enter it in the journal."""
        rows = []
        for one in made:
            stem = f"{self._stems[source.item]}_{one.row['phase']}"
            image, lines = f"{FRAMES_FOLDER}/{stem}.png", f"{LINES_FOLDER}/{stem}.csv"
            write_bytes_atomic(self._out / image, one.png)
            write_text_atomic(self._out / lines, one.lines)
            rows.append({**one.row, "picture": image, "lines": lines})
        self._journal.append({"item": source.item, "stamp": self._stamps[source.item], "rows": rows})

    def damaged(self) -> list[str]:
        """None: the frames have no hashes."""
        return []

    def index(
        self, prepared: Sequence[Source], manifest: pl.DataFrame
    ) -> tuple[pl.DataFrame, int, dict[str, int]]:
        """Every traced frame with its labels, and the EF of the lines of each clip or pair of stills."""
        entries = [self._journal.entries[source.item] for source in prepared]
        rows = [{"item": entry["item"], **row} for entry in entries for row in entry["rows"]]
        labels = labels_of(manifest).drop("phase", "n_traced_frames")
        kinds = manifest.select("item", pl.col("kind") == "still")
        table = pl.DataFrame(rows, schema=INDEX_TYPES).drop("lines_ef_percent")
        table = table.join(labels.join(kinds, on="item"), on="item", how="left", maintain_order="left")
        # The frames that belong together: those of a clip, or the stills of a patient's view.
        pair = [pl.when("kind").then(pl.concat_str("patient", "view", separator="\n")).otherwise("item")]
        volumes, of = pl.col("volume_px3"), pl.col("phase")
        volume = {phase: volumes.filter(of == phase).first().over(pair) for phase in Phase}
        sole = pl.all_horizontal((pl.col("phase") == phase).sum().over(pair) == 1 for phase in Phase)
        ef = 100.0 * (1.0 - volume[Phase.ES] / volume[Phase.ED])
        table = table.with_columns(pl.when(sole).then(ef).alias("lines_ef_percent"))
        index = table.select(*INDEX_TYPES, *(name for name in labels.columns if name != "item"))
        return index, len(index), self._notes(index)

    def finish(self, index: pl.DataFrame, info: Mapping[str, Any]) -> None:
        """Write the index and mark the folder as complete."""
        self._journal.sync()
        write_index(self._out, index)
        facts = {"schema": SCHEMA, "settings": self._recipe.settings(), **info, "complete": True}
        write_info(self._out / INFO_NAME, facts)

    def _notes(self, index: pl.DataFrame) -> dict[str, int]:
        """Remarks on the tables and on what was prepared."""
        counts: Counter[str] = Counter()
        for table in self._tables:
            counts.update({finding.code: finding.count for finding in table.findings.sorted()})
        swapped = index.filter((pl.col("lines_ef_percent") <= 0) & (pl.col("phase") == Phase.ED))
        unknown = sum(len(table.lines.keys() - self._known) for table in self._tables)
        notes = {
            "other_number_of_lines": int((index["n_traced_lines"] != N_LINES).sum()),
            "uneven_chords": int((index["level_error"] > WHOLE_LEVELS).sum()),
            "es_larger_than_ed": len(swapped),
            "traced_but_not_in_manifest": unknown,
            "repeated_rows": counts[REPEATED_LINE],
            "unusable_rows": counts[BAD_LINE],
            "without_ef": index.filter(pl.col("ef_percent").is_null())["item"].n_unique(),
        }
        return notice_counts(index) | {code: count for code, count in notes.items() if count}


class _Table(NamedTuple):
    """A table of tracings: lines by clip and frame, and what was odd about it."""

    lines: Mapping[str, Mapping[int, FloatArray]]
    findings: Findings


@lru_cache(maxsize=4)
def _read_table(path: Path, stamp: str) -> _Table:
    findings = Findings()
    return _Table(read_tracings(path, findings), findings)


def _table_of(path: Path) -> _Table:
    """A table of tracings, which each process reads once, and again when it has changed."""
    return _read_table(path, file_stamp([path]))


def _tracings(source: Source) -> Mapping[int, FloatArray]:
    """Raw lines by frame, pixels of the image; empty where the mask is to be traced."""
    if source.tracing_path is None:
        return {}
    return _table_of(source.tracing_path).lines.get(_clip_name(source.path), {})


def file_stems(items: Sequence[str]) -> dict[str, str]:
    """A name for each item that can stand in file names of any system, none of them twice.

    Example:
        >>> file_stems(["a/b", "a_b", "A_B"])
        {'a/b': 'a_b', 'a_b': 'a_b-2', 'A_B': 'A_B-3'}
    """
    used: set[str] = set()
    stems = {item: re.sub(r"[^\w.-]", "_", item)[:LONGEST_NAME].strip(".") or "item" for item in items}
    return {item: unique_name(stem, used) for item, stem in stems.items()}


def _clip_name(path: Path) -> str:
    """What tables of tracings call the clip of that file."""
    return path.stem if path.suffix.lower() == ".avi" else path.name


def _from_table(
    tracings: Mapping[int, FloatArray], clip: Clip, placement: Placement
) -> dict[Phase, TracedFrame]:
    """ED and ES of a clip by volume; ordered after scaling, in square pixels."""
    found = []
    for frame, lines in tracings.items():
        checked_frame(frame, len(clip.frames))
        try:
            found.append(traced_frame(frame, placement.to_network(lines)))
        except GeometryError as error:
            raise GeometryError(f"Frame {frame}: {error}") from None
    ed, es = ed_and_es(found)
    return {Phase.ED: ed, Phase.ES: es}


def _from_masks(source: Source, clip: Clip, placement: Placement) -> dict[Phase, TracedFrame]:
    """The traced frame of a still in the phase it is labelled with; ED and ES of a clip by volume."""
    assert source.mask_path is not None
    if not source.mask_path.is_file():
        raise DataError(f"{source.mask_path} does not exist: unpack the dataset again.")
    masks = read_labels(source.mask_path)
    if masks.shape != clip.frames.shape:
        raise DataError(
            f"{source.mask_path}: the mask is {masks.shape} (frames, height, width), its image {clip.frames.shape}; "
            "unpack the dataset again."
        )
    spacing = spacing_of(clip, source)
    aspect = aspect_of(spacing)

    def traced(frame: int) -> TracedFrame:
        lines = placement.to_network(volume_tracing_of_mask(masks[frame], aspect=aspect))
        return TracedFrame(frame, lines, volume_of_lines(lines), N_LINES)

    if source.kind == "still":
        if source.phase is None:
            raise GeometryError("The still has a mask but no phase; ED or ES is needed.")
        return {Phase(source.phase): traced(0)}
    named = (source.ed_frame, source.es_frame)
    frames = range(len(masks)) if None in named else [checked_frame(int(f or 0), len(masks)) for f in named]
    ed, es = ed_and_es([traced(frame) for frame in frames])
    return {Phase.ED: ed, Phase.ES: es}


def _check_inside(traced: TracedFrame, size: int, item: str) -> None:
    """Refuse lines far outside of the image: they belong to another image, or to one of another size."""
    low, high = float(traced.lines.min()), float(traced.lines.max())
    if low < -0.1 * size or high > 1.1 * size:
        raise GeometryError(
            f"The lines of frame {traced.frame} reach from {low:.0f} to {high:.0f} px of a square of {size} px: they are "
            "not of this image, or of one of another size."
        )
