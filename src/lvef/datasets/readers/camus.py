"""CAMUS: stills with masks and half sequences of 500 patients of one hospital, apical four- and two-chamber views.

Source: S. Leclerc et al., "Deep Learning for Segmentation using an Open Large-Scale Dataset in 2D Echocardiography",
IEEE TMI 38(9), 2198-2210, 2019, doi 10.1109/TMI.2019.2900516. Licence: CC BY-NC-SA 4.0, non-commercial research.

Layout read here: the NIfTI release, ``database_nifti/patientXXXX`` with ``database_split``, also where A2C comes as
192 x 192 PNG (``a2c_192``); and the older MetaImage release, ``training/patientXXXX/*.mhd`` with ``.raw`` beside, and
``testing``.

Known defects: the cfg ``EF`` of the NIfTI release shares one disk height between the phases and lies about 8 points below
Simpson on the same masks, while ``LVef`` of the older release is the usual biplane Simpson: `ef_method` names which. The cfg
of patient0185 and patient0217 tell ES before ED and EFs that look wrong; their half sequences run backwards, their stills
are named rightly. The A2C PNGs have lost scale and aspect ratio. Pixels of the MetaImage release are not square. Patients of
its ``testing`` folder are numbered from 1 again, so they are called ``testing_patientXXXX``, and the lists of the NIfTI
release, which numbers patients otherwise, are not applied to it.

A picture that is not there or cannot be read has no row: each row is a picture with the labels of its patient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError, VideoError
from lvef.core.terms import Phase
from lvef.datasets.camus import CITATION, LICENCE, VIEW_CODES, read_info
from lvef.datasets.camus_folders import AGAIN, Patient, find_patients
from lvef.datasets.camus_labels import Labels
from lvef.datasets.findings import Findings, Severity
from lvef.datasets.manifest import make_manifest
from lvef.datasets.registry import DatasetReader, ImportResult, Progress
from lvef.io.limits import check_spacing
from lvef.io.still_headers import StillHeader, read_still_header

_PNG = "a2c_192"


def read(root: Path, progress: Progress | None = None) -> ImportResult:
    """Read the collection's folder into a manifest; only headers are opened.

    Args:
        root: Folder that holds ``database_nifti``, or ``training`` of the older release.
        progress: Called with patients done and patients in all.

    Raises:
        DataError: The folder is not this collection.
    """
    findings = Findings()
    patients = find_patients(root, findings)
    reading = _Reading(root, findings, patients[0].suffix)
    rows: list[dict[str, Any]] = []
    for done, patient in enumerate(patients):
        if progress is not None:
            progress(done, len(patients))
        rows += reading.rows(patient)
    if progress is not None:
        progress(len(patients), len(patients))
    if not rows:
        raise DataError(
            f"{root}: holds {len(patients)} folders of CAMUS patients but no picture that can be read; unpack the archive "
            "again."
        )
    reading.summarise()
    return ImportResult(make_manifest(rows, str(root)), findings.sorted())


class _Reading:
    """Makes rows of pictures and notes what is odd on the way."""

    def __init__(self, root: Path, findings: Findings, suffix: str) -> None:
        self.root, self.suffix, self._findings = root, suffix, findings
        self._labels = Labels(findings)
        self._pngs = _names(root / _PNG)
        self._no_sequence: list[str] = []
        self._n_sequences = 0

    def rows(self, patient: Patient) -> Iterator[dict[str, Any]]:
        """The rows of a patient: A4C first; ED, ES, half sequence."""
        folder = self.root / patient.folder
        files = _names(folder)
        person = self._labels.of_patient(patient, folder)
        for view, code in VIEW_CODES.items():
            info = read_info(folder, view)
            common = {
                **person,
                "collection": READER.name,
                "root": self.root.absolute(),
                "licence": READER.licence,
                "view": view,
                "quality": info.get("ImageQuality"),
                "told_by": f"{patient.folder}/Info_{code}.cfg"
                if f"Info_{code}.cfg" in files
                else person["told_by"],
            }
            for phase in Phase:
                row = self._still(patient, files, f"{code}_{phase}")
                if row is not None:
                    yield {
                        **common,
                        **row,
                        "item": f"{patient.name}_{code}_{phase}",
                        "kind": "still",
                        "phase": phase,
                    }
            row = self._sequence(patient, files, code, info)
            if row is not None:
                yield {**common, **row, "item": f"{patient.name}_{code}_half_sequence", "kind": "clip"}

    def summarise(self) -> None:
        """Tell of half sequences: a part without any is common, some missing among others are not."""
        some = self._n_sequences > 0
        self._add(
            "no_half_sequence",
            "Half sequences are missing.",
            AGAIN if some else "Nothing, where stills are enough.",
            self._no_sequence,
            Severity.WARNING if some else Severity.NOTE,
        )

    def _still(self, patient: Patient, files: frozenset[str], what: str) -> dict[str, Any] | None:
        stem = f"{patient.stem}_{what}"
        if f"{stem}{self.suffix}" in files:
            with_mask = f"{stem}_gt{self.suffix}" in files
            return self._picture(f"{patient.folder}/{stem}", self.suffix, with_mask, wanted=patient.labelled)
        if self.suffix != ".mhd" and f"{stem}.png" in self._pngs:
            row = self._picture(f"{_PNG}/{stem}", ".png", f"{stem}_gt.png" in self._pngs)
            self._add(
                "lost_scale",
                "Stills come as PNG that have lost scale and aspect ratio: an EF can be had, millilitres cannot.",
                "Take the owners' NIfTI files where they can be had.",
                stem,
                Severity.NOTE,
            )
            return row
        self._add("missing_still", "Stills are missing; they have no row.", AGAIN, f"{patient.name}_{what}")
        return None

    def _sequence(
        self, patient: Patient, files: frozenset[str], code: str, info: Mapping[str, str]
    ) -> dict[str, Any] | None:
        stem = f"{patient.stem}_{code}"
        name = next(
            (n for n in (f"{stem}_half_sequence", f"{stem}_sequence") if n + self.suffix in files), None
        )
        if name is None:
            self._no_sequence.append(f"{patient.name}_{code}")
            return None
        self._n_sequences += 1
        # The older release has no masks of its sequences.
        with_mask, wanted = f"{name}_gt{self.suffix}" in files, self.suffix != ".mhd"
        row = self._picture(f"{patient.folder}/{name}", self.suffix, with_mask, wanted=wanted)
        if row is None:
            return None
        n = row["n_frames"]
        told = self._labels.number(patient, info, "NbFrame", "n_frames")
        if told is not None and told != n:
            self._add(
                "frame_count",
                "The cfg tells another number of frames than the half sequence has; the sequence counts.",
                AGAIN,
                f"{name}: {told:g} told, {n} there",
            )
        rate = self._labels.number(patient, info, "FrameRate", "frame_rate_hz")
        row |= {"frame_rate_hz": rate, "duration_s": None if rate is None else n / rate}
        frames = [self._labels.number(patient, info, key, "n_frames") for key in ("ED", "ES")]
        if any(f is not None and f > n for f in frames):
            self._add(
                "phase_outside",
                "ED or ES of the cfg lies behind the end of the half sequence; both stay empty.",
                AGAIN,
                name,
            )
        elif frames[0] is not None and frames[1] is not None:
            # The cfg counts frames from 1.
            row |= {"ed_frame": int(frames[0]) - 1, "es_frame": int(frames[1]) - 1}
        return row

    def _picture(
        self, stem: str, suffix: str, with_mask: bool, *, wanted: bool = True
    ) -> dict[str, Any] | None:
        """Path, size, scale and mask of a picture; None where it cannot be read."""
        header = self._header(f"{stem}{suffix}")
        if header is None:
            return None
        mask = self._header(f"{stem}_gt{suffix}") if with_mask else None
        if wanted and not with_mask:
            self._add("missing_mask", "Pictures have no mask.", AGAIN, stem)
        if mask is not None and mask[:3] != header[:3]:
            self._add(
                "mask_size",
                "Masks have another size than their picture; they are left out.",
                AGAIN,
                f"{stem}: {mask.width} x {mask.height} x {mask.n_frames}, not {header.width} x {header.height} x "
                f"{header.n_frames}",
            )
            mask = None
        spacing, note = None, ""
        if header.spacing_mm is not None:
            spacing, note = check_spacing(*header.spacing_mm, "header")
        if note:
            self._add("odd_spacing", "Pixel sizes cannot be those of an echo; they stay empty.", AGAIN, stem)
        return {
            "path": f"{stem}{suffix}",
            "mask_path": f"{stem}_gt{suffix}" if mask is not None else None,
            "n_frames": header.n_frames,
            "height_px": header.height,
            "width_px": header.width,
            "spacing_x_mm": spacing.x_mm if spacing else None,
            "spacing_y_mm": spacing.y_mm if spacing else None,
            "n_traced_frames": header.n_frames if mask is not None else 0,
        }

    def _header(self, path: str) -> StillHeader | None:
        try:
            header = read_still_header(self.root / path)
        except VideoError:
            self._add("unreadable", "Headers of files cannot be read; the files are left out.", AGAIN, path)
            return None
        if header.whole:
            return header
        if header.data_file and not (self.root / path).with_name(header.data_file).is_file():
            self._add(
                "mhd_without_raw",
                "Headers (.mhd) have no data file (.raw) beside; they are left out.",
                AGAIN,
                path,
            )
        else:
            self._add("cut_off", "Files are shorter than their header says; they are left out.", AGAIN, path)
        return None

    def _add(
        self, code: str, text: str, mend: str, names: str | list[str], severity: Severity = Severity.WARNING
    ) -> None:
        self._findings.add(code, severity, text, mend, names)


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
        "The cfg files of patient0185 and patient0217 tell ES before ED, and EFs that look wrong.",
        "patient0033 and patient0068 carry the same A4C picture at ED (seen in a resampled copy), under different masks.",
        "Pixels of the older release are not square (0.308 x 0.154 mm).",
        "Half sequences run from ED to ES: they hold no whole beat.",
        "Copies exist whose A2C stills are 192 x 192 PNG without scale and aspect ratio.",
    ),
    read=read,
)
"""CAMUS as `lvef data import` reads it."""
