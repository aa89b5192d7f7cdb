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
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import polars as pl

import lvef
from lvef.core.errors import DataError, GeometryError
from lvef.core.journal import JOURNAL_NAME, Entry, Journal, file_stamp
from lvef.core.records import Clip, FloatArray, aspect_of
from lvef.core.runner import Progress, reason_of
from lvef.core.terms import Phase
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import BAD_LINE, REPEATED_LINE, read_tracings
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.io.atomic import write_bytes_atomic, write_text_atomic
from lvef.io.images import read_labels
from lvef.stores.clip_store import write_index
from lvef.stores.folder import begin_folder, write_info
from lvef.stores.prepare import Failure, Prepared, notice_counts, prepare_items, write_left_out
from lvef.stores.recipes import SquareRecipe, notices_of, spacing_of
from lvef.stores.sources import Source, labels_of, sources_of
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

LONGEST_STEM = 80
"""Letters of an item's name that go into a file name."""


SCHEMA = "lvef-traces/1"
"""Version of the layout."""

INFO_NAME = "traces.json"
"""File that says what the folder is."""

WHOLE_LEVELS = 0.5
"""Chords that lie further than this part of a disk's height from where they should are counted as uneven."""

Tables = Mapping[Path, Mapping[str, Mapping[int, FloatArray]]]
"""Lines ``(n, 2, 2)`` by table, clip and frame."""

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


@dataclass(frozen=True, slots=True)
class TraceJob:
    """One item to prepare.

    Attributes:
        source: The item.
        stem: Its name in file names.
        tracings: Raw lines by frame, pixels of the picture; empty where the mask is to be traced.
        recipe: How.
        out: Folder of the outputs.
    """

    source: Source
    stem: str
    tracings: Mapping[int, FloatArray]
    recipe: TraceRecipe
    out: Path


def fill_traces(
    manifest: pl.DataFrame,
    out: Path,
    recipe: TraceRecipe,
    *,
    where: str = "manifest",
    workers: int = 1,
    progress: Progress = Progress(),  # noqa: B008  frozen
    on_failed: Callable[[Failure], None] = lambda _: None,
) -> Prepared:
    """Prepare the ED and ES frame of every item with tracings or a mask.

    Args:
        manifest: By `lvef.datasets.schema`.
        out: Folder; one that an earlier run began is continued.
        recipe: How.
        where: What to call the manifest in messages.
        workers: Items at once.
        progress: Progress callbacks.
        on_failed: Called with each item that fails.

    Raises:
        DataError: No item has tracings or a mask, a table of tracings cannot be read, or nothing can be written.
        ConfigError: The folder was begun with other settings.
    """
    began = time.perf_counter()
    sources = sources_of(manifest, where)
    traced = [source for source in sources if source.tracing_path or source.mask_path]
    if not traced:
        raise DataError(
            f"{where}: none of its {len(sources)} items has tracings or a mask; volume-traces need them."
        )
    findings = Findings()
    paths = dict.fromkeys(s.tracing_path for s in traced if s.tracing_path)
    tables: Tables = {p: read_tracings(p, findings) for p in paths}
    begin_folder(out, INFO_NAME, SCHEMA, recipe.settings())
    for name in (FRAMES_FOLDER, LINES_FOLDER):
        (out / name).mkdir(exist_ok=True)
    jobs, not_traced = _jobs(sources, tables, recipe, out)
    with closing(Journal(out / JOURNAL_NAME)) as journal:
        stamps = {job.source.item: _stamp(job.source) for job in jobs}

        def add(job: TraceJob, rows: list[dict[str, Any]]) -> None:
            item = job.source.item
            journal.append({"item": item, "stamp": stamps[item], "rows": rows})

        outcome = prepare_items(
            jobs,
            _prepare,
            holds=lambda job: _holds(journal, job, stamps[job.source.item]),
            add=add,
            on_error=_failure,
            name=lambda job: job.source.item,
            workers=workers,
            progress=progress,
            on_failed=on_failed,
        )
        journal.sync()
        entries = [journal.entries[job.source.item] for job in outcome.prepared]
    index = _index(entries, manifest)
    write_index(out, index)
    skipped = write_left_out(out, outcome.failed, not_traced)
    result = Prepared(
        recipe.kind,
        out,
        written=outcome.written,
        resumed=outcome.resumed,
        frames=len(index),
        failed=outcome.failed,
        skipped=skipped,
        notes=_notes(index, tables, findings, sources),
        seconds=time.perf_counter() - began,
    )
    facts = {"lvef_version": lvef.__version__, "items": len(entries), "frames": len(index)}
    info = {"schema": SCHEMA, "settings": recipe.settings(), **facts, "failed": len(result.failed)}
    write_info(out / INFO_NAME, {**info, "skipped": skipped, "complete": True})
    return result


def _failure(job: TraceJob, error: Exception) -> Failure:
    item = job.source.item
    reason = reason_of(error, item)
    return Failure(item, f"{item}: {reason}" if isinstance(error, GeometryError) else reason)


def file_stems(items: Sequence[str]) -> dict[str, str]:
    """A name for each item that can stand in file names of any system, none of them twice.

    Example:
        >>> file_stems(["a/b", "a_b", "A_B"])
        {'a/b': 'a_b', 'a_b': 'a_b-2', 'A_B': 'A_B-3'}
    """
    stems: dict[str, str] = {}
    used: dict[str, int] = {}
    for item in items:
        stem = re.sub(r"[^\w.-]", "_", item)[:LONGEST_STEM].strip(".") or "item"
        times = used[stem.casefold()] = used.get(stem.casefold(), 0) + 1
        stems[item] = stem if times == 1 else f"{stem}-{times}"
    return stems


def _jobs(
    sources: Sequence[Source], tables: Tables, recipe: TraceRecipe, out: Path
) -> tuple[list[TraceJob], list[tuple[str, str]]]:
    """What to do, and the items passed over with the reason."""
    stems = file_stems([source.item for source in sources])
    jobs, skipped = [], []
    for source in sources:
        lines: Mapping[int, Any] = {}
        if source.tracing_path is not None:
            lines = tables[source.tracing_path].get(_clip_name(source.path), {})
        if lines or source.mask_path is not None:
            jobs.append(TraceJob(source, stems[source.item], lines, recipe, out))
        else:
            skipped.append((source.item, "not_traced"))
    return jobs, skipped


def _clip_name(path: Path) -> str:
    """What tables of tracings call the clip of that file."""
    return path.stem if path.suffix.lower() == ".avi" else path.name


def _stamp(source: Source) -> str:
    return file_stamp([source.path, source.mask_path, source.tracing_path])


def _holds(journal: Journal, job: TraceJob, stamp: str) -> bool:
    """Whether an item is done, from the same files, and its outputs are there."""
    entry = journal.entries.get(job.source.item)
    if entry is None or (stamp and entry["stamp"] != stamp):
        return False
    return all((job.out / row[name]).is_file() for row in entry["rows"] for name in ("picture", "lines"))


def _index(entries: Sequence[Entry], manifest: pl.DataFrame) -> pl.DataFrame:
    """Every traced frame with its labels, and the EF of the lines of each clip or pair of stills."""
    rows = [{"item": entry["item"], **row} for entry in entries for row in entry["rows"]]
    labels = labels_of(manifest).drop("phase", "n_traced_frames")
    kinds = manifest.select("item", pl.col("kind") == "still")
    table = pl.DataFrame(rows, schema=INDEX_TYPES).drop("lines_ef_percent")
    table = table.join(labels.join(kinds, on="item"), on="item", how="left", maintain_order="left")
    # The frames that belong together: those of a clip, or the stills of a patient's view.
    pair = [pl.when("kind").then(pl.concat_str("patient", "view", separator="\n")).otherwise("item")]
    volume = {
        phase: pl.col("volume_px3").filter(pl.col("phase") == phase).first().over(pair) for phase in Phase
    }
    sole = pl.all_horizontal((pl.col("phase") == phase).sum().over(pair) == 1 for phase in Phase)
    ef = 100.0 * (1.0 - volume[Phase.ES] / volume[Phase.ED])
    table = table.with_columns(pl.when(sole).then(ef).alias("lines_ef_percent"))
    return table.select(*INDEX_TYPES, *(name for name in labels.columns if name != "item"))


def _notes(
    index: pl.DataFrame, tables: Tables, findings: Findings, sources: Sequence[Source]
) -> dict[str, int]:
    """What to know of the tables and of what was prepared."""
    known = {_clip_name(source.path) for source in sources}
    counts = {finding.code: finding.count for finding in findings.sorted()}
    swapped = index.filter((pl.col("lines_ef_percent") <= 0) & (pl.col("phase") == Phase.ED))
    noted = {
        "other_number_of_lines": int((index["n_traced_lines"] != N_LINES).sum()),
        "uneven_chords": int((index["level_error"] > WHOLE_LEVELS).sum()),
        "es_larger_than_ed": len(swapped),
        "traced_but_not_in_manifest": sum(len(table.keys() - known) for table in tables.values()),
        "repeated_rows": counts.get(REPEATED_LINE, 0),
        "unusable_rows": counts.get(BAD_LINE, 0),
        "without_ef": index.filter(pl.col("ef_percent").is_null())["item"].n_unique(),
    }
    return notice_counts(index) | {code: count for code, count in noted.items() if count}


def _prepare(job: TraceJob) -> list[dict[str, Any]]:
    """Write the traced frames of an item; a row of the index for each."""
    source, recipe = job.source, job.recipe
    clip, placement = recipe.place(source)
    by_phase = _from_table(job, clip, placement) if job.tracings else _from_masks(source, clip, placement)
    rows = []
    for phase, traced in by_phase.items():
        _check_inside(traced, recipe.size, source.item)
        square = fit(clip.frames[traced.frame : traced.frame + 1], placement, recipe.size)[0]
        picture, lines = (
            f"{FRAMES_FOLDER}/{job.stem}_{phase}.png",
            f"{LINES_FOLDER}/{job.stem}_{phase}.csv",
        )
        _, png = cv2.imencode(".png", square)
        write_bytes_atomic(job.out / picture, png.tobytes())
        write_text_atomic(job.out / lines, lines_csv(traced.lines))
        rows.append(
            {
                "phase": str(phase),
                "frame": traced.frame,
                "picture": picture,
                "lines": lines,
                "n_traced_lines": traced.n_lines,
                "traced_by": "table" if job.tracings else "mask",
                "volume_px3": traced.volume_px3,
                "level_error": level_error(traced.lines),
                "lines_px": [round(float(value), 3) for value in traced.lines.ravel()],
                "notices": notices_of(clip),
            }
        )
    return rows


def _from_table(job: TraceJob, clip: Clip, placement: Placement) -> dict[Phase, TracedFrame]:
    """ED and ES of a clip by volume; ordered after scaling, in square pixels."""
    found = []
    for frame, lines in job.tracings.items():
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
        raise DataError(f"{source.mask_path} does not exist: unpack the collection again.")
    masks = read_labels(source.mask_path)
    if masks.shape != clip.frames.shape:
        raise DataError(
            f"{source.mask_path}: the mask is {masks.shape} (frames, height, width), its picture {clip.frames.shape}; "
            "unpack the collection again."
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
    told = (source.ed_frame, source.es_frame)
    frames = range(len(masks)) if None in told else [checked_frame(int(f or 0), len(masks)) for f in told]
    ed, es = ed_and_es([traced(frame) for frame in frames])
    return {Phase.ED: ed, Phase.ES: es}


def _check_inside(traced: TracedFrame, size: int, item: str) -> None:
    """Lines far outside of the picture belong to another picture, or to one of another size.

    Raises:
        GeometryError: They lie so.
    """
    low, high = float(traced.lines.min()), float(traced.lines.max())
    if low < -0.1 * size or high > 1.1 * size:
        raise GeometryError(
            f"The lines of frame {traced.frame} reach from {low:.0f} to {high:.0f} px of a square of {size} px: they are "
            "not of this picture, or of one of another size."
        )
