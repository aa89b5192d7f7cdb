"""From a manifest to a store: every clip decoded once, in parallel, from where an earlier run stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import polars as pl

import lvef
from lvef.core.errors import DataError
from lvef.core.journal import Entry, file_stamp
from lvef.core.runner import Progress, reason_of, run
from lvef.io.atomic import write_text_atomic
from lvef.stores.clip_store import SHARD_BYTES, StoreWriter
from lvef.stores.recipes import Made
from lvef.stores.sources import Source, labels_of, sources_of

T = TypeVar("T")

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
"""Columns of the index that a recipe may give, with their types."""

OF_SAMPLES = ("source_frames", "mirrored_frames")
"""Those of them that only an index of samples has."""

LEFT_OUT_NAME = "left_out.csv"
"""Items that were left out, by which rule and why; a table without rows where there are none."""


class Recipe(Protocol):
    """How frames are made: a frozen dataclass whose settings go into ``store.json``."""

    @property
    def kind(self) -> str:
        """Name of what is made."""
        ...

    def settings(self) -> dict[str, Any]:
        """Everything the frames depend on."""
        ...

    def make(self, source: Source) -> Made:
        """Make them.

        Raises:
            LvefError: They cannot be made of this source.
        """
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be prepared, and why, in one sentence."""

    item: str
    reason: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of a manifest.

    Attributes:
        kind: What was prepared.
        out: Where it lies.
        written: Items prepared by this run.
        resumed: Items that an earlier run had prepared.
        frames: Frames of both.
        damaged: Items whose frames were no longer as written, and were prepared again.
        failed: Items left out, with the reason.
        skipped: Items that are not for this preparation, by reason.
        notes: Remarks on those that were prepared, by code, with the number of items.
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
class Outcome(Generic[T]):
    """What became of the items of a preparation.

    Attributes:
        prepared: Items that are there, of this run or an earlier one.
        failed: Items that could not be prepared.
        resumed: How many an earlier run had prepared.
    """

    prepared: list[T]
    failed: tuple[Failure, ...]
    resumed: int

    @property
    def written(self) -> int:
        """How many this run prepared."""
        return len(self.prepared) - self.resumed


def fill_store(
    manifest: pl.DataFrame,
    out: Path,
    recipe: Recipe,
    *,
    where: str = "manifest",
    workers: int = 1,
    verify: bool = False,
    shard_bytes: int = SHARD_BYTES,
    progress: Progress = Progress(),  # noqa: B008  frozen
    on_failed: Callable[[Failure], None] = lambda _: None,
) -> Prepared:
    """Prepare every clip of a manifest into a store.

    Args:
        manifest: By `lvef.datasets.schema`. Stills are skipped and counted.
        out: The store; one that an earlier run began is continued.
        recipe: What is made of each clip.
        where: What to call the manifest in messages.
        workers: Clips decoded at once.
        verify: Check the hashes of all that an earlier run wrote, and prepare again what has changed.
        shard_bytes: Bytes after which a new file of frames is begun.
        progress: Progress callbacks.
        on_failed: Called with each item that fails.

    Raises:
        DataError: The manifest has no clips, or the store cannot be written. What was written stays.
        ConfigError: The store was begun with other settings.
    """
    began = time.perf_counter()
    sources = sources_of(manifest, where)
    clips = [source for source in sources if source.kind == "clip"]
    if not clips:
        raise DataError(f"{where}: holds {len(sources)} stills and no clip; {recipe.kind} are made of clips.")
    with closing(StoreWriter(out, recipe.settings(), shard_bytes=shard_bytes)) as writer:
        damaged = tuple(writer.damaged()) if verify else ()
        stamps = {source.item: file_stamp([source.path]) for source in clips}
        outcome = prepare_items(
            clips,
            recipe.make,
            holds=lambda source: writer.holds(source.item, stamps[source.item]),
            add=lambda source, made: writer.add(source.item, stamps[source.item], made.frames, made.columns),
            on_error=lambda source, error: Failure(source.item, reason_of(error, str(source.path))),
            name=lambda source: source.item,
            workers=workers,
            progress=progress,
            on_failed=on_failed,
        )
        index = _index(outcome.prepared, writer.entries, manifest)
        skipped = write_left_out(
            out, outcome.failed, [(source.item, "still") for source in sources if source.kind != "clip"]
        )
        result = Prepared(
            recipe.kind,
            out,
            written=outcome.written,
            resumed=outcome.resumed,
            frames=int(index["n_frames"].sum()),
            damaged=damaged,
            failed=outcome.failed,
            skipped=skipped,
            notes=_notes(index),
            seconds=time.perf_counter() - began,
        )
        facts = {"lvef_version": lvef.__version__, "items": len(index), "frames": result.frames}
        writer.finish(index, facts | {"failed": len(result.failed), "skipped": skipped})
        return result


def prepare_items(
    items: Sequence[T],
    make: Callable[[T], Any],
    *,
    holds: Callable[[T], bool],
    add: Callable[[T, Any], None],
    on_error: Callable[[T, Exception], Failure],
    name: Callable[[T], str],
    workers: int,
    progress: Progress,
    on_failed: Callable[[Failure], None],
) -> Outcome[T]:
    """Prepare items by `lvef.core.runner.run`, and add each that did not fail to a store.

    Args:
        items: What to prepare.
        make: Prepares an item.
        holds: Whether an earlier run prepared an item.
        add: Adds to the store what ``make`` gave.
        on_error: The failure of an item.
        name: Name of an item.
        workers: Items at once.
        progress: Progress callbacks.
        on_failed: Called with each item that fails.
    """

    def record(item: T, made: object) -> None:
        if isinstance(made, Failure):
            on_failed(made)
        else:
            add(item, made)

    finished = run(
        items,
        make,
        on_error=on_error,
        earlier=lambda item: True if holds(item) else None,
        record=record,
        progress=progress,
        name=name,
        workers=workers,
    )
    return Outcome(
        [done.item for done in finished if not isinstance(done.result, Failure)],
        tuple(done.result for done in finished if isinstance(done.result, Failure)),
        sum(done.resumed for done in finished),
    )


def write_left_out(
    out: Path, failed: Sequence[Failure], skipped: Sequence[tuple[str, str]]
) -> dict[str, int]:
    """Write `LEFT_OUT_NAME`.

    Args:
        out: Folder.
        failed: Items that could not be prepared.
        skipped: Items that are not for this preparation, with the reason.

    Returns:
        Number of skipped items by reason.

    Raises:
        OutputError: It cannot be written.
    """
    rows = [(f.item, "failed", f.reason) for f in failed]
    rows += [(item, "skipped", reason) for item, reason in skipped]
    table = pl.DataFrame(rows, schema=dict.fromkeys(("item", "rule", "reason"), pl.String()), orient="row")
    write_text_atomic(out / LEFT_OUT_NAME, table.write_csv())
    return counted(reason for _, reason in skipped)


def counted(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, most frequent first."""
    return dict(Counter(names).most_common())


def notice_counts(index: pl.DataFrame) -> dict[str, int]:
    """Number of items of an index by code of a warning."""
    return counted(code for text in index["notices"].drop_nulls().to_list() for code in text.split(";"))


def _index(prepared: Sequence[Source], entries: Mapping[str, Entry], manifest: pl.DataFrame) -> pl.DataFrame:
    """Where each clip lies, the recipe's columns, and its labels as the manifest has them now."""
    listed = [entries[source.item] for source in prepared]
    given = {name for entry in listed for name in entry["columns"]}
    columns = {name: [entry[name] for entry in listed] for name in PLACE_TYPES}
    recipe_types = {
        name: kind for name, kind in RECIPE_TYPES.items() if name in given or name not in OF_SAMPLES
    }
    columns |= {name: [entry["columns"].get(name) for entry in listed] for name in recipe_types}
    place = pl.DataFrame(columns, schema=PLACE_TYPES | recipe_types)
    return place.join(labels_of(manifest), on="item", how="left", maintain_order="left", suffix="_label")


def _notes(index: pl.DataFrame) -> dict[str, int]:
    """Remarks on the clips that are there."""
    notes = notice_counts(index)
    if "mirrored_frames" in index.columns and (short := int((index["mirrored_frames"] > 0).sum())):
        notes["shorter_than_asked"] = short
    if (without := int(index["ef_percent"].is_null().sum())) and len(index):
        notes["without_ef"] = without
    return notes
