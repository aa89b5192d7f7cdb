"""From a manifest to a store: every clip decoded once, in parallel, taken up where an earlier run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

import lvef
from lvef.core.errors import DataError
from lvef.core.journal import Entry
from lvef.core.workers import map_ordered
from lvef.io.atomic import write_text_atomic
from lvef.stores.parallel import Failure
from lvef.stores.recipes import Made, Recipe, make
from lvef.stores.sources import Source, counted, labels_of, sources_of, stamp_of
from lvef.stores.writer import SHARD_BYTES, StoreWriter

PLACE_TYPES: dict[str, pl.DataType] = {
    "item": pl.String(),
    "shard": pl.Int64(),
    "offset": pl.Int64(),
    "n_frames": pl.Int64(),
    "height": pl.Int64(),
    "width": pl.Int64(),
    "sha256": pl.String(),
}
"""Columns of the index that the writer knows, with their types."""

RECIPE_TYPES: dict[str, pl.DataType] = {
    "frame_rate_hz": pl.Float64(),
    "frame_times_s": pl.String(),
    "timing": pl.String(),
    "source_frames": pl.String(),
    "mirrored_frames": pl.Int64(),
    "box_x0_px": pl.Int64(),
    "box_y0_px": pl.Int64(),
    "scale_x": pl.Float64(),
    "scale_y": pl.Float64(),
    "pad_x_px": pl.Int64(),
    "pad_y_px": pl.Int64(),
    "spacing_x_mm": pl.Float64(),
    "spacing_y_mm": pl.Float64(),
    "notices": pl.String(),
}
"""Columns of the index that a recipe may tell, with their types."""

OF_SAMPLES = ("source_frames", "mirrored_frames")
"""Those of them that only an index of samples has."""

LEFT_OUT_NAME = "left_out.csv"
"""Items that were left out, by which rule and why; a table without rows where there are none."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a manifest.

    Attributes:
        kind: What was prepared.
        out: Where it lies.
        written: Items prepared by this run.
        resumed: Items that an earlier run had prepared.
        frames: Pictures of both.
        damaged: Items whose pictures were no longer as written, and were prepared again.
        failed: Items left out, with the reason.
        skipped: Items that are not for this preparation, by reason.
        notes: What to know of those that were prepared, by code, with the number of items.
        seconds: Time of this run.
    """

    kind: str
    out: Path
    written: int = 0
    resumed: int = 0
    frames: int = 0
    damaged: tuple[str, ...] = ()
    failed: tuple[Failure, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 all done, 1 something was left out."""
        return 1 if self.failed else 0

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "schema": "lvef-prepare/1",
            "kind": self.kind,
            "out": str(self.out),
            "written": self.written,
            "resumed": self.resumed,
            "frames": self.frames,
            "damaged": list(self.damaged),
            "failed": [{"item": f.item, "reason": f.reason} for f in self.failed],
            "skipped": dict(self.skipped),
            "notes": dict(self.notes),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told how it goes.

    Attributes:
        total: Called once with the number of items there are to do.
        advance: Called after each.
        failed: Called with each that fails.
    """

    total: Callable[[int], None] = lambda _: None
    advance: Callable[[], None] = lambda: None
    failed: Callable[[Failure], None] = lambda _: None


def fill_store(
    manifest: pl.DataFrame,
    out: Path,
    recipe: Recipe,
    *,
    where: str = "manifest",
    workers: int = 1,
    verify: bool = False,
    shard_bytes: int = SHARD_BYTES,
    watcher: Watcher = Watcher(),
) -> Prepared:
    """Prepare every clip of a manifest into a store.

    Args:
        manifest: By `lvef.datasets.schema`. Stills are passed over and counted.
        out: The store; one that an earlier run began is taken up.
        recipe: What is made of each clip.
        where: What to call the manifest in messages.
        workers: Clips decoded at once.
        verify: Hash all that an earlier run wrote, and prepare again what is no longer as it was.
        shard_bytes: Bytes after which a new file of frames is begun.
        watcher: Who is told how it goes.

    Raises:
        DataError: The manifest has no clips, or the store cannot be written. What was written stays.
        ConfigError: The store was begun with other settings.
    """
    began = time.perf_counter()
    everything = sources_of(manifest, where)
    clips = [source for source in everything if source.kind == "clip"]
    if not clips:
        raise DataError(
            f"{where}: holds {len(everything)} stills and no clip; {recipe.kind} are made of clips."
        )
    writer = StoreWriter(out, recipe.settings(), shard_bytes=shard_bytes)
    try:
        damaged = tuple(writer.damaged()) if verify else ()
        stamps = {source.item: stamp_of(source.path) for source in clips}
        todo = [source for source in clips if not writer.holds(source.item, stamps[source.item])]
        watcher.total(len(todo))
        failed = []
        items = [(recipe, source) for source in todo]
        for (_, source), made in map_ordered(make, items, workers, name=lambda item: item[1].item):
            if isinstance(made, Made):
                writer.add(source.item, stamps[source.item], made.frames, made.columns)
            else:
                failed.append(made)
                watcher.failed(made)
            watcher.advance()
        lost = {failure.item for failure in failed}
        held = [source for source in clips if source.item not in lost]
        index = _index(held, writer.entries, manifest)
        passed = [(source.item, "still") for source in everything if source.kind != "clip"]
        write_left_out(out, failed, passed)
        skipped = counted([reason for _, reason in passed])
        result = Prepared(
            recipe.kind,
            out,
            written=len(todo) - len(failed),
            resumed=len(clips) - len(todo),
            frames=int(index["n_frames"].sum()),
            damaged=damaged,
            failed=tuple(failed),
            skipped=skipped,
            notes=_notes(index),
            seconds=time.perf_counter() - began,
        )
        facts = {"lvef_version": lvef.__version__, "items": len(index), "frames": result.frames}
        writer.finish(index, facts | {"failed": len(failed), "skipped": skipped})
        return result
    finally:
        writer.close()


def write_left_out(out: Path, failed: Sequence[Failure], skipped: Sequence[tuple[str, str]]) -> None:
    """Write `LEFT_OUT_NAME`.

    Args:
        out: Folder.
        failed: Items that could not be prepared.
        skipped: Items that are not for this preparation, with the reason.

    Raises:
        DataError: It cannot be written.
    """
    rows = [(f.item, "failed", f.reason) for f in failed]
    rows += [(item, "skipped", reason) for item, reason in skipped]
    table = pl.DataFrame(
        rows, schema={"item": pl.String(), "rule": pl.String(), "reason": pl.String()}, orient="row"
    )
    write_text_atomic(out / LEFT_OUT_NAME, table.write_csv())


def _index(held: Sequence[Source], entries: Mapping[str, Entry], manifest: pl.DataFrame) -> pl.DataFrame:
    """Where each clip lies, what its recipe told, and its labels as the manifest has them now."""
    listed = [entries[source.item] for source in held]
    told = {name for entry in listed for name in entry["columns"]}
    columns = {name: [entry[name] for entry in listed] for name in PLACE_TYPES}
    recipe_types = {
        name: kind for name, kind in RECIPE_TYPES.items() if name in told or name not in OF_SAMPLES
    }
    columns |= {name: [entry["columns"].get(name) for entry in listed] for name in recipe_types}
    place = pl.DataFrame(columns, schema=PLACE_TYPES | recipe_types)
    labels = labels_of(manifest)
    return place.join(labels, on="item", how="left", maintain_order="left", suffix="_label")


def _notes(index: pl.DataFrame) -> dict[str, int]:
    """What to know of the clips that are there."""
    notices = [code for text in index["notices"].drop_nulls().to_list() for code in text.split(";")]
    notes = counted(notices)
    if "mirrored_frames" in index.columns and (short := int((index["mirrored_frames"] > 0).sum())):
        notes["shorter_than_asked"] = short
    if (nameless := int(index["ef_percent"].is_null().sum())) and len(index):
        notes["without_ef"] = nameless
    return notes
