"""A fabricated folder of a user's own: one CSV beside clips, a still and a DICOM file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tests.io.io_fabrication import dicom, moving_grey, save, write_video

HEADER = "File Name,Patient ID,LVEF (%),EDV [ml],ESV [ml],View,Split,Age,Sex,ED frame,ES frame,Comment"
ROWS = (
    "clips/a.avi,p1,55.5,120,53.4,A4C,train,61,F,0,4,good",
    "clips/b.avi,p1,41,,,apical 2 chamber,TRAIN,61,female,,,",
    "clips\\c.avi,p2,62.25,98,37,4CH,Validation,,m,1,6,",
    "stills/d.png,p3,,,,PSAX,test,45.5,M,,,",
    "dicom/e.dcm,p4,30 %,210,147,,test,70,,,,",
)


def write_table(root: Path, rows=ROWS, header=HEADER, name="list.csv", encoding="utf-8") -> Path:
    """The user's table."""
    path = root / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def write(root: Path) -> Path:
    """Five files of four patients."""
    for name in ("clips", "stills", "dicom"):
        (root / name).mkdir(parents=True, exist_ok=True)
    write_table(root)
    for name in "abc":
        write_video(root / "clips" / f"{name}.avi", moving_grey(8, 48, 64), "mjpeg", "yuvj420p", rate=40)
    Image.fromarray(np.full((50, 70), 9, np.uint8)).save(root / "stills" / "d.png")
    save(dicom(moving_grey(6, 40, 60), FrameTime="20"), root / "dicom" / "e.dcm")
    return root
