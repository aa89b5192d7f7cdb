"""CAMUS: stills with masks and half sequences of 500 patients of one hospital, apical four- and two-chamber views.

Source, terms, layout and known defects stand in `READER`. What follows from them here: `ef_method` says which EF it is;
half sequences of patient0185 and patient0217 run backwards, their stills are named correctly; patients of the older
release's ``testing`` folder are numbered from 1 again, so they are called ``testing_patientXXXX``, and the lists of the
NIfTI release, which numbers patients otherwise, are not applied to it.

An image that is not there or cannot be read has no row: each row is an image with the labels of its patient.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError
from lvef.core.terms import Phase, Sex, Split
from lvef.datasets.camus import (
    CITATION,
    LICENCE,
    SUBGROUPS,
    VIEW_CODES,
    VIEW_KEYS,
    read_cfg,
    read_info,
    read_split,
    split_path,
)
from lvef.datasets.files import UNPACK
from lvef.datasets.findings import ERROR, NOTE, WARNING, FindingKind, Findings
from lvef.datasets.manifest import BY_NAME
from lvef.datasets.registry import DatasetReader, ImportResult, Progress, no_progress
from lvef.io.formats import format_of_file
from lvef.io.isolation import probe_image
from lvef.io.limits import check_spacing
from lvef.io.metaimage import MissingDataFileError
from lvef.io.probe import FileHeader

PATIENTS = 500
"""Patients of the dataset. Source: the owners' page."""

SPLITS = dict(zip(SUBGROUPS, Split, strict=True))
"""The owners' subgroups as splits."""

EF_METHODS = {
    "LVef": "cfg LVef: biplane Simpson, each phase with its own length",
    "EF": "cfg EF: biplane disks, one disk height for both phases, about 8 points below Simpson",
}
"""Key of the cfg that holds the EF -> what it is; the first that is there is used."""

REVERSED = ("patient0185", "patient0217")
"""Patients of the NIfTI release whose cfg names ES before ED. Source: the files."""

_NIFTI, _MHD, _PNG = "database_nifti", ("training", "testing"), "a2c_192"
_PERSON = {"Age": "age_years", "LVedv": "edv_ml", "LVesv": "esv_ml"}

# fmt: off
_COMPARE = "Compare with the owners' table."
_TWO_RELEASES = FindingKind("two_releases", NOTE,
    "The folder also holds patients of the older MetaImage release; only database_nifti is read.",
    "Import the older release from a separate folder.")
_PARTIAL = FindingKind("partial_collection", NOTE, f"{{n}} patients are there; the dataset has {PATIENTS}.",
    "Nothing, where a part is meant.")
_NO_LIST = FindingKind("no_split_list", WARNING,
    "Lists of subgroups are missing, so that the split of their patients is not known.",
    "Put the owners' database_split folder beside database_nifti.")
_TWO_SPLITS = FindingKind("two_splits", ERROR, "Patients are in more than one list; their split stays empty.",
    "Take the owners' lists.")
_MISSING_PATIENT = FindingKind("missing_patient", WARNING, "Patients of the lists have no folder.", UNPACK)
_UNLISTED = FindingKind("unlisted_patient", WARNING, "Patients are in no list; their split stays empty.",
    "Put the owners' three lists into database_split.")
_UNLABELLED = FindingKind("testing_without_labels", NOTE,
    "The testing patients of the older release come without EF and masks.")
_NO_EF = FindingKind("no_ef", WARNING, "Patients have no EF.", "Nothing; they are skipped by what needs it.")
_MISSING_CFG = FindingKind("missing_cfg", WARNING,
    "Info files are missing; frames and frame rate of their view are not known; the rest, quality too, is taken from the "
    "other view's.", UNPACK)
_CFG_DISAGREE = FindingKind("cfg_disagree", WARNING, "The two Info files of patients disagree; that of A2C is used.",
    _COMPARE)
_ES_FIRST = FindingKind("es_before_ed", WARNING,
    "The cfg names ES before ED: the half sequence runs backwards and the EF looks wrong; stills are right.",
    "Leave these patients out of what needs an EF.")
_ODD_VALUE = FindingKind("odd_value", WARNING,
    "Values of cfg files are not numbers, or numbers that cannot be; they stay empty.", _COMPARE)
_NO_SEQUENCES = FindingKind("no_half_sequence", NOTE, "Half sequences are missing.", "Nothing, where stills are enough.")
_SOME_SEQUENCES = FindingKind("no_half_sequence", WARNING, "Half sequences are missing.", UNPACK)
_LOST_SCALE = FindingKind("lost_scale", NOTE,
    "Stills come as PNG that have lost scale and aspect ratio: an EF can be had, millilitres cannot.",
    "Take the owners' NIfTI files where they can be had.")
_MISSING_STILL = FindingKind("missing_still", WARNING, "Stills are missing; they have no row.", UNPACK)
_FRAME_COUNT = FindingKind("frame_count", WARNING,
    "The cfg states another number of frames than the half sequence has; that of the sequence is used.", UNPACK)
_PHASE_OUTSIDE = FindingKind("phase_outside", WARNING,
    "ED or ES of the cfg lies after the end of the half sequence; both stay empty.", UNPACK)
_MISSING_MASK = FindingKind("missing_mask", WARNING, "Images have no mask.", UNPACK)
_MASK_SIZE = FindingKind("mask_size", WARNING, "Masks have another size than their image; they are left out.", UNPACK)
_ODD_SPACING = FindingKind("odd_spacing", WARNING, "Pixel sizes cannot be those of an echo; they stay empty.", UNPACK)
_UNREADABLE = FindingKind("unreadable", WARNING, "Headers of files cannot be read; the files are left out.", UNPACK)
_NO_RAW = FindingKind("mhd_without_raw", WARNING,
    "Headers (.mhd) have no data file (.raw) beside; they are left out.", UNPACK)
_CUT_OFF = FindingKind("cut_off", WARNING, "Files are shorter than their header says; they are left out.", UNPACK)
# fmt: on


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient's folder.

    Attributes:
        name: Unique in the dataset.
        stem: How the names of its files begin.
        folder: From the root, with forward slashes.
        split: Split, or None where it is not known.
        split_name: The owners' word for it.
    """

    name: str
    stem: str
    folder: str
    split: Split | None
    split_name: str | None

    @property
    def suffix(self) -> str:
        """Ending of its image files: which release it is."""
        return ".nii.gz" if self.folder.startswith(_NIFTI) else ".mhd"

    @property
    def labelled(self) -> bool:
        """Whether it comes with EF and masks: the testing patients of the older release do not."""
        return self.suffix != ".mhd" or self.split is not Split.TEST


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the dataset's folder into a manifest; only headers are opened.

    Args:
        root: Folder that holds ``database_nifti``, or ``training`` of the older release.
        progress: Called with patients done and patients in all.

    Raises:
        DataError: The folder is not this dataset.
    """
    findings = Findings()
    patients = _find_patients(root, findings)
    importer = _Importer(root, findings, patients[0].suffix)
    progress = progress or no_progress
    rows: list[dict[str, Any]] = []
    for done, patient in enumerate(patients):
        progress(done, len(patients))
        rows += importer.rows(patient)
    progress(len(patients), len(patients))
    if not rows:
        raise DataError(
            f"{root}: holds {len(patients)} folders of CAMUS patients but no image that can be read; unpack the archive "
            "again."
        )
    # That no half sequence is there is common; that some are missing is not.
    findings.add(_SOME_SEQUENCES if importer.n_sequences else _NO_SEQUENCES, importer.without_sequence)
    return READER.result(rows, findings, str(root))


def _find_patients(root: Path, findings: Findings) -> list[Patient]:
    """The patients' folders of the newer release that is there, in order."""
    expected = (
        "expected is a folder with database_nifti and database_split, or with training of the older release"
    )
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; {expected}.")
    names = _folders(root / _NIFTI)
    older = {part: _folders(root / part) for part in _MHD}
    if names:
        findings.add(_TWO_RELEASES, [part for part, found in older.items() if found])
        found = [Patient(n, n, f"{_NIFTI}/{n}", *split) for n, split in _with_splits(root, names, findings)]
    elif any(older.values()):
        # The older release's testing patients are numbered from 1 again.
        found = [
            Patient(n if part == "training" else f"{part}_{n}", n, f"{part}/{n}", SPLITS[part], part)
            for part, some in older.items()
            for n in some
        ]
    else:
        remedy = f"give {root.parent}" if _folders(root) else "unpack the archive and give its folder"
        raise DataError(f"{root}: holds no CAMUS patients; {expected}: {remedy}.")
    findings.add(_PARTIAL.filled(n=len(found)), root.name if len(found) != PATIENTS else [])
    return found


def _folders(root: Path) -> list[str]:
    """Names of the patients' folders in a folder, sorted."""
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if e.name.startswith("patient") and e.is_dir())


def _with_splits(
    root: Path, names: list[str], findings: Findings
) -> Iterator[tuple[str, tuple[Split | None, str | None]]]:
    """Each patient with the subgroup that lists it."""
    listed: dict[str, list[str]] = {}
    missing = [group for group in SUBGROUPS if not split_path(root, group).is_file()]
    for group in SUBGROUPS:
        for name in dict.fromkeys(read_split(root, group)) if group not in missing else ():
            listed.setdefault(name, []).append(group)
    findings.add(_NO_LIST, [f"subgroup_{group}.txt" for group in missing])
    findings.add(_TWO_SPLITS, sorted(name for name, groups in listed.items() if len(groups) > 1))
    findings.add(_MISSING_PATIENT, sorted(listed.keys() - set(names)))
    findings.add(_UNLISTED, [name for name in names if name not in listed])
    for name in names:
        groups = listed.get(name, [])
        yield name, (SPLITS[groups[0]], groups[0]) if len(groups) == 1 else (None, None)


class _Importer:
    """Makes rows of images and notes what is odd on the way."""

    def __init__(self, root: Path, findings: Findings, suffix: str) -> None:
        self.root, self.suffix, self._findings = root, suffix, findings
        self._pngs = _names(root / _PNG)
        self.without_sequence: list[str] = []
        self.n_sequences = 0

    def rows(self, patient: Patient) -> Iterator[dict[str, Any]]:
        """The rows of a patient: A4C first; ED, ES, half sequence."""
        folder = self.root / patient.folder
        files = _names(folder)
        person = self._person(patient, folder)
        for view, code in VIEW_CODES.items():
            info = read_info(folder, view)
            cfg = f"Info_{code}.cfg"
            common = {
                **person,
                "root": self.root.absolute(),
                "view": view,
                "quality": info.get("ImageQuality"),
                "told_by": f"{patient.folder}/{cfg}" if cfg in files else person["told_by"],
            }
            for phase in Phase:
                row = self._still(patient, files, f"{code}_{phase}")
                if row is not None:
                    item = f"{patient.name}_{code}_{phase}"
                    yield {**common, **row, "item": item, "kind": "still", "phase": phase}
            row = self._sequence(patient, files, code, info)
            if row is not None:
                yield {**common, **row, "item": f"{patient.name}_{code}_half_sequence", "kind": "clip"}

    def _person(self, patient: Patient, folder: Path) -> dict[str, Any]:
        """What the cfg files say of all images of a patient, by the columns of a manifest."""
        infos = {code: read_cfg(folder / f"Info_{code}.cfg") for code in VIEW_CODES.values()}
        present = [code for code, info in infos.items() if info]
        only_view = (*VIEW_KEYS, "ImageQuality")
        one = {k: v for info in infos.values() for k, v in info.items() if k not in only_view}
        self._compare(patient, infos, present)
        key = next((k for k in EF_METHODS if k in one), None)
        ef = None if key is None else self._number(patient, one, key, "ef_percent")
        sex = one.get("Sex", "").upper()[:1]
        if sex not in {"", *Sex}:
            self._findings.add(_ODD_VALUE, f"{patient.name}: Sex {one['Sex']}")
        person = {column: self._number(patient, one, k, column) for k, column in _PERSON.items()}
        measured = ef is not None or person["edv_ml"] is not None
        if not patient.labelled:
            self._findings.add(_UNLABELLED, patient.name)
        elif ef is None:
            self._findings.add(_NO_EF, patient.name)
        return {
            **person,
            "patient": patient.name,
            "ef_percent": ef,
            "ef_method": EF_METHODS[key] if key is not None and measured else None,
            "sex": sex if sex in set(Sex) else None,
            "split": patient.split,
            "split_name": patient.split_name,
            "told_by": f"{patient.folder}/Info_{present[0]}.cfg" if present else None,
        }

    def _compare(self, patient: Patient, infos: Mapping[str, dict[str, str]], present: list[str]) -> None:
        """Whether both cfg files are there and agree, and ED comes before ES."""
        missing = [code for code in infos if code not in present]
        self._findings.add(_MISSING_CFG, [f"{patient.name}: Info_{code}.cfg" for code in missing])
        both = [infos[code] for code in present]
        if len(both) == 2:
            keys = [k for k in (*EF_METHODS, *_PERSON, "Sex") if both[0].get(k, "") != both[1].get(k, "")]
            names = [f"{patient.name}: {k} {both[0].get(k)} and {both[1].get(k)}" for k in keys]
            self._findings.add(_CFG_DISAGREE, names)
        backwards = any(_value(info.get("ED", "")) > _value(info.get("ES", "")) for info in both)
        if backwards or (patient.suffix != ".mhd" and patient.name in REVERSED):
            self._findings.add(_ES_FIRST, patient.name)

    def _number(self, patient: Patient, info: Mapping[str, str], key: str, column: str) -> float | None:
        """A value of the cfg that the schema allows in a column, or None with a finding."""
        text = info.get(key)
        if text is None:
            return None
        value = _value(text)
        if BY_NAME[column].allows(value):
            return value
        self._findings.add(_ODD_VALUE, f"{patient.name}: {key} {text}")
        return None

    def _still(self, patient: Patient, files: frozenset[str], what: str) -> dict[str, Any] | None:
        stem = f"{patient.stem}_{what}"
        if f"{stem}{self.suffix}" in files:
            with_mask = f"{stem}_gt{self.suffix}" in files
            return self._image(f"{patient.folder}/{stem}", self.suffix, with_mask, wanted=patient.labelled)
        if self.suffix != ".mhd" and f"{stem}.png" in self._pngs:
            row = self._image(f"{_PNG}/{stem}", ".png", f"{stem}_gt.png" in self._pngs)
            self._findings.add(_LOST_SCALE, stem)
            return row
        self._findings.add(_MISSING_STILL, f"{patient.name}_{what}")
        return None

    def _sequence(
        self, patient: Patient, files: frozenset[str], code: str, info: Mapping[str, str]
    ) -> dict[str, Any] | None:
        stem = f"{patient.stem}_{code}"
        names = (f"{stem}_half_sequence", f"{stem}_sequence")
        name = next((n for n in names if n + self.suffix in files), None)
        if name is None:
            self.without_sequence.append(f"{patient.name}_{code}")
            return None
        self.n_sequences += 1
        # The older release has no masks of its sequences.
        with_mask, wanted = f"{name}_gt{self.suffix}" in files, self.suffix != ".mhd"
        row = self._image(f"{patient.folder}/{name}", self.suffix, with_mask, wanted=wanted)
        if row is None:
            return None
        n = row["n_frames"]
        stated = self._number(patient, info, "NbFrame", "n_frames")
        if stated is not None and stated != n:
            self._findings.add(_FRAME_COUNT, f"{name}: {stated:g} stated, {n} found")
        rate = self._number(patient, info, "FrameRate", "frame_rate_hz")
        row |= {"frame_rate_hz": rate, "duration_s": None if rate is None else n / rate}
        frames = [self._number(patient, info, key, "n_frames") for key in ("ED", "ES")]
        if any(f is not None and f > n for f in frames):
            self._findings.add(_PHASE_OUTSIDE, name)
        elif frames[0] is not None and frames[1] is not None:
            # The cfg counts frames from 1.
            row |= {"ed_frame": int(frames[0]) - 1, "es_frame": int(frames[1]) - 1}
        return row

    def _image(
        self, stem: str, suffix: str, with_mask: bool, *, wanted: bool = True
    ) -> dict[str, Any] | None:
        """Path, size, scale and mask of an image; None where it cannot be read."""
        header = self._header(f"{stem}{suffix}")
        if header is None:
            return None
        mask = self._header(f"{stem}_gt{suffix}") if with_mask else None
        if wanted and not with_mask:
            self._findings.add(_MISSING_MASK, stem)
        if mask is not None and _size(mask) != _size(header):
            self._findings.add(_MASK_SIZE, f"{stem}: {_size(mask)}, not {_size(header)}")
            mask = None
        spacing, note = None, ""
        if header.spacing_mm is not None:
            spacing, note = check_spacing(*header.spacing_mm, "header")
        if note:
            self._findings.add(_ODD_SPACING, stem)
        return {
            "path": f"{stem}{suffix}",
            "mask_path": f"{stem}_gt{suffix}" if mask is not None else None,
            "n_frames": header.n_frames,
            "height_px": header.height_px,
            "width_px": header.width_px,
            "spacing_x_mm": spacing.x_mm if spacing else None,
            "spacing_y_mm": spacing.y_mm if spacing else None,
            "n_traced_frames": header.n_frames if mask is not None else 0,
        }

    def _header(self, path: str) -> FileHeader | None:
        try:
            header = probe_image(self.root / path)
            found = format_of_file(self.root / path)
        except MissingDataFileError:
            self._findings.add(_NO_RAW, path)
            return None
        except (DataError, OSError):
            found = None
        if found is None or not path.endswith(found.suffixes):
            self._findings.add(_UNREADABLE, path)
            return None
        if header.truncated:
            self._findings.add(_CUT_OFF, path)
            return None
        return header


def _size(header: FileHeader) -> str:
    return f"{header.width_px} x {header.height_px} x {header.n_frames}"


def _value(text: str) -> float:
    """The number that a text holds, or NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _names(folder: Path) -> frozenset[str]:
    """Names of what is in a folder; none where there is no folder."""
    return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()


READER = DatasetReader(
    name="camus",
    title="CAMUS, CREATIS Lyon and University Hospital of St-Etienne",
    holds="Stills of ED and ES with expert masks of ventricle, myocardium and atrium, and half sequences from ED to ES, of "
    "500 patients of one hospital in A4C and A2C; 400 training, 50 validation, 50 testing.",
    where="https://www.creatis.insa-lyon.fr/Challenge/camus/",
    terms="Non-commercial scientific research, CC BY-NC-SA 4.0, with the citation; its owners hand it out.",
    licence=LICENCE,
    citation=CITATION,
    size="a few gigabytes",
    layout="""\
CAMUS/
  database_nifti/
    patient0001/
      Info_2CH.cfg, Info_4CH.cfg
      patient0001_{2CH,4CH}_{ED,ES}.nii.gz           stills, each with its mask in _gt.nii.gz
      patient0001_{2CH,4CH}_half_sequence.nii.gz     with its masks in _gt.nii.gz
  database_split/
    subgroup_{training,validation,testing}.txt
or the older release:
CAMUS/
  training/, testing/
    patient0001/
      Info_2CH.cfg, Info_4CH.cfg
      patient0001_{2CH,4CH}_{ED,ES}.mhd + .raw        stills, each with its mask in _gt.mhd + _gt.raw
      patient0001_{2CH,4CH}_sequence.mhd + .raw""",
    has_ef=True,
    known_defects=(
        "The EF of the NIfTI release uses one disk height for both phases and lies about 8 points below Simpson on the same "
        "masks; LVef of the older release is the usual biplane Simpson.",
        "The cfg files of patient0185 and patient0217 name ES before ED, and EFs that look wrong.",
        "patient0033 and patient0068 carry the same A4C image at ED (seen in a resampled copy), under different masks.",
        "Pixels of the older release are not square (0.308 x 0.154 mm).",
        "Half sequences run from ED to ES: they hold no complete beat.",
        "Copies exist whose A2C stills are 192 x 192 PNG without scale and aspect ratio.",
    ),
    read=read,
)
"""CAMUS as `lvef data import` reads it."""
