"""EchoNet-Dynamic: 10,030 apical four-chamber clips of one hospital, one per patient, with EF, volumes and tracings.

Source, terms, layout and known defects stand in `READER`. Rows whose video is missing stay in the manifest, because their
labels are right; the finding ``missing_file`` counts them.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lvef.core.errors import DataError
from lvef.core.terms import DatasetView
from lvef.datasets.echonet_list import (
    LIST,
    TRACINGS,
    VIDEOS,
    add_paths,
    add_tracings,
    as_manifest,
    items,
    read_file_list,
)
from lvef.datasets.files import LINE, name_on_disk
from lvef.datasets.findings import NOTE, WARNING, FindingKind, Findings
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.datasets.volume_tracings import decide_phases

SIZE_PX = 112
"""Height and width of the clips as released. Source: the owners' page."""

EF_METHOD = "clinical report of the hospital"
"""How the owners came to their EF. Source: Ouyang et al. 2020, methods."""

# fmt: off
_OUTSIDE = FindingKind("tracing_outside_clip", WARNING, "Traced frames lie after the end of their clip; they are left out.",
    "Take both tables from one release.")
_OTHER_SIZE = FindingKind("other_size", NOTE,
    f"Clips are listed with another size than {SIZE_PX} x {SIZE_PX}; in the release these six have no tracings.",
    "Look at the files with lvef data check.")
# fmt: on


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the dataset's folder into a manifest; no video is opened.

    Args:
        root: Folder that holds ``FileList.csv``.
        progress: Called with clips done and clips in all.

    Raises:
        DataError: The folder is not this dataset, or one of its tables cannot be read.
    """
    findings = Findings()
    clips = read_file_list(_find_list(root), findings)
    progress = progress or no_progress
    progress(0, len(clips))
    clips = add_paths(clips, root, findings)
    clips = add_tracings(clips, root, findings, lambda frames, _: _decide_phases(clips, frames, findings))
    progress(len(clips), len(clips))
    measured = pl.any_horizontal(pl.col("ef_percent", "edv_ml", "esv_ml").is_not_null())
    clips = clips.with_columns(
        pl.col("item").alias("patient"),
        pl.when(measured).then(pl.lit(EF_METHOD)).alias("ef_method"),
        pl.col("Split").alias("split_name"),
        (pl.lit(f"{LIST}, line ") + pl.col(LINE).cast(pl.String)).alias("told_by"),
    )
    own = {"collection": READER.name, "licence": READER.licence, "view": DatasetView.A4C.value}
    return ImportResult(as_manifest(clips, root, str(root), **own), findings.sorted())


def _find_list(root: Path) -> Path:
    """The list in the folder.

    Raises:
        DataError: It is not there.
    """
    expected = f"expected is a folder with {LIST}, {TRACINGS} and {VIDEOS}"
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {expected}.")
    found = name_on_disk(root, LIST)
    if (root / found).is_file():
        return root / found
    inside = next((p.name for p in sorted(root.iterdir()) if p.is_dir() and (p / LIST).is_file()), None)
    remedy = f"give {root / inside}" if inside is not None else "unpack the archive and give its folder"
    raise DataError(f"{root}: has no {LIST}, so it is not EchoNet-Dynamic; {expected}: {remedy}.")


def _decide_phases(clips: pl.DataFrame, frames: pl.DataFrame, findings: Findings) -> pl.DataFrame:
    """ED and ES of each clip by its traced frames, those after its end left out."""
    known = frames.join(clips.select("item", "n_frames"), on="item", how="left", maintain_order="left")
    outside = (pl.col("frame") >= pl.col("n_frames")).fill_null(False)
    after_end = known.filter(outside).select("item", "frame", "n_frames")
    findings.add(_OUTSIDE, [f"{item}, frame {at} of {n:.0f}" for item, at, n in after_end.rows()])
    phases = decide_phases(known.filter(~outside), findings)
    other_size = ((pl.col("height_px") != SIZE_PX) | (pl.col("width_px") != SIZE_PX)).fill_null(False)
    findings.add(_OTHER_SIZE, items(clips, other_size))
    return phases


READER = DatasetReader(
    name="echonet-dynamic",
    title="EchoNet-Dynamic, Stanford University",
    holds="10,030 apical four-chamber clips of 10,030 patients of one hospital, 112 x 112 pixels, 28 to 1,002 frames, "
    "with EF, EDV, ESV and the tracings of one ED and one ES frame; 7,465 train, 1,288 val, 1,277 test.",
    where="https://echonet.github.io/dynamic/",
    terms="Personal, non-commercial research after registration with Stanford University; no part may be passed on.",
    licence="Stanford research use agreement: non-commercial, no redistribution",
    citation='D. Ouyang et al., "Video-based AI for beat-to-beat assessment of cardiac function", Nature 580, 252-256, '
    "2020, doi 10.1038/s41586-020-2145-8",
    size="about 7 GB, packed and unpacked",
    layout="""\
EchoNet-Dynamic/
  FileList.csv         one row a clip: FileName, EF, ESV, EDV, FrameHeight, FrameWidth, FPS, NumberOfFrames, Split
  VolumeTracings.csv   one row a line: FileName, X1, Y1, X2, Y2, Frame
  Videos/
    0X*.avi            10,030 clips, Motion JPEG""",
    has_ef=True,
    known_defects=(
        "There is no pixel size: millilitres cannot be computed from the images.",
        "Names come with and without .avi, and copies of the tables carry extra index columns.",
        "Six rows state 768 x 1024 or 1040 pixels and have no tracings.",
        "About 93 traced frames have another number of lines than 21, and one traced name is not in the list.",
        "ED comes after ES in about 1 % of the clips.",
    ),
    read=read,
)
"""EchoNet-Dynamic as `lvef data import` reads it."""
