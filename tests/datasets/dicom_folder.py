"""A fabricated folder of DICOM studies: cines of two patients, a still, a report, other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.uid import generate_uid

from tests.io.io_fabrication import dicom, moving_grey, region, regions, save

STUDIES = ("1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2")


def cine(study=STUDIES[0], frames=8, seed=0, **elements):
    """An ultrasound cine with a name, an ID and a birth date in its header."""
    entropy = f"{study}-{seed}"
    ds = dicom(moving_grey(frames, 64, 96), **{"FrameTime": "20", "StudyInstanceUID": study, **elements})
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[entropy])
    return ds


def write(root: Path) -> Path:
    """Four cines (three studies' worth of names), one still, one image of another kind, one text file."""
    (root / "s1" / "series").mkdir(parents=True)
    (root / "s2").mkdir()
    calibrated = {"SequenceOfUltrasoundRegions": regions(region(delta=(0.05, 0.04)))}
    facts = {"PatientSex": "F", "PatientAge": "061Y", "HeartRate": "72"}
    save(cine(seed=1, **facts, **calibrated), root / "s1" / "series" / "IM_0001")
    save(
        cine(seed=2, frames=5, FrameTimeVector=[0, 20, 20, 30, 20], **facts),
        root / "s1" / "series" / "IM_0002",
    )
    save(
        cine(STUDIES[1], seed=3, PatientID="OTHER", PatientSex="M", PatientAge="018M"), root / "s2" / "a.dcm"
    )
    no_clock = cine(STUDIES[1], seed=4, PatientID="OTHER")
    del no_clock.FrameTime
    save(no_clock, root / "s2" / "b.dcm")
    still = cine(STUDIES[1], seed=5, frames=1)
    still.SOPClassUID = still.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.1"
    save(still, root / "s2" / "still.dcm")
    other = dicom(np.zeros((1, 8, 8), np.uint8), Modality="CR")
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    save(other, root / "s2" / "chest.dcm")
    (root / "readme.txt").write_text("exported")
    (root / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    return root
