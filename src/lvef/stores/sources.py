"""Rows of a manifest as things to prepare: where the files are, and what the manifest knows that the files do not tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lvef.core.errors import DataError
from lvef.core.records import PixelSpacing

MANIFEST_SPACING = "manifest"
"""Source of a scale that the file itself does not tell."""

LEFT_BEHIND = frozenset(
    [
        "root",
        "path",
        "mask_path",
        "tracing_path",
        "told_by",
        "kind",
        "n_frames",
        "frame_rate_hz",
        "frame_times_s",
        "duration_s",
        "height_px",
        "width_px",
        "spacing_x_mm",
        "spacing_y_mm",
    ]
)
"""Columns of a manifest that do not go into the index of what is prepared: places on this machine, and facts of the
file, which the prepared pictures have of their own."""


@dataclass(frozen=True, slots=True)
class Source:
    """One item of a manifest.

    Attributes:
        item: Its name.
        kind: ``clip`` or ``still``.
        patient: Whom it shows.
        view: As the collection labels it.
        phase: Phase of a still, or None.
        path: The picture's file.
        mask_path: File of its mask, or None.
        tracing_path: Table of its tracings, or None.
        spacing: Scale that the manifest tells, or None.
        frame_rate_hz: Frame rate that the manifest tells, or None.
        ed_frame: End-diastolic frame that the manifest tells, or None.
        es_frame: End-systolic frame that the manifest tells, or None.
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
        manifest: By `lvef.datasets.schema`.
        where: What to call it in messages.

    Raises:
        DataError: It has no rows, or none of the folders it names is there.
    """
    if manifest.is_empty():
        raise DataError(f"{where}: the manifest is empty; import the collection again.")
    roots = [Path(root) for root in manifest["root"].unique(maintain_order=True).to_list()]
    if not any(root.is_dir() for root in roots):
        raise DataError(
            f"{where}: the folder of the collection, {roots[0]}, is not there; put it back or import it again from its "
            "new place."
        )
    return [_source(row) for row in manifest.iter_rows(named=True)]


def labels_of(manifest: pl.DataFrame) -> pl.DataFrame:
    """What of a manifest goes into the index of what is prepared: names, labels and splits."""
    return manifest.select(name for name in manifest.columns if name not in LEFT_BEHIND)


def stamp_of(*paths: Path | None) -> str:
    """Size and time of change of files; empty when one of them cannot be looked at."""
    try:
        return ",".join(f"{(s := path.stat()).st_size}:{s.st_mtime_ns}" for path in paths if path is not None)
    except OSError:
        return ""


def counted(names: list[str]) -> dict[str, int]:
    """How often each name comes, most frequent first."""
    return dict(Counter(names).most_common())


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
