"""From a manifest to the inputs of models: every item prepared once, in parallel, from where an earlier run stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import polars as pl

import lvef
from lvef.core.errors import DataError, GeometryError
from lvef.core.records import PixelSpacing
from lvef.core.runner import Pool, Progress, reason_of, run
from lvef.datasets.manifest import values_for
from lvef.io.atomic import write_text_atomic

MANIFEST_SPACING = "manifest"
"""Source of a scale that is not in the file itself."""

LEFT_BEHIND = frozenset(
    (
        "root", "path", "mask_path", "tracing_path", "told_by", "kind", "n_frames", "frame_rate_hz", "frame_times_s",
        "duration_s", "height_px", "width_px", "spacing_x_mm", "spacing_y_mm",
    )
)  # fmt: skip
"""Columns of a manifest that do not go into the index of what is prepared: paths on this machine, and properties of the
file, which the prepared frames have of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """One item of a manifest.

    Attributes:
        item: Its name.
        kind: ``clip`` or ``still``.
        patient: Its patient.
        view: As the dataset labels it.
        path: Its file.
        phase: Phase of a still, or None.
        mask_path: File of its mask, or None.
        tracing_path: Table of its tracings, or None.
        spacing: Scale by the manifest, or None.
        frame_rate_hz: Frame rate by the manifest, or None.
        ed_frame: End-diastolic frame by the manifest, or None.
        es_frame: End-systolic frame by the manifest, or None.
    """

    item: str
    kind: str
    patient: str
    view: str
    path: Path
    phase: str | None = None
    mask_path: Path | None = None
    tracing_path: Path | None = None
    spacing: PixelSpacing | None = None
    frame_rate_hz: float | None = None
    ed_frame: int | None = None
    es_frame: int | None = None


def sources_of(manifest: pl.DataFrame, where: str) -> list[Source]:
    """Every item of a manifest, in its order.

    Args:
        manifest: By `lvef.datasets.manifest`.
        where: What to call it in messages.

    Raises:
        DataError: It has no rows, or none of the folders it names is there.
    """
    if manifest.is_empty():
        raise DataError(f"{where}: the manifest is empty; import the dataset again.")
    roots = [Path(root) for root in manifest["root"].unique(maintain_order=True).to_list()]
    if not any(root.is_dir() for root in roots):
        raise DataError(
            f"{where}: the folder of the dataset, {roots[0]}, does not exist; put it back or import it again from its "
            "new place."
        )
    return [_source(row) for row in manifest.iter_rows(named=True)]


def labels_of(manifest: pl.DataFrame) -> pl.DataFrame:
    """The columns of a manifest that go into the index of what is prepared: names, labels and splits."""
    return manifest.select(name for name in manifest.columns if name not in LEFT_BEHIND)


def _source(row: Mapping[str, Any]) -> Source:
    x, y = row["spacing_x_mm"], row["spacing_y_mm"]
    spacing = PixelSpacing(x, y, MANIFEST_SPACING) if x and y else None
    return Source(**values_for(Source, row), spacing=spacing)


LEFT_OUT_NAME = "left_out.csv"
"""Items that were left out, by which rule and why; a table without rows where there are none."""


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
        values = {**asdict(self), "out": str(self.out), "seconds": round(self.seconds, 3)}
        return {"schema": "lvef-prepare/1"} | values


class Preparation(Protocol):
    """What is prepared, and its output folder, opened for writing."""

    kind: str
    """Name of what is prepared."""
    sources: Sequence[Source]
    """The items that it is for."""
    skip_reason: str
    """Why it is not for the others."""

    def holds(self, source: Source) -> bool:
        """Whether an earlier run prepared an item, from the same files."""

    def make(self, source: Source) -> Any:  # noqa: ANN401
        """Prepare an item, in any thread.

        Raises:
            LvefError: It cannot be prepared.
        """

    def add(self, source: Source, made: Any) -> None:  # noqa: ANN401
        """Write what `make` gave, in the order of the items."""

    def damaged(self) -> list[str]:
        """Items that are no longer as they were written; they count as not written from now on."""

    def index(
        self, prepared: Sequence[Source], manifest: pl.DataFrame
    ) -> tuple[pl.DataFrame, int, dict[str, int]]:
        """The index of what is prepared, its number of frames, and remarks by code with the number of items."""

    def finish(self, index: pl.DataFrame, info: Mapping[str, Any]) -> None:
        """Write the index and mark the folder as complete."""

    def close(self) -> None:
        """Close the files."""


class Recipe(Protocol):
    """How items are prepared: a frozen dataclass whose fields go into the output folder."""

    def begin(self, sources: Sequence[Source], out: Path, where: str) -> Preparation:
        """Open the output folder; see `prepare`."""


def prepare(
    manifest: pl.DataFrame,
    out: Path,
    recipe: Recipe,
    *,
    where: str = "manifest",
    workers: int = 1,
    verify: bool = False,
    progress: Progress = Progress(),  # noqa: B008  frozen
    on_failed: Callable[[Failure], None] = lambda _: None,
    pool: Pool | None = None,
) -> Prepared:
    """Prepare every item of a manifest that a recipe is for.

    Args:
        manifest: By `lvef.datasets.manifest`.
        out: Output folder; one that an earlier run began is continued.
        recipe: What is made of each item.
        where: What to call the manifest in messages.
        workers: Items at once.
        verify: Check the hashes of all that an earlier run wrote, and prepare again what has changed.
        progress: Progress callbacks.
        on_failed: Called with each item that fails.
        pool: Prepares them in place of ``workers`` threads; see `lvef.core.runner.run`.

    Raises:
        DataError: The manifest has no such items, or the folder cannot be written. What was written stays.
        ConfigError: The folder was begun with other settings.
    """
    began = time.perf_counter()
    everything = sources_of(manifest, where)
    failed: list[Failure] = []
    with closing(recipe.begin(everything, out, where)) as preparation:
        damaged = tuple(preparation.damaged()) if verify else ()

        def record(source: Source, made: object) -> None:
            if isinstance(made, Failure):
                failed.append(made)
                on_failed(made)
            else:
                preparation.add(source, made)

        finished = run(
            preparation.sources,
            preparation.make,
            on_error=_failure,
            earlier=lambda source: True if preparation.holds(source) else None,
            record=record,
            progress=progress,
            name=lambda source: source.item,
            workers=workers,
            pool=pool,
        )
        prepared = [done.item for done in finished if not isinstance(done.result, Failure)]
        resumed = sum(done.resumed for done in finished)
        index, n_frames, notes = preparation.index(prepared, manifest)
        ours = {source.item for source in preparation.sources}
        others = [source.item for source in everything if source.item not in ours]
        _write_left_out(out, failed, others, preparation.skip_reason)
        skipped = {preparation.skip_reason: len(others)} if others else {}
        facts = {"lvef_version": lvef.__version__, "items": len(prepared), "frames": n_frames}
        preparation.finish(index, facts | {"failed": len(failed), "skipped": skipped})
    return Prepared(
        preparation.kind,
        out,
        written=len(prepared) - resumed,
        resumed=resumed,
        frames=n_frames,
        damaged=damaged,
        failed=tuple(failed),
        skipped=skipped,
        notes=notes,
        seconds=time.perf_counter() - began,
    )


def notice_counts(index: pl.DataFrame) -> dict[str, int]:
    """Number of items of an index by code of a warning, most frequent first."""
    codes = (code for text in index["notices"].drop_nulls().to_list() for code in text.split(";"))
    return dict(Counter(codes).most_common())


def _failure(source: Source, error: Exception) -> Failure:
    reason = reason_of(error, str(source.path))
    return Failure(source.item, f"{source.item}: {reason}" if isinstance(error, GeometryError) else reason)


def _write_left_out(out: Path, failed: Sequence[Failure], skipped: Sequence[str], reason: str) -> None:
    rows = [(f.item, "failed", f.reason) for f in failed]
    rows += [(item, "skipped", reason) for item in skipped]
    table = pl.DataFrame(rows, schema=dict.fromkeys(("item", "rule", "reason"), pl.String()), orient="row")
    write_text_atomic(out / LEFT_OUT_NAME, table.write_csv())
