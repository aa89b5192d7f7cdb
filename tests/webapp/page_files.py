"""Files to drop on the page, made from pydicom's cine."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from pydicom.data import get_testdata_file

from lvef.io.open import open_clip
from tests.io.io_fabrication import dicom, save, write_video

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
CODECS = {"avi": "mjpeg", "mp4": "libx264", "mov": "libx264", "mkv": "libx264", "webm": "libvpx"}
BURNED_IN = "DOE JOHN 12345"


def cine_frames() -> np.ndarray:
    return open_clip(CINE).frames


def clip_of_every_kind(folder: Path) -> list[Path]:
    """The cine as each kind of clip."""
    frames, made = cine_frames(), []
    for kind, codec in CODECS.items():
        pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        made.append(Path(write_video(str(folder / f"{kind}.{kind}"), frames, codec, pixels, rate=30)))
    gif = folder / "gif.gif"
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(gif, save_all=True, append_images=pictures[1:], duration=30, loop=0)
    return [*made, gif]


def wrong_files(folder: Path) -> dict[str, Path]:
    """Files that cannot be measured, by what is wrong with them."""
    frames = cine_frames()
    text = folder / "text.avi"
    text.write_text("this is no film, and its words must not be shown: Musterfrau")
    whole = Path(write_video(str(folder / "whole.mp4"), frames, "libx264", "yuv420p", rate=30))
    cut = folder / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    picture = io.BytesIO()
    Image.fromarray(frames[0]).save(picture, "JPEG")
    still = folder / "still.dcm"
    still.write_bytes(picture.getvalue())
    empty = folder / "empty.avi"
    empty.touch()
    coloured = np.repeat(frames[..., None], 3, axis=3).astype(int)
    rng = np.random.default_rng(0)
    jet = rng.integers(0, 2, (len(frames), 6, 6, 1)).repeat(10, 1).repeat(10, 2)
    coloured[:, 90:150, 130:190] = jet * np.array([220, 0, -220]) + np.array([0, 30, 220])
    doppler = write_video(
        str(folder / "doppler.avi"), coloured.clip(0, 255).astype(np.uint8), "mjpeg", "yuvj420p", rate=30
    )
    return {"text": text, "cut": cut, "still": still, "empty": empty, "doppler": Path(doppler)}


def named_dicom(folder: Path) -> Path:
    """The cine on a large screen with a burned-in name, in a DICOM file whose header names a patient."""
    frames = cine_frames()
    screen = np.zeros((len(frames), 480, 640), np.uint8)
    for target, frame in zip(screen, frames, strict=True):
        target[60:420, 80:560] = cv2.resize(frame, (480, 360))
        cv2.putText(target, BURNED_IN, (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
    return save(dicom(screen, FrameTime="33.3"), folder / "IM1.dcm")


def still_pair(folder: Path, ed: int, es: int) -> tuple[Path, Path]:
    frames = cine_frames()
    for name, frame in (("ed", ed), ("es", es)):
        Image.fromarray(frames[frame]).save(folder / f"{name}.png")
    return folder / "ed.png", folder / "es.png"
