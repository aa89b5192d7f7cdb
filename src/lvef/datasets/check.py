"""Whether a manifest can be relied on: its labels, its tables of tracings, its files and their images.

What is found is named, counted and reported with its remedy; nothing is changed and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from lvef.core.errors import DataError
from lvef.datasets.check_files import Decode, check_decoded, check_files
from lvef.datasets.findings import ERROR, NOTE, WARNING, Finding, FindingKind, Findings
from lvef.datasets.registry import Progress
from lvef.datasets.volume_tracings import read_traced_frames
from lvef.io.formats import is_file
from lvef.io.timing import MAX_FRAME_RATE_HZ, MIN_FRAME_RATE_HZ

EF_TOLERANCE_POINTS = 0.5
"""An EF may differ by this much from that of its volumes: half of a whole point, the coarsest rounding in use."""

FRACTION_LIMIT = 1.0
"""An EF up to this, in percent, is taken for a fraction: the smallest of EchoNet-Dynamic's 10,030 is 6.9 (SPEC.md 2)."""

FREQUENT = 0.5
"""From this part of a dataset's EFs on, it is the dataset that is in another unit, not single rows that are wrong."""

TRACED_FRAMES = 2
"""Frames traced of a clip: one ED, one ES."""

# fmt: off
_SHIFTED = "Compare with the owners' table: values may have been shifted against names; then import again."
_EMPTY = FindingKind("empty", ERROR, "The manifest has no rows.",
    "Import the dataset again and look at what lvef data import reports.")
_WITHOUT_EF = FindingKind("collection_without_ef", NOTE, "These datasets carry no EF; what needs one cannot use them.")
_NO_EF_AT_ALL = FindingKind("no_ef_at_all", ERROR, "No row of these datasets has an EF, though the dataset carries one.",
    "Import again; look whether the owners' table is whole and its names fit the files.")
_UNLABELLED = FindingKind("unlabelled", WARNING, "Items have no EF, though their dataset carries one.",
    "Look for their names in the owners' table; what needs an EF skips them.")
_FRACTION = FindingKind("ef_fraction", ERROR,
    f"EFs of at most {FRACTION_LIMIT:g} in a column of percent: they look like fractions.",
    "Multiply them by 100 in the owners' table, once, and import again.")
_BELOW_ONE = _FRACTION._replace(code="ef_below_one",
    remedy="Look these rows up: a fraction among percents, or a value that cannot be.")
_EF_DISAGREES = FindingKind("ef_disagrees", ERROR,
    f"The EF differs from 100 (EDV - ESV) / EDV by more than {EF_TOLERANCE_POINTS:g} points.", _SHIFTED)
_ROUNDED = FindingKind("rounded", NOTE,
    f"EF and volumes differ by more than {EF_TOLERANCE_POINTS:g} points, as rounding to whole numbers explains.")
_SWAPPED_VOLUMES = FindingKind("esv_above_edv", ERROR,
    "The end-systolic volume is larger than the end-diastolic one: the phases or their columns are swapped.", _SHIFTED)
_TWO_SPLITS = FindingKind("patient_in_two_splits", ERROR,
    "A patient stands in more than one split: the test would contain patients of the training.",
    "Put all items of a patient into one split.")
_NO_SPLIT = FindingKind("no_split", WARNING, "Items stand in no split, though others of their dataset do.",
    "Give them a split, or leave them out on purpose.")
_PHASE_BEYOND = FindingKind("phase_beyond_clip", ERROR,
    "The ED or ES frame lies after the end of the clip; frames count from 0.",
    "Look whether the table counts from 1, or the clip was cut; then import again.")
_SAME_PHASE = FindingKind("same_phase_frame", ERROR, "ED and ES are the same frame.", _SHIFTED)
_FRAME_RATE = FindingKind("frame_rate_implausible", WARNING,
    f"A frame rate is outside {MIN_FRAME_RATE_HZ:g} to {MAX_FRAME_RATE_HZ:g} Hz, which no echo clip has.",
    "Look at the unit (milliseconds a frame, kHz?) and import again.")
_NO_FRAME_RATE = FindingKind("no_frame_rate", NOTE,
    "Clips have no frame rate: times in seconds are not known for them.")
_NO_MASK = FindingKind("no_mask", WARNING, "Items have no mask, though others of their dataset do.",
    "Look for the mask files in the owners' archive; what needs masks skips these items.")
_CLIP_WITHOUT_MASK = _NO_MASK._replace(code="clip_without_mask", severity=NOTE)
_SAME_FILE = FindingKind("same_file_twice", ERROR,
    "A file stands in the manifest under more than one name, and would count more than once.", "Keep one row per file.")
_TRACED_FRAMES = FindingKind("traced_frames", WARNING,
    f"Clips have another number of traced frames than {TRACED_FRAMES}.",
    "Nothing; those with fewer are skipped by what needs tracings, of more the largest and smallest are used.")
_MISSING_TRACINGS = FindingKind("missing_tracings", ERROR, "The table of tracings is missing.",
    "Put the owners' table back, or import again.")
_UNREADABLE_TRACINGS = FindingKind("unreadable_tracings", ERROR, "The table of tracings cannot be read.",
    "Take the table as its owners hand it out.")
_TRACING_BEYOND = FindingKind("tracing_beyond_clip", ERROR, "Traced frames lie after the end of their clip.",
    "Take tables and clips from one release; these tracings are not used.")
_TRACINGS_CHANGED = FindingKind("tracings_changed", ERROR,
    "The table holds another number of traced frames than the manifest says: one of them was changed.", "Import again.")
_SWAPPED_TRACINGS = FindingKind("swapped_tracings", ERROR,
    "The traced ventricle is larger at the ES frame than at the ED frame: the phases are swapped.",
    "Import again; the reader decides by the traced volume.")
# fmt: on


def check_manifest(
    manifest: pl.DataFrame,
    *,
    decode: Decode | None = None,
    progress: Progress | None = None,
    has_ef: Callable[[str], bool | None] | None = None,
) -> tuple[Finding, ...]:
    """Check a manifest against itself and against its files.

    Args:
        manifest: Rows by `lvef.datasets.manifest`.
        decode: Decodes the images of one row, `lvef.datasets.check_files.decode_row`; None reads headers only.
        progress: Called with items done and items in all: rows for the headers, and as many again for decoding.
        has_ef: Whether a dataset carries an EF, None where that is not known; left out, the rows themselves show it.

    Returns:
        Findings, worst first. Without an error among them the manifest can be used as it is.
    """
    findings = Findings()
    if manifest.is_empty():
        findings.add(_EMPTY, "manifest")
        return findings.sorted()
    _check_labels(manifest, findings, has_ef)
    total = len(manifest) * (1 if decode is None else 2)

    def report(done: int) -> None:
        if progress is not None:
            progress(done, total)

    readable = check_files(manifest, findings, report)
    _check_tracings(manifest, findings)
    if decode is not None:
        check_decoded(manifest, readable, decode, findings, lambda done: report(len(manifest) + done))
    return findings.sorted()


def _check_labels(
    manifest: pl.DataFrame, findings: Findings, has_ef: Callable[[str], bool | None] | None
) -> None:
    """EF and volumes, splits, frames of phases, frame rates and what is missing."""
    for dataset in manifest["collection"].unique(maintain_order=True):
        rows = manifest.filter(pl.col("collection") == dataset)
        _check_presence_of_ef(dataset, rows, findings, has_ef(dataset) if has_ef else None)
        _check_unit_of_ef(rows, findings)
        _check_ef_against_volumes(rows, findings)
        for kind, finding in (("still", _NO_MASK), ("clip", _CLIP_WITHOUT_MASK)):
            here = rows.filter(pl.col("kind") == kind)
            some = here["mask_path"].is_not_null().any()
            findings.add(finding, _items(here, pl.col("mask_path").is_null()) if some else [])
    swapped = manifest.filter((pl.col("esv_ml") > pl.col("edv_ml")).fill_null(False))
    volumes = swapped.select("item", "edv_ml", "esv_ml").rows()
    findings.add(_SWAPPED_VOLUMES, [f"{item} (EDV {edv:g}, ESV {esv:g})" for item, edv, esv in volumes])
    _check_splits(manifest, findings)
    _check_phases(manifest, findings)
    rate, clips = pl.col("frame_rate_hz"), manifest.filter(pl.col("kind") == "clip")
    outside = clips.filter(((rate < MIN_FRAME_RATE_HZ) | (rate > MAX_FRAME_RATE_HZ)).fill_null(False))
    findings.add(_FRAME_RATE, _with_values(outside, "frame_rate_hz"))
    findings.add(_NO_FRAME_RATE, _items(clips, rate.is_null()))
    twice = manifest.filter(pl.struct("root", "path").is_duplicated())
    pairs = twice.group_by("root", "path", maintain_order=True).agg("item").select("path", "item")
    findings.add(_SAME_FILE, [f"{path} ({', '.join(names[:3])})" for path, names in pairs.iter_rows()])


def _check_presence_of_ef(
    dataset: str, rows: pl.DataFrame, findings: Findings, carries_ef: bool | None
) -> None:
    without = rows.filter(pl.col("ef_percent").is_null())
    none = len(without) == len(rows)
    if carries_ef is False or (carries_ef is None and none):
        findings.add(_WITHOUT_EF, [dataset] if len(without) else [])
    elif none:
        findings.add(_NO_EF_AT_ALL, dataset, len(rows))
    else:
        findings.add(_UNLABELLED, without["item"].to_list())


def _check_unit_of_ef(rows: pl.DataFrame, findings: Findings) -> None:
    known = rows.filter(pl.col("ef_percent").is_not_null())
    low = known.filter(pl.col("ef_percent") <= FRACTION_LIMIT)
    frequent = len(low) >= FREQUENT * len(known)
    findings.add(_FRACTION if frequent else _BELOW_ONE, _with_values(low, "ef_percent"))


def _check_ef_against_volumes(rows: pl.DataFrame, findings: Findings) -> None:
    edv, esv, ef = pl.col("edv_ml"), pl.col("esv_ml"), pl.col("ef_percent")
    # The others are reported elsewhere.
    known = rows.filter((edv > 0) & (esv <= edv) & ef.is_not_null() & (ef > FRACTION_LIMIT))
    if known.is_empty():
        return
    from_volumes = 100 * (edv - esv) / edv
    # An EF made from exact volumes and handed out beside rounded ones may be off by what their rounding does to it.
    is_whole = [
        bool((known[name] == known[name].round()).all()) for name in ("edv_ml", "esv_ml", "ef_percent")
    ]
    half = [0.5 * whole for whole in is_whole]
    rounding = 100 * (half[1] / edv + esv * half[0] / edv**2) + half[2]
    difference = (from_volumes - ef).abs()
    allowed = pl.max_horizontal(pl.lit(EF_TOLERANCE_POINTS), rounding)
    wrong = known.filter(difference > allowed).select("item", "ef_percent", from_volumes.alias("other"))
    named = [f"{item} ({ef:g}, from volumes {other:.1f})" for item, ef, other in wrong.rows()]
    findings.add(_EF_DISAGREES, named)
    findings.add(_ROUNDED, _items(known, difference.is_between(EF_TOLERANCE_POINTS, allowed, closed="right")))


def _check_splits(manifest: pl.DataFrame, findings: Findings) -> None:
    listed = manifest.filter(pl.col("split").is_not_null())
    parts = (
        listed.group_by("collection", "patient", maintain_order=True)
        .agg(pl.col("split").unique(maintain_order=True))
        .filter(pl.col("split").list.len() > 1)
        .select("patient", "split")
    )
    findings.add(_TWO_SPLITS, [f"{patient} ({', '.join(splits)})" for patient, splits in parts.iter_rows()])
    with_splits = listed["collection"].unique().to_list()
    without = pl.col("split").is_null() & pl.col("collection").is_in(with_splits)
    findings.add(_NO_SPLIT, _items(manifest, without))


def _check_phases(manifest: pl.DataFrame, findings: Findings) -> None:
    n, ed, es = pl.col("n_frames"), pl.col("ed_frame"), pl.col("es_frame")
    beyond = manifest.filter(((ed >= n) | (es >= n)).fill_null(False))
    frames = beyond.select("item", "ed_frame", "es_frame", "n_frames").iter_rows()
    findings.add(_PHASE_BEYOND, [f"{item} (ED {ed}, ES {es} of {n})" for item, ed, es, n in frames])
    findings.add(_SAME_PHASE, _items(manifest, (ed == es).fill_null(False)))


def _check_tracings(manifest: pl.DataFrame, findings: Findings) -> None:
    """How many frames of a clip are traced, and whether the clip has those frames."""
    tables = manifest.filter(pl.col("tracing_path").is_not_null())
    if tables.is_empty():
        return
    datasets = tables["collection"].unique().to_list()
    clips = manifest.filter(pl.col("collection").is_in(datasets) & (pl.col("kind") == "clip"))
    traced = pl.col("n_traced_frames").fill_null(0)
    other = clips.filter(traced != TRACED_FRAMES).select("item", traced)
    findings.add(_TRACED_FRAMES, [f"{item} ({n})" for item, n in other.iter_rows()])
    for (root, name), rows in tables.group_by("root", "tracing_path", maintain_order=True):
        if Path(str(root)).is_dir():
            _check_table(Path(str(root)) / str(name), rows, findings)


def _check_table(path: Path, rows: pl.DataFrame, findings: Findings) -> None:
    if not is_file(path):
        findings.add(_MISSING_TRACINGS, path.name, len(rows))
        return
    try:
        frames = read_traced_frames(path, findings)
    except DataError:
        findings.add(_UNREADABLE_TRACINGS, path.name, len(rows))
        return
    stem = pl.col("path").str.replace(r"^.*/", "").str.replace(r"\.[^.]*$", "")
    clips = rows.select("item", stem.alias("stem"), "n_frames", "n_traced_frames", "ed_frame", "es_frame")
    known = clips.join(frames.rename({"item": "stem"}), on="stem", how="left", maintain_order="left")
    beyond = known.filter((pl.col("frame") >= pl.col("n_frames")).fill_null(False))
    where = beyond.select("item", "frame", "n_frames").rows()
    findings.add(_TRACING_BEYOND, [f"{item}, frame {frame} of {n}" for item, frame, n in where])
    _check_order(known.filter(pl.col("volume_px3").is_not_null()), findings)
    within = pl.col("frame").is_not_null() & (pl.col("frame") < pl.col("n_frames")).fill_null(True)
    count = (pl.col("n_traced_frames").first(), within.sum().alias("found"))
    counted = known.group_by("item", maintain_order=True).agg(*count)
    other = counted.filter((pl.col("found") != pl.col("n_traced_frames")).fill_null(False))
    numbers = other.select("item", "n_traced_frames", "found").rows()
    findings.add(_TRACINGS_CHANGED, [f"{item} (manifest {n}, table {found})" for item, n, found in numbers])


def _check_order(known: pl.DataFrame, findings: Findings) -> None:
    """Whether the traced volume at the manifest's ES frame is the smaller one."""

    def at(phase: str) -> pl.DataFrame:
        frames = known.filter(pl.col("frame") == pl.col(phase))
        return frames.select("item", pl.col("volume_px3").alias(phase))

    both = at("ed_frame").join(at("es_frame"), on="item", maintain_order="left")
    findings.add(_SWAPPED_TRACINGS, _items(both, pl.col("es_frame") > pl.col("ed_frame")))


def _items(table: pl.DataFrame, which: pl.Expr) -> list[str]:
    return table.filter(which)["item"].to_list()


def _with_values(table: pl.DataFrame, column: str) -> list[str]:
    return [f"{item} ({value:g})" for item, value in table.select("item", column).rows()]
