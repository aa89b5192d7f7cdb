"""Rows of a manifest as items to prepare: where the files are, and what the manifest knows beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing

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
        phase: Phase of a still, or None.
        path: Its file.
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
    phase: str | None
    path: Path
    mask_path: Path | None
    tracing_path: Path | None
    spacing: PixelSpacing | None
    frame_rate_hz: float | None
    ed_frame: int | None
    es_frame: int | None


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
    root = Path(row["root"])
    x, y = row["spacing_x_mm"], row["spacing_y_mm"]
    return Source(
        item=row["item"],
        kind=row["kind"],
        patient=row["patient"],
        view=row["view"],
        phase=row["phase"],
        path=root / row["path"],
        mask_path=root / row["mask_path"] if row["mask_path"] else None,
        tracing_path=root / row["tracing_path"] if row["tracing_path"] else None,
        spacing=PixelSpacing(x, y, MANIFEST_SPACING) if x and y else None,
        frame_rate_hz=row["frame_rate_hz"],
        ed_frame=row["ed_frame"],
        es_frame=row["es_frame"],
    )
