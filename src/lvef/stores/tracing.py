"""From a manifest to traced frames: every traced item once, in parallel, taken up where an earlier run stopped."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

import lvef
from lvef.core.errors import DataError
from lvef.core.journal import Entry, Journal
from lvef.core.records import FloatArray
from lvef.core.terms import Phase
from lvef.core.workers import map_ordered
from lvef.datasets.findings import Findings
from lvef.datasets.volume_tracings import BAD_LINE, REPEATED_LINE, read_tracings
from lvef.io.atomic import write_bytes_atomic
from lvef.stores.filling import Prepared, Watcher, write_left_out
from lvef.stores.parallel import Failure
from lvef.stores.sources import Source, counted, labels_of, sources_of, stamp_of
from lvef.stores.traces import (
    FRAMES_FOLDER,
    LINES_FOLDER,
    TraceJob,
    TraceRecipe,
    file_stems,
    prepare_traces,
)
from lvef.stores.writer import begin_folder, write_info
from lvef.transforms.store import INDEX_NAME, JOURNAL_NAME
from lvef.transforms.volume_tracing import N_LINES

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


def fill_traces(
    manifest: pl.DataFrame,
    out: Path,
    recipe: TraceRecipe,
    *,
    where: str = "manifest",
    workers: int = 1,
    watcher: Watcher = Watcher(),  # noqa: B008  frozen
) -> Prepared:
    """Prepare the ED and ES frame of every item with tracings or a mask.

    Args:
        manifest: By `lvef.datasets.schema`.
        out: Folder; one that an earlier run began is taken up.
        recipe: How.
        where: What to call the manifest in messages.
        workers: Items at once.
        watcher: Who is told how it goes.

    Raises:
        DataError: No item has tracings or a mask, a table of tracings cannot be read, or nothing can be written.
        ConfigError: The folder was begun with other settings.
    """
    began = time.perf_counter()
    everything = sources_of(manifest, where)
    traced = [source for source in everything if source.tracing_path or source.mask_path]
    if not traced:
        raise DataError(
            f"{where}: none of its {len(everything)} items has tracings or a mask; volume-traces need them."
        )
    found = Findings()
    paths = dict.fromkeys(s.tracing_path for s in traced if s.tracing_path)
    tables: Tables = {p: read_tracings(p, found) for p in paths}
    begin_folder(out, INFO_NAME, SCHEMA, recipe.settings())
    for name in (FRAMES_FOLDER, LINES_FOLDER):
        (out / name).mkdir(exist_ok=True)
    jobs, skipped = _jobs(everything, tables, recipe, out)
    journal = Journal(out / JOURNAL_NAME)
    try:
        stamps = {job.source.item: _stamp(job.source) for job in jobs}
        todo = [job for job in jobs if not _holds(journal, job, stamps[job.source.item])]
        watcher.total(len(todo))
        failed: list[Failure] = []
        for job, made in map_ordered(prepare_traces, todo, workers, name=lambda job: job.source.item):
            item = job.source.item
            if isinstance(made, Failure):
                failed.append(made)
                watcher.failed(made)
            else:
                journal.append({"item": item, "stamp": stamps[item], "rows": made})
            watcher.advance()
        journal.sync()
        lost = {failure.item for failure in failed}
        entries = [journal.entries[job.source.item] for job in jobs if job.source.item not in lost]
        index = _index(entries, manifest)
        buffer = io.BytesIO()
        index.write_parquet(buffer)
        write_bytes_atomic(out / INDEX_NAME, buffer.getvalue())
        write_left_out(out, failed, skipped)
        result = Prepared(
            recipe.kind,
            out,
            written=len(todo) - len(failed),
            resumed=len(jobs) - len(todo),
            frames=len(index),
            failed=tuple(failed),
            skipped=counted([reason for _, reason in skipped]),
            notes=_notes(index, tables, found, everything),
            seconds=time.perf_counter() - began,
        )
        facts = {"lvef_version": lvef.__version__, "items": len(entries), "frames": len(index)}
        info = {"schema": SCHEMA, "settings": recipe.settings(), **facts, "failed": len(failed)}
        write_info(out / INFO_NAME, {**info, "skipped": dict(result.skipped), "complete": True})
        return result
    finally:
        journal.close()


def _jobs(
    everything: Sequence[Source], tables: Tables, recipe: TraceRecipe, out: Path
) -> tuple[list[TraceJob], list[tuple[str, str]]]:
    """What to do, and the items passed over with the reason."""
    stems = file_stems([source.item for source in everything])
    jobs, skipped = [], []
    for source in everything:
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
    return stamp_of(source.path, source.mask_path, source.tracing_path)


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
    index: pl.DataFrame, tables: Tables, found: Findings, everything: Sequence[Source]
) -> dict[str, int]:
    """What to know of the tables and of what was prepared."""
    known = {_clip_name(source.path) for source in everything}
    counts = {finding.code: finding.count for finding in found.sorted()}
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
    notices = [code for text in index["notices"].drop_nulls().to_list() for code in text.split(";")]
    return counted(notices) | {code: count for code, count in noted.items() if count}
