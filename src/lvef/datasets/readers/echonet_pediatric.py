"""EchoNet-Pediatric: apical four-chamber and parasternal short-axis clips of children of one hospital, with EF and contours.

Source, terms, layout and known defects stand in `READER`; tables, names and folds are as the owners' preparation program
writes them (github.com/bryanhe/dynamic). The view is that of the folder. Weight, Height and Age may be empty, and Age is in
whole years.

Split is one of ten folds, 0 to 9, that never part a patient. The owners evaluate on each fold in turn; here folds 0-7 are
``train``, 8 is ``val`` and 9 is ``test``, as most who use one split have it. The fold stays in ``split_name``.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView, Phase, Sex, Split
from lvef.datasets.echonet_list import (
    LIST,
    REPEATED,
    SPLITS,
    TRACINGS,
    UNKNOWN_SPLIT,
    VIDEOS,
    add_paths,
    add_tracings,
    as_manifest,
    items,
    keep_named_rows,
    read_number,
)
from lvef.datasets.files import LINE, drop_duplicate_rows, name_on_disk, read_file_header, read_text_table
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.datasets.volume_tracings import decide_phases, read_contours
from lvef.io.formats import is_file
from lvef.io.isolation import probe_video
from lvef.io.timing import is_plausible_rate

VIEWS = (DatasetView.A4C, DatasetView.PSAX)
"""Folders, and the views in them."""

COLUMNS = ("FileName", "EF", "Sex", "Age", "Weight", "Height", "Split")
"""Columns of the list."""

PACKED = "pediatric_echo_avi"
"""Folder, or two of that name one in the other, that the archive unpacks to."""

FOLDS = {str(fold): Split.TRAIN for fold in range(8)} | {"8": Split.VAL, "9": Split.TEST}
"""Fold -> split; see above."""

SEXES = {"F": Sex.FEMALE, "M": Sex.MALE}
"""The list's letters; others are not known."""

EF_METHOD = "bullet (5/6 area-length) method, report of the hospital"
"""How the owners came to their EF: ``lv_ef_bullet`` in their preparation program."""

_NAME = r"^([^-]+)-([^-]+)-([^-]+)$"

# fmt: off
_MISSING_VIEW = FindingKind("missing_view", WARNING, "The folder of a view is not there.",
    "Unpack the archive again, or go on without that view.")
_BOTH_VIEWS = FindingKind("in_both_views", WARNING,
    "Names stand in the lists of both views; the view is added to the name, so that the clips are kept apart.",
    "Look at these clips: one file can show one view only.")
_UNKNOWN_FOLD = UNKNOWN_SPLIT._replace(text=f"Clips of {LIST} have no fold from 0 to 9; their split stays empty.")
_UNKNOWN_PATIENT = FindingKind("unknown_patient", WARNING,
    "Names are not of the form PATIENT-VISIT-NUMBER: each such clip counts as a separate patient.",
    "Check that no split separates clips of one patient.")
_UNTRACED = FindingKind("untraced_phase", NOTE, "Clips have no contour of one phase; the other is kept.",
    "Nothing; they are skipped by what needs both.")
_TWO_FOLDS = FindingKind("patient_in_two_folds", ERROR, "Patients stand in more than one fold.",
    "Take both lists from one release; put all clips of a patient into one split.")
_EF_OF_VISIT = FindingKind("ef_of_visit_differs", WARNING, "Clips of one visit carry different EFs; all stay as they are.",
    "Compare with the owners' lists: values may have been shifted against names.")
_OUTSIDE = FindingKind("tracing_outside_clip", WARNING,
    "Traced frames lie after the end of their clip; these phases stay empty.",
    "Nothing; in the release some lie one frame after it.")
# fmt: on


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the dataset's folder into a manifest; of the videos only the headers.

    Args:
        root: Folder that holds ``A4C`` and ``PSAX``.
        progress: Called with clips done and clips in all.

    Raises:
        DataError: The folder is not this dataset, or one of its tables cannot be read.
    """
    findings = Findings()
    base, folders = _folders(root)
    findings.add(_MISSING_VIEW, [str(view) for view in VIEWS if view not in folders])
    parts = [_view(base, view, name, findings) for view, name in folders.items()]
    clips = pl.concat(parts)
    twice = pl.col("item").is_duplicated()
    findings.add(_BOTH_VIEWS, clips.filter(twice)["item"].unique(maintain_order=True).to_list())
    apart = pl.when(twice).then(pl.col("item") + "_" + pl.col("view")).otherwise("item")
    clips = clips.with_columns(apart.alias("item"))
    _check_patients(clips, findings)
    clips = _with_headers(clips, base, findings, progress or no_progress)
    clips = _drop_outside(clips, findings)
    sizes = pl.col("Weight", "Height").cast(pl.Float64, strict=False)
    clips = clips.with_columns(
        pl.when(pl.col("ef_percent").is_not_null()).then(pl.lit(EF_METHOD)).alias("ef_method"),
        pl.Series("labels", [_labels(*row) for row in clips.select("visit", sizes).rows()], pl.String),
    )
    own = {"collection": READER.name, "licence": READER.licence}
    return ImportResult(as_manifest(clips, base, str(root), **own), findings.sorted())


def _folders(root: Path) -> tuple[Path, dict[DatasetView, str]]:
    """The folder that holds the views, and the name of each view's folder as it is written.

    Raises:
        DataError: There is none.
    """
    expected = f"expected is a folder with {' and '.join(VIEWS)}, each with {LIST}, {TRACINGS} and {VIDEOS}"
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {expected}.")
    for base in (root, root / PACKED, root / PACKED / PACKED):
        if not base.is_dir():
            continue
        names = {view: name_on_disk(base, str(view)) for view in VIEWS}
        found = {
            view: name
            for view, name in names.items()
            if (base / name / name_on_disk(base / name, LIST)).is_file()
        }
        if found:
            return base, found
    if root.resolve().name.upper() in VIEWS and (root / name_on_disk(root, LIST)).is_file():
        raise DataError(f"{root}: is the folder of one view; {expected}: give {root.resolve().parent}.")
    inside = next((p for p in sorted(root.iterdir()) if (p / str(VIEWS[0])).is_dir()), None)
    remedy = f"give {inside}" if inside is not None else "unpack the archive and give its folder"
    raise DataError(
        f"{root}: has no {VIEWS[0]}/{LIST}, so it is not EchoNet-Pediatric; {expected}: {remedy}."
    )


def _view(base: Path, view: DatasetView, name: str, findings: Findings) -> pl.DataFrame:
    """The clips of one view: labels, file, traced frames."""
    folder = base / name
    clips = _read_list(folder / name_on_disk(folder, LIST), findings)
    clips = add_paths(clips, folder, findings)

    def decide(frames: pl.DataFrame, path: Path) -> pl.DataFrame:
        return _decide_phases(clips, frames, path, findings)

    clips = add_tracings(clips, folder, findings, decide, shown=f"{name}/{TRACINGS}", what="contour")
    # The 21 lines of a long axis and its disks mean nothing on a short-axis view.
    table = pl.col("tracing_path") if view is DatasetView.A4C else pl.lit(None, pl.String)
    return clips.with_columns(
        pl.lit(str(view)).alias("view"),
        (pl.lit(f"{name}/") + pl.col("path")).alias("path"),
        (pl.lit(f"{name}/") + table).alias("tracing_path"),
        (pl.lit(f"{name}/{LIST}, line ") + pl.col(LINE).cast(pl.String)).alias("told_by"),
    )


def _read_list(path: Path, findings: Findings) -> pl.DataFrame:
    """One row a clip, with values that the manifest's schema allows."""
    table = keep_named_rows(read_text_table(path, COLUMNS, findings), findings)
    # DICOM puts a letter behind years.
    table = table.with_columns(pl.col("Age").str.replace(r"(?i)^0*([0-9]+)Y$", "$1"))
    table = table.with_columns(
        read_number(table, "EF", "ef_percent", findings),
        read_number(table, "Age", "age_years", findings),
        pl.col("Sex")
        .str.to_uppercase()
        .replace_strict(SEXES, default=None, return_dtype=pl.String)
        .alias("sex"),
        # Copies write 3 or 3.0; some have the words of EchoNet-Dynamic.
        pl.col("Split").str.replace(r"\.0+$", "").alias("split_name"),
    )
    words = FOLDS | SPLITS
    part = pl.col("split_name").str.to_uppercase().replace_strict(words, default=None, return_dtype=pl.String)
    table = table.with_columns(part.alias("split"))
    findings.add(_UNKNOWN_FOLD, items(table, pl.col("split").is_null()))
    named = pl.col("item").str.extract_groups(_NAME)
    patient, visit = named.struct.field("1").alias("patient"), named.struct.field("2").alias("visit")
    table = table.with_columns(patient, visit)
    findings.add(_UNKNOWN_PATIENT, items(table, pl.col("patient").is_null()))
    table = table.with_columns(pl.col("patient").fill_null(pl.col("item")))
    return drop_duplicate_rows(table, "item", ["ef_percent", "sex", "age_years", "split"], REPEATED, findings)


def _decide_phases(clips: pl.DataFrame, frames: pl.DataFrame, path: Path, findings: Findings) -> pl.DataFrame:
    """ED and ES of each clip by its traced frames, or by which phase the table says was not traced."""
    _, untraced = read_contours(path, Findings())
    listed = untraced.filter(pl.col("item").is_in(clips["item"].to_list()))
    findings.add(_UNTRACED, [f"{item}, {phase}" for item, phase in listed.select("item", "phase").rows()])
    # The volume of a single frame does not show its phase; the table does, where it says that the other was not traced.
    alone = (
        frames.filter(pl.len().over("item") == 1)
        .join(untraced, on="item", how="inner", maintain_order="left")
        .filter(pl.len().over("item") == 1)
        .select(
            "item",
            pl.lit(1, pl.Int64).alias("n_traced_frames"),
            pl.when(pl.col("phase") == Phase.ES).then("frame").alias("ed_frame"),
            pl.when(pl.col("phase") == Phase.ED).then("frame").alias("es_frame"),
        )
    )
    rest = frames.filter(~pl.col("item").is_in(alone["item"].to_list()))
    return pl.concat([decide_phases(rest, findings), alone])


def _check_patients(clips: pl.DataFrame, findings: Findings) -> None:
    """Whether a fold parts a patient, and whether the clips of a visit have one EF."""
    folds = clips.group_by("patient", maintain_order=True).agg(pl.col("split_name").drop_nulls().unique())
    parted = folds.filter(pl.col("split_name").list.len() > 1)
    findings.add(_TWO_FOLDS, parted["patient"].to_list())
    visits = clips.filter(pl.col("visit").is_not_null()).group_by("patient", "visit", maintain_order=True)
    spread = visits.agg((pl.col("ef_percent").max() - pl.col("ef_percent").min()).alias("spread"))
    different = spread.filter(pl.col("spread") > 1e-6).select("patient", "visit")
    findings.add(_EF_OF_VISIT, [f"{patient}-{visit}" for patient, visit in different.rows()])


def _with_headers(clips: pl.DataFrame, base: Path, findings: Findings, progress: Progress) -> pl.DataFrame:
    """Frames, rate and size of each clip by its file's header: the lists do not state them."""
    total = len(clips)
    rows: list[tuple[int | None, float | None, int | None, int | None]] = []
    for done, (item, path) in enumerate(clips.select("item", "path").rows()):
        if done % 100 == 0:
            progress(done, total)
        # What is missing or empty has been noted.
        there = is_file(base / path) and (base / path).stat().st_size > 0
        header = read_file_header(base / path, item, "clips", probe_video, findings) if there else None
        if header is None:
            rows.append((None, None, None, None))
            continue
        rate = (
            header.frame_rate_hz if header.frame_rate_hz and is_plausible_rate(header.frame_rate_hz) else None
        )
        rows.append((header.n_frames, rate, header.height_px, header.width_px))
    progress(total, total)
    schema = {"n_frames": pl.Int64, "frame_rate_hz": pl.Float64, "height_px": pl.Int64, "width_px": pl.Int64}
    return clips.hstack(pl.DataFrame(rows, schema=schema, orient="row"))


def _drop_outside(clips: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """ED and ES frames after the end of their clip stay empty."""
    n = pl.col("n_frames")
    outside = {name: (pl.col(name) >= n).fill_null(False) for name in ("ed_frame", "es_frame")}
    names = [
        f"{row['item']} ({name} {row[name]} of {row['n_frames']})"
        for name, which in outside.items()
        for row in clips.filter(which).iter_rows(named=True)
    ]
    findings.add(_OUTSIDE, names)
    return clips.with_columns(
        pl.when(~which).then(pl.col(name)).alias(name) for name, which in outside.items()
    )


def _labels(visit: str | None, weight_kg: float | None, height_cm: float | None) -> str | None:
    """What has no column, as a JSON object."""
    labels: dict[str, str | float] = {} if visit is None else {"visit": visit}
    sizes = {"weight_kg": weight_kg, "height_cm": height_cm}
    labels |= {name: value for name, value in sizes.items() if value is not None and 0 < value < 1000}
    return json.dumps(labels) if labels else None


READER = DatasetReader(
    name="echonet-pediatric",
    title="EchoNet-Pediatric, Stanford University",
    holds="7,643 apical four-chamber and parasternal short-axis clips of 1,958 patients from 0 to 18 years of one hospital "
    "(numbers of the owners' paper), 112 x 112 pixels, with EF, sex, age, weight, height, and contours of one ED and one ES "
    "frame; ten folds by patient, of which 0-7 are taken as train, 8 as val and 9 as test.",
    where="https://echonet.github.io/pediatric/",
    terms="Personal, non-commercial research after registration at Stanford's AIMI Shared Datasets portal; no part, nor the "
    "link to it, may be passed on.",
    licence="Stanford research use agreement: non-commercial, no redistribution",
    citation='C. D. Reddy et al., "Video-based deep learning for automated assessment of left ventricular ejection fraction '
    'in pediatric patients", J Am Soc Echocardiogr 36(5), 482-489, 2023, doi 10.1016/j.echo.2023.01.015',
    size="some GB; the owners' page does not say",
    layout="""\
pediatric_echo_avi/
  A4C/                     apical four-chamber view
    FileList.csv           one row a clip: FileName, EF, Sex, Age, Weight, Height, Split (fold 0 to 9)
    VolumeTracings.csv     one row a point of a contour: FileName, X, Y, Frame (or No Systolic, No Diastolic)
    Videos/
      PATIENT-VISIT-NUMBER.avi
  PSAX/                    parasternal short-axis view, the same inside""",
    has_ef=True,
    known_defects=(
        "The lists have no frame rate; clips made of DICOM files without Cine Rate say 50 Hz.",
        "A phase may not be traced: its row says No Systolic or No Diastolic.",
        "Some traced frames lie one after the end of their clip.",
        "Both views of a visit carry the EF of that visit.",
        "There is no pixel size: millilitres cannot be computed from the images.",
        "Numbers and names stand here as the owners' paper and program have them; they were not checked on the files.",
    ),
    read=read,
)
"""EchoNet-Pediatric as `lvef data import` reads it."""
