"""The files of a synthetic dataset: those of each clip, and the tables, in EchoNet-Dynamic's layout.

::

    OUT/
      Videos/NAME.avi         Motion JPEG, grey, square
      Masks/NAME.nii.gz       labels (x, y, t) of every frame
      Curves/NAME.csv         frame, time_s, volume_ml, plane_volume_ml (volume_px3, plane_volume_px3 without a scale)
      FileList.csv            EchoNet-Dynamic's columns; EF, EDV, ESV by disks on the true contour in the plane
      VolumeTracings.csv      ED and ES frame of the representative beat, 21 lines each
      Beats.csv               every true complete cycle
      Parameters.jsonl        an object for each clip: everything it was made with
      manifest.csv            the same list as lvef's own table, with patients, views, masks and scale
      LICENCE.txt             who may use it
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.errors import QualityRefusal
from lvef.core.journal import Entry
from lvef.core.records import FloatArray
from lvef.core.serialization import csv_text
from lvef.datasets.echonet_list import LIST, NUMBERS, SPLITS
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.datasets.volume_tracings import COLUMNS as TRACING_COLUMNS
from lvef.datasets.volume_tracings import LINES
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.io.atomic import write_bytes_atomic, write_text_atomic
from lvef.io.avi import BEST_QUALITY, encode_motion_jpeg
from lvef.io.nifti import encode_label_nifti
from lvef.synthesis.truth import SyntheticClip, TrueBeat

VIDEOS, MASKS, CURVES = "Videos", "Masks", "Curves"
"""Folders of a dataset."""

POINT_DECIMALS = 3
"""Digits of a traced point: a thousandth of a pixel moves an EF by less than a hundredth of a point."""

VOLUME_DECIMALS = 4
"""Digits of a volume of a curve."""

TRACINGS = "VolumeTracings.csv"
"""Name of the table of traced lines, as EchoNet-Dynamic's."""

BEATS = "Beats.csv"
"""Name of the table of true beats."""

PARAMETERS = "Parameters.jsonl"
"""Name of the file with everything that each clip was made with."""

MANIFEST = "manifest.csv"
"""Name of lvef's own table."""

LICENCE_FILE = "LICENCE.txt"
"""Name of the file that says who may use the dataset."""

TABLES = (LIST, TRACINGS, BEATS, PARAMETERS, MANIFEST, LICENCE_FILE)
"""All files beside the clips' own and the run's."""

EF_METHOD = "known: disks on the true contour in the plane"
"""How the EF of the list was determined."""


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """The values of one clip in the tables, as JSON values.

    Attributes:
        files: Name from the dataset's folder, with forward slashes, and bytes of each file.
        listed: EchoNet-Dynamic's columns from EF to NumberOfFrames; without a scale there are no volumes.
        tracings: ``X1, Y1, X2, Y2, Frame`` of each line: ED, then ES, each the long axis and 20 chords.
        beats: Fields of each `TrueBeat`, by name, and ``rhythm``.
        view: ``A4C`` or ``A2C``.
        spacing_mm: Millimetres per pixel, x and y, or None.
        ed_frame: End-diastole of the representative beat.
        es_frame: Its end-systole.
        parameters: Everything the clip was made with.
    """

    files: list[tuple[str, int]]
    listed: dict[str, float | None]
    tracings: list[list[float]]
    beats: list[dict[str, Any]]
    view: str
    spacing_mm: tuple[float, float] | None
    ed_frame: int
    es_frame: int
    parameters: dict[str, Any]


def file_names(name: str) -> tuple[str, str, str]:
    """Video, masks and curve of a clip, from the dataset's folder."""
    return f"{VIDEOS}/{name}.avi", f"{MASKS}/{name}.nii.gz", f"{CURVES}/{name}.csv"


def write_clip(out: Path, name: str, synthetic: SyntheticClip) -> ClipRecord:
    """Write the files of a clip.

    Args:
        out: The dataset's folder, with `VIDEOS`, `MASKS` and `CURVES` in it.
        name: Name of the files, without suffix.
        synthetic: What a generator made.

    Returns:
        Its values in the tables. EF, EDV and ESV are those of the representative beat, by disks on the true contour in the
        plane, so that they agree with the traced lines.

    Raises:
        QualityRefusal: The clip shows no complete beat.
        OutputError: A file cannot be written, for example on a full disk.
        ValueError: The generator's parts do not fit together.
        TypeError: A parameter is nothing that JSON has.
    """
    _check(synthetic)
    clip = synthetic.clip
    if not synthetic.beats:
        raise QualityRefusal(
            "no_beat", f"{name}: its {len(clip.frames)} frames show no complete beat; ask for more frames."
        )
    beat = synthetic.representative
    rate = round(float(clip.frame_rate_hz or 0.0), 6)
    spacing = None if clip.scale is None else (clip.scale.x_mm, clip.scale.y_mm)
    video = encode_motion_jpeg(clip.frames, rate, quality=BEST_QUALITY)
    masks, curve = encode_label_nifti(synthetic.labels, spacing, 1 / rate), _curve(synthetic).encode()
    contents = dict(zip(file_names(name), (video, masks, curve), strict=True))
    for file, data in contents.items():
        write_bytes_atomic(out / file, data)
    edv, esv = (float(synthetic.plane_volume_ml[frame]) for frame in (beat.ed_frame, beat.es_frame))
    _, height, width = clip.frames.shape
    parameters = json.loads(json.dumps(synthetic.parameters, default=_plain))
    return ClipRecord(
        files=[(file, len(data)) for file, data in contents.items()],
        listed={
            "EF": ejection_fraction(edv, esv),
            "ESV": esv if spacing else None,
            "EDV": edv if spacing else None,
            "FrameHeight": height,
            "FrameWidth": width,
            "FPS": rate,
            "NumberOfFrames": len(clip.frames),
        },
        tracings=[row for frame in (beat.ed_frame, beat.es_frame) for row in _lines(synthetic, frame)],
        beats=[asdict(b) | {"rhythm": _rhythm(parameters)} for b in synthetic.beats],
        view=str(clip.view),
        spacing_mm=spacing,
        ed_frame=beat.ed_frame,
        es_frame=beat.es_frame,
        parameters=parameters,
    )


def write_video(path: Path, synthetic: SyntheticClip) -> None:
    """Write a clip's video alone.

    Raises:
        OutputError: It cannot be written.
    """
    rate = synthetic.clip.frame_rate_hz or 0.0
    write_bytes_atomic(path, encode_motion_jpeg(synthetic.clip.frames, rate, quality=BEST_QUALITY))


def write_truth(path: Path, synthetic: SyntheticClip) -> dict[str, Any]:
    """Write what is known of a clip as JSON: the EF of the representative beat and of all, and how it was made.

    Returns:
        What was written.

    Raises:
        OutputError: It cannot be written.
    """
    beat = synthetic.representative
    truth = {
        "ef_percent": beat.ef_percent,
        "plane_ef_percent": beat.plane_ef_percent,
        "ed_frame": beat.ed_frame,
        "es_frame": beat.es_frame,
        "beats": [asdict(b) for b in synthetic.beats],
        "parameters": synthetic.parameters,
    }
    text = json.dumps(truth, indent=2, ensure_ascii=False, default=_plain)
    write_text_atomic(path, text + "\n")
    plain: dict[str, Any] = json.loads(text)
    return plain


def _check(synthetic: SyntheticClip) -> None:
    frames, labels = synthetic.clip.frames, synthetic.labels
    n = len(frames)
    curves = (synthetic.clip.times_s, synthetic.volume_ml, synthetic.plane_volume_ml)
    fits = (
        frames.ndim == 3
        and frames.dtype == labels.dtype == np.uint8
        and labels.shape == frames.shape
        and frames.shape[1] == frames.shape[2]
        and n > 1
        and len(synthetic.tracings) == n
        and all(np.shape(curve) == (n,) and np.isfinite(curve).all() for curve in curves)
    )
    if not fits:
        raise ValueError(
            "A synthetic clip needs square uint8 frames, and labels, tracings and volumes for each."
        )


def _curve(synthetic: SyntheticClip) -> str:
    rows = zip(synthetic.clip.times_s, synthetic.volume_ml, synthetic.plane_volume_ml, strict=True)
    lines = [
        f"{frame},{time:.6f},{volume:.{VOLUME_DECIMALS}f},{plane:.{VOLUME_DECIMALS}f}"
        for frame, (time, volume, plane) in enumerate(rows)
    ]
    unit = "px3" if synthetic.clip.spacing is None else "ml"
    return "\n".join([f"frame,time_s,volume_{unit},plane_volume_{unit}", *lines]) + "\n"


def _lines(synthetic: SyntheticClip, frame: int) -> list[list[float]]:
    lines: FloatArray = np.round(volume_tracing_of_tracing(synthetic.tracings[frame]), POINT_DECIMALS)
    return [[*points, frame] for points in lines.reshape(len(lines), 4).tolist()]


def _rhythm(parameters: dict[str, Any]) -> str:
    found = parameters.get("rhythm", "")
    return str(found.get("kind", "") if isinstance(found, dict) else found)


def _plain(value: object) -> object:
    """NumPy's numbers and arrays as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"A parameter of a synthetic clip is a {type(value).__name__}, which JSON has not.")


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may use a dataset.

    Attributes:
        collection: Its short name.
        licence: SPDX name.
        text: Sentences for people, with the citation where one is asked for.
        citation: How the owners of its images ask to be cited, or empty.
    """

    collection: str
    licence: str
    text: str
    citation: str = ""


def write_tables(out: Path, entries: Iterable[Entry], terms: Terms) -> None:
    """Write all tables.

    Args:
        out: The dataset's folder.
        entries: Of the clips that are written.
        terms: Who may use them.

    Raises:
        OutputError: One cannot be written.
    """
    clips = sorted(entries, key=lambda entry: (entry["patient"], entry["number"]))
    write_text_atomic(out / LICENCE_FILE, terms.text + "\n")
    rows = [[c["item"], *(c["listed"][name] for name in NUMBERS), c["split"]] for c in clips]
    write_text_atomic(out / LIST, csv_text(["FileName", *NUMBERS, "Split"], rows))
    lines = [[f"{c['item']}.avi", *line] for c in clips for line in c["tracings"]]
    write_text_atomic(out / TRACINGS, csv_text(TRACING_COLUMNS, lines))
    names = [field.name for field in fields(TrueBeat)] + ["rhythm"]
    beats = [[c["item"], *(beat[name] for name in names)] for c in clips for beat in c["beats"]]
    write_text_atomic(out / BEATS, csv_text(["FileName", *names], beats))
    keys = ("patient", "split", "view", "key", "parameters")
    made = [{"FileName": c["item"], **{k: c[k] for k in keys}} for c in clips]
    write_text_atomic(out / PARAMETERS, "".join(json.dumps(m, ensure_ascii=False) + "\n" for m in made))
    write_manifest(make_manifest([_row(c, out, terms) for c in clips], MANIFEST), out / MANIFEST)


def _row(clip: Entry, out: Path, terms: Terms) -> dict[str, Any]:
    """A clip as a row of the manifest."""
    listed, spacing = clip["listed"], clip["spacing_mm"] or (None, None)
    video, mask, _ = file_names(clip["item"])
    n_frames, rate = int(listed["NumberOfFrames"]), float(listed["FPS"])
    return {
        "item": clip["item"],
        "collection": terms.collection,
        "patient": clip["patient"],
        "kind": "clip",
        "view": clip["view"],
        "root": out.absolute().as_posix(),
        "path": video,
        "mask_path": mask,
        "tracing_path": TRACINGS,
        "n_frames": n_frames,
        "frame_rate_hz": rate,
        "duration_s": n_frames / rate,
        "height_px": int(listed["FrameHeight"]),
        "width_px": int(listed["FrameWidth"]),
        "spacing_x_mm": spacing[0],
        "spacing_y_mm": spacing[1],
        "ef_percent": listed["EF"],
        "edv_ml": listed["EDV"],
        "esv_ml": listed["ESV"],
        "ef_method": EF_METHOD,
        "ed_frame": clip["ed_frame"],
        "es_frame": clip["es_frame"],
        "n_traced_frames": len(clip["tracings"]) // LINES,
        "split": str(SPLITS[clip["split"]]),
        "split_name": clip["split"],
        "told_by": LIST,
        "licence": terms.licence,
    }
