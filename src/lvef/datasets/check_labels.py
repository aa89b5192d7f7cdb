"""What a manifest's labels say against each other, without opening a file."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from lvef.datasets.findings import Findings, Severity
from lvef.io.timing import MAX_FRAME_RATE_HZ, MIN_FRAME_RATE_HZ

EF_TOLERANCE_POINTS = 0.5
"""An EF may differ by this much from that of its volumes: half of a whole point, the coarsest rounding in use."""

FRACTION_LIMIT = 1.0
"""An EF up to this, in percent, is taken for a fraction: the smallest of EchoNet-Dynamic's 10,030 is 6.9 (SPEC.md 2)."""

FREQUENT = 0.5
"""From this part of a collection's EFs on, it is the collection that is in another unit, not single rows that are wrong."""

_MEND_TABLE = "Compare with the owners' table: values may have been shifted against names; then import again."


def check_labels(
    manifest: pl.DataFrame, findings: Findings, has_ef: Callable[[str], bool | None] | None = None
) -> None:
    """Check EF and volumes, splits, frames of phases, frame rates and what is missing.

    Args:
        manifest: Rows by `lvef.datasets.schema`.
        findings: Takes note.
        has_ef: Whether a collection carries an EF, None where that is not known.
    """
    for collection in manifest["collection"].unique(maintain_order=True):
        rows = manifest.filter(pl.col("collection") == collection)
        _check_presence_of_ef(collection, rows, findings, has_ef(collection) if has_ef else None)
        _check_unit_of_ef(collection, rows, findings)
        _check_ef_against_volumes(rows, findings)
        _check_masks_are_there(rows, findings)
    _check_volumes(manifest, findings)
    _check_splits(manifest, findings)
    _check_phases(manifest, findings)
    _check_frame_rates(manifest, findings)
    _check_paths(manifest, findings)


def _check_presence_of_ef(collection: str, rows: pl.DataFrame, findings: Findings, told: bool | None) -> None:
    without = rows.filter(pl.col("ef_percent").is_null())
    if told is False or (told is None and len(without) == len(rows)):
        findings.add(
            "collection_without_ef",
            Severity.NOTE,
            "These collections carry no EF; what needs one cannot use them.",
            "",
            [collection] if len(without) else [],
        )
        return
    none = len(without) == len(rows)
    findings.add(
        "no_ef_at_all",
        Severity.ERROR,
        "No row of these collections has an EF, though the collection carries one.",
        "Import again; look whether the owners' table is whole and its names fit the files.",
        [collection] if none else [],
        len(rows) if none else 0,
    )
    findings.add(
        "unlabelled",
        Severity.WARNING,
        "Items have no EF, though their collection carries one.",
        "Look for their names in the owners' table; what needs an EF skips them.",
        [] if none else without["item"].to_list(),
    )


def _check_unit_of_ef(collection: str, rows: pl.DataFrame, findings: Findings) -> None:
    known = rows.filter(pl.col("ef_percent").is_not_null())
    low = known.filter(pl.col("ef_percent") <= FRACTION_LIMIT)
    whole = len(low) >= FREQUENT * len(known)
    findings.add(
        "ef_fraction" if whole else "ef_below_one",
        Severity.ERROR,
        f"EFs of at most {FRACTION_LIMIT:g} in a column of percent: they look like fractions.",
        "Multiply them by 100 in the owners' table, once, and import again."
        if whole
        else "Look these rows up: a fraction among percents, or a value that cannot be.",
        [_told(*row) for row in low.select("item", "ef_percent").rows()],
    )


def _check_ef_against_volumes(rows: pl.DataFrame, findings: Findings) -> None:
    edv, esv, ef = pl.col("edv_ml"), pl.col("esv_ml"), pl.col("ef_percent")
    known = rows.filter(
        (edv > 0) & (esv <= edv) & ef.is_not_null() & (ef > FRACTION_LIMIT)
    )  # the others are told elsewhere
    if known.is_empty():
        return
    from_volumes = 100 * (edv - esv) / edv
    # An EF made from exact volumes and handed out beside rounded ones may be off by what their rounding does to it.
    half = [0.5 * _step(known[name]) for name in ("edv_ml", "esv_ml", "ef_percent")]
    rounding = 100 * (half[1] / edv + esv * half[0] / edv**2) + half[2]
    difference = (from_volumes - ef).abs()
    found = known.with_columns(
        from_volumes.alias("from_volumes"), difference.alias("difference"), rounding.alias("rounding")
    )
    allowed = pl.max_horizontal(pl.lit(EF_TOLERANCE_POINTS), pl.col("rounding"))
    findings.add(
        "ef_disagrees",
        Severity.ERROR,
        f"The EF differs from 100 (EDV - ESV) / EDV by more than {EF_TOLERANCE_POINTS:g} points.",
        _MEND_TABLE,
        [
            f"{item} ({ef:g}, from volumes {other:.1f})"
            for item, ef, other in found.filter(pl.col("difference") > allowed)
            .select("item", "ef_percent", "from_volumes")
            .rows()
        ],
    )
    findings.add(
        "rounded",
        Severity.NOTE,
        f"EF and volumes differ by more than {EF_TOLERANCE_POINTS:g} points, as rounding to whole numbers explains.",
        "",
        found.filter(pl.col("difference").is_between(EF_TOLERANCE_POINTS, allowed, closed="right"))[
            "item"
        ].to_list(),
    )


def _step(values: pl.Series) -> float:
    """1 where all values of a column are whole numbers, else 0: whether the collection rounds."""
    return 1.0 if bool((values == values.round()).all()) else 0.0


def _check_volumes(manifest: pl.DataFrame, findings: Findings) -> None:
    swapped = manifest.filter((pl.col("esv_ml") > pl.col("edv_ml")).fill_null(False))
    findings.add(
        "esv_above_edv",
        Severity.ERROR,
        "The end-systolic volume is larger than the end-diastolic one: the phases or their columns are swapped.",
        _MEND_TABLE,
        [
            f"{item} (EDV {edv:g}, ESV {esv:g})"
            for item, edv, esv in swapped.select("item", "edv_ml", "esv_ml").rows()
        ],
    )


def _check_splits(manifest: pl.DataFrame, findings: Findings) -> None:
    parts = (
        manifest.filter(pl.col("split").is_not_null())
        .group_by("collection", "patient", maintain_order=True)
        .agg(pl.col("split").unique(maintain_order=True))
        .filter(pl.col("split").list.len() > 1)
    )
    findings.add(
        "patient_in_two_splits",
        Severity.ERROR,
        "A patient stands in more than one split: what is measured on the one was learned from the other.",
        "Put all items of a patient into one split.",
        [
            f"{patient} ({', '.join(splits)})"
            for patient, splits in parts.select("patient", "split").iter_rows()
        ],
    )
    some = manifest.filter(pl.col("split").is_not_null())["collection"].unique().to_list()
    findings.add(
        "no_split",
        Severity.WARNING,
        "Items stand in no split, though others of their collection do.",
        "Give them a split, or leave them out on purpose.",
        manifest.filter(pl.col("split").is_null() & pl.col("collection").is_in(some))["item"].to_list(),
    )


def _check_phases(manifest: pl.DataFrame, findings: Findings) -> None:
    n, ed, es = pl.col("n_frames"), pl.col("ed_frame"), pl.col("es_frame")
    beyond = manifest.filter(((ed >= n) | (es >= n)).fill_null(False))
    findings.add(
        "phase_beyond_clip",
        Severity.ERROR,
        "The ED or ES frame lies behind the end of the clip; frames count from 0.",
        "Look whether the table counts from 1, or the clip was cut; then import again.",
        [
            f"{row['item']} (ED {row['ed_frame']}, ES {row['es_frame']} of {row['n_frames']})"
            for row in beyond.select("item", "ed_frame", "es_frame", "n_frames").iter_rows(named=True)
        ],
    )
    findings.add(
        "same_phase_frame",
        Severity.ERROR,
        "ED and ES are the same frame.",
        _MEND_TABLE,
        manifest.filter((ed == es).fill_null(False))["item"].to_list(),
    )


def _check_frame_rates(manifest: pl.DataFrame, findings: Findings) -> None:
    rate = pl.col("frame_rate_hz")
    clips = manifest.filter(pl.col("kind") == "clip")
    findings.add(
        "frame_rate_implausible",
        Severity.WARNING,
        f"A frame rate is outside {MIN_FRAME_RATE_HZ:g} to {MAX_FRAME_RATE_HZ:g} Hz, which no echo clip has.",
        "Look at the unit (milliseconds a frame, kHz?) and import again.",
        [
            _told(*row)
            for row in clips.filter(
                ((rate < MIN_FRAME_RATE_HZ) | (rate > MAX_FRAME_RATE_HZ)).fill_null(False)
            )
            .select("item", "frame_rate_hz")
            .rows()
        ],
    )
    findings.add(
        "no_frame_rate",
        Severity.NOTE,
        "Clips have no frame rate: times in seconds are not known for them.",
        "",
        clips.filter(rate.is_null())["item"].to_list(),
    )


def _check_masks_are_there(rows: pl.DataFrame, findings: Findings) -> None:
    for kind in ("still", "clip"):
        here = rows.filter(pl.col("kind") == kind)
        with_mask = here["mask_path"].is_not_null().sum()
        findings.add(
            *(("no_mask", Severity.WARNING) if kind == "still" else ("clip_without_mask", Severity.NOTE)),
            "Items have no mask, though others of their collection do.",
            "Look for the mask files in the owners' archive; what needs masks skips these items.",
            here.filter(pl.col("mask_path").is_null())["item"].to_list() if with_mask else [],
        )


def _check_paths(manifest: pl.DataFrame, findings: Findings) -> None:
    twice = manifest.filter(pl.struct("root", "path").is_duplicated())
    pairs = twice.group_by("root", "path", maintain_order=True).agg("item")
    findings.add(
        "same_file_twice",
        Severity.ERROR,
        "A file stands in the manifest under more than one name, and would count more than once.",
        "Keep one row a file.",
        [f"{path} ({', '.join(items[:3])})" for path, items in pairs.select("path", "item").iter_rows()],
    )


def _told(item: str, value: float) -> str:
    return f"{item} ({value:g})"
