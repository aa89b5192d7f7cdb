"""DICOM studies of one's own: every ultrasound cine below a folder, by its header alone.

Layout and known defects stand in `READER`. Names and suffixes do not matter, content does. The patient is a pseudonym, a
hash of Patient ID and its issuer: the same in every import, and open to anyone who knows the ID. No name, ID, date or
accession number is taken; paths are taken as they are.

Source: DICOM PS3.3 (modules) and PS3.6 (attributes).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvef.core.errors import DataError, QualityRefusal
from lvef.core.records import PixelSpacing
from lvef.core.terms import DatasetView
from lvef.datasets.files import walk_files
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.manifest import timing_columns
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.io.formats import DICOM, detect_format
from lvef.io.open import read_head

if TYPE_CHECKING:
    from lvef.io.dicom_view import StatedView

MULTI_FRAME_ULTRASOUND = ("1.2.840.10008.5.1.4.1.1.3.1", "1.2.840.10008.5.1.4.1.1.3")
"""Ultrasound Multi-frame Image Storage, and its retired forerunner. Source: DICOM PS3.4, annex B."""

ULTRASOUND = (*MULTI_FRAME_ULTRASOUND, "1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.5.1.4.1.1.6")
"""These, and Ultrasound Image Storage with its retired forerunner: stills, which are counted and left out."""

UNEVEN = 0.01
"""Frame steps that differ from their median by more than this part make the times uneven."""

MIN_NAME_LETTERS = 3
"""Shorter parts of a name are not looked for in paths: they would be found everywhere."""

# fmt: off
_DUPLICATE = FindingKind("duplicate_files", WARNING,
    "Files hold an object (SOP Instance UID) that another file holds, too; the first by name is used.", "Remove the copies.")
_NO_EF = FindingKind("no_ef", NOTE, "DICOM cines carry no ejection fraction here.",
    "Where you have EFs, list the files in a CSV and import it with lvef data import folder.")
_OTHER_FILES = FindingKind("other_files", NOTE, "Files are no DICOM: they are left out.")
_OTHER_OBJECTS = FindingKind("other_objects", NOTE, "DICOM objects are no ultrasound images: they are left out.")
_SINGLE_FRAMES = FindingKind("single_frames", NOTE, "Ultrasound images have one frame only: they are left out.")
_UNREADABLE = FindingKind("unreadable", ERROR,
    "Files cannot be read: they are damaged, cut off or empty. They are left out.", "Copy or export them again.")
_NO_SCALE = FindingKind("no_scale", NOTE,
    "Cines have no scale that can be used: none is given, or it belongs to an image of another size.",
    "Nothing; an EF needs none, millilitres do.")
_PERSON_IN_PATH = FindingKind("person_in_path", WARNING,
    "Paths hold a part of the patient's name or ID: the manifest holds the path.",
    "Rename the folders and files before you pass the manifest on.")
_NO_PATIENT = FindingKind("no_patient", WARNING,
    "Cines have no Patient ID: their study, or without one the file, counts as a separate patient.",
    "Do not split by patient where these matter.")
_NO_FRAME_RATE = FindingKind("no_frame_rate", WARNING,
    "Cines state no frame rate that can be that of an echo: it stays empty.",
    "Export them with frame times, or give the rate where they are measured.")
_PLAYBACK_RATE = FindingKind("playback_rate", WARNING,
    "Cines state a rate for playback only (Recommended Display Frame Rate), maybe not the true one.",
    "Compare heart rate and duration before you rely on times.")
_BAD_AGE = FindingKind("bad_age", WARNING,
    "Ages are not written as DICOM asks for (three digits and D, W, M or Y): they stay empty.")
# fmt: on

_AGE = re.compile(r"(\d{1,3})([DWMY])")
_YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read a folder of DICOM studies.

    Args:
        root: Folder, searched with its subfolders.
        progress: Called with files done and files in all.

    Raises:
        DataError: The folder is missing, or no ultrasound cine is below it.
    """
    root = root.absolute()
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; a folder with DICOM files in it or below was expected.")
    findings = Findings()
    files = [path for path in walk_files(root) if path.name.upper() != "DICOMDIR"]
    progress = progress or no_progress
    rows: dict[str, dict[str, Any]] = {}
    for done, path in enumerate(files, 1):
        row = _row(root, path, findings)
        if row is not None:
            if row["item"] in rows:
                findings.add(_DUPLICATE, row["path"])
            rows.setdefault(row["item"], row)
        progress(done, len(files))
    if not rows:
        counts = (f"{f.count} {f.code.replace('_', ' ')}" for f in findings.sorted())
        seen = ", ".join(counts) or "no file at all"
        raise DataError(
            f"{root}: no multi-frame ultrasound is in it or below ({seen}); a folder of DICOM studies was expected."
        )
    findings.add(_NO_EF, "dicom")
    return READER.result(rows.values(), findings, "dicom")


def _row(root: Path, path: Path, findings: Findings) -> dict[str, Any] | None:
    """A file's row, or None where it is no ultrasound cine, which is noted."""
    from lvef.io.dicom_header import quiet_pydicom, read_header, text_value
    from lvef.io.dicom_pixels import count_frames
    from lvef.io.dicom_timing import check_frames_follow_in_time

    shown = path.relative_to(root).as_posix()
    try:
        if detect_format(read_head(path, shown)) is not DICOM:
            findings.add(_OTHER_FILES, shown)
            return None
        with quiet_pydicom(), path.open("rb") as file:
            dataset = read_header(file, shown)
            meta = dataset.file_meta
            storage = text_value(dataset, "SOPClassUID") or text_value(meta, "MediaStorageSOPClassUID")
            n_frames, _ = count_frames(dataset, file)
            cine = storage in MULTI_FRAME_ULTRASOUND or text_value(dataset, "Modality") == "US"
            check_frames_follow_in_time(dataset, n_frames, shown)
            if cine and n_frames > 1:
                return _cine_row(root, shown, dataset, n_frames, findings)
            found = _SINGLE_FRAMES if storage in ULTRASOUND else _OTHER_OBJECTS
    except QualityRefusal:
        found = _OTHER_OBJECTS
    except (DataError, OSError):
        found = _OTHER_OBJECTS if _is_without_image(path) else _UNREADABLE
    findings.add(found, shown)
    return None


def _is_without_image(path: Path) -> bool:
    """Whether a file is a sound DICOM object that holds no image, such as a report."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    from lvef.io.dicom_header import DECODE_ERRORS, quiet_pydicom, text_value

    try:
        with quiet_pydicom(), path.open("rb") as file:
            dataset = dcmread(file, stop_before_pixels=True)
            return "Rows" not in dataset and text_value(dataset, "SOPClassUID") not in ("", *ULTRASOUND)
    except (OSError, InvalidDicomError, NotImplementedError, *DECODE_ERRORS):
        return False


def _dataset_view(stated: StatedView) -> DatasetView:
    """The view in the words of datasets, which have one for all that are neither A4C nor A2C nor parasternal."""
    if not stated.statement:
        return DatasetView.UNKNOWN
    named = {str(one): one for one in DatasetView if one is not DatasetView.UNKNOWN}
    return named.get(stated.view, DatasetView.OTHER)


def _cine_row(root: Path, shown: str, dataset: Any, n_frames: int, findings: Findings) -> dict[str, Any]:  # noqa: ANN401
    from lvef.io.dicom_header import (
        int_value,
        read_heart_rate_bpm,
        read_pseudonym,
        read_sex,
        read_tissue_scale,
        short_hash,
        text_value,
    )
    from lvef.io.dicom_view import read_view

    height, width = int_value(dataset, "Rows"), int_value(dataset, "Columns")
    scale = read_tissue_scale(dataset, height, width)
    study, instance = text_value(dataset, "StudyInstanceUID"), text_value(dataset, "SOPInstanceUID")
    patient = read_pseudonym(dataset)
    if patient is None:
        findings.add(_NO_PATIENT, shown)
        patient = short_hash(study or shown)
    item = f"{patient}-{short_hash(instance or shown)}"
    row: dict[str, Any] = {
        "item": item,
        "patient": patient,
        "kind": "clip",
        "view": _dataset_view(read_view(dataset)),
        "root": root.as_posix(),
        "path": shown,
        "n_frames": n_frames,
        "height_px": height,
        "width_px": width,
        "age_years": _age(text_value(dataset, "PatientAge"), item, findings),
        "sex": read_sex(dataset),
        "heart_rate_bpm": read_heart_rate_bpm(dataset),
        "told_by": "DICOM header",
    }
    _time(row, dataset, n_frames, findings)
    if isinstance(scale.spacing, PixelSpacing):
        row |= {"spacing_x_mm": scale.spacing.x_mm, "spacing_y_mm": scale.spacing.y_mm}
    else:
        findings.add(_NO_SCALE, item)
    syntax = str(dataset.file_meta.TransferSyntaxUID.name)
    row["labels"] = json.dumps({"study": short_hash(study) if study else None, "transfer_syntax": syntax})
    names = [*re.split(r"[\^=\s,]+", text_value(dataset, "PatientName")), text_value(dataset, "PatientID")]
    if any(len(part) >= MIN_NAME_LETTERS and part in shown.upper() for part in names):
        findings.add(_PERSON_IN_PATH, item)
    return row


def _time(row: dict[str, Any], dataset: Any, n_frames: int, findings: Findings) -> None:  # noqa: ANN401
    """Fill in rate, duration and, where they are uneven, the times of the frames."""
    from lvef.io.dicom_timing import frame_times
    from lvef.io.limits import MAX_FRAMES

    # A header that declares millions of frames must not fill the memory here.
    timing = frame_times(dataset, n_frames) if n_frames <= 10 * MAX_FRAMES else None
    if timing is None or timing.source == "assumed":
        findings.add(_NO_FRAME_RATE, row["item"])
        return
    row |= timing_columns(timing.times_s, UNEVEN)
    playback = timing.source == "RecommendedDisplayFrameRate"
    findings.add(_PLAYBACK_RATE, [row["item"]] if playback else [])


def _age(text: str, item: str, findings: Findings) -> float | None:
    """Patient's Age in years, or None where it is not given or not understood."""
    match = _AGE.fullmatch(text)
    years = int(match[1]) * _YEARS[match[2]] if match else None
    if text and (years is None or years > 130):
        findings.add(_BAD_AGE, item)
        return None
    return years


READER = DatasetReader(
    name="dicom",
    title="DICOM studies of your own",
    holds="Every multi-frame ultrasound object below a folder, with what its header says of frames, time, scale, sex, age.",
    where="On your own disk or archive.",
    terms="Your own; whether you may use the files is for you to know.",
    licence="the user's own",
    citation="none: your own data (a doi, where you have published it, belongs here)",
    size="any",
    layout="""\
ROOT/                any folders; names and suffixes do not matter
  study/series/IM_0001
  another.dcm""",
    has_ef=False,
    known_defects=(
        "The manifest is pseudonymous, not anonymous: patients are hashes of their ID, paths are as they are on the disk.",
        "Headers state no EF and rarely a view.",
        "Only headers are read: lvef data check --decode shows whether the frames decode.",
    ),
    read=read,
)
"""DICOM studies as `lvef data` knows them."""
